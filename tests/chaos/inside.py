"""What runs inside a server that is to be broken, beside the product, which knows nothing of it.

Law: nothing of this ships. The server's configuration file calls `install`, which hangs itself around the
store, the broadcast and the clock, and counts: at the n-th time of one step the process sends itself SIGKILL.
What the product does between two steps is untouched.
Parts: `EVERYWHERE` and `IN_SQLITE` (where a server can die, in the order of one command), `install`, the
clock, the gauges.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from functools import partial, wraps
from pathlib import Path
from typing import Any, Final

from prometheus_client import Gauge

from novel_jupyter.server import hub, live, sqlite_schema, store_sqlite
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
_STATEMENTS: Final = {
    "BEGIN IMMEDIATE": "begin",
    "INSERT INTO entries": "entries",
    "INSERT INTO results": "results",
    "COMMIT": "commit",
}


class Fuse:
    """Burns at the `at`-th time of `step`, from 1; never without a step."""

    def __init__(self, step: str | None, at: int) -> None:
        self._step, self._left = step, at
        self._lock = threading.Lock()

    def reach(self, step: str) -> None:
        if step != self._step:
            return
        with self._lock:
            self._left -= 1
            if self._left == 0:
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
    if busy_timeout is not None:
        opened = store_sqlite.SqliteStore.open
        store_sqlite.SqliteStore.open = partial(opened, busy_timeout=busy_timeout)  # type: ignore[method-assign]
    tasks = Gauge("chaos_tasks", "Tasks of the server's loop")
    tasks.set_function(lambda: len(asyncio.all_tasks()))


def _around_store(fuse: Fuse) -> None:
    connect = sqlite_schema.connect

    def traced(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection = connect(*args, **kwargs)

        def step(statement: str) -> None:
            for words, name in _STATEMENTS.items():
                if statement.lstrip().startswith(words):
                    fuse.reach(name)

        connection.set_trace_callback(step)
        return connection

    vars(store_sqlite)["connect"] = traced
    attempt = Writer._attempt

    @wraps(attempt)
    def attempted(self: Writer, batch: Any) -> Any:
        outcomes = attempt(self, batch)
        fuse.reach("committed")
        return outcomes

    Writer._attempt = attempted  # type: ignore[method-assign]


def _around(owner: Any, name: str, before: Callable[[], None], after: Callable[[], None]) -> None:
    inner = getattr(owner, name)
    if asyncio.iscoroutinefunction(inner):

        @wraps(inner)
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            before()
            result = await inner(*args, **kwargs)
            after()
            return result
    else:

        @wraps(inner)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            before()
            result = inner(*args, **kwargs)
            after()
            return result

    setattr(owner, name, wrapped)


def _around_broadcast(fuse: Fuse) -> None:
    from novel_jupyter.server.store_redis import RedisStore

    def at(step: str) -> Callable[[], None]:
        return partial(fuse.reach, step)

    def nothing() -> None:
        pass

    for store in (store_sqlite.SqliteStore, RedisStore):
        _around(store, "append", at("append"), at("appended"))
        _around(store, "put_snapshot", at("snapshot"), nothing)
    _around(live.LiveRoom, "_decide", at("decide"), nothing)
    _around(live.LiveRoom, "_shown", at("broadcast"), at("told"))
    _around(live.LiveRoom, "_answer", nothing, at("answered"))
    flush = Flusher._flush

    @wraps(flush)
    def flushed(self: Flusher) -> None:
        half = list(self._waiting.values())[: len(self._waiting) // 2]
        for connection in half:
            Connection.flush(connection)
        if half:
            fuse.reach("flushed")
        flush(self)

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
    vars(hub)["datetime"] = Wrong
