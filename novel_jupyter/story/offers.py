"""What a character may try now, for the screen of who plays it.

Law: pure, and made from what that player sees and nothing else; an offer is one of the legal actions, worded
as a reading words it. The order is always the same.
Parts: `Offer`, `offers`, `offers_from_outside`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

from pydantic import JsonValue

from .actions import Action, dump_action
from .look import Look
from .pressure import narrowed
from .rules import legal_actions
from .shapes import SeatState
from .wording import in_words
from .world import State

MOST = 200
_UNKNOWN: Final[SeatState] = {
    "location": None,
    "goals": {},
    "secrets": {},
    "beliefs": {},
    "seen": {},
    "relations": {},
    "memory": {},
    "edge": 0,
    "notes": "",
}
"""A seat to whom does not see it."""


@dataclass(frozen=True, slots=True)
class Offer:
    action: Action
    words: str

    def to_json(self) -> dict[str, JsonValue]:
        """`{"action", "words", "kind"}`."""
        return {"action": dump_action(self.action), "words": self.words, "kind": self.action.kind}


def offers(state: State, character: str) -> list[Offer]:
    """At most 200 actions by kind and words; none for one who cannot act. `state` is the view of the seat."""
    look = Look(state)
    if character not in look.people or not look.acts(character):
        return []
    options = narrowed(legal_actions(state, character), look.stage["scene"]["act"])
    found = {in_words(look, character, action): action for action in options}
    shown = [Offer(action, words) for words, action in found.items()]
    return sorted(shown, key=lambda offer: (offer.action.kind, offer.words))[:MOST]


def offers_from_outside(state: State, character: str) -> list[Offer]:
    """As `offers`, for whoever directs: what everybody could see that the character may try. `state` is the
    public view; none for one who is hidden.
    """
    return offers(cast(State, {**state, f"seat:{character}": _UNKNOWN}), character)
