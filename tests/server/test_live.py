"""One append at a time, whatever the store does (SPEC R2, R3, R76, R77).

Law: the store below is the real one; what fails is a thin layer over it, told by the test when to fail.
Parts: `Moody` (that layer), another writer, an append whose outcome is unknown, a store that stays away.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from server.inside import Inside, Listener

from novel_jupyter.core import turn
from novel_jupyter.core.draft import Context
from novel_jupyter.core.events import decode
from novel_jupyter.core.model import Head
from novel_jupyter.core.views import view_hash
from novel_jupyter.server import live
from novel_jupyter.server.live import CLIENTS_KEPT
from novel_jupyter.server.ports import Append, Behind, Store, StoreUnavailable
from novel_jupyter.server.session import Session


class Moody:
    """A store that can hold an append back, fail it before or after it is written, and counts them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.appends: list[Append] = []
        self.fail: list[str] = []
        """For the next appends: `before` or `after` writing, or `""`."""
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def append(self, append: Append) -> Head | Behind:
        self.appends.append(append)
        self.asked.set()
        await self.gate.wait()
        how = self.fail.pop(0) if self.fail else ""
        if how == "before":
            raise StoreUnavailable("it rained", unknown=True)
        outcome = await self._store.append(append)
        if how == "after":
            raise StoreUnavailable("the answer was lost", unknown=True)
        return outcome


class Room:
    """A session on a moody store, with alice in it."""

    def __init__(self, inside: Inside, session: Session, store: Moody) -> None:
        self.inside, self.session, self.store = inside, session, store
        self.alice = Listener(inside, "alice")

    def say(self, text: str, id: str | None = None) -> asyncio.Future[Any]:
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        data = {"kind": "chat", "text": text}
        self.session.live.ask(self.alice.asked(self.session, "story_update", data, done.set_result, id))
        return done

    async def said(self) -> list[str]:
        """The words in the log."""
        entries = await self.inside.hub.store.read(self.session.id, 0, 10_000)
        events = [decode(entry.body, entry.hash) for entry in entries]
        assert [event.sequence_id for event in events] == list(range(1, len(events) + 1))
        return [str(event.data.get("text")) for event in events if event.data["kind"] == "chat"]

    async def agrees(self) -> None:
        """What alice sees is what the log says."""
        self.alice.flush()
        state = self.session.live.room.state
        assert self.alice.gaps() == []
        assert self.alice.view_hash() == view_hash(state, "public")
        assert (await self.inside.hub.store.head(self.session.id)) == self.session.live.head


async def _room(inside: Inside, moody: list[Moody]) -> Room:
    room = Room(inside, await inside.session("alice"), moody[0])
    await room.alice.join(room.session)
    await room.session.live.settled()
    room.store.appends.clear()
    return room


def _wrapped(moody: list[Moody]) -> Any:
    def wrap(store: Store) -> Store:
        moody.append(Moody(store))
        found: Any = moody[0]
        return found  # type: ignore[no-any-return]

    return wrap


@pytest.mark.asyncio
async def test_one_append_is_in_flight_and_carries_what_came_meanwhile(tmp_path: Path) -> None:
    """R76; and nothing is shown or acknowledged before its commit."""
    moody: list[Moody] = []
    async with Inside.open(tmp_path, _wrapped(moody)) as inside:
        room = await _room(inside, moody)
        room.store.gate.clear()
        room.store.asked.clear()
        first = room.say("first")
        await room.store.asked.wait()
        others = [room.say(f"more {n}") for n in range(50)]
        for _ in range(10):
            await asyncio.sleep(0)
        room.alice.flush()
        assert len(room.store.appends) == 1
        assert not first.done()
        assert room.alice.heard("chat") == []
        room.store.gate.set()
        replies = [await asked for asked in (first, *others)]
        assert len(room.store.appends) == 2
        numbers = [reply.sequence_id for reply in replies]
        assert numbers == sorted(numbers)
        assert await room.said() == ["first", *(f"more {n}" for n in range(50))]
        await room.agrees()


@pytest.mark.asyncio
@pytest.mark.parametrize("moods", [["before"], ["after"], ["before", "after"], ["after", "before"]])
async def test_an_append_of_unknown_outcome_happens_once(
    tmp_path: Path, moods: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """R77."""
    monkeypatch.setattr(live, "RETRY_SECONDS", 0.0)
    moody: list[Moody] = []
    async with Inside.open(tmp_path, _wrapped(moody)) as inside:
        room = await _room(inside, moody)
        room.store.fail = list(moods)
        replies = [await asked for asked in [room.say(f"word {n}") for n in range(3)]]
        assert [reply.data["kind"] for reply in replies] == ["ack"] * 3
        assert await room.said() == ["word 0", "word 1", "word 2"]
        await room.agrees()


@pytest.mark.asyncio
async def test_another_writer_is_read_and_the_decision_made_again(tmp_path: Path) -> None:
    """R2: two servers on one file; each shows the other's events, in one order."""
    async with Inside.open(tmp_path) as here, Inside.open(tmp_path) as there:
        session = await here.session("alice")
        other = await there.hub.session(session.id)
        alice, bob = Listener(here, "alice"), Listener(there, "bob")
        await alice.join(session)
        await bob.join(other)
        for n in range(5):
            await alice.ask(session, "story_update", {"kind": "chat", "text": f"alice {n}"})
            await bob.ask(other, "story_update", {"kind": "chat", "text": f"bob {n}"})
            await bob.ask(other, "story_update", here.edit(other, "/notes/n", n))
        await alice.ask(session, "story_update", {"kind": "chat", "text": "the end"})
        alice.flush()
        bob.flush()
        assert [m["data"]["text"] for m in alice.heard("chat")][:4] == [
            "alice 0",
            "bob 0",
            "alice 1",
            "bob 1",
        ]
        assert alice.gaps() == bob.gaps() == []
        assert alice.view_hash() == view_hash(session.live.room.state, "public")
        assert session.live.head == await here.hub.store.head(session.id)
        # A command that the other server has answered gets that answer here.
        page = Listener(there, "alice", "alice")
        again = await page.ask(other, "story_update", {"kind": "chat", "text": "alice 0"}, id="alice:1")
        assert (again.repeated, again.data["kind"]) == (True, "ack")


@pytest.mark.asyncio
async def test_while_the_store_is_away_commands_are_undecided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`unavailable` uses no number up: the same id does it, once the store is back."""
    monkeypatch.setattr(live, "RETRY_SECONDS", 0.0)
    moody: list[Moody] = []
    async with Inside.open(tmp_path, _wrapped(moody)) as inside:
        room = await _room(inside, moody)
        away = StoreUnavailable("gone", unknown=False)

        async def gone(*_: object) -> list[Any]:
            raise away

        with monkeypatch.context() as patch:
            patch.setattr(room.store, "append", gone)
            patch.setattr(room.store, "read", gone, raising=False)
            reply = await room.say("hello", "alice:7")
            assert reply.data["code"] == "unavailable"
            assert "gone" not in str(reply.data), "the words of an exception stay here"
        reply = await room.say("hello", "alice:7")
        assert (reply.data["kind"], reply.repeated) == ("ack", False)
        assert await room.said() == ["hello"]
        await room.agrees()


@pytest.mark.asyncio
async def test_answers_of_many_clients_are_kept_in_the_store_not_in_memory(tmp_path: Path) -> None:
    async with Inside.open(tmp_path) as inside:
        session = await inside.session("alice")
        alice = Listener(inside, "alice")
        await alice.join(session)
        first = await alice.ask(session, "story_update", {"kind": "chat", "text": "one"}, id="page0:1")
        for n in range(1, CLIENTS_KEPT + 50):
            await alice.ask(session, "story_update", {"kind": "chat", "text": "one"}, id=f"page{n}:1")
        assert len(session.live.room.results) <= CLIENTS_KEPT + 1
        assert ("alice", "page0") not in session.live.room.results
        head = session.live.head
        again = await alice.ask(session, "story_update", {"kind": "chat", "text": "one"}, id="page0:1")
        assert (again.repeated, again.sequence_id) == (True, first.sequence_id)
        other = await alice.ask(session, "story_update", {"kind": "chat", "text": "two"}, id="page1:1")
        assert other.data["code"] == "id_reused"
        assert session.live.head == head


@pytest.mark.asyncio
async def test_a_command_at_which_the_rules_fail_spoils_no_other_of_its_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R70: whose command brought the fault out hears `internal`, and nothing of it is in the log."""
    advance = turn.advance

    def faulty(ctx: Context) -> None:
        if ctx.draft.events and ctx.draft.events[-1].data.get("text") == "evil":
            raise ZeroDivisionError("a secret")
        advance(ctx)

    moody: list[Moody] = []
    async with Inside.open(tmp_path, _wrapped(moody)) as inside:
        room = await _room(inside, moody)
        monkeypatch.setattr(turn, "advance", faulty)
        replies = await asyncio.gather(*(room.say(text) for text in ("one", "evil", "two")))
        assert len(room.store.appends) == 1, "they came in one batch"
        assert [reply.data.get("code") for reply in replies] == [None, "internal", None]
        assert "secret" not in str(replies[1].data)
        assert await room.said() == ["one", "two"]
        monkeypatch.undo()
        assert (await room.say("good", "alice:2")).data["kind"] == "ack", "its number was not used up"
        await room.agrees()
