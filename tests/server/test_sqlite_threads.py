"""The write-ahead log is carried over beside the commits, and begins anew."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path

import pytest

from novel_jupyter.server.sqlite_schema import AT_MOST_PAGES, CHECKPOINT_PAGES, connect
from novel_jupyter.server.sqlite_threads import Carrier, Writer

EVERY = 60
ROW = "INSERT INTO t (body) VALUES (zeroblob(3000))"


def in_log(path: Path) -> int:
    """Pages in the log. Those that are not in the file are carried over by this."""
    with closing(sqlite3.connect(path)) as connection:
        _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return int(pages)


class Busy:
    """A file into which one row after another is written, each in a commit of its own."""

    def __init__(self, path: Path, writer: Writer, carrier: Carrier) -> None:
        self.path, self.writer, self.carrier = path, writer, carrier

    async def rows(self, count: int) -> None:
        for _ in range(count):
            await self.writer.run(lambda connection: connection.execute(ROW))

    async def until(self, holds: Callable[[], bool]) -> int:
        """Write until something holds; how many rows that took."""
        count = 0
        while not holds():
            await self.rows(1)
            count += 1
            assert count < 5_000
        return count

    @property
    def log_bytes(self) -> int:
        return self.path.with_name(self.path.name + "-wal").stat().st_size


@asynccontextmanager
async def busy(tmp_path: Path, every: int = EVERY) -> AsyncIterator[Busy]:
    path = tmp_path / "sessions.db"
    settings = partial(connect, path, synchronous="NORMAL", busy_timeout=5.0)
    carrier = Carrier(partial(settings, read_only=True), every)
    writer = Writer(settings, carrier, room=10, batch=10)
    try:
        await writer.run(lambda connection: connection.execute("CREATE TABLE t (body BLOB)"))
        yield Busy(path, writer, carrier)
    finally:
        await writer.close()
        await carrier.close()


@pytest.mark.asyncio
async def test_what_was_written_is_carried_over_beside_the_commits_and_the_log_begins_anew(
    tmp_path: Path,
) -> None:
    async with busy(tmp_path) as file:
        await file.until(lambda: file.carrier._carrying is not None)
        carrying = file.carrier._carrying
        assert carrying is not None
        await asyncio.wrap_future(carrying)
        # The carrier has most of it, the writer takes the rest with its next round …
        await file.until(lambda: file.carrier._carrying is not carrying)
        await file.rows(1)
        assert in_log(file.path) < EVERY, "… and the one after that is at the beginning"


@pytest.mark.asyncio
async def test_a_log_does_not_grow_with_what_is_written(tmp_path: Path) -> None:
    async with busy(tmp_path) as file:
        sizes: list[int] = []
        for _ in range(20):
            await file.until(lambda: file.carrier._carrying is not None)
            sizes.append(file.log_bytes)
            carrying = file.carrier._carrying
            assert carrying is not None
            await asyncio.wrap_future(carrying)
        assert sizes[-1] < 2 * sizes[0], "of twenty times as much"
        assert sizes[-1] / 4096 < AT_MOST_PAGES / 50, "no commit has done it"


@pytest.mark.asyncio
async def test_a_reader_of_an_old_state_holds_the_log_and_nothing_else(tmp_path: Path) -> None:
    async with busy(tmp_path) as file:
        await file.rows(3)
        with closing(sqlite3.connect(file.path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            seen = reader.execute("SELECT count(*) FROM t").fetchone()
            await file.rows(200)
            long = in_log(file.path)
            assert long > 2 * EVERY, "it cannot begin anew"
            assert reader.execute("SELECT count(*) FROM t").fetchone() == seen
            reader.execute("COMMIT")
        await file.until(lambda: in_log(file.path) < EVERY)
        assert in_log(file.path) < long


@pytest.mark.asyncio
async def test_a_carrier_that_fails_costs_no_commit_and_tries_again(tmp_path: Path) -> None:
    tries: list[int] = []

    def no_disk() -> sqlite3.Connection:
        tries.append(1)
        raise sqlite3.OperationalError("disk I/O error")

    async with busy(tmp_path) as file:
        works, file.carrier._connect = file.carrier._connect, no_disk
        await file.until(lambda: len(tries) >= 2)
        file.carrier._connect = works
        await file.until(lambda: file.carrier._connection is not None)


@pytest.mark.asyncio
async def test_what_the_writer_cannot_carry_over_is_no_failure_of_what_it_committed(tmp_path: Path) -> None:
    async with busy(tmp_path, every=1) as file:

        def broken(connection: sqlite3.Connection, pages: int) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        file.carrier.wrote = broken  # type: ignore[method-assign]
        await file.rows(3)
        count = await file.writer.run(lambda c: c.execute("SELECT count(*) FROM t").fetchone()[0])
        assert count == 3


def test_a_commit_carries_over_only_what_the_carrier_has_left_for_long(tmp_path: Path) -> None:
    assert AT_MOST_PAGES >= 2 * CHECKPOINT_PAGES
    with closing(connect(tmp_path / "sessions.db", synchronous="NORMAL", busy_timeout=5.0)) as connection:
        assert connection.execute("PRAGMA wal_autocheckpoint").fetchone() == (AT_MOST_PAGES,)
