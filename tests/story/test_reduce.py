"""The reducer: effects, and that nothing else changes."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from story.playing import SMALL, play

from novel_jupyter.core.patch import apply_patch, diff
from novel_jupyter.story import effects as fx
from novel_jupyter.story.loader import load_story
from novel_jupyter.story.reduce import carry_out, reduce
from novel_jupyter.story.turn import StoryEvent
from novel_jupyter.story.world import MAX_MEMORY, State, initial_state, seat_of, stage_of

START: State = initial_state(load_story(SMALL, "small.yaml"))

_WHO = st.sampled_from(["ann", "bo"])
_ITEM = st.sampled_from(["coin", "key", "ring"])
_PLACE = st.sampled_from(["hall", "attic", "yard"])
EFFECTS = st.one_of(
    st.builds(fx.Moved, _WHO, _PLACE),
    st.builds(fx.Hid, _WHO),
    st.builds(fx.Appeared, _WHO),
    st.builds(fx.Hurt, _WHO, st.integers(-2, 3)),
    st.builds(fx.Held, _ITEM, _WHO),
    st.builds(fx.Trusted, _WHO, _WHO, st.integers(-9, 9)),
    st.builds(fx.Edged, _WHO, st.integers(-5, 5)),
    st.builds(fx.Ticked, st.just("night"), st.integers(-3, 9)),
    st.builds(fx.Published, st.sampled_from(["debt", "loose", "sky"])),
    st.builds(fx.Learned, _WHO, st.sampled_from(["debt", "loose"]), st.just("hall"), st.just(1)),
    st.builds(fx.Departed, _WHO),
    st.builds(fx.Told, st.just("move")),
)


@given(st.lists(EFFECTS, max_size=30))
def test_whatever_happens_the_state_keeps_its_shape(effects: list[fx.Effect]) -> None:
    before = copy.deepcopy(START)
    state = carry_out(START, effects)
    assert before == START
    stage = stage_of(state)
    for item in stage["items"].values():
        assert (item["holder"] is None) != (item["location"] is None)
    assert not set(stage["items"]) & set(stage["director"]["items"])
    for who, person in stage["characters"].items():
        assert 0 <= person["health"] <= 3
        assert (person["status"] == "dead") <= (person["health"] == 0)
        if person["status"] == "present":
            assert (person["location"] is None) == (who in stage["director"]["hidden"])
        for trust in seat_of(state, who)["relations"].values():
            assert -3 <= trust <= 3
        assert -2 <= seat_of(state, who)["edge"] <= 2
    assert 0 <= stage["clocks"]["night"]["value"] <= 6
    assert apply_patch(START, diff(START, state)) == state


def test_what_did_not_change_is_the_same_object() -> None:
    state = carry_out(START, [fx.Moved("ann", "yard")])
    assert state["items"] is START["items"]
    assert state["seat:bo"] is START["seat:bo"]
    assert stage_of(state)["characters"]["bo"] is stage_of(START)["characters"]["bo"]


def test_death_drops_everything_and_ends_all_doing() -> None:
    state = carry_out(START, [fx.Hurt("bo", 9), fx.Moved("bo", "yard"), fx.Hid("bo")])
    assert stage_of(state)["characters"]["bo"]["status"] == "dead"
    assert stage_of(state)["characters"]["bo"]["location"] == "hall"
    assert stage_of(state)["items"]["coin"]["location"] == "hall"


def test_memory_is_bounded_and_keeps_what_mattered() -> None:
    effects: list[fx.Effect] = []
    for turn in range(100):
        weight = 9 if turn == 70 else 1
        entry = {"turn": turn, "who": "bo", "kind": "ask", "text": "x", "about": ["ann"], "weight": weight}
        effects.append(fx.Remembered("ann", f"t{turn:04d}", entry))  # type: ignore[arg-type]  # the right keys
    memory = seat_of(carry_out(START, effects), "ann")["memory"]
    assert len(memory) == MAX_MEMORY
    assert "t0070" in memory
    assert "t0099" in memory
    assert "t0060" not in memory


def test_a_found_thing_leaves_the_directors_drawer() -> None:
    state = carry_out(START, [fx.Held("ring", "ann")])
    assert stage_of(state)["items"]["ring"]["holder"] == "ann"
    assert stage_of(state)["director"]["items"] == {}


def test_only_effects_change_a_state() -> None:
    event = StoryEvent("e1", "ann", {"kind": "wait"}, "success", "Ann waited.", "agent")
    assert reduce(START, event) == START


@pytest.mark.parametrize("seed", ["r1", "r2"])
def test_no_turn_writes_into_its_input(seed: str) -> None:
    done = play(seed, tell=False)
    again = play(seed, tell=False)
    for state, twin in zip(done.states, again.states, strict=True):
        assert state == twin
