"""Who can act as whom where servers are shared or trusted: what is refused, and what cannot be.

Law: `docs/deployment.md` says the same in a table. A test that shows a forgery is no fault of the product: it
says what the form rests on, and why a third form exists (`tests/hub`).
Parts: one server for a small team; a server for each of them, all with one Redis.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from server.wire import connect, create, headers_of, rest
from websockets.exceptions import InvalidStatus

from novel_jupyter.kernel_cell import Cell, shut_down_kernel, start_kernel
from novel_jupyter.testing import ServerProcess
from novel_jupyter.testing_redis import RedisServer

pytestmark = pytest.mark.process

READ_TOKENS = """
import json, os, pathlib
config = pathlib.Path(os.environ["JUPYTER_CONFIG_DIR"]) / "jupyter_server_config.json"
found = json.loads(config.read_text())["NamedIdentities"]["people"]
pathlib.Path({path!r}).write_text(json.dumps(found))
"""


@asynccontextmanager
async def kernel(server: ServerProcess, name: str) -> AsyncIterator[Cell]:
    """A kernel that this person starts, as everybody may on a server that they share."""
    kernel_id = await start_kernel(server.url, server.token_of(name))
    try:
        async with Cell(server.url, server.token_of(name), kernel_id) as cell:
            yield cell
    finally:
        await shut_down_kernel(server.url, server.token_of(name), kernel_id)


async def who_says(server: ServerProcess, name: str, session: str, **more: object) -> Any:
    """As whom this person's words are written down."""
    async with connect(server, name, f"{name}9") as wire:
        await wire.join(session)
        said = await wire.ask("story_update", session, {"kind": "chat", "text": "it is me"}, **more)  # type: ignore[arg-type]
        replica = await wire.reach(session, said["sequence_id"])
        return replica.events[-1]["user_id"]


# --- one server for a small team


@pytest.mark.asyncio
async def test_on_one_server_no_client_is_somebody_else(server: ServerProcess) -> None:
    session = await create(server, "bob")
    assert await who_says(server, "alice", session, user_id="bob") == "alice"
    async with rest(server, "alice", {"X-Forwarded-User": "bob"}) as http:
        assert (await http.post(f"sessions/{session}/archive")).status_code == 403
    for headers in (
        {"Authorization": "token bob"},
        {"Cookie": f"username-127-0-0-1-{server.port}=bob"},
        {"X-Novel-Token": server.token_of("alice")},
    ):
        with pytest.raises(InvalidStatus) as refused:
            async with connect(server, None, headers=headers):
                pass
        assert refused.value.response.status_code == 403


@pytest.mark.asyncio
async def test_on_one_server_code_is_everybody(server: ServerProcess, tmp_path: Path) -> None:
    """What the form rests on: a kernel runs as the server's account, and can read what it can read."""
    session = await create(server, "bob")
    async with kernel(server, "alice") as cell:
        await cell.run(READ_TOKENS.format(path=str(tmp_path / "tokens")))
    tokens = {name: token for token, name in json.loads((tmp_path / "tokens").read_text()).items()}
    login = {"Authorization": f"token {tokens['bob']}"}
    async with connect(server, None, "forged", login) as forged:
        await forged.join(session)
        assert (await forged.rule(session, "archive"))["kind"] == "ack"


# --- a server for each, all with one Redis


@pytest.fixture(scope="module")
def trusted(
    redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    """Alice's own server, on which she has made up a "bob", and bob's."""
    traits = {"NovelApp.store": redis_server.url}
    with (
        ServerProcess(tmp_path_factory.mktemp("alice"), ["alice", "bob"], traits) as hers,
        ServerProcess(tmp_path_factory.mktemp("bob"), ["bob"], traits) as his,
    ):
        yield hers, his


@pytest.mark.asyncio
async def test_on_servers_of_their_own_they_play_together(
    trusted: tuple[ServerProcess, ServerProcess],
) -> None:
    hers, his = trusted
    session = await create(hers, "alice")
    async with connect(hers, "alice", "a1") as alice, connect(his, "bob", "b1") as bob:
        await alice.join(session)
        await bob.join(session)
        assert (await alice.act(session, "claim", character="mara"))["kind"] == "ack"
        assert (await bob.act(session, "claim", character="mara"))["code"] == "seat_taken"
        claimed = await bob.act(session, "claim", character="ines")
        replica = await alice.reach(session, claimed["sequence_id"])
        seats = {c: seat["owner"] for c, seat in replica.state["seats"].items() if seat["owner"]}
        assert seats == {"mara": "alice", "ines": "bob"}
        # A login of one server is none of the other's.
        with pytest.raises(InvalidStatus) as refused:
            async with connect(his, None, headers=headers_of(hers, "alice")):
                pass
        assert refused.value.response.status_code == 403


@pytest.mark.asyncio
async def test_on_servers_of_their_own_each_server_says_who_its_users_are(
    trusted: tuple[ServerProcess, ServerProcess],
) -> None:
    """What the form rests on: everybody believes every server that has the Redis."""
    hers, his = trusted
    session = await create(his, "bob")
    async with connect(his, "bob", "b1") as bob, connect(hers, "bob", "forged") as forged:
        await bob.join(session)
        await forged.join(session)
        assert (await forged.rule(session, "archive"))["kind"] == "ack"
        await bob.until(lambda: bob.sessions[session].state["session"]["status"] == "archived")
        assert bob.sessions[session].events[-1]["user_id"] == "bob"
