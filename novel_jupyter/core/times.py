"""Moments as text. Law: RFC 3339 in UTC with milliseconds and `Z`, always 24 characters, so that text order
is
time order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def format_time(moment: datetime) -> str:
    """`moment` (aware) as `2026-01-31T12:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:23] + "Z"


def parse_time(text: str) -> datetime:
    """The aware datetime of a text that `format_time` made. Raises ValueError."""
    return datetime.fromisoformat(text)


def later(text: str, seconds: float) -> str:
    """The moment `seconds` after `text`."""
    return format_time(parse_time(text) + timedelta(seconds=seconds))
