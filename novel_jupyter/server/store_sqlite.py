"""The store in one SQLite file: what a laptop or one shared server needs, and nothing to start.

Law: the contract is S1 to S22 of `ports`. Beyond it: with `synchronous="FULL"` (the default) what was
acknowledged survives a power cut, with "NORMAL" only a killed process; several processes may use one file.
Parts: `SqliteStore`. The file and its versions are in `sqlite_schema`, the threads and the group commit in
`sqlite_threads`, appends in `sqlite_append`, everything else in `sqlite_queries`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from novel_jupyter.core.model import Head

from . import sqlite_queries as queries
from .bus import Announcement
from .pace import LEAST, Pace
from .ports import (
    Append,
    Behind,
    Entry,
    Result,
    SessionInfo,
    SessionPage,
    Snapshot,
    check_creation,
    check_entries,
    check_results,
    parse_cursor,
)
from .sqlite_schema import CHECKPOINT_PAGES, MIGRATIONS, Migration, Synchronous, connect
from .sqlite_threads import Carrier, Reader, Writer


class SqliteStore:
    """A `Store`. Made by `open`; belongs to the event loop in which that ran."""

    def __init__(
        self,
        writer: Writer,
        reader: Reader,
        carrier: Carrier,
        keep_entries: int = 0,
        announce: Callable[[str, Announcement], None] = lambda session_id, announcement: None,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._carrier = carrier
        self._keep_entries = keep_entries
        self._announce = announce

    @classmethod
    async def open(
        cls,
        path: Path | str,
        *,
        synchronous: Synchronous = "FULL",
        busy_timeout: float = 5.0,
        room: int = 1024,
        batch: int = 256,
        pace: float = LEAST,
        checkpoint_pages: int = CHECKPOINT_PAGES,
        switch_interval: float | None = 0.0005,
        migrations: Sequence[Migration] = MIGRATIONS,
        keep_entries: int = 0,
        announce: Callable[[str, Announcement], None] = lambda session_id, announcement: None,
    ) -> SqliteStore:
        """Open the file, or make it, and bring it to this version.

        `busy_timeout`: seconds to wait for another process; `room`: requests that may wait; `batch`: requests
        of one transaction; `pace`: seconds at least between the beginnings of two (see `Pace`);
        `checkpoint_pages`: pages after which the write-ahead log is carried over into the file.
        `switch_interval` is in seconds (None to leave it) and lowers the process's `sys.setswitchinterval`:
        beside an event loop without a pause, Python's 5 ms starve these threads. `keep_entries`: how many of
        a session's entries to keep (S19), 0 for all. `announce` is told of appends: `LocalBus.announce` (B2).
        Raises StoreIncompatible (newer version, another program's file), StoreUnavailable.
        """
        if switch_interval is not None:
            sys.setswitchinterval(min(switch_interval, sys.getswitchinterval()))
        settings = partial(connect, Path(path), synchronous=synchronous, busy_timeout=busy_timeout)
        carrier = Carrier(partial(settings, read_only=True), checkpoint_pages)
        opening = partial(settings, migrations=migrations)
        writer = Writer(opening, carrier, room=room, batch=batch, pace=Pace(pace))
        reader = Reader(partial(settings, read_only=True), room=room)
        store = cls(writer, reader, carrier, keep_entries, announce)
        try:
            await writer.run(lambda connection: None)
        except BaseException:
            await store.close()
            raise
        return store

    async def create(
        self,
        info: SessionInfo,
        head: Head,
        entries: Sequence[Entry] = (),
        results: Sequence[Result] = (),
        snapshot: Snapshot | None = None,
    ) -> None:
        check_creation(head, entries, results, snapshot)
        start = snapshot.head if snapshot else Head(head.epoch, 0, "" if entries else head.hash)
        append = Append(info.session_id, start, tuple(entries), tuple(results))
        await self._writer.run(partial(queries.create, info, head, append, snapshot))

    async def info(self, session_id: str) -> SessionInfo:
        return await self._reader.run(partial(queries.info, session_id))

    async def head(self, session_id: str) -> Head:
        return await self._reader.run(partial(queries.head, session_id))

    async def ready(self, session_id: str) -> None:
        await self._writer.ready()

    async def append(self, append: Append) -> Head | Behind:
        check_entries(append.expected.sequence_id, append.entries)
        check_results(append.results)
        if append.info is not None and append.info.session_id != append.session_id:
            raise ValueError("the listing data are another session's")
        outcome = await self._writer.append(append)
        if isinstance(outcome, Head):
            announcement = Announcement(outcome, tuple(append.entries), tuple(append.results))
            self._announce(append.session_id, announcement)
        return outcome

    async def read(self, session_id: str, after: int, limit: int) -> list[Entry]:
        if after < 0 or limit < 1:
            raise ValueError("after counts from 0, limit from 1")
        return await self._reader.run(partial(queries.read, session_id, after, limit))

    async def results(self, session_id: str, principal: str, client_id: str) -> list[Result]:
        return await self._reader.run(partial(queries.results, session_id, principal, client_id))

    async def clients(self, session_id: str) -> list[tuple[str, str]]:
        return await self._reader.run(partial(queries.clients, session_id))

    async def put_snapshot(self, session_id: str, head: Head, body: bytes) -> bool:
        job = partial(queries.put_snapshot, session_id, head, body, self._keep_entries)
        return await self._writer.run(job, len(body))

    async def snapshot(self, session_id: str, at_or_before: int | None = None) -> Snapshot | None:
        return await self._reader.run(partial(queries.snapshot, session_id, at_or_before))

    async def sessions(
        self, member: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> SessionPage:
        if limit < 1:
            raise ValueError("limit counts from 1")
        after = None if cursor is None else parse_cursor(cursor)
        return await self._reader.run(partial(queries.sessions, member, limit, after))

    async def delete(self, session_id: str) -> None:
        await self._writer.run(partial(queries.delete, session_id))

    async def foreign(self) -> object | None:
        return await self._writer.foreign()

    async def close(self) -> None:
        await self._writer.close()
        await self._carrier.close()
        await self._reader.close()
