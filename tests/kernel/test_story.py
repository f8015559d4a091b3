"""What a notebook's author holds: turns that are waited for, agents that are swapped, and magics that are
awaited.

Law: the session is the real one (`kernel.local`); IPython's shell is a real one.
Parts: turns and actions, showing, magics, the names of the package.
"""

from __future__ import annotations

import asyncio
import atexit
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import pytest
import pytest_asyncio
from IPython.core.interactiveshell import InteractiveShell
from kernel.hosting import SECONDS, HeldDirector, LocalClient, story_of
from kernel.local import LocalServer, kernel, person
from traitlets.config import Config

import novel_jupyter as nj
from novel_jupyter.kernel import magics
from novel_jupyter.kernel.api import run
from novel_jupyter.kernel.client import Client
from novel_jupyter.kernel.errors import CommandRefused, TurnEnded
from novel_jupyter.kernel.story import Story


@pytest_asyncio.fixture
async def server() -> LocalServer:
    return LocalServer(kernel())


@pytest_asyncio.fixture
async def story(server: LocalServer) -> AsyncIterator[Story]:
    found = await story_of(server)
    yield found
    await found.close()


# --- turns and actions


@pytest.mark.asyncio
async def test_free_words_that_may_be_an_action_are_asked_about(story: Story) -> None:
    with pytest.raises(ValueError, match=r"did you mean.*'kind': 'search', 'target': 'kitchen'"):
        await story.act("mara", "rummage through the kitchen")
    with pytest.raises(ValueError, match="cannot be done"):
        await story.act("mara", "grab the brass key off Corwin")
    proposals: Any = story.state["turn"]
    assert proposals["proposals"] == {}
    await story.act("mara", "free rummage through the kitchen")
    await story.act("tomas", "hum an old tune")
    proposals = story.state["turn"]
    assert {p["action"]["kind"] for p in proposals["proposals"].values()} == {"free"}


@pytest.mark.asyncio
async def test_a_turn_is_played_and_returned(story: Story) -> None:
    turn = await story.turn()
    assert (turn.number, turn.attempt, turn.branch, turn.narration) == (1, 1, "main", "told")
    assert turn.narrative
    assert str(turn) == turn.narrative
    assert {"mara", "tomas"} <= {outcome["character"] for outcome in turn.outcomes}
    assert story.turns == [turn]
    assert (await story.turn()).number == 2
    assert story.log[-1]["kind"] == "turn"
    assert [event["sequence_id"] for event in await story.history(after=3, limit=2)] == [4, 5]


@pytest.mark.asyncio
async def test_two_who_ask_at_once_get_the_same_turn(story: Story) -> None:
    one, two = await asyncio.gather(story.turn(), story.turn())
    assert one == two


@pytest.mark.asyncio
async def test_an_action_in_words_is_proposed_and_happens(story: Story) -> None:
    ack = await story.act("mara", "search")
    assert ack.outcome == "applied"
    turn = await story.turn()
    (mine,) = [outcome for outcome in turn.outcomes if outcome["character"] == "mara"]
    assert (mine["action"]["kind"], mine["by"]) == ("search", "player")
    with pytest.raises(ValueError, match="give takes"):
        await story.act("mara", "give letter")
    with pytest.raises(CommandRefused, match="unknown_character"):
        await story.act("nobody", "wait")


@pytest.mark.asyncio
async def test_a_kernel_does_not_act_for_a_seat_that_is_taken(server: LocalServer, story: Story) -> None:
    ana = await server.join(person("ana"))
    await ana.claim("mara")
    with pytest.raises(CommandRefused, match="not_your_seat"):
        await story.act("mara", "wait")
    await ana.delegate("mara", "kernel:k1")
    await story.act("mara", "wait")


@pytest.mark.asyncio
async def test_a_turn_that_comes_to_nothing_says_how(story: Story) -> None:
    director = story.director = HeldDirector()
    playing = asyncio.create_task(story.turn())
    await asyncio.wait_for(director.began.wait(), SECONDS)
    await story.direct("cancel")
    with pytest.raises(TurnEnded, match="cancelled") as caught:
        await playing
    assert caught.value.how == "cancelled"
    await story.direct("pause")
    with pytest.raises(TurnEnded, match="with resume"):
        await story.turn()


@pytest.mark.asyncio
async def test_a_broken_agent_is_shown_where_it_was_written(story: Story) -> None:
    class Broken(nj.DirectorAgent):
        async def run_turn(self, *args: Any, **kwargs: Any) -> Any:
            raise RuntimeError("I forgot a colon")

    story.director = Broken()
    with pytest.raises(TurnEnded, match=r"failed \(agent\): RuntimeError at test_story\.py:\d+") as ended:
        await story.turn()
    assert "colon" not in str(ended.value)
    assert story.host is not None
    assert "colon" in str(story.host.last_error)


@pytest.mark.asyncio
async def test_without_a_host_nobody_waits_for_ever() -> None:
    server = LocalServer(person("ana"))
    story = await story_of(server)
    with pytest.raises(TurnEnded, match="have the owner admit one"):
        await story.turn()
    await story.close()


@pytest.mark.asyncio
async def test_undo_retell_and_branch(story: Story) -> None:
    first = await story.turn()
    await story.turn()
    await story.undo()
    assert cast(Any, story.state["turn"])["number"] == 2
    await story.branch("other", first.node)
    second = await story.turn()
    assert (second.number, second.branch) == (2, "other")
    await story.retell()
    await story.handle.wait_for(lambda s: story.phase == "collect", SECONDS)
    await story.say("well told")
    await story.edit([{"op": "replace", "path": "/notes/scene", "value": "x"}])


@pytest.mark.asyncio
async def test_a_person_has_no_agents(server: LocalServer) -> None:
    line = server.line(person("ana"))
    story = Story(cast(Client, LocalClient(line)), await line.join(), None)
    with pytest.raises(RuntimeError, match="only a kernel hosts"):
        _ = story.director
    await story.close()


# --- showing


@pytest.mark.asyncio
async def test_what_others_wrote_is_escaped(story: Story) -> None:
    evil = "<img src=x onerror=alert(1)> [x](javascript:y) `z`"
    await story.edit([{"op": "replace", "path": "/scene/text", "value": evil}])
    html = story._repr_html_()
    assert "<img" not in html
    assert "&lt;img" in html
    assert story.session_id in html
    turn = nj.Turn(1, 1, "main", 9, "told", evil)
    shown = turn._repr_markdown_()
    assert not set("<[`") & set(shown)
    assert "not told: failed" in nj.Turn(1, 1, "main", 9, "failed", "")._repr_markdown_()
    assert story.title in repr(story)
    assert story.url == "http://127.0.0.1:1/lab/novel/s/s1"
    assert set(story.characters) == set(cast(Any, story.state["seats"]))


# --- magics


@pytest.fixture
def shell() -> Iterator[Any]:
    config = Config()
    config.HistoryManager.enabled = False
    found = cast(Any, InteractiveShell)(config=config)
    nj.load_ipython_extension(found)
    yield found
    nj.unload_ipython_extension(found)
    found.atexit_operations()
    atexit.unregister(found.atexit_operations)


async def cell(shell: Any, text: str) -> Any:
    """Run a cell as a kernel does; its value."""
    transformed = shell.transform_cell(text)
    result = await shell.run_cell_async(text, transformed_cell=transformed)
    error: BaseException | None = result.error_in_exec or result.error_before_exec
    if error:
        raise error
    return result.result


@pytest.mark.asyncio
async def test_magics_are_awaited(shell: Any, story: Story) -> None:
    shell.user_ns["story"] = story
    assert await cell(shell, "%story") is story
    assert "applied" in repr(await cell(shell, "%%act mara\nsearch"))
    turn = await cell(shell, "%story turn")
    assert isinstance(turn, nj.Turn)
    assert (await cell(shell, "x = %story turn 2\nx")).number == 3
    assert await cell(shell, "%story state /turn/number") == 4
    assert "mara: " in repr(await cell(shell, "%story people"))
    assert await cell(shell, "%story log") is story.log
    assert story.log[0]["kind"] == "created"
    assert "</svg>" in (await cell(shell, "%story plot acts"))._repr_html_()
    assert repr(await cell(shell, "%story suggest ines")).startswith("ines: ")
    await cell(shell, "%story undo")
    assert await cell(shell, "%story state turn/number") == 3
    assert "%%act" in repr(await cell(shell, "%story help"))
    for bad in (
        "%story dance",
        "%story suggest",
        "%story plot mood",
        "%story open",
        "%%act\nwait",
        "%story state /nowhere",
    ):
        with pytest.raises(ValueError, match=r"story|what|nothing|plot"):
            await cell(shell, bad)


@pytest.mark.asyncio
async def test_magics_without_a_story_say_so(shell: Any) -> None:
    with pytest.raises(ValueError, match="no story is open yet"):
        await cell(shell, "%story turn")


def test_only_our_magics_are_awaited_and_only_once() -> None:
    lines = [
        "get_ipython().run_line_magic('time', 'x')\n",
        "y = get_ipython().run_cell_magic('act', 'mara', 'z')\n",
    ]
    once = magics.awaiting(lines)
    assert once == [lines[0], "y = await get_ipython().run_cell_magic('act', 'mara', 'z')\n"]
    assert magics.awaiting(once) == once


# --- the names of the package


def test_run_is_for_scripts() -> None:
    async def main() -> int:
        with pytest.raises(RuntimeError, match="write `await"):
            run(asyncio.sleep(0))
        return 7

    assert nj.run(main()) == 7


def test_every_name_is_there_and_no_other() -> None:
    for name in nj.__all__:
        assert getattr(nj, name) is not None
    assert set(nj.__all__) <= set(dir(nj))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = nj.nothing


def test_the_server_loads_nothing_of_the_kernel() -> None:
    code = (
        "import sys, novel_jupyter; novel_jupyter._jupyter_server_extension_points(); "
        "bad = [n for n in sys.modules if n.startswith(('novel_jupyter.kernel', 'IPython'))]; "
        "assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
