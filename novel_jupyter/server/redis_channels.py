"""Listening on sharded channels, wherever their primaries are and go.

Law: one connection for each primary that serves a channel which somebody wants, however many those are. Who
wants a channel has it again after whatever took it away (a lost connection, a failover, a slot that moved),
and is told then, since what was said meanwhile is lost. A primary that falls silent is given up within
seconds. Nothing here grows with what is published: what nobody reads waits in the server, which cuts the
connection when it is too much.
Parts: `Channels`, and `_Line`, one connection.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import RedisError, ResponseError

from .ports import StoreClosed, StoreError, StoreUnavailable
from .redis_wire import Address, Link

log = logging.getLogger(__name__)

TICK: Final = 1.0
"""Seconds between two looks at every connection."""
SILENT_TICKS: Final = 2
"""A connection that answered nothing for so many looks is given up. Looks, not seconds: a process that itself
stood still reads what has arrived before it looks again."""
LONGEST_PAUSE: Final = 1.0

SUBSCRIBE: Final = "ssubscribe"
UNSUBSCRIBE: Final = "sunsubscribe"
PING: Final = "ping"


@dataclass(slots=True, eq=False)
class _Want:
    ready: asyncio.Future[None]
    """Done when the channel was had for the first time."""
    line: _Line | None = None
    had: bool = False
    """Whether the line said so."""


class Channels:
    """`heard(channel, payload)` is called for what is said, `relinked(channel)` when a channel is had again.
    Neither may wait. Belongs to the event loop in which it was made.
    """

    def __init__(
        self, link: Link, heard: Callable[[str, bytes], None], relinked: Callable[[str], None]
    ) -> None:
        self.heard, self._relinked = heard, relinked
        self._link = link
        self._wanted: dict[str, _Want] = {}
        self._seeking: set[str] = set()
        self._lost: set[str] = set()
        self._retry: asyncio.TimerHandle | None = None
        self._lines: dict[Address, _Line] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._due = asyncio.Event()
        self._stale, self._failures = False, 0
        self._reason: object = "no answer"
        self._closed = False
        self._tasks = [self._start(self._keep()), self._start(self._watch())]

    @staticmethod
    def _start(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work)

    @property
    def connections(self) -> int:
        return len(self._lines) + len(self._ending)

    async def add(self, name: str, timeout: float) -> None:
        """From when this returned on, what is said is heard. Raises StoreUnavailable, StoreClosed."""
        if self._closed:
            raise StoreClosed("the bus is closed")
        want = self._wanted.get(name)
        if want is None:
            want = self._wanted[name] = _Want(asyncio.get_running_loop().create_future())
            self._seeking.add(name)
            self._due.set()
        try:
            await asyncio.wait_for(asyncio.shield(want.ready), timeout)
        except TimeoutError:
            self._forget(name, want)
            raise StoreUnavailable(f"cannot listen on {name}: {self._reason}", unknown=False) from None
        except asyncio.CancelledError:
            self._forget(name, want)
            raise

    def remove(self, name: str) -> None:
        """What is said is not heard any more. Knows no unknown channel."""
        if want := self._wanted.get(name):
            self._forget(name, want)

    def _forget(self, name: str, want: _Want) -> None:
        if self._wanted.get(name) is not want:
            return
        del self._wanted[name]
        self._seeking.discard(name)
        self._lost.discard(name)
        if not want.ready.done():
            want.ready.set_exception(StoreUnavailable("nobody listens any more", unknown=False))
            want.ready.exception()  # Read, so that asyncio does not complain where nobody waits.
        if want.line is not None:
            want.line.leave(name)

    async def close(self) -> None:
        self._closed = True
        for want in self._wanted.values():
            if not want.ready.done():
                want.ready.set_exception(StoreClosed("the bus is closed"))
                want.ready.exception()
        self._wanted.clear()
        if self._retry is not None:
            self._retry.cancel()
        for line in self._lines.values():
            line.end()
        tasks = [*self._tasks, *self._ending, *(line.task for line in self._lines.values())]
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- what the lines say

    def confirmed(self, line: _Line, name: str) -> None:
        want = self._wanted.get(name)
        if want is None or want.line is not line:
            return
        want.had, self._failures = True, 0
        if want.ready.done():
            self._relinked(name)
        else:
            want.ready.set_result(None)

    def lost(self, line: _Line, name: str, reason: object) -> None:
        """The line does not have this channel, or not any more."""
        want = self._wanted.get(name)
        if want is None or want.line is not line:
            return
        want.line, want.had = None, False
        self._seek_again([name], reason)

    def unsubscribed(self, line: _Line, name: str) -> None:
        """Either we left and came back, and the new subscription is on its way, or the slot moved."""
        want = self._wanted.get(name)
        if want is not None and want.line is line and want.had:
            line.names.discard(name)
            self.lost(line, name, "the slot moved")

    def ended(self, line: _Line, reason: object) -> None:
        if self._lines.get(line.address) is line:
            del self._lines[line.address]
        self._ending.discard(line.task)
        if line.names and not self._closed:
            host, port = line.address.host, line.address.port
            log.warning(
                "lost the connection to %s:%s on which %s listen: %s", host, port, len(line.names), reason
            )
        for name in line.names:
            self.lost(line, name, reason)

    # --- keeping

    def _seek_again(self, names: Iterable[str], reason: object) -> None:
        """The first time at once, then not without a pause: a cluster that chooses takes seconds. Whoever is
        new need not wait for those.
        """
        self._lost.update(names)
        self._reason = reason
        if self._retry is None:
            longest = min(LONGEST_PAUSE, 0.05 * 2 ** min(self._failures, 8))
            pause = longest * random.uniform(0.5, 1.0) if self._failures else 0.0
            self._failures += 1
            self._retry = asyncio.get_running_loop().call_later(pause, self._now)

    def _now(self) -> None:
        self._retry, self._stale = None, True
        self._seeking |= self._lost
        self._lost.clear()
        self._due.set()

    async def _keep(self) -> None:
        """Find a line for every channel that has none."""
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self._place()
            except StoreError as error:
                names, self._seeking = self._seeking, set()
                self._seek_again(names, error)

    async def _place(self) -> None:
        again, self._stale = self._stale, False
        for name in list(self._seeking):
            address = await self._link.locate(name, again=again)
            again = False
            want = self._wanted.get(name)
            if want is None or name not in self._seeking:
                continue
            self._seeking.discard(name)
            line = self._lines.get(address)
            if line is None:
                line = self._lines[address] = _Line(self, address, self._link)
            want.line = line
            line.join(name)

    async def _watch(self) -> None:
        generation = self._link.generation
        while True:
            await asyncio.sleep(TICK)
            if generation != self._link.generation:
                generation = self._link.generation
                await self._move()
            for line in list(self._lines.values()):
                if line.look():
                    continue
                # Off the table at once: whoever seeks meanwhile must not be given a line that ends.
                del self._lines[line.address]
                self._ending.add(line.task)
                line.end()

    async def _move(self) -> None:
        """Leave who is no primary any more: it may answer every ping and hear of nothing."""
        for name, want in list(self._wanted.items()):
            line = want.line
            if line is None:
                continue
            try:
                address = await self._link.locate(name)
            except StoreError:
                return  # Nobody knows better now; the link counts on when somebody does.
            if want.line is line and line.address != address:
                line.leave(name)
                self.lost(line, name, "the slot moved")


class _Line:
    """One connection. Its task ends when the connection does, and never by itself otherwise."""

    def __init__(self, owner: Channels, address: Address, link: Link) -> None:
        self.address = address
        self.names: set[str] = set()
        self._owner = owner
        self._connection = link.dial(address)
        self._outgoing: list[tuple[str, ...]] = []
        self._asked: deque[tuple[str, str]] = deque()
        self._due = asyncio.Event()
        self._quiet = 0
        self._empty = 0
        self.task = asyncio.get_running_loop().create_task(self._run())

    def join(self, name: str) -> None:
        self.names.add(name)
        self._send(SUBSCRIBE, name)

    def leave(self, name: str) -> None:
        self.names.discard(name)
        self._send(UNSUBSCRIBE, name)

    def look(self) -> bool:
        """Whether to keep this line. One that is silent is asked for a word."""
        self._quiet += 1
        self._empty = 0 if self.names else self._empty + 1
        if self._quiet > SILENT_TICKS or self._empty > 2:
            return False
        self._send(PING)
        return True

    def end(self) -> None:
        self.task.cancel()

    def _send(self, *command: str) -> None:
        self._outgoing.append(command)
        self._due.set()

    async def _run(self) -> None:
        connection, reason = self._connection, object()
        try:
            await connection.connect()
            writing = asyncio.get_running_loop().create_task(self._write())
            try:
                await self._read()
            finally:
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)
        except asyncio.CancelledError:
            reason = "no answer"
        except (RedisError, OSError, ValueError) as error:
            reason = error
        finally:
            with suppress(RedisError, OSError):
                await connection.disconnect()
            self._owner.ended(self, reason)

    async def _write(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            commands, self._outgoing = self._outgoing, []
            for command in commands:
                self._asked.append((command[0], command[-1]))
            # One that fails closes the connection, and the reader sees that.
            with suppress(RedisError):
                await self._connection.send_packed_command(
                    self._connection.pack_commands(commands), check_health=False
                )

    async def _read(self) -> None:
        while True:
            try:
                said = await self._connection.read_response(timeout=math.inf)
            except ResponseError as error:
                # MOVED, CLUSTERDOWN, NOPERM: an answer to the oldest question, whatever that was.
                self._quiet = 0
                if self._asked:
                    self._unanswered(self._asked.popleft(), error)
                continue
            self._quiet = 0
            if not isinstance(said, list):
                self._answered((PING, PING))
                continue
            kind = said[0]
            if kind == b"smessage":
                self._owner.heard(said[1].decode(), said[2])
            elif kind == b"ssubscribe":
                name = said[1].decode()
                self._answered((SUBSCRIBE, name))
                self._owner.confirmed(self, name)
            elif kind == b"sunsubscribe":
                name = said[1].decode()
                self._answered((UNSUBSCRIBE, name))
                self._owner.unsubscribed(self, name)
            elif kind == b"pong":
                self._answered((PING, PING))

    def _answered(self, question: tuple[str, str]) -> None:
        """Take the question off the list. Those before it got no answer that we understood."""
        if question not in self._asked:
            return
        while (asked := self._asked.popleft()) != question:
            self._unanswered(asked, "no answer")

    def _unanswered(self, question: tuple[str, str], reason: object) -> None:
        what, name = question
        if what == SUBSCRIBE:
            self.names.discard(name)
            self._owner.lost(self, name, reason)
