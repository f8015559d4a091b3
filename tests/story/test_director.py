"""Turns: what comes out, for whom, and that it is always the same."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue
from story.playing import SMALL, Play, Solo, one_turn, play, play_async

from novel_jupyter.core.events import audience_of_patch
from novel_jupyter.core.messages import TurnResult
from novel_jupyter.core.patch import MAX_OPS, apply_patch
from novel_jupyter.story.actions import dump_action
from novel_jupyter.story.brain import Decision, PersonaView
from novel_jupyter.story.director import DirectorAgent
from novel_jupyter.story.effects import Held, Hurt, Moved, Trusted
from novel_jupyter.story.loader import load_bundled, load_story
from novel_jupyter.story.persona import PersonaAgent
from novel_jupyter.story.reduce import carry_out
from novel_jupyter.story.rules import legal_actions
from novel_jupyter.story.turn import Proposal, TurnInput, TurnOutcome
from novel_jupyter.story.world import State, initial_state, seat_of, stage_of

STORY = load_bundled("lighthouse")
SMALL_STATE: State = initial_state(load_story(SMALL, "small.yaml"))
PEOPLE = frozenset(STORY.characters)


def check_outcome(before: State, outcome: TurnOutcome) -> None:
    """The invariants of every turn."""
    # Folding what the wire carries gives the state.
    folded: dict[str, Any] = dict(before)
    for change in outcome.changes:
        ops: Any = change.patch
        assert ops
        assert len(ops) <= MAX_OPS
        assert audience_of_patch(ops) == [change.audience]
        folded = apply_patch(folded, ops)
    assert folded == outcome.state
    audiences = [str(change.audience) for change in outcome.changes]
    assert len(set(audiences)) == len(audiences)
    # One place for a thing; nobody acts who cannot.
    stage = stage_of(outcome.state)
    for item in stage["items"].values():
        assert [item["holder"] is not None, item["location"] is not None, item["destroyed"]].count(True) == 1
    assert not set(stage["items"]) & set(stage["director"]["items"])
    gone = {who for who, person in stage_of(before)["characters"].items() if person["status"] != "present"}
    ids = [event.id for event in outcome.events]
    assert len(set(ids)) == len(ids)
    for event in outcome.events:
        assert event.character not in gone or event.outcome == "refused"
        if isinstance(event.audience, list):
            assert event.audience == sorted(set(event.audience)) != []
        else:
            assert event.audience == "everyone"
    # What nobody said openly is in nothing that everybody reads.
    open_text = json.dumps(
        [e.to_json() for e in outcome.events if e.audience == "everyone"], ensure_ascii=False
    )
    for fact, what in stage["director"]["facts"].items():
        if not what["public"]:
            assert what["text"] not in open_text
            assert f'"{fact}"' not in open_text
    TurnResult.model_validate({"kind": "turn_result", **outcome.to_wire(token=1, base=1)})


@pytest.mark.parametrize("seed", [f"inv{n}" for n in range(25)])
def test_invariants_of_whole_plays(seed: str) -> None:
    done = play(seed, tell=False)
    for before, outcome in zip(done.states, done.outcomes, strict=False):
        check_outcome(before, outcome)
    assert done.ending in STORY.endings


_WORD = st.sampled_from(
    [*STORY.characters, *STORY.items, *STORY.locations, *STORY.facts, "nobody", "__proto__", "", "x" * 80]
)
_JUNK = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(
            ["move", "ask", "tell", "take", "use", "give", "betray", "attack", "fly", "free"]
        )
    },
    optional={
        "target": _WORD,
        "item": _WORD,
        "fact": _WORD,
        "about": _WORD,
        "how": _WORD,
        "text": st.text(max_size=30),
    },
)


@settings(max_examples=25)
@given(st.data(), st.text(max_size=8))
def test_invariants_when_people_do_anything(data: st.DataObject, seed: str) -> None:
    state: State = initial_state(STORY)
    players = ["mara", "tomas"]
    for turn in range(1, 5):
        proposals: dict[str, Proposal] = {}
        for who in players:
            options = legal_actions(state, who)
            raw: Mapping[str, JsonValue]
            choice = data.draw(st.integers(0, 2 * len(options)))
            if choice < len(options):
                raw = dump_action(options[choice])
            else:
                raw = data.draw(_JUNK)
            proposals[who] = Proposal(raw, who)
        given_turn = TurnInput(state, turn, 1, "main", seed, proposals, PEOPLE - set(players))
        outcome = asyncio.run(DirectorAgent().run_turn(given_turn))
        check_outcome(state, outcome)
        for who in players:
            # Nobody's action is lost: each has an outcome.
            assert any(event.character == who for event in outcome.events)
        state = outcome.state
        if outcome.ended:
            break


def _bytes(done: Play) -> bytes:
    turns = [
        {
            "wire": outcome.to_wire(token=1, base=1),
            "record": outcome.record.to_json(),
            "text": narrative.to_wire(token=1),
        }
        for outcome, narrative in zip(done.outcomes, done.narratives, strict=True)
    ]
    return json.dumps(turns).encode()


def test_the_same_seed_gives_the_same_bytes_in_every_process() -> None:
    code = (
        "import sys, hashlib; sys.path.insert(0, sys.argv[1])\n"
        "from story.test_director import _bytes, play\n"
        "print(hashlib.sha256(_bytes(play('twin'))).hexdigest())"
    )
    root = os.path.dirname(os.path.dirname(__file__))
    seen = set()
    for hash_seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", code, root],
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        seen.add(done.stdout)
    assert len(seen) == 1


def test_every_seed_ends_and_not_always_the_same_way() -> None:
    async def all_of_them() -> list[Play]:
        return [await play_async(STORY, f"seed-{n}", tell=False) for n in range(200)]

    plays = asyncio.run(all_of_them())
    endings = Counter(done.ending for done in plays)
    assert None not in endings
    assert all(6 <= len(done.outcomes) <= 14 for done in plays)
    assert sum(1 for count in endings.values() if count >= 10) >= 3
    # Mostly by what the characters did, not by the clock.
    assert endings["wreck"] <= 50


def test_another_attempt_or_branch_is_another_turn() -> None:
    state: State = initial_state(STORY)

    def run(attempt: int, branch: str) -> JsonValue:
        turn = TurnInput(state, 1, attempt, branch, "s", agents=PEOPLE)
        return asyncio.run(DirectorAgent().run_turn(turn)).to_wire(token=1, base=1)["outcomes"]

    first = run(1, "main")
    assert first == run(1, "main")
    assert any(run(n, "main") != first for n in (2, 3, 4))
    assert any(run(1, branch) != first for branch in ("b", "c", "d"))


def test_agents_decide_at_once_and_say_so() -> None:
    at_once: list[int] = []
    waiting = 0

    class Slow(PersonaAgent):
        async def decide(self, view: PersonaView) -> Decision:
            nonlocal waiting
            waiting += 1
            await asyncio.sleep(0)
            at_once.append(waiting)
            return await super().decide(view)

    class Director(DirectorAgent):
        def persona_for(self, character: str) -> PersonaAgent:
            return Slow(character, self.brain)

    heard: list[tuple[str, str]] = []
    turn = TurnInput(initial_state(STORY), 1, 1, "main", "s", agents=PEOPLE)
    asyncio.run(Director().run_turn(turn, lambda agent, text: heard.append((agent, text))))
    assert max(at_once) == 4
    assert ("Mara", "Mara is deciding") in heard


def test_cancelling_leaves_nothing_behind() -> None:
    class Stuck(PersonaAgent):
        async def decide(self, view: PersonaView) -> Decision:
            await asyncio.Event().wait()
            raise AssertionError

    state = initial_state(STORY)
    copy = json.dumps(state)

    async def cancelled() -> None:
        turn = TurnInput(state, 1, 1, "main", "s", agents=PEOPLE)
        director = DirectorAgent(personas={"mara": Stuck("mara")})
        task = asyncio.create_task(director.run_turn(turn))
        await asyncio.sleep(0.01)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert json.dumps(state) == copy


def test_who_did_it_is_told() -> None:
    state = initial_state(STORY)
    turn = TurnInput(
        state,
        1,
        1,
        "main",
        "s",
        {"mara": Proposal({"kind": "wait"}, "u"), "corwin": Proposal({"kind": "wait"}, "v", overruled=True)},
        PEOPLE - {"mara", "corwin"},
        frozenset({"ines"}),
    )
    outcome = asyncio.run(DirectorAgent().run_turn(turn))
    by = {event.character: event.by for event in outcome.events}
    assert by == {
        "director": "director",
        "mara": "player",
        "tomas": "agent",
        "ines": "understudy",
        "corwin": "director",
    }
    assert outcome.made_by.to_json()["engine"] == "offline"
    assert outcome.made_by.fallback is False


def test_what_is_whispered_is_not_heard() -> None:
    outcome = one_turn(
        SMALL_STATE, {"ann": {"kind": "tell", "target": "bo", "fact": "debt", "quietly": True}}
    )
    public = [event for event in outcome.events if event.audience == "everyone" and event.character == "ann"]
    private = [event for event in outcome.events if event.audience == ["ann", "bo"]]
    assert "fact" not in public[0].action
    assert "baker" not in public[0].reason
    assert "baker" in private[0].reason
    assert "debt" in seat_of(outcome.state, "bo")["beliefs"]
    assert "debt" not in stage_of(outcome.state)["facts"]
    assert seat_of(outcome.state, "bo")["relations"]["ann"] < 1


def test_what_is_said_aloud_is_known_to_who_is_there() -> None:
    outcome = one_turn(SMALL_STATE, {"ann": {"kind": "tell", "fact": "debt"}})
    assert "debt" in stage_of(outcome.state)["facts"]
    assert "debt" in seat_of(outcome.state, "bo")["beliefs"]


def test_who_is_elsewhere_learns_nothing() -> None:
    away = carry_out(initial_state(STORY), [Moved("corwin", "landing"), Moved("tomas", "cellar")])
    outcome = one_turn(away, {"mara": {"kind": "tell", "fact": "mara_brother"}})
    assert "mara_brother" in seat_of(outcome.state, "ines")["beliefs"]
    assert "mara_brother" not in seat_of(outcome.state, "corwin")["beliefs"]
    assert seat_of(outcome.state, "corwin")["memory"] == {}


def test_a_search_that_finds_a_secret_tells_the_finder_only() -> None:
    for seed in range(40):
        outcome = one_turn(SMALL_STATE, {"ann": {"kind": "search", "target": "hall"}}, seed=str(seed))
        private = [event for event in outcome.events if event.audience == ["ann"]]
        if private:
            assert "moves" in private[0].reason
            assert "loose" in seat_of(outcome.state, "ann")["beliefs"]
            return
    raise AssertionError("forty seeds and nothing found")


def test_free_words_are_told_as_they_were_said_and_change_nothing() -> None:
    outcome = one_turn(
        SMALL_STATE, {"ann": {"kind": "free", "text": "{A} [fly] to the moon with Bo’s {coin}"}}
    )
    assert {k: v for k, v in outcome.state.items() if k in ("items", "characters")} == {
        k: v for k, v in SMALL_STATE.items() if k in ("items", "characters")
    }


def test_an_ending_stops_the_turn_and_says_why() -> None:
    state = carry_out(SMALL_STATE, [Held("coin", "ann")])
    state = one_turn(state, {"ann": {"kind": "move", "target": "yard"}}).state
    outcome = one_turn(state, {"ann": {"kind": "use", "item": "coin"}}, turn=2)
    assert outcome.ended is not None
    assert outcome.ended.to_json()["ending"] == "melted"
    assert outcome.events[-1].action["kind"] == "ending"


def test_the_dead_do_not_act() -> None:
    state = carry_out(SMALL_STATE, [Hurt("bo", 9)])
    outcome = one_turn(state, {"bo": {"kind": "wait"}})
    assert [event.outcome for event in outcome.events if event.character == "bo"] == ["refused"]
    turn = TurnInput(state, 1, 1, "main", "s", agents=frozenset({"ann", "bo"}))
    assert {e.character for e in asyncio.run(DirectorAgent().run_turn(turn)).events} == {"ann", "director"}


def test_wrongs_make_goals() -> None:
    state = carry_out(SMALL_STATE, [Trusted("bo", "ann", 2)])
    outcome = one_turn(state, {"ann": {"kind": "attack", "target": "bo"}})
    assert "grudge_ann" in seat_of(outcome.state, "bo")["goals"]


def test_one_persons_action_now() -> None:
    solo = Solo(STORY, "mara")
    done = asyncio.run(
        DirectorAgent().process_user_action(solo, "me", {"kind": "search", "target": "kitchen"})
    )
    assert done.turn_complete
    assert done.outcome in ("success", "cost", "complication", "failure")
    assert done.state_updates == done.turn.changes
    refused = asyncio.run(DirectorAgent().process_user_action(solo, "me", {"kind": "take", "item": "lamp"}))
    assert (refused.outcome, refused.turn_complete) == ("refused", False)
    assert {event.character for event in refused.turn.events} == {"mara"}
    with pytest.raises(LookupError):
        asyncio.run(DirectorAgent().process_user_action(solo, "stranger", {"kind": "wait"}))


def test_people_may_put_somebody_elsewhere() -> None:
    def put(place: str) -> State:
        return apply_patch(
            SMALL_STATE, [{"op": "replace", "path": "/characters/bo/location", "value": place}]
        )

    outcome = one_turn(put("yard"), {"ann": {"kind": "attack", "target": "bo"}, "bo": {"kind": "search"}})
    results = {event.character: event for event in outcome.events if event.character != "director"}
    assert results["ann"].outcome == "refused"
    assert results["bo"].location == "yard"
    # A place that the story does not have is no place.
    outcome = one_turn(put("moon"), {"bo": {"kind": "search"}})
    assert {event.location for event in outcome.events if event.character == "bo"} == {"hall"}


def test_an_undone_turn_leaves_no_trace() -> None:
    # Undo puts the story's partitions back: the same turn again is the same turn.
    state: State = initial_state(STORY)
    turn = TurnInput(state, 1, 1, "main", "s", agents=PEOPLE)
    first = asyncio.run(DirectorAgent().run_turn(turn))
    asyncio.run(DirectorAgent().run_turn(TurnInput(first.state, 2, 1, "main", "t", agents=PEOPLE)))
    assert asyncio.run(DirectorAgent().run_turn(turn)) == first
