"""When a session's fold is kept, and the rooms in memory on which its latest events follow.

Law: a snapshot is a cache of the log: without it the next load is longer, no more. Its making never holds a
command up, nor do those of many sessions that began in one moment come in one.
Parts: `Snapshots`.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from typing import Final

from novel_jupyter.core.draft import Room

from . import archive
from .events_log import Log
from .ports import Store
from .sync import Ring

BASES: Final = 2
SPREAD: Final = 0.5
"""Share of `every` by which a snapshot may come later. Not sooner: after the older of the rooms kept `every`
events or more are remembered, and can be given back to a store.
"""


class Snapshots:
    """Of one session. `every`: events between two of them at least."""

    def __init__(self, store: Store, every: int, log: Log, base: Room) -> None:
        self._store = store
        self._every = every
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()
        self.begin(base)

    def begin(self, base: Room) -> None:
        """The room was loaded from `base`."""
        self._bases = deque([base], BASES)
        self._took(base)

    def base(self, ring: Ring, otherwise: Room) -> Room:
        """The oldest room after which every event is in `ring`."""
        kept = (base for base in self._bases if ring.reaches(base.head.sequence_id))
        return next(kept, otherwise)

    def maybe(self, room: Room) -> None:
        """Keep a snapshot when the log has grown long since the last one."""
        if room.head.sequence_id >= self._due:
            self.soon(room)

    def soon(self, room: Room) -> None:
        """Keep a snapshot of `room`, beside the commands."""
        if self._tasks or room.head.sequence_id == self._at:
            return
        self._took(room)
        self._bases.append(room)
        task = asyncio.create_task(self._keep(room))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _took(self, room: Room) -> None:
        self._at = room.head.sequence_id
        self._due = self._at + math.ceil(self._every * random.uniform(1.0, 1.0 + SPREAD))

    async def settled(self) -> None:
        """Wait until none is on its way."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _keep(self, room: Room) -> None:
        try:
            await archive.snapshot(self._store, room)
        except Exception as error:
            self._log.failure("snapshot", error, session=room.session_id)
