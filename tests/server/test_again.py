"""What was lost or went wrong at a bad moment is made good: two servers, one session, a store that fails.

Law: two hubs over one store (`pairs`); what is made up is when the store or a note is late.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from server.inside import Inside, Listener, principal
from server.pairs import pair, until
from server.test_recovery import Losing, losing

from novel_jupyter.core.errors import Refused
from novel_jupyter.core.incoming import parse
from novel_jupyter.core.messages import JoinSession
from novel_jupyter.core.room import Reply
from novel_jupyter.core.views import rules_of
from novel_jupyter.server import again, live
from novel_jupyter.server.again import Asked
from novel_jupyter.server.journal import Made
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


async def _lose(game: Losing, what: Callable[[], Awaitable[object]], wins: str = "bob, first") -> None:
    """What happens at one server is lost, and the other goes on without it."""
    both = game.both
    await game.say("alice", "common")
    await game.heard()
    mark, listeners, node = game.store.mark(), both.two.place.listeners[both.here.id], both.two.hub.bus.node
    deaf = listeners.pop(node)
    await what()
    listeners[node] = deaf
    await game.store.lose(mark)
    await game.say("bob", wins)


async def test_who_joined_in_the_lost_part_is_in_again_before_what_they_said(tmp_path: Path) -> None:
    async with losing(tmp_path) as game:
        here, carol = game.both.here, Listener(game.both.one, "carol")

        async def comes_and_speaks() -> None:
            await carol.join(here)
            await carol.ask(here, "story_update", {"kind": "chat", "text": "carol, acknowledged"})

        await _lose(game, comes_and_speaks)
        await game.agree()
        assert await game.texts() == ["common", "bob, first", "carol, acknowledged"]
        assert "carol" in rules_of(here.live.room.state)["participants"]
        carol.flush()
        assert carol.heard("error") == []


async def test_who_cannot_be_let_in_again_just_now_is_asked_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(again, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(live, "RETRY_SECONDS", 0.01)
    async with losing(tmp_path) as game:
        here, carol = game.both.here, Listener(game.both.one, "carol")
        await _lose(game, lambda: carol.join(here))
        store: Any = here.live._store
        real, failed = store._common.append, [0]

        async def append(wanted: Append) -> Any:
            if wanted.entries and failed[0] < live.TRIES:
                failed[0] += 1
                raise StoreUnavailable("away again", unknown=False)
            return await real(wanted)

        store._common.append = append
        here.live.look()
        await until(lambda: failed[0] == live.TRIES)
        await until(lambda: "carol" in rules_of(here.live.room.state)["participants"])
        await game.agree()
        carol.flush()
        assert here.subscribers.get(carol.connection.id) is not None
        assert (carol.code, carol.heard("error")) == (None, [])


async def test_an_edit_that_was_lost_does_not_overwrite_what_its_author_never_saw(tmp_path: Path) -> None:
    """Its base is a number of the lost history: what has that number now is another event."""
    async with losing(tmp_path) as game:
        both = game.both
        sent: list[dict[str, Any]] = []

        async def edits() -> None:
            for n in range(3):
                await game.say("alice", f"alice {n}")
            sent.append(both.one.edit(both.here, "/scene/mood", "alice's"))
            reply = await both.alice.ask(both.here, "story_update", sent[0], id="page:9")
            assert reply.data["kind"] == "ack"

        await _lose(game, edits)
        theirs = both.two.edit(both.there, "/scene/mood", "bob's")
        theirs_at = (await both.bob.ask(both.there, "story_update", theirs)).sequence_id
        assert theirs_at <= sent[0]["base"], "as the numbers say, alice knew bob's edit"
        await game.agree()
        state: Any = both.here.live.room.state
        (record,) = state["conflicts"].values()
        assert {state["scene"]["mood"], record["lost"]} == {"alice's", "bob's"}
        repeated = await both.alice.ask(both.here, "story_update", sent[0], id="page:9")
        assert repeated.data == {"kind": "ack", "outcome": "conflicted"}, "its content is still the same"


async def test_what_names_an_event_of_the_lost_history_is_told_to_be_lost(tmp_path: Path) -> None:
    async with losing(tmp_path) as game:
        both = game.both

        async def restores() -> None:
            edit = both.one.edit(both.here, "/scene/mood", "alice's")
            made = await both.alice.ask(both.here, "story_update", edit)
            restore = {"kind": "restore_edit", "sequence_id": made.sequence_id}
            reply = await both.alice.ask(both.here, "story_update", restore, id="page:9")
            assert reply.data["kind"] == "ack"

        await _lose(game, restores)
        await game.agree()
        (told,) = both.heard(both.alice, "error")
        assert (told["id"], told["data"]["code"], told["data"]["reason"]) == ("page:9", "lost", "lost")
        edits = [e.data for e in await game.log() if e.data["kind"] == "edit"]
        assert len(edits) == 1


async def test_a_session_stays_while_acknowledged_words_wait_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is neither idle nor, when the server ends, silently without them."""
    monkeypatch.setattr(live, "RETRY_SECONDS", 0.01)
    async with losing(tmp_path) as game:
        here = game.both.here
        await _lose(game, lambda: game.say("alice", "acknowledged"))
        game.both.one.hub.remove(game.both.alice.connection)
        store: Any = here.live._store
        real = store._common.append

        async def append(wanted: Append) -> Any:
            if wanted.entries and b"acknowledged" in wanted.entries[-1].body:
                raise StoreUnavailable("away", unknown=False)
            return await real(wanted)

        store._common.append = append
        here.live.look()
        await until(lambda: here.live._again._waiting)
        await here.live.settled()
        assert here.idle_since() is None
        with caplog.at_level("INFO"):
            await here.close()
        assert [r.message for r in caplog.records if "given_up" in r.message and "commands=1" in r.message]
        store._common.append = real


async def test_what_the_server_fails_at_for_ever_is_given_up() -> None:
    asked: list[Asked] = []
    told: list[Reply] = []
    waits = again.Again(asked.append, lambda made, reply: told.append(reply))
    said = parse(json.dumps({"type": "story_update", "id": "p:1", "data": {"kind": "chat", "text": "x"}}))
    assert not isinstance(said, JoinSession)
    lost = waits.of(Made(7, principal("alice"), said.model_dump_json(exclude_unset=True).encode()), 3)
    assert (lost.known, len(waits)) == (3, 1)
    waits.forked(2)
    assert lost.known == 2
    failed = Reply("p:1", 0, Refused("internal").data())
    for n in range(again.FAILURES):
        assert len(waits._waiting) == n
        lost.done(failed)
    assert (told, len(waits)) == ([failed], 0)
    assert waits.stop() == 0


async def test_answers_from_before_what_is_in_memory_survive_an_emptied_store(tmp_path: Path) -> None:
    """A command that stands in the story and is sent again is not decided once more."""
    async with losing(tmp_path, snapshot_every=5) as game:
        both, once = game.both, {"kind": "chat", "text": "once"}
        first = await both.alice.ask(both.here, "story_update", once, id="page:1")
        for n in range(14):
            await game.say("bob", f"{n}")
            await game.heard()
        await both.there.live.settled()
        assert both.there.live.snapshots.base(both.there.live.ring, both.there.live.room).head.sequence_id > (
            first.sequence_id
        )
        await game.store.lose(None)
        both.there.live.look()
        await both.there.live.settled()
        await game.agree()
        repeated = await both.alice.ask(both.there, "story_update", once, id="page:1")
        assert (repeated.data, repeated.sequence_id) == (first.data, first.sequence_id)
        chat: Any = both.here.live.room.state["chat"]
        assert [m["text"] for m in chat.values()].count("once") == 1


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


async def test_only_a_store_that_is_away_makes_a_look_at_the_clock_come_again(tmp_path: Path) -> None:
    async with Inside.open(tmp_path) as inside:
        session = await inside.session("alice")
        asked: list[Asked] = []
        session.live.ask = lambda one, first=False: asked.append(one)  # type: ignore[assignment,method-assign]
        for code, comes_again in (("unavailable", True), ("internal", False)):
            session.tick()
            asked.pop().done(Reply(None, 0, Refused(code).data()))
            assert session._tick_missed is comes_again, code
