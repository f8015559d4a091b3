"""Scripted players: people who follow a rule.

Law: a scripted player decides from what their own screen shows, which holds their seat's secrets and nobody
else's, and from a seed: the same screen and seed give the same choice.
Parts: `seats_to_play`, `choose_action`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import JsonValue

from .story.actions import dump_action
from .story.dice import Dice
from .story.perceive import persona_view
from .story.policy import choose


def seats_to_play(state: Mapping[str, JsonValue], players: int) -> list[list[str]]:
    """One playable seat for each player, in the story's order; the others stay with the agents."""
    seats = cast(dict[str, Any], state["seats"])
    playable = [c for c, seat in seats.items() if seat["playable"] and seat["owner"] is None]
    return [[c] for c in playable[:players]] + [[] for _ in range(players - len(playable))]


def choose_action(
    state: Mapping[str, JsonValue], character: str, seed: str, turn: int
) -> dict[str, JsonValue] | None:
    """What the player proposes for their character, or None for one who cannot act."""
    try:
        view = persona_view(state, character, Dice(f"script:{seed}", "main", turn, 1), None)
    except KeyError:
        return None
    return dump_action(choose(view).action)
