"""Latencies as counts in buckets of equal relative width: constant memory, and two can be added.

Law: a bucket is at most 1/32 (3%) wide of its value; nothing is lost above or below.
Parts: `Histogram`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Self

FINE: Final = 5
"""Bits of a value that tell buckets of one power of two apart."""


def bucket(value: int) -> int:
    """The bucket of a value from 0."""
    shift = max(0, value.bit_length() - FINE - 1)
    return (shift << FINE) + (value >> shift)


def middle(index: int) -> float:
    """The value in the middle of a bucket."""
    shift = max(0, (index >> FINE) - 1)
    low = (index - (shift << FINE)) << shift
    return low + ((1 << shift) - 1) / 2


class Histogram:
    """Nanoseconds, or any whole numbers; those below 0 count as 0."""

    __slots__ = ("_counts", "count", "highest", "total")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.count = self.total = self.highest = 0

    def add(self, value: int, times: int = 1) -> None:
        value = max(0, value)
        shift = value.bit_length() - 6
        index = value if shift <= 0 else (shift << 5) + (value >> shift)
        counts = self._counts
        counts[index] = counts.get(index, 0) + times
        self.count += times
        self.total += value * times
        if value > self.highest:
            self.highest = value

    def merge(self, others: Iterable[Histogram]) -> Self:
        """Add all the others to this one."""
        for other in others:
            for index, count in other._counts.items():
                self._counts[index] = self._counts.get(index, 0) + count
            self.count += other.count
            self.total += other.total
            self.highest = max(self.highest, other.highest)
        return self

    def at(self, share: float) -> float:
        """The value that `share` (0 to 1) of all are at or below, within the width of a bucket; 0.0 of
        none.
        """
        if not 0 <= share <= 1:
            raise ValueError("a share is from 0 to 1")
        due = max(1.0, share * self.count)
        for index in sorted(self._counts):
            due -= self._counts[index]
            if due <= 0:
                return min(middle(index), float(self.highest))
        return 0.0

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0

    def milliseconds(self, share: float) -> float:
        """Of a histogram of nanoseconds."""
        return round(self.at(share) / 1e6, 3)
