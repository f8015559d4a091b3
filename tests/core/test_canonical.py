"""Canonical JSON against an independent implementation and the specification's numbers; the chain's key."""

from __future__ import annotations

import json
import math
import struct

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from novel_jupyter.core.canonical import CanonicalError, canonical, chain, state_hash
from novel_jupyter.core.patch import SAFE_INTEGER, JsonValue

text = st.text(st.characters(codec="utf-8"), max_size=12)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-SAFE_INTEGER, SAFE_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text
)
values: st.SearchStrategy[JsonValue] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_the_bytes_are_those_of_another_implementation(value: JsonValue) -> None:
    assert canonical(value) == rfc8785.dumps(value)
    assert json.loads(canonical(value), parse_int=float) == value


@given(st.integers(0, 2**64 - 1))
def test_every_bit_pattern_of_a_float(bits: int) -> None:
    (number,) = struct.unpack(">d", bits.to_bytes(8, "big"))
    if math.isfinite(number):
        assert canonical(number) == rfc8785.dumps(number)
        assert float(canonical(number)) == number
    else:
        with pytest.raises(CanonicalError):
            canonical(number)


@pytest.mark.parametrize(
    "number, written",
    [
        (0.0, b"0"),
        (-0.0, b"0"),
        (1.0, b"1"),
        (-1.5, b"-1.5"),
        (1e20, b"100000000000000000000"),
        (1e21, b"1e+21"),
        (1.5e300, b"1.5e+300"),
        (123456789012345680000.0, b"123456789012345680000"),
        (0.000001, b"0.000001"),
        (1e-7, b"1e-7"),
        (1.25e-7, b"1.25e-7"),
        (5e-324, b"5e-324"),
        (333333333.33333329, b"333333333.3333333"),
        (9007199254740992.0, b"9007199254740992"),
    ],
)
def test_numbers_are_written_as_ecmascript_writes_them(number: float, written: bytes) -> None:
    assert canonical(number) == written


def test_keys_are_ordered_by_utf16_units() -> None:
    # U+1F600 is a surrogate pair from D83D, so it stands before U+FB33, though its code point is greater.
    assert canonical({"\ufb33": 1, "\U0001f600": 2, "a": 3}) == '{"a":3,"\U0001f600":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize(
    "value",
    [
        SAFE_INTEGER + 1,
        -SAFE_INTEGER - 1,
        [1.5, SAFE_INTEGER + 1],
        math.nan,
        math.inf,
        "\ud800",
        {"\udc00": 1},
        {"é": "\ud800"},
        {1: 2},
        {"a": (1, 2)},
        object(),
        b"bytes",
    ],
)
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(CanonicalError):
        canonical(value)


def test_nesting_beyond_the_recursion_limit_is_refused() -> None:
    deep: JsonValue = 1.5
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(CanonicalError):
        canonical(deep)


def test_a_state_hash_ignores_key_order_and_number_form() -> None:
    assert state_hash({"a": 1, "b": [2.0]}) == state_hash({"b": [2], "a": 1.0})
    assert state_hash({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert state_hash({"a": 1}) != state_hash({"a": True})


def test_a_chain_hangs_on_every_part() -> None:
    one = chain("", b"body", b"salt")
    assert one == chain("", b"body", b"salt")
    assert len(one) == 32
    others = {chain(one, b"body", b"salt"), chain("", b"body2", b"salt"), chain("", b"body", b"salt2")}
    assert len({one} | others) == 4
    assert chain("ab", b"c", b"salt") != chain("a", b"bc", b"salt")


@pytest.mark.parametrize("salt", [b"", b"x" * 65])
def test_a_chain_without_a_proper_salt_is_refused(salt: bytes) -> None:
    with pytest.raises(ValueError):
        chain("", b"body", salt)
