"""Decisions on top of a known head, not yet in the log (SPEC R2, R4, R76)."""

from __future__ import annotations

import gc

import pytest
from core.rules import ALICE, BOB, CAROL, NOON, SALT, SESSION, Table, message, playing, put
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from novel_jupyter.core.draft import Draft, Result, Results, Room, measured_size
from novel_jupyter.core.merge import WriteIndex
from novel_jupyter.core.model import Head
from novel_jupyter.core.room import Command, Reply, decide


def empty(epoch: str = "e1") -> Room:
    return Room(SESSION, SALT, Head(epoch, 0, ""), {}, WriteIndex(), {})


def chat(draft: Draft, table: Table, n: int, text: str = "hello") -> Reply:
    return decide(draft, Command(BOB, message("chat", f"c1:{n}", text=text)), table.facts())


def test_nothing_is_decided_before_the_commit() -> None:
    """R2: a draft that is dropped was never there."""
    table = playing()
    room, head, state = table.room, table.room.head, table.state
    draft = Draft(room)
    chat(draft, table, 1)
    assert draft.next_id == head.sequence_id + 2
    assert (room.head, room.state, room.results.get(("bob", "c1"))) == (head, state, None)
    after = draft.committed()
    assert after.head == draft.head
    assert after.results["bob", "c1"].high_water == 1


def test_one_append_carries_every_decision_made_meanwhile() -> None:
    """R76"""
    table = playing()
    draft = Draft(table.room)
    for n in (1, 2, 3):
        assert chat(draft, table, n).data["kind"] == "ack"
    assert [event.sequence_id for event in draft.events] == [table.head + n for n in (1, 2, 3)]
    table.commit(draft)


def test_what_is_refused_leaves_the_others_of_its_batch() -> None:
    """R70, R76"""
    table = playing()
    draft = Draft(table.room)
    chat(draft, table, 1)
    kept, hash_ = draft.state, draft.head.hash
    refused = Command(BOB, message("edit", "c1:2", base=0, patch=[put("/session/title", "mine")]))
    assert decide(draft, refused, table.facts()).data["kind"] == "error"
    assert (draft.state, draft.head.hash, len(draft.events), len(draft.results)) == (kept, hash_, 1, 2)
    chat(draft, table, 3)
    table.commit(draft)


def test_a_mark_goes_back_to_where_it_was_made() -> None:
    table = playing()
    draft = Draft(table.room)
    chat(draft, table, 1)
    mark, before = draft.mark(), (draft.state, draft.index, draft.head, draft.size, list(draft.events))
    draft.emit(
        ALICE,
        None,
        NOON,
        "everyone",
        {"kind": "settings", "patch": [{"op": "add", "path": "/notes/x", "value": 1}]},
    )
    draft.back_to(mark)
    assert (draft.state, draft.index, draft.head, draft.size, draft.events) == before


def test_an_event_that_writes_for_others_is_our_own_mistake() -> None:
    """R4"""
    draft = Draft(playing().room)
    with pytest.raises(AssertionError, match="writes for"):
        draft.emit(
            ALICE,
            None,
            NOON,
            "everyone",
            {"kind": "settings", "patch": [{"op": "add", "path": "/director/x", "value": 1}]},
        )


def test_a_room_that_reads_the_log_is_the_room_that_wrote_it() -> None:
    """R1, R77"""
    table = playing()
    base = table.head
    table.edit(BOB, put("/scene/mood", "merry"))
    table.edit(CAROL, put("/scene/mood", "grim"), base=base)
    table.turn()
    reader = empty().after(table.log[:7]).after(table.log[7:])
    assert (reader.state, reader.head, reader.index) == (table.state, table.room.head, table.room.index)
    assert reader.size >= len(str(reader.state)) // 2


def test_the_size_is_never_less_than_the_state() -> None:
    """R73"""
    table = playing()
    for n in range(5):
        table.edit(BOB, put(f"/notes/n{n}", "x" * 100 * n))
        assert table.room.size >= measured_size(table.state)


def test_results_are_kept_up_to_a_number() -> None:
    """R3"""
    results = Results()
    assert results.high_water == 0
    for n in range(1, 1031):
        results.add(Result("bob", "c1", n, "digest", n, {}))
    assert (len(results.kept), min(results.kept), results.forgotten, results.high_water) == (1024, 7, 6, 1030)
    results.add(Result("bob", "c1", 3, "digest", 3, {}))
    assert (min(results.kept), results.forgotten) == (7, 6)


@given(st.lists(st.integers(1, 3000), max_size=60), st.integers(0, 1100))
def test_results_may_come_in_any_order(numbers: list[int], before: int) -> None:
    """R3: the newest are kept by their numbers, not by when they came."""
    results, seen = Results(), set(range(1, before + 1))
    for n in sorted(seen):
        results.add(Result("bob", "c1", n, "digest", n, {}))
    for n in numbers:
        results.add(Result("bob", "c1", n, "digest", n, {}))
        seen.add(n)
        assert list(results.kept) == sorted(results.kept)
        assert results.high_water == max(seen)
        assert min(results.kept) > results.forgotten or len(results.kept) < 1024
    assert set(results.kept) == set(sorted(seen)[-1024:])


def test_kept_results_are_found_again_and_are_nothing_that_the_collector_looks_at() -> None:
    reply: dict[str, JsonValue] = {"kind": "ack", "outcome": "applied"}
    made = [Result("ann", "c1", n, f"digest {n}", n, reply) for n in (3, 1, 2)]
    results = Results.of(made)
    assert [results.get(n) for n in range(5)] == [None, made[1], made[2], made[0], None]
    assert results.since(2) == [made[2], made[0]]
    gc.collect()
    assert not any(map(gc.is_tracked, results.kept.values()))
