"""Hosts on a local session, and a director that a test holds back.

Law: waiting ends when what is waited for happened, or the test fails.
Parts: `HeldDirector`, `hosting`, `reached`; `story_of` (what a notebook holds, on a local line).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import parse_qs

import orjson
from kernel.local import SESSION, LocalLine, LocalServer, kernel
from pydantic import JsonValue

from novel_jupyter.core.views import view_of, wire_bytes
from novel_jupyter.kernel.client import Client
from novel_jupyter.kernel.handle import SessionHandle
from novel_jupyter.kernel.host import AgentHost
from novel_jupyter.kernel.story import Story
from novel_jupyter.story.brain import Brain
from novel_jupyter.story.director import DirectorAgent
from novel_jupyter.story.turn import TurnInput, TurnOutcome

SECONDS = 20.0


class HeldDirector(DirectorAgent):
    """Resolves a turn when the test says so."""

    def __init__(self, brain: Brain | None = None) -> None:
        super().__init__(brain)
        self.began = asyncio.Event()
        self.go = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.turns: list[TurnInput] = []

    async def run_turn(self, turn: TurnInput, *args: Any, **kwargs: Any) -> TurnOutcome:
        self.turns.append(turn)
        self.began.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return await super().run_turn(turn, *args, **kwargs)


class LocalClient:
    """What a story needs of a client, on a local line."""

    base_url = "http://127.0.0.1:1/lab/"

    def __init__(self, line: LocalLine) -> None:
        principal = line.principal
        self.line = line
        self.user = {"user_id": principal.user_id, "name": principal.name, "kind": principal.kind}
        self.pages: list[str] = []
        """The resources that were asked for."""

    async def get(self, path: str) -> Any:
        """A page of the log, in the view of whoever asks."""
        self.pages.append(path)
        asked = parse_qs(path.partition("?")[2])
        after, limit = int(asked["after"][0]), int(asked["limit"][0])
        server, who = self.line.server, self.line.principal
        view = view_of(server.room.state, who.user_id, who.is_kernel)
        page = [event for event in server.events if event.sequence_id > after][:limit]
        return {"events": [orjson.loads(wire_bytes(SESSION, event, view)) for event in page]}

    def leave(self, handle: SessionHandle) -> None:
        handle.leave()


async def story_of(server: LocalServer, name: str = "k1") -> Story:
    line = server.line(kernel(name))
    host = AgentHost(await line.join(), line.principal.user_id).start()
    return Story(cast(Client, LocalClient(line)), host.handle, host)


async def hosting(server: LocalServer, line: LocalLine, **agents: Any) -> AgentHost:
    handle = await line.join()
    host = AgentHost(handle, line.principal.user_id, **agents).start()
    await handle.wait_for(lambda s: host.is_hosting, SECONDS)
    return host


def phase(handle: SessionHandle) -> str:
    turn: Any = handle.state["turn"]
    return str(turn["phase"])


async def reached(handle: SessionHandle, wanted: str, number: int | None = None) -> None:
    def there(state: Mapping[str, JsonValue]) -> bool:
        turn: Any = state["turn"]
        return turn["phase"] == wanted and number in (None, turn["number"])

    await handle.wait_for(there, SECONDS)
