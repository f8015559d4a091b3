"""The WebSocket at `novel/api/ws`: frames in, routed to sessions.

Law: nothing of a session is touched before the sender is authenticated and authorized; `open` is the first
moment at which it is. Every frame is bounded before it is parsed and answered whatever is wrong with it;
only abuse closes a socket. Frames of one socket are handled in order (SPEC R88-R95).
Parts: `NovelSocket`, its routing table.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from orjson import JSONDecodeError, loads
from pydantic import JsonValue
from tornado.web import HTTPError
from tornado.websocket import WebSocketHandler, WebSocketProtocol13

from novel_jupyter import __version__
from novel_jupyter.core.errors import UNDECIDED, Refused
from novel_jupyter.core.incoming import parse
from novel_jupyter.core.limits import check_depth
from novel_jupyter.core.messages import (
    Chunk,
    ClientMessage,
    JoinSession,
    LeaveSession,
    Ping,
    Progress,
    StateSync,
    Token,
    UserCursor,
)
from novel_jupyter.core.policy import require
from novel_jupyter.core.room import Command as RoomCommand
from novel_jupyter.core.room import Reply, client_key, is_command

from . import metrics
from .connection import Connection
from .frames import Protocol, Wire, message, unframe
from .hub import Hub
from .identity import IdentityMixin
from .live import Asked
from .ports import StoreError
from .recheck import again, given_cookies
from .session import Session

PROTOCOL = "novel.v1.json"
MAX_STRIKES = 200
"""Refused frames in a row, without a good one between, after which a socket is closed as abuse."""


class NovelSocket(WebSocketMixin, IdentityMixin, WebSocketHandler, JupyterHandler):
    """One client. Messages and answers are those of `core.messages` and `core.outgoing`."""

    connection: Connection | None = None
    _home: Hub | None = None

    @property
    def hub(self) -> Hub:
        """The hub that took this socket in, even when it drains and takes in no more."""
        return self._home or super().hub

    @property
    def ping_interval(self) -> int:
        """Off: the hub's one timer pings all sockets."""
        return 0

    def get_compression_options(self) -> None:
        """Deflate stays off: it costs 146 KB a connection and the sharing of frames."""
        return None

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return PROTOCOL if PROTOCOL in subprotocols else None

    @allow_unauthenticated
    async def get(self, *args: Any, **kwargs: Any) -> None:
        """The handshake. HTTP 403 for a stranger, a foreign Origin, a ticket or a kernel's token that is not
        good.
        """
        ticket = self.get_query_argument("ticket", None)
        if ticket is not None:
            taken = self.hub.tickets.take(ticket)
            if taken is None:
                raise HTTPError(403, "this ticket is not good; each opens one socket")
            self.who, self.expires = taken
        else:
            self.who, self.expires = await self.principal("execute")
            by_cookie = not self.who.is_kernel and not self.token_authenticated
            if self.hub.config.require_ticket and by_cookie:
                raise HTTPError(403, "get a ticket first: novel/api/ticket")
        await super().get(*args, **kwargs)

    def get_websocket_protocol(self) -> Any:
        protocol = super().get_websocket_protocol()
        if not isinstance(protocol, WebSocketProtocol13):
            return protocol
        # Past this Tornado itself ends the socket (1009), before the memory is spent.
        protocol.params.max_message_size = 16 * self.hub.config.bounds.frame_bytes
        return Protocol(self, False, protocol.params)

    def open(self, *args: Any, **kwargs: Any) -> None:
        if self.selected_subprotocol != PROTOCOL:
            self.close(4510, "protocol version")
            return
        self._home = self.hub
        if self.hub.draining:
            self.close(4001, "draining")
            return
        self.set_nodelay(True)
        wire = Wire(self)
        connection = Connection(
            secrets.token_hex(8),
            self.who,
            self.expires,
            wire,
            self._end,
            self.hub.config,
            self.hub.flusher,
        )
        connection.ping = wire.ping
        if not self.who.is_kernel and self.who.only is None:
            connection.ask_again = partial(again, self, given_cookies(self), self.hub.config.scope_roles)
        try:
            self.hub.add(connection)
        except Refused as refused:
            self.write_message(_text(message("system_message", refused.data())))
            self.close(4006, "rate")
            return
        self.connection = connection
        user = {"user_id": self.who.user_id, "name": self.who.name, "kind": self.who.kind}
        data = {
            "kind": "welcome",
            "connection_id": connection.id,
            "user": user,
            "protocol": PROTOCOL,
            "version": __version__,
            "heartbeat": self.hub.config.ping_interval,
            "limits": self.hub.config.bounds.as_json(),
        }
        connection.control(message("system_message", data, timestamp=self.hub.now()))
        self.hub.node.greet(connection)

    def _end(self, code: int, reason: str) -> None:
        self.close(code, reason)

    def on_pong(self, data: bytes) -> None:
        if self.connection:
            self.connection.last_heard = time.monotonic()

    def on_close(self) -> None:
        if self.connection:
            self.hub.remove(self.connection)

    def on_message(self, text: str | bytes) -> Awaitable[None] | None:
        """One frame. Tornado reads the next one when this is done, so a loading session holds back its own
        client only; most frames have nothing to wait for.
        """
        connection = self.connection
        if connection is None or connection.closed or self.hub.draining:
            return None  # what a draining server does not take is sent again to the next
        connection.last_heard = time.monotonic()
        if connection.choked:
            return self._when_read(connection, text)
        return self._handle(connection, text)

    async def _when_read(self, connection: Connection, text: str | bytes) -> None:
        await connection.room()
        if rest := self._handle(connection, text):
            await rest

    def _handle(self, connection: Connection, text: str | bytes) -> Awaitable[None] | None:
        """Answer one frame, whatever is wrong with it; what has to wait is returned."""
        incoming = None
        try:
            incoming = self._read(connection, text)
            if incoming is None or self._route(connection, incoming, text):
                connection.strikes = 0
                return None
        except Exception as error:
            self._failed(connection, incoming, error)
            return None
        return self._wait(connection, incoming, text)

    async def _wait(self, connection: Connection, incoming: ClientMessage, text: str | bytes) -> None:
        try:
            await self._route_later(connection, incoming, text)
            connection.strikes = 0
        except Exception as error:
            self._failed(connection, incoming, error)

    def _failed(self, connection: Connection, incoming: ClientMessage | None, error: Exception) -> None:
        if isinstance(error, StoreError):
            reference = self.hub.log.failure("store", error, connection=connection.id)
            error = Refused("unavailable", retry_after=0.5, reference=reference)
        if not isinstance(error, Refused):
            reference = self.hub.log.failure("frame", error, connection=connection.id)
            connection.error(dict(Refused("internal", reference=reference).data()))
            return
        self._refuse(connection, _about(error, incoming) if incoming else error)

    def _refuse(self, connection: Connection, refused: Refused) -> None:
        metrics.REFUSALS.labels(refused.code).inc()
        data = refused.data()
        id, session_id = data.pop("id", None), data.pop("session_id", None)
        connection.error(
            dict(data),
            id=id if isinstance(id, str) else None,
            session_id=session_id if isinstance(session_id, str) else None,
        )
        connection.strikes += 1
        if connection.strikes >= MAX_STRIKES:
            connection.flush()
            connection.close(4006)

    def _read(self, connection: Connection, text: str | bytes) -> ClientMessage | None:
        """The frame's message. Raises Refused."""
        bounds = self.hub.config.bounds
        size = len(text)
        if size > 4 * bounds.frame_bytes:
            connection.close(4509)
            return None
        if size > bounds.frame_bytes:
            raise Refused(
                "too_large", f"a frame has at most {bounds.frame_bytes} bytes", limit=bounds.frame_bytes
            )
        wait = connection.bucket.take(time.monotonic())
        if not isinstance(text, str):
            raise Refused("bad_json", "frames are text")
        if not check_depth(text, bounds.json_depth):
            raise Refused("too_deep", f"JSON nests at most {bounds.json_depth} deep", limit=bounds.json_depth)
        incoming = parse(text)
        try:
            if wait > 0:
                raise Refused("rate", retry_after=round(wait, 3))
            check_numbers(text)
        except Refused as refused:
            raise _about(refused, incoming) from None
        return incoming

    def _route(self, connection: Connection, incoming: ClientMessage, text: str | bytes) -> bool:
        """Do what the message asks; False: it has to wait for something, and nothing was done."""
        data = incoming.data
        if isinstance(data, Ping):
            connection.control(
                message("system_message", {"kind": "pong"}, id=incoming.id, timestamp=self.hub.now())
            )
            return True
        if isinstance(data, Token):
            self._renew(connection, data.token)
            connection.control(
                message("system_message", {"kind": "ack", "outcome": "applied"}, id=incoming.id)
            )
            return True
        if incoming.session_id is None:
            raise Refused("invalid", "session_id: this message is about a session", field="session_id")
        if isinstance(incoming, JoinSession | StateSync):
            return False
        if incoming.session_id not in connection.sessions:
            raise Refused("not_joined")
        session = self.hub.live(incoming.session_id)
        if session is None:
            return False
        if isinstance(incoming, LeaveSession):
            session.leave(connection)
            connection.control(
                message(
                    "system_message",
                    {"kind": "ack", "outcome": "applied"},
                    id=incoming.id,
                    session_id=session.id,
                )
            )
        elif isinstance(incoming, UserCursor):
            require(session.live.room.state, connection.principal, "user_cursor")
            session.cursor(connection, incoming.data)
        elif isinstance(data, Chunk | Progress):
            session.relay(connection, data)
        else:
            assert is_command(incoming)
            self._command(connection, session, incoming, str(text))
        return True

    async def _route_later(self, connection: Connection, incoming: ClientMessage, text: str | bytes) -> None:
        assert incoming.session_id is not None
        if isinstance(incoming, JoinSession):
            await self._join(connection, incoming)
            return
        if incoming.session_id not in connection.sessions:
            raise Refused("not_joined")
        session = await self.hub.session(incoming.session_id)
        if isinstance(incoming, StateSync):
            await session.sync(connection, incoming)
        elif not self._route(connection, incoming, text):
            raise Refused("no_session")

    async def _join(self, connection: Connection, incoming: JoinSession) -> None:
        assert incoming.session_id is not None
        if connection.principal.only not in (None, incoming.session_id):
            raise Refused("no_session")
        joined, most = connection.sessions, self.hub.config.bounds.sessions_per_connection
        if incoming.session_id not in joined and len(joined) >= most:
            raise Refused("too_many", "leave another session first")
        session = await self.hub.session(incoming.session_id)
        await session.join(connection, incoming)

    def _command(self, connection: Connection, session: Session, incoming: ClientMessage, said: str) -> None:
        client_key(RoomCommand(connection.principal, incoming))
        wait = session.take_turn(connection.principal.user_id, time.monotonic())
        if wait > 0:
            raise Refused("rate", retry_after=round(wait, 3))
        limit = self.hub.config.bounds.in_flight
        if connection.in_flight >= limit:
            raise Refused(
                "in_flight", f"at most {limit} commands may wait for their answer", retry_after=0.05
            )
        connection.in_flight += 1
        done = _answer_to(connection, session, incoming)
        session.command(connection, Asked(connection.principal, incoming, done, said=said))

    def _renew(self, connection: Connection, token: str) -> None:
        grant = self.hub.tokens.verify(token)
        if grant is None or grant[0].user_id != connection.principal.user_id:
            raise Refused("forbidden", "this token is not good for this connection")
        connection.principal, connection.expires = grant


def _about(refused: Refused, incoming: ClientMessage) -> Refused:
    """The refusal, with what its reader knows the message by."""
    if incoming.id is not None:
        refused.extra.setdefault("id", incoming.id)
    if incoming.session_id is not None:
        refused.extra.setdefault("session_id", incoming.session_id)
    return refused


def _answer_to(connection: Connection, session: Session, incoming: ClientMessage) -> Callable[[Reply], None]:
    def done(reply: Reply) -> None:
        connection.in_flight -= 1
        data: dict[str, JsonValue] = dict(reply.data)
        if data.get("code") in UNDECIDED:
            data.setdefault("retry_after", 0.5)
        connection.control(
            message("system_message", data, session_id=session.id, sequence_id=reply.sequence_id, id=reply.id)
        )

    return done


def check_numbers(text: str) -> None:
    """Refuse `bad_json` for numbers that other readers of JSON do not know: a log is JSON for all of them.

    The parser of messages takes NaN, and 1e999 for infinity. Reading all of it once more is faster than any
    search for such a number.
    """
    try:
        loads(text)
    except JSONDecodeError:
        raise Refused("bad_json", "NaN and numbers beyond a double are no JSON") from None


def _text(framed: bytes) -> str:
    return next(unframe(framed)).decode()
