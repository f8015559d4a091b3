"""The chronicler: tells what happened, and nothing that did not.

Law: reads events, not state. The public prose is made from public events alone, a seat's from what its
character witnessed. Every sentence cites the events it tells and is checked before it leaves; one that says
more than its events is replaced by the plain words of the event.
Parts: `ChroniclerAgent`, `STYLES`, `chunk`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from typing import Final, get_args

from . import prose, summary
from .audiences import in_person, public, witnessed
from .brain import Brain, BrainError
from .checker import Checker
from .offline import OfflineBrain
from .schema import Tone
from .session import Session
from .turn import MadeBy, Narrative, SeatNarrative, Sentence, TurnRecord, Usage

ROLE: Final = "Chronicler"
"""As which a chronicler stands in the bill of a turn, whatever its class is called."""
FIRST_PERSON: Final = "first_person"
STYLES: Final[tuple[str, ...]] = (*get_args(Tone), FIRST_PERSON)
"""What `style` can be: a tone, or the first person of the character `of` in the story's own tone."""


class ChroniclerAgent:
    """Tells turns. Override `compose` to tell them otherwise: its sentences are still checked.

    Without a `style` a story is told as its file says.
    """

    name = "Chronicler"
    """What people are shown; a subclass is called by the name of its class unless it says otherwise."""

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in vars(cls):
            cls.name = cls.__name__

    def __init__(
        self, brain: Brain | None = None, *, style: str | None = None, of: str | None = None
    ) -> None:
        if style is not None and style not in STYLES:
            raise ValueError(f"there is no style {style!r}; expected one of {', '.join(STYLES)}")
        if (style == FIRST_PERSON) != (of is not None):
            raise ValueError(f"`of` is the character who tells it; it goes with style={FIRST_PERSON!r}")
        self.brain: Brain = brain or OfflineBrain()
        self.style = style
        self.of = of

    async def generate_turn_narrative(self, session: Session, turn: int) -> Narrative:
        """The whole prose of a resolved turn. Raises KeyError for a turn that was not resolved."""
        return await self.narrate(session.turn_record(turn))

    async def narrate(self, record: TurnRecord) -> Narrative:
        """The whole prose of a record."""
        return self.bind(record, [sentence async for sentence in self.stream(record)])

    def bind(
        self, record: TurnRecord, sentences: list[Sentence], seats: Iterable[SeatNarrative] = ()
    ) -> Narrative:
        """The narrative that streamed sentences make."""
        own = {} if type(self) is ChroniclerAgent else {ROLE: self.name}
        stood_in = any(sentence.fallback for sentence in sentences)
        made_by = MadeBy(self.brain.engine, self.brain.model, stood_in, {ROLE: Usage()}, own)
        so_far = summary.extended(record.so_far, public(record))
        return Narrative(
            record.turn, record.attempt, joined(sentences), tuple(sentences), made_by, tuple(seats), so_far
        )

    def styled(self, record: TurnRecord) -> TurnRecord:
        """The record in this chronicler's style."""
        if self.style == FIRST_PERSON:
            return replace(record, teller=self.of)
        return replace(record, tone=self.style, teller=None) if self.style else record

    def compose(self, record: TurnRecord) -> AsyncIterator[Sentence]:
        """Unchecked sentences, in order."""
        return self.brain.narrate(record)

    async def stream(self, record: TurnRecord) -> AsyncIterator[Sentence]:
        """The public prose sentence by sentence, each checked before it is yielded."""
        styled = self.styled(record)
        record = in_person(styled, styled.teller) if styled.teller else public(styled)
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
                        flat = prose.plain(event, record.names.get(record.teller or ""))
                        yield replace(flat, paragraph=sentence.paragraph, fallback=True)
        except BrainError:
            for sentence in prose.tell(record):
                if told.isdisjoint(sentence.events) and checker.problem(sentence) is None:
                    yield replace(sentence, fallback=True)

    def tell_seat(
        self, record: TurnRecord, character: str, recent: tuple[str, ...] = ()
    ) -> SeatNarrative | None:
        """The turn as one character witnessed it, what was for them alone included, or None if it passed them
        by. Offline whatever the brain: a model is not asked once for every seat.
        """
        mine = witnessed(self.styled(record), character)
        if mine is None:
            return None
        checker = Checker(mine)
        told = [
            sentence
            for sentence in prose.tell(replace(mine, recent=recent, telling=record.telling))
            if checker.problem(sentence) is None
        ]
        return SeatNarrative(character, joined(told), tuple(told))

    def tell_seats(self, record: TurnRecord, characters: Iterable[str]) -> Iterator[SeatNarrative]:
        """`tell_seat` for each of them who has something to read."""
        for character in sorted(characters):
            if told := self.tell_seat(record, character):
                yield told


def joined(sentences: Iterable[Sentence]) -> str:
    """The text that sentences make."""
    return "".join(chunk(sentence, first=index == 0) for index, sentence in enumerate(sentences))


def chunk(sentence: Sentence, *, first: bool) -> str:
    """A sentence as it is appended to the text so far."""
    if first:
        return sentence.text
    return ("\n\n" if sentence.paragraph else " ") + sentence.text
