"""The values that a path had before its recent writes.

Law: they are a chain, the newest first. Another one costs the same however many there are: a tuple would be
copied with each write, and looked through as often by Python's collector.
Parts: `UNKNOWN`, `OldValue`, `since`, `first_after`, `size_of`, and their JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import field
from typing import Any, Final, TypeAlias

from .frozen import frozen
from .patch import MISSING, JsonValue, Missing


class _Unknown:
    """The type of `UNKNOWN`: there was a value, but it is forgotten."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()
Unknown: TypeAlias = _Unknown
Recalled: TypeAlias = JsonValue | Missing | Unknown
"""What is remembered of a value."""


@frozen
class OldValue:
    """The value of a path before the event `sequence_id`, and its bytes; `before` is the one before it."""

    sequence_id: int
    value: Recalled
    size: int
    before: OldValue | None = field(default=None, repr=False)

    def __iter__(self) -> Iterator[OldValue]:
        """The newest first."""
        at: OldValue | None = self
        while at is not None:
            yield at
            at = at.before


def since(chain: OldValue | None, floor: int) -> OldValue | None:
    """Without those up to `floor`."""
    kept = [old for old in chain or () if old.sequence_id > floor]
    if not kept:
        return None
    if kept[-1].before is None:
        return chain
    shorter: OldValue | None = None
    for old in reversed(kept):
        shorter = OldValue(old.sequence_id, old.value, old.size, shorter)
    return shorter


def first_after(chain: OldValue | None, base: int) -> OldValue | None:
    """The oldest of those after `base`: what was there at `base`."""
    found: OldValue | None = None
    for old in chain or ():
        if old.sequence_id <= base:
            break
        found = old
    return found


def size_of(value: Recalled) -> int:
    if isinstance(value, str):
        return 16 + len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, (dict, list)):
        return 16 + len(json.dumps(value))
    return 16


def to_json(chain: OldValue | None) -> list[JsonValue]:
    """The oldest first."""
    return [_to_json(old) for old in reversed(list(chain or ()))]


def from_json(data: Any) -> OldValue | None:
    """Raises KeyError, TypeError, IndexError or ValueError for what `to_json` did not make."""
    kinds: dict[str, Missing | Unknown] = {"missing": MISSING, "unknown": UNKNOWN}
    chain: OldValue | None = None
    for item in data:
        value = item[2] if item[1] == "value" else kinds[item[1]]
        chain = OldValue(int(item[0]), value, size_of(value), chain)
    return chain


def _to_json(old: OldValue) -> list[JsonValue]:
    if isinstance(old.value, Missing):
        return [old.sequence_id, "missing"]
    if isinstance(old.value, Unknown):
        return [old.sequence_id, "unknown"]
    return [old.sequence_id, "value", old.value]
