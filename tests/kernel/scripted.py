"""A scripted server on a real loopback socket: it says what a test tells it to, and keeps what it heard.

Law: it decides nothing by itself but the welcome and, if asked, the answers of a made-up session; waiting is
done on what was heard, never on time.
Parts: `ScriptedServer`, `Peer` (one accepted socket), `PlainLogin`, `joined` (a client that takes part),
`event` and others (frames).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

from novel_jupyter.kernel.client import Client
from novel_jupyter.kernel.handle import SessionHandle

Json = dict[str, Any]
SESSION = "s1"


class PlainLogin:
    """A login whose headers a test can count."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.asked: list[bool] = []
        self.renew_after: float | None = None

    async def headers(self, *, fresh: bool = False) -> dict[str, str]:
        self.asked.append(fresh)
        return {"X-Test": "yes"}

    def renew_in(self) -> float | None:
        return self.renew_after

    async def renewal(self) -> str | None:
        self.renew_after = None
        return "renewed"


class Peer(WebSocketHandler):
    """The server's side of one socket. `heard` gives the client's frames in order."""

    def initialize(self, server: ScriptedServer) -> None:
        self.server = server
        self.heard: asyncio.Queue[Json] = asyncio.Queue()
        self.gone = asyncio.Event()

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return "novel.v1.json" if "novel.v1.json" in subprotocols else None

    async def get(self, *args: Any, **kwargs: Any) -> None:
        self.server.handshakes += 1
        if self.server.refuse:
            self.set_status(self.server.refuse.pop(0))
            self.finish()
            return
        await super().get(*args, **kwargs)

    def open(self, *args: str, **kwargs: str) -> None:
        self.server.peers.append(self)
        if self.server.welcomes:
            self.welcome()
        self.server.arrived.put_nowait(self)

    def welcome(self) -> None:
        user = {"user_id": self.server.user_id, "name": "Ana", "kind": "person"}
        self.say(
            "system_message",
            {
                "kind": "welcome",
                "connection_id": f"c{len(self.server.peers)}",
                "user": user,
                "limits": {"frame_bytes": 4096, "json_depth": 20},
                "heartbeat": 20.0,
                "protocol": "novel.v1.json",
                "version": "0",
            },
        )

    def on_message(self, message: str | bytes) -> None:
        frame = orjson.loads(message)
        self.server.all_heard.append(frame)
        answer = self.server.answers.get(frame["type"])
        if answer is None or answer(self, frame) is not True:
            self.heard.put_nowait(frame)

    def on_close(self) -> None:
        self.gone.set()

    def say(self, type: str, data: Mapping[str, Any], **envelope: Any) -> None:
        self.send({"type": type, **envelope, "data": data})

    def send(self, frame: Mapping[str, Any]) -> None:
        self.write_message(orjson.dumps(frame).decode())

    def ack(self, frame: Json, sequence_id: int, outcome: str = "applied") -> None:
        data = {"kind": "ack", "outcome": outcome}
        self.say("system_message", data, session_id=SESSION, id=frame["id"], sequence_id=sequence_id)

    def error(self, frame: Json, code: str, **more: Any) -> None:
        data = {"kind": "error", "level": "error", "code": code, "message": code, **more}
        self.say("system_message", data, session_id=SESSION, id=frame.get("id"))

    def cut(self) -> None:
        """The network is gone, without a word."""
        stream = self.ws_connection.stream if self.ws_connection else None
        assert stream is not None
        stream.close()

    async def next(self, type: str | None = None) -> Json:
        """The next frame that was heard (of this type)."""
        while True:
            frame = await asyncio.wait_for(self.heard.get(), 10)
            if type in (None, frame["type"]):
                return frame


class ScriptedServer:
    """`answers`: type of frame → what to do at once; one that returns True keeps it from `heard`."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.arrived: asyncio.Queue[Peer] = asyncio.Queue()
        self.answers: dict[str, Callable[[Peer, Json], object]] = {}
        self.all_heard: list[Json] = []
        self.handshakes = 0
        self.refuse: list[int] = []
        """HTTP statuses for the next handshakes."""
        self.welcomes = True
        self.user_id = "ana"
        self.rest: dict[tuple[str, str], Callable[[RequestHandler], object]] = {}
        """(method, path below `/lab/`) → what answers it."""
        rest = self.rest

        class Rest(RequestHandler):
            def _do(self) -> None:
                answer = rest.get((str(self.request.method), self.request.path.removeprefix("/lab/")))
                if answer is None:
                    self.set_status(404)
                else:
                    answer(self)

            def get(self) -> None:
                self._do()

            def post(self) -> None:
                self._do()

            def delete(self) -> None:
                self._do()

        application = Application(
            [("/lab/novel/api/ws", Peer, {"server": self}), ("/lab/.*", Rest)], log_function=lambda _: None
        )
        self._http = HTTPServer(application)
        self._sockets = bind_sockets(0, "127.0.0.1")
        self._http.add_sockets(self._sockets)
        self.base_url = f"http://127.0.0.1:{self._sockets[0].getsockname()[1]}/lab/"

    async def next_peer(self) -> Peer:
        return await asyncio.wait_for(self.arrived.get(), 10)

    async def close(self) -> None:
        self._http.stop()
        for peer in self.peers:
            if not peer.gone.is_set():
                peer.close()
        await self._http.close_all_connections()


def event(number: int, patch: list[Json], kind: str = "edit", **data: Any) -> Json:
    """An event of the log as the wire has it."""
    return {
        "type": "story_update",
        "session_id": SESSION,
        "user_id": "ana",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "sequence_id": number,
        "id": None,
        "audience": "everyone",
        "data": {"kind": kind, **data, "patch": patch},
        "hash": f"h{number}",
    }


def put(path: str, value: Any) -> Json:
    return {"op": "add", "path": path, "value": value}


def synced(kind: str, number: int, *, epoch: str = "e1", **more: Any) -> Json:
    """The data of a `state_sync`."""
    tail: Json = {"epoch": epoch, "hash": f"h{number}", "view": "public", "presence": [], "provisional": None}
    return {"kind": kind, **tail, **more}


def joins(state: Json, number: int, **more: Any) -> Callable[[Peer, Json], object]:
    """Answers a `join_session` with a whole state."""

    def answer(peer: Peer, frame: Json) -> None:
        data = synced("full_sync", number, state=state, **more)
        peer.say("state_sync", data, session_id=frame["session_id"], id=frame["id"], sequence_id=number)

    return answer


STATE: Json = {"scene": {"mood": "calm"}, "turn": {"phase": "lobby"}}


async def joined(server: ScriptedServer, client: Client, number: int = 5) -> tuple[SessionHandle, Peer]:
    server.answers["join_session"] = joins(STATE, number)
    await client.connect()
    peer = await server.next_peer()
    handle = await client.join(SESSION)
    await peer.next("join_session")
    return handle, peer


def edit_event(number: int, mood: str) -> Json:
    return event(number, [put("/scene/mood", mood)], base=0, outcome="applied")
