"""The checker is checked: each law is broken on purpose, and it must be seen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue
from story.playing import SMALL, play

from novel_jupyter.eval_invariants import broken_by
from novel_jupyter.story import adjudicate, laws
from novel_jupyter.story import effects as fx
from novel_jupyter.story import reduce as reducer
from novel_jupyter.story.actions import dump_action, parse_action
from novel_jupyter.story.director import DirectorAgent
from novel_jupyter.story.effects import Departed, Effect, Held, Hid, Hurt, Moved, Trusted
from novel_jupyter.story.loader import bundled, load_bundled, load_story
from novel_jupyter.story.look import Look
from novel_jupyter.story.reduce import carry_out
from novel_jupyter.story.rules import legal_actions
from novel_jupyter.story.ruling import Attempt, Ruling
from novel_jupyter.story.turn import Change, Proposal, TurnInput, TurnOutcome
from novel_jupyter.story.world import State, initial_state, stage_of

GATED = SMALL.replace(
    "melt the coin, at: yard,",
    "melt the coin, at: yard, needs: key, when: {clock: night, at_least: 4, reason: No.},",
)
START: State = initial_state(load_story(GATED, "small.yaml"))


def _turn(state: State, **actions: dict[str, JsonValue]) -> tuple[TurnInput, TurnOutcome]:
    return _seeded("s", state, actions)


def _seeded(
    seed: str, state: State, actions: Mapping[str, dict[str, JsonValue]]
) -> tuple[TurnInput, TurnOutcome]:
    proposals = {who: Proposal(action, who) for who, action in actions.items()}
    given_turn = TurnInput(state, 1, 1, "main", seed, proposals)
    return given_turn, asyncio.run(DirectorAgent().run_turn(given_turn))


def _after(*effects: Effect) -> State:
    return carry_out(START, effects)


def _forbidding(kind: str) -> State:
    scene = cast(dict[str, JsonValue], START["scene"])
    return {**START, "scene": {**scene, "forbids": [kind]}}


LATE = fx.Ticked("night", 4)
READY = (Moved("ann", "yard"), Moved("bo", "yard"), LATE)
KEYLESS = _after(*READY, Held("coin", "ann"), Held("key", "bo"))
BREACHES: list[tuple[str, State, dict[str, JsonValue]]] = [
    ("alive", _after(Hurt("ann", 3)), {"kind": "wait"}),
    ("alive", _after(Departed("ann")), {"kind": "defend"}),
    ("way", _after(Held("key", "bo")), {"kind": "move", "target": "attic"}),
    ("same_place", _after(Moved("bo", "yard")), {"kind": "ask", "target": "bo"}),
    ("same_place", _after(Moved("bo", "yard")), {"kind": "attack", "target": "bo"}),
    ("same_place", _after(Hid("bo")), {"kind": "threaten", "target": "bo"}),
    ("same_place", _after(Hurt("bo", 3)), {"kind": "help", "target": "bo"}),
    ("same_place", START, {"kind": "persuade", "target": "ann"}),
    ("watchable", _after(Moved("bo", "yard")), {"kind": "observe", "target": "bo"}),
    ("searchable", START, {"kind": "search", "target": "yard"}),
    ("within_reach", _after(Moved("bo", "yard")), {"kind": "take", "item": "coin"}),
    ("within_reach", START, {"kind": "take", "item": "bell"}),
    ("in_hand", START, {"kind": "give", "target": "bo", "item": "coin"}),
    ("at_hand", _after(*READY), {"kind": "use", "item": "coin", "how": "melt"}),
    ("usable", _after(Held("coin", "ann"), LATE), {"kind": "use", "item": "coin", "how": "melt"}),
    (
        "usable",
        _after(*READY, Held("coin", "ann"), Held("key", "bo")),
        {"kind": "use", "item": "coin", "how": "melt"},
    ),
    ("gate", _after(*READY[:2], Held("coin", "ann")), {"kind": "use", "item": "coin", "how": "melt"}),
    ("known_fact", START, {"kind": "tell", "fact": "loose"}),
    ("known_fact", START, {"kind": "tell"}),
    ("listener", _after(Moved("bo", "yard")), {"kind": "tell", "fact": "debt"}),
    ("listener", START, {"kind": "tell", "fact": "debt", "quietly": True}),
    ("fitting", _forbidding("attack"), {"kind": "attack", "target": "bo"}),
    ("trusted", _after(Trusted("bo", "ann", -2)), {"kind": "betray", "target": "bo"}),
    ("betrayable", START, {"kind": "betray", "target": "bo", "about": "loose"}),
]


NAMES = [f"{law}:{raw['kind']}" for law, _, raw in BREACHES]


@pytest.mark.parametrize("law, state, raw", BREACHES, ids=NAMES)
def test_a_law_that_is_gone_is_missed(
    law: str, state: State, raw: dict[str, JsonValue], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _turn(state, ann=raw)
    assert [event.outcome for event in whole[1].events if event.character == "ann"] == ["refused"]
    assert broken_by(*whole) == []
    if law == "alive":
        monkeypatch.setattr(laws, "alive", lambda look, me, action: None)
        monkeypatch.setattr(Attempt, "here", property(lambda it: "hall"))
    if law == "way":
        monkeypatch.setattr(Look, "ways", lambda look, me: {"attic": ["attic"]})
    without = {kind: tuple(one for one in some if one.__name__ != law) for kind, some in laws.LAWS.items()}
    monkeypatch.setattr(laws, "LAWS", MappingProxyType(without))
    assert broken_by(*_turn(state, ann=raw)) != []


def test_every_law_is_broken_above() -> None:
    known = {law.__name__ for some in laws.LAWS.values() for law in some} | {"alive"}
    assert {law for law, _, _ in BREACHES} == known


def _raw(**fields: JsonValue) -> dict[str, JsonValue]:
    return fields


def _everything(state: State, me: str) -> Iterator[dict[str, JsonValue]]:
    """Whatever somebody could say that they do, sensible or not."""
    stage = stage_of(state)
    people, places, items = [*stage["characters"]], [*stage["locations"]], [*stage["items"]]
    facts: list[str] = [*stage["director"]["facts"]]
    for to in people:
        for kind in ("ask", "persuade", "threaten", "attack", "help", "observe"):
            yield _raw(kind=kind, target=to)
        yield from (_raw(kind="betray", target=to, about=fact) for fact in [None, *facts[:6]])
        yield from (_raw(kind="give", target=to, item=item) for item in items)
        yield from (_raw(kind="tell", fact=fact, target=to, quietly=True) for fact in facts[:6])
    for place in places:
        yield from (_raw(kind=kind, target=place) for kind in ("move", "search"))
    for item in items:
        yield _raw(kind="take", item=item)
        yield from (_raw(kind="use", item=item, how=how) for how in stage["items"][item]["uses"])
    yield from (_raw(kind="tell", fact=fact) for fact in facts)
    yield from (_raw(kind="tell"), _raw(kind="tell", fact=facts[0], quietly=True), _raw(kind="wait"))


def _breaches(name: str) -> dict[str, list[tuple[State, str, dict[str, JsonValue]]]]:
    """Law → moments of plays of a bundled story in which an action breaks that law and no other."""
    found: dict[str, list[tuple[State, str, dict[str, JsonValue]]]] = {}
    states = [
        state for seed in ("a", "b") for state in play(seed, tell=False, story=load_bundled(name)).states
    ]
    for state in states[::3]:
        look = Look(state)
        for who in filter(look.acts, look.people):
            for raw in _everything(state, who):
                action = parse_action(raw)
                broken = [law.__name__ for law in laws.LAWS[action.kind] if law(look, who, action)]
                if len(broken) == 1 and len(found.setdefault(broken[0], [])) < 3:
                    found[broken[0]].append((state, who, raw))
    return found


@pytest.mark.parametrize("name", bundled())
def test_in_every_bundled_story_each_law_that_is_gone_is_missed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _breaches(name)
    whole = dict(laws.LAWS)
    always = "way same_place searchable within_reach at_hand gate known_fact listener trusted"
    assert found.keys() >= set(always.split())
    for law, moments in found.items():
        for state, who, raw in moments:
            assert broken_by(*_seeded("s", state, {who: raw})) == []
            if law == "way":
                to = str(raw["target"])
                monkeypatch.setattr(Look, "ways", lambda look, me, to=to: {to: []})
            without = {
                kind: tuple(one for one in some if one.__name__ != law) for kind, some in whole.items()
            }
            monkeypatch.setattr(laws, "LAWS", MappingProxyType(without))
            # What was meant to be said in an attempt that fails is never heard: other dice may tell.
            missed = not any(broken_by(*_seeded(seed, state, {who: raw})) for seed in "sabcdefgh")
            monkeypatch.undo()
            assert not missed, (law, who, raw)


def _spoil(change: Callable[[Ruling, Attempt], None]) -> Callable[[Attempt], Ruling]:
    def judge(attempt: Attempt) -> Ruling:
        ruling = Ruling("success", "It was so.")
        change(ruling, attempt)
        return ruling

    return judge


WRONG_RULINGS: list[Callable[[Ruling, Attempt], None]] = [
    lambda ruling, it: ruling.effects.append(fx.Learned("bo", "loose", "ann", 1)),
    lambda ruling, it: ruling.effects.append(fx.Learned("ann", "loose", "yard", 1)),
    lambda ruling, it: ruling.effects.append(fx.Learned("ann", "loose", "bell", 1)),
    lambda ruling, it: ruling.effects.append(fx.Published("loose")),
    lambda ruling, it: ruling.effects.append(fx.Held("ring", "ann")),
    lambda ruling, it: ruling.effects.append(fx.Lay("bell", "yard")),
    lambda ruling, it: ruling.effects.append(fx.Moved("bo", "yard")),
    lambda ruling, it: ruling.effects.append(fx.Departed("bo")),
    lambda ruling, it: ruling.effects.append(fx.Opened("hall", "yard")),
    lambda ruling, it: ruling.effects.append(fx.Done("ring", "wear", "ann")),
    lambda ruling, it: ruling.effects.append(fx.Ticked("night", 1)),
    lambda ruling, it: setattr(ruling, "reason", "Ann owes money to a baker in town."),
    lambda ruling, it: ruling.mentions.append("debt"),
]


@pytest.mark.parametrize("change", WRONG_RULINGS)
def test_a_wrong_ruling_is_seen(
    change: Callable[[Ruling, Attempt], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert broken_by(*_turn(START, ann={"kind": "wait"})) == []
    monkeypatch.setattr(adjudicate, "JUDGES", {**adjudicate.JUDGES, "wait": _spoil(change)})
    assert broken_by(*_turn(START, ann={"kind": "wait"})) != []


def _twice(draft: Any, effect: fx.Held) -> None:
    draft.put("items", effect.item, "holder", value=effect.holder)  # and it still lies where it lay


def _ghost(draft: Any, effect: fx.Hurt) -> None:
    draft.put("characters", effect.character, "health", value=0)  # and lives on


def _forgets(draft: Any, effect: fx.Published) -> None:
    draft.put("seat:ann", "beliefs", value={})


WRONG_REDUCERS: list[tuple[type, Callable[[Any, Any], None], dict[str, JsonValue]]] = [
    (fx.Held, _twice, {"kind": "take", "item": "stone"}),
    (fx.Hurt, _ghost, {"kind": "attack", "target": "bo"}),
    (fx.Published, _forgets, {"kind": "tell", "fact": "debt"}),
]


@pytest.mark.parametrize("effect, wrong, raw", WRONG_REDUCERS, ids=["held", "hurt", "published"])
def test_a_wrong_reducer_is_seen(
    effect: type,
    wrong: Callable[[Any, Any], None],
    raw: dict[str, JsonValue],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stone = "items:\n  stone: {name: stone, description: A stone., location: hall}\n"
    state = initial_state(load_story(GATED.replace("items:\n", stone, 1), "small.yaml"))
    handlers = cast(Mapping[type, Any], reducer._HANDLERS)
    seeds = [str(n) for n in range(8)]

    def broken() -> list[str]:
        found: list[str] = []
        for seed in seeds:
            turn = TurnInput(state, 1, 1, "main", seed, {"ann": Proposal(raw, "a")})
            found += broken_by(turn, asyncio.run(DirectorAgent().run_turn(turn)))
        return found

    assert broken() == []
    monkeypatch.setattr(reducer, "_HANDLERS", {**handlers, effect: wrong})
    assert broken() != []


def test_wrong_patches_are_seen() -> None:
    turn, outcome = _turn(START, ann={"kind": "tell", "fact": "debt"})
    lost = replace(outcome, changes=outcome.changes[1:])
    assert "the patches do not lead to the state" in broken_by(turn, lost)
    swapped = replace(outcome, changes=(Change(["bo"], outcome.changes[0].patch), *outcome.changes[1:]))
    assert any("somebody else" in what for what in broken_by(turn, swapped))


def test_who_nobody_plays_does_not_act() -> None:
    turn, outcome = _turn(START, ann={"kind": "wait"})
    assert any("nobody plays" in what for what in broken_by(replace(turn, proposals={}), outcome))


def test_the_director_moves_nobody_whom_somebody_plays() -> None:
    state = carry_out(START, [Moved("bo", "yard")])
    turn = TurnInput(state, 1, 1, "main", "s", agents=frozenset({"ann", "bo"}))
    outcome = asyncio.run(DirectorAgent().run_turn(turn))
    assert any(tag.startswith("entered:") for event in outcome.events for tag in event.tags)
    assert broken_by(turn, outcome) == []
    played = replace(
        turn, proposals={who: Proposal({"kind": "wait"}, who) for who in ("ann", "bo")}, agents=frozenset()
    )
    assert any("director moved" in what for what in broken_by(played, outcome))


@settings(max_examples=20)
@given(st.data(), st.text(max_size=6))
def test_whatever_people_do_nothing_breaks(data: st.DataObject, seed: str) -> None:
    story = load_bundled("lighthouse")
    state: State = initial_state(story)
    everybody = frozenset(story.characters)
    for number in range(1, 5):
        proposals: dict[str, Proposal] = {}
        for who in sorted(everybody)[:2]:
            options = legal_actions(state, who)
            if options:
                choice = data.draw(st.integers(0, len(options) - 1))
                proposals[who] = Proposal(dump_action(options[choice]), who)
        turn = TurnInput(state, number, 1, "main", seed, proposals, everybody)
        outcome = asyncio.run(DirectorAgent().run_turn(turn))
        assert broken_by(turn, outcome) == []
        state = outcome.state
        if outcome.ended:
            break
