"""People at real browsers: what they do by clicks and keys, and what they see.

Law: everything here goes through what is on the screen, found as a person or a screen reader finds it; what
is waited for is an event on the screen. A page that fails by itself fails the test.
Parts: `Browsers` (contexts, faults), `View` (one story on one page).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from novel_jupyter.testing import ServerProcess

PATIENCE = 30_000
"""Milliseconds: the machine may be busy."""
WIDE = {"width": 1280, "height": 860}
PHONE = {"width": 320, "height": 640}

# What JupyterLab and its own extensions say of themselves, and what a stopped server makes of requests.
OURS = ("novel", "jp-Novel")


class Browsers:
    """One browser context for each person: own cookies, own storage."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[Any] = []
        self.faults: list[str] = []

    def page(self, **options: Any) -> Page:
        context = self._browser.new_context(**{"viewport": WIDE, "locale": "en-GB", **options})
        context.set_default_timeout(PATIENCE)
        self._contexts.append(context)
        return self.tab(context.new_page())

    def tab(self, page: Page) -> Page:
        page.on("pageerror", lambda error: self._fault(f"{error.name}: {error.message}\n{error.stack or ''}"))
        page.on("console", self._said)
        return page

    def _said(self, message: ConsoleMessage) -> None:
        # A refused request and a policy that was broken are errors of the console, too.
        if message.type == "error" and "Content Security Policy" in message.text:
            self._fault(message.text)

    def _fault(self, text: str) -> None:
        if any(word in text for word in OURS) or "Content Security Policy" in text:
            self.faults.append(text)

    def close(self) -> None:
        for context in self._contexts:
            context.close()


def log_in(page: Page, server: ServerProcess, name: str, path: str) -> Page:
    """Open a path of the server as a person; from then on their cookie says who they are."""
    mark = "&" if "?" in path else "?"
    page.goto(f"{server.url}{path}{mark}token={server.token_of(name)}")
    return page


class View:
    """One story as one person sees it: in a panel, in a notebook's output or on the plain page."""

    def __init__(self, page: Page, root: str = ".jp-Novel:has(> .jp-Novel-body)") -> None:
        self.page = page
        self.root: Locator = page.locator(root).first
        expect(self.root.locator(".jp-Novel-turnbar")).to_be_visible(timeout=PATIENCE)

    @property
    def move(self) -> Locator:
        """Where one writes what one's character does."""
        return self.root.get_by_role("region", name="Your move").get_by_role("combobox")

    def button(self, name: str, exact: bool = False) -> Locator:
        return self.root.get_by_role("button", name=name, exact=exact)

    def show(self, tab: str) -> Locator:
        """Open a tab beside the story; returns its panel."""
        self.root.get_by_role("tab", name=tab, exact=True).click()
        panel = self.root.get_by_role("tabpanel")
        expect(panel).to_be_visible()
        return panel

    def look_at_story(self) -> None:
        """On a narrow screen the story is one of the tabs."""
        tab = self.root.get_by_role("tab", name="Story", exact=True)
        if tab.count():
            tab.click()
        expect(self.root.locator(".jp-Novel-main")).to_be_visible()

    def play(self, name: str) -> None:
        self.show("Cast")
        self.button(f"Play {name}").click()
        self.look_at_story()
        expect(self.root.get_by_text(f"What does {name} do?")).to_be_visible()

    def propose(self, words: str) -> None:
        self.look_at_story()
        box = self.move
        box.press_sequentially(words, delay=10)
        box.press("Enter")
        expect(self.button("Withdraw")).to_be_visible()

    def get_ready(self) -> None:
        self.look_at_story()
        self.button("Ready", exact=True).click()

    def say(self, words: str) -> None:
        self.show("Talk")
        box = self.root.get_by_label("Say something to the others")
        box.fill(words)
        box.press("Enter")

    def hears(self, words: str) -> None:
        self.show("Talk")
        expect(self.root.get_by_role("list", name="What was said")).to_contain_text(words)

    def is_in_turn(self, number: int) -> None:
        expect(self.root.locator(".jp-Novel-turnbar")).to_contain_text(f"Turn {number}", timeout=PATIENCE)

    def is_connected(self) -> None:
        expect(self.root.locator(".jp-Novel-connection")).to_contain_text("connected", timeout=PATIENCE)
        expect(self.root.locator(".jp-Novel-connection.jp-mod-open")).to_be_visible(timeout=PATIENCE)

    def told(self, number: int) -> Locator:
        """The prose of a turn."""
        return self.root.locator(f"article[data-turn='{number}']")

    def avatar(self, name: str) -> Locator:
        return self.root.locator(".jp-Novel-avatars").get_by_role("button", name=name, exact=True)

    def field(self, label: str) -> Locator:
        return self.root.get_by_role("textbox", name=label, exact=True)


def shoot(page: Page, folder: Path | None, name: str) -> None:
    """A screenshot for human eyes, where a folder for them was named."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"{name}.png")
