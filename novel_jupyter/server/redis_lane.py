"""One connection to one primary: whatever is asked within a tick goes there as one pipeline.

Law: one pipeline is on its way, and what is asked meanwhile is the next one (group commit). When replicas
have to confirm, one WAIT on the same connection ends the pipeline, and nobody has an answer before it has.
Who gets `Lost` knows whether the question may have arrived. Bounded: the bytes and the calls of a pipeline,
and what is published; who may ask at all is bounded by the link.
Parts: `Call`, `Lost`, `TooFew`, `Lane`.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from .pace import Gate, Pace
from .redis_wire import Script

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

PIPELINE_CALLS: Final = 512
PIPELINE_BYTES: Final = 4 * 1024 * 1024
PUBLISH_CALLS: Final = 4096
PUBLISH_BYTES: Final = 8 * 1024 * 1024
_ASKING: Final = b"*1\r\n$6\r\nASKING\r\n"

# These are answers, though the library calls them failures of the connection.
_ANSWERS: Final = (ResponseError, BusyLoadingError, AuthenticationError, AuthorizationError)


class Lost(Exception):
    """No answer. `sent` is False when it is certain that the question did not arrive."""

    def __init__(self, reason: object, *, sent: bool) -> None:
        super().__init__(str(reason) or type(reason).__name__)
        self.reason, self.sent = reason, sent


class TooFew(Exception):
    """It was done, but fewer replicas than asked for said so in time."""


def pack(args: Sequence[str | bytes | int]) -> bytes:
    """The arguments of a command as the protocol has them, without their number."""
    parts: list[bytes] = []
    for arg in args:
        raw = arg if isinstance(arg, bytes) else str(arg).encode()
        parts += (b"$%d\r\n" % len(raw), raw, b"\r\n")
    return b"".join(parts)


class Call:
    """One command, or one run of a script, and who waits for it (nobody for what is published)."""

    __slots__ = ("_count", "_rest", "asking", "future", "script", "slot")

    def __init__(
        self,
        slot: int,
        args: Sequence[str | bytes | int],
        script: Script | None = None,
    ) -> None:
        self.slot, self.script = slot, script
        self._count, self._rest = len(args), pack(args)
        self.asking = False
        self.future: asyncio.Future[Any] | None = None

    @property
    def size(self) -> int:
        return len(self._rest)

    def packed(self, known: set[str]) -> bytes:
        if self.script is None:
            return b"*%d\r\n%b" % (self._count, self._rest)
        # A server that has not seen a script yet gets its text; after ASKING nobody knows what it has seen.
        name = ("EVALSHA", self.script.sha)
        if self.script.sha not in known or self.asking:
            name = ("EVAL", self.script.text)
            known.add(self.script.sha)
        packed = b"*%d\r\n%b%b" % (self._count + 2, pack(name), self._rest)
        return _ASKING + packed if self.asking else packed

    def answer(self, outcome: object) -> None:
        if self.future is None or self.future.done():
            return
        if isinstance(outcome, Exception):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)


class Lane:
    """`dial` gives a connection that is ready, or raises within a bounded time. `failed(reason)` is told of
    what nobody waits for. Belongs to the event loop in which it was made.
    """

    def __init__(
        self,
        dial: Callable[[], Awaitable[AbstractConnection]],
        failed: Callable[[Call, Exception], None],
        *,
        timeout: float,
        replicas: int = 0,
        wait_timeout: float = 1.0,
    ) -> None:
        self._dial, self._failed = dial, failed
        self._timeout, self._replicas, self._wait_timeout = timeout, replicas, wait_timeout
        self._connection: AbstractConnection | None = None
        self._known: set[str] = set()
        self._queue: deque[Call] = deque()
        self._published, self._published_bytes = 0, 0
        self._due = asyncio.Event()
        self._gate = Gate(Pace())
        self._finishing = False
        self.calls, self.pipelines = 0, 0
        self.task = asyncio.get_running_loop().create_task(self._run())

    @property
    def connected(self) -> bool:
        return self._connection is not None

    async def ready(self) -> None:
        """Return when the next pipeline is about to begin: what is asked for now is in it."""
        await self._gate.wait()

    async def ask(self, call: Call) -> Any:
        """The reply. Raises what the server answered, Lost, TooFew."""
        call.future = asyncio.get_running_loop().create_future()
        self._put(call)
        return await call.future

    def publish(self, call: Call) -> bool:
        """Nobody waits for it; False when too much is on its way already."""
        if self._published >= PUBLISH_CALLS or self._published_bytes + call.size > PUBLISH_BYTES:
            return False
        self._published += 1
        self._published_bytes += call.size
        self._put(call)
        return True

    def _put(self, call: Call) -> None:
        if self.task.done():
            raise Lost("the connection was given up", sent=False)
        self._queue.append(call)
        self._due.set()

    def finish(self) -> None:
        """Do what was asked, then end; `task` is done then."""
        self._finishing = True
        self._due.set()

    async def _run(self) -> None:
        try:
            while self._queue or not self._finishing:
                if not self._queue:
                    self._due.clear()
                    await self._due.wait()
                    # Whoever asks in this tick comes along, and a connection that just ended says so.
                    await asyncio.sleep(0)
                elif batch := self._take():
                    self._gate.shut()
                    await self._exchange(batch)
                    self._gate.done()
        finally:
            self._gate.end()
            self._settle(list(self._queue), Lost("the connection was given up", sent=False))
            # TLS says goodbye and hears it: a loop that ends before leaves the socket open.
            await self._disconnect(nowait=False)

    def _take(self) -> list[Call]:
        batch: list[Call] = []
        size = 0
        while self._queue and len(batch) < PIPELINE_CALLS:
            size += self._queue[0].size
            if batch and size > PIPELINE_BYTES:
                break
            call = self._queue.popleft()
            if call.future is None or not call.future.done():  # else who asked has gone
                batch.append(call)
        return batch

    def _settle(self, batch: Sequence[Call], outcome: object) -> None:
        for call in batch:
            if call.future is None:
                self._published -= 1
                self._published_bytes -= call.size
                if isinstance(outcome, Exception):
                    self._failed(call, outcome)
            else:
                call.answer(outcome)

    async def _exchange(self, batch: list[Call]) -> None:
        try:
            connection = await self._connected()
        except Exception as error:  # a host's name that is none, an answer that is no Redis's, and the like
            # Whoever waits behind these would meet the same, later.
            waiting, self._queue = [*batch, *self._queue], deque()
            self._settle(waiting, Lost(error, sent=False))
            return
        self.pipelines += 1
        self.calls += len(batch)
        answers: list[object] = []
        try:
            have = await self._converse(connection, batch, answers)
        except Exception as error:
            await self._disconnect()
            reason: Exception | None = Lost(str(error) or f"no answer in {self._timeout} s", sent=True)
            self._settle(batch[len(answers) :], reason)
        else:
            if any(isinstance(answer, ReadOnlyError) for answer in answers):
                await self._disconnect()  # a replica by now: the same address may lead to the primary
            few = TooFew(f"{max(have, 0)} of {self._replicas} replicas have it")
            reason = None if have >= self._replicas else few
        if self._replicas:
            for call, answer in zip(batch, answers, strict=False):
                # What was refused was not done, with or without replicas.
                self._settle([call], answer if reason is None or isinstance(answer, Exception) else reason)

    async def _converse(
        self, connection: AbstractConnection, batch: Sequence[Call], answers: list[object]
    ) -> int:
        """Send, and collect the answers; how many replicas have it all. Without replicas everybody is
        answered at once.
        """
        now = asyncio.get_running_loop().time
        packed = [call.packed(self._known) for call in batch]
        if self._replicas:
            packed.append(b"*3\r\n" + pack(("WAIT", self._replicas, round(self._wait_timeout * 1000))))
        async with asyncio.timeout(self._timeout) as limit:
            await connection.send_packed_command(packed, check_health=False)
            for call in batch:
                if call.asking:
                    await self._reply(connection)
                answer = await self._reply(connection)
                if isinstance(answer, NoScriptError) and call.script is not None:
                    self._known.discard(call.script.sha)
                answers.append(answer)
                if not self._replicas:
                    self._settle([call], answer)
                limit.reschedule(now() + self._timeout)
            if not self._replicas:
                return 0
            limit.reschedule(now() + self._timeout + self._wait_timeout)
            have = await self._reply(connection)
            return have if isinstance(have, int) else -1

    @staticmethod
    async def _reply(connection: AbstractConnection) -> object:
        try:
            return await connection.read_response(
                disable_decoding=True, timeout=math.inf, disconnect_on_error=False
            )
        except _ANSWERS as error:
            return error

    async def _connected(self) -> AbstractConnection:
        connection = self._connection
        if connection is not None:
            # Something to read before a question is the end of the connection. To ask a dead one would leave
            # an outcome unknown that is certain now.
            if not await connection.can_read():
                return connection
            await self._disconnect()
        self._known.clear()
        self._connection = await self._dial()
        return self._connection

    async def _disconnect(self, *, nowait: bool = True) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(RedisError, OSError):
                await connection.disconnect(nowait=nowait)
