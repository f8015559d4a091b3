"""Our own protocol, as any client speaks it: coming in, edits, cursors, and a host that tells.

Law: everything goes the way of real clients, through authentication, roles and the turn machine. A host tells
provisional prose only in a turn that the server gave it.
Parts: `Novel`, `Stage` (one session's owner and host).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from .dialects import Dialect, padding
from .loop import Loop, Member, Peer
from .wire import STAMP_BYTES, frame

TELLING_UNITS: Final = 40_000
"""A telling has at most so many; then it begins anew, as that of a successor does."""
HEAD: Final = re.compile(rb'"sequence_id":(\d+)')
CHUNK_OVERHEAD: Final = (
    len(
        '{"type":"story_update","session_id":"","user_id":null,"timestamp":null,"sequence_id":null,"id":null,'
    )
    + len('"data":{"kind":"narration","turn":1,"attempt":1,"offset":10000,"text":""}}')
    + 32
)


class Novel(Dialect):
    hears_itself = True

    def path(self, member: Member) -> str:
        return "/novel/api/ws"

    def headers(self, member: Member) -> Mapping[str, str]:
        return {"Sec-WebSocket-Protocol": "novel.v1.json"}

    def is_exact(self, kind: str) -> bool:
        return kind != "c"  # the last one of a tick counts

    def begin(self, loop: Loop, peer: Peer) -> None:
        peer.listen = lambda peer, payload: self._hear(loop, peer, payload)

    def _hear(self, loop: Loop, peer: Peer, payload: bytes) -> None:
        if b'"kind":"welcome"' in payload[:400]:
            if not peer.member.session:  # only connected
                peer.listen = None
                loop.become_ready(peer)
                return
            self.command(loop, peer, "join_session", peer.memory.get("head", {}), "join")
        elif payload.startswith(b'{"type":"state_sync"'):
            self._synced(loop, peer, payload)
        elif b'"kind":"error"' in payload:
            loop.lose(peer, payload[:300].decode(errors="replace"))

    def _synced(self, loop: Loop, peer: Peer, payload: bytes) -> None:
        message = orjson.loads(payload)
        data = message["data"]
        peer.base = message["sequence_id"]
        peer.memory["answer"] = data["kind"]
        peer.memory["head"] = {"epoch": data["epoch"], "sequence_id": peer.base, "hash": data["hash"]}
        peer.memory["head"]["view"] = data["view"]
        peer.listen = None
        loop.become_ready(peer)

    def passing(self, loop: Loop, peer: Peer, data: bytes) -> None:
        if peer.tracks:
            heads = HEAD.findall(data)
            if heads:
                peer.base = max(peer.base, int(heads[-1]))

    # --- what is said

    def command(
        self, loop: Loop, peer: Peer, type: str, data: Mapping[str, object], name: str | None = None
    ) -> str:
        """Send a command and return its id."""
        peer.at += 1
        id = f"{peer.client}:{name or peer.at}"
        message = {"type": type, "session_id": peer.member.session, "id": id, "data": data}
        loop.send(peer, frame(orjson.dumps(message)))
        return id

    def message(self, peer: Peer, kind: str, mark: bytes, size: int) -> bytes:
        if kind == "r":
            return self._chunk(peer, mark, size)
        if kind == "c":
            return super().message(peer, kind, mark, size)
        peer.at += 1
        peer.tracks = True
        session, name = peer.member.session, peer.member.name
        head = (
            f'{{"type":"story_update","session_id":"{session}","id":"{peer.client}:{peer.at}",'
            f'"data":{{"base":{peer.base},"patch":[{{"op":"add","path":"/notes/{name}","value":"'
        ).encode()
        return frame(head + mark + padding(size - len(head) - STAMP_BYTES - 5) + b'"}]}}')

    def text(self, peer: Peer, kind: str, size: int) -> tuple[bytes, bytes]:
        head = f'{{"type":"user_cursor","session_id":"{peer.member.session}","data":{{"target":"/scene/'
        return head.encode(), b'","position":12,"selection":[5,12],"typing":true}}'

    def _chunk(self, peer: Peer, mark: bytes, size: int) -> bytes:
        telling = peer.memory["telling"]
        text = mark + padding(size - CHUNK_OVERHEAD - STAMP_BYTES)
        if telling["offset"] + len(text) > TELLING_UNITS:
            telling["offset"] = 0
        offset = telling["offset"]
        telling["offset"] += len(text)
        return frame(
            b'{"type":"story_update","session_id":"%s","data":{"kind":"narration",%s,"offset":%d,"text":"%s"}}'
            % (peer.member.session.encode(), telling["fields"], offset, text)
        )


class Stage:
    """Takes one session to the point where its host tells a turn (`ready`). `play` then goes on: at each
    `turn`, the owner locks, and the host resolves, tells in chunks, and commits.
    """

    def __init__(self, loop: Loop, owner: Peer, host: Peer, ready: Callable[[], None]) -> None:
        self._loop, self._owner, self._host, self._ready = loop, owner, host, ready
        self._novel: Novel = host.dialect
        self._waiting: dict[str, Callable[[Mapping[str, Any]], None]] = {}
        self._token = 0
        self._task: dict[str, Any] = {}
        self._tell: Callable[[], None] | None = None
        self.turns = 0
        owner.listen = host.listen = self._hear
        kernel = host.member.name
        self._ask(owner, "system_message", {"kind": "admit_host", "kernel": kernel}, self._admitted)

    def _ask(
        self,
        peer: Peer,
        type: str,
        data: Mapping[str, object],
        then: Callable[[Mapping[str, Any]], None] = lambda message: None,
    ) -> None:
        self._waiting[self._novel.command(self._loop, peer, type, data)] = then

    def _hear(self, peer: Peer, payload: bytes) -> None:
        if b'"turn_request"' not in payload[:300] and b'"system_message"' not in payload[:40]:
            return
        message = orjson.loads(payload)
        kind = message["data"]["kind"]
        if kind == "turn_request":
            self._work(message["data"])
        elif kind == "error":
            self._loop.tally.errors += 1
            self._loop.tally.said.append(payload[:300].decode(errors="replace"))
        elif message.get("id") in self._waiting:
            self._waiting.pop(message["id"])(message)

    def _admitted(self, message: Mapping[str, Any]) -> None:
        self._ask(self._host, "agent_action", {"kind": "request_lease"}, self._granted)

    def _granted(self, message: Mapping[str, Any]) -> None:
        self._token = message["sequence_id"]
        self.turn()

    def turn(self) -> None:
        """The owner locks the turn; without proposals the agents play alone."""
        self._novel.command(self._loop, self._owner, "agent_action", {"kind": "lock"})

    def _work(self, task: dict[str, Any]) -> None:
        again, self._task = (task["task"], task["turn"]) == tuple(map(self._task.get, ("task", "turn"))), task
        if again:
            return
        if task["task"] == "resolve":
            result = {
                "kind": "turn_result",
                **self._fenced(),
                "base": task["base"],
                "outcomes": [],
                "changes": [],
                "turn_complete": True,
                "made_by": {"engine": "bench", "model": None, "fallback": False, "agents": {}},
            }
            self._ask(self._host, "agent_action", result)
            return
        fields = b'"turn":%d,"attempt":%d,"token":%d' % (task["turn"], task["attempt"], self._token)
        self._host.memory["telling"] = {"fields": fields, "offset": 0}
        if self._tell is not None:
            self._tell()
            return
        self._owner.listen = self._host.listen = None
        self._ready()

    def _fenced(self) -> dict[str, object]:
        return {"turn": self._task["turn"], "attempt": self._task["attempt"], "token": self._token}

    def play(self, tell: Callable[[], None]) -> None:
        """Go on with whole turns: `tell` is called when the host may stream; then `commit`."""
        self._tell = tell
        self._host.listen = self._hear
        self._owner.memory["stage"] = self

    def commit(self, text: str) -> None:
        """The telling is over: its prose is committed once."""
        narrative = {
            "kind": "narrative",
            **self._fenced(),
            "text": text,
            "sentences": [{"text": text, "events": []}],
            "made_by": {"engine": "bench", "model": None, "fallback": False, "agents": {}},
        }
        self.turns += 1
        self._ask(self._host, "agent_action", narrative)
