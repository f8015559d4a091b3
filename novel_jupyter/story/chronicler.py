"""The chronicler: tells what happened, and nothing that did not.

Law: reads events, not state. Every sentence cites the events it tells and is checked before it leaves.
Parts: `ChroniclerAgent`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from .brain import Brain
from .turn import Narrative, Sentence, Session, TurnRecord


class ChroniclerAgent:
    """Tells turns. Override `stream` to tell them otherwise."""

    name = "Chronicler"

    def __init__(self, brain: Brain | None = None) -> None:
        self.brain = brain

    async def generate_turn_narrative(self, session: Session, turn: int) -> Narrative:
        """The whole prose of a resolved turn. Raises KeyError for a turn that was not resolved."""
        return await self.narrate(session.turn_record(turn))

    async def narrate(self, record: TurnRecord) -> Narrative:
        """The whole prose of a record."""
        raise NotImplementedError

    def stream(self, record: TurnRecord) -> AsyncIterator[Sentence]:
        """The same, sentence by sentence, each checked before it is yielded."""
        raise NotImplementedError
