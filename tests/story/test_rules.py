"""Laws: each refuses what it should, in words; what is offered is legal."""

from __future__ import annotations

import pytest
from story.playing import SMALL, one_turn, play

from novel_jupyter.story.actions import parse_action
from novel_jupyter.story.effects import Departed, Held, Hid, Hurt, Lay, Moved, Ticked, Trusted
from novel_jupyter.story.laws import refusal
from novel_jupyter.story.loader import load_story
from novel_jupyter.story.look import Look
from novel_jupyter.story.reduce import carry_out
from novel_jupyter.story.rules import legal_actions
from novel_jupyter.story.world import State, initial_state

START: State = initial_state(load_story(SMALL, "small.yaml"))
KEYLESS = carry_out(START, [Held("key", "bo")])
TAME: State = initial_state(load_story(SMALL + "forbids: [attack]\n", "small.yaml"))
APART = carry_out(START, [Moved("bo", "yard")])

CASES: list[tuple[State, dict[str, object], str]] = [
    (START, {"kind": "move", "target": "moon"}, "knowledge.where"),
    (START, {"kind": "move", "target": "hall"}, "physics.way"),
    (KEYLESS, {"kind": "move", "target": "attic"}, "physics.locked"),
    (APART, {"kind": "ask", "target": "bo"}, "physics.same_place"),
    (START, {"kind": "ask", "target": "ann"}, "social.oneself"),
    (TAME, {"kind": "attack", "target": "bo"}, "social.fitting"),
    (START, {"kind": "ask", "target": "nobody"}, "knowledge.who"),
    (carry_out(START, [Hid("bo")]), {"kind": "attack", "target": "bo"}, "physics.same_place"),
    (START, {"kind": "search", "target": "yard"}, "physics.same_place"),
    (START, {"kind": "search", "target": "moon"}, "knowledge.what"),
    (START, {"kind": "take", "item": "ring"}, "knowledge.what"),
    (START, {"kind": "take", "item": "bell"}, "physics.portable"),
    (START, {"kind": "take", "item": "key"}, "resources.have"),
    (APART, {"kind": "take", "item": "coin"}, "physics.same_place"),
    (START, {"kind": "give", "target": "bo", "item": "coin"}, "resources.hold"),
    (START, {"kind": "use", "item": "coin"}, "resources.hold"),
    (carry_out(START, [Held("coin", "ann")]), {"kind": "use", "item": "coin"}, "physics.same_place"),
    (carry_out(START, [Held("coin", "ann")]), {"kind": "use", "item": "coin", "how": "eat"}, "knowledge.use"),
    (START, {"kind": "tell", "fact": "loose"}, "knowledge.fact"),
    (START, {"kind": "tell"}, "knowledge.words"),
    (START, {"kind": "tell", "text": "Hello.", "quietly": True}, "social.whisper"),
    (APART, {"kind": "tell", "fact": "debt"}, "social.alone"),
    (carry_out(START, [Trusted("bo", "ann", -2)]), {"kind": "betray", "target": "bo"}, "social.trust"),
    (START, {"kind": "betray", "target": "bo", "about": "loose"}, "knowledge.about"),
    (carry_out(START, [Hurt("ann", 3)]), {"kind": "wait"}, "causality.alive"),
    (carry_out(START, [Departed("ann")]), {"kind": "wait"}, "causality.alive"),
]


@pytest.mark.parametrize("state, raw, law", CASES, ids=[f"{law}:{raw['kind']}" for _, raw, law in CASES])
def test_each_law_refuses_in_words(state: State, raw: dict[str, object], law: str) -> None:
    broken = refusal(Look(state), "ann", parse_action(raw))
    assert broken is not None
    assert broken.law == law
    assert str(broken)[0].isupper()
    assert str(broken).endswith(".")


def test_not_yet() -> None:
    text = SMALL.replace(
        "at: yard, destroys", "when: {clock: night, at_least: 2, reason: Too early.}, at: yard, destroys"
    )
    state = carry_out(
        initial_state(load_story(text, "small.yaml")), [Held("coin", "ann"), Moved("ann", "yard")]
    )
    melt = parse_action({"kind": "use", "item": "coin", "how": "melt"})
    broken = refusal(Look(state), "ann", melt)
    assert broken is not None
    assert broken.law == "causality.not_yet"
    assert "Too early." in str(broken)
    assert refusal(Look(carry_out(state, [Ticked("night", 2)])), "ann", melt) is None


def test_what_is_offered_is_legal_and_each_once() -> None:
    for state in play("rules").states:
        for who in ("mara", "tomas", "ines", "corwin"):
            options = legal_actions(state, who)
            assert len(set(options)) == len(options)
            for option in options:
                assert refusal(Look(state), who, option) is None


def test_nobody_dead_or_gone_or_unknown_is_offered_anything() -> None:
    assert legal_actions(carry_out(START, [Hurt("ann", 3)]), "ann") == []
    assert legal_actions(carry_out(START, [Departed("ann")]), "ann") == []


def test_a_refusal_is_told_to_the_one_who_tried_and_the_turn_goes_on() -> None:
    outcome = one_turn(
        START, {"ann": {"kind": "take", "item": "ring"}, "bo": {"kind": "move", "target": "yard"}}
    )
    refused = next(event for event in outcome.events if event.character == "ann")
    assert refused.outcome == "refused"
    assert refused.audience == ["ann"]
    assert "Search for it." in refused.reason
    assert outcome.turn_complete
    assert any(event.character == "bo" and event.outcome == "success" for event in outcome.events)


def test_what_is_no_action_is_refused_too() -> None:
    outcome = one_turn(START, {"ann": {"kind": "fly"}})
    assert [event.outcome for event in outcome.events if event.character == "ann"] == ["refused"]


def test_who_is_quicker_has_it() -> None:
    free = carry_out(START, [Held("coin", "ann")])

    free = carry_out(free, [Lay("coin", "hall")])
    for seed in range(12):
        outcome = one_turn(
            free,
            {"ann": {"kind": "take", "item": "coin"}, "bo": {"kind": "take", "item": "coin"}},
            seed=str(seed),
        )
        results = [
            event.outcome
            for event in outcome.events
            if event.character in ("ann", "bo") and event.roll is None
        ]
        assert results[0] == "success"


def test_in_a_story_without_blows_nobody_comes_to_harm() -> None:
    assert "attack" not in {option.kind for option in legal_actions(TAME, "ann")}
    for seed in range(12):
        outcome = one_turn(TAME, {"ann": {"kind": "take", "item": "coin"}}, seed=str(seed))
        assert [who["health"] for who in Look(outcome.state).people.values()] == [3, 3]
