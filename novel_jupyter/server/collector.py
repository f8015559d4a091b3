"""When Python's collector of circles looks, so that it does not stop the loop while people play.

Law: a look costs half a microsecond for each object that lives, whoever of them has left; so one at everybody
comes when enough have left to be worth it, and one at what was made lately when there is quiet. That much was
made is no reason: the more is made, the less there is time.
Parts: `calm`, `Sweep`.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Final

LEAST: Final = 200
"""Who has left since the last look before there is another: a connection leaves about a hundred objects in
circles of Tornado's making, 50 KB.
"""
SHARE: Final = 0.25
"""… and at least this share of those who are here: then looks cost the same however many they are (the rule
by which Python itself spaces its full looks).
"""
YOUNG: Final = 250
"""New objects after which the young are looked at: up to four times as many, half a millisecond. With 1,000
it was two, in which the loop stood still, nine times in each second of a busy one.
"""
MADE: Final = 400
"""Looks at the young after which what was left by them is looked at in the next quiet …"""
MADE_AT_MOST: Final = 12_000
"""… or after so many anyhow."""
LATELY: Final = 50
"""Looks at what was made lately after which the next one, in quiet, is at everybody."""
QUIET: Final = 0.1
"""Share of the time for which a process computes that has nothing urgent to do."""


def calm() -> None:
    """Look after the young only: the rest is `Sweep`'s.

    What start-up made stays for good and need not be looked at; most of what a session makes is freed by
    counting. That of others in this process is not known.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MADE_AT_MOST, 1_000_000)


class Sweep:
    """The looks that the hub's timer takes. `spent`: seconds for which this process has computed."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        spent: Callable[[], float] = time.process_time,
    ) -> None:
        self._left = 0
        self._clock, self._spent = clock, spent
        self._at, self._computed = clock(), spent()

    def left(self) -> None:
        """Somebody has: a connection, or a session from memory."""
        self._left += 1

    def every(self, here: int) -> int | None:
        """Look, if enough have left beside those who are `here`, or there is quiet: which generation it
        looked at, if it did.
        """
        if self._left >= max(LEAST, SHARE * here):
            self._left = 0
            gc.collect()
            return 2
        _, made, looks = gc.get_count()
        if not self._is_quiet() or made < MADE:
            return None
        generation = 2 if looks >= LATELY else 1
        gc.collect(generation)
        return generation

    def _is_quiet(self) -> bool:
        """Since the last time that it was asked."""
        at, computed = self._clock(), self._spent()
        passed, self._at = at - self._at, at
        worked, self._computed = computed - self._computed, computed
        return worked < QUIET * passed
