"""How an attempt is judged: the throw, and what a judgement collects.

Law: a ruling is built by one adjudicator and says what came of it, what that changes, and what there is to
tell; it changes nothing itself. Two dice and a modifier: 10 and more is a success, 7 to 9 a success at a
cost, 6 and less a complication.
Parts: `Aside`, `Ruling`, `Attempt` (what an adjudicator works with).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from . import effects as fx
from .actions import Action
from .dice import Dice
from .effects import Effect
from .look import Look
from .turn import OutcomeName, Roll

MAX_MODIFIER = 3


@dataclass(slots=True)
class Aside:
    """The secret part of an action: for some seats only."""

    audience: list[str]
    reason: str
    tags: list[str] = field(default_factory=list)
    mentions: list[str] = field(default_factory=list)
    beats: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    """How it is told to those seats; without any, by its reason."""


@dataclass(slots=True)
class Ruling:
    """What came of an attempt. `beats` are (shelf, slots): ids, or text for `line`, `fact` and `text`."""

    outcome: OutcomeName
    reason: str
    roll: Roll | None = None
    effects: list[Effect] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    mentions: list[str] = field(default_factory=list)
    beats: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    asides: list[Aside] = field(default_factory=list)
    open: bool = True
    """Whether those who are there (and whoever reads) see it."""

    def tell(self, shelf: str, **slots: str) -> None:
        self.beats.append((shelf, slots))


@dataclass(frozen=True, slots=True)
class Attempt:
    """One action, about to be judged against the state as it is by now."""

    look: Look
    me: str
    action: Action
    dice: Dice
    turn: int
    guarded: Mapping[str, str]
    """Who is guarded this turn → by whom."""
    push: int = 0
    """What the hour adds: in the climax things come to a head."""

    @property
    def name(self) -> str:
        return self.look.name(self.me)

    @property
    def here(self) -> str:
        place = self.look.place(self.me)
        assert place is not None, "the absent do not act: laws.alive"
        return place

    def throw(self, trait: str, against: int = 0, purpose: str = "") -> tuple[Roll, OutcomeName]:
        """A throw on a trait, against something. What helped or frightened them counts once."""
        seat = self.look.seat(self.me)
        wounds = 1 if self.look.people[self.me]["health"] == 1 else 0
        modifier = self.look.trait(self.me, trait) + seat["edge"] + self.push - against - wounds
        roll = Roll(
            self.dice.two(self.me, f"roll/{self.action.kind}/{purpose}"),
            max(-MAX_MODIFIER, min(MAX_MODIFIER, modifier)),
        )
        return roll, "success" if roll.total >= 10 else "cost" if roll.total >= 7 else "complication"

    def spent(self) -> list[Effect]:
        """A throw uses up what helped or frightened."""
        return [fx.Edged(self.me, 0)] if self.look.seat(self.me)["edge"] else []
