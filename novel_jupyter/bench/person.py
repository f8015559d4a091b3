"""One person in one session, as a load run needs them: commands that are timed, events that are kept.

Law: what is kept is what came, in order; the replica is folded from it when nobody measures any more. What
goes wrong ends the run with words: a figure of a broken run is worth nothing.
Parts: `BenchError`, `Person`, `create_session`, `state_hash_at`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Any, Final, cast

import orjson

from novel_jupyter.core.canonical import state_hash
from novel_jupyter.core.patch import apply_patch
from novel_jupyter.kernel.access import PersonLogin, call
from novel_jupyter.testing import ServerProcess

from .websocket import Socket

PATIENCE: Final = 60.0


class BenchError(Exception):
    """The run is no good."""


class Person:
    """Made by `arrive`. `on_event(id, sequence_id, now)` hears of every event of the session."""

    def __init__(self, session_id: str, client: str) -> None:
        self.session_id, self.client = session_id, client
        self.at = 0
        self.on_event: Callable[[str | None, int, float], None] = lambda id, number, now: None
        self._n = 0
        self._state: Any = None
        self._events: list[bytes] = []
        self._answers: dict[str, asyncio.Future[float]] = {}
        self._joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reached: list[tuple[int, asyncio.Future[None]]] = []
        self._socket: Socket | None = None
        self._error: BenchError | None = None

    @classmethod
    async def arrive(cls, server: ServerProcess, name: str, session_id: str, client: str) -> Person:
        """Connected and joined. Raises BenchError."""
        person = cls(session_id, client)
        try:
            person._socket = await Socket.open(server.url, server.token_of(name), person._took, person._fail)
        except OSError as error:
            raise BenchError(f"{name} could not connect: {error}") from None
        async with asyncio.timeout(PATIENCE):
            await person._joined
        return person

    def leave(self) -> None:
        if self._socket is not None:
            self._socket.close()

    # --- doing

    def chat(self, text: str) -> asyncio.Future[float]:
        """Say something; the future is the moment of the answer. Raises BenchError."""
        if self._error is not None:
            raise self._error
        self._n += 1
        id = f"{self.client}:{self._n}"
        answer = self._answers[id] = asyncio.get_running_loop().create_future()
        self._send("story_update", id, {"kind": "chat", "text": text})
        return answer

    @property
    def last_id(self) -> str:
        return f"{self.client}:{self._n}"

    def _send(self, type: str, id: str, data: dict[str, object]) -> None:
        assert self._socket is not None
        frame = {"type": type, "session_id": self.session_id, "id": id, "data": data}
        self._socket.send(orjson.dumps(frame))

    async def reach(self, sequence_id: int) -> None:
        """Return when that event was seen. Raises BenchError."""
        if self.at >= sequence_id:
            return
        if self._error is not None:
            raise self._error
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reached.append((sequence_id, future))
        async with asyncio.timeout(PATIENCE):
            await future

    def replica_hash(self) -> str:
        """The hash of the state that what came leads to."""
        state = self._state
        for raw in self._events:
            state = apply_patch(state, orjson.loads(raw)["data"].get("patch", []))
        return state_hash(state)

    # --- hearing

    def _took(self, text: bytes) -> None:
        now = perf_counter()
        message = orjson.loads(text)
        if "hash" in message:
            self._event(message, text, now)
            return
        data = message["data"]
        kind = data.get("kind")
        if kind == "welcome":
            # Here at the earliest: what comes before the welcome is not heard.
            asyncio.get_running_loop().call_soon(self._send, "join_session", f"{self.client}:join", {})
        elif message["type"] == "state_sync":
            self._synced(message, data)
        elif kind == "ack":
            answer = self._answers.pop(message["id"], None)
            if answer is not None and not answer.done():
                answer.set_result(now)
        elif kind == "error":
            self._fail(f"{data['code']}: {data['message']}")

    def _event(self, message: dict[str, Any], text: bytes, now: float) -> None:
        number = message["sequence_id"]
        if number <= self.at:
            return
        if number != self.at + 1:
            self._fail(f"event {number} came after {self.at}")
            return
        self.at = number
        self._events.append(text)
        self.on_event(message.get("id"), number, now)
        for due, future in self._reached:
            if due <= number and not future.done():
                future.set_result(None)

    def _synced(self, message: dict[str, Any], data: dict[str, Any]) -> None:
        if "state" in data:
            self._state, self.at, self._events = data["state"], message["sequence_id"], []
        for event in data.get("events", ()):
            self._event(event, orjson.dumps(event), perf_counter())
        if not self._joined.done():
            self._joined.set_result(None)

    def _fail(self, why: str) -> None:
        error = self._error = self._error or BenchError(f"{self.client}: {why}")
        waiting: list[asyncio.Future[Any]] = [self._joined, *self._answers.values()]
        for future in [*waiting, *(future for _, future in self._reached)]:
            if not future.done():
                future.set_exception(error)
                future.exception()  # whoever waits hears it; that nobody does is no fault of its own


async def create_session(server: ServerProcess, name: str) -> str:
    """A new session of the bundled story."""
    login = PersonLogin(server.url, server.token_of(name))
    made = cast("dict[str, Any]", await call(login, "POST", "novel/api/sessions", {"story": "lighthouse"}))
    return str(made["session_id"])


async def state_hash_at(server: ServerProcess, name: str, session_id: str) -> str:
    """The hash of what this person may see, as that server has it."""
    login = PersonLogin(server.url, server.token_of(name))
    shown = cast("dict[str, Any]", await call(login, "GET", f"novel/api/sessions/{session_id}/state"))
    return str(shown["hash"])
