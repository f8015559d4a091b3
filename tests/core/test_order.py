"""Order keys: always room between two, in plain string order, without growing at the ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novel_jupyter.core.order import DIGITS, OrderError, order_between


@given(st.lists(st.integers(0, 10**6), max_size=60))
def test_a_key_stands_strictly_between_its_neighbours(places: list[int]) -> None:
    keys: list[str] = []
    for place in places:
        at = place % (len(keys) + 1)
        key = order_between(keys[at - 1] if at else None, keys[at] if at < len(keys) else None)
        keys.insert(at, key)
        assert not key[2:].endswith("0") or len(key) == ord(key[0]) - ord("a") + 2
    assert keys == sorted(set(keys))
    assert all(set(key) <= set(DIGITS) for key in keys)


@pytest.mark.parametrize("forward", [True, False])
def test_the_ends_do_not_grow(forward: bool) -> None:
    key = order_between(None, None)
    for _ in range(10_000):
        last = key
        key = order_between(key, None) if forward else order_between(None, key)
        assert key > last if forward else key < last
    assert len(key) <= 4


@pytest.mark.parametrize("towards_low", [True, False])
def test_inserting_at_one_place_grows_slowly(towards_low: bool) -> None:
    low, high = order_between(None, None), order_between(order_between(None, None), None)
    for _ in range(300):
        key = order_between(low, high)
        assert low < key < high
        low, high = (low, key) if towards_low else (key, high)
    assert max(len(low), len(high)) <= 2 + 300 // 5 + 1


def test_growth_ends_with_an_error() -> None:
    low, high = order_between(None, None), order_between(order_between(None, None), None)

    def crowd(high: str) -> None:
        for _ in range(4000):
            high = order_between(low, high)

    with pytest.raises(OrderError):
        crowd(high)


@given(
    st.text(DIGITS, max_size=6).map(lambda t: t.rstrip("0")),
    st.text(DIGITS, max_size=6).map(lambda t: t.rstrip("0")),
    st.sampled_from([("a0", "a0"), ("a0", "a1"), ("Zz", "a0"), ("az", "b00"), ("Yzz", "Z0")]),
)
def test_between_any_two_valid_keys(low: str, high: str, whole: tuple[str, str]) -> None:
    a, b = sorted((whole[0] + low, whole[1] + high))
    if a == b:
        with pytest.raises(OrderError):
            order_between(a, b)
    else:
        assert a < order_between(a, b) < b
        assert order_between(None, a) < a
        assert b < order_between(b, None)


@pytest.mark.parametrize("key", ["", "a", "0", "a00", "b0", "é0", "a0-", "a0" + "1" * 600, "!0", " "])
def test_malformed_keys_are_refused(key: str) -> None:
    with pytest.raises(OrderError):
        order_between(key, None)
    with pytest.raises(OrderError):
        order_between(None, key)


def test_keys_out_of_order_are_refused() -> None:
    with pytest.raises(OrderError):
        order_between("a1", "a0")
    with pytest.raises(OrderError):
        order_between("a0", "a0")
