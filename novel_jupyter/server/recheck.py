"""Open sockets are asked again who they are: a login that ended, or a right that was taken, closes them.

Law: the question is put to the identity provider and the authorizer as if the client came anew, with what
it brought at its handshake and the cookies that it was given there, and past what they keep of earlier
answers. Only an answer closes a socket: while whoever knows is away, everybody stays and is asked again soon.
Questions are spread over the interval, few are open at a time, and no two are put in one moment: what people
say waits for one at most.
Parts: `again` (one question), `Rechecks` (when, and what follows).
"""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from hashlib import sha256
from heapq import heappop, heappush
from http.cookies import SimpleCookie
from typing import Any, Final, TypeAlias

from jupyter_server.auth import User
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import ensure_async
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import HTTPError

from novel_jupyter.core.policy import Entry, Principal

from .connection import Connection
from .events_log import Log
from .identity import person

AT_ONCE: Final = 8
GAP: Final = 0.002
"""Seconds between two questions: most providers answer in the loop, and a thousand may be due in a moment."""
ANSWER_SECONDS: Final = 15.0
SOON: Final = 5.0
"""Seconds after which a question that nobody could answer is put again."""
NOT_AUTHENTICATED: Final = 4501
FORBIDDEN: Final = 4503

Verdict: TypeAlias = Principal | int
"""Who it is now, or the code to close with."""


class _NoConnection:
    """In the place of a request's connection, which is the socket's own by now."""

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        pass


def given_cookies(handler: JupyterHandler) -> dict[str, str]:
    """The cookies that a handshake gave its client: with them a token's anonymous user stays the same one."""
    given: SimpleCookie | None = vars(handler).get("_new_cookie")
    return {name: morsel.value for name, morsel in (given or {}).items() if morsel.value}


def _anew(request: HTTPServerRequest, cookies: Mapping[str, str]) -> HTTPServerRequest:
    found = copy.copy(request)
    vars(found).pop("_cookies", None)
    headers = HTTPHeaders(request.headers)
    sent = {name: morsel.value for name, morsel in request.cookies.items()} | dict(cookies)
    if cookies:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in sent.items())
    found.headers = headers
    found.connection = _NoConnection()  # type: ignore[assignment]
    return found


async def again(socket: JupyterHandler, cookies: Mapping[str, str], roles: Mapping[str, Entry]) -> Verdict:
    """Who the client of this socket is now. Raises what kept the provider from an answer."""
    asking = JupyterHandler(socket.application, _anew(socket.request, cookies))
    provider: Any = asking.identity_provider
    auth = getattr(provider, "hub_auth", None)
    if auth is not None:
        _forget(auth, asking)
    try:
        user: User | None = await ensure_async(provider.get_user(asking))
        if user is None:
            # A Hub still knows whom it only no longer lets in here.
            known = auth is not None and await auth.get_user(asking, sync=False)
            return FORBIDDEN if known else NOT_AUTHENTICATED
        asking.current_user = user
        if not await ensure_async(asking.authorizer.is_authorized(asking, user, "execute", "novel_jupyter")):
            return FORBIDDEN
    except HTTPError as error:
        if error.status_code in (401, 403):
            return FORBIDDEN
        raise
    return person(user, roles)


def _forget(auth: Any, asking: JupyterHandler) -> None:
    """Drop what JupyterHub's `HubAuth` keeps of this login: it would repeat its answer for minutes."""
    token = auth.get_token(asking) or ""
    digest = sha256(token.encode("utf8", "replace")).hexdigest()
    for key in [key for key in auth.cache.values if str(key).endswith(digest)]:
        auth.cache.pop(key, None)


class Rechecks:
    """Call `add` for each new connection that has `ask_again`, and `every` now and then. `connections` are
    all open ones.
    """

    def __init__(
        self, connections: Mapping[str, Connection], interval: float, log: Log, gap: float = GAP
    ) -> None:
        self._connections = connections
        self._interval = interval
        self._gap = gap
        self._timer: asyncio.TimerHandle | None = None
        self._log = log
        self._due: list[tuple[float, str]] = []
        """A heap: when the connection is to be asked next. Those that are asked are not in it."""
        self._asking: dict[str, asyncio.Task[float]] = {}
        self._now = 0.0
        self._closed = False
        self._away_since = 0.0

    def add(self, connection: Connection, now: float) -> None:
        if self._interval > 0 and connection.ask_again is not None:
            heappush(self._due, (self._next(now), connection.id))

    def every(self, now: float) -> None:
        """Put the questions that are due, one after another, as far as there is room."""
        self._now = now
        if self._timer is None:
            self._put()

    def _put(self) -> None:
        self._timer = None
        while self._due and self._due[0][0] <= self._now and len(self._asking) < AT_ONCE:
            _, id = heappop(self._due)
            connection = self._connections.get(id)
            if connection is not None and not connection.closed:
                task = self._asking[id] = asyncio.create_task(self._ask(connection, self._now))
                task.add_done_callback(partial(self._asked, id))
                self._timer = asyncio.get_running_loop().call_later(self._gap, self._put)
                return

    def _asked(self, connection_id: str, done: asyncio.Task[float]) -> None:
        del self._asking[connection_id]
        if self._closed:
            return
        error = None if done.cancelled() else done.exception()
        if error is not None:
            self._log.failure("recheck", error)
        failed = done.cancelled() or error is not None  # whoever may stay is asked again
        heappush(self._due, (self._now + SOON if failed else done.result(), connection_id))
        self.every(self._now)

    def _next(self, now: float) -> float:
        """Spread, so that those who came in one moment are not asked in one."""
        return now + self._interval * random.uniform(0.6, 0.9)

    async def _ask(self, connection: Connection, now: float) -> float:
        """When to ask again."""
        ask: Callable[[], Awaitable[Verdict]] | None = connection.ask_again
        assert ask is not None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                verdict = await ask()
        except Exception as error:
            if not self._away_since:
                self._away_since = now
                self._log.failure("recheck", error)
            return now + min(SOON, self._interval)
        if self._away_since and self._away_since < now:
            self._away_since = 0.0
        next_at = self._next(now)
        if connection.closed:
            return next_at
        if not isinstance(verdict, int) and verdict.user_id != connection.principal.user_id:
            verdict = NOT_AUTHENTICATED  # the same credential is somebody else's by now
        if isinstance(verdict, int):
            self._log.info("recheck_closed", connection=connection.id, code=verdict)
            connection.close(verdict)
        else:
            connection.principal = verdict
        return next_at

    async def close(self) -> None:
        self._closed = True
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
        for task in list(self._asking.values()):
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)
