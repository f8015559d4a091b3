"""Notebook 7: the story in a cell's output is live there, too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.lab import LabServer, run_cell
from browser.people import Browsers, View, log_in, shoot
from playwright.sync_api import expect

pytestmark = [pytest.mark.process, pytest.mark.slow]

OPEN = "import novel_jupyter as nj\nstory = await nj.open('lighthouse')\nstory"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    with LabServer(tmp_path_factory.mktemp("notebook"), ["ada"]) as found:
        yield found


def test_a_turn_is_played_in_a_cell_of_notebook_7(
    server: LabServer, browsers: Browsers, shots: Path | None
) -> None:
    path = server.notebook("story.ipynb", OPEN)
    page = log_in(browsers.page(), server, "ada", f"notebooks/{path}")
    run_cell(page, 0)
    ada = View(page, ".jp-OutputArea .jp-Novel:has(> .jp-Novel-body)")
    ada.show("People").get_by_role("button", name="It is mine").click()
    ada.play("Mara")
    ada.propose("I open the logbook")
    ada.get_ready()
    ada.is_in_turn(2)
    expect(ada.root.locator("article.jp-Novel-turn h2", has_text="Turn 1")).to_be_attached()
    shoot(page, shots, "notebook7")
