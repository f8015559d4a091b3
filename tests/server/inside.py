"""A hub with its real store in this process, and listeners that need no socket.

Law: only the socket is made up; rooms, sessions, subscriptions and outboxes are the server's own. Nothing
waits on time: a listener is flushed by hand.
Parts: `Inside` (a hub), `Listener` (one client).
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from server.wire import Message, Replica

from novel_jupyter.core.incoming import parse
from novel_jupyter.core.messages import JoinSession, StateSync
from novel_jupyter.core.model import DEFAULT_SETTINGS
from novel_jupyter.core.policy import Principal
from novel_jupyter.core.room import Reply
from novel_jupyter.server.bus import LocalBus, Place
from novel_jupyter.server.config import Config
from novel_jupyter.server.connection import Connection
from novel_jupyter.server.events_log import Log
from novel_jupyter.server.frames import unframe
from novel_jupyter.server.hub import Hub
from novel_jupyter.server.identity import KernelTokens
from novel_jupyter.server.live import Asked
from novel_jupyter.server.ports import Store
from novel_jupyter.server.session import Session
from novel_jupyter.server.store_sqlite import SqliteStore
from novel_jupyter.server.stories import Stories


def principal(name: str) -> Principal:
    """A person, or a kernel for a name like `kernel:k1`."""
    return Principal(name, name.capitalize(), "kernel" if name.startswith("kernel:") else "person")


class Inside:
    """One hub. Its timer is not running: `every` is called by hand."""

    def __init__(self, hub: Hub, place: Place) -> None:
        self.hub, self.place = hub, place

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        folder: Path,
        wrap: Callable[[Store], Store] = lambda store: store,
        place: Place | None = None,
        **config: Any,
    ) -> AsyncIterator[Inside]:
        bus = LocalBus(secrets.token_hex(4), place)
        store = await SqliteStore.open(folder / "sessions.db", synchronous="NORMAL", announce=bus.announce)
        log = Log(logging.getLogger("novel_jupyter.tests"))
        tokens = KernelTokens(lambda kernel_id: None, 600.0)
        hub = Hub(wrap(store), bus, replace(Config(), **config), log, tokens, Stories([]))
        try:
            yield cls(hub, bus.place)
        finally:
            await hub.drain()

    async def session(self, owner: str = "alice", **settings: Any) -> Session:
        """A new session, in memory."""
        opening = self.hub.stories.opening("lighthouse", None)
        known: Any = {**DEFAULT_SETTINGS, **settings}
        return await self.hub.session(await self.hub.create(opening, principal(owner), known, "seed"))

    def edit(self, session: Session, path: str, value: object) -> Message:
        patch = [{"op": "add", "path": path, "value": value}]
        return {"base": session.live.head.sequence_id, "patch": patch}

    async def at_once(self, session: Session, *commands: tuple[Listener, str, Message]) -> list[Reply]:
        """Commands that come in one batch, and what each got."""
        before = session.live.head.sequence_id
        replies: list[Reply] = []
        for listener, type, data in commands:
            asked = listener.asked(session, type, data, replies.append)
            session.live.ask(asked)
        await session.live.settled()
        assert [reply.data["kind"] for reply in replies] == ["ack"] * len(commands), replies
        assert session.live.head.sequence_id > before
        for listener, _, _ in commands:
            listener.flush()
        return replies


class Listener:
    """A client whose socket takes everything at once, unless `busy` is set."""

    def __init__(self, inside: Inside, name: str, client: str | None = None) -> None:
        self.client = client or name
        self.frames: list[bytes] = []
        """What was written, as it was handed over."""
        self.busy = False
        self.code: int | None = None
        self.messages: list[Message] = []
        self._replicas: dict[str, Replica] = {}
        self._number = 0
        self._done: Callable[[], None] = lambda: None
        hub = self._hub = inside.hub
        self.connection = Connection(
            f"{self.client}-{id(self)}", principal(name), None, self, self._closed, hub.config, hub.flusher
        )
        hub.add(self.connection)

    # --- the socket

    def write(self, frames: list[bytes], done: Callable[[], None]) -> bool:
        self.frames += frames
        for payload in unframe(b"".join(frames)):
            message = json.loads(payload)
            self.messages.append(message)
            if message["session_id"]:
                self._replicas.setdefault(message["session_id"], Replica()).take(message)
        return True

    def _closed(self, code: int, reason: str) -> None:
        self.code = code
        self._hub.remove(self.connection)

    def flush(self) -> None:
        """Take everything that waits."""
        taken = -1
        while taken != len(self.frames):
            taken = len(self.frames)
            self.connection.flush()

    # --- the client

    async def join(self, session: Session, **echo: object) -> Message:
        said = {"type": "join_session", "session_id": session.id, "id": f"{self.client}:join", "data": echo}
        joining = parse(json.dumps(said))
        assert isinstance(joining, JoinSession)
        await session.join(self.connection, joining)
        self.flush()
        return self.answer(f"{self.client}:join")

    async def sync(self, session: Session, **echo: object) -> Message:
        said = {"type": "state_sync", "session_id": session.id, "id": f"{self.client}:sync", "data": echo}
        asking = parse(json.dumps(said))
        assert isinstance(asking, StateSync)
        await session.sync(self.connection, asking)
        self.flush()
        return self.answer(f"{self.client}:sync")

    def asked(
        self, session: Session, type: str, data: Message, done: Callable[[Reply], None], id: str | None = None
    ) -> Asked:
        self._number += 1
        said = {
            "type": type,
            "session_id": session.id,
            "id": id or f"{self.client}:{self._number}",
            "data": data,
        }
        return Asked(self.connection.principal, parse(json.dumps(said)), done)

    async def ask(self, session: Session, type: str, data: Message, id: str | None = None) -> Reply:
        """One command, decided and shown."""
        done: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        session.live.ask(self.asked(session, type, data, done.set_result, id))
        reply = await done
        self.flush()
        return reply

    def answer(self, id: str) -> Message:
        """The latest message with this id."""
        return next(m for m in reversed(self.messages) if m["id"] == id)

    def heard(self, kind: str) -> list[Message]:
        return [m for m in self.messages if m["data"].get("kind") == kind]

    def replica_cursors(self) -> dict[str, Message]:
        """Cursors as this client would show them, by connection."""
        shown: dict[str, Message] = {}
        for message in self.messages:
            for cursor in message["data"].get("cursors", ()) if message["type"] == "user_cursor" else ():
                if cursor["target"] is None:
                    shown.pop(cursor["connection_id"], None)
                else:
                    shown[cursor["connection_id"]] = cursor
        return shown

    def replica(self) -> Replica:
        """Of the one session that was joined."""
        (found,) = self._replicas.values()
        return found

    def view(self) -> str:
        return self.replica().view

    def state(self) -> dict[str, Any]:
        return self.replica().state

    def view_hash(self) -> str:
        return self.replica().state_hash()

    def gaps(self) -> list[tuple[int, int]]:
        return self.replica().gaps
