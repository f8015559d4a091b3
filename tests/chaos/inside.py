"""What runs inside a server that is to be broken, beside the product, which knows nothing of it.

Law: nothing of this ships. The server's configuration file calls `install`, which hangs itself around the
store, the broadcast and the clock, and counts: at the n-th time of one step the process sends itself SIGKILL.
What the product does between two steps is untouched.
Parts: `EVERYWHERE`, `IN_SQLITE` and `CARRYING` (where a server can die, in the order of one command),
`install`, the clock, the gauges.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from functools import partial, wraps
from pathlib import Path
from typing import Any, Final

from prometheus_client import Gauge

from novel_jupyter.server import clock as clocks
from novel_jupyter.server import live, sqlite_schema, sqlite_threads, store_sqlite
from novel_jupyter.server.connection import Connection, Flusher
from novel_jupyter.server.sqlite_threads import Writer

EVERYWHERE: Final = (
    "decide",  # commands were taken from the queue
    "append",  # they are decided; the store has not heard of it
    "appended",  # the store has it, the room does not know
    "broadcast",  # the room has moved on; nobody was told
    "told",  # the events are in the outboxes, the answers are not
    "answered",  # an answer is in its outbox
    "flushed",  # a part of the sockets got what waited
    "snapshot",  # a snapshot is about to be kept
)
IN_SQLITE: Final = (
    "begin",  # the transaction is about to begin
    "entries",  # … has begun, entries are about to be written
    "results",  # … has the entries, but not the answers
    "commit",  # … has everything and is about to be committed
    "committed",  # … is committed; the thread has told nobody
)
CARRYING: Final = (
    "carry",  # the write-ahead log is about to be carried over, beside commits or between two
    "carried",  # … has been
)
FEW_PAGES: Final = 60
"""In the log from which on it is carried over, where the process dies of that."""
_STATEMENTS: Final = {
    "BEGIN IMMEDIATE": "begin",
    "INSERT INTO entries": "entries",
    "INSERT INTO results": "results",
    "COMMIT": "commit",
    "PRAGMA wal_checkpoint": "carry",
}


SLOW: Final = 0.05
"""Seconds that a step takes in which the process will die: time enough for whatever was said too early to get
out.
"""


class Fuse:
    """Burns at the `at`-th time of `step`, from 1; never without a step."""

    def __init__(self, step: str | None, at: int) -> None:
        self._step, self._left = step, at
        self._lock = threading.Lock()

    def due(self, step: str) -> bool:
        """Whether this is the moment."""
        if step != self._step:
            return False
        with self._lock:
            self._left -= 1
            return self._left == 0

    def reach(self, step: str) -> None:
        """In the loop, which stands still: the end comes at once."""
        if self.due(step):
            os.kill(os.getpid(), signal.SIGKILL)

    def reach_in_thread(self, step: str) -> None:
        if self.due(step):
            time.sleep(SLOW)
            os.kill(os.getpid(), signal.SIGKILL)

    async def reach_in_task(self, step: str) -> None:
        if self.due(step):
            await asyncio.sleep(SLOW)
            os.kill(os.getpid(), signal.SIGKILL)


def install(
    step: str | None = None,
    at: int = 1,
    clock: str | None = None,
    busy_timeout: float | None = None,
) -> None:
    """`clock`: a file that says by how many seconds the wall clock is wrong. `busy_timeout` is SQLite's."""
    fuse = Fuse(step, at)
    _around_store(fuse)
    _around_broadcast(fuse)
    if clock is not None:
        _wrong_clock(Path(clock))
    settings: dict[str, Any] = {} if busy_timeout is None else {"busy_timeout": busy_timeout}
    if step in CARRYING:
        settings["checkpoint_pages"] = FEW_PAGES
    opened = store_sqlite.SqliteStore.open
    store_sqlite.SqliteStore.open = partial(opened, **settings)  # type: ignore[method-assign]
    tasks = Gauge("chaos_tasks", "Tasks of the server's loop")
    tasks.set_function(lambda: len(asyncio.all_tasks()))


def _around_store(fuse: Fuse) -> None:
    connect = sqlite_schema.connect

    def traced(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection = connect(*args, **kwargs)

        def step(statement: str) -> None:
            for words, name in _STATEMENTS.items():
                if statement.lstrip().startswith(words):
                    fuse.reach_in_thread(name)

        connection.set_trace_callback(step)
        return connection

    vars(store_sqlite)["connect"] = traced
    attempt = Writer._attempt

    @wraps(attempt)
    def attempted(self: Writer, batch: Any) -> Any:
        outcomes = attempt(self, batch)
        fuse.reach_in_thread("committed")
        return outcomes

    Writer._attempt = attempted  # type: ignore[method-assign]
    carry_over = sqlite_threads._carry_over

    def carried_over(connection: sqlite3.Connection) -> None:
        carry_over(connection)
        fuse.reach_in_thread("carried")

    sqlite_threads._carry_over = carried_over


def _around_task(owner: Any, name: str, fuse: Fuse, before: str, after: str = "") -> None:
    inner = getattr(owner, name)

    @wraps(inner)
    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        await fuse.reach_in_task(before)
        result = await inner(*args, **kwargs)
        await fuse.reach_in_task(after)
        return result

    setattr(owner, name, wrapped)


def _around(owner: Any, name: str, fuse: Fuse, before: str, after: str) -> None:
    inner = getattr(owner, name)

    @wraps(inner)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        fuse.reach(before)
        result = inner(*args, **kwargs)
        fuse.reach(after)
        return result

    setattr(owner, name, wrapped)


def _around_broadcast(fuse: Fuse) -> None:
    from novel_jupyter.server.store_redis import RedisStore

    for store in (store_sqlite.SqliteStore, RedisStore):
        _around_task(store, "append", fuse, "append", "appended")
        _around_task(store, "put_snapshot", fuse, "snapshot")
    _around_task(live.LiveRoom, "_decide", fuse, "decide")
    _around(live.LiveRoom, "_shown", fuse, "broadcast", "told")
    _around(live.LiveRoom, "_answer", fuse, "", "answered")
    flush = Flusher._flush

    @wraps(flush)
    def flushed(self: Flusher, waiting: Mapping[str, Connection]) -> None:
        half = list(waiting.values())[: len(waiting) // 2]
        for connection in half:
            Connection.flush(connection)
        if half:
            fuse.reach("flushed")
        flush(self, waiting)

    Flusher._flush = flushed  # type: ignore[method-assign]


def _wrong_clock(path: Path) -> None:
    """Everything in this process that reads the wall clock reads a wrong one; what is monotonic stays so."""
    right = time.time

    def wrong() -> float:
        return right() + float(path.read_text() or 0)

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Wrong:
            return cls.fromtimestamp(wrong(), tz or UTC)

    time.time = wrong
    vars(clocks)["datetime"] = Wrong
