"""The store in a Redis (7.0 or later) or Valkey (8 or later): one, behind Sentinels, or a Cluster.

Law: the contract is S1 to S22 of `ports`. Every operation on a session is one script on its keys, which share
a slot; an append checks epoch, number and hash of the head (so a lease that another event ended is fenced off
with it) and the keys of its commands, writes everything, and announces. What is promised beyond that:

By default, what was acknowledged survives killed clients and a killed server, as far as the server's own
persistence goes (`appendonly yes`, `everysec`: all but the last second of a machine that loses power). A
failover is asynchronous and may lose the last moments; whoever is ahead then finds out by the hashes.
With `replicas` = n (strict) nothing is acknowledged, shown to readers or announced before n replicas of the
primary have it (WAIT); while fewer do, calls raise StoreUnavailable (unknown). Nothing that was acknowledged
is lost by a failover to a replica that has it, so n should be the number of replicas that may be promoted.
`min-replicas-to-write` in the server's own configuration makes a cut-off primary refuse instead.
A listing is gathered from rows beside the sessions, which are written before and removed after what they
list: a crash leaves rows too many, never too few, and what a listing shows is read from the sessions
themselves. (By default a failover, or a node of a Cluster that loses power, may lose a row: that session is
listed again with its next activity.)

Parts: `RedisStore`. Connections are in `redis_link`, scripts and the layout of the keys in `redis_scripts`
and `redis_queries`, records as bytes in `redis_records`, the listing in `redis_listing`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from novel_jupyter.core.model import Head

from . import redis_queries as queries
from . import redis_records as records
from .bus import Announcement
from .ports import (
    BEHIND_ENTRIES,
    READ_BYTES,
    RESULTS_KEPT,
    Append,
    Behind,
    Entry,
    LogTrimmed,
    Result,
    SessionExists,
    SessionInfo,
    SessionNotFound,
    SessionPage,
    Snapshot,
    StoreError,
    check_creation,
    check_entries,
    check_results,
    parse_cursor,
)
from .redis_address import RedisAddress
from .redis_link import RedisLink
from .redis_listing import Listing
from .redis_room import Room
from .redis_scripts import APPEND, CREATE
from .redis_wire import Script, channel, encode_announcement, key

BEHIND_BYTES: Final = 1024 * 1024

_READ: Final = "meta touch"
_APPEND: Final = "meta touch log clients recent oldest results"
_ALL: Final = f"{_APPEND} snaps"


class RedisStore:
    """A `Store`. Made by `open`; belongs to the event loop in which that ran. The bus shares its `link`."""

    def __init__(self, link: RedisLink, node: str, *, keep_entries: int = 0, room: int = 4096) -> None:
        """`node` is the id of this server, so that it is not told of its own appends; `keep_entries`: how
        many of a session's entries to keep (S19), 0 for all; `room`: operations that may be under way, the
        others wait. `close` closes the link.
        """
        self.link = link
        self._node, self._keep_entries = node, keep_entries
        self._strict = "1" if link.replicas else "0"
        self._room = Room(room)
        self._listing = Listing(link, self._infos)

    @classmethod
    async def open(
        cls,
        address: RedisAddress | str,
        *,
        node: str,
        replicas: int = 0,
        wait_timeout: float = 1.0,
        timeout: float = 2.0,
        keep_entries: int = 0,
    ) -> RedisStore:
        """As `RedisLink.open`. Raises ValueError (the URL), StoreUnavailable."""
        link = await RedisLink.open(address, replicas=replicas, wait_timeout=wait_timeout, timeout=timeout)
        return cls(link, node, keep_entries=keep_entries)

    async def create(
        self,
        info: SessionInfo,
        head: Head,
        entries: Sequence[Entry] = (),
        results: Sequence[Result] = (),
        snapshot: Snapshot | None = None,
    ) -> None:
        check_creation(head, entries, results, snapshot)
        keys = [key(info.session_id, part) for part in _ALL.split()]
        floor = snapshot.head if snapshot else Head(head.epoch, 0, "" if entries else head.hash)
        kept = (floor.sequence_id, records.pack_snapshot(floor.hash, snapshot.body)) if snapshot else ("", "")
        about = records.pack_born(info, head, floor)
        args = [self._strict, *kept, *records.pack_writes(entries, results, about)]
        async with self._room.seat():
            await self._listing.mark(info)
            if not await self._run(CREATE, keys, args):
                raise SessionExists(info.session_id)
            await self._listing.moved(info.session_id, None, records.listed(info))

    async def info(self, session_id: str) -> SessionInfo:
        async with self._room.seat():
            return await self._info(session_id)

    async def _info(self, session_id: str) -> SessionInfo:
        answer = await self._read(queries.LOOK, session_id, _READ, *records.INFO)
        return records.unpack_info(session_id, answer)

    async def _infos(self, session_ids: Sequence[str]) -> list[SessionInfo | None]:
        async def look(session_id: str) -> SessionInfo | None:
            try:
                return await self._info(session_id)
            except SessionNotFound:
                return None

        return await asyncio.gather(*map(look, session_ids))

    async def head(self, session_id: str) -> Head:
        async with self._room.seat():
            epoch, number, hash = await self._read(queries.LOOK, session_id, _READ, "epoch", "seq", "hash")
            return Head(epoch.decode(), int(number), hash.decode())

    async def ready(self, session_id: str) -> None:
        await self.link.ready(_keys(session_id, _APPEND)[0])

    async def append(self, append: Append) -> Head | Behind:
        check_entries(append.expected.sequence_id, append.entries)
        check_results(append.results)
        info = append.info
        if info is not None and info.session_id != append.session_id:
            raise ValueError("the listing data are another session's")
        keys, place = _keys(append.session_id, _APPEND), channel(append.session_id)
        before, head = append.expected, append.head
        told = encode_announcement(
            self._node, Announcement(head, tuple(append.entries), tuple(append.results))
        )
        args: list[records.Arg] = [
            *(self._strict, before.epoch, before.sequence_id, before.hash),
            *(head.epoch, head.sequence_id, head.hash, BEHIND_ENTRIES, BEHIND_BYTES),
            *(("", "") if self.link.replicas else (place, told)),
            *records.pack_writes(append.entries, append.results, records.pack_info(info) if info else ()),
        ]
        async with self._room.seat():
            if info is not None:
                await self._listing.mark(info)
            answer = await self._run(APPEND, keys, args)
            if answer == 0:
                raise SessionNotFound(append.session_id)
            if len(answer) > 2:
                if info is not None:
                    await self._unmark(info)
                return _behind(append, answer)
            if self.link.replicas:
                # Nobody hears of it before the replicas have it (S20).
                self.link.publish(place, told)
            if info is not None:
                before_it = records.unpack_listed(*answer)
                await self._listing.moved(append.session_id, before_it, records.listed(info))
            return head

    async def _unmark(self, info: SessionInfo) -> None:
        """Somebody else appended: the rows that were written for this one are not going to be true."""
        with suppress(StoreError):  # then whoever looks at the list takes them away
            await self._listing.unmark(info)

    async def read(self, session_id: str, after: int, limit: int) -> list[Entry]:
        if after < 0 or limit < 1:
            raise ValueError("after counts from 0, limit from 1")
        async with self._room.seat():
            answer = await self._read(queries.READ, session_id, f"{_READ} log", after, limit, READ_BYTES)
        if len(answer) == 1:
            raise LogTrimmed(int(answer[0]))
        return records.unpack_entries(after, *answer)

    async def results(self, session_id: str, principal: str, client_id: str) -> list[Result]:
        found: list[Result] = []
        field = b"".join(records.client(principal, client_id))
        more, cid, below = 1, b"", b""
        async with self._room.seat():
            while more and len(found) < RESULTS_KEPT:
                more, cid, lengths, blob = await self._read(
                    queries.RESULTS,
                    session_id,
                    f"{_READ} clients results",
                    *(field, cid, below, RESULTS_KEPT - len(found), READ_BYTES),
                )
                found += records.unpack_results(principal, client_id, lengths, blob)
                below = b"%016d" % found[-1].n if found else b""
        return found[::-1]

    async def clients(self, session_id: str) -> list[tuple[str, str]]:
        async with self._room.seat():
            answer = await self._read(queries.CLIENTS, session_id, f"{_READ} clients")
        return records.unpack_clients(*answer)

    async def put_snapshot(self, session_id: str, head: Head, body: bytes) -> bool:
        keys = _keys(session_id, f"{_READ} log snaps")
        record = records.pack_snapshot(head.hash, body)
        args: list[records.Arg] = [
            *(self._strict, head.sequence_id, head.hash, record, self._keep_entries),
        ]
        async with self._room.seat():
            answer: int = await self._run(queries.PUT_SNAPSHOT, keys, args, idempotent=True)
        if answer < 0:
            raise SessionNotFound(session_id)
        return answer == 1

    async def snapshot(self, session_id: str, at_or_before: int | None = None) -> Snapshot | None:
        at = "" if at_or_before is None else at_or_before
        async with self._room.seat():
            answer = await self._read(queries.SNAPSHOT, session_id, f"{_READ} snaps", at)
        return records.unpack_snapshot(*answer) if answer else None

    async def sessions(
        self, member: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> SessionPage:
        if limit < 1:
            raise ValueError("limit counts from 1")
        after = None if cursor is None else parse_cursor(cursor)
        async with self._room.seat():
            return await self._listing.page(member, limit, after)

    async def delete(self, session_id: str) -> None:
        keys = _keys(session_id, _ALL)
        async with self._room.seat():
            answer = await self._run(queries.DELETE, keys, [self._strict])
            if answer == 0:
                raise SessionNotFound(session_id)
            await self._listing.moved(session_id, records.unpack_listed(*answer), None)

    async def foreign(self) -> object | None:
        return None

    async def close(self) -> None:
        await self._room.close()
        await self.link.close()

    # --- asking

    async def _run(
        self,
        script: Script,
        keys: Sequence[str],
        args: Sequence[records.Arg],
        *,
        idempotent: bool = False,
    ) -> Any:
        return await self.link.script(script, keys, args, durable=True, idempotent=idempotent)

    async def _read(self, script: Script, session_id: str, parts: str, *args: records.Arg) -> Any:
        """The answer; in strict mode, what is read is what the replicas have. Raises SessionNotFound."""
        answer = await self._run(script, _keys(session_id, parts), [self._strict, *args], idempotent=True)
        if answer == 0:
            raise SessionNotFound(session_id)
        return answer


def _keys(session_id: str, parts: str) -> list[str]:
    try:
        return [key(session_id, part) for part in parts.split()]
    except ValueError:
        raise SessionNotFound(session_id) from None


def _behind(append: Append, answer: Sequence[Any]) -> Behind:
    epoch, number, hash, diverged, spent, lengths, blob = answer
    after = append.expected.sequence_id
    head = Head(epoch.decode(), int(number), hash.decode())
    keys = tuple(append.results[int(index) - 1].key for index in spent.split(b",") if index)
    if diverged:
        return Behind(head, complete=False, diverged=True, spent=keys)
    entries = tuple(records.unpack_entries(after, lengths, blob))
    return Behind(head, entries, complete=after + len(entries) == head.sequence_id, spent=keys)
