"""What can change in a story, as a closed set of small values.

Law: adjudication names effects, and `reduce` alone carries them out. An effect says everything it needs.
Parts: one dataclass for each kind of change, `Effect`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from .schema import Act
from .shapes import GoalState, GoalStatus, MemoryState


@dataclass(frozen=True, slots=True)
class Moved:
    character: str
    to: str


@dataclass(frozen=True, slots=True)
class Hid:
    """Out of sight, where they are."""

    character: str


@dataclass(frozen=True, slots=True)
class Appeared:
    character: str


@dataclass(frozen=True, slots=True)
class Departed:
    """Left the story for good, with what they carry."""

    character: str


@dataclass(frozen=True, slots=True)
class Hurt:
    """Wounded by so much, or healed if `by` is negative. At 0 health they are dead and what they held
    falls.
    """

    character: str
    by: int


@dataclass(frozen=True, slots=True)
class Held:
    """An item comes into somebody's hands; a hidden one is thereby found."""

    item: str
    holder: str


@dataclass(frozen=True, slots=True)
class Lay:
    item: str
    location: str


@dataclass(frozen=True, slots=True)
class Destroyed:
    item: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A locked exit, from both sides."""

    one: str
    other: str


@dataclass(frozen=True, slots=True)
class Learned:
    character: str
    fact: str
    source: str
    turn: int


@dataclass(frozen=True, slots=True)
class Published:
    """A fact was said openly: whoever reads the story knows it now."""

    fact: str


@dataclass(frozen=True, slots=True)
class Trusted:
    """`of` trusts `to` more by so much."""

    of: str
    to: str
    by: int


@dataclass(frozen=True, slots=True)
class Edged:
    """The next attempt of a character gains or loses; it is set, not added."""

    character: str
    to: int


@dataclass(frozen=True, slots=True)
class Sighted:
    witness: str
    thing: str
    location: str | None
    holder: str | None
    turn: int


@dataclass(frozen=True, slots=True)
class Remembered:
    character: str
    key: str
    entry: MemoryState


@dataclass(frozen=True, slots=True)
class Reasoned:
    """Why an agent chose for a character what it chose, strongest first: for that seat alone."""

    character: str
    turn: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GoalTurned:
    character: str
    goal: str
    status: GoalStatus


@dataclass(frozen=True, slots=True)
class GoalGained:
    character: str
    goal: str
    what: GoalState


@dataclass(frozen=True, slots=True)
class Ticked:
    clock: str
    by: int


@dataclass(frozen=True, slots=True)
class Framed:
    location: str
    mood: str
    act: Act
    focus: tuple[str, ...]
    tension: int


@dataclass(frozen=True, slots=True)
class Done:
    """An item was used in a certain way."""

    item: str
    how: str
    by: str


@dataclass(frozen=True, slots=True)
class Begun:
    """The first turn of a story: `hand` orders its phrases and people's lines from then on."""

    hand: int


@dataclass(frozen=True, slots=True)
class Told:
    """A shelf of the phrase bank was used."""

    key: str


Effect: TypeAlias = (
    Moved
    | Hid
    | Appeared
    | Departed
    | Hurt
    | Held
    | Lay
    | Destroyed
    | Opened
    | Learned
    | Published
    | Trusted
    | Edged
    | Sighted
    | Remembered
    | Reasoned
    | GoalTurned
    | GoalGained
    | Ticked
    | Framed
    | Done
    | Begun
    | Told
)
