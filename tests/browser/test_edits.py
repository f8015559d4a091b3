"""Two people at one text, one follows the other, and the map that moves with the story.

The tests run in their order and go on with the same people.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.people import Browsers, View, log_in, shoot
from playwright.sync_api import Locator, WebSocketRoute, expect

from novel_jupyter.testing import ServerProcess

pytestmark = [pytest.mark.process, pytest.mark.slow]

NOTES = "Notes on the scene"
BEGINNING = "The lamp is lit and the door is shut."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(
        tmp_path_factory.mktemp("edits"), ["ada", "ben"], {"NovelApp.ping_interval": 1.0}
    ) as found:
        yield found


@pytest.fixture(scope="module")
def ada(server: ServerProcess, browsers: Browsers) -> View:
    page = log_in(browsers.page(), server, "ada", "novel/")
    page.get_by_role("button", name="Begin").click()
    return View(page)


@pytest.fixture(scope="module")
def ben(server: ServerProcess, ada: View, browsers: Browsers) -> View:
    path = ada.page.url.removeprefix(server.url)
    return View(log_in(browsers.page(), server, "ben", path))


def status(view: View, label: str) -> Locator:
    field = view.root.locator(".jp-Novel-field", has=view.page.get_by_role("textbox", name=label, exact=True))
    return field.locator(".jp-Novel-status").first


def offline(*views: View) -> None:
    for view in views:
        view.page.context.set_offline(True)
    for view in views:
        expect(view.root.locator(".jp-Novel-banners")).to_contain_text("Offline", timeout=60_000)


def online(*views: View) -> None:
    for view in views:
        view.page.context.set_offline(False)
    for view in views:
        view.is_connected()


def test_what_two_write_at_different_places_is_brought_together(ada: View, ben: View) -> None:
    for view in (ada, ben):
        view.show("Notes")
    ada.field(NOTES).fill(BEGINNING)
    expect(status(ada, NOTES)).to_have_text(re.compile("Saved"))
    expect(ben.field(NOTES)).to_have_value(BEGINNING)
    offline(ada)
    ada.field(NOTES).fill(BEGINNING.replace("shut", "barred"))
    expect(status(ada, NOTES)).to_have_text(re.compile("Kept here; it goes when the server is back"))
    ben.field(NOTES).fill(BEGINNING.replace("lit", "out"))
    expect(status(ben, NOTES)).to_have_text(re.compile("Saved"))
    online(ada)
    for view in (ada, ben):
        expect(view.field(NOTES)).to_have_value("The lamp is out and the door is barred.")
    expect(status(ada, NOTES)).to_have_text(re.compile("Saved, together with others’ changes"))


def test_when_two_write_the_same_words_both_are_offered(ada: View, ben: View, shots: Path | None) -> None:
    offline(ada)
    ada.field(NOTES).fill("The lamp is broken and the door is barred.")
    ben.field(NOTES).fill("The lamp is stolen and the door is barred.")
    expect(status(ben, NOTES)).to_have_text(re.compile("Saved"))
    online(ada)
    both = ada.root.get_by_role("article", name=NOTES)
    for words in ("broken", "stolen"):
        expect(both).to_contain_text(words)
    for view in (ada, ben):
        expect(view.field(NOTES)).to_have_value("The lamp is stolen and the door is barred.")
    shoot(ada.page, shots, "two-texts")
    both.get_by_role("button", name="Take this instead").click()
    expect(both).to_have_count(0)
    for view in (ada, ben):
        expect(view.field(NOTES)).to_have_value("The lamp is broken and the door is barred.")


def test_one_takes_back_ones_own_last_change(ada: View, ben: View) -> None:
    ben.field(NOTES).press("Control+End")
    ben.field(NOTES).press_sequentially(" So it is.")
    expect(ada.field(NOTES)).to_have_value(re.compile("So it is"))
    ada.field(NOTES).press("Control+Home")
    ada.field(NOTES).press_sequentially("Look: ")
    expect(ben.field(NOTES)).to_have_value(re.compile("^Look: The lamp"))
    ben.button("Undo my last change here").click()
    for view in (ada, ben):
        expect(view.field(NOTES)).to_have_value("Look: The lamp is broken and the door is barred.")


def test_what_is_typed_without_a_connection_survives_a_reload(ada: View, ben: View) -> None:
    sockets: list[WebSocketRoute] = []
    way = {"open": True}

    def meet(socket: WebSocketRoute) -> None:
        if not way["open"]:
            socket.close()
            return
        socket.connect_to_server()
        sockets.append(socket)

    ada.page.route_web_socket(re.compile("novel/api/ws"), meet)
    ada.page.reload()
    ada.is_connected()
    ada.show("Notes")
    way["open"] = False
    sockets[-1].close()
    expect(ada.root.locator(".jp-Novel-banners")).to_contain_text("Offline")
    ada.field(NOTES).press("Control+End")
    ada.field(NOTES).press_sequentially(" Typed in a storm.")
    ada.show("Talk")
    ada.root.get_by_label("Say something to the others").fill("Half a senten")
    way["open"] = True
    ada.page.reload()
    ada.show("Notes")
    for view in (ada, ben):
        expect(view.field(NOTES)).to_have_value(re.compile(r"barred\. Typed in a storm\.$"))
    ada.show("Talk")
    expect(ada.root.get_by_label("Say something to the others")).to_have_value("Half a senten")


def test_who_is_followed_leads_to_where_they_are(ada: View, ben: View) -> None:
    ada.show("Talk")
    ada.avatar("Ben").click()
    expect(ada.root.locator(".jp-Novel-following")).to_contain_text("Following Ben")
    ben.show("Cast").get_by_role("button", name="Character sheet of Tomas").click()
    ben.field("Description").click()
    expect(ada.root.get_by_role("tab", name="Cast", exact=True)).to_have_attribute("aria-selected", "true")
    expect(ada.root.locator(".jp-Novel-following")).to_contain_text("Tomas: description")
    expect(ada.field("Description")).to_be_in_viewport()
    ada.button("Stop following Ben").click()
    expect(ada.root.locator(".jp-Novel-following")).to_have_count(0)


def test_the_map_moves_with_the_story(ada: View, ben: View) -> None:
    places = ben.show("Map").get_by_role("region", name="Places")
    kitchen, cellar = (places.locator(f"[data-place='{place}']") for place in ("kitchen", "cellar"))
    expect(kitchen.locator("[data-token='mara']")).to_be_attached()
    ada.play("Mara")
    ada.propose("go to the cellar")
    ada.get_ready()
    ben.is_in_turn(2)
    expect(cellar.locator("[data-token='mara']")).to_be_attached()
    expect(kitchen.locator("[data-token='mara']")).to_have_count(0)
