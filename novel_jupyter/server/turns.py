"""Whose turn it is to append, when a server that is far from the store would always come second.

Law: appends race, and of two racers one wins, so nothing stands still; but a server whose way to the store is
long loses every race against one that writes without a pause. One that lost several in a row asks the others
to wait for about as long as its append takes. Asking is a note on the bus, so it can be lost, and waiting is
bounded: it is a courtesy, and nothing depends on it.
Parts: `Turns`.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Final

LOSSES: Final = 3
"""Races lost in a row before a server asks."""
LONGEST: Final = 1.0
SLACK: Final = 0.02


class Turns:
    """Of one session at one server. Times are in seconds."""

    def __init__(self) -> None:
        self._lost = 0
        self._until = 0.0
        self._over = asyncio.Event()

    def won(self) -> None:
        """After a turn that had to be asked for, the next loss asks at once."""
        self._lost = LOSSES - 1 if self._lost >= LOSSES else 0

    def lost(self, took: float) -> float:
        """A race was lost that `took` so long; for how long to ask the others to wait, 0.0: not yet.

        They hear of it after half of `took`, their last append is known here after another half, and then one
        way to the store is left.
        """
        self._lost += 1
        return min(LONGEST, 2 * took + SLACK) if self._lost >= LOSSES else 0.0

    def give(self, seconds: float) -> None:
        """Another server asks. One that loses races itself does not wait: somebody has to go on."""
        if self._lost < LOSSES:
            self._until = time.monotonic() + min(LONGEST, max(0.0, seconds))
            self._over.clear()

    def over(self) -> None:
        """Another server appended."""
        self._over.set()

    async def come(self) -> None:
        """Return when it is this server's turn."""
        left = self._until - time.monotonic()
        if left > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), left)
        self._until = 0.0
