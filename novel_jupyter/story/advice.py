"""What a character would do and remember, for whoever plays them.

Law: pure, and made from what that player may see; the same view gives the same advice. Advice is a
suggestion: it takes nothing out of anybody's hands and uses up no dice.
Parts: `advise`, `Advice`, `recall`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from .actions import Action, dump_action
from .dice import Dice
from .look import Look
from .perceive import persona_view
from .policy import choose
from .shapes import MemoryState
from .wording import in_words
from .world import State

OWN = 2
"""What it adds to a memory that it is about somebody who is here, in points of weight."""


@dataclass(frozen=True, slots=True)
class Advice:
    """`action` is legal now, `phrase` is how it is shown, `reasons` are hers, strongest first."""

    action: Action
    phrase: str
    reasons: tuple[str, ...]

    def to_json(self) -> dict[str, JsonValue]:
        """For a player's screen: `{"action", "phrase", "reasons"}`."""
        return {"action": dump_action(self.action), "phrase": self.phrase, "reasons": list(self.reasons)}


def advise(state: State, character: str, turn: int) -> Advice:
    """What would she do? `state` may be what the player of `character` sees, and is enough.

    Raises KeyError for one who does not act (dead, gone, unknown).
    """
    view = persona_view(state, character, Dice("advice", "", turn, 1), None)
    decision = choose(view)
    return Advice(decision.action, in_words(Look(state), character, decision.action), decision.reasons)


def recall(
    memory: Sequence[MemoryState], turn: int, about: Collection[str], most: int
) -> tuple[MemoryState, ...]:
    """The `most` memories that matter now, oldest first: recent, grave, and of `about` (who is here)."""

    def worth(index: int) -> tuple[int, int]:
        entry = memory[index]
        near = entry["who"] in about or not set(entry["about"]).isdisjoint(about)
        return 2 * (entry["weight"] + (OWN if near else 0)) - (turn - entry["turn"]), index

    chosen = sorted(range(len(memory)), key=worth, reverse=True)[:most]
    return tuple(memory[index] for index in sorted(chosen))
