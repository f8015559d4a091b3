"""The tutorials run, cell by cell, in a kernel of a real server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from novel_jupyter.kernel_cell import Cell, shut_down_kernel, start_kernel
from novel_jupyter.testing import ServerProcess

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))

pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]


def test_there_are_tutorials() -> None:
    names = {path.name for path in NOTEBOOKS}
    assert {"01-first-story.ipynb", "02-write-a-story.ipynb", "03-program-the-agents.ipynb"} <= names


def code_of(path: Path) -> list[str]:
    """The code cells of a notebook, which is kept without outputs."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    assert all(not cell.get("outputs") for cell in cells)
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.asyncio
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
async def test_every_cell_of_a_tutorial_runs(path: Path, tmp_path: Path) -> None:
    cells = code_of(path)
    server = ServerProcess(tmp_path)
    await asyncio.to_thread(server.start)
    try:
        kernel_id = await start_kernel(server.url, server.admin_token)
        async with Cell(server.url, server.admin_token, kernel_id) as kernel:
            for source in cells:
                await kernel.run(source)
            told = await kernel.run("print(story.phase, len(story.turns), turn.narrative)")
        await shut_down_kernel(server.url, server.admin_token, kernel_id)
    finally:
        await asyncio.to_thread(server.stop)
    phase, turns, prose = told.split(" ", 2)
    assert phase == "ended"
    assert int(turns) >= 5
    assert len(prose) > 100
