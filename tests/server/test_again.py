"""What was lost or went wrong at a bad moment is made good: two servers, one session, a store that fails.

Law: two hubs over one store (`pairs`); what is made up is when the store or a note is late.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from server.inside import Inside, Listener
from server.pairs import pair, until
from server.test_recovery import losing

from novel_jupyter.core.messages import Cursor
from novel_jupyter.core.views import rules_of
from novel_jupyter.server import again, live
from novel_jupyter.server.ports import Append, Store, StoreUnavailable

pytestmark = pytest.mark.asyncio


class Failing:
    """Stands before a store and fails while `away` says so of a session."""

    def __init__(self, store: Store, away: Callable[[str], bool]) -> None:
        self._store, self._away = store, away

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._store, name)
        if name not in ("head", "read", "append", "results"):
            return real

        async def asked(about: Any, *more: Any) -> Any:
            if self._away(getattr(about, "session_id", about)):
                raise StoreUnavailable("away", unknown=False)
            return await real(about, *more)

        return asked


async def test_what_was_lost_is_decided_again_even_if_the_store_fails_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R93: only a decision ends it."""
    monkeypatch.setattr(again, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(live, "RETRY_SECONDS", 0.01)
    async with losing(tmp_path) as game:
        both = game.both
        await game.say("alice", "common")
        await game.heard()
        mark = game.store.mark()
        deaf = both.two.place.listeners[both.here.id].pop(both.two.hub.bus.node)
        await game.say("alice", "acknowledged")
        both.two.place.listeners[both.here.id][both.two.hub.bus.node] = deaf
        await game.store.lose(mark)
        await game.say("bob", "bob, first")
        store: Any = both.here.live._store
        real, failed = store._common.append, [0]

        async def append(wanted: Append) -> Any:
            if wanted.entries and b"acknowledged" in wanted.entries[-1].body and failed[0] < 2 * live.TRIES:
                failed[0] += 1
                raise StoreUnavailable("away again", unknown=False)
            return await real(wanted)

        store._common.append = append
        both.here.live.look()
        await until(lambda: failed[0] == 2 * live.TRIES)
        await until(lambda: not both.here.live._again._waiting and not both.here.live.busy)
        await game.agree()
        assert await game.texts() == ["common", "bob, first", "acknowledged"]
        assert both.heard(both.alice, "error") == []


async def test_a_late_note_does_not_end_the_connection_that_came_after_it(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        late: list[tuple[str, bytes]] = []
        bus, real = both.one.hub.bus, both.one.hub.bus.publish

        def publish(session_id: str, note: bytes) -> None:
            late.append((session_id, note)) if b'"joined"' in note else real(session_id, note)

        bus.publish = publish  # type: ignore[method-assign]
        old = Listener(both.one, "carol", "tab")
        await old.join(both.here)
        both.here.leave(old.connection, at_once=False)
        new = Listener(both.two, "carol", "tab")
        await new.join(both.there)
        assert late
        for said in late:
            real(*said)
        await both.alice.ask(both.here, "story_update", {"kind": "chat", "text": "the notes have come"})
        await until(lambda: both.here.live.head == both.there.live.head)
        assert new.code is None


async def test_the_listing_forgets_who_was_removed_at_another_server(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        carol = Listener(both.two, "carol")
        await carol.join(both.there)
        await until(lambda: both.here.live.head == both.there.live.head)
        out = {"kind": "set_role", "target": "carol", "role": None}
        assert (await both.alice.ask(both.here, "system_message", out)).data["kind"] == "ack"
        info = await both.one.hub.store.info(both.here.id)
        assert [user for user, _ in info.members] == ["alice", "bob"]
        assert (await both.one.hub.store.sessions("carol")).sessions == ()


async def test_a_leave_is_said_once_though_an_old_row_is_read_after_it(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        carol = Listener(both.one, "carol")
        await carol.join(both.here)
        await until(lambda: "carol" in both.there.whereabouts.users())
        row = both.here.whereabouts.row()
        assert row is not None
        both.bob.flush()
        both.bob.messages.clear()
        both.here.leave(carol.connection)
        await until(lambda: "carol" not in both.there.whereabouts.users())
        both.there.whereabouts.others([row])
        both.there.expire()
        assert "carol" not in both.there.whereabouts.users()
        assert len(both.heard(both.bob, "left")) == 1
        assert both.heard(both.bob, "arrived") == []


async def test_many_long_cursors_hide_nobodys(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        crowd = [Listener(both.one, "mallory", f"m{n}") for n in range(32)]
        for one in crowd:
            await one.join(both.here)
        for one in crowd:
            both.here.cursor(one.connection, Cursor(target="/" + "\U0001f600" * 1000, position=1))
        both.here.cursor(both.alice.connection, Cursor(target="/scene/text", position=7))

        def seen() -> object:
            both.flush()
            return [c for c in both.bob.replica_cursors().values() if c["position"] == 7]

        await until(seen)


async def test_what_follows_from_an_absence_follows_once_the_store_is_back(tmp_path: Path) -> None:
    """Somebody leaves while the store is away: the turn does not go on waiting for them."""
    away = [False]
    quick: dict[str, Any] = {"presence_grace": 0.1, "node_beat": 0.05, "head_check": 0.05}
    async with Inside.open(tmp_path, lambda store: Failing(store, lambda _: away[0]), **quick) as inside:
        session = await inside.session("alice", turn_policy="round")
        alice, bob = Listener(inside, "alice"), Listener(inside, "bob")
        for listener, character in ((alice, "mara"), (bob, "tomas")):
            await listener.join(session)
            await listener.ask(session, "agent_action", {"kind": "claim", "character": character})
        inside.hub.start()
        act = {"kind": "propose", "character": "mara", "action": {"kind": "observe"}}
        await alice.ask(session, "agent_action", act)
        await alice.ask(session, "agent_action", {"kind": "ready", "character": "mara"})
        assert rules_of(session.live.room.state)["turn"]["phase"] == "collect"
        away[0] = True
        inside.hub.remove(bob.connection)
        await until(lambda: "bob" not in session.whereabouts.users() and session._tick_missed)
        away[0] = False
        await until(lambda: rules_of(session.live.room.state)["turn"]["phase"] == "locked")


async def test_one_sessions_trouble_is_told_once(tmp_path: Path) -> None:
    """Not with every beat, away and back."""
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
        bob.flush()
        assert [m["data"]["available"] for m in bob.heard("store")] == [False]
        bad.clear()
        await until(lambda: inside.hub.node.store_available)
        bob.flush()
        assert [m["data"]["available"] for m in bob.heard("store")] == [False, True]
