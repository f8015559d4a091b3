"""Single clashes, and which pattern assigns which strategy."""

from __future__ import annotations

import pytest

from novel_jupyter.core.merge import (
    STRATEGIES,
    Author,
    Clash,
    Loss,
    MergeRefused,
    MergeRules,
    Resolution,
    Strategy,
    WriteIndex,
    merge_edit,
)
from novel_jupyter.core.merge_strategies import Value
from novel_jupyter.core.old_values import UNKNOWN, Unknown
from novel_jupyter.core.patch import MISSING, SAFE_INTEGER

PATH = ("scene", "x")


def resolve(name: str, base: Value | Unknown, current: Value, theirs: Value) -> Resolution:
    return STRATEGIES[name].resolve(Clash(PATH, base, current, theirs))


@pytest.mark.parametrize(
    "base, current, theirs, total",
    [(5, 6, 7, 8), (5, 3, 4, 2), (MISSING, 1, 1, 2), (0.5, 1.5, 0.5, 1.5), (5, MISSING, 6, 1)],
)
def test_counters(base: Value, current: Value, theirs: Value, total: float) -> None:
    assert resolve("add", base, current, theirs) == Resolution(total)


def test_a_counter_of_unknown_past_keeps_what_is_there() -> None:
    assert resolve("add", UNKNOWN, 6, 9) == Resolution(6, (Loss(6, 9, theirs_lost=True),))
    assert resolve("add", UNKNOWN, 6, 6) == Resolution(6)


def test_a_counter_that_is_no_number_is_a_scalar() -> None:
    assert resolve("add", 5, "six", 7) == Resolution(7, (Loss(7, "six", theirs_lost=False),))
    assert resolve("add", 5, True, 7) == Resolution(7, (Loss(7, True, theirs_lost=False),))
    assert resolve("add", 5, 6, MISSING) == Resolution(MISSING, (Loss(MISSING, 6, theirs_lost=False),))


def test_a_counter_stays_a_safe_integer() -> None:
    with pytest.raises(MergeRefused) as caught:
        resolve("add", 0, SAFE_INTEGER, 1)
    assert caught.value.code == "bad_value"


def test_arrays_as_sets() -> None:
    assert resolve("union", ["a", "b"], ["b", "c"], ["a", "d"]) == Resolution(["c", "d"])
    assert resolve("union", [1], [1, True], [1, "x", "x"]) == Resolution([1, True, "x"])
    assert resolve("union", UNKNOWN, ["a"], ["a", "b"]) == Resolution(["a", "b"])
    assert resolve("union", UNKNOWN, ["a", "c"], ["b"]) == Resolution(
        ["a", "c", "b"], (Loss(["a", "c", "b"], ["b"], theirs_lost=True),)
    )


def test_maps_as_sets() -> None:
    assert resolve("union", {"a": 1, "b": 1}, {"b": 1, "c": 1}, {"a": 1, "d": 1}) == Resolution(
        {"c": 1, "d": 1}
    )
    assert resolve("union", {"a": 1}, {"a": 2}, {}) == Resolution(
        {"a": 2}, (Loss(2, MISSING, theirs_lost=True, tail=("a",)),)
    )
    assert resolve("union", {"a": 1}, {"a": 2}, {"a": 3}) == Resolution(
        {"a": 3}, (Loss(3, 2, theirs_lost=False, tail=("a",)),)
    )
    assert resolve("union", UNKNOWN, {"a": 1}, {"b": 1}) == Resolution(
        {"a": 1, "b": 1}, (Loss({"a": 1, "b": 1}, {"b": 1}, theirs_lost=True),)
    )


def test_elements_of_a_set_by_path_adding_wins() -> None:
    assert resolve("union", True, MISSING, True) == Resolution(True)
    assert resolve("union", MISSING, True, MISSING) == Resolution(
        True, (Loss(True, MISSING, theirs_lost=True),)
    )
    assert resolve("union", True, MISSING, MISSING) == Resolution(MISSING)


def test_text_without_a_known_past_keeps_what_is_there() -> None:
    assert resolve("merge_text", UNKNOWN, "a", "b") == Resolution("a", (Loss("a", "b", theirs_lost=True),))
    assert resolve("merge_text", MISSING, "a", "b") == Resolution("a", (Loss("a", "b", theirs_lost=True),))
    assert resolve("merge_text", "x", "a", MISSING) == Resolution(
        MISSING, (Loss(MISSING, "a", theirs_lost=False),)
    )


RULES = MergeRules.for_story(
    {
        "/scene/**": "union",
        "/scene/*": "add",
        "/scene/mood": "merge_text",
        "/seat:*/notes": "merge_text",
        "/*/mood": "reject_stale",
        "/a~1b/c": "append_only",
    }
)


@pytest.mark.parametrize(
    "path, name",
    [
        (("scene", "mood"), "merge_text"),
        (("scene", "x"), "add"),
        (("scene", "x", "y"), "union"),
        (("scene",), "union"),
        (("seat:mara", "notes"), "merge_text"),
        (("seat:mara", "mood"), "reject_stale"),
        (("seating", "notes"), "latest_wins"),
        (("other", "mood"), "reject_stale"),
        (("a/b", "c"), "append_only"),
        (("other",), "latest_wins"),
    ],
)
def test_the_more_special_pattern_holds(path: tuple[str, ...], name: str) -> None:
    assert RULES.strategy_for(path) is STRATEGIES[name]
    backwards = MergeRules.for_story(dict(reversed(RULES.patterns)))
    assert backwards.strategy_for(path) is STRATEGIES[name]


def test_given_in_order_the_first_pattern_holds() -> None:
    rules = MergeRules((("/scene/**", "union"), ("/scene/mood", "add")))
    assert rules.strategy_for(("scene", "mood")) is STRATEGIES["union"]


@pytest.mark.parametrize("pattern", ["", "/", "scene", "/**/x", "/a*b", "/a*b/c", "/__proto__", "/a//b"])
def test_malformed_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        MergeRules(((pattern, "add"),))


def test_an_unknown_strategy_is_refused() -> None:
    with pytest.raises(ValueError, match="newest_wins"):
        MergeRules((("/a", "newest_wins"),))


def test_users_bring_their_own_strategies() -> None:
    def longest(clash: Clash) -> Resolution:
        return Resolution(max(str(clash.current), str(clash.theirs), key=len))

    rules = MergeRules.for_story({"/scene/x": "longest"}, {**STRATEGIES, "longest": Strategy(longest)})
    index = WriteIndex().record(
        1, [{"op": "add", "path": "/scene/x", "value": "long"}], {}, Author("a", False)
    )
    merged = merge_edit(
        {"scene": {"x": "long"}},
        index,
        rules,
        0,
        [{"op": "add", "path": "/scene/x", "value": "b"}],
        Author("b", False),
        2,
    )
    assert (merged.outcome, merged.patch) == ("merged", [])
