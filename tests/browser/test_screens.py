"""Every screen of the face, light and dark, wide and 320 pixels narrow: axe finds nothing serious, and
nothing is wider than the screen.

Screenshots go to the folder that NOVEL_SHOTS names, for human eyes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser.accessibility import violations
from browser.lab import LabServer
from browser.people import PATIENCE, Browsers, View, log_in, shoot
from browser.scene import LONG, RIGHT_TO_LEFT, set_scene
from playwright.sync_api import Page, expect

from novel_jupyter.testing import ServerProcess

pytestmark = [pytest.mark.process, pytest.mark.slow]

TABS = ("Cast", "Notes", "Talk", "Map", "Turns", "People", "Direct")
HEIGHT = 900
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    # A connection that is lost without a word is known by the pings that fail to come.
    traits = {"NovelApp.ping_interval": 1.0}
    with LabServer(tmp_path_factory.mktemp("screens"), ["ada", "ben", "cleo"], traits) as found:
        yield found


@pytest.fixture(scope="module")
def session_id(server: ServerProcess) -> str:
    return set_scene(server)


class Looker:
    """Looks at one screen after another and keeps what is wrong with each."""

    def __init__(self, page: Page, name: str, shots: Path | None, within: str = "body") -> None:
        self.page, self.name, self.shots, self.within = page, name, shots, within
        self.faults: dict[str, Any] = {}

    def look(self, screen: str) -> None:
        shoot(self.page, self.shots, f"{self.name}-{screen}")
        found: list[str] = violations(self.page, self.within)
        wide = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        if wide > 0:
            found.append(f"{wide} px to the side")
        long = self.page.evaluate(
            "document.querySelector('.jp-Novel-body') === null ? 0 :"
            " document.documentElement.scrollHeight - document.documentElement.clientHeight"
        )
        if long > 0:
            found.append(f"{long} px below the screen")
        if found:
            self.faults[screen] = found


@pytest.mark.parametrize("width", [1280, 320])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_plain_page(
    server: ServerProcess, session_id: str, browsers: Browsers, shots: Path | None, scheme: str, width: int
) -> None:
    options: Any = {"viewport": {"width": width, "height": HEIGHT}, "color_scheme": scheme}
    page = log_in(browsers.page(**options), server, "ben", f"novel/s/{session_id}")
    view = View(page)
    looker = Looker(page, f"page-{scheme}-{width}", shots)
    looker.look("story")
    for tab in TABS:
        view.show(tab)
        if tab == "Map":
            expect(view.root.get_by_role("region", name="Places")).to_be_visible()
        looker.look(tab.lower())
    people = view.show("People")
    expect(people).to_contain_text(LONG)
    expect(people).to_contain_text(RIGHT_TO_LEFT)
    view.show("Cast").get_by_role("button", name="Character sheet of Mara").click()
    expect(view.field("Private notes")).to_be_visible()
    looker.look("sheet")
    view.show("Turns").get_by_role("listbox").press("Home")
    view.look_at_story()
    expect(view.root.get_by_text("You look back at the opening")).to_be_visible()
    looker.look("looking-back")
    expect(view.show("Map").get_by_text("the opening").first).to_be_visible()
    looker.look("map-as-of")
    view.look_at_story()
    view.button("Back to now").click()
    view.root.get_by_text("What came of it, and why").last.click()
    view.move.click()
    expect(view.root.get_by_role("listbox", name="What Mara may try")).to_be_visible()
    looker.look("offers")
    view.avatar("Ada").hover()
    looker.look("avatar")
    page.context.set_offline(True)
    expect(view.root.locator(".jp-Novel-banners")).to_contain_text("Offline", timeout=4 * PATIENCE)
    looker.look("offline")
    page.context.set_offline(False)
    page.goto(f"{server.url}novel/")
    expect(page.get_by_role("button", name="Begin")).to_be_enabled()
    looker.look("lobby")
    page.context.clear_cookies()
    page.goto(f"{server.url}novel/s/{session_id}#invite=x.y.z")
    expect(page.get_by_role("button", name="Come in")).to_be_visible()
    looker.look("door")
    assert not looker.faults, "\n".join(f"{at}: {found}" for at, found in looker.faults.items())


@pytest.mark.parametrize("scheme", THEMES)
def test_jupyterlab(
    server: LabServer, session_id: str, browsers: Browsers, shots: Path | None, scheme: str
) -> None:
    page = log_in(browsers.page(), server, "ada", f"lab/workspaces/{scheme}")
    expect(page.locator(".jp-LauncherCard", has_text="Story session")).to_be_visible(timeout=2 * PATIENCE)
    page.evaluate("(theme) => jupyterapp.commands.execute('apputils:change-theme', {theme})", THEMES[scheme])
    expect(page.locator(f"body[data-jp-theme-light='{str(scheme == 'light').lower()}']")).to_be_attached()
    shoot(page, shots, f"lab-{scheme}-launcher")
    page.locator(".jp-LauncherCard", has_text="Story session").click()
    expect(page.get_by_role("button", name="Begin")).to_be_enabled()
    # JupyterLab's own parts have findings of their own; we answer for ours.
    looker = Looker(page, f"lab-{scheme}", shots, ".jp-Novel-host .jp-Novel-lobby")
    looker.look("lobby")
    page.evaluate("(id) => jupyterapp.commands.execute('novel:open', {id})", session_id)
    view = View(page)
    looker.within = ".jp-Novel:has(> .jp-Novel-body)"
    for tab in TABS:
        view.show(tab)
        looker.look(tab.lower())
    view.show("Cast").get_by_role("button", name="Character sheet of Mara").click()
    looker.look("sheet")
    page.locator(".jp-SideBar .lm-TabBar-tab[data-id='novel-jupyter-sidebar']").click()
    expect(page.locator("#novel-jupyter-sidebar").get_by_role("list", name="Your sessions")).to_be_visible()
    looker.within = "#novel-jupyter-sidebar"
    looker.look("sidebar")
    assert not looker.faults, "\n".join(f"{at}: {found}" for at, found in looker.faults.items())
