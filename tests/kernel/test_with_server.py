"""The client and the host with a real Jupyter server and a real kernel.

Law: processes of their own, on loopback, ended by the test that started them.
Parts: a person's script, a kernel's cells, what stays secret.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

import novel_jupyter as nj
from novel_jupyter.kernel.client import Client
from novel_jupyter.kernel.errors import CommandRefused, ConnectionStopped
from novel_jupyter.kernel_cell import Cell, CellFailed, shut_down_kernel, start_kernel
from novel_jupyter.testing import ServerProcess

pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]

SECONDS = 60.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    root: Path = tmp_path_factory.mktemp("server")
    with ServerProcess(root, ["ana", "ben"], {"NovelApp.kernel_token_lifetime": 10}) as found:
        yield found


@pytest_asyncio.fixture
async def ana(server: ServerProcess) -> AsyncIterator[Client]:
    async with await nj.connect(server.url, server.token_of("ana")) as client:
        yield client


@pytest_asyncio.fixture
async def cell(server: ServerProcess) -> AsyncIterator[Cell]:
    """A fresh kernel of the server; it ends with the test."""
    kernel_id = await start_kernel(server.url, server.admin_token)
    async with Cell(server.url, server.admin_token, kernel_id) as found:
        await found.run("import asyncio, novel_jupyter as nj")
        yield found
    await shut_down_kernel(server.url, server.admin_token, kernel_id)


async def value(cell: Cell, expression: str, folder: Path) -> Any:
    """The value of an expression in the kernel, by way of a file: what is printed may come later than the
    answer.
    """
    path = folder / "value.json"
    await cell.run(f"_said = {expression}\nimport json; open({str(path)!r}, 'w').write(json.dumps(_said))")
    return json.loads(path.read_text())


# --- a person's script


@pytest.mark.asyncio
async def test_a_persons_script_creates_joins_and_edits(ana: Client) -> None:
    assert "lighthouse" in [story["name"] for story in await ana.stories()]
    session_id = str((await ana.create_session("lighthouse", seed="7"))["session_id"])
    handle = await ana.join(session_id)
    assert ana.user["user_id"] == "ana"
    people: Any = handle.state["participants"]
    assert people["ana"]["role"] == "owner"
    ack = await handle.edit([{"op": "replace", "path": "/scene/mood", "value": "tense"}])
    assert handle.sequence_id >= ack.sequence_id
    assert cast(Any, handle.state["scene"])["mood"] == "tense"
    with pytest.raises(CommandRefused, match="bad_action"):
        await handle.propose("mara", {"kind": "dance"})
    seen = cast("dict[str, Any]", await ana.get(f"sessions/{session_id}/state"))
    assert seen["hash"] == handle.replica.state_hash()
    assert session_id in [entry["session_id"] for entry in await ana.sessions()]
    with pytest.raises(CommandRefused, match="no_session"):
        await ana.join("nowhere")


@pytest.mark.asyncio
async def test_a_plain_token_stays_one_user(server: ServerProcess) -> None:
    async with await nj.connect(f"{server.url}?token={server.admin_token}") as client:
        made = await client.create_session("lighthouse")
        handle = await client.join(str(made["session_id"]))
        people: Any = handle.state["participants"]
        assert people[client.user["user_id"]]["role"] == "owner"


@pytest.mark.asyncio
async def test_a_wrong_token_ends_in_words(server: ServerProcess) -> None:
    with pytest.raises(ConnectionStopped, match="does not take this token"):
        await nj.connect(server.url, "wrong")


@pytest.mark.asyncio
async def test_a_server_that_restarts_loses_nobody_and_nothing(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, ["ana"], {"NovelApp.reconnect_after": 0.2}) as server:
        async with await nj.connect(server.url, server.token_of("ana")) as client:
            handle = await client.join(str((await client.create_session("lighthouse"))["session_id"]))
            await handle.chat("before")
            offline = asyncio.Event()
            handle.on("offline", lambda _: offline.set())
            await asyncio.to_thread(server.stop)
            await asyncio.wait_for(offline.wait(), SECONDS)
            saying = asyncio.create_task(handle.chat("while away"))
            await asyncio.to_thread(server.start)
            await asyncio.wait_for(saying, SECONDS)
            chat: Any = handle.state["chat"]
            assert [entry["text"] for entry in chat.values()] == ["before", "while away"]


# --- a kernel's cells


@pytest.mark.asyncio
async def test_a_notebook_opens_a_story_and_plays_it(cell: Cell, ana: Client, tmp_path: Path) -> None:
    await cell.run('story = await nj.open("lighthouse", seed="7")')
    assert await value(
        cell, "(lambda t: [t.number, t.narration, bool(t.narrative)])(await story.turn())", tmp_path
    ) == [
        1,
        "told",
        True,
    ]
    handle = await ana.join(await value(cell, "story.session_id", tmp_path))
    await handle.claim_session()
    await handle.claim("mara")
    await handle.propose("mara", {"kind": "search"})
    await handle.ready("mara")
    turn: Any = await handle.wait_for(lambda s: cast(Any, s["turn"])["number"] == 3 and s["turn"], SECONDS)
    assert turn["phase"] == "collect"
    await cell.run("await story.handle.wait_for(lambda s: s['turn']['number'] == 3, 60)")
    assert await value(cell, "[len(story.turns), story.phase]", tmp_path) == [2, "collect"]


@pytest.mark.asyncio
async def test_cells_stay_free_while_an_agent_thinks(cell: Cell, tmp_path: Path) -> None:
    await cell.run(
        "class Slow(nj.DirectorAgent):\n"
        "    async def run_turn(self, *a, **k):\n"
        "        began.set(); await go.wait()\n"
        "        return await super().run_turn(*a, **k)\n"
        "began, go = asyncio.Event(), asyncio.Event()\n"
        'story = await nj.open("lighthouse", seed="7", director=Slow())\n'
        "playing = asyncio.create_task(story.turn())\n"
        "await began.wait()"
    )
    assert await value(cell, "[story.phase, 6 * 7]", tmp_path) == ["resolving", 42]
    await cell.run("go.set()")
    assert await value(cell, "(await playing).number", tmp_path) == 1


@pytest.mark.asyncio
async def test_a_cell_that_is_run_again_finds_its_story(cell: Cell, tmp_path: Path) -> None:
    await cell.run('story = await nj.open("lighthouse")')
    await cell.run("again = await nj.join(story.session_id)")
    assert await value(cell, "[again is story, again.client is story.client]", tmp_path) == [True, True]
    await cell.run("await story.close(); again = await nj.join(story.session_id)")
    assert await value(cell, "[again is story, (await again.turn()).number]", tmp_path) == [False, 1]


@pytest.mark.slow
@pytest.mark.asyncio
async def test_the_credential_is_renewed_while_it_is_used(cell: Cell, tmp_path: Path) -> None:
    """The tokens of this server last 10 s."""
    await cell.run(
        'story = await nj.open("lighthouse", seed="7")\n'
        "lost = []\n"
        'off = story.handle.on("offline", lambda _: lost.append(1))\n'
        "await asyncio.sleep(12)"
    )
    said = "[(await story.turn()).number, len(lost), len(await story.history(limit=3))]"
    assert await value(cell, said, tmp_path) == [1, 0, 3]


@pytest.mark.asyncio
async def test_magics_in_a_real_kernel(cell: Cell, tmp_path: Path) -> None:
    await cell.run("%load_ext novel_jupyter")
    await cell.run("%story open lighthouse")
    await cell.run("%%act mara\nsearch")
    await cell.run("turn = %story turn")
    mine = "[o['action']['kind'] for o in turn.outcomes if o['character'] == 'mara']"
    assert await value(cell, mine, tmp_path) == ["search"]
    with pytest.raises(CellFailed, match="does not know 'dance'"):
        await cell.run("%story dance")


@pytest.mark.asyncio
async def test_a_story_file_with_a_mistake_says_where(cell: Cell) -> None:
    await cell.run("open('broken.yaml', 'w').write('title: x\\nlocations: 7\\n')")
    with pytest.raises(CellFailed, match="line 2"):
        await cell.run('await nj.open("broken.yaml")')


# --- what stays secret


@pytest.mark.asyncio
async def test_a_kernel_shows_no_secret(server: ServerProcess, cell: Cell, tmp_path: Path) -> None:
    await cell.run(
        "import logging, io, json, os\n"
        "from ipykernel.connect import get_connection_file\n"
        "stream = io.StringIO(); logging.basicConfig(stream=stream, level=logging.DEBUG, force=True)\n"
        'story = await nj.open("lighthouse"); await story.turn()\n'
        "login = story.client.login\n"
        "key = json.load(open(get_connection_file()))['key']\n"
        "token = (await login.headers())['X-Novel-Token']\n"
        "shown = stream.getvalue() + ''.join(map(repr, (story, story.client, login, story.handle)))\n"
    )
    said = await value(cell, "[key in shown, token in shown, len(shown) > 50]", tmp_path)
    assert said == [False, False, True]
    assert server.admin_token not in server.log


@pytest.mark.asyncio
async def test_a_kernel_of_another_server_is_not_taken(server: ServerProcess, tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as other:
        kernel_id = await start_kernel(other.url, other.admin_token)
        try:
            async with Cell(other.url, other.admin_token, kernel_id) as cell:
                with pytest.raises(CellFailed, match="takes only kernels that it runs"):
                    await cell.run(
                        f'import novel_jupyter as nj; await nj.open("lighthouse", url="{server.url}")'
                    )
        finally:
            await shut_down_kernel(other.url, other.admin_token, kernel_id)
