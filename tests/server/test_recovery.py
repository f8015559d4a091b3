"""A store that lost what it had acknowledged: each way in which it can disagree with the servers (SPEC R93).

Law: the stores are real files; what is made up is only that a server finds another file than it left, which
is what a failover, a restored backup or an emptied store look like from above.
Parts: `Lossy` (two servers' common store that can go back), the ways, and a random game of all of them.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from server.pairs import Pair, pair, until

from novel_jupyter.core.events import decode, fold
from novel_jupyter.core.views import rules_of
from novel_jupyter.server.ports import LogTrimmed, Store
from novel_jupyter.server.store_sqlite import SqliteStore


class Lossy:
    """Stands before a store: `mark` remembers what it holds, `lose` goes back to there or to nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "lossy"
        self._folder.mkdir()
        self._generation = 0
        self._store: SqliteStore | None = None
        self._old: list[SqliteStore] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _path(self, generation: int) -> Path:
        return self._folder / f"{generation}.db"

    async def open(self) -> None:
        self._store = await SqliteStore.open(self._path(self._generation), synchronous="NORMAL")

    def mark(self) -> Path:
        """A copy of what is there now."""
        assert self._store is not None
        copy = self._folder / f"mark-{len(list(self._folder.glob('mark-*')))}.db"
        with sqlite3.connect(self._path(self._generation)) as here, sqlite3.connect(copy) as there:
            here.backup(there)
        here.close()
        there.close()
        return copy

    async def lose(self, back_to: Path | None) -> None:
        assert self._store is not None
        self._old.append(self._store)
        self._generation += 1
        if back_to is not None:
            shutil.copy(back_to, self._path(self._generation))
        await self.open()

    async def close(self) -> None:
        for store in [*self._old, self._store]:
            if store is not None:
                await store.close()


class Losing:
    """Two servers before one lossy store."""

    def __init__(self, both: Pair, store: Lossy) -> None:
        self.both, self.store = both, store

    async def say(self, who: str, text: str) -> int:
        """Returns the sequence_id under which it was acknowledged."""
        both = self.both
        listener, session = (both.alice, both.here) if who == "alice" else (both.bob, both.there)
        reply = await listener.ask(session, "story_update", {"kind": "chat", "text": text})
        assert reply.data["kind"] == "ack", reply
        return reply.sequence_id

    async def heard(self) -> None:
        """Both servers know of everything so far."""
        await until(lambda: self.both.here.live.head == self.both.there.live.head)

    async def look(self) -> None:
        """Both compare with the store until neither finds anything."""
        both = self.both
        before: object = None
        while (now := (both.here.live.head, both.there.live.head, await self._stored())) != before:
            before = now
            for session in (both.here, both.there):
                session.live.look()
            for session in (both.here, both.there):
                await session.live.settled()

    async def _stored(self) -> object:
        try:
            return await self.store.head(self.both.here.id)
        except Exception as error:
            return type(error)

    async def log(self) -> list[Any]:
        """Everything that is kept of the log, which is without gaps and folds to the servers' state."""
        session_id, floor = self.both.here.id, 0
        try:
            entries = await self.store.read(session_id, 0, 100_000)
        except LogTrimmed as trimmed:
            floor = trimmed.floor
            entries = await self.store.read(session_id, floor, 100_000)
        events = [decode(entry.body, entry.hash) for entry in entries]
        assert [e.sequence_id for e in events] == list(range(floor + 1, floor + len(events) + 1))
        if floor == 0:
            assert fold({}, events) == self.both.here.live.room.state
        return events

    async def texts(self) -> list[str]:
        return [str(e.data["text"]) for e in await self.log() if e.data["kind"] == "chat"]

    async def agree(self) -> None:
        await self.look()
        assert await self.store.head(self.both.here.id) == self.both.here.live.head
        assert self.both.here.live.room.state == self.both.there.live.room.state
        await self.both.agree()


@asynccontextmanager
async def losing(folder: Path, **config: Any) -> AsyncIterator[Losing]:
    store = Lossy(folder)
    await store.open()

    def wrap(own: Store) -> Store:
        found: Any = _Shared(own, store)
        return found  # type: ignore[no-any-return]

    async with pair(folder, wrap, **config) as both:
        yield Losing(both, store)
    await store.close()


class _Shared:
    """Announces what one server appended to the common store, as a store of that server would."""

    def __init__(self, own: Store, common: Lossy) -> None:
        self._own, self._common = own, common

    def __getattr__(self, name: str) -> Any:
        return getattr(self._common, name)

    async def append(self, append: Any) -> Any:
        # The server's own store announces; the common one holds.
        self._common._store._announce = self._own._announce  # type: ignore[union-attr,attr-defined]
        return await self._common.append(append)

    async def close(self) -> None:
        await self._own.close()


@pytest.mark.asyncio
async def test_a_lost_tail_is_appended_anew_and_nobody_notices(tmp_path: Path) -> None:
    async with losing(tmp_path) as game:
        await game.say("alice", "before")
        mark = game.store.mark()
        said = [await game.say(who, f"{who} {n}") for n in range(5) for who in ("alice", "bob")]
        await game.heard()
        epoch = game.both.here.live.head.epoch
        await game.store.lose(mark)
        await game.agree()
        assert (await game.texts())[1:] == [f"{who} {n}" for n in range(5) for who in ("alice", "bob")]
        assert game.both.here.live.head.epoch == epoch
        assert [e.sequence_id for e in await game.log() if e.data["kind"] == "chat"][1:] == said
        assert game.both.heard(game.both.alice, "conflict") == []


@pytest.mark.asyncio
async def test_its_answers_come_back_too(tmp_path: Path) -> None:
    """R3: a command that is sent again after the loss gets its first answer, at either server."""
    async with losing(tmp_path) as game:
        mark = game.store.mark()
        both = game.both
        first = await both.alice.ask(both.here, "story_update", {"kind": "chat", "text": "once"}, id="page:1")
        await game.heard()
        await game.store.lose(mark)
        both.there.live.look()
        await both.there.live.settled()
        again = await both.alice.ask(
            both.there, "story_update", {"kind": "chat", "text": "once"}, id="page:1"
        )
        assert (again.data, again.sequence_id) == (first.data, first.sequence_id)
        await game.agree()
        assert await game.texts() == ["once"]


@pytest.mark.asyncio
async def test_an_answer_that_nobody_remembers_counts_as_given(tmp_path: Path) -> None:
    """The server that appends anew had read the event from the log, and never heard what was answered."""
    async with losing(tmp_path) as game:
        mark = game.store.mark()
        both = game.both
        deaf = both.two.place.listeners[both.here.id].pop(both.two.hub.bus.node)
        said = {"kind": "chat", "text": "once"}
        first = await both.alice.ask(both.here, "story_update", said, id="page:1")
        await game.say("bob", "which brings the server up to date")
        both.two.place.listeners[both.here.id][both.two.hub.bus.node] = deaf
        await game.store.lose(mark)
        both.there.live.look()
        await both.there.live.settled()
        again = await both.alice.ask(both.there, "story_update", said, id="page:1")
        assert (again.data, again.sequence_id) == (first.data, first.sequence_id)
        await game.agree()
        assert await game.texts() == ["once", "which brings the server up to date"]


@pytest.mark.asyncio
async def test_a_command_finds_the_loss_by_itself(tmp_path: Path) -> None:
    async with losing(tmp_path) as game:
        mark = game.store.mark()
        await game.say("alice", "one")
        await game.heard()
        await game.store.lose(mark)
        await game.say("bob", "two")
        await game.agree()
        assert await game.texts() == ["one", "two"]


@pytest.mark.asyncio
async def test_whoever_has_more_adds_it(tmp_path: Path) -> None:
    """One server had not heard of the last events when the store lost them, and was first to look."""
    async with losing(tmp_path) as game:
        mark = game.store.mark()
        await game.say("alice", "both know")
        await game.heard()
        deaf = game.both.two.place.listeners[game.both.here.id].pop(game.both.two.hub.bus.node)
        await game.say("alice", "one knows")
        game.both.two.place.listeners[game.both.here.id][game.both.two.hub.bus.node] = deaf
        await game.store.lose(mark)
        game.both.there.live.look()
        await game.both.there.live.settled()
        await game.agree()
        assert await game.texts() == ["both know", "one knows"]


@pytest.mark.asyncio
async def test_histories_that_forked_end_in_one_with_all_that_was_said(tmp_path: Path) -> None:
    async with losing(tmp_path) as game:
        await game.say("alice", "common")
        await game.heard()
        mark = game.store.mark()
        both = game.both
        deaf = both.two.place.listeners[both.here.id].pop(both.two.hub.bus.node)
        await game.say("alice", "alice, lost")
        await both.alice.ask(both.here, "story_update", both.one.edit(both.here, "/scene/mood", "grim"))
        both.two.place.listeners[both.here.id][both.two.hub.bus.node] = deaf
        epoch = both.here.live.head.epoch
        await game.store.lose(mark)
        await game.say("bob", "bob, first")  # on what the store has: it knows nothing of alice's
        await game.agree()
        assert await game.texts() == ["common", "bob, first", "alice, lost"]
        assert both.here.live.room.state["scene"]["mood"] == "grim"  # type: ignore[index,call-overload]
        assert both.here.live.head.epoch != epoch
        for listener in (both.alice, both.bob):
            assert both.heard(listener, "conflict"), "everybody is told that it is another history"
        assert both.heard(both.alice, "error") == []


@pytest.mark.asyncio
async def test_what_cannot_be_made_again_is_told_its_author(tmp_path: Path) -> None:
    async with losing(tmp_path) as game:
        both = game.both
        await game.heard()
        mark = game.store.mark()
        deaf = both.two.place.listeners[both.here.id].pop(both.two.hub.bus.node)
        claim = {"kind": "claim", "character": "mara"}
        reply = await both.alice.ask(both.here, "agent_action", claim, id="page:7")
        assert reply.data["kind"] == "ack"
        both.two.place.listeners[both.here.id][both.two.hub.bus.node] = deaf
        await game.store.lose(mark)
        assert (await both.bob.ask(both.there, "agent_action", claim)).data["kind"] == "ack"
        await game.agree()
        assert rules_of(both.here.live.room.state)["seats"]["mara"]["owner"] == "bob"
        (lost,) = both.heard(both.alice, "error")
        assert (lost["id"], lost["data"]["code"], lost["data"]["reason"]) == ("page:7", "lost", "seat_taken")


@pytest.mark.asyncio
async def test_an_emptied_store_is_filled_from_memory_under_a_new_epoch(tmp_path: Path) -> None:
    async with losing(tmp_path) as game:
        both = game.both
        await game.say("alice", "kept in memory")
        await game.heard()
        before, epoch = both.here.live.room.state, both.here.live.head.epoch
        await game.store.lose(None)
        await game.agree()
        assert both.here.live.room.state == before
        assert both.here.live.head.epoch != epoch
        assert both.alice.state() == both.bob.state()
        for listener in (both.alice, both.bob):
            (told,) = both.heard(listener, "conflict")
            assert told["data"]["epoch"] == both.here.live.head.epoch
        stale = both.alice.asked(
            both.here, "story_update", {"kind": "chat", "text": "old"}, lambda reply: None
        )
        assert stale.message is not None
        assert stale.message.epoch is None
        await game.say("alice", "after")
        await game.agree()


@pytest.mark.asyncio
async def test_an_emptied_store_is_found_by_a_command_and_by_a_join(tmp_path: Path) -> None:
    async with losing(tmp_path) as game:
        await game.say("alice", "one")
        await game.heard()
        await game.store.lose(None)
        await game.say("bob", "two")
        await game.agree()
        assert sorted(m["text"] for m in _chat(game)) == ["one", "two"]


def _chat(game: Losing) -> list[dict[str, Any]]:
    chat: Any = game.both.here.live.room.state["chat"]
    return list(chat.values())


@pytest.mark.asyncio
async def test_emptied_while_one_server_knew_less(tmp_path: Path) -> None:
    """Whichever server begins anew, the other adds what it has beyond, or takes what it had not heard."""
    for first in ("here", "there"):
        async with losing(_folder(tmp_path, first)) as game:
            both = game.both
            await game.say("alice", "both know")
            await game.heard()
            deaf = both.two.place.listeners[both.here.id].pop(both.two.hub.bus.node)
            await game.say("alice", "one knows")
            both.two.place.listeners[both.here.id][both.two.hub.bus.node] = deaf
            await game.store.lose(None)
            session = getattr(both, first)
            session.live.look()
            await session.live.settled()
            await game.agree()
            assert [m["text"] for m in _chat(game)] == ["both know", "one knows"]


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", range(24))
async def test_whatever_is_lost_nothing_acknowledged_is(tmp_path: Path, seed: int) -> None:
    """Both speak, hear each other or not, and the store goes back or is emptied, in any order."""
    dice = random.Random(seed)
    async with losing(tmp_path, snapshot_every=dice.choice([5, 50])) as game:
        both = game.both
        acknowledged: list[str] = []
        marks = [game.store.mark()]
        listeners, node = both.two.place.listeners[both.here.id], both.two.hub.bus.node
        deaf = listeners[node]
        for n in range(60):
            match dice.choice(["alice", "bob", "both", "mark", "lose", "empty", "deaf", "hear", "look"]):
                case ("alice" | "bob") as who:
                    await game.say(who, f"{who} {n}")
                    acknowledged.append(f"{who} {n}")
                case "both":
                    await asyncio.gather(game.say("alice", f"alice {n}"), game.say("bob", f"bob {n}"))
                    acknowledged += [f"alice {n}", f"bob {n}"]
                case "mark":
                    marks.append(game.store.mark())
                case "lose":
                    await game.store.lose(dice.choice(marks[-2:]))
                case "empty" if dice.random() < 0.3:
                    await game.store.lose(None)
                    marks = [game.store.mark()]
                case "deaf":
                    listeners.pop(node, None)
                case "hear":
                    listeners[node] = deaf
                case "look":
                    session = dice.choice([both.here, both.there])
                    session.live.look()
                    await session.live.settled()
        listeners[node] = deaf
        await game.agree()
        kept = [m["text"] for m in _chat(game)]
        assert set(kept) <= set(acknowledged)
        assert len(kept) == len(set(kept)), "nothing stands twice"
        assert len(kept) == min(50, len(acknowledged)), set(acknowledged) - set(kept)
