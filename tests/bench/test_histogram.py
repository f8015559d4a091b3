"""Histograms: what they tell is near what came, and two are as one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novel_jupyter.bench.histogram import Histogram, bucket, middle

VALUES = st.lists(st.integers(0, 10**13), min_size=1, max_size=200)


def of(values: list[int]) -> Histogram:
    found = Histogram()
    for value in values:
        found.add(value)
    return found


@given(VALUES, st.floats(0, 1))
def test_a_share_is_told_within_the_width_of_a_bucket(values: list[int], share: float) -> None:
    ordered = sorted(values)
    rank = max(1.0, share * len(ordered))
    exact = ordered[min(len(ordered), -int(-rank // 1)) - 1]
    told = of(values).at(share)
    assert abs(told - exact) <= exact / 32 + 1


@given(VALUES, VALUES)
def test_two_together_are_as_one(one: list[int], two: list[int]) -> None:
    merged, whole = Histogram().merge([of(one), of(two)]), of(one + two)
    for share in (0.0, 0.5, 0.99, 1.0):
        assert merged.at(share) == whole.at(share)
    assert (merged.count, merged.total, merged.highest) == (whole.count, whole.total, max(one + two))


@given(st.integers(0, 2**62))
def test_buckets_are_in_order_and_hold_what_they_are_of(value: int) -> None:
    assert bucket(value) <= bucket(value + 1)
    assert abs(middle(bucket(value)) - value) <= value / 32


def test_of_nothing_and_of_what_is_below_it() -> None:
    assert (Histogram().at(0.5), Histogram().mean) == (0.0, 0.0)
    assert of([-5, 3]).at(0.0) == 0.0
    assert of([2_000_000]).milliseconds(0.5) == pytest.approx(2.0, rel=0.04)
    with pytest.raises(ValueError, match="from 0 to 1"):
        Histogram().at(1.5)
