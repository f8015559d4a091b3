"""How far apart the rounds of a store begin.

Law: what is asked between two rounds is decided and stored together, and each round costs something of its
own. A server with time to spare answers at once; one that has none takes more into each round and so gets
through more. The rule is that of a queue with one server, whose waiting grows as 1/(1 - load).
Parts: `Pace`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

LEAST: Final = 0.001
MOST: Final = 0.04
"""Seconds: what a person does not notice."""
_WINDOW: Final = 0.1
"""Seconds over which the load is averaged, about."""


class Pace:
    """`due` is `least / (1 - load)` seconds after the last `begin`, at most `most`; `load` is the share of
    the time for which this process computes, all threads together: they share one lock, and perhaps one core.
    With `least` 0 it is always due.
    """

    def __init__(
        self,
        least: float = LEAST,
        most: float = MOST,
        clock: Callable[[], float] = time.monotonic,
        spent: Callable[[], float] = time.process_time,
    ) -> None:
        self._least, self._most = least, max(least, most)
        self._clock, self._spent = clock, spent
        self._at, self._computed = clock(), spent()
        self.load = 0.0
        self.due = self._at

    def begin(self) -> None:
        """A round begins."""
        now, computed = self._clock(), self._spent()
        passed = now - self._at
        if passed > 0.0:
            share = min(1.0, (computed - self._computed) / passed)
            self.load += (share - self.load) * min(1.0, passed / _WINDOW)
            self._at, self._computed = now, computed
        self.due = now + min(self._most, self._least / max(1.0 - self.load, 1e-9))
