"""Bytes that everyone agrees on, and the hashes over them.

Law: equal JSON values have equal bytes (RFC 8785), whoever wrote them in whatever key order or number form.
Parts: `canonical`, `state_hash` (how states are compared), `chain` (no event of a log can be swapped).
"""

from __future__ import annotations

import hashlib
import json
import math
from json.encoder import encode_basestring
from typing import Final

from .patch import SAFE_INTEGER

MAX_SALT: Final = hashlib.blake2b.MAX_KEY_SIZE
"""Bytes of salt that `chain` takes."""


_dumps = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), sort_keys=True, check_circular=False
).encode


class CanonicalError(ValueError):
    """A value that has no canonical JSON."""


def canonical(value: object) -> bytes:
    """The RFC 8785 bytes of a JSON value made of dict, list, str, int, float, bool and None.

    Raises CanonicalError for other types, integers beyond ±(2^53-1), infinite numbers, lone surrogates and
    nesting beyond Python's recursion limit.
    """
    try:
        if _is_plain(value):
            text = _dumps(value)
        else:
            parts: list[str] = []
            _write(value, parts)
            text = "".join(parts)
        return text.encode()
    except RecursionError:
        raise CanonicalError("the value is nested too deeply") from None
    except UnicodeEncodeError:
        raise CanonicalError("text with a lone surrogate") from None


def state_hash(value: object) -> str:
    """SHA-256, in hex, of the canonical JSON. Raises CanonicalError."""
    return hashlib.sha256(canonical(value)).hexdigest()


def chain(previous_hash: str, body: bytes, salt: bytes) -> str:
    """The hash of a log that ends in `body`, as 32 hex digits; the empty log's hash is `""`.

    Keyed with `salt` (1 to 64 bytes, known to servers alone): who reads the hash of an event but not the
    event cannot test guesses of its content. Raises ValueError for a salt of another length.
    """
    if not 1 <= len(salt) <= MAX_SALT:
        raise ValueError(f"a salt has 1 to {MAX_SALT} bytes")
    hashed = hashlib.blake2b(previous_hash.encode("ascii"), digest_size=16, key=salt)
    hashed.update(b"\n")  # no hash has one, so no two pairs of hash and body read the same
    hashed.update(body)
    return hashed.hexdigest()


def _is_plain(value: object) -> bool:
    """Whether `json.dumps` already writes RFC 8785: no float, and keys whose order is the same in UTF-16."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        kind = type(item)
        if kind is str or kind is bool or item is None:
            continue
        if kind is int:
            _check_integer(item)  # type: ignore[arg-type]  # mypy does not follow `kind`
        elif isinstance(item, dict):
            for key in item:
                if type(key) is not str or not key.isascii():
                    return False
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
        else:
            return False
    return True


def _check_integer(number: int) -> None:
    if not -SAFE_INTEGER <= number <= SAFE_INTEGER:
        raise CanonicalError(f"{number} is beyond ±(2^53-1)")


def _write(value: object, parts: list[str]) -> None:
    if value is None:
        parts.append("null")
    elif value is True:
        parts.append("true")
    elif value is False:
        parts.append("false")
    elif isinstance(value, str):
        parts.append(encode_basestring(value))
    elif isinstance(value, int):
        _check_integer(value)
        parts.append(int.__repr__(value))
    elif isinstance(value, float):
        parts.append(_number(value))
    elif isinstance(value, list):
        separator = "["
        for child in value:
            parts.append(separator)
            separator = ","
            _write(child, parts)
        parts.append("]" if value else "[]")
    elif isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise CanonicalError("object keys are strings")
        separator = "{"
        for key in sorted(value, key=lambda name: name.encode("utf-16-be")):
            parts.append(separator + encode_basestring(key) + ":")
            separator = ","
            _write(value[key], parts)
        parts.append("}" if value else "{}")
    else:
        raise CanonicalError(f"{type(value).__name__} is not JSON")


def _number(number: float) -> str:
    """ECMAScript's Number::toString. Python's repr finds the same digits and sets them otherwise."""
    if not math.isfinite(number):
        raise CanonicalError(f"{number} is not a JSON number")
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    # The decimal point stands after `point` digits.
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if len(digits) <= point <= 21:
        return sign + digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    rest = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{rest}e{point - 1:+d}"
