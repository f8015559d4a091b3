"""Loading is the fold of the log, however much of it a snapshot saves (SPEC R1)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from server.inside import Inside, Listener

from novel_jupyter.core.draft import Room
from novel_jupyter.core.events import decode, fold
from novel_jupyter.core.merge import WriteIndex
from novel_jupyter.core.model import Head
from novel_jupyter.server import archive
from novel_jupyter.server.ports import LogTrimmed, Snapshot, Store, StoreUnavailable
from novel_jupyter.server.session import Session


def _entries(index: WriteIndex) -> list[str]:
    """What an index knows, in no order."""
    raw: Any = index.to_json()
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
        # One that cannot be read is passed over, and so is one that is none.
        for body in (b"{", b"[]", b'{"state":{}}', b'{"state":{},"index":7,"size":0}', b"null"):
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
