"""One joined session: its replica, the commands on their way, and who listens.

Law: what is sent is sent in order and only while joined; what arrives goes to the replica first, then to
those who wait for an answer, then to listeners. An awaited command returns when the replica shows what came
of it. The handle lives through any number of lost connections and ends only when the session or the
connection is over for good.
Parts: `Line` (the port to the client), `SessionHandle`.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeVar, cast

import orjson
from pydantic import JsonValue

from novel_jupyter.core.errors import CODES, UNDECIDED
from novel_jupyter.core.limits import check_depth
from novel_jupyter.core.model import State
from novel_jupyter.core.outgoing import Ack as WireAck
from novel_jupyter.core.outgoing import ErrorReply, ServerMessage, SyncData, WireEvent

from .answers import Answers
from .commands import Ack, Commands
from .errors import CommandRefused, ConnectionStopped
from .listeners import EventStream, Frame, Listeners
from .outbound import QUEUE, Outbound, QueueFull
from .replica import Replica, Took

log = logging.getLogger("novel_jupyter")

T = TypeVar("T")
REJOIN_SECONDS: Final = 0.5


class Line(Protocol):
    """What a handle needs of its client."""

    limits: Mapping[str, JsonValue]
    online: bool

    def send_text(self, text: bytes) -> bool: ...


class SessionHandle(Commands):
    """Made by `Client.join`."""

    def __init__(self, line: Line, session_id: str, queue_limit: int = QUEUE) -> None:
        self.session_id = session_id
        self.client_id = secrets.token_hex(8)
        """Names this handle to the server: its commands are numbered under it."""
        self.replica = Replica(session_id)
        self.joined = False
        """Whether the server counts this connection in: commands go out. They queue while it is False."""
        self.failed: Exception | None = None
        self.joining = 0
        """Those who wait for the first sync."""
        self._line = line
        self._out = Outbound(self.client_id, limit=queue_limit)
        self._answers = Answers()
        self.listeners = Listeners(lambda: self.replica.state)
        self._resyncing = False
        self._timers: set[asyncio.TimerHandle] = set()
        self.first_sync: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __repr__(self) -> str:
        status = "ended" if self.failed else "joined" if self.joined else "offline"
        return f"<session {self.session_id} at {self.sequence_id}, {status}>"

    # --- reading -------

    @property
    def state(self) -> State:
        """The state as this client may see it. Do not write into it."""
        return self.replica.state

    @property
    def sequence_id(self) -> int:
        return self.replica.sequence_id

    @property
    def waiting(self) -> int:
        """Commands without an answer."""
        return len(self._out)

    def on(self, kind: str, callback: Callable[[Frame], object]) -> Callable[[], None]:
        """Call `callback(frame)` for each event of this kind; returns what ends that.

        Kinds are those of events (`resolved`, `turn`, `edit`, `chat`, …) and of what is live: `narration`,
        `progress`, `presence`, `cursors`, `arrived`, `left`, `turn_request`, `error`; `event` is every
        event, `sync` an answer to a sync, `changed` any change of the state, `online` and `offline` the
        connection, `store` that the server's store is away or back. `lost` is a command (`id`) that was
        acknowledged, then lost by the store, and could not be made again. Must not block.
        """
        return self.listeners.on(kind, callback)

    def events(self) -> EventStream:
        """`async for event in handle.events()`: every event from now on that this client may see.

        A `state_sync` in between says that the state was replaced whole. Raises EventsLost for a slow reader.
        """
        stream = self.listeners.stream()
        if self.failed:
            stream.end(self.failed)
        return stream

    async def wait_for(self, predicate: Callable[[State], T], timeout: float | None = None) -> T:
        """The first true value of `predicate(state)`, now or later.

        Raises TimeoutError after `timeout` seconds.
        """
        if self.failed:
            raise self.failed
        return await self.listeners.wait_for(predicate, timeout)

    # --- sending -------

    async def command(self, type: str, data: dict[str, JsonValue], id: str | None = None) -> Ack:
        return await self.submit(type, data, id)

    def submit(self, type: str, data: dict[str, JsonValue], id: str | None = None) -> asyncio.Future[Ack]:
        """Queue a command now; the future is its answer.

        Raises CommandRefused `in_flight` when the queue is full.
        """
        if self.failed:
            raise self.failed
        head = self.replica.head
        try:
            queued = self._out.put(type, data, head.epoch if head else None, id)
        except QueueFull as full:
            raise CommandRefused("in_flight", str(full)) from None
        answer = self._answers.future(queued.id)
        self._pump()
        return answer

    def give_up(self, id: str) -> None:
        """Forget a command that was not answered yet; if it was sent, it may happen all the same."""
        self._out.settle(id)
        self._answers.dropped(id)

    def answered(self, id: str) -> bool:
        """Whether no command of this id waits for an answer."""
        return id not in self._out

    def send_live(self, type: str, data: dict[str, JsonValue]) -> bool:
        """Send what is not worth keeping (a cursor, progress, streamed prose); False when offline."""
        if not self.joined:
            return False
        return self._line.send_text(orjson.dumps({"type": type, "session_id": self.session_id, "data": data}))

    def cursor(
        self,
        target: str,
        position: int | None = None,
        selection: tuple[int, int] | None = None,
        typing: bool = False,
    ) -> bool:
        """Show where one is: `target` is a path of the state, positions are in UTF-16 units.

        False when offline.
        """
        data: dict[str, JsonValue] = {"target": target, "position": position, "typing": typing}
        return self.send_live("user_cursor", data | ({"selection": list(selection)} if selection else {}))

    def _pump(self) -> None:
        """Send what is due."""
        if not self.joined:
            return
        now = asyncio.get_running_loop().time()
        for queued in self._out.due(now):
            text = orjson.dumps(queued.frame(self.session_id))
            refusal = self._too_much(text)
            if refusal:
                self._refuse(queued.id, refusal)
            elif not self._line.send_text(text):
                self._out.unsend(queued)
                return
        if self._out.held_until > now and len(self._out):
            self._later(self._out.held_until - now, self._pump)

    def _too_much(self, text: bytes) -> CommandRefused | None:
        """What the server would refuse without being able to say to which command."""
        most, depth = self._line.limits.get("frame_bytes"), self._line.limits.get("json_depth")
        if isinstance(most, int) and len(text) > most:
            return CommandRefused(
                "too_large", f"a command has at most {most} bytes; this one has {len(text)}"
            )
        if isinstance(depth, int) and not check_depth(text.decode(), depth):
            return CommandRefused("too_deep", f"JSON nests at most {depth} deep")
        return None

    # --- the connection

    def join_again(self) -> None:
        """Say to a fresh connection where the replica stands."""
        if self.failed is None:
            echo = {**self.replica.echo(), "since": self._out.since}
            self._send("join_session", f"{self.client_id}:join", echo)

    def leave(self) -> None:
        """Say goodbye; the client forgets the handle."""
        if self.joined:
            self._send("leave_session", f"{self.client_id}:leave", {})
        self.fail(ConnectionStopped(None, "left the session"))

    def lost(self) -> None:
        """The connection is gone; another will come."""
        self.joined = self._resyncing = False
        self._out.disconnected()
        self.listeners.tell("offline", {})

    def fail(self, why: Exception) -> None:
        """The session is over for this client."""
        if self.failed:
            return
        self.failed, self.joined = why, False
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._out.drop_all()
        self._answers.end(why)
        if not self.first_sync.done():
            self.first_sync.set_exception(why)
            self.first_sync.exception()  # nobody may be waiting; that is no fault to report
        self.listeners.end(None if isinstance(why, ConnectionStopped) and why.code is None else why)
        self.listeners.tell("offline", {})

    def _send(self, type: str, id: str | None, data: Mapping[str, JsonValue]) -> None:
        self._line.send_text(
            orjson.dumps({"type": type, "session_id": self.session_id, "id": id, "data": dict(data)})
        )

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        def do() -> None:
            self._timers.discard(timer)
            what()

        timer = asyncio.get_running_loop().call_later(seconds, do)
        self._timers.add(timer)

    # --- receiving -----

    def received(self, frame: ServerMessage) -> None:
        """One frame about this session."""
        if "hash" in frame:
            self._took(self.replica.event(cast(WireEvent, frame)))
            return
        data = cast("dict[str, Any]", frame["data"])
        kind = data.get("kind", "cursors" if frame["type"] == "user_cursor" else "")
        match kind:
            case "ack":
                self._acknowledged(str(frame.get("id")), cast(WireAck, data), frame.get("sequence_id") or 0)
            case "error":
                self._error(frame.get("id"), cast(ErrorReply, data))
            case _ if frame["type"] == "state_sync":
                self._synced(frame.get("id"), cast(SyncData, data), frame.get("sequence_id") or 0)
            case "narration":
                self.replica.narration(cast(Any, data))
            case "presence":
                self.replica.people(data["users"])
            case "cursors":
                self.replica.moved(data["cursors"])
            case "progress":
                self.replica.doing(cast(Any, data))
            case _:
                pass  # arrived, left, turn_request, and what a newer server may say: for the listeners alone
        if kind not in ("ack",):
            self.listeners.tell(str(kind), frame)

    def _took(self, took: Took) -> None:
        if took.step == "gap":
            self.resync()
        for event in took.events:
            if event["data"]["kind"] != "hidden":
                self.listeners.event(event)
                self.listeners.tell("event", event)
                self.listeners.tell(event["data"]["kind"], event)
        if took.events or took.replaced:
            self._answers.reached(self.sequence_id)
            self.listeners.changed()
            self.listeners.tell("changed", {})

    def resync(self) -> None:
        if self.joined and not self._resyncing:
            self._resyncing = True
            echo = {**self.replica.echo(), "since": self._out.since}
            self._send("state_sync", f"{self.client_id}:sync", echo)

    def _synced(self, id: str | None, data: SyncData, sequence_id: int) -> None:
        if id is not None:
            self._resyncing = False
        fresh = id == f"{self.client_id}:join" and not self.joined
        if fresh:
            self.joined = True
        before = self.replica.head
        took = self.replica.sync(data, sequence_id)
        for result in data.get("results", []):
            if result["data"]["kind"] == "ack":
                self._acknowledged(result["id"], result["data"], result["sequence_id"])
            else:
                self._error(result["id"], result["data"])
        for stale in self._out.in_history(data["epoch"]):
            self._refuse(stale.id, CommandRefused("stale_epoch", CODES["stale_epoch"]))
        if before is not None and before.epoch != data["epoch"]:
            self._answers.lost(CommandRefused("stale_epoch", CODES["stale_epoch"]))
        if took.replaced:
            self.listeners.event({"type": "state_sync", "sequence_id": sequence_id, "data": data})
        self._took(took)
        if took.step != "gap" and not self.first_sync.done():
            self.first_sync.set_result(None)
        if fresh:
            self.listeners.tell("online", {})
            self._pump()

    def _acknowledged(self, id: str, data: WireAck, sequence_id: int) -> None:
        self._settle(id)
        self._answers.accepted(id, Ack(data["outcome"], sequence_id), self.sequence_id)

    def _error(self, id: str | None, data: ErrorReply) -> None:
        code = data["code"]
        refusal = CommandRefused(code, data["message"], cast("dict[str, JsonValue]", data))
        if id == f"{self.client_id}:join":
            if code in UNDECIDED:
                self._later(data.get("retry_after", REJOIN_SECONDS), self.join_again)
            else:
                self.fail(refusal)
        elif code == "not_joined" or (id is None and code == "forbidden"):
            # Whether it was a removal or a session that the server forgot: joining again tells.
            if self.joined:
                self.joined, self._resyncing = False, False
                self._out.disconnected()
                self.join_again()
        elif id == f"{self.client_id}:sync":
            self._resyncing = False
            self._later(data.get("retry_after", REJOIN_SECONDS), self.resync)
        elif id is not None and code in UNDECIDED:
            now = asyncio.get_running_loop().time()
            if not self._out.undecided(id, now, data.get("retry_after"), patient=code != "internal"):
                self._refuse(id, refusal)
            self._pump()
        elif id is not None:
            self._refuse(id, refusal)
            if code == "lost":
                why = data.get("reason") or "no reason given"
                log.warning("session %s: the store lost command %s (%s)", self.session_id, id, why)
                self.listeners.tell("lost", {"type": "system_message", "id": id, "data": data})

    def _settle(self, id: str) -> None:
        if self._out.settle(id) is not None:
            self._pump()

    def _refuse(self, id: str, why: CommandRefused) -> None:
        self._settle(id)
        self._answers.refused(id, why)
