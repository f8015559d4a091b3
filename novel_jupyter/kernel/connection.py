"""One socket that comes back by itself.

Law: a connection is lost and found any number of times; only a 45xx close code or a refused login ends it,
with a clear reason for everybody who waits. Where there are several servers, a lost, refused or drained
connection is tried at the next one; which it is makes no difference to whoever is told. Waiting times are
drawn from all of a growing range (full jitter), so that a thousand clients do not come back in one moment. It
knows envelopes and close codes, and nothing of sessions.
Parts: `Backoff`, `Receiver` (the port upwards), `Connection`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, cast

import orjson
from pydantic import JsonValue
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import (
    WebSocketClientConnection,
    WebSocketClosedError,
    WebSocketError,
    websocket_connect,
)

from novel_jupyter.core.errors import CLOSE, may_reconnect
from novel_jupyter.core.outgoing import SUBPROTOCOL, ServerMessage, Welcome

from .access import Login, describe
from .addresses import Addresses
from .errors import ConnectionStopped, LoginRefused, NovelError

log = logging.getLogger("novel_jupyter")

CONNECT_SECONDS: Final = 20.0
STABLE_SECONDS: Final = 5.0
"""A connection that lived this long was a good one: the next loss begins with short waits again."""
MAX_FRAME: Final = 64 * 1024 * 1024
TOKEN_EXPIRED: Final = 4004
STAYS: Final = frozenset({4002, 4003, TOKEN_EXPIRED, 4006})
"""Close codes that say nothing against the server: the next attempt is made there too."""


@dataclass(slots=True)
class Backoff:
    """Seconds to wait before the next attempt, drawn evenly from 0 to `base`·2ⁿ, at most `cap`."""

    base: float = 0.2
    cap: float = 15.0
    draw: Callable[[float, float], float] = field(default=random.uniform, repr=False)
    attempt: int = 0

    def next(self) -> float:
        most = min(self.cap, self.base * 2 ** min(self.attempt, 32))
        self.attempt += 1
        return self.draw(0.0, most)

    def reset(self) -> None:
        self.attempt = 0


class Receiver(Protocol):
    """Who is told. None of these may block."""

    def opened(self, welcome: Welcome) -> None: ...

    def received(self, frame: ServerMessage) -> None: ...

    def lost(self) -> None: ...

    def stopped(self, why: ConnectionStopped) -> None: ...


class Connection:
    """Run `run` as a task; `close` ends it."""

    def __init__(
        self, login: Login, receiver: Receiver, backoff: Backoff | None = None, heartbeat: float = 20.0
    ) -> None:
        self.login = login if isinstance(login, Addresses) else Addresses([login])
        self.last_problem = "no attempt yet"
        self._receiver = receiver
        self._backoff = backoff or Backoff()
        self._heartbeat = heartbeat
        self._socket: WebSocketClientConnection | None = None
        self._closing = asyncio.Event()
        self._reconnect_after: float | None = None
        self._welcomed = False
        self._user_id: str | None = None

    @property
    def url(self) -> str:
        return self.login.base_url

    def send(self, frame: Mapping[str, JsonValue]) -> bool:
        """Hand one frame to the socket; False when there is none."""
        return self.send_text(orjson.dumps(frame))

    def send_text(self, text: bytes) -> bool:
        """The same for a frame that is JSON already."""
        if self._socket is None or not self._welcomed:
            return False
        try:
            written = self._socket.write_message(text.decode())
        except WebSocketClosedError:
            return False
        # A write that fails later shows as a lost connection, so nobody waits for this one.
        written.add_done_callback(lambda done: None if done.cancelled() else done.exception())
        return True

    def drop(self) -> None:
        """Give this socket up and connect anew."""
        if self._socket is not None:
            self._socket.close(1000)

    async def close(self) -> None:
        """End for good. The receiver hears `stopped`."""
        self._closing.set()
        if self._socket is not None:
            self._socket.close(1000)

    async def run(self) -> None:
        """Stay connected until `close` or until there is no sense in trying."""
        fresh = False
        while not self._closing.is_set():
            began, code = time.monotonic(), None
            try:
                code = await self._once(fresh)
                fresh = code == TOKEN_EXPIRED
            except LoginRefused as error:
                if self.login.refused():
                    return self._stop(None, str(error))
                self.last_problem, fresh = str(error), True
            except (
                NovelError,
                OSError,
                HTTPClientError,
                WebSocketError,
                WebSocketClosedError,
                TimeoutError,
            ) as error:
                self.last_problem = str(error) if isinstance(error, NovelError) else describe(error)
                fresh = True  # where it is away, a fresh login may know another place
            except Exception as error:
                # Ours, or a server that speaks strangely: nobody must wait on a dead task.
                self.last_problem = type(error).__name__
                log.warning("an unforeseen fault while connecting", exc_info=error)
            if code is not None and not may_reconnect(code):
                return self._stop(code, CLOSE.get(code, "closed by the server"))
            if time.monotonic() - began >= STABLE_SECONDS:
                self._backoff.reset()
            await self._wait(code)
        self._stop(None, "closed from here")

    def _stop(self, code: int | None, reason: str) -> None:
        self._closing.set()
        self._receiver.stopped(ConnectionStopped(code, reason))

    async def _wait(self, code: int | None) -> None:
        wait = 0.0 if code == TOKEN_EXPIRED and self._backoff.attempt == 0 else self._backoff.next()
        now = time.monotonic()
        if self._reconnect_after is not None:
            self.login.hold(now + self._reconnect_after)
            self._reconnect_after = None
        wait += self.login.next(now, elsewhere=code not in STAYS)
        log.debug("next attempt in %.2f s (%s)", wait, self.last_problem)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), wait)

    async def _once(self, fresh: bool) -> int | None:
        """One connection from handshake to loss; its close code. Raises what kept it from opening."""
        headers = await self.login.headers(fresh=fresh)
        url = f"ws{self.url.removeprefix('http')}novel/api/ws"
        request = HTTPRequest(
            url, headers=dict(headers), connect_timeout=CONNECT_SECONDS, request_timeout=CONNECT_SECONDS
        )
        try:
            socket = await websocket_connect(
                request,
                subprotocols=[SUBPROTOCOL],
                ping_interval=self._heartbeat,
                ping_timeout=self._heartbeat,
                max_message_size=MAX_FRAME,
            )
        except HTTPClientError as error:
            if error.code in (401, 403):
                raise LoginRefused(f"the server at {self.url} refused the login ({error.code})") from None
            raise
        self._socket, self._welcomed = socket, False
        if self._closing.is_set():
            socket.close(1000)
        renewing: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(CONNECT_SECONDS) as opening:
                while (text := await socket.read_message()) is not None:
                    if self._take(text):
                        self.login.taken()
                        opening.reschedule(None)
                        renewing = asyncio.create_task(self._renew())
        finally:
            if renewing is not None:
                renewing.cancel()
            was_open, self._socket, self._welcomed = self._welcomed, None, False
            socket.close()
            if was_open:
                self._receiver.lost()
        self.last_problem = (
            f"closed with {socket.close_code}" if socket.close_code else "the connection was lost"
        )
        return socket.close_code

    def _take(self, text: str | bytes) -> bool:
        """One frame; True for the welcome that opens the connection."""
        try:
            frame: ServerMessage = orjson.loads(text)
            data = frame["data"]
            kind = data.get("kind")
        except (ValueError, LookupError, TypeError, AttributeError):
            log.warning("a frame that is not of this protocol was passed over")
            return False
        if not self._welcomed:
            if kind == "welcome":
                welcome = cast(Welcome, data)
                self._check_user(welcome["user"]["user_id"])
                self._welcomed = True
                self._receiver.opened(welcome)
                return True
            self.last_problem = str(cast("dict[str, JsonValue]", data).get("message", "no welcome"))
            return False
        if kind == "drain":
            self._reconnect_after = float(cast("dict[str, float]", data)["reconnect_after"])
        self._receiver.received(frame)
        return False

    def _check_user(self, user_id: str) -> None:
        """Raises LoginRefused where another server takes this login for somebody else: what is sent again
        there would be done twice, once by each of the two.
        """
        if len(self.login.logins) > 1 and self._user_id not in (None, user_id):
            raise LoginRefused(f"the server at {self.url} takes {self._user_id} for somebody else")
        self._user_id = user_id

    async def _renew(self) -> None:
        """Bring the server a new token before the old one ends."""
        while (seconds := self.login.renew_in()) is not None:
            await asyncio.sleep(seconds)
            try:
                token = await self.login.renewal()
            except NovelError as error:
                log.warning("the credential could not be renewed yet: %s", error)
                await asyncio.sleep(self._backoff.base + 1.0)
                continue
            if token is not None:
                self.send({"type": "system_message", "data": {"kind": "token", "token": token}})
