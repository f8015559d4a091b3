"""When Python's collector of circles looks, so that it does not stop the loop while people play.

Law: a full look costs half a microsecond for each object that lives, whoever of them has left; so it comes
when enough have left to be worth it, not when much was made. What stays (rings of events, kept answers) is
not a reason to look again.
Parts: `calm`, `Sweep`.
"""

from __future__ import annotations

import gc
from typing import Final

LEAST: Final = 200
"""Who has left since the last look before there is another: a connection leaves about a hundred objects in
circles of Tornado's making, 50 KB.
"""
SHARE: Final = 0.25
"""… and at least this share of those who are here: then looks cost the same however many they are (the rule
by which Python itself spaces its full looks).
"""


def calm() -> None:
    """Look after the young only, a thousand at a time, until somebody has left.

    What start-up made stays for good and need not be looked at; most of what a session makes is freed by
    counting. The second look waits for a million: for circles that others leave in this process.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(1_000, 1_000, 50)


class Sweep:
    """The look for those who left."""

    def __init__(self) -> None:
        self._left = 0

    def left(self) -> None:
        """Somebody has: a connection, or a session from memory."""
        self._left += 1

    def every(self, here: int) -> bool:
        """Look, if enough have left beside those who are `here`: whether it did."""
        if self._left < max(LEAST, SHARE * here):
            return False
        self._left = 0
        gc.collect()
        return True
