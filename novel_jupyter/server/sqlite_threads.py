"""The threads of a SQLite store: one writes, in batches, one reads, one carries over what was written.

Law: each thread owns its connection, and the event loop never waits for a lock or a disk. The writer takes
all that waits (up to a bound) into one transaction and so pays for one fsync; a request that fails does not
spoil the others. Results reach the loop once per batch. Queues are bounded: who finds one full waits.
Parts: `Writer` (requests: an `Append`, or a job that runs alone in a savepoint), `Carrier` (the write-ahead
log), `Reader` (jobs).
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, Generic, TypeAlias, TypeVar, cast

from novel_jupyter.core.model import Head

from .pace import Gate, Pace
from .ports import Append, Behind, StoreClosed, StoreUnavailable
from .sqlite_append import append_all

T = TypeVar("T")
Job: TypeAlias = Callable[[sqlite3.Connection], T]
Connect: TypeAlias = Callable[[], sqlite3.Connection]

BATCH_BYTES: Final = 8 * 1024 * 1024
PAGE: Final = 4096
PAGES_OF_A_ROW: Final = 2
"""About: an edit changes three rows and writes up to six pages; what a batch shares is counted twice."""
_HARMLESS: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL})
"""Failures after which the connection is as good as before."""


class _Ticket:
    """A request on its way to the writer, and who waits for it."""

    __slots__ = ("future", "request", "size")

    def __init__(self, request: Append | Job[Any], size: int, future: asyncio.Future[Any]) -> None:
        self.request = request
        self.size = size
        self.future = future


class _Thread(Generic[T]):
    """One thread with one connection, opened when first needed and again after it failed."""

    def __init__(self, name: str, connect: Connect, room: int) -> None:
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._opened = 0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._room = asyncio.Semaphore(room)
        self._loop = asyncio.get_running_loop()
        self._closing: asyncio.Future[None] | None = None

    async def close(self) -> None:
        """Finish what was accepted, close the connection, end the thread."""
        if self._closing is None:
            self._closing = asyncio.wrap_future(self._pool.submit(self._disconnect))
            self._pool.shutdown(wait=False)
        await asyncio.shield(self._closing)

    def _check_open(self) -> None:
        if self._closing is not None:
            raise StoreClosed("the store is closed")

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._connect()
            self._opened += 1
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()

    def _recover(self, error: Exception) -> None:
        """Leave no transaction open; after what may have hurt the connection itself, leave the connection."""
        with suppress(sqlite3.Error):
            if self._connection is not None and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        if _is_medium(error) and _code(error) not in _HARMLESS:
            with suppress(sqlite3.Error):
                self._disconnect()


class Writer(_Thread[Any]):
    """Group commit. `room` bounds the requests that wait, `batch` the requests of one transaction; `pace`
    says when the next one may begin.
    """

    def __init__(
        self, connect: Connect, carrier: Carrier, *, room: int, batch: int, pace: Pace | None = None
    ) -> None:
        super().__init__("novel-sqlite-writer", connect, room)
        self._batch = batch
        self._carrier = carrier
        self._changes = 0
        self._gate = Gate(pace or Pace(0.0))
        self._hand: asyncio.Handle | None = None
        self._queue: deque[_Ticket] = deque()
        self._is_writing = False

    async def ready(self) -> None:
        """Return when the next transaction is about to begin: what is asked for now is in it."""
        await self._gate.wait()

    async def append(self, append: Append) -> Head | Behind:
        """Raises SessionNotFound, StoreUnavailable, StoreClosed."""
        size = sum(len(entry.body) for entry in append.entries) + sum(len(r.body) for r in append.results)
        return cast("Head | Behind", await self._submit(append, size))

    async def run(self, job: Job[T], size: int = 0) -> T:
        """Run `job` in a savepoint of the next transaction: what it raises undoes what it did, no more."""
        return cast("T", await self._submit(job, size))

    async def foreign(self) -> tuple[int, int]:
        """What changes when another connection writes: SQLite's `data_version`, of this one connection."""

        def version(connection: sqlite3.Connection) -> tuple[int, int]:
            (value,) = connection.execute("PRAGMA data_version").fetchone()
            return self._opened, value

        return await self.run(version)

    async def _submit(self, request: Append | Job[Any], size: int) -> object:
        self._check_open()
        await self._room.acquire()
        if self._closing is not None:
            self._room.release()
            raise StoreClosed("the store was closed")
        ticket = _Ticket(request, size, self._loop.create_future())
        self._queue.append(ticket)
        self._soon()
        return await ticket.future

    def _soon(self) -> None:
        """Not yet: whoever else is ready in this round of the loop comes along."""
        if self._hand is None and not self._is_writing:
            self._hand = self._loop.call_soon(self._go)

    def _go(self) -> None:
        self._hand = None
        self._is_writing = True
        self._gate.shut()
        self._pool.submit(self._round, self._take())

    async def close(self) -> None:
        if self._closing is None:
            if self._hand is not None:
                self._hand.cancel()
            while self._queue:
                self._pool.submit(self._round, self._take())
        await super().close()
        self._gate.end()

    def _take(self) -> list[_Ticket]:
        batch: list[_Ticket] = []
        size = 0
        while self._queue and len(batch) < self._batch:
            size += self._queue[0].size
            if batch and size > BATCH_BYTES:
                break
            batch.append(self._queue.popleft())
        return batch

    def _round(self, batch: Sequence[_Ticket]) -> None:
        """In the thread."""
        outcomes = self._commit(batch)
        with suppress(RuntimeError):  # the loop is gone, and everybody who waited with it
            self._loop.call_soon_threadsafe(self._publish, batch, outcomes)
        if self._connection is not None:
            try:
                self._carrier.wrote(self._connection, self._pages(self._connection, batch))
            except Exception as error:  # what was committed is committed
                self._recover(error)

    def _pages(self, connection: sqlite3.Connection, batch: Sequence[_Ticket]) -> int:
        """About how many the batch has added to the write-ahead log."""
        before, self._changes = self._changes, connection.total_changes
        rows = self._changes - before if self._changes >= before else self._changes
        return PAGES_OF_A_ROW * rows + sum(ticket.size for ticket in batch) // PAGE

    def _publish(self, batch: Sequence[_Ticket], outcomes: Sequence[object]) -> None:
        self._is_writing = False
        self._gate.done()
        if self._queue:
            self._soon()
        for ticket, outcome in zip(batch, outcomes, strict=True):
            self._room.release()
            if ticket.future.done():  # cancelled; the request was carried out all the same
                continue
            if isinstance(outcome, Exception):
                ticket.future.set_exception(outcome)
            else:
                ticket.future.set_result(outcome)

    def _commit(self, batch: Sequence[_Ticket]) -> list[object]:
        outcomes = self._attempt(batch)
        if outcomes is None:
            # Something in the batch is unfit. Each goes alone, so that only that one fails.
            return [outcome for ticket in batch for outcome in self._attempt([ticket]) or ()]
        return outcomes

    def _attempt(self, batch: Sequence[_Ticket]) -> list[object] | None:
        """One transaction. None: nothing was written, and smaller batches should be tried."""
        committing = False
        try:
            connection = self._connected()
            connection.execute("BEGIN IMMEDIATE")
            outcomes = _write(connection, [ticket.request for ticket in batch])
            committing = True
            connection.execute("COMMIT")
            return outcomes
        except Exception as error:
            self._recover(error)
            if _is_medium(error):
                # A commit that found the lock taken has not begun; of any other nobody knows how far it came.
                unknown = committing and _code(error) != sqlite3.SQLITE_BUSY
                return [StoreUnavailable(str(error), unknown=unknown) for _ in batch]
            return [error] if len(batch) == 1 else None


class Carrier(_Thread[None]):
    """Carries the write-ahead log over into the file, each time that it has grown by `pages`.

    SQLite would do so within the commit that fills the log, and everybody wait for it: longer, the larger the
    file and the slower the disk. This thread carries most of it while commits go on, and the writer what has
    come meanwhile, in between two rounds. That has to be all of it: only then does SQLite begin the log anew.
    Where it is not (somebody reads an old state), the next time carries that as well, and at a size set by
    `wal_autocheckpoint` a commit does it after all.
    """

    def __init__(self, connect: Connect, pages: int) -> None:
        super().__init__("novel-sqlite-carrier", connect, 1)
        self._every = pages
        self._pages = 0
        self._carrying: Future[None] | None = None

    def wrote(self, connection: sqlite3.Connection, pages: int) -> None:
        """In the writer's thread, with its connection, between two transactions."""
        self._pages += pages
        if self._carrying is None:
            if self._pages >= self._every:
                self._pages = 0
                self._carrying = self._pool.submit(self._carry)
        elif self._carrying.done():
            self._carrying = None
            _carry_over(connection)

    def _carry(self) -> None:
        try:
            _carry_over(self._connected())
        except Exception as error:  # the next time, or a commit
            self._recover(error)


def _carry_over(connection: sqlite3.Connection) -> None:
    """All that no reader needs where it is, waiting for nobody; nothing while another process does so."""
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


class Reader(_Thread[Any]):
    """Reads, one after another, each on one consistent state of the file."""

    def __init__(self, connect: Connect, *, room: int) -> None:
        super().__init__("novel-sqlite-reader", connect, room)

    async def run(self, job: Job[T]) -> T:
        self._check_open()
        async with self._room:
            self._check_open()
            return await asyncio.wrap_future(self._pool.submit(self._read, job))

    def _read(self, job: Job[T]) -> T:
        try:
            connection = self._connected()
            connection.execute("BEGIN")
            try:
                return job(connection)
            finally:
                connection.execute("COMMIT")
        except Exception as error:
            self._recover(error)
            if _is_medium(error):
                raise StoreUnavailable(str(error), unknown=False) from error
            raise


def _write(connection: sqlite3.Connection, requests: Sequence[Append | Job[Any]]) -> list[object]:
    """The outcomes in order: a value, or the exception that one request met. Jobs go before appends."""
    outcomes: list[object] = [None] * len(requests)
    appends: list[tuple[int, Append]] = []
    for index, request in enumerate(requests):
        if isinstance(request, Append):
            appends.append((index, request))
        else:
            outcomes[index] = _run_in_savepoint(connection, request)
    if appends:
        verdicts = append_all(connection, [append for _, append in appends])
        for (index, _), verdict in zip(appends, verdicts, strict=True):
            outcomes[index] = verdict
    return outcomes


def _run_in_savepoint(connection: sqlite3.Connection, job: Job[Any]) -> object:
    connection.execute("SAVEPOINT job")
    try:
        outcome: object = job(connection)
    except Exception as error:
        if _is_medium(error):
            raise
        connection.execute("ROLLBACK TO job")
        outcome = error
    connection.execute("RELEASE job")
    return outcome


def _is_medium(error: Exception) -> bool:
    """Whether the file or the disk failed, rather than what was asked of it."""
    if isinstance(error, OSError):
        return True
    unfit = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.NotSupportedError)
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, unfit)


def _code(error: Exception) -> int:
    """SQLite's primary result code; 0 where there is none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
