"""What she would do, and what she remembers: suggestions from a player's own view."""

from __future__ import annotations

import json

import pytest
from story.playing import play

from novel_jupyter.core.views import project_state
from novel_jupyter.story.advice import advise, recall
from novel_jupyter.story.effects import Departed
from novel_jupyter.story.loader import bundled, load_bundled
from novel_jupyter.story.reduce import MAX_REASONS, carry_out
from novel_jupyter.story.rules import legal_actions
from novel_jupyter.story.shapes import MemoryState
from novel_jupyter.story.world import initial_state, seat_of


@pytest.mark.parametrize("name", bundled())
def test_the_advice_is_legal_has_reasons_and_comes_from_the_players_own_view(name: str) -> None:
    state = initial_state(load_bundled(name))
    for who in load_bundled(name).characters:
        mine = project_state(state, f"seats:{who}")
        advice = advise(mine, who, 1)
        assert advice.action in legal_actions(mine, who)
        assert advice == advise(mine, who, 1)
        assert set(advice.to_json()) == {"action", "phrase", "reasons"}
        others = [
            goal["text"]
            for one in load_bundled(name).characters
            if one != who
            for goal in seat_of(state, one)["goals"].values()
        ]
        assert not set(others) & set(advice.reasons)


def test_the_gone_are_not_advised() -> None:
    state = carry_out(initial_state(load_bundled("lighthouse")), [Departed("ines")])
    with pytest.raises(KeyError):
        advise(state, "ines", 1)


def test_reasons_are_kept_for_that_seat_and_the_director_alone() -> None:
    done = play("why", tell=False)
    for outcome in done.outcomes[:4]:
        assert any(outcome.reasons.values())
        for who, reasons in outcome.reasons.items():
            why = seat_of(outcome.state, who)["why"]
            assert why["turn"] == outcome.turn
            assert why["reasons"] == list(reasons)[:MAX_REASONS]
            for change in outcome.changes:
                if "/why" in json.dumps(change.patch):
                    assert isinstance(change.audience, list)
            for view in ("public", *(f"seats:{other}" for other in outcome.reasons if other != who)):
                assert f"seat:{who}" not in project_state(outcome.state, view)


def _memory(turn: int, who: str, weight: int, *about: str) -> MemoryState:
    return {
        "turn": turn,
        "who": who,
        "kind": "ask",
        "text": f"{who} {turn}",
        "about": list(about),
        "weight": weight,
    }


def test_what_matters_now_is_remembered() -> None:
    memory = [
        _memory(1, "ines", 3, "mara"),  # grave
        _memory(2, "tomas", 1, "corwin"),
        _memory(3, "corwin", 1, "tomas"),
        _memory(8, "tomas", 1, "ines"),  # recent
        _memory(9, "corwin", 0),
    ]
    texts = [entry["text"] for entry in recall(memory, 9, (), 3)]
    assert texts == ["ines 1", "tomas 8", "corwin 9"]
    # Whoever is here is remembered better than what is graver and long ago.
    texts = [entry["text"] for entry in recall(memory, 9, {"corwin"}, 3)]
    assert texts == ["corwin 3", "tomas 8", "corwin 9"]
    assert recall(memory, 9, (), 99) == tuple(memory)
    assert recall((), 1, (), 5) == ()
