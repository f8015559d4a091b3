"""Between a room and its store: loading, looking back, snapshots.

Law: the log is the truth and a snapshot only shortens its reading; a snapshot that cannot be read is passed
over. Where the store fails over to another history while one is read, the reading begins anew.
Parts: `load`, `catch_up`, `past`, `snapshot`, and what events and results are in the store's words.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from orjson import JSONDecodeError, dumps, loads
from pydantic_core import to_json

from novel_jupyter.core.canonical import chain
from novel_jupyter.core.draft import Draft, Past, Results, Room
from novel_jupyter.core.draft import Result as CoreResult
from novel_jupyter.core.events import Event, decode, fold
from novel_jupyter.core.history import Need
from novel_jupyter.core.merge import WriteIndex
from novel_jupyter.core.model import EVERYONE, Head, State
from novel_jupyter.core.views import rules_of

from .ports import (
    RESULTS_KEPT,
    Append,
    Entry,
    LogTrimmed,
    Result,
    SessionInfo,
    Store,
    StoreUnavailable,
    Unreadable,
)

PAGE = 1000
EDITS_KEPT = 256
LOADS = 8
"""How often a load begins anew because the log was trimmed, or became another one, meanwhile."""
SNAPSHOTS_TRIED = 4
"""Snapshots that are looked at, the newest first, for one that this version can read."""
PACKED = 1
"""zlib's level: the fastest."""
SLICE = 16 * 1024
"""Bytes of a fold that are packed in one go: others have their turn in between."""
REACH = 256
"""Events before a snapshot that are loaded with it."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A session as the store has it: the room at the head of its log, the latest events, and a room before
    them, on which more than the events kept may follow.
    """

    room: Room
    info: SessionInfo
    recent: list[Event]
    base: Room


class _Torn(Exception):
    """What was read is not of one history: the store failed over in between."""


async def load(store: Store, session_id: str, keep: int) -> Loaded:
    """A session with up to `keep` latest events. Raises SessionNotFound, StoreUnavailable."""
    floors: set[int] = set()
    unfit: set[str] = set()
    for _ in range(LOADS):
        try:
            return await _load(store, session_id, keep, unfit)
        except _Torn:
            continue
        except LogTrimmed as trimmed:
            # The snapshot that was read gave way to a newer one, once for each floor; else none can be read.
            if trimmed.floor in floors:
                raise Unreadable(f"no snapshot of session {session_id[:64]} can be read") from None
            floors.add(trimmed.floor)
    raise StoreUnavailable(f"session {session_id[:64]} changed while it was read", unknown=False)


async def _load(store: Store, session_id: str, keep: int, unfit: set[str]) -> Loaded:
    """Puts a snapshot on which the log does not follow into `unfit`: the next time it is passed over."""
    info = await store.info(session_id)
    head = await store.head(session_id)
    room = Room(session_id, info.salt, Head(head.epoch, 0, ""), {}, WriteIndex(), {})
    room = await _from_newest(store, room, None, unfit) or room
    base = room
    try:
        recent = await _before(store, room, min(REACH, keep))
        async for entries in _pages(store, session_id, room.head.sequence_id):
            if not follows(room, entries[0]):
                raise _Torn
            events = events_of(entries)
            room = room.after(events)
            recent = [*recent, *events][-keep:]
    except _Torn:
        if room is base:
            unfit.add(base.head.hash)
        raise
    return Loaded(room, info, recent, base)


async def _from_newest(store: Store, room: Room, at: int | None, unfit: Collection[str] = ()) -> Room | None:
    """The room as of the newest snapshot, not after `at`, that can be read and is not `unfit`."""
    for _ in range(SNAPSHOTS_TRIED):
        found = await store.snapshot(room.session_id, at)
        if found is None or (at is not None and found.head.sequence_id > at):
            return None
        then = None if found.head.hash in unfit else _from_snapshot(room, found.head, found.body)
        if then is not None:
            return then
        at = found.head.sequence_id - 1
    return None


async def _before(store: Store, room: Room, count: int) -> list[Event]:
    """Up to `count` events that led to the room: they tell its history from another."""
    at = room.head.sequence_id
    after = max(0, at - count)
    try:
        entries = await store.read(room.session_id, after, at - after) if at > after else []
    except LogTrimmed as trimmed:
        left = at - trimmed.floor
        entries = await store.read(room.session_id, trimmed.floor, left) if left > 0 else []
    # A page is bounded in bytes too: one that does not reach the room is of no use.
    if not entries or entries[-1].sequence_id != at:
        return []
    if entries[-1].hash != room.head.hash:
        raise _Torn
    return events_of(entries)


def _from_snapshot(room: Room, head: Head, body: bytes) -> Room | None:
    try:
        raw = loads(body if body.startswith(b"{") else zlib.decompress(body))  # earlier ones are as they were
        index = WriteIndex.from_json(raw["index"])
        return replace(room, head=head, state=raw["state"], index=index, size=raw["size"])
    except (JSONDecodeError, KeyError, TypeError, ValueError, zlib.error):
        return None


async def _pages(store: Store, session_id: str, after: int) -> AsyncIterator[list[Entry]]:
    while True:
        entries = await store.read(session_id, after, PAGE)
        if not entries:
            return
        yield entries
        after = entries[-1].sequence_id


async def catch_up(store: Store, room: Room) -> tuple[Room, list[Event]]:
    """The room after whatever the log has beyond it, and those events."""
    missed: list[Event] = []
    async for entries in _pages(store, room.session_id, room.head.sequence_id):
        events = events_of(entries)
        room = room.after(events)
        missed += events
    return room, missed


async def past(store: Store, room: Room, need: Need) -> Past:
    """The history that a command asked for. What is not there (any more) stays None, and the rules refuse."""
    try:
        return await _past(store, room, need)
    except LogTrimmed:
        return Past()


async def _past(store: Store, room: Room, need: Need) -> Past:
    if need.event is not None:
        entries = await store.read(room.session_id, need.event - 1, 1) if need.event > 0 else []
        return Past(event=decode(entries[0].body, entries[0].hash) if entries else None)
    at = need.state_at
    if at is None or not 0 < at <= room.head.sequence_id:
        return Past()
    return Past(state=await state_at(store, room, at), edits=await _edits_since(store, room, at))


async def state_at(store: Store, room: Room, at: int) -> State:
    """The state after event `at`, from the nearest snapshot before it.

    Raises LogTrimmed, StoreUnavailable.
    """
    unfit: set[str] = set()
    for _ in range(LOADS):
        then = replace(room, head=Head(room.head.epoch, 0, ""), state={}, index=WriteIndex())
        then = start = await _from_newest(store, then, at, unfit) or then
        try:
            return await _state_from(store, then, at)
        except _Torn:
            unfit.add(start.head.hash)
    raise StoreUnavailable("the session's history changed while it was read", unknown=False)


async def _state_from(store: Store, then: Room, at: int) -> State:
    state, head = then.state, then.head
    async for entries in _pages(store, then.session_id, head.sequence_id):
        if not follows(replace(then, head=head), entries[0]):
            raise _Torn
        events = events_of(entries)
        state = fold(state, (event for event in events if event.sequence_id <= at))
        head = Head(head.epoch, entries[-1].sequence_id, entries[-1].hash)
        if head.sequence_id >= at:
            break
    return state


async def _edits_since(store: Store, room: Room, at: int) -> tuple[int, ...]:
    """The latest edits after `at` whose undoing an undo would mean, at most EDITS_KEPT."""
    found: list[int] = []
    async for entries in _pages(store, room.session_id, max(at, room.head.sequence_id - 5 * PAGE)):
        found += [
            event.sequence_id
            for event in events_of(entries)
            # The list is public: that a hidden event is an edit is nobody else's business.
            if event.sequence_id > at and event.data["kind"] == "edit" and event.audience == EVERYONE
        ]
    return tuple(found[-EDITS_KEPT:])


async def snapshot(store: Store, room: Room) -> None:
    """Keep the room's fold, so that the next load is short."""
    await store.put_snapshot(room.session_id, room.head, await folded(room))


async def folded(room: Room) -> bytes:
    """The body of a snapshot. Packed: everybody who writes waits for what is written with them."""
    packer, packed, left = zlib.compressobj(PACKED), list[bytes](), SLICE
    for piece in _pieces(room):
        for start in range(0, len(piece), SLICE):
            part = piece[start : start + SLICE]
            packed.append(packer.compress(part))
            left -= len(part)
            if left <= 0:
                left = SLICE
                await asyncio.sleep(0)
    return b"".join([*packed, packer.flush()])


def _pieces(room: Room) -> Iterator[bytes]:
    """The fold as JSON. A room is a value: it may be taken piece by piece."""
    yield b'{"size":%d,"state":%b,"index":' % (room.size, dumps(room.state))
    yield from room.index.dumped()
    yield b"}"


async def results(store: Store, room: Room, principal: str, client_id: str) -> Results:
    """What the store keeps of one client's answers."""
    rows = await store.results(room.session_id, principal, client_id)
    found = Results.of(map(result_of, rows))
    if len(rows) >= RESULTS_KEPT:
        found.forgotten = rows[0].n - 1
    return found


def append_of(room: Room, events: list[Event], decided: list[CoreResult], info: SessionInfo | None) -> Append:
    """A draft's writes as the store wants them."""
    return Append(
        room.session_id,
        room.head,
        entries_of(events),
        [result_row(result) for result in decided],
        info,
    )


def listed(info: SessionInfo, state: State) -> SessionInfo:
    """The listing data as the state has them; when it was active last stays."""
    rules = rules_of(state)
    session, participants = rules["session"], rules["participants"]
    people = [(user, str(p["role"])) for user, p in participants.items()]
    return replace(
        info,
        status=session["status"],
        title=session["title"],
        members=tuple(sorted([*people, *((kernel, "host") for kernel in rules["host"]["admitted"])])),
        archived=session["status"] == "archived",
    )


_LISTED = ("session", "participants", "host")
"""The partitions that listing data are made of. What a patch does not touch stays the same object."""


def listing_after(info: SessionInfo, draft: Draft, now: str) -> SessionInfo | None:
    """The listing data, when this draft changes it."""
    # The listing is ordered by the minute; an event a second is no news to it.
    is_news = draft.events and now[:16] != info.last_activity[:16]
    before, after = draft.room.state, draft.state
    if not is_news and all(before[part] is after[part] for part in _LISTED):
        return None
    found = listed(info, after)
    return replace(found, last_activity=now) if is_news or found != info else None


def entries_of(events: Iterable[Event]) -> list[Entry]:
    return [Entry(event.sequence_id, event.hash, event.body) for event in events]


def events_of(entries: Iterable[Entry]) -> list[Event]:
    return [decode(entry.body, entry.hash) for entry in entries]


def result_row(result: CoreResult) -> Result:
    """A result as stores keep it."""
    # Not by orjson: what that returns keeps a buffer of 4 KB, and these are kept by the thousand.
    body = to_json([result.sequence_id, result.reply])
    return Result(result.principal, result.client_id, result.n, result.digest, body)


def result_of(row: Result) -> CoreResult:
    """A result as the rules know it."""
    sequence_id, reply = loads(row.body)
    return CoreResult(row.principal, row.client_id, row.n, row.digest, sequence_id, reply)


def follows(room: Room, entry: Entry) -> bool:
    """Whether `entry` is the next one of the room's own history."""
    chained = chain(room.head.hash, entry.body, room.salt)
    return entry.sequence_id == room.head.sequence_id + 1 and entry.hash == chained
