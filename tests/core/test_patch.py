"""Patches: pointers, whole-or-nothing application that shares structure, the smallest diff, bad input."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from novel_jupyter.core.patch import (
    FORBIDDEN_TOKENS,
    MAX_OPS,
    MAX_POINTER_DEPTH,
    MISSING,
    JsonValue,
    Op,
    PatchError,
    apply_patch,
    check_ops,
    diff,
    format_pointer,
    lookup,
    overlaps,
    parse_pointer,
    same,
    touched,
)

tokens = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6).filter(
    lambda t: t not in FORBIDDEN_TOKENS
)
few_keys = st.sampled_from(["a", "b", "c", "~", "/", "é"])
scalars = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, 1.0, 2.5]) | st.text(max_size=3)
)
values: st.SearchStrategy[JsonValue] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(few_keys, inner, max_size=3),
    max_leaves=10,
)
documents = st.dictionaries(few_keys, values, max_size=4)


@given(st.lists(tokens, max_size=MAX_POINTER_DEPTH))
def test_pointers_round_trip(path: list[str]) -> None:
    assert parse_pointer(format_pointer(path)) == tuple(path)


def test_pointers_are_rfc_6901() -> None:
    assert parse_pointer("") == ()
    assert parse_pointer("/a~1b/~0/~01") == ("a/b", "~", "~1")
    assert format_pointer(("a/b", "~", "~1")) == "/a~1b/~0/~01"


BAD_POINTERS = [
    "a",
    "/",
    "/a/",
    "/a//b",
    "/~",
    "/~2",
    "/a~",
    "/__proto__",
    "/a/constructor/b",
    "/a/prototype",
    "/" + "x" * 1024,
    "/a" * 17,
]


@pytest.mark.parametrize("pointer", BAD_POINTERS)
def test_bad_pointers_are_refused(pointer: str) -> None:
    with pytest.raises(PatchError) as caught:
        parse_pointer(pointer)
    assert caught.value.code == "bad_path"
    with pytest.raises(PatchError) as caught:
        check_ops([{"op": "remove", "path": "/a"}, {"op": "remove", "path": pointer}])
    assert (caught.value.code, caught.value.op_index) == ("bad_path", 1)


@pytest.mark.parametrize("path", [("",), ("__proto__",), ("a",) * 17, ("x" * 1024,)])
def test_no_pointer_is_made_that_could_not_be_read(path: tuple[str, ...]) -> None:
    with pytest.raises(PatchError, match=r"."):
        format_pointer(path)


@given(documents, documents)
def test_a_diff_leads_from_one_to_the_other_and_touches_neither(
    old: dict[str, JsonValue], new: dict[str, JsonValue]
) -> None:
    kept = copy.deepcopy((old, new))
    ops = diff(old, new)
    result = apply_patch(old, ops)
    assert same(result, new)
    assert (old, new) == kept
    assert ops == diff(dict(reversed(old.items())), dict(reversed(new.items())))
    check_ops(ops)
    assert not diff(result, new)


@given(documents, documents)
def test_a_diff_never_writes_more_than_what_differs(
    old: dict[str, JsonValue], new: dict[str, JsonValue]
) -> None:
    paths = touched(diff(old, new))
    assert not any(overlaps(a, b) for i, a in enumerate(paths) for b in paths[:i])
    for path in paths:
        assert not same(lookup(old, path), lookup(new, path))


def test_a_diff_tells_true_from_one_and_one_from_one_point_zero() -> None:
    assert diff({"a": True}, {"a": 1}) == [{"op": "replace", "path": "/a", "value": 1}]
    assert diff({"a": 1}, {"a": 1.0}) == [{"op": "replace", "path": "/a", "value": 1.0}]
    assert diff({"a": [True, {"b": 0}]}, {"a": [True, {"b": False}]})
    assert diff({"a": {"b": 1, "c": {"d": 2}}}, {"a": {"b": 1, "c": {"d": 3, "e": None}}}) == [
        {"op": "replace", "path": "/a/c/d", "value": 3},
        {"op": "add", "path": "/a/c/e", "value": None},
    ]


def test_a_key_that_cannot_be_named_has_its_parent_replaced() -> None:
    old: dict[str, JsonValue] = {"a": {"b": {"": 1, "x": 1}}, "z": 1}
    new: dict[str, JsonValue] = {"a": {"b": {"": 2, "x": 2}}, "z": 2}
    assert diff(old, new) == [
        {"op": "replace", "path": "/a/b", "value": {"": 2, "x": 2}},
        {"op": "replace", "path": "/z", "value": 2},
    ]
    with pytest.raises(PatchError):
        diff({"": 1}, {"": 2})


def test_what_did_not_change_is_the_same_object() -> None:
    left: JsonValue = {"deep": {"er": [1, 2]}}
    doc: dict[str, JsonValue] = {"left": left, "right": {"x": {"n": 1}, "y": {"n": 2}}}
    right = doc["right"]
    assert isinstance(right, dict)
    result = apply_patch(doc, [{"op": "replace", "path": "/right/x/n", "value": 5}])
    assert result["left"] is left
    changed = result["right"]
    assert isinstance(changed, dict)
    assert changed["y"] is right["y"]
    assert doc == {"left": left, "right": {"x": {"n": 1}, "y": {"n": 2}}}


def test_a_value_of_a_patch_is_not_written_into_by_later_operations() -> None:
    value: dict[str, JsonValue] = {"n": 1}
    ops: list[Op] = [
        {"op": "add", "path": "/a", "value": value},
        {"op": "add", "path": "/b", "value": value},
        {"op": "replace", "path": "/a/n", "value": 2},
        {"op": "add", "path": "/a/m", "value": 3},
        {"op": "test", "path": "/b/n", "value": 1},
    ]
    assert apply_patch({}, ops) == {"a": {"n": 2, "m": 3}, "b": {"n": 1}}
    assert value == {"n": 1}


DOC: dict[str, JsonValue] = {"a": {"b": 1, "l": [{"x": 1}], "t": True}, "n": None}

REFUSED: list[tuple[Op, str]] = [
    ({"op": "remove", "path": ""}, "bad_path"),
    ({"op": "replace", "path": "", "value": {}}, "bad_path"),
    ({"op": "test", "path": "", "value": {}}, "bad_path"),
    ({"op": "add", "path": "/__proto__/x", "value": 1}, "bad_path"),
    ({"op": "remove", "path": "/a/zz"}, "missing_path"),
    ({"op": "replace", "path": "/zz", "value": 1}, "missing_path"),
    ({"op": "test", "path": "/zz", "value": None}, "missing_path"),
    ({"op": "add", "path": "/zz/y", "value": 1}, "missing_path"),
    ({"op": "add", "path": "/a/b/c", "value": 1}, "missing_path"),
    ({"op": "add", "path": "/n/c", "value": 1}, "missing_path"),
    ({"op": "add", "path": "/a/l/0", "value": 1}, "positional"),
    ({"op": "add", "path": "/a/l/-", "value": 1}, "positional"),
    ({"op": "replace", "path": "/a/l/0/x", "value": 1}, "positional"),
    ({"op": "test", "path": "/a/b", "value": 2}, "test_failed"),
    ({"op": "test", "path": "/a/b", "value": True}, "test_failed"),
    ({"op": "test", "path": "/a/t", "value": 1}, "test_failed"),
    ({"op": "add", "path": "/a/c"}, "invalid"),
    ({"op": "move", "path": "/a/b"}, "invalid"),  # type: ignore[typeddict-item]
]


@pytest.mark.parametrize("op, code", REFUSED)
def test_a_refused_patch_says_which_operation_and_changes_nothing(op: Op, code: str) -> None:
    before = copy.deepcopy(DOC)
    with pytest.raises(PatchError) as caught:
        apply_patch(DOC, [{"op": "replace", "path": "/a/b", "value": 1}, op])
    assert (caught.value.code, caught.value.op_index) == (code, 1)
    assert before == DOC


def test_test_compares_numbers_as_javascript_does() -> None:
    assert apply_patch(DOC, [{"op": "test", "path": "/a/b", "value": 1.0}]) == DOC


BAD_VALUES: list[tuple[JsonValue, str]] = [
    (2**53, "bad_value"),
    (-(2**53), "bad_value"),
    (1e300, "bad_value"),
    (float("nan"), "bad_value"),
    (float("inf"), "bad_value"),
    ("\ud800", "bad_value"),
    ({"a": {"\udfff": 1}}, "bad_value"),
    ([{"__proto__": {}}], "bad_value"),
    ({"": 1}, "bad_value"),
]


@pytest.mark.parametrize("value, code", BAD_VALUES)
def test_values_that_a_state_must_not_hold(value: JsonValue, code: str) -> None:
    with pytest.raises(PatchError) as caught:
        check_ops([{"op": "add", "path": "/a", "value": value}])
    assert (caught.value.code, caught.value.op_index) == (code, 0)


def test_patches_that_are_too_large() -> None:
    deep: JsonValue = 1
    for _ in range(5000):
        deep = [deep]
    too_deep: list[Op] = [{"op": "add", "path": "/a", "value": deep}]
    too_many: list[Op] = [{"op": "remove", "path": "/a"}] * (MAX_OPS + 1)
    for ops in (too_deep, too_many):
        with pytest.raises(PatchError) as caught:
            check_ops(ops)
        assert caught.value.code == "too_large"


def test_operations_are_validated_without_coercion() -> None:
    adapter = TypeAdapter(Op)
    op = adapter.validate_json('{"op":"add","path":"/a","value":[1,2.5,true,null]}')
    assert same(op["value"], [1, 2.5, True, None])
    for bad in ('{"op":"copy","path":"/a","from":"/b"}', '{"op":"add"}', '{"op":"add","path":1,"value":1}'):
        with pytest.raises(ValidationError):
            adapter.validate_json(bad)


def test_touched_and_overlaps() -> None:
    ops: list[Op] = [
        {"op": "test", "path": "/t", "value": 1},
        {"op": "remove", "path": "/a/b"},
        {"op": "add", "path": "/a/b", "value": 1},
        {"op": "add", "path": "/c", "value": 1},
    ]
    assert touched(ops) == [("a", "b"), ("c",)]
    assert overlaps(("a",), ("a", "b"))
    assert overlaps(("a", "b"), ("a",))
    assert overlaps(("a",), ("a",))
    assert not overlaps(("a", "b"), ("a", "c"))
    assert not overlaps(("a",), ("ab",))


def test_lookup_stops_at_arrays_and_scalars() -> None:
    assert lookup(DOC, ("a", "b")) == 1
    assert lookup(DOC, ("n",)) is None
    assert lookup(DOC, ("a", "l", "0")) is MISSING
    assert lookup(DOC, ("a", "b", "c")) is MISSING
    assert lookup(DOC, ("zz",)) is MISSING
    assert lookup(DOC, ()) == DOC
