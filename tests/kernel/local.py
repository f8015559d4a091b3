"""A whole session in one process: the real rules, the real story, any number of handles, and no socket.

Law: frames take the same form as on the wire and arrive one loop step later; a line can be cut, and answers
can be held back, so that a test says what is late. Nothing waits on time.
Parts: `LocalServer`, `LocalLine` (a client's end), `kernel` and `person`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
from pydantic import JsonValue

from novel_jupyter.core.asking import handed_over
from novel_jupyter.core.draft import Draft, Facts, Past
from novel_jupyter.core.errors import Refused
from novel_jupyter.core.events import Event, fold
from novel_jupyter.core.history import need
from novel_jupyter.core.hosting import host_task
from novel_jupyter.core.incoming import parse
from novel_jupyter.core.messages import Chunk, HeadEcho, JoinSession, Progress, StateSync
from novel_jupyter.core.model import DEFAULT_SETTINGS, Settings
from novel_jupyter.core.opening import open_session
from novel_jupyter.core.outgoing import SERVER
from novel_jupyter.core.policy import Principal
from novel_jupyter.core.room import Command, decide, tick
from novel_jupyter.core.telling import relay, turn_seed
from novel_jupyter.core.views import rules_of, view_of, wire_bytes
from novel_jupyter.kernel.handle import SessionHandle
from novel_jupyter.server.stories import Stories
from novel_jupyter.server.subscribers import telling_for
from novel_jupyter.server.sync import Ring, answer

NOW = "2026-01-01T00:00:00.000Z"
SESSION = "s1"


def kernel(name: str = "k1") -> Principal:
    return Principal(f"kernel:{name}", name, "kernel")


def person(name: str) -> Principal:
    return Principal(name, name.capitalize())


class LocalLine:
    """One client's connection, which a test can cut and mend."""

    def __init__(self, server: LocalServer, principal: Principal) -> None:
        self.server = server
        self.principal = principal
        self.limits: Mapping[str, JsonValue] = {}
        self.online = False
        self.joined = False
        self.sent: list[dict[str, Any]] = []
        """What the client said, frame by frame."""
        self.held: list[bytes] | None = None
        """While not None, what the client says waits here instead of reaching the server."""
        self.handle = SessionHandle(self, SESSION)
        self._said = asyncio.Event()

    def send_text(self, text: bytes) -> bool:
        if not self.online:
            return False
        self.sent.append(orjson.loads(text))
        self._said.set()
        if self.held is not None:
            self.held.append(text)
        else:
            asyncio.get_running_loop().call_soon(self.server.take, self, text)
        return True

    def release(self) -> None:
        """What was held back reaches the server now, whether or not the client is still there."""
        held, self.held = self.held or [], None
        for text in held:
            self.server.take(self, text)

    async def join(self) -> SessionHandle:
        self.online = True
        self.handle.join_again()
        await self.handle.first_sync
        return self.handle

    def cut(self) -> None:
        """The connection is lost."""
        self.online = self.joined = False
        self.handle.lost()

    def mend(self) -> None:
        self.online = True
        self.handle.join_again()

    def deliver(self, frame: dict[str, Any] | bytes) -> None:
        """Hand a frame to the client, one loop step later."""
        raw = orjson.loads(frame) if isinstance(frame, bytes) else orjson.loads(orjson.dumps(frame))
        SERVER.validate_python(raw)
        asyncio.get_running_loop().call_soon(lambda: self.handle.received(raw) if self.online else None)

    async def said(self, kind: str) -> None:
        """Wait until the client sent a command of this kind."""
        while not self.commits(kind):
            self._said.clear()
            await asyncio.wait_for(self._said.wait(), 20)

    def commits(self, kind: str) -> list[dict[str, Any]]:
        """The commands of a kind that the client sent."""
        return [frame for frame in self.sent if frame["data"].get("kind") == kind]


class LocalServer:
    """`present` are the people who count as here."""

    def __init__(self, creator: Principal, **settings: Any) -> None:
        stories = Stories([])
        self.present: set[str] = set()
        self._check = stories.check_action
        chosen: Settings = {**DEFAULT_SETTINGS, **settings}  # type: ignore[typeddict-item]
        opening = stories.opening("lighthouse", None)
        draft = open_session(SESSION, "e1", b"salt", "seed", opening, creator, chosen, self._facts())
        self.room = draft.committed()
        self.events: list[Event] = list(draft.events)
        self.ring = Ring(10_000, 10**8)
        self.ring.extend(draft.events)
        self.lines: list[LocalLine] = []
        self.asked: dict[str, JsonValue] | None = None

    @property
    def rules(self) -> Any:
        return rules_of(self.room.state)

    def kinds(self) -> list[str]:
        """What happened, in order."""
        return [event.data["kind"] for event in self.events]

    def line(self, principal: Principal) -> LocalLine:
        found = LocalLine(self, principal)
        self.lines.append(found)
        return found

    async def join(self, principal: Principal) -> SessionHandle:
        if not principal.is_kernel:
            self.present.add(principal.user_id)
        return await self.line(principal).join()

    def lose_host(self) -> None:
        """The holder of the lease was gone for too long."""
        draft = Draft(self.room)
        tick(draft, self._facts(), lost_host=self.rules["host"]["token"])
        self._commit(draft)

    def fork(self, epoch: str) -> None:
        """The history is another one from here: what was on its way belongs to none."""
        self.room = replace(self.room, head=replace(self.room.head, epoch=epoch))
        for line in filter(lambda line: line.joined, self.lines):
            self._sync(line, HeadEcho(), None)

    def _facts(self, past: Past | None = None) -> Facts:
        return Facts(NOW, frozenset(self.present), check_action=self._check, past=past)

    # --- frames

    def take(self, line: LocalLine, text: bytes) -> None:
        message = parse(text)
        if isinstance(message, JoinSession):
            self._decide(line, message)
            line.joined = True
            self._sync(line, message.data, message.id)
            self._ask_host(again=line.principal.is_kernel)
        elif isinstance(message, StateSync):
            self._sync(line, message.data, message.id)
        elif isinstance(message.data, Chunk | Progress):
            self._relay(line, orjson.loads(text)["type"], message.data)
        else:
            self._decide(line, message)

    def _decide(self, line: LocalLine, message: Any) -> None:
        wanted = need(self.room.state, message)
        past: Past | None = None
        if wanted and wanted.state_at is not None:
            past = Past(state=fold({}, self.events[: wanted.state_at]))
        draft = Draft(self.room)
        reply = decide(draft, Command(line.principal, message), self._facts(past))
        self._commit(draft)
        if not isinstance(message, JoinSession) or reply.data["kind"] == "error":
            frame = {"type": "system_message", "session_id": SESSION, "id": reply.id}
            line.deliver({**frame, "sequence_id": reply.sequence_id, "data": reply.data})

    def _commit(self, draft: Draft) -> None:
        views = {
            line: view_of(self.room.state, line.principal.user_id, line.principal.is_kernel)
            for line in self.lines
        }
        self.room = draft.committed()
        self.events += draft.events
        self.ring.extend(draft.events)
        self._ask_host()  # requests may overtake the events that they speak of
        for line, view in views.items():
            if not line.joined:
                continue
            for event in draft.events:
                line.deliver(wire_bytes(SESSION, event, view))
            if view != view_of(self.room.state, line.principal.user_id, line.principal.is_kernel):
                self._sync(line, HeadEcho(), None)

    def _sync(self, line: LocalLine, echo: HeadEcho, id: str | None) -> None:
        results = self.room.results.get((line.principal.user_id, line.handle.client_id)) if id else None
        data = answer(self.room, self.ring, line.principal, echo, results, [], None)
        number = self.room.head.sequence_id
        line.deliver(
            {"type": "state_sync", "session_id": SESSION, "id": id, "sequence_id": number, "data": data}
        )

    def _relay(self, line: LocalLine, type: str, data: Chunk | Progress) -> None:
        try:
            relay(self.room.state, line.principal.user_id, data)
        except Refused as refused:
            line.deliver(
                {"type": "system_message", "session_id": SESSION, "id": None, "data": refused.data()}
            )
            return
        shown = data.model_dump(mode="json", exclude={"token", "seat"}, exclude_none=True)
        seat = data.seat if isinstance(data, Chunk) else None
        for other in self.lines:
            view = view_of(self.room.state, other.principal.user_id, other.principal.is_kernel)
            if other.joined and (isinstance(data, Progress) or telling_for(view) == seat):
                other.deliver({"type": type, "session_id": SESSION, "data": shown})

    def _ask_host(self, again: bool = False) -> None:
        task = host_task(self.room.state, turn_seed(self.room.state))
        if task == self.asked and not again:
            return
        self.asked = task
        data = {**task, **handed_over(self.room.state)} if task else {}
        for line in self.lines:
            if task and line.joined and line.principal.user_id == self.rules["host"]["holder"]:
                line.deliver({"type": "agent_action", "session_id": SESSION, "data": data})
