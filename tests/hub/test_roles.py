"""What the Hub's scopes let somebody come in as, and what they may begin."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest
from hub.browser import Browser
from hub.hub import HubProcess

pytestmark = pytest.mark.process


@pytest.mark.asyncio
async def test_scopes_are_roles(hub: HubProcess) -> None:
    roles = {"dora": "director", "alice": "player", "wendy": "spectator"}
    async with AsyncExitStack() as stack:
        people = {n: await stack.enter_async_context(Browser(hub, n)) for n in (*roles, "bob")}
        for person in people.values():
            assert (await person.visit()).status_code == 200
        session = await people["bob"].begin()
        closed = await people["bob"].begin(settings={"default_role": "none"})
        watched = await people["bob"].begin(settings={"default_role": "spectator"})
        for name, role in roles.items():
            socket = await stack.enter_async_context(people[name].socket())
            await socket.join(session)
            assert socket.sessions[session].state["participants"][name]["role"] == role
            refused = await socket.ask("join_session", closed, {}, id=f"{name}:join")
            assert refused["code"] == "forbidden"
            await socket.join(watched)
            entered = socket.sessions[watched].state["participants"][name]["role"]
            assert entered == ("director" if name == "dora" else "spectator")
        for name, status in {"dora": 201, "alice": 201, "wendy": 403}.items():
            answer = await people[name].call("POST", "novel/api/sessions", json={"story": "lighthouse"})
            assert answer.status_code == status, name
