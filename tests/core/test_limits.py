"""Token buckets that do not trust the clock, bounds that say their unit, and nesting told before parsing."""

from __future__ import annotations

import json
import time
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novel_jupyter.core.limits import Bounds, TokenBucket, check_depth

rates = st.floats(0.1, 1000)
bursts = st.integers(1, 500).map(float)


def test_a_burst_then_a_rate() -> None:
    bucket = TokenBucket(rate=2.0, burst=3.0)
    assert [bucket.take(10.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert bucket.take(10.0) == pytest.approx(0.5)
    assert bucket.take(10.25) == pytest.approx(0.25)
    assert bucket.take(10.5) == 0.0
    assert bucket.take(1000.0, 3.0) == 0.0
    assert bucket.take(1000.0) > 0


@given(rates, bursts, st.lists(st.floats(-5, 5), max_size=80), st.floats(-1e6, 1e6))
def test_never_more_than_burst_and_rate_whatever_the_clock_does(
    rate: float, burst: float, steps: list[float], start: float
) -> None:
    bucket = TokenBucket(rate, burst)
    now, forward, granted = start, 0.0, 0
    for step in steps:
        now += step
        forward += max(0.0, step)
        for _ in range(20):
            granted += bucket.take(now) == 0.0
    assert granted <= burst + forward * rate + 1e-3


@given(rates, bursts, st.floats(0, 1e6))
def test_who_waits_as_told_is_granted(rate: float, burst: float, now: float) -> None:
    bucket = TokenBucket(rate, burst)
    while not (wait := bucket.take(now)):
        pass
    assert wait <= 1 / rate * 1.001
    assert bucket.take(now + wait * 1.001 + 1e-6) == 0.0


def test_a_clock_that_went_back_does_not_lock() -> None:
    bucket = TokenBucket(rate=1.0, burst=1.0)
    assert bucket.take(1e9) == 0.0
    assert bucket.take(5.0) == pytest.approx(1.0)
    assert bucket.take(6.0) == 0.0


def test_what_no_bucket_can_pay_is_a_fault_of_the_caller() -> None:
    for rate, burst in ((0.0, 1.0), (1.0, 0.5), (-1.0, 1.0), (float("nan"), 1.0)):
        with pytest.raises(ValueError):
            TokenBucket(rate, burst)
    with pytest.raises(ValueError):
        TokenBucket(1.0, 2.0).take(0.0, 3.0)


def test_bounds_are_whole_numbers_from_one_and_travel_as_json() -> None:
    bounds = Bounds(participants=7)
    assert json.loads(json.dumps(bounds.as_json()))["participants"] == 7
    assert set(bounds.as_json()) == {field.name for field in fields(Bounds)}
    for name in bounds.as_json():
        with pytest.raises(ValueError, match=name):
            replace(bounds, **{name: 0})
    with pytest.raises(ValueError, match="patch_ops"):
        Bounds(patch_ops=100_000)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('[]{}"\\é\n☾a'), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.sampled_from('[]{}"\\a'), max_size=4), inner, max_size=4)
    ),
    max_leaves=30,
)


def depth_of(value: object) -> int:
    match value:
        case dict():
            return 1 + max(map(depth_of, value.values()), default=0)
        case list():
            return 1 + max(map(depth_of, value), default=0)
        case _:
            return 0


@given(json_values, st.integers(0, 8), st.booleans(), st.sampled_from([None, 2]))
def test_depth_agrees_with_the_parser(value: object, limit: int, ascii: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii, indent=indent)
    assert check_depth(text, limit) == (depth_of(value) <= limit)
    assert check_depth(text.encode(), limit) == check_depth(text, limit)


@given(st.text() | st.text(st.sampled_from('[]{}"\\')) | st.binary())
def test_depth_survives_what_is_no_json(text: str | bytes) -> None:
    assert check_depth(text, 3) in (True, False)


@pytest.mark.parametrize(
    "text",
    ['"' * 262_144, '"' + "\\" * 262_143, '["\\"' * 60_000, "[" * 262_144, "[]," * 87_000, '{"a":' * 52_000],
)
def test_depth_is_linear(text: str) -> None:
    start = time.perf_counter()
    check_depth(text, 40)
    assert time.perf_counter() - start < 0.5, "milliseconds, on an idle machine"
