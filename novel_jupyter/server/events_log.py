"""Structured log lines.

Law: one line, `event key=value …`, values without spaces or quoted; never a token, a text of a story, or the
words of an exception (they quote what it failed on): its type and the places it passed are enough to find
it. Who asked is told a reference, which stands in the log too.
"""

from __future__ import annotations

import json
import logging
import secrets

from novel_jupyter.core.errors import way_of


class Log:
    """Writes to one logger."""

    def __init__(self, logger: logging.Logger | logging.LoggerAdapter[logging.Logger]) -> None:
        self._logger = logger

    def info(self, event: str, **fields: object) -> None:
        self._logger.info("%s", _line(event, fields))

    def warning(self, event: str, **fields: object) -> None:
        self._logger.warning("%s", _line(event, fields))

    def failure(self, event: str, error: BaseException | None, **fields: object) -> str:
        """Log our own failure with the way it came, and return the reference that a client may be told."""
        reference = secrets.token_hex(4)
        told = {**fields, "error": way_of(error) if error else "", "reference": reference}
        self._logger.error("%s", _line(f"failed_{event}", told))
        return reference


def _line(event: str, fields: dict[str, object]) -> str:
    return " ".join(
        [f"novel_jupyter event={event}", *(f"{key}={_value(value)}" for key, value in fields.items())]
    )


def _value(value: object) -> str:
    text = str(value)
    return (
        text
        if text and text.replace("_", "").replace("-", "").replace(":", "").isalnum()
        else json.dumps(text)
    )
