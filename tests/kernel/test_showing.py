"""How a story shows itself: what is displayed where, when the copy is renewed, and what is not loaded.

Parts: the bundle outside of a kernel, the follower on a made-up clock, the widget without a kernel, imports.
"""

from __future__ import annotations

import asyncio
import html
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from IPython.core.formatters import DisplayFormatter
from kernel.hosting import SECONDS, story_of
from kernel.local import LocalServer, kernel, person

from novel_jupyter.kernel.mirror import Mirror, as_html
from novel_jupyter.kernel.showing import MIME, Follower, now
from novel_jupyter.kernel.story import Story


@pytest_asyncio.fixture
async def server() -> LocalServer:
    return LocalServer(kernel())


@pytest_asyncio.fixture
async def story(server: LocalServer) -> AsyncIterator[Story]:
    found = await story_of(server)
    yield found
    await found.close()


# --- what is displayed


@pytest.mark.asyncio
async def test_outside_of_a_kernel_there_is_a_copy_and_no_widget(story: Story) -> None:
    formatter: Any = DisplayFormatter()
    data = formatter.format(story)[0]
    assert set(data) == {"text/plain", "text/html", MIME}
    assert data["text/plain"] == repr(story)
    assert data["text/html"] == as_html(data[MIME]["mirror"], story.url)
    assert story.title in html.unescape(story._repr_html_())
    ours = data[MIME]
    assert (ours["session_id"], ours["url"], ours["home"]) == (story.session_id, story.url, True)
    assert ours["mirror"] | {"as_of": ""} == dict(now(story.handle)) | {"as_of": ""}
    assert set(story._repr_mimebundle_(include=["text/html", "image/png"])) == {"text/html"}
    assert set(story._repr_mimebundle_(exclude=["text/html"])) == {"text/plain", MIME}


@pytest.mark.asyncio
async def test_an_address_with_a_password_is_shown_without_it(story: Story) -> None:
    client: Any = story.client
    client.base_url = "https://ana:hunter2@example.org/hub/"
    assert story.url == "https://example.org/hub/novel/s/s1"
    assert "hunter2" not in str(story._repr_mimebundle_())


# --- when it is renewed


class Clock:
    """Timers that go off when a test says so."""

    def __init__(self) -> None:
        self.timers: list[Clock.Timer] = []

    class Timer:
        def __init__(self, seconds: float, action: Callable[[], None]) -> None:
            self.seconds = seconds
            self.action = action
            self.cancelled = False

        def cancel(self) -> None:
            self.cancelled = True

    def later(self, seconds: float, action: Callable[[], None]) -> Clock.Timer:
        self.timers.append(Clock.Timer(seconds, action))
        return self.timers[-1]

    def ring(self) -> None:
        (timer,) = self.timers
        self.timers = []
        timer.action()


async def mood(story: Story, value: str) -> None:
    await story.edit([{"op": "replace", "path": "/scene/mood", "value": value}])


@pytest.mark.asyncio
async def test_many_changes_in_a_second_are_one_copy(story: Story) -> None:
    clock, shown = Clock(), list[Mirror]()
    follower = Follower(story.handle, now(story.handle), shown.append, later=clock.later)
    for value in ("wary", "calm", "tense"):
        await mood(story, value)
    assert shown == []
    assert [timer.seconds for timer in clock.timers] == [1.0]
    clock.ring()
    assert [mirror["scene"]["mood"] for mirror in shown] == ["tense"]
    await mood(story, "calm")
    clock.ring()
    assert [mirror["scene"]["mood"] for mirror in shown] == ["tense", "calm"]
    follower.stop()


@pytest.mark.asyncio
async def test_what_looks_the_same_is_not_shown_again(story: Story) -> None:
    clock, shown = Clock(), list[Mirror]()
    follower = Follower(story.handle, now(story.handle), shown.append, later=clock.later)
    await story.edit([{"op": "replace", "path": "/notes/scene", "value": "not in the copy"}])
    clock.ring()
    assert shown == []
    follower.stop()


@pytest.mark.asyncio
async def test_the_last_copy_is_how_it_stood(story: Story, server: LocalServer) -> None:
    clock, shown = Clock(), list[Mirror]()
    follower = Follower(story.handle, now(story.handle), shown.append, later=clock.later)
    await mood(story, "tense")
    follower.stop()
    assert [mirror["scene"]["mood"] for mirror in shown] == ["tense"]
    assert clock.timers[0].cancelled
    await mood(story, "calm")
    await server.join(person("ana"))
    await story.handle.wait_for(lambda state: "ana" in str(state["participants"]), SECONDS)
    follower.stop()
    assert len(clock.timers) == len(shown) == 1


@pytest.mark.asyncio
async def test_the_loop_is_its_clock(story: Story) -> None:
    copied = asyncio.Event()
    shown: list[Mirror] = []

    def show(mirror: Mirror) -> None:
        shown.append(mirror)
        copied.set()

    follower = Follower(story.handle, now(story.handle), show, seconds=0.001)
    await mood(story, "tense")
    await asyncio.wait_for(copied.wait(), SECONDS)
    assert shown[0]["scene"]["mood"] == "tense"
    follower.stop()


# --- the widget itself


@pytest.mark.asyncio
async def test_a_widget_takes_nothing_from_a_browser(story: Story) -> None:
    from novel_jupyter.kernel.widget import StoryWidget

    found = StoryWidget(session_id="s1", url=story.url, home=True, mirror=now(story.handle))
    # As a comm has it: a frontend that would have others open another page.
    evil = {"method": "update", "state": {"url": "https://evil.example/"}, "buffer_paths": []}
    found._handle_msg({"content": {"data": evil}, "buffers": []})
    assert found.url == story.url
    found.show({**now(story.handle), "phase": "paused"})
    assert found.mirror["phase"] == "paused"
    assert {name for name in found.keys if not name.startswith("_")} <= {
        *("session_id", "url", "home", "mirror"),
        *("layout", "tabbable", "tooltip"),
    }
    found.close()


# --- what is not loaded


@pytest.mark.parametrize(
    "module", ["core.room", "server.app", "kernel.api", "kernel.magics", "kernel.showing"]
)
def test_whoever_shows_no_widget_does_not_load_any(module: str) -> None:
    code = (
        f"import sys, novel_jupyter.{module}; "
        "bad = [n for n in sys.modules if n in ('anywidget', 'ipywidgets')]; assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
