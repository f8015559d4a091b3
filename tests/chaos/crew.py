"""People who write without a pause, over the shipped client, and note what they were told.

Law: every command carries a mark that no other has, and its id is known before it is sent. Nothing here is
sent twice by hand: sending again is the client's own work.
Parts: `Said` (one command and what came of it), `Crew`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from novel_jupyter.kernel.access import PersonLogin
from novel_jupyter.kernel.client import Client
from novel_jupyter.kernel.connection import Backoff
from novel_jupyter.kernel.errors import CommandRefused
from novel_jupyter.kernel.handle import SessionHandle
from novel_jupyter.testing import ServerProcess

PATIENCE = 60.0


@dataclass(slots=True)
class Said:
    """`at` is where it was acknowledged, `refused` why not; neither: no answer."""

    mark: str
    author: str
    id: str
    at: int | None = None
    refused: str | None = None


class Crew:
    """`clients` and `handles` by name. `start` and `stop` writing; `more` waits for acknowledgements."""

    def __init__(self, clients: dict[str, Client], handles: dict[str, SessionHandle], seed: object) -> None:
        self.clients, self.handles = clients, handles
        self.said: dict[str, Said] = {}
        self.outcomes: Counter[str] = Counter()
        self.waits: list[float] = []
        """Seconds from each command to its acknowledgement."""
        self._seed = seed
        self._stop, self._pace = False, 0.0
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.lost = 0
        """Connections that ended."""
        for handle in handles.values():
            handle.on("store", lambda frame: self._news.set())
            handle.on("offline", self._offline)

    def _offline(self, frame: object) -> None:
        self.lost += 1

    @property
    def acknowledged(self) -> int:
        return sum(said.at is not None for said in self.said.values())

    @property
    def ours(self) -> set[str]:
        """The client_ids of everybody's commands."""
        return {handle.client_id for handle in self.handles.values()}

    def start(self, lanes: int = 3, pace: float = 0.0) -> None:
        """`lanes`: commands of one person that wait at the same time; `pace`: seconds between two."""
        self._stop, self._pace = False, pace
        for name in self.handles:
            for lane in range(lanes):
                rng = random.Random(f"{self._seed}/{name}/{lane}/{len(self._tasks)}")
                self._tasks.append(asyncio.create_task(self._write(name, rng)))

    async def _write(self, name: str, rng: random.Random) -> None:
        while not self._stop:
            await self.say(name, rng)
            await asyncio.sleep(self._pace)

    async def say(self, name: str, rng: random.Random) -> Said:
        """One command of some kind, and its answer."""
        handle = self.handles[name]
        number = handle._out._next  # what the client is about to call it
        mark = f"{name}x{number}"  # one word: merging text goes word by word
        said = self.said[mark] = Said(mark, name, f"{handle.client_id}:{number}")
        kind = rng.random()
        data: dict[str, Any]
        if kind < 0.4:
            data = {"kind": "chat", "text": mark}
        else:
            path = f"/notes/{name}" if kind < 0.7 else "/notes/scene"
            base = handle.sequence_id - (rng.randrange(6) if kind > 0.85 else 0)
            patch = [{"op": "add", "path": path, "value": mark}]
            data = {"base": max(0, base), "patch": patch}
        began = time.monotonic()
        try:
            ack = await handle.submit("story_update", data)
        except CommandRefused as refused:
            said.refused = refused.code
            self.outcomes[refused.code] += 1
        else:
            said.at = ack.sequence_id
            self.waits.append(time.monotonic() - began)
            self.outcomes[ack.outcome] += 1
        self._news.set()
        return said

    async def more(self, count: int, timeout: float = PATIENCE) -> None:
        """Return when so many more commands were acknowledged."""
        due = self.acknowledged + count
        await self._until(lambda: self.acknowledged >= due, timeout)

    def _of(self, name: str) -> int:
        return sum(said.at is not None for said in self.said.values() if said.author == name)

    async def all_heard(self, names: Iterable[str], timeout: float = PATIENCE) -> None:
        """Return when each of them had one more command acknowledged, and so is connected."""
        due = {name: self._of(name) + 1 for name in names}
        await self._until(lambda: all(self._of(name) >= count for name, count in due.items()), timeout)

    async def _until(self, holds: Callable[[], bool], timeout: float) -> None:
        async with asyncio.timeout(timeout):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def stop(self, timeout: float = PATIENCE) -> None:
        """Say nothing more, and return when everything is answered."""
        self._stop = True
        async with asyncio.timeout(timeout):
            await asyncio.gather(*self._tasks)
        self._tasks.clear()
        assert all(said.at is not None or said.refused for said in self.said.values())

    async def end(self) -> None:
        """Whatever became of the test: nobody writes any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def told(self, available: bool, timeout: float = PATIENCE) -> None:
        """Return when everybody was told that the store is away, or back."""
        async with asyncio.timeout(timeout):
            while not all(client.store_available is available for client in self.clients.values()):
                self._news.clear()
                await self._news.wait()

    async def reach(self, sequence_id: int, timeout: float = PATIENCE) -> None:
        """Return when everybody stands there or beyond."""
        for handle in self.handles.values():
            await handle.wait_for(_there(handle, sequence_id), timeout)


def _there(handle: SessionHandle, sequence_id: int) -> Callable[[object], bool]:
    return lambda _: handle.sequence_id >= sequence_id


def login(server: ServerProcess, name: str, port: int | None = None) -> PersonLogin:
    """`name` at the server, or at a proxy before it."""
    url = server.url if port is None else f"http://127.0.0.1:{port}/"
    return PersonLogin(url, server.token_of(name))


@asynccontextmanager
async def aboard(
    servers: Sequence[ServerProcess], names: Iterable[str], seed: object, ports: Sequence[int] = ()
) -> AsyncIterator[tuple[str, Crew]]:
    """A new session and everybody in it, shared out among the servers (or `ports` of proxies)."""
    async with AsyncExitStack() as stack:
        clients = {}
        for n, name in enumerate(names):
            server = servers[n % len(servers)]
            port = ports[n % len(ports)] if ports else None
            # Short waits: a test that breaks a server fifty times should not wait for politeness.
            client = Client(login(server, name, port), backoff=Backoff(base=0.05, cap=0.5))
            clients[name] = await stack.enter_async_context(client)
        first = next(iter(clients.values()))
        session = str((await first.create_session("lighthouse", seed="1"))["session_id"])
        handles = {name: await client.join(session) for name, client in clients.items()}
        crew = Crew(clients, handles, seed)
        try:
            yield session, crew
        finally:
            await crew.end()
