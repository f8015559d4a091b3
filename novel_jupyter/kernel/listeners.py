"""Who waits for what happens in a session: callbacks, streams of events, and conditions on the state.

Law: a listener's exception is its own and never stops the others; a stream that is not read is bounded and
says so.
Parts: `EventStream`, `Listeners`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, TypeVar
from weakref import WeakSet

from novel_jupyter.core.errors import way_of
from novel_jupyter.core.model import State

from .errors import EventsLost

log = logging.getLogger("novel_jupyter")

STREAM: Final = 10_000
"""Events that a stream keeps for a slow reader."""

Frame: TypeAlias = Mapping[str, Any]
"""A frame as `core.outgoing` describes it; which fields its `data` has depends on its kind."""
T = TypeVar("T")


class EventStream:
    """`async for event in stream`: the session's events from the moment the stream was made."""

    def __init__(self, limit: int = STREAM) -> None:
        self._waiting: deque[Frame] = deque()
        self._limit = limit
        self._news = asyncio.Event()
        self._end: BaseException | None = None

    def put(self, frame: Frame) -> None:
        if self._end is None and len(self._waiting) >= self._limit:
            self._waiting.clear()
            self.end(EventsLost(f"more than {self._limit} events were not read; begin again with the state"))
        if self._end is None:
            self._waiting.append(frame)
            self._news.set()

    def end(self, why: BaseException | None) -> None:
        """After what waits, the stream stops (None) or raises."""
        self._end = self._end or why or StopAsyncIteration()
        self._news.set()

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> Frame:
        while not self._waiting:
            if self._end is not None:
                raise self._end
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()


class Listeners:
    """The listeners of one session. `state` gives its present state."""

    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state
        self._callbacks: dict[str, list[Callable[[Frame], object]]] = {}
        self._streams: WeakSet[EventStream] = WeakSet()
        self._conditions: list[tuple[Callable[[State], object], asyncio.Future[object]]] = []

    def on(self, kind: str, callback: Callable[[Frame], object]) -> Callable[[], None]:
        """Call `callback(frame)` for every frame of this kind; returns what ends that."""
        self._callbacks.setdefault(kind, []).append(callback)

        def off() -> None:
            if callback in self._callbacks.get(kind, []):
                self._callbacks[kind].remove(callback)

        return off

    def tell(self, kind: str, frame: Frame) -> None:
        for callback in list(self._callbacks.get(kind, ())):
            try:
                callback(frame)
            except Exception as error:
                log.error("a listener for %r failed: %s", kind, way_of(error))

    def stream(self) -> EventStream:
        found = EventStream()
        self._streams.add(found)
        return found

    def event(self, frame: Frame) -> None:
        """One event, or the news that the state was replaced whole: for the streams."""
        for stream in list(self._streams):
            stream.put(frame)

    def changed(self) -> None:
        """The state moved on: whoever waits for it to be so is woken."""
        waiting, self._conditions = self._conditions, []
        for predicate, future in waiting:
            if future.done():
                continue
            if not self._settled(predicate, future):
                self._conditions.append((predicate, future))

    def _settled(self, predicate: Callable[[State], object], future: asyncio.Future[object]) -> bool:
        try:
            result = predicate(self._state())
        except Exception as error:
            future.set_exception(error)
            return True
        if result:
            future.set_result(result)
        return bool(result)

    async def wait_for(self, predicate: Callable[[State], T], timeout: float | None) -> T:
        """The first true value of `predicate(state)`. Raises TimeoutError after `timeout` seconds."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if not self._settled(predicate, future):
            self._conditions.append((predicate, future))
        async with asyncio.timeout(timeout):
            result: T = await future
        return result

    def end(self, why: BaseException | None) -> None:
        """Nothing more will happen."""
        for stream in list(self._streams):
            stream.end(why)
        for _, future in self._conditions:
            if not future.done():
                future.set_exception(why or asyncio.CancelledError())
        self._conditions = []
