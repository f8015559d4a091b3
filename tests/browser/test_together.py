"""Three people, three hosts of the face, one story: a JupyterLab panel, a notebook's output, the plain page.

Ada's story is in a panel of JupyterLab, Ben's in the output of a cell whose kernel runs the agents, and Gus
came by an invite to the plain page. The tests run in their order and go on with the same people.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from browser.lab import LabServer, run_cell
from browser.people import PATIENCE, Browsers, View, log_in, shoot
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.process, pytest.mark.slow]

OPEN = "import novel_jupyter as nj\nstory = await nj.open('lighthouse', seed='1')\nstory"
BLOCK = "import time\ntime.sleep(10)\nprint('awake')"

# Keeps how long the streamed prose was each time it was drawn.
WATCH = """() => {
  window.streamed = [];
  new MutationObserver(() => {
    const told = document.querySelectorAll(".jp-mod-streaming");
    for (const prose of told) window.streamed.push(prose.textContent.length);
  }).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""


@dataclass
class Table:
    server: LabServer
    session_id: str
    ada: View
    ben: View
    gus: View
    notebook: Page

    @property
    def views(self) -> dict[str, View]:
        return {"ada": self.ada, "ben": self.ben, "gus": self.gus}

    def _get(self, path: str, **params: int) -> Any:
        """The session's records, as its owner may read them."""
        headers = {"Authorization": f"token {self.server.token_of('ben')}"}
        with httpx.Client(base_url=self.server.url, headers=headers, trust_env=False) as http:
            page = http.get(f"novel/api/sessions/{self.session_id}/{path}", params=params)
        return page.raise_for_status().json()

    def events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while page := self._get("events", after=found[-1]["sequence_id"] if found else 0, limit=500)[
            "events"
        ]:
            found += page
        return found

    def authors(self, kind: str, **data: object) -> list[str]:
        """Who wrote the events of a kind whose data has this in it."""
        return [
            event["user_id"]
            for event in self.events()
            if event["data"]["kind"] == kind and data.items() <= event["data"].items()
        ]

    def user(self, name: str) -> str:
        """The id under which the server knows a person."""
        participants: dict[str, Any] = self._get("state")["state"]["participants"]
        return next(id for id, person in participants.items() if person["name"] == name)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    with LabServer(tmp_path_factory.mktemp("lab"), ["ada", "ben"], {"NovelApp.lease_timeout": 3.0}) as found:
        yield found


@pytest.fixture(scope="module")
def table(server: LabServer, browsers: Browsers, shots: Path | None) -> Table:
    path = server.notebook("story.ipynb", OPEN, BLOCK)
    notebook = log_in(browsers.page(), server, "ben", f"lab/workspaces/ben/tree/{path}")
    run_cell(notebook, 0)
    ben = View(notebook, ".jp-OutputArea .jp-Novel:has(> .jp-Novel-body)")
    ben.show("People").get_by_role("button", name="It is mine").click()
    expect(ben.root.locator(".jp-Novel-head")).to_contain_text("you are: owner")
    shoot(notebook, shots, "notebook")

    people = ben.show("People")
    people.get_by_role("button", name="Make a link").click()
    link = people.get_by_label("Invite link").input_value()
    session_id = str(re.findall("[0-9a-f]{32}", link)[0])
    plain = browsers.page()
    plain.goto(link)
    plain.get_by_label("What shall the others call you?").fill("Gus")
    plain.get_by_role("button", name="Come in").click()
    gus = View(plain)

    lab = log_in(browsers.page(), server, "ada", "lab/workspaces/ada")
    expect(lab.locator(".jp-LauncherCard").first).to_be_visible(timeout=2 * PATIENCE)
    lab.keyboard.press("Control+Shift+C")
    lab.locator("#modal-command-palette input").fill("join a story")
    lab.locator(".lm-CommandPalette-item", has_text="Join a Story Session…").click()
    lab.locator(".jp-Dialog input").fill(plain.url)
    lab.locator(".jp-Dialog").get_by_role("button", name="Ok").click()
    return Table(server, session_id, View(lab), ben, gus, notebook)


def test_everybody_is_shown_to_everybody(table: Table) -> None:
    for view in table.views.values():
        for name in ("Ada", "Ben", "Gus"):
            expect(
                view.root.locator(".jp-Novel-avatars").get_by_role("button", name=name, exact=True)
            ).to_be_visible()
        people = view.show("People")
        expect(people.locator(".jp-Novel-person", has_text="Gus")).to_contain_text("guest")


def test_every_one_sees_where_another_writes_and_what(table: Table, shots: Path | None) -> None:
    for view in table.views.values():
        view.show("Notes")
    written = ""
    for name, writer in table.views.items():
        box = writer.field("Notes on the scene")
        box.click()
        box.press("Control+End")
        box.press_sequentially(f"{name} was here. ", delay=15)
        written += f"{name} was here. "
        for other, reader in table.views.items():
            if other == name:
                continue
            field = reader.root.locator("[data-novel-target='/notes/scene']")
            expect(field.get_by_text(f"{name.capitalize()} is typing here")).to_be_visible()
            expect(field.locator(".jp-Novel-flag", has_text=name.capitalize())).to_be_attached()
            expect(reader.field("Notes on the scene")).to_have_value(re.compile(written.strip()))
        shoot(table.ada.page, shots, f"notes-{name}")
        expect(writer.root.locator(".jp-Novel-status.jp-mod-saved")).to_be_visible()
    assert set(table.authors("edit")) == {table.user("Ada"), table.user("Ben"), table.user("Gus")}


def test_a_selection_is_seen_by_the_others(table: Table) -> None:
    box = table.ben.field("Notes on the scene")
    box.click()
    box.press("Control+Home")
    for _ in range(3):
        box.press("Shift+ArrowRight")
    for reader in (table.ada, table.gus):
        field = reader.root.locator("[data-novel-target='/notes/scene']")
        expect(field.locator(".jp-Novel-selected").first).to_contain_text("ada")


def test_a_round_is_played(table: Table, shots: Path | None) -> None:
    players = {
        "ada": ("Mara", "I ask about the lamp"),
        "ben": ("Tomas", "I bar the door"),
        "gus": ("Ines", "I row home"),
    }
    for name, (character, _) in players.items():
        table.views[name].play(character)
    for view in table.views.values():
        view.page.evaluate(WATCH)
        view.show("Cast")
    for name, (character, words) in players.items():
        writer = table.views[name]
        box = writer.move
        box.press_sequentially(words[:6], delay=10)
        for other, reader in table.views.items():
            card = reader.root.locator(f"[data-character='{character.lower()}']")
            if other != name:
                expect(card.get_by_text(f"{name.capitalize()} is typing here")).to_be_visible()
        writer.propose(words[6:])
        for reader in table.views.values():
            expect(reader.root.locator(f"[data-character='{character.lower()}']")).to_contain_text(words)
    for view in table.views.values():
        view.get_ready()
    for name, view in table.views.items():
        view.is_in_turn(2)
        assert view.page.evaluate("window.streamed"), f"{name} saw the prose only when it was whole"
        expect(view.root.locator("article.jp-Novel-turn h2", has_text="Turn 1")).to_be_attached()
        shoot(view.page, shots, f"round-{name}")
    for name, (character, _) in players.items():
        who = table.user(name.capitalize())
        assert table.authors("proposed", character=character.lower()) == [who]
        assert table.authors("ready", character=character.lower()) == [who]
        assert table.authors("claimed", character=character.lower()) == [who]


def test_a_forged_name_is_not_believed(table: Table) -> None:
    ben = table.user("Ben")
    # From now on every frame of Gus's page claims to be Ben's.
    table.gus.page.evaluate(
        """(ben) => {
          const send = WebSocket.prototype.send;
          WebSocket.prototype.send = function (frame) {
            window.forged = (window.forged ?? 0) + 1;
            return send.call(this, JSON.stringify({...JSON.parse(frame), user_id: ben}));
          };
        }""",
        ben,
    )
    table.gus.say("Ben owes me forty crowns")
    table.ada.hears("Ben owes me forty crowns")
    assert table.gus.page.evaluate("window.forged") > 0
    assert table.authors("chat", text="Ben owes me forty crowns") == [table.user("Gus")]
    line = table.ada.root.get_by_role("list", name="What was said").locator("li", has_text="forty crowns")
    expect(line.locator("strong")).to_have_text("Gus")


def test_a_cell_that_blocks_the_kernel_freezes_nobody(table: Table) -> None:
    run_cell(table.notebook, 1)
    block = table.notebook.locator(".jp-Notebook .jp-CodeCell").nth(1)
    expect(block.locator(".jp-InputPrompt")).to_have_text("[*]:")
    for name, view in table.views.items():
        view.say(f"{name} speaks while the kernel sleeps")
    for view in table.views.values():
        for name in table.views:
            view.hears(f"{name} speaks while the kernel sleeps")
    # All of it while the kernel slept.
    expect(block.locator(".jp-InputPrompt")).to_have_text("[*]:", timeout=1)
    expect(block.locator(".jp-OutputArea")).to_contain_text("awake", timeout=PATIENCE)


def test_the_second_viewer_of_a_notebook_sees_the_story_without_running_the_cell(
    table: Table, browsers: Browsers, shots: Path | None
) -> None:
    page = log_in(browsers.page(), table.server, "ada", "lab/workspaces/ada2/tree/story.ipynb")
    second = View(page, ".jp-OutputArea .jp-Novel:has(> .jp-Novel-body)")
    expect(second.root.locator(".jp-Novel-head")).to_contain_text("you are: player")
    second.is_in_turn(2)
    table.ben.say("Do you see me, too?")
    second.hears("Do you see me, too?")
    second.say("I do")
    table.ben.hears("I do")
    assert table.authors("chat", text="I do") == [table.user("Ada")]
    avatar = table.ben.root.locator(".jp-Novel-avatars").get_by_role("button", name="Ada", exact=True)
    expect(avatar).to_have_count(1)
    avatar.hover()
    expect(table.ben.root.get_by_role("tooltip")).to_contain_text("2 tabs")
    shoot(page, shots, "notebook-second-viewer")
    page.close()


def test_a_restart_of_the_server_loses_nothing(table: Table, shots: Path | None) -> None:
    for view in table.views.values():
        view.show("Notes")
    for page in (table.ada.page, table.notebook):
        # JupyterLab speaks of the loss, too, in a dialog that people close.
        page.add_locator_handler(
            page.locator(".jp-Dialog"), lambda dialog: dialog.get_by_role("button").last.click()
        )
    table.server.kill()
    for view in table.views.values():
        expect(view.root.locator(".jp-Novel-banners")).to_contain_text("Offline")
    box = table.gus.field("Notes on the scene")
    box.click()
    box.press("Control+End")
    box.press_sequentially("Written in the dark.")
    table.ada.say("Said in the dark")
    expect(table.ada.root.locator(".jp-Novel-banners")).to_contain_text(
        "1 thing you did waits and is not lost"
    )
    shoot(table.ada.page, shots, "offline")
    table.server.start()
    for view in table.views.values():
        view.is_connected()
        view.show("Notes")
        expect(view.field("Notes on the scene")).to_have_value(
            re.compile(r"Written in the dark\.$"), timeout=PATIENCE
        )
        view.hears("Said in the dark")
        expect(view.root.locator(".jp-Novel-banners")).not_to_contain_text("Offline")
    assert table.authors("chat", text="Said in the dark") == [table.user("Ada")]
    assert table.authors("proposed", character="mara") == [table.user("Ada")]
    shoot(table.gus.page, shots, "back-again")


def test_after_the_restart_other_agents_take_over_and_the_story_goes_on(table: Table) -> None:
    ben = table.ben
    ben.show("Direct").get_by_role("button", name="Start the agents here").click()
    for view, words in ((table.ada, "I listen"), (table.ben, "I wait"), (table.gus, "I watch the sea")):
        view.propose(words)
        view.get_ready()
    for view in table.views.values():
        view.is_in_turn(3)
