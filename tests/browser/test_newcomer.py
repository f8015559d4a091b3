"""Somebody who has never seen it: JupyterLab, "Story session", a link for a friend, one scene on two screens.

Parts: the way from the launcher to a turn that two play, the sidebar, the status bar, the commands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.lab import LabServer
from browser.people import PATIENCE, PHONE, Browsers, View, log_in, shoot
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    with LabServer(tmp_path_factory.mktemp("lab"), ["ada"]) as found:
        yield found


@pytest.fixture(scope="module")
def lab(server: LabServer, browsers: Browsers) -> Page:
    page = log_in(browsers.page(), server, "ada", "lab")
    expect(page.locator(".jp-LauncherCard", has_text="Story session")).to_be_visible(timeout=2 * PATIENCE)
    return page


def test_from_the_launcher_to_a_turn_that_two_play(lab: Page, browsers: Browsers, shots: Path | None) -> None:
    lab.locator(".jp-LauncherCard", has_text="Story session").click()
    expect(lab.get_by_role("button", name="Begin")).to_be_enabled()
    shoot(lab, shots, "lab-lobby")
    lab.get_by_role("button", name="Begin").click()
    ada = View(lab)
    expect(lab.locator(".lm-TabBar-tabLabel", has_text="The Keeper’s Log")).to_be_visible()

    people = ada.show("People")
    people.get_by_role("button", name="Make a link").click()
    link = people.get_by_label("Invite link").input_value()
    phone = browsers.page(viewport=PHONE, is_mobile=True, has_touch=True)
    phone.goto(link)
    shoot(phone, shots, "phone-door")
    phone.get_by_label("What shall the others call you?").fill("Gus")
    phone.get_by_role("button", name="Come in").tap()
    gus = View(phone)
    assert re.fullmatch(r".*/novel/s/[0-9a-f]{32}", phone.url), (
        "the link's token does not stay in the address"
    )

    ada.play("Mara")
    gus.play("Tomas")
    expect(ada.root.locator(".jp-Novel-avatars")).to_contain_text("Gus")
    gus.propose("I wind the lamp")
    gus.get_ready()
    ada.show("Cast")
    expect(ada.root.locator("[data-character='tomas']")).to_contain_text("I wind the lamp")
    ada.propose("I open the logbook")
    ada.get_ready()
    for view in (ada, gus):
        view.is_in_turn(2)
        expect(view.root.locator("article.jp-Novel-turn h2", has_text="Turn 1")).to_be_attached()
    shoot(lab, shots, "lab-story")
    shoot(phone, shots, "phone-story")


def test_the_sidebar_shows_sessions_and_people(lab: Page, shots: Path | None) -> None:
    lab.locator(".jp-SideBar .lm-TabBar-tab[data-id='novel-jupyter-sidebar']").click()
    side = lab.locator("#novel-jupyter-sidebar")
    expect(side.get_by_role("list", name="Your sessions")).to_contain_text("The Keeper’s Log")
    people = side.get_by_role("region", name="People of the story in front")
    expect(people.locator("li", has_text="Gus")).to_contain_text("here")
    expect(people.locator("li", has_text="Ada")).to_contain_text("here")
    shoot(lab, shots, "lab-sidebar")


def test_the_status_bar_says_how_fast_the_connection_is(lab: Page) -> None:
    expect(lab.locator(".jp-Novel-status")).to_contain_text(re.compile(r"Story: \d+ ms"), timeout=PATIENCE)


def test_the_palette_has_the_commands(lab: Page) -> None:
    lab.keyboard.press("Control+Shift+C")
    palette = lab.locator("#modal-command-palette")
    palette.locator("input").fill("story")
    for name in ("New Story Session", "Join a Story Session…", "Invite Somebody to This Story…"):
        expect(palette.locator(".lm-CommandPalette-item", has_text=name)).to_be_visible()
    palette.locator(".lm-CommandPalette-item", has_text="Invite Somebody").click()
    dialog = lab.locator(".jp-Dialog")
    expect(dialog).to_contain_text("/novel/")
    dialog.get_by_role("button", name="Close").click()


def test_a_reload_comes_back_to_the_story_and_keeps_what_was_typed(lab: Page) -> None:
    ada = View(lab)
    ada.move.press_sequentially("I wait for the")
    lab.reload()
    again = View(lab)
    again.is_in_turn(2)
    expect(again.move).to_have_value("I wait for the")
    again.move.fill("")
