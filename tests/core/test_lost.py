"""What was lost with a history is decided in another: numbers beyond both are nobody's (SPEC R93)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core.rules import ALICE, BOB, Table, message, playing, put, seated
from pydantic import JsonValue

from novel_jupyter.core.draft import Draft
from novel_jupyter.core.room import Command, Reply, decide


def again(table: Table, kind: str, known: int, **data: JsonValue) -> Reply:
    """A command of alice's that was lost, decided where she knows of nothing after `known`."""
    said = message(kind, "page:1", None, **data)
    draft = Draft(table.room)
    reply = decide(draft, Command(ALICE, said), replace(table.facts(table.past(said)), known=known))
    table.commit(draft)
    return reply


def test_a_base_beyond_what_was_known_counts_as_what_was_known() -> None:
    table = playing()
    known = table.head
    table.edit(BOB, put("/scene/mood", "bob's"))
    reply = again(table, "edit", known, base=table.head, patch=[put("/scene/mood", "alice's")])
    assert reply.data["outcome"] == "conflicted"
    assert table.log[-1].data["base"] == known  # type: ignore[typeddict-item]


def test_events_are_named_only_up_to_what_was_known() -> None:
    table = playing()
    made = table.edit(ALICE, put("/scene/mood", "grim")).sequence_id
    assert again(table, "restore_edit", made - 1, sequence_id=made).data["code"] == "lost"
    table = playing()
    made = table.edit(ALICE, put("/scene/mood", "grim")).sequence_id
    assert again(table, "restore_edit", made, sequence_id=made).data["kind"] == "ack"
    table = playing()
    assert again(table, "settle", 3, record="/conflicts/4-0", take=True).data["code"] == "lost"
    table = playing()
    assert again(table, "settle", 4, record="/conflicts/4-0", take=True).data["code"] != "lost"


@pytest.mark.parametrize(
    ("kind", "review"), [("undo", False), ("retell", False), ("reroll", False), ("accept", True)]
)
def test_the_turn_that_is_meant_is_one_that_was_known(kind: str, review: bool) -> None:
    def told() -> tuple[Table, int]:
        table = seated(review=review)
        table.lock()
        node = table.resolve()
        table.tell("Told.")
        return table, node

    table, node = told()
    assert again(table, kind, node - 1).data["code"] == "lost"
    table, node = told()
    assert again(table, kind, table.head).data["kind"] == "ack"
    if kind == "undo":
        table, node = told()
        assert again(table, kind, node - 1, to=node).data["code"] == "lost"
