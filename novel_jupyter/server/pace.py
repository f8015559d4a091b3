"""How far apart the rounds of a store begin.

Law: what is asked between two rounds is decided and stored together, and each round costs something of its
own. A server with time to spare answers at once; one that has none takes more into each round and so gets
through more. The waiting in a queue with one server grows as 1/(1 - load); rounds grow as the square of that,
so that they are short while there is time, and long before the queue is.
Parts: `Pace`, `Gate`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

LEAST: Final = 0.00025
MOST: Final = 0.04
"""Seconds: what a person does not notice."""
_WINDOW: Final = 0.1
"""Seconds over which the load is averaged, about."""


class Pace:
    """`due` is `least / (1 - load)²` seconds after the last `begin`, at most `most`; `load` is the share of
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
        """A round begins: whoever waited for it is let in."""
        now, computed = self._clock(), self._spent()
        passed = now - self._at
        if passed > 0.0:
            share = min(1.0, (computed - self._computed) / passed)
            self.load += (share - self.load) * min(1.0, passed / _WINDOW)
            self._at, self._computed = now, computed
        spare = max(1.0 - self.load, 1e-9)
        self.due = now + min(self._most, self._least / spare**2)


class Gate:
    """Where those who will ask for something wait for the next round: then all ask, and go into it together.

    Open while no round is on its way and the next is due. What does not wait here, reads and the like, goes
    into whichever round is next, and puts nobody off.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._open = asyncio.Event()
        self._open.set()
        self._timer: asyncio.TimerHandle | None = None

    async def wait(self) -> None:
        if not self._open.is_set():
            await self._open.wait()

    def shut(self) -> None:
        """A round is on its way."""
        self._cancel()
        self._open.clear()

    def done(self) -> None:
        """It has ended: the gate opens as soon as the next one is due."""
        loop = asyncio.get_running_loop()
        if self._pace.due <= loop.time():
            self._let_in()
        elif self._timer is None:
            self._timer = loop.call_at(self._pace.due, self._let_in)

    def end(self) -> None:
        """There are no more rounds: nobody is kept waiting."""
        self._cancel()
        self._open.set()

    def _let_in(self) -> None:
        self._timer = None
        self._pace.begin()
        self._open.set()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
