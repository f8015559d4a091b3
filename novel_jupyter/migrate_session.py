"""One session from one store to another, and the proof that it arrived.

Law: both stores are spoken to through their port alone, a page at a time. What is there already is never
changed: a log is only continued, and only where it is the beginning of the same history. What came is read
again from the store that has it now and proved by hashes: the chain over every body, the hash of the state.
Parts: `Copied` (what came of it), `copy_session`, `Differs`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from novel_jupyter.core.canonical import chain, state_hash
from novel_jupyter.core.model import Head

from .server import archive
from .server.ports import (
    Append,
    Behind,
    Entry,
    LogTrimmed,
    Result,
    SessionInfo,
    SessionNotFound,
    Snapshot,
    Store,
)

PAGE: Final = 500
RESULTS_AT_ONCE: Final = 256
ATTEMPTS: Final = 5
"""How often a session is copied that changes meanwhile."""

Status = Literal["copied", "continued", "same", "differs", "changing", "failed"]
GOOD: Final[frozenset[Status]] = frozenset({"copied", "continued", "same"})


class Differs(Exception):
    """Both stores have a session of this id, and not the same one."""


class Moved(Exception):
    """The session changed while it was looked at."""


@dataclass(slots=True)
class Copied:
    """What was written, and whether all is well. `head` is where the session stands in both."""

    session_id: str
    status: Status
    reason: str = ""
    head: int = 0
    events: int = 0
    results: int = 0
    snapshots: int = 0

    @property
    def good(self) -> bool:
        return self.status in GOOD


async def copy_session(source: Store, target: Store, session_id: str, *, dry_run: bool = False) -> Copied:
    """Copy what `target` lacks, then prove that it has all. Raises StoreError but for what is told."""
    done = Copied(session_id, "same")
    for _ in range(ATTEMPTS):
        try:
            found = await _plan(source, target, session_id)
            done.head = found.sequence_id
            if done.status == "same" and found.status != "same":
                done.status = found.status
            if dry_run:
                done.events = found.sequence_id - found.start
                return done
            await _copy(source, target, found, done)
            await _prove(source, target, found.info)
            return done
        except Differs as error:
            done.status, done.reason = "differs", str(error)
            return done
        except SessionNotFound:
            done.status, done.reason = "failed", "there is no such session (any more)"
            return done
        except (Moved, LogTrimmed) as error:
            done.reason = str(error)
    still = (await source.head(session_id)).sequence_id == done.head
    done.status = "differs" if still else "changing"
    return done


# --- what is to be done


@dataclass(frozen=True, slots=True)
class _Plan:
    info: SessionInfo
    status: Status
    start: int
    """Where the target's log ends, or the floor on which it is to begin."""
    sequence_id: int
    floor: Snapshot | None


async def _plan(source: Store, target: Store, session_id: str) -> _Plan:
    info, head = await source.info(session_id), await source.head(session_id)
    try:
        there, known = await target.head(session_id), await target.info(session_id)
    except SessionNotFound:
        floor = await _floor(source, session_id)
        start = floor.head.sequence_id if floor else 0
        return _Plan(info, "copied", start, head.sequence_id, floor)
    if (known.salt, known.created_at) != (info.salt, info.created_at):
        raise Differs("another session has this id")
    if there.sequence_id > head.sequence_id and await _is_point(target, session_id, head):
        raise Differs(f"it went on there, to {there.sequence_id} from {head.sequence_id}")
    if not await _is_point(source, session_id, there):
        raise Differs("it has another history there")
    status: Status = "same" if there == head else "continued"
    return _Plan(info, status, there.sequence_id, head.sequence_id, None)


async def _floor(store: Store, session_id: str) -> Snapshot | None:
    """The snapshot on which the log begins; None for a log that has its beginning."""
    try:
        await store.read(session_id, 0, 1)
    except LogTrimmed as trimmed:
        found = await store.snapshot(session_id, trimmed.floor)
        if found is None or found.head.sequence_id != trimmed.floor:
            raise Moved("the log was trimmed meanwhile") from None
        return found
    return None


async def _is_point(store: Store, session_id: str, head: Head) -> bool:
    """Whether the log of the store passes through `head`, under whatever epoch."""
    at = head.sequence_id
    if at == 0:
        return head.hash == ""
    try:
        entries = await store.read(session_id, at - 1, 1)
    except LogTrimmed as trimmed:
        floor = await store.snapshot(session_id, at) if trimmed.floor == at else None
        return floor is not None and floor.head.hash == head.hash
    return bool(entries) and entries[0].hash == head.hash


# --- copying


async def _copy(source: Store, target: Store, plan: _Plan, done: Copied) -> None:
    id, at = plan.info.session_id, plan.start
    epoch = (await source.head(id)).epoch
    if plan.status == "copied":
        at = await _begin(source, target, plan, epoch)
        done.events += at - plan.start
    while entries := await source.read(id, at, PAGE):
        await _write(target, Append(id, await target.head(id), entries, epoch=epoch))
        at = entries[-1].sequence_id
        done.events += len(entries)
    head = await target.head(id)
    if head.epoch != epoch or not _same(plan.info, await target.info(id)):
        await _write(target, Append(id, head, info=plan.info, epoch=epoch))
    for principal, client_id in await source.clients(id):
        rows = await source.results(id, principal, client_id)
        missing = _missing(rows, await target.results(id, principal, client_id))
        for first in range(0, len(missing), RESULTS_AT_ONCE):
            part = missing[first : first + RESULTS_AT_ONCE]
            await _write(target, Append(id, await target.head(id), results=part))
            done.results += len(part)
    done.snapshots += await _copy_snapshots(source, target, id)


async def _begin(source: Store, target: Store, plan: _Plan, epoch: str) -> int:
    """Make the session in the target, with the first page of its log; returns where it stands."""
    entries: list[Entry] = await source.read(plan.info.session_id, plan.start, PAGE)
    start = Head(epoch, plan.start, plan.floor.head.hash if plan.floor else "")
    head = Head(epoch, entries[-1].sequence_id, entries[-1].hash) if entries else start
    floor = replace(plan.floor, head=start) if plan.floor else None
    await target.create(plan.info, head, entries, (), floor)
    return head.sequence_id


async def _write(target: Store, append: Append) -> None:
    outcome = await target.append(append)
    if isinstance(outcome, Behind):
        raise Differs("somebody else writes there")


def _missing(rows: list[Result], there: list[Result]) -> list[Result]:
    """Raises Differs."""
    known = {row.n: row for row in there}
    for row in rows:
        if known.get(row.n, row) != row:
            raise Differs(f"command {row.client_id}:{row.n} has another answer there")
    return [row for row in rows if row.n not in known]


async def _copy_snapshots(source: Store, target: Store, session_id: str) -> int:
    """Those that the source has, the newest first; how many the target lacked."""
    count, at = 0, None
    while (found := await source.snapshot(session_id, at)) is not None:
        number = found.head.sequence_id
        there = await target.snapshot(session_id, number)
        if there is not None and there.head.sequence_id == number:
            if at is None:
                return count  # the newest is there, and so are those that were worth it
        elif await target.put_snapshot(session_id, found.head, found.body):
            count += 1
        at = number - 1
        if at < 0:
            break
    return count


# --- proving


async def _prove(source: Store, target: Store, info: SessionInfo) -> None:
    """Raises Moved when the source went on, Differs when the target has not what it should."""
    id = info.session_id
    there = await target.head(id)
    await _prove_chain(target, info, there)
    for principal, client_id in await source.clients(id):
        rows = await source.results(id, principal, client_id)
        known = await target.results(id, principal, client_id)
        if rows and [row for row in known if row.n >= rows[0].n] != rows:
            raise Moved(f"answers to {client_id} differ")
    if not _same(await source.info(id), await target.info(id)):
        raise Moved("the listing data differ")
    ours, theirs = await archive.load(source, id, 1), await archive.load(target, id, 1)
    if (await source.head(id)) != there or ours.room.head != there:
        raise Moved(f"it went on beyond {there.sequence_id}")
    if theirs.room.head != there:
        raise Differs("somebody else writes there")
    if state_hash(ours.room.state) != state_hash(theirs.room.state):
        raise Differs("the state there is another one")


async def _prove_chain(target: Store, info: SessionInfo, head: Head) -> None:
    """Every body there leads to the next hash, up to the head."""
    floor = await _floor(target, info.session_id)
    at, hash = (floor.head.sequence_id, floor.head.hash) if floor else (0, "")
    while entries := await target.read(info.session_id, at, PAGE):
        for entry in entries:
            hash = chain(hash, entry.body, info.salt)
            if hash != entry.hash:
                raise Differs(f"event {entry.sequence_id} there does not follow on the one before")
        at = entries[-1].sequence_id
    if (at, hash) != (head.sequence_id, head.hash):
        raise Moved("it went on there")


def _same(one: SessionInfo, other: SessionInfo) -> bool:
    return replace(one, members=tuple(sorted(one.members))) == replace(
        other, members=tuple(sorted(other.members))
    )
