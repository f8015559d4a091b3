"""One socket, any number of sessions: what goes out, and what it takes part in.

Law: everything for a client passes its one bounded outbox and leaves at once, but at most once a tick. A
client that does not drain costs nobody else anything: ephemera go first, then its backlog is thrown away for
one `state_sync`, then it is closed with 4002 (SPEC R80-R83). Who does not read what it asked for is not read
from either.
Parts: `Connection`, `Flusher` (one tick for all connections).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from novel_jupyter.core.errors import CLOSE
from novel_jupyter.core.limits import TokenBucket
from novel_jupyter.core.outbox import Outbox
from novel_jupyter.core.policy import Principal

from . import metrics
from .config import Config
from .frames import message

FLUSH_BYTES = 256 * 1024
ANSWER_BYTES = 512 * 1024
"""Bytes of answers that may wait for a client before nothing more of it is read."""


class Wire(Protocol):
    """What a connection needs of a socket (see `frames.Wire`)."""

    @property
    def busy(self) -> bool: ...

    def write(self, frames: list[bytes], done: Callable[[], None]) -> bool: ...


class Connection:
    """A client's socket after authentication. `sessions` holds the sessions it joined, by id."""

    def __init__(
        self,
        connection_id: str,
        principal: Principal,
        expires: float | None,
        wire: Wire,
        close: Callable[[int, str], None],
        config: Config,
        flusher: Flusher,
    ) -> None:
        self.id = connection_id
        self.principal = principal
        self.expires = expires
        self.sessions: set[str] = set()
        self.in_flight = 0
        self.last_heard = time.monotonic()
        self.last_ping = self.last_heard
        self.look_at = 0.0
        """When the hub's timer sees next whether it is alive and may be here."""
        self.closed = False
        self.flushed_in = -1
        """The tick, as the flusher counts them, in which it was flushed last."""
        self.bucket = TokenBucket(config.frames_per_second, config.frames_burst)
        self.strikes = 0
        self.on_resync: Callable[[], None] = lambda: None
        self.on_busy: Callable[[], None] = lambda: None
        """Called when something waits and the socket still has earlier bytes to send."""
        self.ping: Callable[[], None] = lambda: None
        self.ask_again: Callable[[], Awaitable[Principal | int]] | None = None
        """Who the client is by now, or the code to close with (see `recheck`); None: its token says how long.
        """
        self._wire = wire
        self._close = close
        self._flusher = flusher
        self._outbox = Outbox(max_bytes=config.outbox_bytes, max_frames=config.outbox_frames)
        self._unread = 0
        self._stale = False
        self._room: asyncio.Future[None] | None = None

    def control(self, frame: bytes) -> None:
        """Acks, errors and state_syncs: never dropped."""
        self._outbox.push_control(frame)
        self._unread += len(frame)
        self._flusher.wake(self)

    def durable(self, frames: bytes) -> None:
        """Committed events, framed; dropped only together, for a resync."""
        if not self._stale:
            self._outbox.push(frames)
        self._flusher.wake(self)

    def ephemeral(self, key: str, frame: bytes) -> None:
        """Presence of any kind: the last value of a key wins."""
        if not self._stale:
            self._outbox.push_ephemeral(key, frame)
        self._flusher.wake(self)

    @property
    def choked(self) -> bool:
        """Whether more answers wait for this client than it may leave unread."""
        return self._unread > ANSWER_BYTES

    def resync_later(self) -> None:
        """What the client holds is out of date, and once it has read its answers one full state stands in for
        what came meanwhile.
        """
        self._stale = True
        self._flusher.wake(self)

    async def room(self) -> None:
        """Return when the client has read its answers, or is gone."""
        while self.choked and not self.closed:
            if self._room is None:
                self._room = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._room)

    def _make_room(self) -> None:
        self._unread = 0
        if self._room is not None:
            self._room.set_result(None)
            self._room = None

    def error(
        self, data: Mapping[str, object], *, id: str | None = None, session_id: str | None = None
    ) -> None:
        self.control(message("system_message", data, id=id, session_id=session_id))

    def flush(self) -> None:
        """Hand the socket what waits, unless it still has earlier bytes to send."""
        if self.closed:
            return
        if self._wire.busy:
            self.on_busy()
            return
        if (self._outbox.needs_resync or self._stale) and not self.choked:
            metrics.RESYNCS.inc()
            self._outbox.resynced()
            self._stale = False
            self.on_resync()
        outbox = self._outbox
        frames = outbox.drain(FLUSH_BYTES)
        left = outbox.has_more
        if not left:
            self._make_room()
        if not frames:
            return
        self._flusher.delivered += len(frames)
        if not self._wire.write(frames, self._wake):
            self.close(4005)
        elif left or self._stale:
            self._flusher.wake(self)

    def _wake(self) -> None:
        self._flusher.wake(self)

    @property
    def is_behind(self) -> bool:
        """Whether something waits to be sent."""
        return self._outbox.has_more

    def stalled_for(self, now: float) -> float:
        """Seconds for which something has waited in the outbox without any of it leaving."""
        return self._outbox.stalled_for(now)

    def close(self, code: int) -> None:
        """Close with a code of `errors.CLOSE`; what waits is tried once more."""
        if self.closed:
            return
        if code in (4001, 4501, 4503, 4508) and not self._wire.busy:
            self.flush()
        self.gone()
        metrics.CLOSES.labels(str(code)).inc()
        self._close(code, CLOSE[code])

    def gone(self) -> None:
        """The socket is closed, whoever did it."""
        self.closed = True
        self._outbox.close()
        self._make_room()


class Flusher:
    """Flushes every connection that has something: at once, or with the next tick if it was flushed in this
    one.
    """

    def __init__(self, tick: float) -> None:
        self._tick = tick
        self._ticks = 0
        self.delivered = 0
        self._soon: dict[str, Connection] = {}
        self._later: dict[str, Connection] = {}
        self._hand: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None

    def wake(self, connection: Connection) -> None:
        if connection.flushed_in == self._ticks:
            self._later[connection.id] = connection
            return
        self._soon[connection.id] = connection
        if self._hand is None:
            self._hand = asyncio.get_running_loop().call_soon(self._at_once)

    def _at_once(self) -> None:
        self._hand = None
        waiting, self._soon = self._soon, {}
        self._flush(waiting)

    def _next(self) -> None:
        self._timer = None
        self._ticks += 1
        waiting, self._later = self._later, {}
        if waiting:
            self._flush(waiting)

    def _flush(self, waiting: Mapping[str, Connection]) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._tick, self._next)
        for connection in waiting.values():
            connection.flushed_in = self._ticks
            connection.flush()
        metrics.DELIVERIES.inc(self.delivered)
        self.delivered = 0

    def stop(self) -> None:
        for handle in (self._hand, self._timer):
            if handle is not None:
                handle.cancel()
        self._hand = self._timer = None
