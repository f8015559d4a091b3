"""All sessions of one server: loaded once, forgotten when nobody is there, ended together (SPEC R79)."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import time
import weakref
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
from server.inside import Inside, Listener

from novel_jupyter.core.errors import Refused
from novel_jupyter.core.limits import Bounds
from novel_jupyter.core.messages import Cursor
from novel_jupyter.core.model import DEFAULT_SETTINGS
from novel_jupyter.core.policy import Principal
from novel_jupyter.server.connection import Connection
from novel_jupyter.server.hub import ALONE_CALM, AT_ONCE
from novel_jupyter.server.looks import PATIENCE
from novel_jupyter.server.ports import Store
from novel_jupyter.server.session import Session


async def joined(inside: Inside) -> tuple[Session, Listener]:
    """A session with alice in it, and nothing left to do."""
    session = await inside.session("alice")
    alice = Listener(inside, "alice")
    await alice.join(session)
    await session.live.settled()
    return session, alice


@pytest.mark.asyncio
async def test_a_session_is_loaded_once_however_many_ask(tmp_path: Path) -> None:
    async with Inside.open(tmp_path, idle_timeout=0.0, presence_grace=0.0) as inside:
        session = await inside.session("alice")
        await inside.hub._every(time.monotonic())
        await session.live.settled()
        await inside.hub._every(time.monotonic())
        assert inside.hub.live(session.id) is None
        found = await asyncio.gather(*(inside.hub.session(session.id) for _ in range(20)))
        assert len(set(map(id, found))) == 1
        assert found[0] is not session
        assert inside.hub.all_live() == [found[0]]


@pytest.mark.asyncio
async def test_sessions_that_are_none_take_no_room(tmp_path: Path) -> None:
    async with Inside.open(tmp_path, bounds=Bounds(sessions=2)) as inside:
        for _ in range(5):
            with pytest.raises(Refused) as refused:
                await inside.hub.session("0" * 32)
            assert refused.value.code == "no_session"
        await inside.session("alice")
        await inside.session("alice")
        with pytest.raises(Refused) as full:
            await inside.session("alice")
        assert full.value.code == "too_many"
        assert len(inside.hub.all_live()) == 2


@pytest.mark.asyncio
async def test_a_story_that_is_too_large_for_a_session_is_refused(tmp_path: Path) -> None:
    async with Inside.open(tmp_path, bounds=Bounds(state_bytes=4096)) as inside:
        opening = inside.hub.stories.opening("lighthouse", None)
        with pytest.raises(Refused) as refused:
            await inside.hub.create(opening, Principal("alice", "Alice"), DEFAULT_SETTINGS, None)
        assert refused.value.code == "state_full"
        assert (await inside.hub.store.sessions()).sessions == ()


@pytest.mark.asyncio
async def test_the_end_is_told_and_what_was_asked_is_finished(tmp_path: Path) -> None:
    async with Inside.open(tmp_path) as inside:
        session = await inside.session("alice")
        alice = Listener(inside, "alice")
        await alice.join(session)
        replies: list[object] = []
        data = {"kind": "chat", "text": "last words"}
        session.live.ask(alice.asked(session, "story_update", data, replies.append))
        await inside.hub.drain()
        assert len(replies) == 1
        assert [m["data"]["text"] for m in alice.heard("chat")] == ["last words"]
        assert [m["data"]["reconnect_after"] for m in alice.heard("drain")] == [1.0]
        assert alice.code == 4001
    async with Inside.open(tmp_path) as again:
        loaded = await again.hub.session(session.id)
        assert loaded.live.room.state == session.live.room.state


@pytest.mark.asyncio
async def test_who_creates_too_fast_waits_alone(tmp_path: Path) -> None:
    async with Inside.open(tmp_path, creates_per_second=0.01, creates_burst=2.0) as inside:
        alice, bob = Principal("alice", "Alice"), Principal("bob", "Bob")
        inside.hub.may_create(alice)
        inside.hub.may_create(alice)
        with pytest.raises(Refused) as refused:
            inside.hub.may_create(alice)
        assert refused.value.code == "rate"
        assert 0 < float(str(refused.value.extra["retry_after"])) <= 100
        inside.hub.may_create(bob)


@pytest.mark.asyncio
async def test_time_goes_on_where_what_loads_late_cannot_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise ImportError("no jwt")

    monkeypatch.setattr("novel_jupyter.server.hub._prepare", missing)
    async with Inside.open(tmp_path, timer=0.01) as inside:
        ticked = asyncio.Event()

        async def tick(now: float) -> None:
            ticked.set()

        monkeypatch.setattr(inside.hub, "_every", tick)
        inside.hub.start()
        await asyncio.wait_for(ticked.wait(), 10)


@pytest.mark.asyncio
async def test_who_has_just_appended_does_not_look_at_the_store(tmp_path: Path) -> None:
    """R94: others' events are looked for where nothing was stored, which would have shown them."""
    looks: list[str] = []

    class Watched:
        def __init__(self, store: Store) -> None:
            self._store = store

        def __getattr__(self, name: str) -> Any:
            if name == "head":
                looks.append(name)
            return getattr(self._store, name)

    async with Inside.open(
        tmp_path, lambda store: cast(Store, Watched(store)), head_check=60.0, node_beat=0.0
    ) as inside:
        session, _ = await joined(inside)
        now = time.monotonic()
        looks.clear()
        await inside.hub._every(now + 59.0)
        await session.live.settled()
        assert looks == []
        await inside.hub._every(now + 61.0)
        await session.live.settled()
        assert looks == ["head"]


@pytest.mark.asyncio
async def test_nobody_looks_at_a_store_to_which_nobody_else_writes(tmp_path: Path) -> None:
    """S22: one question for all of them; a write by another program sends each to its own log."""
    patient: dict[str, Any] = {"pong_timeout": 1000.0, "idle_timeout": 1000.0}
    async with Inside.open(tmp_path, head_check=10.0, **patient) as inside:
        session, _ = await joined(inside)
        now, others = time.monotonic(), inside.hub._others
        others.every(now)
        assert others._asking is not None
        await others._asking
        looked = session.link._looked_at = time.monotonic()  # the first answer says nothing
        for n in range(1, 4):
            await inside.hub._every(now + 20.0 * n)
            assert others._asking is not None
            await others._asking
        assert session.link._looked_at == looked
        with closing(sqlite3.connect(tmp_path / "sessions.db")) as other, other:
            other.execute("UPDATE sessions SET title = 'Other'")
        await inside.hub._every(now + 80.0)
        await others._asking
        await inside.hub._every(now + 100.0)
        assert session.link._looked_at == now + 100.0


@pytest.mark.asyncio
async def test_a_session_in_which_nothing_is_due_is_looked_at_seldom(tmp_path: Path) -> None:
    async with Inside.open(tmp_path, presence_grace=0.0) as inside:
        session, alice = await joined(inside)
        now = time.monotonic()
        await inside.hub._every(now)
        await session.live.settled()
        await inside.hub._every(now)
        at = now + ALONE_CALM * inside.hub.config.timer
        assert session.look_at == at
        await inside.hub._every(now + 0.2)
        assert session.look_at == at
        data = {"kind": "chat", "text": "there is news"}
        session.live.ask(alice.asked(session, "story_update", data, lambda reply: None))
        await session.live.settled()
        assert session.look_at == 0.0
        await inside.hub._every(now + 0.3)
        assert session.look_at > at
        session.leave(alice.connection, at_once=False)
        assert session.look_at == 0.0


@pytest.mark.asyncio
async def test_the_timer_lets_others_run_between_connections(tmp_path: Path) -> None:
    """However many there are: what comes meanwhile waits for a few of them at most."""
    async with Inside.open(tmp_path) as inside:
        crowd = [Listener(inside, "alice" if n < 20 else f"p{n}", f"c{n}") for n in range(3 * AT_ONCE)]
        looking = asyncio.ensure_future(inside.hub._every(time.monotonic()))
        rounds = 0
        while not looking.done():
            await asyncio.sleep(0)
            rounds += 1
        assert rounds >= 3
        assert all(one.connection.look_at > 0 for one in crowd)
        # Nobody is looked at again before it is time.
        at = [one.connection.look_at for one in crowd]
        await inside.hub._every(time.monotonic())
        assert [one.connection.look_at for one in crowd] == at


@pytest.mark.asyncio
async def test_who_left_counts_once_and_is_not_kept(tmp_path: Path) -> None:
    """Whoever comes and goes in thousands would fill the memory until the timer came to them."""
    async with Inside.open(tmp_path) as inside:
        gone = Listener(inside, "alice")
        await inside.hub._every(time.monotonic())
        inside.hub.remove(gone.connection)
        inside.hub.remove(gone.connection)
        assert inside.hub._sweep._left == 1
        kept = weakref.ref(gone.connection)
        del gone
        gc.collect()
        assert kept() is None


@pytest.mark.asyncio
async def test_who_does_not_take_what_waits_is_looked_at_sooner(tmp_path: Path) -> None:
    async with Inside.open(tmp_path) as inside:
        slow = Listener(inside, "alice")
        now = time.monotonic()
        await inside.hub._every(now)
        planned = slow.connection.look_at
        assert planned > now + 2 * PATIENCE
        slow.busy = True
        slow.connection.durable(b"news")
        slow.connection.flush()
        assert slow.connection.look_at < planned
        stall = inside.hub.config.stall_timeout
        for second in range(int(stall) + 4):
            await inside.hub._every(now + PATIENCE + 1.0 + second)
        assert slow.code == 4002


@pytest.mark.asyncio
async def test_a_look_that_breaks_is_not_the_others_fault_nor_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Inside.open(tmp_path) as inside:
        one, two = Listener(inside, "alice"), Listener(inside, "bob")
        looked: list[str] = []

        def look_at(connection: Connection, now: float) -> None:
            looked.append(connection.id)
            raise ValueError("a fault of ours")

        monkeypatch.setattr(inside.hub, "_look_at", look_at)
        now = time.monotonic()
        await inside.hub._every(now)
        both = {one.connection.id, two.connection.id}
        assert set(looked) == both
        looked.clear()
        await inside.hub._every(now + inside.hub.config.pong_timeout)
        assert set(looked) == both


@pytest.mark.asyncio
async def test_a_session_is_looked_at_when_a_cursor_may_expire(tmp_path: Path) -> None:
    async with Inside.open(tmp_path, presence_grace=0.0) as inside:
        session, alice = await joined(inside)
        now = time.monotonic()
        await inside.hub._every(now)
        assert session.look_at > now
        session.cursor(alice.connection, Cursor(target="/scene/notes", position=3, typing=True))
        assert session.look_at == 0.0
        await inside.hub._every(now + 0.2)
        assert session.look_at == 0.0, "it has not yet expired"


@pytest.mark.asyncio
async def test_a_session_is_looked_at_while_its_store_is_away(tmp_path: Path) -> None:
    async with Inside.open(tmp_path, presence_grace=0.0) as inside:
        session, _ = await joined(inside)
        now = time.monotonic()
        await inside.hub._every(now + 0.4)
        assert session.look_at > now
        session.look_at, session.live.is_stale = 0.0, True
        await inside.hub._every(now + 0.6)
        assert session.look_at == 0.0
