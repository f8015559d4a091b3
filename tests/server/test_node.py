"""A store that is away is told to those who are without it, once, and so is its return."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from server.inside import Inside, Listener
from server.pairs import until
from server.test_again import Failing

from novel_jupyter.server.ports import StoreUnavailable

pytestmark = pytest.mark.asyncio


async def test_one_sessions_trouble_is_told_once(tmp_path: Path) -> None:
    """Not with every beat, away and back; and only to those who are in it."""
    bad: set[str] = set()
    quick: dict[str, Any] = {"node_beat": 0.05, "head_check": 0.05}
    async with Inside.open(tmp_path, lambda store: Failing(store, bad.__contains__), **quick) as inside:
        one, other = await inside.session("alice"), await inside.session("bob")
        alice, bob = Listener(inside, "alice"), Listener(inside, "bob")
        await alice.join(one)
        await bob.join(other)
        inside.hub.start()
        bad.add(one.id)
        await until(lambda: not inside.hub.node.store_available)
        beat = inside.hub.node._beat_at
        await until(lambda: inside.hub.node._beat_at > beat + 0.5)
        alice.flush()
        assert [m["data"]["available"] for m in alice.heard("store")] == [False]
        bad.clear()
        await until(lambda: inside.hub.node.store_available)
        alice.flush()
        bob.flush()
        assert [m["data"]["available"] for m in alice.heard("store")] == [False, True]
        assert bob.heard("store") == []


async def test_who_comes_into_a_session_without_a_store_or_leaves_it_hears_so(tmp_path: Path) -> None:
    async with Inside.open(tmp_path, node_beat=3600.0) as inside:
        session, node = await inside.session("alice"), inside.hub.node
        alice = Listener(inside, "alice")
        node.store_is(session.id, False)
        await alice.join(session)
        node.every(time.monotonic())
        session.leave(alice.connection)
        node.every(time.monotonic())
        node.store_is("", False)
        node.greet(alice.connection)  # another welcome: what was told before counts no more
        node.store_is("", True)
        alice.flush()
        assert [m["data"]["available"] for m in alice.heard("store")] == [False, True, False, False, True]


async def test_a_session_that_left_memory_without_its_store_does_not_count_for_ever(tmp_path: Path) -> None:
    bad: set[str] = set()
    async with Inside.open(tmp_path, lambda store: Failing(store, bad.__contains__)) as inside:
        session = await inside.session("alice")
        await session.live.settled()
        close, said = session.close, list[bool]()

        async def closes() -> None:
            session.live.look()
            await session.live.settled()
            said.append(inside.hub.node.store_available)
            await close()

        session.close = closes  # type: ignore[method-assign]
        bad.add(session.id)
        inside.hub._drop(session)
        await until(lambda: not inside.hub._closing)
        assert said == [False], "its last look failed"
        assert inside.hub.node.store_available
        inside.hub.node.store_is(session.id, False)  # as a load's own look says it
        with pytest.raises(StoreUnavailable):
            await inside.hub.session(session.id)
        assert inside.hub.node.store_available
