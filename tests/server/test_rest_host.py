"""The agents are started from a page: a real server starts a real kernel, which plays (SPEC R103).

Parts: started and stopped, and who may not.
"""

from __future__ import annotations

import httpx
import pytest
from server.wire import PATIENCE, connect, create, rest

from novel_jupyter.testing import ServerProcess

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


def admin(server: ServerProcess) -> httpx.AsyncClient:
    login = {"Authorization": f"token {server.admin_token}"}
    return httpx.AsyncClient(base_url=server.url, headers=login, trust_env=False, timeout=PATIENCE)


async def kernels(server: ServerProcess) -> set[str]:
    async with admin(server) as http:
        return {f"kernel:{kernel['id']}" for kernel in (await http.get("api/kernels")).json()}


async def test_a_kernel_is_started_hosts_a_turn_and_is_stopped(server: ServerProcess) -> None:
    session = await create(server)
    async with connect(server, "alice") as alice, rest(server, "alice") as http:
        await alice.join(session)
        answer = await http.post(f"sessions/{session}/host", json={}, timeout=60)
        assert answer.status_code == 201, answer.text
        kernel = answer.json()["kernel"]
        assert kernel in await kernels(server)
        replica = alice.sessions[session]
        await alice.until(lambda: replica.state["host"]["holder"] == kernel)
        again = await http.post(f"sessions/{session}/host", json={})
        assert (again.status_code, again.json()["code"]) == (400, "lease_held")
        await alice.act(session, "lock")
        await alice.until(lambda: replica.state["turn"]["number"] == 2)
        assert (await http.delete(f"sessions/{session}/host")).json() == {"stopped": True}
        assert kernel not in await kernels(server)
        assert (await http.delete(f"sessions/{session}/host")).json() == {"stopped": False}


async def test_only_who_directs_and_may_run_kernels_starts_one(server: ServerProcess) -> None:
    session = await create(server)
    before = await kernels(server)
    async with connect(server, "bob") as bob, rest(server, "bob") as http, rest(server) as stranger:
        await bob.join(session)
        answer = await http.post(f"sessions/{session}/host", json={})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert (await stranger.post(f"sessions/{session}/host", json={})).status_code == 403
    async with rest(server, "carol") as carol:
        assert (await carol.post(f"sessions/{session}/host", json={})).status_code == 404
    assert await kernels(server) == before
