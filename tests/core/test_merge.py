"""Merging late edits: nothing is lost unseen, whatever the order, and an agent yields to people."""

from __future__ import annotations

import copy
import json

import pytest
from core.merging import AGENT, ALICE, BOB, CAROL, OTHER_AGENT, TAB, Server, drop, late_edits, make, put
from hypothesis import given
from hypothesis import strategies as st

from novel_jupyter.core.merge import Author, Merged, MergeRefused
from novel_jupyter.core.patch import (
    JsonValue,
    Op,
    apply_patch,
    lookup,
    overlaps,
    parse_pointer,
    same,
    touched,
)

MERGING = {"/scene/text", "/scene/tags", "/clocks/storm/value"}
"""Paths whose strategies combine values instead of choosing one."""


def at(server: Server, path: str) -> object:
    return lookup(server.state, parse_pointer(path))


def kept_aside(merged: Merged) -> list[tuple[str, JsonValue]]:
    lost = [(record["path"], record["lost"]) for record in merged.conflicts]
    return lost + [(each["path"], each["op"].get("value")) for each in merged.suggestions]


def is_accounted_for(op: Op, merged: Merged, ops: list[Op], after: dict[str, JsonValue]) -> bool:
    path = parse_pointer(op["path"])
    later = [parse_pointer(other["path"]) for other in ops[ops.index(op) + 1 :]]
    if any(overlaps(path, other) for other in later):
        return True  # the edit itself wrote over it
    if same(lookup(after, path), op["value"], exact=False):
        return True
    return any(where == op["path"] and same(value, op["value"]) for where, value in kept_aside(merged))


@given(late_edits)
def test_every_edit_is_accounted_for_and_refused_edits_change_nothing(
    edits: list[tuple[int, list[Op], Author]],
) -> None:
    server = Server()
    for behind, ops, author in edits:
        base = max(0, server.head - behind)
        before, index = copy.deepcopy(server.state), server.index
        clean = not any(index.written_after(path, base) for path in touched(ops))
        try:
            merged = server.merge(base, ops, author)
        except MergeRefused:
            assert server.state == before
            assert server.index is index
            continue
        assert server.state == before
        assert all(op["op"] != "test" for op in merged.patch)
        after = apply_patch(server.state, merged.patch)
        json.dumps([merged.conflicts, merged.suggestions])
        if clean:
            assert merged == Merged("applied", ops, [], [])
        for op in ops:
            if op["op"] != "remove" and op["path"] not in MERGING:
                assert is_accounted_for(op, merged, ops, after)
        if author.is_agent:
            for seq, path, who in server.writes:
                if seq > base and not who.is_agent:
                    assert same(lookup(after, path), lookup(before, path))
        assert (merged.outcome == "suggested") == bool(merged.suggestions)
        assert merged.outcome != "conflicted" or merged.conflicts
        server.commit(merged.patch, author)


@given(late_edits)
def test_merging_is_determined(edits: list[tuple[int, list[Op], Author]]) -> None:
    results = []
    for _ in range(2):
        server = Server()
        for behind, ops, author in edits:
            try:
                results.append(server.edit(max(0, server.head - behind), ops, author))
            except MergeRefused as refused:
                results.append(Merged("applied", [], [], [{"path": refused.code}]))  # type: ignore[typeddict-item]
    half = len(results) // 2
    assert results[:half] == results[half:]


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 5)), max_size=20))
def test_counters_add_up_whatever_the_interleaving(steps: list[tuple[int, int]]) -> None:
    server, path = Server(), parse_pointer("/clocks/storm/value")
    for number, (step, behind) in enumerate(steps):
        base = max(0, server.head - behind)
        seen = lookup(server.states[base], path)
        assert isinstance(seen, int)
        author = Author(f"user{number}", False)
        server.edit(base, [put("/clocks/storm/value", seen + step)], author)
    assert at(server, "/clocks/storm/value") == 5 + sum(step for step, _ in steps)


sets = st.lists(st.sampled_from("abcdef"), max_size=6, unique=True)


@given(sets, st.permutations([ALICE, BOB, CAROL]), st.lists(sets, min_size=3, max_size=3), st.booleans())
def test_unions_commute(start: list[str], order: list[Author], wished: list[list[str]], as_map: bool) -> None:
    def value(elements: list[str]) -> JsonValue:
        return dict.fromkeys(elements, True) if as_map else list(elements)

    wishes = dict(zip((ALICE.user_id, BOB.user_id, CAROL.user_id), wished, strict=True))
    server = Server()
    server.commit([put("/scene/tags", value(start))], CAROL)
    for author in order:
        merged = server.edit(1, [put("/scene/tags", value(wishes[author.user_id]))], author)
        assert not merged.conflicts
    result = at(server, "/scene/tags")
    assert isinstance(result, (list, dict))
    removed = {x for x in start for wish in wished if x not in wish}
    assert set(result) == (set(start) - removed) | {x for wish in wished for x in wish if x not in start}


@given(st.permutations(range(5)), st.lists(st.booleans(), min_size=5, max_size=5))
def test_no_change_of_a_text_that_overlaps_with_none_is_dropped(order: list[int], grows: list[bool]) -> None:
    words = "one two three four five".split()
    server = Server()
    for place in order:
        mine = [*words]
        mine[place] = f"{words[place]} and{place}" if grows[place] else f"new{place}"
        server.edit(0, [put("/scene/text", " ".join(mine))], Author(f"user{place}", False))
    expected = [f"{w} and{n}" if grows[n] else f"new{n}" for n, w in enumerate(words)]
    assert at(server, "/scene/text") == " ".join(expected)


def test_the_later_scalar_wins_and_the_earlier_is_kept_aside() -> None:
    server = Server()
    server.edit(0, [put("/scene/mood", "tense")], ALICE)
    merged = server.edit(0, [put("/scene/mood", "merry")], BOB)
    assert merged.outcome == "conflicted"
    assert merged.conflicts == [
        {
            "path": "/scene/mood",
            "kept": "merry",
            "lost": "tense",
            "kept_by": "bob",
            "lost_by": "alice",
            "base": 0,
            "sequence_id": 2,
        }
    ]
    assert server.edit(2, [put("/scene/mood", "calm")], ALICE).outcome == "applied"
    assert server.merge(2, [put("/scene/mood", "calm")], BOB).outcome == "merged"


def test_a_guarded_scalar_refuses_the_whole_edit_with_what_stands_there() -> None:
    server = Server()
    server.edit(0, [put("/scene/phase", "night")], ALICE)
    for path, value in (("/scene/phase", "dawn"), ("/scene", {})):
        with pytest.raises(MergeRefused) as caught:
            server.merge(0, [put("/items/lamp/lit", True), put(path, value)], BOB)
        assert (caught.value.code, caught.value.path, caught.value.current) == (
            "stale_base",
            "/scene/phase",
            "night",
        )
    assert server.edit(1, [put("/scene", {"phase": "dawn"})], BOB).outcome == "applied"


@pytest.mark.parametrize(
    "op", [put("/chronicle/1/text", "x"), make("/chronicle/1", {}), drop("/chronicle/1"), drop("/chronicle")]
)
def test_what_is_told_stays_told_even_without_a_clash(op: Op) -> None:
    with pytest.raises(MergeRefused) as caught:
        Server().merge(0, [op], ALICE)
    assert caught.value.code == "append_only"


def test_new_entries_are_told_from_old_bases_too() -> None:
    server = Server()
    server.edit(0, [make("/chronicle/2", {"text": "Then."})], ALICE)
    assert server.edit(0, [make("/chronicle/3", {"text": "And then."})], BOB).outcome == "applied"


def test_an_agent_yields_to_a_person_and_not_to_an_agent() -> None:
    server = Server()
    server.edit(0, [put("/scene/mood", "tense")], ALICE)
    merged = server.edit(0, [put("/scene/mood", "merry"), put("/items/lamp/lit", True)], AGENT)
    assert merged.outcome == "suggested"
    assert at(server, "/scene/mood") == "tense"
    assert at(server, "/items/lamp/lit") is True
    (suggestion,) = merged.suggestions
    assert suggestion["op"] == make("/scene/mood", "merry")
    assert (suggestion["current"], suggestion["suggested_by"], suggestion["kept_by"]) == (
        "tense",
        "kernel:a",
        "alice",
    )
    assert server.edit(1, [put("/items/lamp/lit", False)], OTHER_AGENT).outcome == "conflicted"
    for op in (drop("/scene"), put("/clocks/storm/value", 6)):
        server.edit(server.head, [put("/clocks/storm/value", 6)], ALICE)
        assert server.edit(0, [op], AGENT).outcome == "suggested"
    assert server.edit(0, [put("/scene/mood", "tense")], AGENT).outcome == "merged"


def test_an_agent_yields_although_another_agent_wrote_later_still() -> None:
    server = Server()
    server.edit(0, [put("/scene/mood", "tense")], ALICE)
    server.edit(1, [put("/scene/mood", "merry")], OTHER_AGENT)
    assert server.merge(0, [put("/scene/mood", "calm")], AGENT).outcome == "suggested"


def test_what_builds_on_a_suggestion_becomes_one() -> None:
    server = Server()
    server.edit(0, [make("/items/rope", {"holder": None})], ALICE)
    server.edit(1, [drop("/items/rope")], BOB)
    ops = [
        make("/items/rope", {"holder": "mara"}),
        make("/items/rope/lit", False),
        put("/items/lamp/lit", True),
    ]
    merged = server.edit(0, ops, AGENT)
    assert [each["path"] for each in merged.suggestions] == ["/items/rope", "/items/rope/lit"]
    assert merged.patch == [put("/items/lamp/lit", True)]


def test_a_write_into_what_was_removed_meanwhile_is_kept_aside() -> None:
    server = Server()
    server.edit(0, [drop("/items/lamp")], ALICE)
    merged = server.edit(0, [put("/items/lamp/holder", "bob"), put("/scene/mood", "merry")], BOB)
    assert merged.outcome == "conflicted"
    assert merged.patch == [put("/scene/mood", "merry")]
    (record,) = merged.conflicts
    assert (record["path"], record["kept"], record["lost"], record["removal"]) == (
        "/items/lamp/holder",
        None,
        "bob",
        "kept",
    )
    assert server.edit(0, [drop("/items/lamp/holder")], BOB).outcome == "merged"


def test_removing_what_was_changed_meanwhile_keeps_what_was_lost() -> None:
    server = Server()
    server.edit(0, [put("/items/lamp/lit", True)], ALICE)
    merged = server.edit(0, [drop("/items/lamp")], BOB)
    (record,) = merged.conflicts
    assert (record["lost"], record["removal"]) == ({"holder": "mara", "lit": True}, "kept")
    assert server.edit(1, [drop("/items/lamp")], CAROL).outcome == "merged"


def test_replacing_what_was_removed_meanwhile_brings_it_back() -> None:
    server = Server()
    server.edit(0, [drop("/items/lamp/lit")], ALICE)
    merged = server.edit(0, [put("/items/lamp/lit", True)], BOB)
    assert merged.patch == [make("/items/lamp/lit", True)]
    assert merged.conflicts[0]["removal"] == "lost"


def test_words_that_both_changed_are_handed_back() -> None:
    server = Server()
    server.edit(0, [put("/scene/text", "ONE two three four five")], ALICE)
    merged = server.edit(0, [put("/scene/text", "Eins two three four fünf")], BOB)
    assert at(server, "/scene/text") == "ONE two three four fünf"
    (record,) = merged.conflicts
    assert record["hunks"] == [{"position": 0, "base": "one", "kept": "ONE", "lost": "Eins"}]
    assert (record["lost"], record["lost_by"], record["kept_by"]) == (
        "Eins two three four fünf",
        "bob",
        "alice",
    )


def test_what_one_tab_sends_on_top_of_its_own_edits_is_no_conflict() -> None:
    server = Server()
    assert server.edit(0, [put("/scene/mood", "a")], TAB).outcome == "applied"
    assert server.edit(0, [put("/scene/mood", "ab")], TAB).outcome == "applied"
    server.edit(0, [put("/scene/mood", "x")], ALICE)
    assert server.edit(0, [put("/scene/mood", "abc")], TAB).conflicts[0]["lost"] == "x"
    assert server.edit(0, [put("/scene/mood", "abcd")], TAB).outcome == "merged"


def test_an_edit_may_write_a_path_twice() -> None:
    server = Server()
    server.edit(0, [put("/scene/mood", "x")], ALICE)
    merged = server.edit(0, [put("/scene/mood", "a"), put("/scene/mood", "b")], BOB)
    assert [record["lost"] for record in merged.conflicts] == ["x"]
    assert at(server, "/scene/mood") == "b"
    assert server.edit(2, [make("/items/rope", {}), make("/items/rope/lit", True)], BOB).outcome == "applied"


def test_a_base_that_is_forgotten_clashes_with_all_that_exists() -> None:
    server = Server()
    server.index = type(server.index)(max_paths=1)
    for path in ("/items/lamp/lit", "/items/key/holder", "/scene/mood"):
        server.commit([put(path, "x")], ALICE)
    assert server.index.floor > 0
    assert server.merge(0, [make("/notes/n", "new")], BOB).outcome == "applied"
    merged = server.merge(
        0, [put("/scene/tags", ["sea"]), put("/scene/text", "x"), put("/items/lamp/holder", "b")], BOB
    )
    assert {record["path"]: record["lost"] for record in merged.conflicts} == {
        "/scene/tags": ["sea"],
        "/scene/text": "x",
        "/items/lamp/holder": "mara",
    }
    assert server.merge(0, [put("/items/lamp/holder", "b")], AGENT).outcome == "suggested"
    with pytest.raises(MergeRefused) as caught:
        server.merge(0, [put("/scene/phase", "b")], BOB)
    assert caught.value.code == "stale_base"


BROKEN: list[tuple[list[Op], str]] = [
    ([{"op": "test", "path": "/scene/mood", "value": "other"}], "test_failed"),
    ([{"op": "test", "path": "/scene/none", "value": None}], "test_failed"),
    ([put("/scene/none", 1)], "missing_path"),
    ([drop("/none")], "missing_path"),
    ([make("/none/x", 1)], "missing_path"),
    ([put("/scene/tags/0", "x")], "positional"),
    ([put("/scene/__proto__/x", "x")], "bad_path"),
    ([{"op": "add", "path": "/scene/x"}], "invalid"),
]


@pytest.mark.parametrize("broken, code", BROKEN)
@pytest.mark.parametrize("has_clash", [False, True])
def test_a_broken_operation_refuses_the_whole_edit(broken: list[Op], code: str, has_clash: bool) -> None:
    server = Server()
    server.commit([put("/scene/text", "x")], ALICE)
    ops = [put("/scene/text" if has_clash else "/items/lamp/lit", "y"), *broken]
    with pytest.raises(MergeRefused) as caught:
        server.merge(0, ops, BOB)
    assert caught.value.code == code


def test_positions_are_refused_in_a_clash_too() -> None:
    server = Server()
    server.commit([put("/scene/tags", ["a", "b"])], ALICE)
    with pytest.raises(MergeRefused) as caught:
        server.merge(0, [put("/scene/tags/0", "x")], BOB)
    assert caught.value.code == "positional"


@pytest.mark.parametrize("base", [-1, 1, 7])
def test_a_base_outside_the_history_is_refused(base: int) -> None:
    with pytest.raises(MergeRefused) as caught:
        Server().merge(base, [put("/scene/mood", "x")], ALICE)
    assert caught.value.code == "bad_base"


def test_a_test_that_holds_is_not_part_of_the_patch() -> None:
    ops: list[Op] = [{"op": "test", "path": "/scene/mood", "value": "calm"}, put("/scene/mood", "tense")]
    assert Server().merge(0, ops, ALICE) == Merged("applied", [ops[1]], [], [])
