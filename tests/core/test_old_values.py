"""The chain of a path's values: its order, its bounds in time and depth, and its JSON."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novel_jupyter.core import old_values
from novel_jupyter.core.old_values import UNKNOWN, OldValue, Recalled, first_after, since, size_of
from novel_jupyter.core.patch import MISSING

values = st.one_of(
    st.none(), st.text(max_size=5), st.just(MISSING), st.just(UNKNOWN), st.lists(st.integers())
)
histories = st.lists(st.tuples(st.integers(1, 50), values), max_size=20, unique_by=lambda item: item[0]).map(
    lambda items: sorted(items, key=lambda item: item[0])
)


def chain(history: list[tuple[int, Recalled]]) -> OldValue | None:
    made: OldValue | None = None
    for at, value in history:
        made = OldValue(at, value, size_of(value), made)
    return made


@given(histories, st.integers(0, 51))
def test_what_was_there_at_a_base_is_the_value_before_the_first_write_after_it(
    history: list[tuple[int, Recalled]], base: int
) -> None:
    found = first_after(chain(history), base)
    due = next((item for item in history if item[0] > base), None)
    assert (found and (found.sequence_id, found.value)) == due


@given(histories)
def test_a_chain_survives_json_with_the_oldest_first(history: list[tuple[int, Recalled]]) -> None:
    dumped = json.loads(json.dumps(old_values.to_json(chain(history))))
    assert all(one[0] < other[0] for one, other in pairwise(dumped))
    assert old_values.from_json(dumped) == chain(history)


@given(histories, st.integers(0, 51))
def test_the_old_are_dropped_and_who_holds_the_longer_chain_keeps_it(
    history: list[tuple[int, Recalled]], floor: int
) -> None:
    longer = chain(history)
    assert since(longer, floor) == chain([item for item in history if item[0] > floor])
    assert longer == chain(history)


def test_a_chain_of_which_nothing_is_dropped_is_not_copied() -> None:
    made = chain([(1, "a"), (2, "b")])
    assert since(made, 0) is made
    assert since(made, 2) is None


def test_a_chain_of_any_length_is_let_go() -> None:
    at: OldValue | None = None
    for n in range(200_000):
        at = OldValue(n, "x", 17, at)
    assert first_after(at, 0) is not None
    del at  # a release that called itself for each link would end the process


@pytest.mark.parametrize("data", [3, [3], [[]], [["a", "value", 1]], [[1, "other"]], [[1, "value"]]])
def test_what_is_no_chain_is_refused(data: object) -> None:
    with pytest.raises((KeyError, TypeError, IndexError, ValueError)):
        old_values.from_json(data)
