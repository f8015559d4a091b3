"""The log: one union of events, and the fold (SPEC R1, R4)."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from core.rules import ALICE, BOB, CAROL, NOON, Table, change, outcome, put, seated
from pydantic import TypeAdapter

from novel_jupyter.core.events import (
    KINDS,
    EventData,
    apply,
    audience_of_patch,
    decode,
    fold,
)
from novel_jupyter.core.patch import Op, PatchError


def busy() -> Table:
    """A table at which nearly everything happened."""
    table = seated(understudy_after=1)
    base = table.head
    table.edit(BOB, put("/scene/mood", "merry"))
    table.edit(CAROL, put("/scene/mood", "grim"), base=base)
    table.ok(CAROL, "chat", text="hello")
    table.lock()
    table.resolve(
        outcomes=[outcome("e1", "mara"), outcome("e2", "mara", ["mara"])],
        changes=[change(put("/seat:tom/secret", "x"), audience=["tom"])],
    )
    table.tell()
    table.gone(BOB)
    table.wait(2)
    table.ok(ALICE, "retell")
    table.tell("Again.")
    table.ok(ALICE, "undo")
    return table


def test_every_kind_has_its_type_on_the_wire() -> None:
    union = get_args(get_args(EventData)[0])
    named = {kind for member in union for kind in get_args(member.__annotations__["kind"]) or ()}
    if not named:  # annotations are text
        adapter = TypeAdapter(EventData)
        named = set(adapter.json_schema()["discriminator"]["mapping"])
    assert named == set(KINDS)


def test_state_is_the_fold_of_patches_from_nothing_and_from_anywhere() -> None:
    """R1"""
    table = busy()
    assert fold({}, table.log) == table.state
    for start in range(0, len(table.log), 3):
        assert fold(table.states[start], table.log[start:]) == table.state


def test_an_event_is_decoded_as_it_was_encoded() -> None:
    """R1"""
    for event in busy().log:
        again = decode(event.body, event.hash)
        assert again == event
        assert json.loads(event.body)["type"] == KINDS[event.data["kind"]]


def test_every_stored_event_is_of_the_union() -> None:
    adapter: TypeAdapter[EventData] = TypeAdapter(EventData)
    for event in busy().log:
        adapter.validate_python(event.data, strict=True)
        assert event.timestamp >= NOON


def test_only_the_server_stamps() -> None:
    """R1: author, time and number are no frame's business."""
    table = Table().join(BOB)
    table.ok(BOB, "chat", text="hello")
    event = table.log[-1]
    assert (event.user_id, event.timestamp, event.sequence_id) == ("bob", NOON, table.head)
    assert table.tick() == []


def test_an_event_without_a_patch_leaves_the_very_state() -> None:
    table = busy()
    quiet = next(event for event in table.log if not event.patch)
    assert apply(table.state, quiet) is table.state


def test_an_event_of_another_state_is_an_error() -> None:
    event = next(e for e in busy().log if e.data["kind"] == "ready" or e.data["kind"] == "proposed")
    with pytest.raises(PatchError):
        apply({}, event)


def test_the_audiences_of_a_patch() -> None:
    """R4"""
    ops: list[Op] = [
        {"op": "add", "path": "/scene/x", "value": 1},
        {"op": "remove", "path": "/seat:mara/x"},
        {"op": "add", "path": "/notes/x", "value": 1},
        {"op": "add", "path": "/director/x", "value": 1},
    ]
    assert audience_of_patch(ops) == ["everyone", ["mara"], "director"]
    assert audience_of_patch([]) == []
