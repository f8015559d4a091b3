"""From the lock to the next turn: results, secrets, prose, and what ends them early (SPEC R40-R46)."""

from __future__ import annotations

import json
from hashlib import blake2b

import pytest
from core.rules import (
    ALICE,
    BOB,
    CAROL,
    K1,
    K2,
    NOON,
    SEARCH,
    SESSION,
    Table,
    change,
    drop,
    outcome,
    playing,
    put,
    seated,
)
from pydantic import JsonValue

from novel_jupyter.core.errors import Refused
from novel_jupyter.core.messages import Chunk, Progress
from novel_jupyter.core.telling import CHRONICLE_KEPT, relay, turn_seed
from novel_jupyter.core.times import later
from novel_jupyter.core.views import wire_bytes

ENDING: dict[str, JsonValue] = {"ending": "storm", "title": "The Storm", "reason": "it came"}


def resolving() -> Table:
    return seated().lock()


def seen_in(table: Table, view: str, after: int) -> str:
    return b"".join(wire_bytes(SESSION, event, view) for event in table.log[after:]).decode()


# --- results ----------------------------------


def test_a_turn_from_the_lock_to_the_next() -> None:
    """R40, R41, R44"""
    table = resolving()
    before = table.head
    node = table.resolve(changes=[change(put("/scene/mood", "tense"))])
    assert table.kinds(before) == ["resolved", "record"]
    assert (table.phase, table.rules["turn"]["node"], table.rules["turn"]["parent"]) == (
        "narrating",
        node,
        node,
    )
    assert table.rules["turns"][str(node)]["narration"] == "pending"
    assert table.rules["branches"]["main"] == node
    end = table.tell("She searched.")
    assert (table.phase, table.rules["turn"]["number"]) == ("collect", 2)
    assert table.rules["turns"][str(node)] == {
        "number": 1,
        "attempt": 1,
        "branch": "main",
        "parent": 0,
        "narration": "told",
        "end": end,
    }
    told = table.at(f"/chronicle/{node}")
    assert isinstance(told, dict)
    assert told["narrative"] == "She searched."
    assert table.at("/scene/mood") == "tense"


@pytest.mark.parametrize(
    ("other", "code"),
    [
        ({"token": 1}, "stale_lease"),
        ({"turn": 2}, "stale_turn"),
        ({"attempt": 2}, "stale_turn"),
        ({"base": 10_000}, "stale_turn"),
        ({"outcomes": [outcome("e1", "nobody")]}, "unknown_character"),
        ({"outcomes": [outcome("e1", "mara", ["nobody"])]}, "invalid"),
        ({"outcomes": [outcome("e1", "mara", ["tom", "mara"])]}, "invalid"),
        ({"outcomes": [outcome("e1", "mara", [])]}, "invalid"),
        ({"outcomes": [outcome("e1", "mara", "sealed")]}, "invalid"),
        ({"changes": [change(put("/sealed/seed", "mine"), audience="sealed")]}, "invalid"),
        ({"changes": [change(put("/turn/phase", "ended"))]}, "path_forbidden"),
        ({"changes": [change(put("/chronicle/1", "told"))]}, "path_forbidden"),
        ({"changes": [change(put("/seat:mara/secret", "told"))]}, "path_forbidden"),
        ({"changes": [change(put("/scene/mood", "x"), audience=["mara"])]}, "path_forbidden"),
        ({"changes": [change(put("/seat:mara/x", 1), audience=["mara", "tom"])]}, "path_forbidden"),
        ({"changes": [change(put("/seat:mara/conflicts", {}), audience=["mara"])]}, "path_forbidden"),
        ({"changes": [change(put("/director/suggestions/1-0", {}), audience="director")]}, "path_forbidden"),
        ({"changes": [change(put("/scene/__proto__", 1))]}, "bad_path"),
        ({"changes": [change(put("/scene/x", 2**60))]}, "bad_path"),
        ({"ended": {"ending": 2**60}}, "bad_value"),
        ({"outcomes": [{**outcome("e1", "mara"), "facts": {"": 1}}]}, "bad_value"),
    ],
)
def test_results_that_are_refused(other: dict[str, JsonValue], code: str) -> None:
    """R10, R40, R41"""
    table = resolving()
    before = table.state
    table.no(code, K1, "turn_result", **table.result(**other))
    assert table.state is before
    table.resolve()


def test_a_result_is_taken_once_and_only_while_resolving() -> None:
    """R40: a turn never advances twice."""
    table = resolving()
    result = table.result()
    table.no("stale_lease", K2, "turn_result", **result)
    table.ok(K1, "turn_result", **result)
    table.no("phase", K1, "turn_result", **result)
    table.no("phase", K1, "turn_failed", turn=1, attempt=1, token=table.token, code="late")
    table.tell()
    table.no("stale_turn", K1, "turn_result", **result)
    assert table.kinds().count("resolved") == 1
    fresh = playing()
    fresh.no("phase", K1, "turn_result", **fresh.result())


def test_private_outcomes_and_changes_are_dealt_to_their_seats_alone() -> None:
    """R41, R5"""
    table = resolving()
    before = table.head
    table.resolve(
        outcomes=[
            outcome("e1", "mara"),
            {**outcome("e2", "mara", ["mara"]), "reason": "the loose stone"},
            {**outcome("e3", "keeper", "director"), "reason": "the keeper plots"},
            {**outcome("e4", "tom", ["mara", "tom"]), "reason": "they whisper"},
        ],
        changes=[
            change(put("/scene/mood", "tense")),
            change(put("/seat:mara/beliefs/stone", "loose"), audience=["mara"]),
            change(put("/seat:tom/beliefs/debt", "due"), audience=["tom"]),
            change(put("/director/plan", "a flood"), audience="director"),
        ],
        records=[{"asked": "a model"}],
    )
    dealt = [event for event in table.log[before:] if event.data["kind"] == "dealt"]
    assert [event.audience for event in dealt] == [["mara"], ["tom"], "director", ["mara", "tom"]]
    shown = {view: seen_in(table, view, before) for view in ("public", "seats:mara", "seats:tom", "all")}
    for secret, views in {
        "the loose stone": {"seats:mara", "all"},
        "the keeper plots": {"all"},
        "they whisper": {"seats:mara", "seats:tom", "all"},
        "a flood": {"all"},
        "a model": set[str](),
    }.items():
        assert {view for view, text in shown.items() if secret in text} == views, secret
    resolved = table.newest("resolved").data
    assert [each["id"] for each in resolved["outcomes"]] == ["e1"]  # type: ignore[typeddict-item]
    sealed = table.rules["sealed"]["outcomes"]
    assert isinstance(sealed, list)
    assert len(sealed) == 4


def test_the_seed_of_an_attempt_is_told_with_its_result_and_not_before() -> None:
    """R42"""
    table = resolving()
    seed = turn_seed(table.state)
    assert seed == blake2b(b"seed|main|1|1", digest_size=16).hexdigest()
    assert seed not in seen_in(table, "all", 0)
    table.resolve()
    assert table.newest("resolved").data["seed"] == seed  # type: ignore[typeddict-item]
    assert '"seed":"seed"' not in seen_in(table, "all", 0)


def test_a_turn_that_is_not_complete_goes_on_under_its_number_and_is_told_whole() -> None:
    """R43"""
    table = seated(turn_policy="immediate")
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    table.ok(CAROL, "propose", character="tom", action=SEARCH)
    table.resolve(turn_complete=False, outcomes=[outcome("e1", "mara")], records=["r1"])
    assert (table.phase, table.rules["turn"]["number"], table.rules["turn"]["attempt"]) == ("resolving", 1, 2)
    assert table.rules["turns"] == {}
    table.resolve(turn_complete=True, outcomes=[outcome("e2", "tom")], records=["r2"])
    sealed = table.rules["sealed"]
    assert [each["id"] for each in sealed["outcomes"]] == ["e1", "e2"]  # type: ignore[union-attr,index,call-overload]
    assert (sealed["records"], sealed["unfinished"]) == (["r1", "r2"], False)
    table.tell()
    assert (table.phase, table.rules["turn"]["number"]) == ("collect", 2)


def test_an_ending_of_a_turn_that_is_not_complete_does_not_end_the_story() -> None:
    """R43"""
    table = resolving()
    table.resolve(turn_complete=False, ended=ENDING)
    assert "ending" not in table.rules["session"]
    assert table.phase == "collect"


# --- what people wrote meanwhile --------------


def test_what_a_person_wrote_meanwhile_is_not_overwritten() -> None:
    """R15: the agent's change becomes a suggestion, beside those that fit."""
    table = resolving()
    table.edit(CAROL, put("/scene/mood", "merry"))
    table.edit(BOB, put("/seat:mara/secret", "mine"))
    table.resolve(
        changes=[
            change(put("/scene/mood", "grim"), put("/notes/found", "a key")),
            change(put("/seat:mara/secret", "theirs"), audience=["mara"]),
        ]
    )
    assert (table.at("/scene/mood"), table.at("/notes/found")) == ("merry", "a key")
    assert table.at("/seat:mara/secret") == "mine"
    # How many of the private ones there are is nobody else's business.
    assert table.newest("resolved").data["suggested"] == 1  # type: ignore[typeddict-item]
    (key,) = table.rules["suggestions"]
    suggestions = table.at("/seat:mara/suggestions")
    assert isinstance(suggestions, dict)
    (private,) = suggestions
    table.ok(CAROL, "settle", record=f"/suggestions/{key}", take=True)
    assert table.at("/scene/mood") == "grim"
    table.no("no_record", CAROL, "settle", record=f"/seat:mara/suggestions/{private}", take=True)
    table.ok(BOB, "settle", record=f"/seat:mara/suggestions/{private}", take=False)
    assert table.at("/seat:mara/secret") == "mine"


def test_an_operation_that_no_longer_fits_does_not_lose_the_others() -> None:
    """R15, R41"""
    table = resolving()
    table.edit(CAROL, drop("/characters/tom"))
    table.resolve(
        changes=[
            change(
                put("/characters/mara/hp", 3),
                {"op": "replace", "path": "/characters/tom/hp", "value": 1},
                {"op": "replace", "path": "/nowhere/at/all", "value": 1},
                put("/scene/mood", "grim"),
            )
        ]
    )
    assert (table.at("/characters/mara/hp"), table.at("/scene/mood")) == (3, "grim")
    paths = {record["path"] for record in table.rules["suggestions"].values()}  # type: ignore[index,call-overload]
    assert "/nowhere/at/all" in paths


def test_changes_for_one_audience_build_on_each_other() -> None:
    """R41: none is lost because it came in another list."""
    table = resolving()
    table.edit(CAROL, put("/notes/a", "a person's"), put("/notes/b", "a person's"))
    table.resolve(
        changes=[
            change(put("/notes/new", {})),
            change(put("/notes/new/inner", 1), put("/notes/a", "agent")),
            change(put("/clocks/storm/value", 2)),
            change(put("/clocks/storm/value", 3), put("/notes/b", "agent")),
        ]
    )
    assert table.at("/notes/new/inner") == 1
    assert table.at("/clocks/storm/value") == 3
    paths = {record["path"] for record in table.rules["suggestions"].values()}  # type: ignore[index,call-overload]
    assert paths == {"/notes/a", "/notes/b"}


# --- telling ----------------------------------


def test_prose_of_another_turn_is_refused() -> None:
    """R44"""
    table = resolving()
    early = {"turn": 1, "attempt": 1, "token": table.token}
    prose: dict[str, JsonValue] = {"text": "x", "sentences": [], "made_by": table.result()["made_by"]}
    table.no("stale_turn", K1, "narrative", **early, **prose)
    table.resolve()
    for wrong in ({"turn": 2}, {"attempt": 2}):
        table.no("stale_turn", K1, "narrative", **{**early, **prose, **wrong})
        table.no("stale_turn", K1, "narration_failed", **{**early, **wrong}, code="tired")
    table.no("stale_lease", K1, "narrative", **{**early, **prose, "token": 1})
    table.ok(K1, "narrative", **early, **prose)
    table.no("stale_turn", K1, "narrative", **early, **prose)


def test_a_late_failure_of_another_telling_ends_none() -> None:
    """R45"""
    table = seated()
    table.turn()
    table.lock()
    table.resolve()
    table.no("stale_turn", K1, "narration_failed", turn=1, attempt=1, token=table.token, code="tired")
    assert table.phase == "narrating"


@pytest.mark.parametrize("how", ["narration_failed", "cancel"])
def test_a_telling_that_ends_early_leaves_the_resolution(how: str) -> None:
    """R45, R46"""
    table = resolving()
    node = table.resolve(changes=[change(put("/scene/mood", "tense"))])
    if how == "cancel":
        table.ok(ALICE, "cancel")
    else:
        table.ok(K1, how, turn=1, attempt=1, token=table.token, code="tired")
    entry = table.rules["turns"][str(node)]
    assert (entry["narration"], entry["end"]) == (
        "cancelled" if how == "cancel" else "failed",
        table.head,
    )
    assert (table.phase, table.rules["turn"]["number"], table.at("/scene/mood")) == ("collect", 2, "tense")
    table.ok(ALICE, "retell")
    table.tell("At last.")
    assert table.rules["turns"][str(node)]["narration"] == "told"


def test_the_chronicle_in_the_state_has_a_window() -> None:
    table = playing()
    nodes = [table.turn() for _ in range(CHRONICLE_KEPT + 3)]
    chronicle = table.state["chronicle"]
    assert isinstance(chronicle, dict)
    assert sorted(map(int, chronicle)) == nodes[-CHRONICLE_KEPT:]


def test_what_a_person_writes_into_the_chronicle_does_not_stop_the_next_turn() -> None:
    """R44: its keys are the rules', its prose any onlooker's to mend."""
    table = playing()
    node = table.turn()
    assert table.edit(BOB, put(f"/chronicle/{node}/narrative", "Bob")).data["code"] == "path_forbidden"
    table.edit(ALICE, put(f"/chronicle/{node}/narrative", "mended"))
    assert table.at(f"/chronicle/{node}/narrative") == "mended"
    for path in ("/chronicle/afterword", f"/chronicle/{node}", f"/chronicle/{node}/number"):
        assert table.edit(ALICE, put(path, "by Alice")).data["code"] == "path_forbidden"
    for _ in range(CHRONICLE_KEPT + 2):
        table.turn()


def test_a_story_ends_when_its_last_turn_was_told() -> None:
    """R30"""
    table = resolving()
    table.resolve(ended=ENDING)
    assert (table.rules["session"]["ending"], table.phase) == (ENDING, "narrating")
    table.tell()
    assert (table.phase, table.rules["session"]["status"]) == ("ended", "ended")


def test_a_review_waits_for_its_acceptance() -> None:
    """R30"""
    table = seated(review=True, collect_timeout=30)
    table.turn()
    assert (table.phase, table.rules["turn"]["number"]) == ("review", 1)
    table.no("phase", ALICE, "cancel")
    table.no("phase", ALICE, "lock")
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    table.ok(ALICE, "accept")
    assert (table.phase, table.rules["turn"]["number"]) == ("collect", 2)
    assert table.rules["turn"]["deadline"] == later(NOON, 30)
    table.no("phase", ALICE, "accept")


# --- what streams -----------------------------


def test_provisional_words_are_relayed_for_the_current_turn_of_the_holder_alone() -> None:
    """R44, R40"""
    table = resolving()

    def chunk(**other: int) -> Chunk:
        fields = {"turn": 1, "attempt": 1, "token": table.token, "offset": 0, **other}
        return Chunk.model_validate_json(json.dumps({"kind": "narration", "text": "x", **fields}))

    def progress(turn: int = 1) -> Progress:
        fields = {"turn": turn, "attempt": 1, "token": table.token, "agent": "mara", "text": "decides"}
        return Progress.model_validate_json(json.dumps({"kind": "progress", **fields}))

    def is_refused(data: Chunk | Progress, by: str = K1.user_id) -> str | None:
        try:
            relay(table.state, by, data)
        except Refused as refused:
            return refused.code
        return None

    assert is_refused(chunk()) == "stale_turn", "nothing is told yet"
    assert is_refused(progress()) is None
    assert is_refused(progress(2)) == "stale_turn"
    table.resolve()
    assert is_refused(chunk()) is None
    assert is_refused(chunk(), K2.user_id) == "stale_lease"
    assert is_refused(chunk(token=1)) == "stale_lease"
    assert is_refused(chunk(attempt=2)) == "stale_turn"
    table.tell()
    assert is_refused(chunk()) == "stale_turn"
    assert is_refused(progress()) == "stale_turn"
