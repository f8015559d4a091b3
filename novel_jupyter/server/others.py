"""Whether somebody else writes to this server's store: only then do sessions have to look at their logs.

Law: it asks the store about once a second, for all sessions at once, and takes what it cannot know for yes:
a store that cannot tell, or does not answer, has always just been written to (S22).
Parts: `Others`.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from .config import Config
from .events_log import Log
from .ports import Store

EVERY: Final = 1.0
"""Seconds between two questions at most."""


class Others:
    """Asked on the hub's timer. Whoever looked at a log after `wrote_at` (of `time.monotonic`) knows it."""

    def __init__(self, store: Store, config: Config, log: Log) -> None:
        self._store = store
        self._interval = min(EVERY, config.head_check)
        self._log = log
        self._last: object = None
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None
        self.wrote_at = float("inf")

    def every(self, now: float) -> None:
        if self._asking is None and now - self._asked_at >= self._interval:
            self._asked_at = now
            self._asking = asyncio.create_task(self._ask())

    async def _ask(self) -> None:
        try:
            told = await self._store.foreign()
        except Exception as error:
            self._log.failure("foreign", error)
            told = None
        finally:
            self._asking = None
        if told is None:
            self.wrote_at = float("inf")
        elif told != self._last:
            self.wrote_at = time.monotonic()
        self._last = told

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])
