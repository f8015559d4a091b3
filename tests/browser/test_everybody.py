"""The face for everybody: by keyboard alone, without motion, in any language; and text that is only text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from browser.people import PATIENCE, Browsers, View, log_in
from browser.scene import in_thread, set_scene
from playwright.sync_api import Page, expect

from novel_jupyter.kernel.access import PersonLogin
from novel_jupyter.kernel.client import Client
from novel_jupyter.testing import ServerProcess

pytestmark = [pytest.mark.process, pytest.mark.slow]

SCRIPT = (
    "<img src=x onerror='window.pwned=1'><script>window.pwned=1</script><iframe src='javascript:pwned=1'>"
)
TABS = ("Cast", "Notes", "Talk", "Map", "Turns", "People", "Direct")
MOST_TABS = 80
"""Steps of the Tab key until something must have been found."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("everybody"), ["ada", "ben"]) as found:
        yield found


@pytest.fixture(scope="module")
def session_id(server: ServerProcess) -> str:
    return set_scene(server)


# --- by keyboard


def tab_to(page: Page, role: str, name: str) -> None:
    """Press Tab until what has this role and name has the focus, and can be seen to have it."""
    wanted = page.get_by_role(role, name=name, exact=True)  # type: ignore[arg-type]
    expect(wanted.first).to_be_enabled()
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if any(one.evaluate("one => one === document.activeElement") for one in wanted.all()):
            style = "one => [getComputedStyle(one).outlineStyle, getComputedStyle(one).outlineWidth]"
            assert not {"none", "0px"} & set(page.locator(":focus").evaluate(style)), f"{name}: no outline"
            return
    raise AssertionError(f"the Tab key does not come to {role} {name!r}")


def test_a_turn_is_played_by_keyboard_alone(server: ServerProcess, browsers: Browsers) -> None:
    page = log_in(browsers.page(), server, "ada", "novel/")
    tab_to(page, "button", "Begin")
    page.keyboard.press("Enter")
    view = View(page)
    tab_to(page, "tab", "Cast")
    tab_to(page, "button", "Play Mara")
    page.keyboard.press("Enter")
    tab_to(page, "combobox", "What does Mara do?")
    page.keyboard.type("guard")
    page.keyboard.press("ArrowDown")
    expect(view.root.get_by_role("option", selected=True).first).to_be_visible()
    page.keyboard.press("Enter")
    tab_to(page, "button", "Ready")
    page.keyboard.press("Space")
    view.is_in_turn(2)
    tab_to(page, "tab", "Cast")
    for tab in TABS[1:]:
        page.keyboard.press("ArrowRight")
        expect(view.root.get_by_role("tab", name=tab, exact=True)).to_be_focused()
        expect(view.root.get_by_role("tabpanel", name=tab, exact=True)).to_be_visible()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    tab_to(page, "textbox", "Say something to the others")
    page.keyboard.type("By keyboard")
    page.keyboard.press("Enter")
    view.hears("By keyboard")


# --- without motion


def test_nothing_moves_for_who_wants_no_motion(server: ServerProcess, browsers: Browsers) -> None:
    async def locked() -> str:
        """A turn that waits for agents: the busiest screen."""
        async with Client(PersonLogin(server.url, server.token_of("ada"))) as client:
            made = str((await client.create_session("lighthouse"))["session_id"])
            story = await client.join(made)
            await story.direct("lock")
            return made

    path = f"novel/s/{in_thread(locked())}"
    moving = "document.getAnimations().filter(one => one.playState === 'running').length"
    lively = View(log_in(browsers.page(), server, "ada", path))
    expect(lively.root.locator(".jp-Novel-spinner")).to_be_visible()
    assert lively.page.evaluate(moving) > 0
    still = View(log_in(browsers.page(reduced_motion="reduce"), server, "ada", path))
    expect(still.root.locator(".jp-Novel-spinner")).to_be_visible()
    assert still.page.evaluate(moving) == 0


# --- in any language


MOUNT = """async ([base, id]) => {
  const {mount} = await import(`${base}novel/static/novel.js`);
  const fill = (text, values) => {
    const filled = text.replace(/%(\\d)/g, (found, at) => `\\u27e7${values[at - 1] ?? found}\\u27e6`);
    return `\\u27e6${filled}\\u27e7`;
  };
  const trans = {
    __: (text, ...values) => fill(text, values),
    _n: (one, many, count, ...values) => fill(count === 1 ? one : many, [count, ...values]),
  };
  const place = document.createElement("div");
  place.id = "pseudo";
  document.body.replaceChildren(place);
  mount(place, {
    baseUrl: new URL(base).href,
    wsUrl: base.replace(/^http/, "ws"),
    sessionId: id,
    trans,
    ticketFor: null,
  });
}"""

# Words on the screen, and words for who does not see it, that did not go through the translation.
UNTRANSLATED = """() => {
  const found = new Set();
  const look = (text) => {
    const left = text.replace(/\\u27e6[^\\u27e6\\u27e7]*\\u27e7/g, " ");
    if (/\\p{L}{2,}/u.test(left)) found.add(left);
  };
  const root = document.querySelector("#pseudo");
  for (const element of root.querySelectorAll("*")) {
    for (const name of ["aria-label", "title", "placeholder", "aria-valuetext"]) {
      look(element.getAttribute(name) ?? "");
    }
  }
  const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node !== null; node = walk.nextNode()) {
    look(node.data);
  }
  return [...found];
}"""


def test_every_text_goes_through_the_translation(
    server: ServerProcess, session_id: str, browsers: Browsers
) -> None:
    page = log_in(browsers.page(bypass_csp=True), server, "ben", "novel/")
    expect(page.get_by_role("button", name="Begin")).to_be_enabled()
    page.evaluate(MOUNT, [server.url, session_id])
    root = page.locator("#pseudo .jp-Novel")
    expect(root.locator(".jp-Novel-turnbar")).to_be_visible(timeout=PATIENCE)
    state = in_thread(_readable(server, session_id))
    found: set[str] = set()
    for tab in range(len(TABS)):
        root.get_by_role("tab").nth(tab).click()
        expect(root.get_by_role("tabpanel")).to_be_visible()
        found |= set(page.evaluate(UNTRANSLATED))
    written = " ".join(_texts(state)).lower()
    own = [text for text in found if not _is_written(text, written)]
    assert not own, f"not translated: {own}"


async def _readable(server: ServerProcess, session_id: str) -> Any:
    """What Ben sees of the story and its log, and what his character may try, in the words of the engine."""
    async with Client(PersonLogin(server.url, server.token_of("ben"))) as client:
        tries = await client.get(f"sessions/{session_id}/actions?character=mara")
        log = await client.get(f"sessions/{session_id}/events?after=0&limit=500")
        return [(await client.join(session_id)).state, tries, log]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


def _is_written(text: str, written: str) -> bool:
    """Whether all of its words are of the story or of people."""
    return all(word in written for word in re.findall(r"[^\W\d_]+", text.lower()))


# --- text is text


def test_scripts_in_every_field_are_only_text(server: ServerProcess, browsers: Browsers) -> None:
    page = log_in(browsers.page(), server, "ada", "novel/")
    page.get_by_role("button", name="Begin").click()
    ada = View(page)
    ada.play("Mara")
    ada.propose(SCRIPT)
    expect(ada.root.locator(".jp-Novel-proposed").first).to_contain_text("<img src=x")
    ada.say(SCRIPT)
    ada.hears("<img src=x")
    notes = ada.show("Notes")
    for field in notes.get_by_role("textbox").all():
        field.fill(SCRIPT)
    ada.show("Cast").get_by_role("button", name="Character sheet of Mara").click()
    for field in ada.root.get_by_role("tabpanel").get_by_role("textbox").all():
        if field.is_editable():
            field.fill(SCRIPT)
    people = ada.show("People")
    people.get_by_role("button", name="Make a link").click()
    link = people.get_by_label("Invite link").input_value()
    other = browsers.page()
    other.goto(link)
    other.get_by_label("What shall the others call you?").fill(SCRIPT[:60])
    other.get_by_role("button", name="Come in").click()
    guest = View(other)
    ada.get_ready()
    for view in (ada, guest):
        view.is_in_turn(2)
        for tab in TABS:
            view.show(tab)
        view.avatar("Ada").hover()
        expect(view.show("Notes").get_by_role("textbox").first).to_have_value(SCRIPT)
        expect(view.show("People")).to_contain_text(SCRIPT[:60])
        view.show("Talk")
        assert view.page.evaluate("window.pwned") is None
        assert view.root.locator("img, script, iframe, object").count() == 0
        # Even a script that somehow came into the page is not run.
        view.page.evaluate(
            """() => {
              const script = document.createElement("script");
              script.textContent = "window.pwned = 2";
              document.body.append(script);
              document.body.insertAdjacentHTML("beforeend", "<img src='data:,' onerror='window.pwned = 3'>");
            }"""
        )
        view.page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)))")
        assert view.page.evaluate("window.pwned") is None
    told = {text for text in browsers.faults if "Content Security Policy" in text}
    assert told, "the page's policy refused both"
    browsers.faults[:] = [text for text in browsers.faults if text not in told]
