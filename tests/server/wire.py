"""A person's raw socket in tests: what it sent, all that came, and a replica that believes nothing else.

Law: nothing here waits by sleeping: `expect` returns when the message is there, and says what came instead
when it does not come. The replica folds what arrives and notes every gap, so that a test can hold a view to
be whole. Nothing of the product's own client is used.
Parts: `headers_of`, `rest`, `create`, `Replica`, `Wire`, `connect`, `two` (people who live on), `politely`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import httpx
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from novel_jupyter.core.canonical import state_hash
from novel_jupyter.core.patch import apply_patch
from novel_jupyter.testing import ServerProcess

Message: TypeAlias = dict[str, Any]
Wanted: TypeAlias = Callable[[Message], object]

PROTOCOL = "novel.v1.json"
PATIENCE = 20.0
"""Seconds after which a test gives up; no test takes nearly as long when all is well."""


def headers_of(server: ServerProcess, name: str) -> dict[str, str]:
    return {"Authorization": f"token {server.token_of(name)}"}


def rest(
    server: ServerProcess, name: str | None = None, headers: Mapping[str, str] | None = None
) -> httpx.AsyncClient:
    """An HTTP client of the extension, as `name` or as a stranger."""
    login = headers_of(server, name) if name else {}
    return httpx.AsyncClient(
        base_url=server.url + "novel/api/",
        headers={**login, **(headers or {})},
        trust_env=False,
        timeout=PATIENCE,
    )


async def create(server: ServerProcess, name: str = "alice", **body: object) -> str:
    """A new session of the bundled story; its id."""
    async with rest(server, name) as http:
        answer = await http.post("sessions", json={"story": "lighthouse", **body})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["session_id"])


@dataclass(slots=True)
class Replica:
    """One session as its messages tell it."""

    epoch: str = ""
    sequence_id: int = 0
    hash: str = ""
    view: str = ""
    state: dict[str, Any] = field(default_factory=dict)
    events: list[Message] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """(where the replica stood, what came) for each event that did not follow."""

    def take(self, message: Message) -> None:
        data = message["data"]
        if message["type"] == "state_sync":
            if "state" in data:
                self.state, self.sequence_id = data["state"], message["sequence_id"]
            for event in data.get("events", ()):
                self._event(event)
            self.epoch, self.hash, self.view = data["epoch"], data["hash"], data["view"]
        elif "hash" in message:
            self._event(message)

    def _event(self, event: Message) -> None:
        number = event["sequence_id"]
        if number <= self.sequence_id:
            return
        if number != self.sequence_id + 1:
            self.gaps.append((self.sequence_id, number))
            return
        self.state = apply_patch(self.state, event["data"].get("patch", []))
        self.sequence_id, self.hash = number, event["hash"]
        self.events.append(event)

    @property
    def head(self) -> Message:
        return {"epoch": self.epoch, "sequence_id": self.sequence_id, "hash": self.hash}

    def state_hash(self) -> str:
        return state_hash(self.state)


class Wire:
    """One socket. `raw` keeps every frame that came; `expect` takes each at most once."""

    def __init__(self, socket: ClientConnection, client: str) -> None:
        self.socket = socket
        self.client = client
        self.raw: list[str] = []
        self.sessions: dict[str, Replica] = {}
        self.code: int | None = None
        """The close code, once the socket is closed."""
        self._untaken: list[Message] = []
        self._news = asyncio.Condition()
        self._number = 0
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for text in self.socket:
                assert isinstance(text, str)
                message = json.loads(text)
                async with self._news:
                    self.raw.append(text)
                    self._untaken.append(message)
                    if message["session_id"]:
                        self.sessions.setdefault(message["session_id"], Replica()).take(message)
                    self._news.notify_all()
        except ConnectionClosed:
            pass
        async with self._news:
            self.code = self.socket.close_code
            self._news.notify_all()

    # --- receiving

    async def expect(self, wanted: Wanted, timeout: float = PATIENCE) -> Message:
        """The first message not yet taken for which `wanted` holds. Raises AssertionError after `timeout`."""
        found: list[Message] = []

        def came() -> bool:
            for at, message in enumerate(self._untaken):
                if wanted(message):
                    found.append(self._untaken.pop(at))
                    return True
            return self.code is not None

        await self._wait(came, timeout)
        assert found, f"closed with {self.code}, having told {self._summary()}"
        return found[0]

    async def until(self, holds: Callable[[], object], timeout: float = PATIENCE) -> None:
        """Return when `holds`, which is asked after each message."""
        await self._wait(lambda: bool(holds()) or self.code is not None, timeout)
        assert holds(), f"closed with {self.code}, having told {self._summary()}"

    async def closed(self, timeout: float = PATIENCE) -> int:
        """The close code, once there is one."""
        await self._wait(lambda: self.code is not None, timeout)
        assert self.code is not None
        return self.code

    async def _wait(self, holds: Callable[[], bool], timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout), self._news:
                await self._news.wait_for(holds)
        except TimeoutError:
            raise AssertionError(f"in {timeout} s came only {self._summary()}") from None

    def _summary(self) -> str:
        return "; ".join(json.dumps(message)[:160] for message in self._untaken[-6:]) or "nothing"

    def seen(self, wanted: Wanted) -> list[Message]:
        """Everything that ever came for which `wanted` holds."""
        return [message for text in self.raw if wanted(message := json.loads(text))]

    # --- sending

    def next_id(self) -> str:
        self._number += 1
        return f"{self.client}:{self._number}"

    async def send(self, type: str, session: str | None = None, data: object = None, **more: object) -> None:
        message = {"type": type, "session_id": session, "data": {} if data is None else data, **more}
        await self.socket.send(json.dumps(message))

    async def ask(
        self, type: str, session: str | None, data: object, id: str | None = None, **more: object
    ) -> Message:
        """Send a command and return its ack or error, with `data` of either on top level too."""
        id = self.next_id() if id is None else id
        await self.send(type, session, data, id=id, **more)
        return await self.answer(id)

    async def answer(self, id: str) -> Message:
        """The ack or error that has this id."""
        message = await self.expect(
            lambda m: (
                m["id"] == id and m["type"] == "system_message" and m["data"]["kind"] in ("ack", "error")
            )
        )
        return {**message, **message["data"]}

    async def join(self, session: str, **echo: object) -> Message:
        """Join and return the `state_sync`, or the refusal."""
        id = f"{self.client}:join"
        await self.send("join_session", session, echo, id=id)
        message = await self.expect(lambda m: m["id"] == id)
        return {**message, **message["data"]}

    async def sync(self, session: str, **echo: object) -> Message:
        """The answer to a `state_sync`."""
        id = f"{self.client}:sync"
        await self.send("state_sync", session, echo, id=id)
        message = await self.expect(lambda m: m["id"] == id)
        return {**message, **message["data"]}

    async def edit(
        self, session: str, path: str, value: object, base: int | None = None, **more: object
    ) -> Message:
        """Put a value at `path`."""
        base = self.sessions[session].sequence_id if base is None else base
        patch = [{"op": "add", "path": path, "value": value}]
        return await self.ask("story_update", session, {"base": base, "patch": patch}, **more)  # type: ignore[arg-type]

    async def act(self, session: str, kind: str, **data: object) -> Message:
        """An `agent_action` of this kind."""
        return await self.ask("agent_action", session, {"kind": kind, **data})

    async def rule(self, session: str, kind: str, **data: object) -> Message:
        """A `system_message` of this kind."""
        return await self.ask("system_message", session, {"kind": kind, **data})

    async def chat(self, session: str, text: str) -> Message:
        return await self.ask("story_update", session, {"kind": "chat", "text": text})

    async def reach(self, session: str, sequence_id: int) -> Replica:
        """The replica, once it stands at `sequence_id` or beyond."""
        await self.until(lambda: self.sessions[session].sequence_id >= sequence_id)
        return self.sessions[session]

    async def alive(self) -> None:
        """The socket answers."""
        id = self.next_id()
        await self.send("system_message", None, {"kind": "ping"}, id=id)
        await self.expect(lambda m: m["id"] == id and m["data"]["kind"] == "pong")

    async def close(self) -> None:
        await self.socket.close()
        await self._reading


@asynccontextmanager
async def connect(
    server: ServerProcess,
    name: str | None = "alice",
    client: str = "c1",
    headers: Mapping[str, str] | None = None,
    subprotocols: tuple[str, ...] = (PROTOCOL,),
    welcome: bool = True,
) -> AsyncIterator[Wire]:
    """A socket of `name` (or with `headers` alone), welcomed. Raises InvalidStatus when refused."""
    login = headers_of(server, name) if name else {}
    url = f"ws://127.0.0.1:{server.port}/novel/api/ws"
    async with websocket(
        url,
        subprotocols=[Subprotocol(text) for text in subprotocols] or None,
        additional_headers={**login, **(headers or {})},
        proxy=None,
        max_size=None,
        max_queue=None,
        compression=None,
        close_timeout=5,
    ) as socket:
        wire = Wire(socket, client)
        try:
            if welcome:
                await wire.expect(lambda m: m["data"]["kind"] == "welcome")
            yield wire
        finally:
            await wire.close()


@asynccontextmanager
async def two(server: ServerProcess) -> AsyncIterator[tuple[str, Wire, Wire]]:
    """A session with alice and bob in it; afterwards both live on and see the same."""
    session = await create(server)
    async with connect(server, "alice") as alice, connect(server, "bob", client="b1") as bob:
        await alice.join(session)
        await bob.join(session)
        yield session, alice, bob
        await alice.alive()
        await alice.reach(session, (await politely(bob, session, "here"))["sequence_id"])
        await bob.reach(session, (await politely(alice, session, "here"))["sequence_id"])
        replicas = [wire.sessions[session] for wire in (alice, bob)]
        assert [replica.gaps for replica in replicas] == [[], []]
        async with rest(server, "bob") as http:
            state = (await http.get(f"sessions/{session}/state")).json()
        assert state["hash"] == replicas[1].state_hash()
        assert {event["user_id"] for event in replicas[0].events} <= {"alice", "bob", "carol", None}


async def politely(wire: Wire, session: str, text: str, id: str | None = None) -> dict[str, Any]:
    """Say a word; when that was too fast, say it again under the same id as soon as one may."""
    id = id or wire.next_id()
    while True:
        answer = await wire.ask("story_update", session, {"kind": "chat", "text": text}, id=id)
        if answer.get("code") != "rate":
            return answer
        await asyncio.sleep(answer["retry_after"])
