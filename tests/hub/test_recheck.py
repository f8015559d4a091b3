"""Who loses a right, a login or an account while a socket is open is out within the interval.

Law: each taking is an administrator's or the person's own, at the Hub; nobody tells the service.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from hub.browser import SERVICE, Browser, plain_socket, refused_socket
from hub.conftest import INTERVAL
from hub.hub import PATIENCE, HubProcess
from websockets.exceptions import InvalidStatus

import novel_jupyter as nj
from novel_jupyter.kernel.errors import ConnectionStopped

pytestmark = pytest.mark.process

TRY = """
import novel_jupyter as nj
try:
    await nj.connect()
except Exception as error:
    said = str(error)
"""
LOGIN = """
from novel_jupyter.kernel.discovery import find
headers = await find().headers()
"""


@pytest.mark.asyncio
async def test_who_lost_the_right_is_closed_4503(hub: HubProcess, figure: Callable[[str], None]) -> None:
    await hub.start_server("leaver")
    async with Browser(hub, "leaver") as leaver, Browser(hub, "bob") as bob, leaver.kernel() as kernel:
        await leaver.visit()
        await bob.visit()
        session = await bob.begin()
        async with leaver.socket() as socket, bob.socket() as his, hub.admin() as admin:
            await his.join(session)
            await socket.join(session)
            answer = await admin.request("DELETE", "groups/players/users", json={"users": ["leaver"]})
            assert answer.status_code == 200, answer.text
            began = time.monotonic()
            assert await socket.closed() == 4503
            figure(f"closed after {time.monotonic() - began:.2f} s, interval {INTERVAL} s")
            await his.alive()
        assert await refused_socket(hub, SERVICE, {"Cookie": leaver.cookies()}) == 403
        assert (await leaver.call("GET", "novel/api/sessions")).status_code == 403
        # Nor do the kernels of leaver's server get a name at the service any more.
        assert "does not let its kernels in" in await kernel.run(TRY, "said")


@pytest.mark.asyncio
async def test_who_logged_out_or_is_no_user_any_more_is_closed_4501(hub: HubProcess) -> None:
    async with Browser(hub, "logout") as logout, Browser(hub, "gone") as gone, hub.admin() as admin:
        added = await admin.post("groups/players/users", json={"users": ["gone"]})
        assert added.status_code == 200, added.text
        for person in (logout, gone):
            assert (await person.visit()).status_code == 200
        async with logout.socket() as one, gone.socket() as other:
            await logout.http.get("hub/logout")
            assert await one.closed() == 4501
            await other.alive()
            assert (await admin.delete("users/gone")).status_code == 204
            assert await other.closed() == 4501


@pytest.mark.asyncio
async def test_a_persons_script_is_that_person_until_its_token_is_revoked(hub: HubProcess) -> None:
    """A token that a person asked the Hub for, with the right to be at the service."""
    async with hub.admin() as admin:
        scopes = ["access:services!service=novel", "custom:novel_jupyter:play"]
        made = await admin.post("users/bob/tokens", json={"scopes": scopes})
        assert made.status_code == 201, made.text
        async with await nj.connect(f"{hub.url}{SERVICE}", made.json()["token"]) as client:
            assert (client.user["user_id"], client.user["kind"]) == ("bob", "person")
            handle = await client.join(str((await client.create_session("lighthouse"))["session_id"]))
            events = handle.events()
            assert (await admin.delete(f"users/bob/tokens/{made.json()['id']}")).status_code == 204
            with pytest.raises(ConnectionStopped) as stopped:
                async for _ in events:
                    pass
            assert stopped.value.code == 4501


@pytest.mark.asyncio
async def test_whose_rights_changed_has_the_new_ones(hub: HubProcess) -> None:
    async with Browser(hub, "mover") as mover, hub.admin() as admin:
        await mover.visit()
        await mover.begin()
        async with mover.socket() as socket:
            for method, group in (("POST", "audience"), ("DELETE", "players")):
                answer = await admin.request(method, f"groups/{group}/users", json={"users": ["mover"]})
                assert answer.status_code == 200, answer.text
            # The socket stays; what was asked for it holds for what is asked beside it. 400: no story named.
            async with asyncio.timeout(PATIENCE):
                while (answer := await mover.call("POST", "novel/api/sessions", json={})).status_code == 400:
                    await socket.alive()
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
            await socket.alive()


@pytest.mark.asyncio
async def test_a_kernel_that_stopped_is_nobody_at_the_service(servers: HubProcess) -> None:
    async with Browser(servers, "bob") as bob:
        async with bob.kernel() as kernel:
            headers = await kernel.run(LOGIN, "headers")
            async with plain_socket(servers, SERVICE, headers) as socket:
                await bob.call("DELETE", f"api/kernels/{kernel.id}", bob.home)
                assert await socket.closed() == 4503
        with pytest.raises(InvalidStatus):
            async with plain_socket(servers, SERVICE, headers):
                pass
