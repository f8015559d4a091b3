"""A bounded number of people in a room: who finds it full waits, in the order of coming.

Law: at most so many, and so many bytes with them; one who is larger than the room goes in alone. Closing lets
those inside finish and sends away those at the door.
Parts: `Room`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .ports import StoreClosed


class Room:
    def __init__(self, most: int, most_bytes: int = 1) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._empty: asyncio.Future[None] | None = None
        self._closed = False
        self.inside, self.bytes = 0, 0

    def _fits(self, size: int) -> bool:
        return not self.inside or (self.inside < self._most and self.bytes + size <= self._most_bytes)

    async def enter(self, size: int = 0) -> None:
        """Raises StoreClosed."""
        if self._closed:
            raise StoreClosed("it is closed")
        if not self._waiting and self._fits(size):
            self._seat(size)
            return
        door: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, door))
        try:
            await door
        except asyncio.CancelledError:
            if door.done() and not door.cancelled() and door.exception() is None:
                self.leave(size)  # The seat was given in the same moment.
            else:
                self._let_in()
            raise

    @asynccontextmanager
    async def seat(self, size: int = 0) -> AsyncIterator[None]:
        """Inside for as long as the block takes. Raises StoreClosed."""
        await self.enter(size)
        try:
            yield
        finally:
            self.leave(size)

    def _seat(self, size: int) -> None:
        self.inside += 1
        self.bytes += size

    def leave(self, size: int = 0) -> None:
        self.inside -= 1
        self.bytes -= size
        self._let_in()
        if not self.inside and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    def _let_in(self) -> None:
        while self._waiting:
            size, door = self._waiting[0]
            if not door.done():
                if not self._fits(size):
                    return
                self._seat(size)
                door.set_result(None)
            self._waiting.popleft()

    async def close(self) -> None:
        """Returns when everybody left."""
        self._closed = True
        while self._waiting:
            _, door = self._waiting.popleft()
            if not door.done():
                door.set_exception(StoreClosed("it was closed"))
        if self.inside:
            if self._empty is None:
                self._empty = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._empty)
