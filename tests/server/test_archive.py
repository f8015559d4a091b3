"""Loading is the fold of the log, however much of it a snapshot saves (SPEC R1)."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from server.inside import Inside, Listener
from server.test_recovery import losing

from novel_jupyter.core.draft import Room
from novel_jupyter.core.events import decode, fold
from novel_jupyter.core.merge import WriteIndex
from novel_jupyter.core.model import Head
from novel_jupyter.server import archive, snapshots
from novel_jupyter.server.ports import LogTrimmed, Snapshot, Store, StoreUnavailable
from novel_jupyter.server.session import Session
from novel_jupyter.server.store_sqlite import SqliteStore


@pytest.fixture(autouse=True)
def in_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots come after exactly as many events as a test says."""
    monkeypatch.setattr(snapshots, "SPREAD", 0.0)


def _entries(index: WriteIndex) -> list[str]:
    """What an index knows, in no order."""
    raw = json.loads(b"".join(index.dumped()))
    return sorted(map(repr, raw["entries"]))


async def _long(inside: Inside) -> Session:
    """A session with snapshots on its way."""
    session = await inside.session("alice")
    alice = Listener(inside, "alice")
    await alice.join(session)
    for n in range(35):
        await alice.ask(session, "story_update", inside.edit(session, f"/notes/n{n % 4}", n))
        await alice.ask(session, "story_update", {"kind": "chat", "text": f"word {n}"})
    await session.live.settled()
    return session


@pytest.mark.asyncio
async def test_a_load_is_the_fold_with_and_without_a_snapshot(tmp_path: Path) -> None:
    async with Inside.open(tmp_path, snapshot_every=20) as inside:
        session = await _long(inside)
        store, room = inside.hub.store, session.live.room
        found = await store.snapshot(session.id)
        assert found is not None
        assert 0 < room.head.sequence_id - found.head.sequence_id < 20 + 2
        whole = await archive.load(store, session.id, 10)
        loaded, info, recent = whole.room, whole.info, whole.recent
        assert (loaded.head, loaded.state, info.session_id) == (room.head, room.state, session.id)
        assert _entries(loaded.index) == _entries(room.index)
        assert loaded.size >= 0
        assert [event.sequence_id for event in recent][-1] == room.head.sequence_id
        assert len(recent) <= 10
        # One that was written before they were packed is read as it is.
        unpacked = zlib.decompress(await archive.folded(room))
        await store.put_snapshot(session.id, room.head, unpacked)
        whole = await archive.load(store, session.id, 10)
        assert (whole.room.state, whole.base.head) == (room.state, room.head)
        # One that cannot be read is passed over, and so is one that is none.
        torn = (await archive.folded(room))[:-5]
        for body in (b"", b"{", b"[]", b'{"state":{}}', b'{"state":{},"index":7,"size":0}', b"null", torn):
            await store.put_snapshot(session.id, room.head, body)
            again = (await archive.load(store, session.id, 10)).room
            assert again.state == room.state, body


@pytest.mark.asyncio
async def test_every_earlier_state_can_be_had(tmp_path: Path) -> None:
    async with Inside.open(tmp_path, snapshot_every=20) as inside:
        session = await _long(inside)
        store, room = inside.hub.store, session.live.room
        events = [decode(e.body, e.hash) for e in await store.read(session.id, 0, 1000)]
        assert fold({}, events) == room.state
        for at in (1, 5, 19, 20, 21, 40, len(events) - 1, len(events)):
            assert await archive.state_at(store, room, at) == fold({}, events[:at]), at
        behind = Room(room.session_id, room.salt, Head(room.head.epoch, 0, ""), {}, room.index, {})
        caught, missed = await archive.catch_up(store, behind)
        assert (caught.head, caught.state, len(missed)) == (room.head, room.state, len(events))


@pytest.mark.asyncio
async def test_a_trimmed_log_without_a_readable_snapshot_is_given_up(tmp_path: Path) -> None:
    """A newer version's snapshot, say: it is said, and the store is left in peace."""
    calls = 0

    class Unreadable:
        def __init__(self, store: Store) -> None:
            self._store = store

        def __getattr__(self, name: str) -> Any:
            return getattr(self._store, name)

        async def snapshot(self, *_: Any) -> Snapshot:
            return Snapshot(Head("e", 20, "h"), b'{"format": 2}')

        async def read(self, session_id: str, after: int, limit: int) -> Any:
            nonlocal calls
            calls += 1
            raise LogTrimmed(20)

    async with Inside.open(tmp_path) as inside:
        session = await inside.session("alice")
        store: Any = Unreadable(inside.hub.store)
        with pytest.raises(StoreUnavailable, match="no snapshot"):
            await archive.load(store, session.id, 100)
    assert calls <= 2 * archive.LOADS


@pytest.mark.asyncio
async def test_what_a_failover_interrupts_is_of_one_history(tmp_path: Path) -> None:
    """A snapshot of the lost history, and pages of the one that others went on with: never mixed."""
    async with losing(tmp_path, snapshot_every=20) as game:
        session_id, common = game.both.here.id, game.store
        await game.say("alice", "common")
        await game.heard()
        mark = common.mark()
        game.both.two.place.listeners[session_id].clear()  # neither server hears the other
        for n in range(25):
            await game.say("alice", f"lost {n}")
        await game.both.here.live.settled()

        class FailsOver:
            """After its snapshot was read, the store is another one."""

            def __init__(self) -> None:
                self.done = False

            def __getattr__(self, name: str) -> Any:
                return getattr(common, name)

            async def snapshot(self, *about: Any) -> Snapshot | None:
                found: Snapshot | None = await common.snapshot(*about)
                if not self.done:
                    self.done = True
                    lost.append(found)
                    await common.lose(mark)
                    for n in range(30):
                        await game.say("bob", f"bob {n}")
                return found

        lost: list[Snapshot | None] = []
        store: Any = FailsOver()
        loaded = await archive.load(store, session_id, 2000)
        assert lost[0] is not None
        assert lost[0].head.sequence_id >= 20
        head = await common.head(session_id)
        events = [decode(e.body, e.hash) for e in await common.read(session_id, 0, 1000)]
        assert (loaded.room.head, loaded.room.state) == (head, fold({}, events))
        assert [event.hash for event in loaded.recent] == [event.hash for event in events]

        class Stale:
            """Has the snapshot of the other history still."""

            def __getattr__(self, name: str) -> Any:
                return getattr(common, name)

            async def snapshot(self, _: str, at: int | None = None) -> Snapshot | None:
                fits = lost[0] is not None and (at is None or lost[0].head.sequence_id <= at)
                return lost[0] if fits else await common.snapshot(session_id, at)

        store = Stale()
        at = head.sequence_id - 1
        assert await archive.state_at(store, loaded.room, at) == fold({}, events[:at])
        assert (await archive.load(store, session_id, 10)).room.state == fold({}, events)


@pytest.mark.asyncio
async def test_an_older_snapshot_stands_in_for_one_that_cannot_be_read(tmp_path: Path) -> None:
    """The log has been trimmed meanwhile: without a snapshot there is no state."""
    async with Inside.open(tmp_path) as inside:
        session = await _long(inside)
        source, room = inside.hub.store, session.live.room
        entries = await source.read(session.id, 0, 1000)
        store = await SqliteStore.open(tmp_path / "trimmed.db", keep_entries=5)
        await store.create(await source.info(session.id), room.head, entries)
        then = await archive.state_at(source, room, 20)
        at_20 = replace(room, state=then, head=Head(room.head.epoch, 20, entries[19].hash))
        await archive.snapshot(store, at_20)
        await store.put_snapshot(session.id, room.head, b'{"format": 2}')
        with pytest.raises(LogTrimmed):
            await store.read(session.id, 0, 1)
        assert (await archive.load(store, session.id, 100)).room.state == room.state
        assert await archive.state_at(store, room, room.head.sequence_id) == room.state
        await store.close()
