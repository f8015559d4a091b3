"""How guests come to an end (SPEC R96-R98): uses, revocation, removal, expiry; what has ended opens nothing.

Law: over a real server where no time must pass; where it must, in this process, with a clock that is wrong.
Parts: uses, cookies that take each other's place, revocation and removal, expiry.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from jupyter_server.base.handlers import JupyterHandler
from server.inside import Inside, Listener, principal
from server.test_guests import arrive, browser, guest_socket, invite, ticket
from server.wire import connect, create, rest

from novel_jupyter.core.errors import Refused
from novel_jupyter.core.incoming import parse
from novel_jupyter.core.policy import SERVER, Principal
from novel_jupyter.core.room import Reply
from novel_jupyter.core.views import rules_of
from novel_jupyter.server.clock import Clock
from novel_jupyter.server.connection import Connection
from novel_jupyter.server.guests import cookie_name, guest_of, new_guest
from novel_jupyter.server.live import Asked
from novel_jupyter.server.session import Session
from novel_jupyter.testing import ServerProcess

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


# --- uses


async def test_no_more_come_in_than_an_invite_says_also_at_once(server: ServerProcess) -> None:
    session = await create(server)
    made = await invite(server, session, uses=2)
    async with browser(server) as http:
        answers = await asyncio.gather(*(arrive(http, made, f"Guest {n}") for n in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 410, 410, 410, 410]
    async with rest(server, "alice") as owner:
        (shown,) = (await owner.get(f"sessions/{session}/invites")).json()["invites"]
    assert (shown["left"], len(shown["guests"])) == (0, 2)


# --- cookies that take each other's place


def cookie_of(http: httpx.AsyncClient, session: str) -> str:
    return str(next(c.value for c in http.cookies.jar if c.name == cookie_name(session)))


async def test_who_comes_twice_in_one_browser_is_the_latter(server: ServerProcess) -> None:
    session = await create(server)
    one, two = await invite(server, session), await invite(server, session, role="spectator")
    async with browser(server) as http:
        first = (await arrive(http, one, "First")).json()["user_id"]
        before = cookie_of(http, session)
        second = (await arrive(http, two, "Second")).json()["user_id"]
        assert first != second
        assert (await http.get(f"novel/api/sessions/{session}/me")).json()["user_id"] == second
        async with rest(server, "alice") as owner:
            assert (await owner.delete(f"sessions/{session}/invites/{two['invite']}")).status_code == 200
        # The cookie that was replaced is still the first one's; the one in its place is nobody's any more.
        assert (await http.get(f"novel/api/sessions/{session}/me")).status_code == 403
    async with rest(server, headers={"Cookie": f"{cookie_name(session)}={before}"}) as old:
        assert (await old.get(f"sessions/{session}/me")).json()["user_id"] == first


async def test_no_part_of_a_cookie_can_be_exchanged(server: ServerProcess) -> None:
    session, other = await create(server), await create(server)
    async with browser(server) as mine, browser(server) as theirs:
        await arrive(mine, await invite(server, session))
        await arrive(theirs, await invite(server, other))
        head, body, sign = cookie_of(mine, session).split(".")
        _, other_body, other_sign = cookie_of(theirs, other).split(".")
        for value in (
            f"{head}.{other_body}.{sign}",
            f"{head}.{body}.{other_sign}",
            f"{head}.{other_body}.{other_sign}",
            f"{head}.{body}.",
            f"{head}.{body}.{sign}.{sign}",
        ):
            async with rest(server, headers={"Cookie": f"{cookie_name(session)}={value}"}) as forged:
                assert (await forged.get(f"sessions/{session}/me")).status_code == 403, value
        # A cookie is no invite, and lets nobody else in.
        body_said = {"token": cookie_of(mine, session), "name": "Mallory"}
        answer = await theirs.post("novel/api/guests", json=body_said)
        assert (answer.status_code, answer.json()["code"]) == (410, "no_invite")


# --- revocation and removal


async def test_a_socket_that_has_not_joined_is_closed_too(server: ServerProcess) -> None:
    session = await create(server)
    made = await invite(server, session)
    async with browser(server) as http:
        await arrive(http, made)
        early = await ticket(http, session)
        async with (
            connect(server, "alice") as alice,
            guest_socket(server, await ticket(http, session)) as zoe,
        ):
            await alice.join(session)
            async with rest(server, "alice") as owner:
                await owner.delete(f"sessions/{session}/invites/{made['invite']}")
            assert await zoe.closed() == 4503
            # A ticket from before that is not used yet opens a socket to nothing.
            async with guest_socket(server, early) as late:
                assert await late.closed() == 4503


async def test_who_is_removed_is_out_and_the_others_stay(server: ServerProcess) -> None:
    session = await create(server)
    made = await invite(server, session, uses=2)
    async with browser(server) as http, browser(server) as friend, connect(server, "alice") as alice:
        guest = (await arrive(http, made)).json()["user_id"]
        await arrive(friend, made, "Yan")
        await alice.join(session)
        async with (
            guest_socket(server, await ticket(http, session)) as zoe,
            guest_socket(server, await ticket(friend, session)) as yan,
        ):
            await zoe.join(session)
            await yan.join(session)
            assert (await zoe.act(session, "claim", character="mara"))["kind"] == "ack"
            assert (await alice.rule(session, "set_role", target=guest, role=None))["kind"] == "ack"
            assert await zoe.closed() == 4503
            await yan.alive()
            assert alice.sessions[session].state["seats"]["mara"]["owner"] is None
        assert (await http.get(f"novel/api/sessions/{session}/state")).status_code == 403
        assert (await http.post("novel/api/ticket", json={"session_id": session})).status_code == 403
        assert (await friend.get(f"novel/api/sessions/{session}/state")).status_code == 200
        # The link has no use left: no way back in.
        assert (await arrive(http, made)).status_code == 410


# --- expiry


@asynccontextmanager
async def an_hour(folder: Path, ago: timedelta) -> AsyncIterator[tuple[Inside, Session, int, str]]:
    """A session that somebody came into so long ago, by an invite for an hour: its number, and the guest."""
    async with Inside.open(folder) as inside:
        inside.hub._clock = Clock(lambda: datetime.now(UTC) - ago)
        session = await inside.session()
        alice = Listener(inside, "alice")
        await alice.join(session)
        said = {"kind": "invite", "role": "player", "uses": 2, "seconds": 3600}
        number = (await alice.ask(session, "system_message", said)).sequence_id
        guest = new_guest()
        assert (await admitted(session, number, guest)).data["kind"] == "ack"
        yield inside, session, number, guest


async def admitted(session: Session, number: int, guest: str) -> Reply:
    data = {"kind": "admit_guest", "invite": number, "guest": guest, "name": "Zoe"}
    said = {"type": "system_message", "session_id": session.id, "id": f"{guest[-8:]}:1", "data": data}
    done: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
    session.live.ask(Asked(SERVER, parse(json.dumps(said)), done.set_result))
    return await done


class Request:
    """As much of a request as a cookie needs."""

    def __init__(self, value: str) -> None:
        self._value = value

    def get_cookie(self, name: str) -> str:
        return self._value


async def known(inside: Inside, session: Session, cookie: str) -> tuple[Principal, float] | None:
    return await inside.hub.guests.by_cookie(cast(JupyterHandler, Request(cookie)), session.id)


@pytest.mark.parametrize("minutes", [59, 61])
async def test_an_invite_ends_with_its_time_and_its_guests_with_it(tmp_path: Path, minutes: int) -> None:
    async with an_hour(tmp_path, timedelta(minutes=minutes)) as (inside, session, number, guest):
        entry = rules_of(session.live.room.state)["session"]["invites"][str(number)]
        token = inside.hub.guests.invite_token(session, number, entry)
        cookie, until = inside.hub.guests.cookie(session, guest)
        found = await known(inside, session, cookie)
        if minutes == 59:
            assert found is not None
            assert (found[0].user_id, found[0].only, found[1]) == (guest, session.id, float(until))
            assert await inside.hub.guests.by_invite(token) == (session, number)
        else:
            assert found is None
            assert guest_of(session, guest) is None
            with pytest.raises(Refused) as caught:
                await inside.hub.guests.by_invite(token)
            assert caught.value.code == "no_invite"


async def test_the_log_too_lets_nobody_in_by_an_invite_that_is_over(tmp_path: Path) -> None:
    async with an_hour(tmp_path, timedelta(minutes=61)) as (inside, session, number, _):
        inside.hub._clock = Clock()
        assert (await admitted(session, number, new_guest())).data["code"] == "no_invite"


async def test_a_live_socket_ends_with_the_invite(tmp_path: Path) -> None:
    async with an_hour(tmp_path, timedelta(minutes=61)) as (inside, session, _, guest):
        codes: dict[str, int] = {}

        def opened(who: Principal, expires: float | None) -> None:
            def closed(code: int, reason: str) -> None:
                codes[who.user_id] = code

            line: Any = Listener(inside, who.user_id)
            hub = inside.hub
            hub.add(Connection(who.user_id, who, expires, line, closed, hub.config, hub.flusher))

        _, until = inside.hub.guests.cookie(session, guest)
        opened(Principal(guest, "Zoe", joins_as="none", only=session.id), float(until))
        opened(principal("bob"), None)
        await inside.hub._every(0.0)
        assert codes == {guest: 4004}
