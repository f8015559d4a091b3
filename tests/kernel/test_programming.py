"""A notebook brings agents of its own to a running session, on a real server and in a real kernel.

Law: the cells are what a person would write; what others see is read from a socket of theirs.
Parts: five lines, faults, hooks and the table.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import novel_jupyter as nj
from novel_jupyter.kernel.client import Client
from novel_jupyter.kernel.handle import SessionHandle
from novel_jupyter.kernel_cell import Cell, CellFailed, shut_down_kernel, start_kernel
from novel_jupyter.testing import ServerProcess

pytestmark = [pytest.mark.process, pytest.mark.timeout(180), pytest.mark.asyncio]

SECONDS = 60.0


def five_lines() -> str:
    """The director of the README, as it stands there."""
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    block = readme.split("Five lines, in a cell")[1].split("```python\n")[1].split("```")[0]
    assert len([line for line in block.splitlines() if line.strip()]) <= 5
    return block


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server"), ["ana", "ben"]) as found:
        yield found


@pytest_asyncio.fixture
async def ana(server: ServerProcess) -> AsyncIterator[Client]:
    async with await nj.connect(server.url, server.token_of("ana")) as client:
        yield client


@pytest_asyncio.fixture
async def cell(server: ServerProcess) -> AsyncIterator[Cell]:
    """A kernel that hosts a story; it ends with the test."""
    kernel_id = await start_kernel(server.url, server.admin_token)
    async with Cell(server.url, server.admin_token, kernel_id) as found:
        await found.run('import novel_jupyter as nj\nstory = await nj.open("lighthouse", seed="7")')
        yield found
    await shut_down_kernel(server.url, server.admin_token, kernel_id)


async def value(cell: Cell, expression: str, folder: Path) -> Any:
    """The value of an expression in the kernel, by way of a file."""
    path = folder / "value.json"
    await cell.run(f"_said = {expression}\nimport json; open({str(path)!r}, 'w').write(json.dumps(_said))")
    return json.loads(path.read_text())


class Watcher:
    """Everything that somebody's socket was sent about the session."""

    def __init__(self, handle: SessionHandle) -> None:
        self.frames: list[Any] = []
        for kind in ("event", "progress", "error"):
            handle.on(kind, self.frames.append)

    def made_by(self, kind: str) -> list[Any]:
        return [frame["data"]["made_by"] for frame in self.frames if frame["data"]["kind"] == kind]

    def at_work(self) -> set[str]:
        return {frame["data"]["agent"] for frame in self.frames if frame["data"]["kind"] == "progress"}


async def play_as_mara(handle: SessionHandle, number: int) -> None:
    """One turn, in which mara searches, and that this player sees come to its end."""
    await handle.propose("mara", {"kind": "search"})
    await handle.ready("mara")
    await handle.wait_for(lambda s: s["turn"]["number"] == number + 1, SECONDS)  # type: ignore[index,call-overload]


async def test_five_lines_replace_the_director_while_others_play(
    cell: Cell, ana: Client, tmp_path: Path
) -> None:
    handle = await ana.join(await value(cell, "story.session_id", tmp_path))
    await handle.claim_session()
    watcher = Watcher(handle)
    await play_as_mara(handle, 1)
    await cell.run(five_lines())
    await play_as_mara(handle, 2)
    before, after = watcher.made_by("resolved")
    assert "agent" not in before["agents"]["Director"]
    assert after["agents"]["Director"]["agent"] == "TheBoldFirst"
    assert {"Director", "TheBoldFirst"} <= watcher.at_work()
    mine: Any = handle.state["seats"]
    assert mine["mara"]["owner"] == "ana"


async def test_a_director_that_raises_fails_its_turn_and_what_it_says_stays_here(
    cell: Cell, ana: Client, server: ServerProcess, tmp_path: Path
) -> None:
    handle = await ana.join(await value(cell, "story.session_id", tmp_path))
    await handle.claim_session()
    watcher = Watcher(handle)
    await cell.run(
        "class Broken(nj.DirectorAgent):\n"
        "    async def run_turn(self, *a, **k):\n"
        "        raise ValueError('the butler did it')\n"
        "story.director = Broken()"
    )
    await handle.propose("mara", {"kind": "search"})
    await handle.ready("mara")
    await handle.wait_for(lambda s: s["turn"]["phase"] == "failed", SECONDS)  # type: ignore[index,call-overload]
    with pytest.raises(CellFailed, match="reroll or cancel"):
        await cell.run("await story.turn()")
    assert await value(cell, "str(story.host.last_error)", tmp_path) == "the butler did it"
    # The class is mended in its cell, and the same turn goes on with it.
    await cell.run("class Broken(nj.DirectorAgent): pass\nstory.director = Broken()")
    await handle.direct("reroll")
    await handle.wait_for(lambda s: s["turn"]["number"] == 2, SECONDS)  # type: ignore[index,call-overload]
    (resolved,) = watcher.made_by("resolved")
    assert resolved["agents"]["Director"]["agent"] == "Broken"
    failed = next(frame for frame in watcher.frames if frame["data"]["kind"] == "failed")
    assert failed["data"]["code"] == "agent"
    assert "butler" not in json.dumps(watcher.frames) + server.log


async def test_a_player_asks_what_she_would_do_and_the_answer_reaches_her_alone(
    cell: Cell, ana: Client, server: ServerProcess, tmp_path: Path
) -> None:
    async with await nj.connect(server.url, server.token_of("ben")) as ben:
        session_id = await value(cell, "story.session_id", tmp_path)
        handle, other = await ana.join(session_id), await ben.join(session_id)
        await handle.claim("mara")
        await other.claim("ines")
        seen = Watcher(other)
        hers = Watcher(handle)
        await cell.run(
            "class Grim(nj.PersonaAgent):\n"
            "    async def decide(self, view):\n"
            "        return nj.Decision(view.options[-1], ('a reason of her own',))\n"
            "story.personas['mara'] = Grim"
        )
        found = await nj.suggest(handle, "mara")
        assert (found.why, found.agent) == (("a reason of her own",), "Grim")
        assert found.action is not None
        await other.wait_for(lambda _: other.sequence_id >= handle.sequence_id, SECONDS)
        assert "a reason of her own" in json.dumps(hers.frames)
        assert "a reason of her own" not in json.dumps([seen.frames, dict(other.state)])
        assert "advised" not in json.dumps(seen.frames)
        page = await ben.get(f"sessions/{session_id}/events?after=0&limit=500")
        assert "a reason of her own" not in json.dumps(page)
        assert "a reason of her own" in json.dumps(await ana.get(f"sessions/{session_id}/events?after=0"))
        await handle.propose("mara", found.action)


async def test_an_absent_player_is_stood_in_for_in_sight_and_has_the_seat_back_between_turns(
    cell: Cell, ana: Client, server: ServerProcess, tmp_path: Path
) -> None:
    async with await nj.connect(server.url, server.token_of("ben")) as ben:
        session_id = await value(cell, "story.session_id", tmp_path)
        handle = await ana.join(session_id)
        other = await ben.join(session_id)
        await handle.claim_session()
        await handle.set_settings(understudy_after=0)
        await other.claim("ines")
        watcher = Watcher(handle)
        ben.leave(other)
        await handle.wait_for(lambda s: s["seats"]["ines"]["understudy"], SECONDS)  # type: ignore[index,call-overload]
        await cell.run("await story.handle.wait_for(lambda s: s['seats']['ines']['understudy'], 60)")
        assert "ines: Ines, played by ben (understudy)" in await value(
            cell, "__import__('novel_jupyter.kernel.magics').kernel.magics._people(story)", tmp_path
        )
        await play_as_mara(handle, 1)
        seats: Any = handle.state["seats"]
        assert (seats["ines"]["owner"], seats["ines"]["understudy"]) == ("ben", True)
        deeds = (
            "{row['by'] for row in story.log if row['character'] == 'ines' and row['turn'] == %d} - {None}"
        )
        assert await value(cell, f"list({deeds % 1})", tmp_path) == ["understudy"]
        back = await ben.join(session_id)
        await back.wait_for(lambda s: not s["seats"]["ines"]["understudy"], SECONDS)  # type: ignore[index,call-overload]
        await back.propose("ines", {"kind": "wait"})
        await back.ready("ines")
        await play_as_mara(handle, 2)
        await cell.run("await story.handle.wait_for(lambda s: s['turn']['number'] == 3, 60)")
        assert await value(cell, f"list({deeds % 2})", tmp_path) == ["player"]
        said = [frame["data"] for frame in watcher.frames if frame["data"].get("character") == "ines"]
        kinds = [data["kind"] for data in said if data["kind"] in ("away", "understudy", "back")]
        assert kinds == ["away", "understudy", "back"]


async def test_hooks_the_table_and_the_pictures_of_a_session(cell: Cell, tmp_path: Path) -> None:
    await cell.run(
        "decided = []\n"
        '@story.on("decision")\n'
        "async def watch(made):\n"
        "    decided.append((made.turn, made.character, made.action.kind, list(made.reasons)))\n"
        "await story.turn(); await story.turn(); watch.off(); await story.turn()"
    )
    decided = await value(cell, "decided", tmp_path)
    assert sorted({turn for turn, *_ in decided}) == [1, 2]
    assert {who for _, who, *_ in decided} == {"corwin", "ines", "mara", "tomas"}
    rows = await value(cell, "list(await story.load())", tmp_path)
    assert rows[0]["kind"] == "created"
    deeds = {(row["turn"], row["character"], row["action"]) for row in rows if row["kind"] == "resolved"}
    assert {(turn, who, kind) for turn, who, kind, _ in decided} <= deeds
    assert "</svg>" in await value(cell, "story.plot()._repr_html_()", tmp_path)
