"""Hosts on a local session, and a director that a test holds back.

Law: waiting ends when what is waited for happened, or the test fails.
Parts: `HeldDirector`, `hosting`, `reached`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from kernel.local import LocalLine, LocalServer
from pydantic import JsonValue

from novel_jupyter.kernel.handle import SessionHandle
from novel_jupyter.kernel.host import AgentHost
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
