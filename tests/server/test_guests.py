"""Guests over a real server: a link opens one session in one role, and nothing else of Jupyter.

Law: a browser's jar is held by an HTTP client, which sends each cookie where its path lets it.
Parts: coming in, what a guest's cookie does not open, the end of an invite, tickets.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import pytest
from server.wire import PATIENCE, PROTOCOL, Wire, connect, create, rest
from websockets.asyncio.client import connect as websocket
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from novel_jupyter.testing import ServerProcess

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


@asynccontextmanager
async def browser(server: ServerProcess) -> AsyncIterator[httpx.AsyncClient]:
    """A browser without any login, that has seen a page of the server's and so can answer its XSRF check."""
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=PATIENCE) as http:
        await http.get("login")
        http.headers["X-XSRFToken"] = http.cookies["_xsrf"]
        yield http


async def invite(server: ServerProcess, session: str, **said: object) -> dict[str, Any]:
    async with rest(server, "alice") as http:
        answer = await http.post(f"sessions/{session}/invites", json={"role": "player", **said})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def token_of(made: dict[str, Any]) -> str:
    return str(urlsplit(made["path"]).fragment.removeprefix("invite="))


async def arrive(http: httpx.AsyncClient, made: dict[str, Any], name: str = "Zoe") -> httpx.Response:
    return await http.post("novel/api/guests", json={"token": token_of(made), "name": name})


@asynccontextmanager
async def guest_socket(server: ServerProcess, ticket: str) -> AsyncIterator[Wire]:
    url = f"ws://127.0.0.1:{server.port}/novel/api/ws?ticket={ticket}"
    async with websocket(url, subprotocols=[Subprotocol(PROTOCOL)], proxy=None, compression=None) as socket:
        wire = Wire(socket, "g1")
        try:
            await wire.expect(lambda m: m["data"]["kind"] == "welcome")
            yield wire
        finally:
            await wire.close()


async def ticket(http: httpx.AsyncClient, session: str) -> str:
    answer = await http.post("novel/api/ticket", json={"session_id": session})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["ticket"])


async def test_a_guest_comes_in_plays_and_is_seen_as_one(server: ServerProcess) -> None:
    session = await create(server)
    made = await invite(server, session, uses=1)
    assert made["path"].startswith(f"/novel/s/{session}#")
    async with connect(server, "alice") as alice, browser(server) as http:
        await alice.join(session)
        came = await arrive(http, made)
        assert came.status_code == 201, came.text
        me = came.json()
        assert (me["session_id"], me["name"], me["role"]) == (session, "Zoe", "player")
        given = came.headers["set-cookie"]
        assert "HttpOnly" in given
        assert "Path=/novel/" in given
        assert "SameSite=Lax" in given
        async with guest_socket(server, await ticket(http, session)) as zoe:
            await zoe.join(session)
            said = await zoe.chat(session, "hello")
            event = await alice.expect(lambda m: m["sequence_id"] == said["sequence_id"] and "hash" in m)
            assert event["user_id"] == me["user_id"]
            participants = alice.sessions[session].state["participants"]
            assert participants[me["user_id"]]["guest"] == made["invite"]
            assert (await http.get(f"novel/api/sessions/{session}/me")).json()["guest"] is True
            assert (await http.get(f"novel/api/sessions/{session}/state")).status_code == 200
        async with rest(server, "alice") as owner:
            (shown,) = (await owner.get(f"sessions/{session}/invites")).json()["invites"]
            assert (shown["left"], shown["guests"]) == (0, [{"user_id": me["user_id"], "name": "Zoe"}])
            answer = await owner.patch(f"sessions/{session}/guests/{me['user_id']}", json={"name": "Zoë"})
            assert answer.json()["name"] == "Zoë"
    async with browser(server) as late:
        assert (await arrive(late, made)).status_code == 410


async def test_the_cookie_opens_nothing_else(server: ServerProcess) -> None:
    session, other = await create(server), await create(server)
    async with browser(server) as http:
        guest = (await arrive(http, await invite(server, session))).json()["user_id"]
        cookie = next(c for c in http.cookies.jar if c.name.startswith("novel-guest-"))
        # As an attacker would: with the cookie in every request, whatever its path says.
        http.cookies.set(cookie.name, str(cookie.value), path="/")
        http.cookies.set(f"novel-guest-{other}", str(cookie.value), path="/")
        for path in (
            *(
                "api/contents",
                "api/kernels",
                "api/kernelspecs",
                "api/sessions",
                "api/terminals",
                "api/config/x",
            ),
            *("api/me", "files/x", "view/x", "api/nbconvert", "lab", "tree", "metrics"),
            *("novel/api/sessions", "novel/api/stories", f"novel/api/sessions/{other}"),
            *(f"novel/api/sessions/{other}/state", f"novel/api/sessions/{other}/me"),
        ):
            answer = await http.get(path, follow_redirects=False)
            refused = answer.status_code in (401, 403, 404)
            assert refused or "login" in answer.headers.get("location", ""), (path, answer.status_code)
        for path, body in (
            ("api/kernels", {}),
            ("api/terminals", {}),
            ("api/contents", {"type": "notebook"}),
            ("novel/api/sessions", {"story": "lighthouse"}),
            (f"novel/api/sessions/{session}/invites", {"role": "player"}),
            (f"novel/api/sessions/{session}/archive", {}),
            ("novel/api/kernel-token", {}),
            ("novel/api/ticket", {}),
            ("novel/api/ticket", {"session_id": other}),
        ):
            answer = await http.post(path, json=body)
            assert answer.status_code in (400, 403, 404), (path, answer.status_code)
        jar = {"Cookie": f"{cookie.name}={cookie.value}"}
        with pytest.raises(InvalidStatus):
            async with connect(server, None, headers=jar):
                pass
        async with guest_socket(server, await ticket(http, session)) as zoe:
            assert (await zoe.ask("join_session", other, {}))["data"]["code"] == "no_session"
            await zoe.join(session)
            data = (await zoe.rule(session, "set_role", target=guest, role="owner"))["data"]
            assert data["code"] == "forbidden"


async def test_what_was_not_signed_for_this_opens_nothing(server: ServerProcess) -> None:
    session, other = await create(server), await create(server)
    mine, theirs = await invite(server, session), await invite(server, other)
    claims = jwt.decode(token_of(mine), options={"verify_signature": False})
    forged = [
        jwt.encode({**claims, "inv": theirs["invite"], "sid": other}, "x" * 32, "HS256"),
        jwt.encode(claims, "", "none"),
        token_of(mine).rpartition(".")[0] + "." + token_of(theirs).rpartition(".")[2],
        "a.b.c",
        "x" * 1024,
    ]
    async with browser(server) as http:
        for token in forged:
            answer = await http.post("novel/api/guests", json={"token": token, "name": "Mallory"})
            assert answer.status_code == 410, answer.text
            assert answer.json()["code"] == "no_invite"
        # An invite is no cookie.
        http.cookies.set(f"novel-guest-{session}", token_of(mine), path="/")
        assert (await http.get(f"novel/api/sessions/{session}/state")).status_code == 403
        wrong: list[object] = [
            {"token": token_of(mine)},
            {"token": token_of(mine), "name": ""},
            {"name": 3},
            [],
        ]
        for body in wrong:
            assert (await http.post("novel/api/guests", json=body)).status_code == 400
        no_xsrf = await http.post(
            "novel/api/guests", json={"token": token_of(mine), "name": "x"}, headers={"X-XSRFToken": "no"}
        )
        assert no_xsrf.status_code == 403


async def test_revoking_closes_live_sockets(server: ServerProcess) -> None:
    session = await create(server)
    made, kept = await invite(server, session), await invite(server, session, role="spectator")
    async with browser(server) as http, browser(server) as watcher:
        await arrive(http, made)
        await arrive(watcher, kept, "Will")
        async with (
            guest_socket(server, await ticket(http, session)) as zoe,
            guest_socket(server, await ticket(watcher, session)) as will,
        ):
            await zoe.join(session)
            await will.join(session)
            async with rest(server, "alice") as owner:
                answer = await owner.delete(f"sessions/{session}/invites/{made['invite']}")
                assert answer.status_code == 200
            assert await zoe.closed() == 4503
            await will.alive()
            assert (await will.act(session, "claim", character="mara"))["data"]["code"] == "forbidden"
        assert (await http.get(f"novel/api/sessions/{session}/me")).status_code == 403
        assert (await http.post("novel/api/ticket", json={"session_id": session})).status_code == 403
        assert (await arrive(http, made)).status_code == 410
        assert (await watcher.get(f"novel/api/sessions/{session}/me")).status_code == 200


async def test_a_ticket_opens_one_socket(server: ServerProcess) -> None:
    """R99, R101"""
    session = await create(server)
    async with browser(server) as http:
        await arrive(http, await invite(server, session))
        elsewhere = {"X-XSRFToken": "of another site"}
        answer = await http.post("novel/api/ticket", json={"session_id": session}, headers=elsewhere)
        assert answer.status_code == 403
        once = await ticket(http, session)
        async with guest_socket(server, once):
            pass
        for wrong in (once, "", "x"):
            with pytest.raises(InvalidStatus):
                async with guest_socket(server, wrong):
                    pass


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    traits = {"NovelApp.require_ticket": True}
    with ServerProcess(tmp_path_factory.mktemp("strict"), ("alice",), traits) as found:
        yield found


async def test_where_an_origin_is_shared_a_cookie_alone_opens_no_socket(strict: ServerProcess) -> None:
    async with browser(strict) as http:
        await http.get("login", params={"token": strict.admin_token}, follow_redirects=True)
        jar = {"Cookie": "; ".join(f"{name}={value}" for name, value in http.cookies.items())}
        assert (await http.get("api/me")).status_code == 200
        with pytest.raises(InvalidStatus):
            async with connect(strict, None, headers=jar):
                pass
        answer = await http.post("novel/api/ticket", json={})
        async with guest_socket(strict, answer.json()["ticket"]) as person:
            await person.alive()
    async with connect(strict, "alice") as by_token:
        await by_token.alive()
