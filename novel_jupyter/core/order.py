"""Order keys: where an element stands in a list that is kept as a map by element id.

Law: between any two keys there is another, so inserting an element writes that element alone. Keys compare
as plain ASCII strings, in JavaScript too. Adding at either end is free (10,000 appends: 4 characters);
inserting again and again at one place costs a character in five or six.
Parts: `order_between`; a key is a whole number, whose first letter says how long it is, and a fraction.

Two people who insert at one place at once may get the same key: order by (key, element id).
"""

from __future__ import annotations

from typing import Final

DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
MAX_KEY: Final = 512
"""Characters of a key; more means that somebody plays games, or that the list wants new keys."""

_BASE: Final = len(DIGITS)
_VALUE: Final = {digit: value for value, digit in enumerate(DIGITS)}


class OrderError(ValueError):
    """A key that is malformed or too long, or two keys that are not in order."""


def order_between(before: str | None, after: str | None) -> str:
    """A key strictly between two; None is the end of the list on that side. Raises OrderError."""
    low = None if before is None else _split(before)
    high = None if after is None else _split(after)
    if low is None and high is None:
        return _whole(0)
    if low is None and high is not None:
        number, fraction = high
        return _whole(number) if fraction else _whole(number - 1)
    assert low is not None
    number, fraction = low
    if high is None:
        return _whole(number + 1)
    if low >= high:
        raise OrderError(f"{before!r} does not come before {after!r}")
    if number == high[0]:
        key = _whole(number) + _middle(fraction, high[1])
    elif number + 1 < high[0] or high[1]:
        key = _whole(number + 1)
    else:
        key = _whole(number) + _middle(fraction, None)
    if len(key) > MAX_KEY:
        raise OrderError("there is no room left between the two keys")
    return key


def _split(key: str) -> tuple[int, str]:
    """The whole number and the digits of the fraction."""
    head = key[:1]
    if not (head.isascii() and head.isalpha()) or len(key) > MAX_KEY or not _VALUE.keys() >= set(key):
        raise OrderError(f"{key[:32]!r} is not an order key")
    length = ord(head) - ord("a") + 1 if head >= "a" else ord("Z") - ord(head) + 1
    digits, fraction = key[1 : length + 1], key[length + 1 :]
    if len(digits) < length or fraction.endswith("0"):
        raise OrderError(f"{key[:32]!r} is not an order key")
    value = 0
    for digit in digits:
        value = value * _BASE + _VALUE[digit]
    shorter = sum(_BASE**size for size in range(1, length))  # how many numbers have fewer digits
    if head >= "a":
        return shorter + value, fraction
    return value - shorter - _BASE**length, fraction


def _whole(number: int) -> str:
    rest, length = (number if number >= 0 else -number - 1), 1
    while rest >= _BASE**length:
        rest -= _BASE**length
        length += 1
    if length > 26:
        raise OrderError("there is no room left at this end")
    if number < 0:
        rest = _BASE**length - 1 - rest
    digits = ""
    for _ in range(length):
        rest, value = divmod(rest, _BASE)
        digits = DIGITS[value] + digits
    return chr((ord("a") + length - 1) if number >= 0 else (ord("Z") - length + 1)) + digits


def _middle(low: str, high: str | None) -> str:
    """Digits of a fraction between two others; "" is 0, None is 1."""
    digits = ""
    for at in range(MAX_KEY):
        floor = _VALUE[low[at]] if at < len(low) else 0
        ceiling = _BASE if high is None else _VALUE[high[at]]
        if ceiling - floor > 1:
            return digits + DIGITS[(floor + ceiling) // 2]
        digits += DIGITS[floor]
        if ceiling > floor:
            # One apart: `high` without its later digits already fits, else anything above the rest of `low`.
            if high is not None and len(high) > at + 1:
                return digits[:-1] + high[at]
            high = None
    raise OrderError("there is no room left between the two keys")
