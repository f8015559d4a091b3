"""The client: one socket, any number of sessions, and the REST calls beside it.

Law: `await` works from a notebook's cell and from a script alike; nothing blocks. A handle survives lost
connections and servers; when the connection is over for good, everything that waits hears why.
Parts: `Client`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Final, cast

from pydantic import JsonValue

from novel_jupyter.core.errors import way_of
from novel_jupyter.core.outgoing import ServerMessage, User, Welcome

from .access import Login, call
from .addresses import Addresses
from .connection import Backoff, Connection
from .errors import ConnectionStopped, Unreachable
from .handle import SessionHandle
from .listeners import Frame, Listeners
from .outbound import QUEUE

log = logging.getLogger("novel_jupyter")

CLOSE_SECONDS: Final = 2.0


class Client:
    """`async with Client(login) as client: handle = await client.join(session_id)`.

    `find` gives the login. Several logins are for several servers of one store, and for one person or kernel:
    when one server is lost the next is tried, and nothing that was under way is lost or done twice.
    """

    def __init__(
        self, login: Login | Sequence[Login], *, backoff: Backoff | None = None, queue_limit: int = QUEUE
    ) -> None:
        self.login: Login = Addresses(login) if isinstance(login, Sequence) else login
        self.limits: Mapping[str, JsonValue] = {}
        self.online = False
        self.store_available = True
        """False while the server says that it cannot reach its store: commands wait here meanwhile."""
        self.welcome: Welcome | None = None
        self._queue_limit = queue_limit
        self._handles: dict[str, SessionHandle] = {}
        self._connection = Connection(self.login, self, backoff)
        self._running: asyncio.Task[None] | None = None
        self._stopped: ConnectionStopped | None = None
        self._news = asyncio.Event()
        self._listeners = Listeners(dict)

    def __repr__(self) -> str:
        return f"<novel_jupyter client of {self.login.base_url}, {'online' if self.online else 'offline'}>"

    @property
    def base_url(self) -> str:
        """The server's address, ending with a slash."""
        return self.login.base_url

    @property
    def is_over(self) -> bool:
        """Whether the connection is closed for good."""
        return self._stopped is not None

    @property
    def user(self) -> User:
        """Who the server says this client is. Raises RuntimeError before the first connection."""
        if self.welcome is None:
            raise RuntimeError("not connected yet")
        return self.welcome["user"]

    def on(self, kind: str, callback: Callable[[Frame], object]) -> Callable[[], None]:
        """Call `callback(frame)` when the connection is `online` or `offline`, or the `store` is away or back
        (`store_available`); returns what ends that. Must not block.
        """
        return self._listeners.on(kind, callback)

    # --- life -

    async def connect(self, timeout: float = 30.0) -> Client:
        """Connect and stay connected.

        Raises Unreachable after `timeout` seconds, ConnectionStopped if refused.
        """
        if self._running is None:
            self._running = asyncio.create_task(self._connection.run())
        try:
            async with asyncio.timeout(timeout):
                while not self.online:
                    if self._stopped:
                        raise self._stopped
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            await self.close()
            raise Unreachable(self.base_url, self._connection.last_problem) from None
        return self

    async def close(self) -> None:
        """End the connection; what still waits for an answer hears ConnectionStopped."""
        await self._connection.close()
        if self._running is not None:
            await asyncio.wait([self._running], timeout=CLOSE_SECONDS)
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running
        self.stopped(ConnectionStopped(None, "closed from here"))

    async def __aenter__(self) -> Client:
        return await self.connect()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # --- sessions ------

    async def join(self, session_id: str, timeout: float = 30.0) -> SessionHandle:
        """Take part in a session. Raises CommandRefused (`no_session`, `forbidden`, …) or TimeoutError."""
        if self._stopped:
            raise self._stopped
        handle = self._handles.get(session_id)
        if handle is None or handle.failed:
            handle = self._handles[session_id] = SessionHandle(self, session_id, self._queue_limit)
            if self.online:
                handle.join_again()
        handle.joining += 1
        try:
            async with asyncio.timeout(timeout):
                await asyncio.shield(handle.first_sync)
        finally:
            handle.joining -= 1
            if not handle.first_sync.done() and not handle.joining:
                self.leave(handle)  # nobody waits for it any more
            elif handle.failed and self._handles.get(session_id) is handle:
                del self._handles[session_id]
        return handle

    def leave(self, handle: SessionHandle) -> None:
        """Leave a session; its handle is of no more use."""
        if self._handles.get(handle.session_id) is handle:
            del self._handles[handle.session_id]
        handle.leave()

    # --- REST -

    async def stories(self) -> list[dict[str, JsonValue]]:
        """The stories that the server brings along."""
        return _list(await self.get("stories"), "stories")

    async def sessions(self) -> list[dict[str, JsonValue]]:
        """The latest sessions that this user belongs to (a kernel: all), latest activity first."""
        return _list(await self.get("sessions"), "sessions")

    async def create_session(
        self,
        story: str | None = None,
        *,
        text: str | None = None,
        settings: Mapping[str, JsonValue] | None = None,
        seed: str | None = None,
    ) -> dict[str, JsonValue]:
        """Begin a bundled `story`, or the story file whose `text` this is: `{"session_id", "title", …}`.

        Raises CommandRefused; for a story file with mistakes its message names line and field.
        """
        body: dict[str, JsonValue] = {"settings": dict(settings or {})}
        body |= {k: v for k, v in (("story", story), ("text", text), ("seed", seed)) if v is not None}
        return cast("dict[str, JsonValue]", await call(self.login, "POST", "novel/api/sessions", body))

    async def get(self, path: str) -> JsonValue:
        """Any resource below `novel/api/`, as JSON, from the first server that answers."""
        *logins, last = self.login.in_order if isinstance(self.login, Addresses) else (self.login,)
        for login in logins:
            with contextlib.suppress(Unreachable):
                return await call(login, "GET", f"novel/api/{path}")
        return await call(last, "GET", f"novel/api/{path}")

    # --- what the connection tells -------

    def send_text(self, text: bytes) -> bool:
        return self._connection.send_text(text)

    def opened(self, welcome: Welcome) -> None:
        self.welcome, self.limits, self.online = welcome, welcome["limits"], True
        self._news.set()
        self._listeners.tell("online", {})
        self._store_is(True)  # a server whose store is away says so right after its welcome
        for handle in list(self._handles.values()):
            handle.join_again()

    def received(self, frame: ServerMessage) -> None:
        session_id = frame.get("session_id")
        if session_id is None and frame["data"].get("kind") == "store":
            self._store_is(bool(cast("dict[str, JsonValue]", frame["data"])["available"]))
            return
        handle = None if session_id is None else self._handles.get(session_id)
        if handle is None or handle.failed:
            return
        try:
            handle.received(frame)
        except Exception as error:
            log.error("a frame could not be taken, the session is read anew: %s", way_of(error))
            handle.replica.broken = True
            handle.resync()

    def _store_is(self, available: bool) -> None:
        if available == self.store_available:
            return
        self.store_available = available
        news: Frame = {"type": "system_message", "data": {"kind": "store", "available": available}}
        for listeners in (self._listeners, *(handle.listeners for handle in list(self._handles.values()))):
            listeners.tell("store", news)

    def lost(self) -> None:
        self.online = False
        self._listeners.tell("offline", {})
        for handle in list(self._handles.values()):
            handle.lost()

    def stopped(self, why: ConnectionStopped) -> None:
        if self._stopped:
            return
        self._stopped, self.online = why, False
        self._news.set()
        for handle in list(self._handles.values()):
            handle.fail(why)
        self._handles.clear()


def _list(answer: JsonValue, key: str) -> list[dict[str, JsonValue]]:
    return cast("list[dict[str, JsonValue]]", answer[key] if isinstance(answer, dict) else answer)
