"""The chronicler: tells what happened, and nothing that did not.

Law: reads events, not state. Every sentence cites the events it tells and is checked before it leaves; one
that says more than its events is replaced by the plain words of the event.
Parts: `ChroniclerAgent`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from . import prose
from .brain import Brain, BrainError
from .checker import Checker
from .offline import OfflineBrain
from .turn import MadeBy, Narrative, Sentence, Session, TurnRecord, Usage


class ChroniclerAgent:
    """Tells turns. Override `compose` to tell them otherwise: its sentences are still checked."""

    name = "Chronicler"

    def __init__(self, brain: Brain | None = None) -> None:
        self.brain: Brain = brain or OfflineBrain()

    async def generate_turn_narrative(self, session: Session, turn: int) -> Narrative:
        """The whole prose of a resolved turn. Raises KeyError for a turn that was not resolved."""
        return await self.narrate(session.turn_record(turn))

    async def narrate(self, record: TurnRecord) -> Narrative:
        """The whole prose of a record."""
        return self.bind(record, [sentence async for sentence in self.stream(record)])

    def bind(self, record: TurnRecord, sentences: list[Sentence]) -> Narrative:
        """The narrative that streamed sentences make."""
        text = "".join(chunk(sentence, first=index == 0) for index, sentence in enumerate(sentences))
        made_by = MadeBy(self.brain.engine, self.brain.model, agents={self.name: Usage()})
        return Narrative(record.turn, record.attempt, text, tuple(sentences), made_by)

    def compose(self, record: TurnRecord) -> AsyncIterator[Sentence]:
        """Unchecked sentences, in order."""
        return self.brain.narrate(record)

    async def stream(self, record: TurnRecord) -> AsyncIterator[Sentence]:
        """The prose sentence by sentence, each checked before it is yielded."""
        checker = Checker(record)
        told: set[str] = set()
        try:
            async for sentence in self.compose(record):
                if checker.problem(sentence) is None:
                    told.update(sentence.events)
                    yield sentence
                    continue
                for event in record.events:
                    # The plain words of what the sentence claimed to tell, once.
                    if event.id in sentence.events and event.id not in told and event.beats:
                        told.add(event.id)
                        yield replace(prose.plain(event), paragraph=sentence.paragraph)
        except BrainError:
            for sentence in prose.tell(record):
                if told.isdisjoint(sentence.events) and checker.problem(sentence) is None:
                    yield sentence


def chunk(sentence: Sentence, *, first: bool) -> str:
    """A sentence as it is appended to the text so far."""
    if first:
        return sentence.text
    return ("\n\n" if sentence.paragraph else " ") + sentence.text
