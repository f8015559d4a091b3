"""Open sockets are asked again who they are: what is asked, what follows, and when nobody can answer.

Law: identity providers are Jupyter's own, or say what a test wants to hear; time is what a test says it is.
Parts: one question (`again`), the questions of all sockets (`Rechecks`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.auth import Authorizer, IdentityProvider, User
from jupyter_server.base.handlers import JupyterHandler
from server.inside import Inside, Listener
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import Application, HTTPError, RequestHandler

from novel_jupyter.core.policy import Entry, Principal
from novel_jupyter.server.events_log import Log
from novel_jupyter.server.recheck import AT_ONCE, SOON, Rechecks, again, given_cookies

ROLES: Mapping[str, Entry] = {"s:play": "player", "s:watch": "spectator"}


class Silent:
    """The connection of a request that nobody answers."""

    def __init__(self) -> None:
        self.callback: object = "the socket's own"

    def set_close_callback(self, callback: object) -> None:
        self.callback = callback


class Provider(IdentityProvider):
    """Says `user`, or raises it."""

    user: Any = User(username="alice")

    def get_user(self, handler: RequestHandler) -> Any:
        if isinstance(self.user, Exception):
            raise self.user
        return self.user


class Strict(Authorizer):
    def is_authorized(self, handler: JupyterHandler, user: User, action: str, resource: str) -> bool:
        return (user.username, action, resource) == ("alice", "execute", "novel_jupyter")


def socket(
    provider: IdentityProvider, authorizer: Authorizer | None = None, headers: Mapping[str, str] | None = None
) -> JupyterHandler:
    app = Application(
        cookie_secret="a secret",
        base_url="/",
        identity_provider=provider,
        authorizer=authorizer or Strict(identity_provider=provider),
    )
    line = RequestStartLine("GET", "/novel/api/ws", "HTTP/1.0")
    connection: Any = Silent()
    request = HTTPServerRequest(headers=HTTPHeaders(headers or {}), connection=connection, start_line=line)
    return JupyterHandler(app, request)


async def ask(provider: IdentityProvider) -> Principal | int:
    return await again(socket(provider), {}, {})


# --- one question


@pytest.mark.asyncio
async def test_who_is_still_known_and_allowed_is_said_anew() -> None:
    provider = Provider()
    handler = socket(provider)
    mine = vars(handler.request.connection)["callback"]
    assert await again(handler, {}, {}) == Principal("alice", "alice")
    assert vars(handler.request.connection)["callback"] == mine, "the socket is not touched"


@pytest.mark.asyncio
async def test_who_is_unknown_or_refused_is_closed_and_a_fault_is_no_answer() -> None:
    provider = Provider()
    provider.user = None
    assert await ask(provider) == 4501
    provider.user = User(username="bob")
    assert await ask(provider) == 4503
    provider.user = HTTPError(403)
    assert await ask(provider) == 4503
    for fault in (HTTPError(500), HTTPError(502), OSError("away"), ValueError("strange")):
        provider.user = fault
        with pytest.raises(type(fault)):
            await ask(provider)


@pytest.mark.asyncio
async def test_the_anonymous_user_of_a_token_stays_who_it_is() -> None:
    """Jupyter gives a token's first request a name, and a cookie to keep it."""
    provider = IdentityProvider(token="t0ken")
    login = {"Authorization": "token t0ken"}
    everybody = Authorizer(identity_provider=provider)
    vars(everybody)["is_authorized"] = lambda *_: True
    first = socket(provider, everybody, login)
    user = await provider.get_user(first)  # type: ignore[misc]
    assert user is not None
    cookies = given_cookies(first)
    assert cookies
    known = await again(first, cookies, {})
    assert isinstance(known, Principal)
    assert known.user_id == user.username
    assert await again(first, {}, {}) != known
    provider.token = "another"
    assert isinstance(await again(first, cookies, {}), Principal), "the cookie is a login of its own"
    assert await again(socket(provider, everybody, login), {}, {}) == 4501


class HubAuth:
    """What is used of JupyterHub's `HubAuth`: a cache that repeats its answers, and whom the Hub knows."""

    class Cache:
        def __init__(self) -> None:
            self.values: dict[str, object] = {}

        def pop(self, key: str, default: object) -> object:
            return self.values.pop(key, default)

    def __init__(self) -> None:
        self.cache = self.Cache()
        self.known: object = None

    def get_token(self, handler: RequestHandler) -> str:
        return "hers"

    async def get_user(self, handler: RequestHandler, *, sync: bool) -> object:
        return self.known


@pytest.mark.asyncio
async def test_a_hub_is_asked_itself_and_tells_who_was_let_go_from_who_is_gone() -> None:
    provider, auth = Provider(), HubAuth()
    vars(provider)["hub_auth"] = auth
    for token in ("hers", "his"):
        auth.cache.values[f"token::{sha256(token.encode()).hexdigest()}"] = token
    user = User(username="alice")
    vars(user)["hub_user"] = {"scopes": ["s:watch", "other"]}
    provider.user = user
    assert await again(socket(provider), {}, ROLES) == Principal("alice", "alice", joins_as="spectator")
    assert list(auth.cache.values.values()) == ["his"]
    vars(user)["hub_user"] = {"scopes": ["s:watch", "s:play"]}
    assert await again(socket(provider), {}, ROLES) == Principal("alice", "alice", joins_as="player")
    provider.user = None
    assert await ask(provider) == 4501
    auth.known = {"name": "alice"}
    assert await ask(provider) == 4503


# --- all sockets


class Crowd:
    """Sockets that answer what a test says, when it says so."""

    def __init__(self, inside: Inside, count: int) -> None:
        self.listeners = [Listener(inside, f"u{n}") for n in range(count)]
        self.open: list[tuple[int, asyncio.Future[Principal | int]]] = []
        self.asked: list[int] = []
        for n, listener in enumerate(self.listeners):
            listener.connection.ask_again = self._asker(n)
        connections = inside.hub.connections
        self.rechecks = Rechecks(connections, 10.0, Log(logging.getLogger("novel_jupyter.tests")), gap=0.0)
        for listener in self.listeners:
            self.rechecks.add(listener.connection, 0.0)

    def _asker(self, n: int) -> Callable[[], Awaitable[Principal | int]]:
        def ask() -> Awaitable[Principal | int]:
            answer: asyncio.Future[Principal | int] = asyncio.get_running_loop().create_future()
            self.open.append((n, answer))
            self.asked.append(n)
            return answer

        return ask

    async def every(self, now: float) -> None:
        self.rechecks.every(now)
        await self.settled()

    async def settled(self) -> None:
        for _ in range(5 * len(self.listeners)):
            await asyncio.sleep(0)

    async def answer(self, say: Callable[[int], Principal | int | Exception]) -> None:
        answered, self.open = self.open, []
        for n, future in answered:
            said = say(n)
            if isinstance(said, Exception):
                future.set_exception(said)
            else:
                future.set_result(said)
        await self.settled()


def same(n: int) -> Principal:
    return Principal(f"u{n}", f"U{n}")


@pytest.mark.asyncio
async def test_questions_are_spread_over_the_interval_and_few_are_open(tmp_path: Path) -> None:
    async with Inside.open(tmp_path) as inside:
        crowd = Crowd(inside, 3 * AT_ONCE)
        await crowd.every(0.0)
        assert crowd.asked == []
        assert len(crowd.rechecks._due) == 3 * AT_ONCE
        await crowd.every(7.0)
        early = len(crowd.asked)
        assert early <= AT_ONCE
        await crowd.every(9.1)
        assert len(crowd.open) == AT_ONCE
        for _ in range(4):
            await crowd.answer(same)
            await crowd.every(9.1)
        assert sorted(crowd.asked) == list(range(3 * AT_ONCE)), "each once, within its interval"
        await crowd.every(12.0)
        assert len(crowd.asked) == 3 * AT_ONCE
        await crowd.rechecks.close()


@pytest.mark.asyncio
async def test_no_two_are_put_in_one_moment(tmp_path: Path) -> None:
    """Each takes a part of a millisecond, and what people say would wait for all of them."""
    async with Inside.open(tmp_path) as inside:
        crowd = Crowd(inside, 2 * AT_ONCE)
        loop, at, done = asyncio.get_running_loop(), list[float](), asyncio.Event()
        for listener in crowd.listeners:

            async def ask(who: Principal = listener.connection.principal) -> Principal:
                at.append(loop.time())
                if len(at) == len(crowd.listeners):
                    done.set()
                return who

            listener.connection.ask_again = ask
        crowd.rechecks._gap = 0.005
        crowd.rechecks.every(9.1)
        await asyncio.wait_for(done.wait(), 10)
        assert at[-1] - at[0] >= 0.5 * 0.005 * (len(at) - 1)
        await crowd.rechecks.close()


@pytest.mark.asyncio
async def test_an_answer_closes_or_changes_and_no_answer_does_neither(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Inside.open(tmp_path) as inside:
        crowd = Crowd(inside, 5)
        await crowd.every(0.0)
        await crowd.every(9.1)
        answers: list[Principal | int | Exception] = [
            4501,
            4503,
            Principal("somebody", "else"),
            Principal("u3", "U3", joins_as="spectator"),
            OSError("secret address"),
        ]
        await crowd.answer(lambda n: answers[n])
        assert [listener.code for listener in crowd.listeners] == [4501, 4503, 4501, None, None]
        assert crowd.listeners[3].connection.principal.joins_as == "spectator"
        assert "secret address" not in caplog.text
        # Who could not be asked is asked again soon, the other after its interval.
        crowd.asked.clear()
        await crowd.every(9.1 + SOON)
        assert crowd.asked == [4]
        await crowd.answer(lambda n: OSError("secret address"))
        assert crowd.listeners[4].code is None
        await crowd.rechecks.close()


@pytest.mark.asyncio
async def test_with_no_interval_nobody_is_asked(tmp_path: Path) -> None:
    async with Inside.open(tmp_path) as inside:
        crowd = Crowd(inside, 1)
        never = Rechecks(inside.hub.connections, 0.0, Log(logging.getLogger("novel_jupyter.tests")))
        never.add(crowd.listeners[0].connection, 0.0)
        never.every(1e9)
        assert crowd.asked == []


@pytest.mark.asyncio
async def test_who_is_done_makes_room_for_the_next_and_who_is_gone_is_forgotten(tmp_path: Path) -> None:
    async with Inside.open(tmp_path) as inside:
        crowd = Crowd(inside, 3 * AT_ONCE)
        for listener in crowd.listeners[: 2 * AT_ONCE]:
            inside.hub.remove(listener.connection)
        await crowd.every(9.1)
        await crowd.answer(same)  # nobody waits for the next round of the timer
        assert sorted(crowd.asked) == list(range(2 * AT_ONCE, 3 * AT_ONCE))
        assert len(crowd.rechecks._due) == AT_ONCE
        await crowd.rechecks.close()


@pytest.mark.asyncio
async def test_a_question_that_was_broken_off_is_put_again_and_none_after_the_end(tmp_path: Path) -> None:
    async with Inside.open(tmp_path) as inside:
        crowd = Crowd(inside, 1)
        await crowd.every(9.1)
        crowd.open.pop()[1].cancel()  # by whoever was to answer
        for _ in range(3):
            await asyncio.sleep(0)
        await crowd.every(9.1 + SOON)
        assert crowd.asked == [0, 0]
        assert crowd.listeners[0].code is None
        await crowd.rechecks.close()
        await crowd.every(1e9)
        assert crowd.asked == [0, 0]
