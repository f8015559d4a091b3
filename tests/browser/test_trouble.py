"""What goes wrong, as the people on the page see it: connection, roles, agents, the end of a session.

The tests run in their order; Ada owns the session and acts through a client of her own.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

import httpx
import pytest
from browser.people import Browsers, View, log_in
from browser.scene import in_turn, is_hosted
from playwright.sync_api import Locator, Page, expect

from novel_jupyter.kernel.access import PersonLogin
from novel_jupyter.kernel.client import Client
from novel_jupyter.kernel.handle import SessionHandle
from novel_jupyter.testing import ServerProcess

pytestmark = [pytest.mark.process, pytest.mark.slow]

T = TypeVar("T")


class Owner:
    """Ada at a keyboard somewhere else: her client has a thread and a loop of its own."""

    def __init__(self, server: ServerProcess) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._client = Client(PersonLogin(server.url, server.token_of("ada")))
        self.story: SessionHandle = self.does(self._begin())

    async def _begin(self) -> SessionHandle:
        await self._client.connect()
        made = await self._client.create_session("lighthouse")
        return await self._client.join(str(made["session_id"]))

    def user(self, name: str) -> str:
        """The id under which the server knows somebody."""
        people: dict[str, Any] = self.state["participants"]
        return next(id for id, person in people.items() if person["name"] == name)

    @property
    def state(self) -> Any:
        return self.story.state

    def does(self, work: Coroutine[Any, Any, T]) -> T:
        found: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return found.result(60)

    def close(self) -> None:
        self.does(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(
        tmp_path_factory.mktemp("trouble"), ["ada", "ben"], {"NovelApp.ping_interval": 1.0}
    ) as found:
        yield found


@pytest.fixture(scope="module")
def ada(server: ServerProcess) -> Iterator[Owner]:
    found = Owner(server)
    yield found
    found.close()


@pytest.fixture(scope="module")
def ben(server: ServerProcess, ada: Owner, browsers: Browsers) -> View:
    view = View(log_in(browsers.page(), server, "ben", f"novel/s/{ada.story.session_id}"))
    view.play("Mara")
    return view


def banners(view: View) -> Locator:
    return view.root.locator(".jp-Novel-banners")


def notices(view: View) -> Locator:
    return view.root.get_by_role("list", name="Notices")


def without_network(page: Page, meanwhile: Callable[[], object]) -> None:
    page.context.set_offline(True)
    try:
        meanwhile()
    finally:
        page.context.set_offline(False)


def test_offline_says_how_much_waits_and_how_much_was_missed(ada: Owner, ben: View) -> None:
    def meanwhile() -> None:
        expect(banners(ben)).to_contain_text("Offline: connecting again.", timeout=60_000)
        ben.say("Is anybody there?")
        expect(banners(ben)).to_contain_text("1 thing you did waits and is not lost.")
        ben.say("Hello?")
        expect(banners(ben)).to_contain_text("2 things you did wait and are not lost.")
        for count in range(3):
            ada.does(ada.story.chat(f"Ada says {count}"))

    without_network(ben.page, meanwhile)
    expect(banners(ben)).to_contain_text("You missed", timeout=60_000)
    expect(banners(ben)).not_to_contain_text("Offline")
    for words in ("Is anybody there?", "Hello?", "Ada says 2"):
        ben.hears(words)
    ada.does(ada.story.wait_for(lambda state: _said(state, "Hello?") == 1, 30))
    assert _said(ada.state, "Is anybody there?") == 1
    banners(ben).get_by_role("button", name="Close").click()
    expect(banners(ben)).not_to_contain_text("You missed")


def _said(state: Any, words: str) -> int:
    return sum(entry["text"] == words for entry in state["chat"].values())


def test_a_turn_that_was_missed_can_be_jumped_to(server: ServerProcess, ada: Owner, ben: View) -> None:
    ben.show("Direct")
    start = ben.button("Start the agents here")
    expect(start).to_have_attribute("aria-disabled", "true")
    ada.does(_start_agents(server, ada.story))

    def meanwhile() -> None:
        expect(banners(ben)).to_contain_text("Offline", timeout=60_000)
        ada.does(_play(ada.story, 1))
        ada.does(_play(ada.story, 2))

    without_network(ben.page, meanwhile)
    expect(banners(ben)).to_contain_text("You missed", timeout=60_000)
    banners(ben).get_by_role("button", name="Go to the first").click()
    first = ben.root.locator("article.jp-Novel-turn[data-node]").first
    expect(first).to_be_focused()
    expect(first).to_contain_text("Turn 1")
    expect(banners(ben)).not_to_contain_text("You missed")


async def _start_agents(server: ServerProcess, story: SessionHandle) -> None:
    login = {"Authorization": f"token {server.token_of('ada')}"}
    async with httpx.AsyncClient(base_url=server.url, headers=login, trust_env=False) as http:
        (await http.post(f"novel/api/sessions/{story.session_id}/host", json={})).raise_for_status()
    await story.wait_for(is_hosted, 60)


async def _play(story: SessionHandle, turn: int) -> None:
    await story.wait_for(in_turn(turn), 60)
    await story.direct("lock")
    await story.wait_for(in_turn(turn + 1), 60)


def test_agents_that_are_gone_are_told_of(server: ServerProcess, ada: Owner, ben: View) -> None:
    ada.does(_stop_kernels(server))
    expect(notices(ben)).to_contain_text("The kernel that ran the agents is gone", timeout=60_000)
    expect(ben.show("Direct")).to_contain_text("Nobody: turns wait for a kernel.")


async def _stop_kernels(server: ServerProcess) -> None:
    login = {"Authorization": f"token {server.admin_token}"}
    async with httpx.AsyncClient(base_url=server.url, headers=login, trust_env=False) as http:
        kernels = (await http.get("api/kernels")).raise_for_status().json()
        assert kernels
        for kernel in kernels:
            (await http.delete(f"api/kernels/{kernel['id']}")).raise_for_status()


def test_a_role_that_changed_is_said_and_greys_what_it_may_not_do(ada: Owner, ben: View) -> None:
    me = ada.user("Ben")
    ada.does(ada.story.set_role(me, "spectator"))
    expect(notices(ben)).to_contain_text("You are now: spectator.")
    expect(ben.move).to_have_count(0)
    ben.show("Cast")
    play = ben.button("Play Mara")
    expect(play).to_have_attribute("aria-disabled", "true")
    play.hover()
    reason = ben.root.locator(f"[id='{play.get_attribute('aria-describedby')}']")
    expect(reason).to_be_visible()
    expect(reason).to_contain_text("You are a spectator.")
    assert not [button for button in ben.root.locator("button:disabled").all() if button.is_visible()]
    ada.does(ada.story.set_role(me, "player"))
    expect(notices(ben)).to_contain_text("You are now: player.")
    ben.play("Mara")


def test_an_archived_session_can_be_read_and_not_changed(ada: Owner, ben: View) -> None:
    ada.does(ada.story.archive())
    expect(banners(ben)).to_contain_text("This session is archived: it can be read, not changed.")
    ben.show("Talk")
    box = ben.root.get_by_label("Say something to the others")
    expect(box).not_to_be_editable()
    expect(box).to_have_attribute("placeholder", "The session is archived.")
    expect(ben.button("Send")).to_have_attribute("aria-disabled", "true")
    ada.does(ada.story.archive(False))
    expect(banners(ben)).not_to_contain_text("archived")
    ben.say("Anybody?")
    ben.hears("Anybody?")


def test_who_is_removed_is_told_so(ada: Owner, ben: View) -> None:
    me = ada.user("Ben")
    ada.does(ada.story.set_role(me, None))
    expect(banners(ben)).to_contain_text("You were removed from the session")
