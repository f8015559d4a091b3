"""A tiny server for the merge tests: keeps every state and every write, and takes edits against old bases."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

from novel_jupyter.core.merge import Author, Merged, MergeRules, WriteIndex, merge_edit
from novel_jupyter.core.patch import JsonValue, Op, Path, apply_patch, touched

ALICE, BOB, CAROL = Author("alice", False), Author("bob", False), Author("carol", False)
AGENT, OTHER_AGENT = Author("kernel:a", True), Author("kernel:b", True)
TAB = Author("dora", False, "tab1")
AUTHORS = (ALICE, BOB, AGENT, OTHER_AGENT, TAB)

START: dict[str, JsonValue] = {
    "scene": {"mood": "calm", "text": "one two three four five", "tags": ["fog"], "phase": "dusk"},
    "items": {"lamp": {"holder": "mara", "lit": False}, "key": {"holder": None}},
    "clocks": {"storm": {"value": 5}},
    "chronicle": {"1": {"text": "It began."}},
    "notes": {},
}

RULES = MergeRules.for_story(
    {
        "/scene/text": "merge_text",
        "/scene/tags": "union",
        "/scene/phase": "reject_stale",
        "/clocks/*/value": "add",
        "/chronicle/**": "append_only",
    }
)


def put(path: str, value: JsonValue) -> Op:
    return {"op": "replace", "path": path, "value": value}


def make(path: str, value: JsonValue) -> Op:
    return {"op": "add", "path": path, "value": value}


def drop(path: str) -> Op:
    return {"op": "remove", "path": path}


@dataclass
class Server:
    """`states[n]` is the state after event n; event 0 is the opening."""

    rules: MergeRules = RULES
    index: WriteIndex = field(default_factory=WriteIndex)
    states: list[dict[str, JsonValue]] = field(default_factory=lambda: [START])
    writes: list[tuple[int, Path, Author]] = field(default_factory=list)

    @property
    def head(self) -> int:
        return len(self.states) - 1

    @property
    def state(self) -> dict[str, JsonValue]:
        return self.states[-1]

    def merge(self, base: int, ops: list[Op], author: Author) -> Merged:
        """What the edit comes to; nothing is committed."""
        return merge_edit(self.state, self.index, self.rules, base, ops, author, self.head + 1)

    def commit(self, ops: list[Op], author: Author) -> None:
        state = apply_patch(self.state, ops)
        self.index = self.index.record(self.head + 1, ops, self.state, author)
        self.writes += [(self.head + 1, path, author) for path in touched(ops)]
        self.states.append(state)

    def edit(self, base: int, ops: list[Op], author: Author) -> Merged:
        merged = self.merge(base, ops, author)
        self.commit(merged.patch, author)
        return merged


scalars: st.SearchStrategy[JsonValue] = st.sampled_from(["a", "b", 1, 2, True, None])
ops: st.SearchStrategy[Op] = st.one_of(
    st.builds(
        put,
        st.sampled_from(["/scene/mood", "/scene/phase", "/items/lamp/lit", "/items/lamp/holder"]),
        scalars,
    ),
    st.builds(
        put, st.just("/scene/text"), st.sampled_from(["one 2 three four five", "one two three four 5", "x"])
    ),
    st.builds(
        put,
        st.just("/scene/tags"),
        st.lists(st.sampled_from(["fog", "sea", "salt"]), max_size=3, unique=True),
    ),
    st.builds(put, st.just("/clocks/storm/value"), st.integers(0, 9)),
    st.builds(
        make, st.sampled_from(["/items/lamp", "/items/rope", "/notes/n1", "/notes"]), st.just({"holder": "x"})
    ),
    st.builds(make, st.sampled_from(["/notes/n1/holder", "/items/rope/lit", "/chronicle/2"]), scalars),
    st.builds(
        drop, st.sampled_from(["/items/lamp", "/items/lamp/lit", "/items/key", "/notes/n1", "/clocks/storm"])
    ),
)
late_edits = st.lists(
    st.tuples(st.integers(0, 4), st.lists(ops, min_size=1, max_size=3), st.sampled_from(AUTHORS)), max_size=14
)
"""(how far behind the head the base is, operations, author)."""
