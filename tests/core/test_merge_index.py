"""The index of writes against a list of all writes and all states."""

from __future__ import annotations

import json

import pytest
from core.merging import AGENT, ALICE, AUTHORS, BOB, TAB, Server, drop, make, ops, put
from hypothesis import given
from hypothesis import strategies as st

from novel_jupyter.core.merge import Author, WriteIndex
from novel_jupyter.core.merge_index import MAX_ONE_VALUE
from novel_jupyter.core.old_values import UNKNOWN
from novel_jupyter.core.patch import (
    MISSING,
    JsonValue,
    Op,
    PatchError,
    Path,
    format_pointer,
    lookup,
    overlaps,
    parse_pointer,
    same,
)

PATHS = [
    parse_pointer(path)
    for path in [
        "/scene",
        "/scene/mood",
        "/items",
        "/items/lamp",
        "/items/lamp/lit",
        "/items/rope/lit",
        "/notes/n1",
    ]
]
histories = st.lists(st.tuples(st.lists(ops, min_size=1, max_size=2), st.sampled_from(AUTHORS)), max_size=16)


def played(history: list[tuple[list[Op], Author]]) -> Server:
    server = Server()
    for patch, author in history:
        try:
            server.commit(patch, author)
        except PatchError:
            continue
    return server


@given(histories, st.sampled_from(PATHS), st.sampled_from(AUTHORS), st.data())
def test_no_write_is_missed(
    history: list[tuple[list[Op], Author]], path: Path, author: Author, data: st.DataObject
) -> None:
    server = played(history)
    base = data.draw(st.integers(0, server.head))
    hits = [(seq, who) for seq, where, who in server.writes if seq > base and overlaps(where, path)]
    others = [seq for seq, who in hits if not who.is_same_client(author)]
    since = server.index.since(path, base, author)
    found = server.index.written_after(path, base)
    assert (found.sequence_id if found else None) == max((seq for seq, _ in hits), default=None)
    assert since.newest == found
    assert (since.foreign.sequence_id if since.foreign else None) == max(others, default=None)
    assert since.by_person >= any(not who.is_agent for _, who in hits)


@given(histories, st.sampled_from(PATHS), st.data())
def test_a_past_value_is_right_or_unknown(
    history: list[tuple[list[Op], Author]], path: Path, data: st.DataObject
) -> None:
    server = played(history)
    base = data.draw(st.integers(0, server.head))
    value = server.index.value_at(path, base, lookup(server.state, path))
    if value is not UNKNOWN:
        assert same(value, lookup(server.states[base], path))  # type: ignore[arg-type]  # not UNKNOWN here


def test_past_values_are_known_where_text_and_counters_need_them() -> None:
    server = Server()
    server.commit([put("/scene/text", "x")], ALICE)
    server.commit([put("/scene/text", "y"), put("/clocks/storm/value", 6)], BOB)
    server.commit([drop("/items/key")], ALICE)
    server.commit([put("/items/lamp/lit", True)], ALICE)
    text, current = ("scene", "text"), lookup(server.state, ("scene", "text"))
    assert [server.index.value_at(text, base, current) for base in range(4)] == [
        "one two three four five",
        "x",
        "y",
        "y",
    ]
    assert server.index.value_at(("items",), 1, lookup(server.state, ("items",))) == lookup(
        server.states[1], ("items",)
    )
    server.commit([make("/scene", {"text": "z"})], ALICE)
    assert server.index.value_at(text, 3, "z") == "y"
    assert server.index.value_at(text, 0, "z") is UNKNOWN
    assert server.index.value_at(("nowhere",), 0, MISSING) is MISSING


def test_recording_gives_a_new_index_and_leaves_the_old_one() -> None:
    server = Server()
    server.commit([put("/scene/mood", "a")], ALICE)
    before = server.index
    dumped = list(before.dumped())
    server.commit([put("/scene/mood", "b"), put("/items/lamp/lit", True)], BOB)
    assert list(before.dumped()) == dumped
    assert before.written_after(("items",), 0) is None


@given(histories)
def test_an_index_survives_json(history: list[tuple[list[Op], Author]]) -> None:
    index = played(history).index
    assert WriteIndex.from_json(json.loads(b"".join(index.dumped()))) == index


@pytest.mark.parametrize(
    "data", [None, [], {}, {"floor": 0, "value_floor": 0, "entries": [["/a"]]}, {"floor": 0, "entries": 3}]
)
def test_what_is_no_index_is_refused(data: object) -> None:
    with pytest.raises(ValueError):
        WriteIndex.from_json(data)  # type: ignore[arg-type]


def test_paths_are_bounded_and_the_floor_rises() -> None:
    index = WriteIndex(max_paths=100)
    for seq in range(1, 1001):
        index = index.record(seq, [make(f"/notes/n{seq}", "x")], {"notes": {}}, ALICE)
        assert len(index) <= 100
    assert 900 <= index.floor <= 930
    assert index.written_after(("notes", "n1000"), index.floor)
    for seq in range(index.floor + 1, 1001):
        assert index.written_after(("notes", f"n{seq}"), index.floor)
    assert index.written_after(("notes", f"n{index.floor}"), 0) is None


def test_values_too_large_to_be_kept_are_bounded_too() -> None:
    index = WriteIndex(max_bytes=1_000)
    state: dict[str, JsonValue] = {"notes": {"n": "x" * (MAX_ONE_VALUE + 1)}}
    for seq in range(1, 201):
        index = index.record(seq, [put("/notes/n", "new")], state, ALICE)
        assert index.value_at(("notes", "n"), seq - 1, "new") is UNKNOWN
    (entry,) = json.loads(b"".join(index.dumped()))["entries"]
    assert 0 < len(entry[-1]) <= 1_000 // 16


def test_values_are_bounded_and_then_unknown() -> None:
    index, path = WriteIndex(max_bytes=10_000), ("notes", "n")
    for seq in range(1, 201):
        text = str(seq - 1) * 300
        index = index.record(seq, [put("/notes/n", "new")], {"notes": {"n": text}}, ALICE)
    assert len(b"".join(index.dumped())) < 15_000
    assert index.value_at(path, 0, "new") is UNKNOWN
    assert index.value_at(path, 198, "new") == "198" * 300
    assert index.written_after(path, 0)
    assert index.floor == 0


def test_a_value_that_is_too_large_to_keep_is_unknown() -> None:
    index = WriteIndex().record(1, [put("/notes/n", "")], {"notes": {"n": "x" * 100_000}}, ALICE)
    assert index.value_at(("notes", "n"), 0, "") is UNKNOWN


def test_what_nobody_edits_is_left_out() -> None:
    index = WriteIndex().record(1, [put("/turn/phase", "collect"), make("/chat/1", {})], {}, AGENT)
    assert len(index) == 0


def test_a_tab_knows_what_it_sent_itself() -> None:
    server = Server()
    server.commit([put("/scene/mood", "a")], ALICE)
    server.commit([put("/scene/mood", "b")], TAB)
    path = ("scene", "mood")
    assert server.index.since(path, 1, TAB).foreign is None
    foreign = server.index.since(path, 0, TAB).foreign
    assert foreign
    assert foreign.author == ALICE
    assert server.index.since(path, 1, Author("dora", False, "tab2")).foreign


def test_thousands_of_writes_are_cheap() -> None:
    server = Server()
    for n in range(3000):
        server.commit([make(f"/notes/{format_pointer((str(n % 700),))[1:]}", n)], ALICE)
    assert len(server.index) == 700
