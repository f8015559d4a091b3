"""Where the store's history is not the room's: find out how, and lose nothing that was acknowledged.

Law: a head is a point of a history by its number and hash, since the hash chains all before it; the epoch
only names the history. So every case is told apart by looking, never by guessing what broke:

- the store has more, and it follows: another server was faster. Take it.
- the store has less, and the room's recent events follow on it: the store lost what it had acknowledged (a
  failover, an old file). Append them anew, with their results; nobody notices.
- the store knows no such session: it was emptied. Begin the session anew from memory, under a new epoch.
- the store has something else: after a loss others went on before us. Theirs is the history now, under a new
  epoch, and what was decided here and is not in it is decided again.

Several servers may do this at once; each step is one append or one creation, so one of them wins and the
others look again.
Parts: `Recovered`, `Memory` (what the room remembers), `reconcile`.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from novel_jupyter.core.draft import Room
from novel_jupyter.core.events import Event
from novel_jupyter.core.model import Head

from . import archive
from .journal import Journal, Made
from .ports import (
    Append,
    Behind,
    LogTrimmed,
    SessionExists,
    SessionInfo,
    SessionNotFound,
    Snapshot,
    Store,
    StoreUnavailable,
)
from .sync import Ring

ROUNDS = 32
TAIL_ENTRIES = 256

How = Literal["reappended", "restored", "forked", "skipped"]


@dataclass(slots=True)
class Memory:
    """The room as this server has it. `base` is an earlier room, after which `ring` has every event."""

    room: Room
    info: SessionInfo
    base: Room
    ring: Ring
    journal: Journal


@dataclass(slots=True)
class Recovered:
    """The room at the store's head. Without `loaded` it went on by `events`; with it, it is another one."""

    room: Room
    events: list[Event] = field(default_factory=list)
    loaded: archive.Loaded | None = None
    common: int = 0
    """With `loaded`: the last event that both histories have."""
    lost: list[Made] = field(default_factory=list)
    """What was decided here and is in no log any more."""
    how: list[How] = field(default_factory=list)
    count: int = 0
    """Events that the store did not have."""

    @property
    def session_id(self) -> str:
        return self.room.session_id


async def reconcile(store: Store, memory: Memory, keep: int) -> Recovered:
    """Make the room and the store agree. `keep`: events to keep when it is loaded anew.

    Raises StoreUnavailable.
    """
    found = Recovered(memory.room)
    for _ in range(ROUNDS):
        try:
            if await _step(store, memory, found, keep):
                return found
        except SessionNotFound:
            continue  # emptied between two looks
    raise StoreUnavailable("other servers were always faster", unknown=False)


async def _step(store: Store, memory: Memory, found: Recovered, keep: int) -> bool:
    """One look at the store, and what it asks for. True when both agree."""
    mine = found.room.head
    try:
        stored = await store.head(found.session_id)
    except SessionNotFound:
        await _restore(store, memory, found)
        return False
    if (stored.sequence_id, stored.hash) == (mine.sequence_id, mine.hash):
        found.room = replace(found.room, head=stored)
        return True
    if stored.sequence_id > mine.sequence_id:
        if not await _go_on(store, found):
            await _adopt(store, memory, found, keep)
            return False
        # As far as the look went: others who write without a pause must not keep this one from going on.
        found.room = replace(found.room, head=replace(found.room.head, epoch=stored.epoch))
        return found.room.head.sequence_id >= stored.sequence_id
    tail = _tail(memory, found, stored)
    if tail is None:
        await _adopt(store, memory, found, keep)
    else:
        await _append_anew(store, memory, found, stored, tail)
    return False


async def _go_on(store: Store, found: Recovered) -> bool:
    """Take what the log has beyond the room. False when it does not follow."""
    try:
        entries = await store.read(found.session_id, found.room.head.sequence_id, archive.PAGE)
    except LogTrimmed:
        return False
    if not entries:
        return True
    if not archive.follows(found.room, entries[0]):
        return False
    events = archive.events_of(entries)
    found.room = found.room.after(events)
    found.events += events
    return True


def _tail(memory: Memory, found: Recovered, stored: Head) -> list[Event] | None:
    """The events that the store lost after `stored`, or None where that is no point of our history."""
    if found.loaded is not None:
        return None
    known = [event for event in found.events if event.sequence_id > memory.room.head.sequence_id]
    recent = memory.ring.after(stored.sequence_id)
    if recent is None:
        return None
    ours = memory.ring.hash_at(stored.sequence_id)
    if stored.sequence_id == memory.base.head.sequence_id:
        ours = memory.base.head.hash
    return [*recent, *known] if ours == stored.hash else None


async def _append_anew(
    store: Store, memory: Memory, found: Recovered, stored: Head, tail: Sequence[Event]
) -> None:
    part = tail[:TAIL_ENTRIES]
    spent = set[tuple[str, str, int]]()
    for _ in range(2):
        results = memory.journal.results_from(stored.sequence_id, part, spent)
        if len(part) < len(tail):
            last = part[-1].sequence_id
            results = [r for r in results if archive.result_of(r).sequence_id <= last]
        append = Append(found.session_id, stored, archive.entries_of(part), results, memory.info)
        outcome = await store.append(append)
        if isinstance(outcome, Head):
            found.count += len(part)
            found.how.append("reappended")
            return
        if not outcome.spent or outcome.head != stored:
            return  # somebody else was here: look again
        spent.update(outcome.spent)


async def _restore(store: Store, memory: Memory, found: Recovered) -> None:
    """Begin the session anew from memory. Whoever has more of it appends that afterwards."""
    room, base = memory.room, memory.base
    recent = memory.ring.after(base.head.sequence_id)
    if recent is None or not room.state:
        base, recent = room, []
    epoch = secrets.token_hex(8)
    results = memory.journal.results_from(0, recent, ())
    entries = archive.entries_of(recent)
    snapshot = Snapshot(replace(base.head, epoch=epoch), await archive.folded(base))
    try:
        await store.create(memory.info, replace(room.head, epoch=epoch), entries, results, snapshot)
    except SessionExists:
        return
    found.room, found.events, found.loaded = room, [], None
    found.how.append("restored")
    found.count += room.head.sequence_id


async def _adopt(store: Store, memory: Memory, found: Recovered, keep: int) -> None:
    """Take the store's history for the session's, and say so with a new epoch."""
    loaded = await archive.load(store, found.session_id, keep)
    head = loaded.room.head
    common = await _common_point(store, memory, head)
    if common is not None and head.epoch == memory.room.head.epoch:
        renamed = await store.append(Append(found.session_id, head, epoch=secrets.token_hex(8)))
        if isinstance(renamed, Behind):
            return
        head = renamed
    found.loaded = replace(loaded, room=replace(loaded.room, head=head))
    found.room, found.events = found.loaded.room, []
    found.common = common or 0
    found.lost = [] if common is None else memory.journal.made_after(common)
    found.count = 0 if common is None else memory.room.head.sequence_id - common
    found.how.append("skipped" if common is None else "forked")


async def _common_point(store: Store, memory: Memory, stored: Head) -> int | None:
    """The last event that both histories have; None when ours ended long before what is kept of theirs."""
    after = memory.ring.first - 1
    try:
        theirs = await store.read(memory.room.session_id, after, archive.PAGE)
    except LogTrimmed as trimmed:
        if trimmed.floor >= memory.room.head.sequence_id:
            return None
        after = trimmed.floor
        theirs = await store.read(memory.room.session_id, after, archive.PAGE)
    common = min(after, stored.sequence_id)
    for entry in theirs:
        if memory.ring.hash_at(entry.sequence_id) != entry.hash:
            break
        common = entry.sequence_id
    return common
