"""The one port of the engine: whoever decides and finds words.

Law: a brain is given views and chooses; it never sees the state, never throws another's dice and never
decides what comes of an action. Whatever it answers is checked: an option that was not offered and a
sentence that says more than its events are not used.
Parts: what a persona sees (`PersonaView`) and answers (`Decision`; both: `Decided`), what the director frames
(`StageView`, `Frame`), the `Brain` protocol, `BrainError`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from .actions import Action
from .dice import Luck
from .schema import Act
from .shapes import BeliefState, GoalState, MemoryState, Sighting
from .turn import Sentence, TurnRecord, Usage


class BrainError(Exception):
    """The brain could not answer; the message may be shown to people. The offline rules stand in.

    `usage` is what it cost all the same.
    """

    def __init__(self, message: str = "", usage: Usage | None = None) -> None:
        super().__init__(message)
        self.usage = usage or Usage()


@dataclass(frozen=True, slots=True)
class PersonSeen:
    id: str
    name: str
    role: str
    health: int
    items: tuple[str, ...]
    """What they visibly hold."""


@dataclass(frozen=True, slots=True)
class UseSeen:
    """How an item can be used, as anybody sees: where, with what, whether one would learn something."""

    at: str | None
    needs: str | None
    informs: bool


@dataclass(frozen=True, slots=True)
class PersonaView:
    """All that one character knows when deciding: what they are, what they witnessed, what they can try."""

    id: str
    name: str
    role: str
    traits: Mapping[str, int]
    goals: Mapping[str, GoalState]
    secrets: Mapping[str, str]
    beliefs: Mapping[str, BeliefState]
    seen: Mapping[str, Sighting]
    relations: Mapping[str, int]
    memory: tuple[MemoryState, ...]
    """Oldest first."""
    health: int
    edge: int
    location: str
    hidden: bool
    present: Mapping[str, PersonSeen]
    """Whom they see here."""
    here: tuple[str, ...]
    """Items that lie here."""
    holding: tuple[str, ...]
    map: Mapping[str, Mapping[str, str | None]]
    """Location → exits → the item that a locked one takes (None: open). People know the house."""
    uses: Mapping[str, Mapping[str, UseSeen]]
    """Item that they know of → the ways to use it."""
    fixed: frozenset[str]
    """Those of them that cannot be carried."""
    names: Mapping[str, str]
    act: Act
    call: str | None
    """Where the director's scene plays: what draws people there."""
    turn: int
    options: tuple[Action, ...]
    luck: Luck


@dataclass(frozen=True, slots=True)
class Decision:
    """`reasons`: why, strongest first. `fallback`: somebody else than the brain that was asked decided."""

    action: Action
    reasons: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)
    fallback: bool = False


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision as it was made: what the character knew and could do, what they chose, and whose code
    chose it (`agent`: the name of the class).
    """

    view: PersonaView
    decision: Decision
    agent: str


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the next scene plays and between whom."""

    location: str
    focus: tuple[str, ...]
    mood: str
    stakes: int = 0


@dataclass(frozen=True, slots=True)
class StageView:
    """What the director chooses between: frames, most at stake first."""

    turn: int
    act: Act
    tension: int
    frames: tuple[Frame, ...]
    luck: Luck


class Brain(Protocol):
    """Decides for personas, frames for the director, finds words for the chronicler."""

    engine: str
    """`offline`, or what kind of model interface this is: what people are shown."""
    model: str | None

    async def decide(self, view: PersonaView) -> Decision:
        """One of `view.options`. Raises BrainError."""

    async def frame(self, view: StageView) -> tuple[Frame, Usage]:
        """One of `view.frames`. Raises BrainError."""

    def narrate(self, record: TurnRecord) -> AsyncIterator[Sentence]:
        """The sentences of a turn in order, each citing the events it tells. Raises BrainError."""
