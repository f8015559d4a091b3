"""Tellings of seats, and the cut of what everybody's events hold for onlookers (R4, R5, R44)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, cast

import pytest
from core.rules import ALICE, BOB, K1, Table, outcome, seated

from novel_jupyter.core.events import Event, EventData, apply
from novel_jupyter.core.model import State
from novel_jupyter.core.views import PUBLIC, project_state, view_hash, wire_bytes

MARA, TOM = "seats:mara", "seats:tom"
SEATS: Any = {"mara": {"text": "I saw it.", "sentences": [{"text": "I saw it.", "events": ["e1"]}]}}


def seen(event: Event, view: str) -> Any:
    return json.loads(wire_bytes("s1", event, view))["data"]


def told(text: str = "It was so.", **seats: Any) -> tuple[Table, int]:
    """A turn that Mara saw and Tom did not."""
    table = seated()
    table.lock()
    one: Any = {**outcome("e1", "mara"), "witnesses": ["mara"]}
    two: Any = {**outcome("e2", "tom"), "witnesses": ["tom"]}
    node = table.resolve(outcomes=[one, two, outcome("e3", "director")])
    table.tell(text, seats={**SEATS, **seats}, so_far="So far.")
    return table, node


def test_a_seat_is_told_its_own_and_onlookers_the_public() -> None:
    """R44"""
    table, node = told()
    turn = table.newest("turn")
    assert (seen(turn, PUBLIC)["narrative"], seen(turn, "seats:director")["narrative"]) == ("It was so.",) * 2
    for view in (MARA, TOM):
        cut = seen(turn, view)
        assert (cut["narrative"], cut["sentences"], cut["turn"]) == ("", [], 1)
        assert not [op for op in cut["patch"] if op["path"].startswith("/chronicle")]
    dealt = next(event for event in reversed(table.log) if event.data["kind"] == "dealt")
    assert (dealt.audience, seen(dealt, MARA)["narrative"]) == (["mara"], "I saw it.")
    assert [seen(dealt, view)["kind"] for view in (TOM, PUBLIC)] == ["hidden"] * 2
    assert table.at(f"/seat:mara/chronicle/{node}/narrative") == "I saw it."
    assert table.at(f"/chronicle/{node}/so_far") == "So far."


def test_outcomes_are_shown_to_who_witnessed_them() -> None:
    """R5"""
    table, _ = told()
    resolved = table.newest("resolved")
    shown = {view: [one["id"] for one in seen(resolved, view)["outcomes"]] for view in (MARA, TOM, PUBLIC)}
    assert shown == {MARA: ["e1", "e3"], TOM: ["e2", "e3"], PUBLIC: ["e1", "e2", "e3"]}
    for view in (MARA, TOM, PUBLIC):
        assert "witnesses" not in json.dumps(seen(resolved, view))
    assert "witnesses" in json.dumps(seen(resolved, "all"))


@pytest.mark.parametrize("view", [MARA, TOM, PUBLIC, "seats:director", "all"])
def test_what_a_view_shows_folds_to_its_state(view: str) -> None:
    """R5, R84: for who reads from the first event on, through tellings, retellings and undo."""
    table, _ = told()
    table.ok(ALICE, "retell")
    table.tell("Again.", seats=SEATS)
    table.turn("Later.")
    table.ok(ALICE, "undo", to=None)
    state: State = {}
    for event in table.log:
        data = seen(event, view)
        if data["kind"] != "hidden":
            state = apply(state, replace(event, data=cast(EventData, data)))
    assert state == project_state(table.state, view)
    assert view_hash(state, view) == view_hash(table.state, view)


def test_an_undo_keeps_the_prose_that_a_seat_was_told_last() -> None:
    """R50"""
    table, node = told()
    table.turn("Later.")
    table.ok(ALICE, "retell", node=node)
    again: Any = {"text": "I saw it well.", "sentences": []}
    table.tell("Again.", seats={"mara": again})
    table.ok(ALICE, "undo", to=node)
    assert table.at(f"/seat:mara/chronicle/{node}/narrative") == "I saw it well."
    assert table.at(f"/chronicle/{node}/narrative") == "Again."


def test_strangers_are_told_nothing_and_saw_nothing() -> None:
    """R44"""
    table = seated().lock()
    seen_by: Any = {**outcome("e1", "mara"), "witnesses": ["nobody"]}
    result = table.result(outcomes=[seen_by])
    table.no("unknown_character", K1, "turn_result", id=table.step(1), **result)
    table.resolve()
    table.no(
        "unknown_character",
        K1,
        "narrative",
        id=table.step(2),
        **table.narrative("So.", seats={"nobody": SEATS["mara"]}),
    )


def test_who_plays_does_not_mend_what_onlookers_read() -> None:
    """R13"""
    table, node = told()
    op: dict[str, Any] = {"op": "replace", "path": f"/chronicle/{node}/narrative", "value": "mine"}
    assert table.edit(BOB, op).data["code"] == "path_forbidden"
    mine = {**op, "path": f"/seat:mara/chronicle/{node}/narrative"}
    assert table.edit(BOB, mine).data["code"] == "path_forbidden"
    assert table.edit(ALICE, op).data["kind"] == "ack"
    assert table.log[-1].audience == "onlookers"
    assert seen(table.log[-1], MARA)["kind"] == "hidden"
