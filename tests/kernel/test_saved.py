"""A notebook that was run and saved: all that is in it to show the story, and nothing that is secret.

Law: a real server, a kernel of it, and nbclient, which keeps outputs and the states of widgets as a frontend
does.
Parts: the four ways to show a story, what is in the file, cells that are run again, a kernel of no server.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import nbformat
import pytest
import pytest_asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from kernel.test_mirror import texts_in
from nbclient import NotebookClient

import novel_jupyter as nj
from novel_jupyter.kernel.client import Client
from novel_jupyter.kernel.showing import MIME
from novel_jupyter.kernel_cell import shut_down_kernel, start_kernel
from novel_jupyter.testing import ServerProcess

pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]

WIDGET = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
Run = Callable[..., Awaitable[Any]]
"""Runs cells, and returns the notebook as it would be saved."""


@pytest_asyncio.fixture
async def run(jupyter: ServerProcess) -> AsyncIterator[Run]:
    kernel_id = await start_kernel(jupyter.url, jupyter.admin_token)
    client = AsyncKernelClient()
    client.load_connection_file(str(jupyter.root / "runtime" / f"kernel-{kernel_id}.json"))
    client.start_channels()
    await client.wait_for_ready(timeout=60)

    async def cells(*sources: str) -> Any:
        make: Any = nbformat.v4
        notebook = make.new_notebook(cells=[make.new_code_cell(source) for source in sources])
        executor: Any = NotebookClient(notebook, timeout=120)
        executor.kc = client
        executor.reset_execution_trackers()
        for index, cell in enumerate(notebook.cells):
            await executor.async_execute_cell(cell, index)
        executor.set_widgets_metadata()
        return notebook

    yield cells
    client.stop_channels()
    await shut_down_kernel(jupyter.url, jupyter.admin_token, kernel_id)


def data_of(notebook: Any, cell: int) -> dict[str, Any]:
    (output,) = notebook.cells[cell].outputs
    return dict(output["data"])


def file_of(notebook: Any) -> str:
    """What a save would write."""
    write: Any = nbformat.writes
    return str(write(notebook))


def widgets(notebook: Any) -> dict[str, dict[str, Any]]:
    """The states of our widgets, by model id."""
    models = notebook.metadata["widgets"][STATE]["state"]
    return {id: model["state"] for id, model in models.items() if "session_id" in model["state"]}


@pytest.mark.asyncio
async def test_a_saved_notebook_shows_the_story_and_keeps_its_secrets(
    jupyter: ServerProcess, run: Run, people: dict[str, Client]
) -> None:
    notebook = await run(
        'import novel_jupyter as nj\nawait nj.open("lighthouse", seed="7")',
        "story = _",
        "turn = await story.turn()\nturn",
        "story",
        "story.characters",
        'story.characters["mara"]',
        "import json; print(json.dumps([story.state, list(turn.outcomes)]))",
    )
    for cell in (0, 3):
        assert set(data_of(notebook, cell)) == {WIDGET, MIME, "text/html", "text/plain"}
    first, shown = data_of(notebook, 0)[MIME], data_of(notebook, 3)[MIME]
    session_id = shown["session_id"]
    assert first["session_id"] == session_id
    assert shown["url"] == f"{jupyter.url}novel/s/{session_id}"
    assert shown["home"] is True
    assert (first["mirror"]["turns"], first["mirror"]["turn"]) == ([], 1)
    (told,) = shown["mirror"]["turns"]
    assert told["prose"] == data_of(notebook, 2)["text/plain"].removeprefix("Turn 1\n\n")

    # One widget for both cells, and its state is what was shown.
    (model_id,) = {data_of(notebook, cell)[WIDGET]["model_id"] for cell in (0, 3)}
    assert set(widgets(notebook)) == {model_id}
    state = widgets(notebook)[model_id]
    assert (state["session_id"], state["url"]) == (session_id, shown["url"])
    assert "novel/static/novel.js" in state["_esm"]

    # This kernel knew every secret, printed them in the last cell, and none is in what shows the story.
    everything, outcomes = json.loads("".join(output["text"] for output in notebook.cells.pop().outputs))
    saved = file_of(notebook)
    hidden = [part for name, part in everything.items() if name.startswith("seat:") or name == "director"]
    open_to_all = json.dumps([outcomes, *(part for part in everything.values() if part not in hidden)])
    secrets = {
        text for text in texts_in(hidden) if len(text) > 20 and json.dumps(text)[1:-1] not in open_to_all
    }
    assert len(secrets) > 10
    assert [text for text in secrets if json.dumps(text, ensure_ascii=False)[1:-1] in saved] == []
    for token in (jupyter.admin_token, *map(jupyter.token_of, people)):
        assert token not in saved
    key = json.loads(next((jupyter.root / "runtime").glob("kernel-*.json")).read_text())["key"]
    assert key not in saved
    assert "token" not in json.dumps([data_of(notebook, 3), {**state, "_esm": ""}]).lower()


@pytest.mark.asyncio
async def test_a_cell_that_is_run_again_brings_no_second_widget_or_connection(run: Run) -> None:
    notebook = await run(
        'import novel_jupyter as nj\nstory = await nj.open("lighthouse")\nstory',
        "again = await nj.join(story.session_id)\nagain",
        "story",
        'other = await nj.open("lighthouse")\nother',
        "print(again is story, other.client is story.client)",
    )
    models = [data_of(notebook, cell)[WIDGET]["model_id"] for cell in range(4)]
    assert models[0] == models[1] == models[2] != models[3]
    assert set(widgets(notebook)) == set(models)
    assert notebook.cells[4].outputs[0]["text"] == "True True\n"


@pytest.mark.asyncio
async def test_the_copy_follows_the_story(run: Run) -> None:
    notebook = await run(
        """\
import asyncio, novel_jupyter as nj
from IPython.display import display
story = await nj.open("lighthouse", seed="7")
display(story)
widget = story._showing._widget
changed, copies = asyncio.Event(), []
widget.observe(lambda change: (copies.append(change.new), changed.set()), "mirror")
await story.turn()
async with asyncio.timeout(60):
    while not copies or not copies[-1]["turns"] or not copies[-1]["turns"][-1]["prose"]:
        changed.clear()
        await changed.wait()
await story.close()""",
    )
    ((state),) = widgets(notebook).values()
    first = notebook.cells[0].outputs[0]["data"][MIME]["mirror"]
    assert first["turns"] == []
    assert state["mirror"]["turns"][0]["prose"]
    assert state["mirror"]["as_of"] > first["as_of"]


@pytest.mark.asyncio
async def test_a_kernel_that_has_no_server_shows_what_a_person_opened(
    jupyter: ServerProcess, people: dict[str, Client]
) -> None:
    make: Any = nbformat.v4
    code = (
        "import os, novel_jupyter as nj\n"
        'await nj.open("lighthouse", url=os.environ["NOVEL_URL"] + "?token=" + os.environ["NOVEL_TOKEN"])'
    )
    notebook = make.new_notebook(cells=[make.new_code_cell(code)])
    environment = {**os.environ, "NOVEL_URL": jupyter.url, "NOVEL_TOKEN": jupyter.token_of("ana")}
    await NotebookClient(notebook, timeout=120).async_execute(env=environment)
    shown = data_of(notebook, 0)
    assert set(shown) == {WIDGET, MIME, "text/html", "text/plain"}
    assert shown[MIME]["home"] is False
    assert jupyter.token_of("ana") not in file_of(notebook)
    entry = [each["session_id"] for each in await people["ana"].sessions()]
    assert shown[MIME]["session_id"] in entry
    assert nj.__version__ not in shown["text/plain"]
