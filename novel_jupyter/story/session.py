"""The port through which agents see a session.

Law: agents are called with one and read nothing else of it; the kernel's host is one, a test's table another.
Parts: `Session`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pydantic import JsonValue

from .turn import Proposal, TurnInput, TurnRecord


class Session(Protocol):
    """What agents need of a session: who plays whom, the input of a turn, the record of one."""

    def character_of(self, user: str, action: Mapping[str, JsonValue]) -> str | None:
        """The character for whom this user acts, or None if there is none."""

    def turn_input(self, proposals: Mapping[str, Proposal], *, immediate: bool = False) -> TurnInput:
        """The current turn with these proposals."""

    def turn_record(self, turn: int) -> TurnRecord:
        """What happened in a resolved turn. Raises KeyError for one that was not resolved."""
