"""Who directs decides otherwise, with a reason that everybody reads; tells again, and goes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.people import PATIENCE, Browsers, View, log_in, shoot
from playwright.sync_api import expect

from novel_jupyter.testing import ServerProcess

pytestmark = [pytest.mark.process, pytest.mark.slow]

WHY = "The cellar is under water by now."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("directing"), ["ada", "ben"]) as found:
        yield found


@pytest.fixture(scope="module")
def ada(server: ServerProcess, browsers: Browsers) -> View:
    page = log_in(browsers.page(), server, "ada", "novel/")
    page.get_by_role("button", name="Begin").click()
    return View(page)


@pytest.fixture(scope="module")
def ben(server: ServerProcess, ada: View, browsers: Browsers) -> View:
    view = View(log_in(browsers.page(), server, "ben", ada.page.url.removeprefix(server.url)))
    view.play("Mara")
    return view


def test_a_proposal_is_overruled_with_a_reason(ada: View, ben: View, shots: Path | None) -> None:
    ben.propose("go to the cellar")
    ben.show("Direct")
    expect(ben.button("Overrule", exact=True)).to_have_attribute("aria-disabled", "true")
    panel = ada.show("Direct").get_by_role("group", name="Overrule a proposal")
    panel.get_by_label("Whose").select_option("mara")
    panel.get_by_label("Does instead").select_option(label="be on guard")
    panel.get_by_label("Why").fill(WHY)
    panel.get_by_role("button", name="Overrule", exact=True).click()
    expect(ben.root.get_by_role("list", name="Notices")).to_contain_text(WHY)
    expect(ben.root.get_by_role("region", name="Your move")).to_contain_text(WHY)
    for view in (ada, ben):
        view.show("Cast")
        expect(view.root.locator("[data-character='mara']")).to_contain_text("be on guard")
        expect(view.root.locator("[data-character='mara']")).to_contain_text(WHY)
    shoot(ben.page, shots, "overruled")
    ada.show("Direct")
    ada.button("Lock and play the turn now").click()
    for view in (ada, ben):
        view.is_in_turn(2)
        view.root.get_by_text("What came of it, and why").last.click()
        expect(view.root.locator(".jp-Novel-outcomes").last).to_contain_text(WHY)


def test_a_turn_is_told_again_rolled_again_undone_and_branched(ada: View, ben: View) -> None:
    turns = ada.show("Turns")
    turns.get_by_role("button", name="Retell the last turn").click()
    expect(turns.get_by_role("button", name="Retell the last turn")).to_be_enabled(timeout=PATIENCE)
    turns.get_by_role("button", name="Re-roll").click()
    for view in (ada, ben):
        expect(view.root.locator("article.jp-Novel-turn h2").last).to_contain_text(
            "attempt 2", timeout=PATIENCE
        )
    turns.get_by_role("button", name="Undo the last turn").click()
    for view in (ada, ben):
        expect(view.root.locator(".jp-Novel-turnbar")).to_contain_text("Turn 1")
        expect(view.root.get_by_role("list", name="Notices")).to_contain_text("went back")
    expect(ben.root.get_by_text("What does Mara do?")).to_be_visible()


def test_who_may_not_direct_is_told_why(ben: View) -> None:
    panel = ben.show("Direct")
    for name in ("Lock and play the turn now", "Pause", "Overrule"):
        button = panel.get_by_role("button", name=name, exact=True)
        expect(button).to_have_attribute("aria-disabled", "true")
        button.focus()
        reason = ben.root.locator(f"[id='{button.get_attribute('aria-describedby')}']")
        expect(reason).to_be_visible()
        expect(reason).to_contain_text("You are a player.")
