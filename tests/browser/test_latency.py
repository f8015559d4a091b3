"""From a keystroke on one screen to the other person's screen, measured in the browser on one clock.

The figures stand at the end of the run's report. NOVEL_KEYSTROKES asks for more than the few of a usual run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from browser.people import PATIENCE, Browsers, View, log_in
from browser.scene import in_thread
from playwright.sync_api import expect

from novel_jupyter.kernel.access import PersonLogin
from novel_jupyter.kernel.client import Client
from novel_jupyter.testing import ServerProcess

pytestmark = [pytest.mark.process, pytest.mark.slow]

KEYSTROKES = int(os.environ.get("NOVEL_KEYSTROKES", "60"))
PAUSE = 120
"""Milliseconds between keystrokes: a quick typist's."""

FIELD = "[data-novel-target='/notes/scene']"

# Both pages tell the time since 1970 by the machine's one clock, to a fraction of a millisecond.
NOW = "const now = () => performance.timeOrigin + performance.now();"
TYPED = f"""() => {{ {NOW}
  window.typed = [];
  window.onkeydown = () => window.typed.push(now());
}}"""
# When each number of keystrokes was first there to be drawn.
SEEN = f"""() => {{ {NOW}
  window.seen = new Map();
  const look = () => PROGRESS;
  const round = (window.round = (window.round ?? 0) + 1);
  const step = () => {{
    if (window.round !== round) return;
    const shown = look();
    if (shown !== null && !window.seen.has(shown)) window.seen.set(shown, now());
    requestAnimationFrame(step);
  }};
  step();
}}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("latency"), ["ada", "ben"]) as found:
        yield found


@pytest.fixture(scope="module")
def pair(server: ServerProcess, browsers: Browsers) -> tuple[View, View]:
    async def begin() -> str:
        async with Client(PersonLogin(server.url, server.token_of("ada"))) as ada:
            return str((await ada.create_session("lighthouse"))["session_id"])

    path = f"novel/s/{in_thread(begin())}"
    ada, ben = (View(log_in(browsers.page(), server, name, path)) for name in ("ada", "ben"))
    for view in (ada, ben):
        view.show("Notes")
    return ada, ben


def measure(writer: View, reader: View, key: str, progress: str) -> list[float]:
    """Milliseconds from each keystroke to the moment when the reader's page shows what it did.

    `progress`: JavaScript that counts the keystrokes that the reader's page shows, null while none.
    """
    reader.page.wait_for_function(f"() => {progress} === 0", timeout=PATIENCE)
    reader.page.evaluate(SEEN.replace("PROGRESS", progress))
    writer.page.evaluate(TYPED)
    box = writer.field("Notes on the scene")
    for _ in range(KEYSTROKES):
        box.press(key)
        writer.page.wait_for_timeout(PAUSE)  # a typist's pace, not a wait for anything
    reader.page.wait_for_function("(count) => window.seen.has(count)", arg=KEYSTROKES, timeout=PATIENCE)
    typed: list[float] = writer.page.evaluate("window.typed")
    seen: list[tuple[int, float]] = reader.page.evaluate("[...window.seen]")
    assert len(typed) == KEYSTROKES
    delays = [min(when for shown, when in seen if shown >= n) - at for n, at in enumerate(typed, 1)]
    assert min(delays) > 0, "nobody sees what was not typed yet"
    return delays


def told(delays: list[float]) -> str:
    ordered = sorted(delays)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"median {ordered[len(ordered) // 2]:.0f} ms, p99 {p99:.0f} ms of {len(ordered)} keystrokes"


def test_what_is_typed_is_soon_on_the_other_screen(
    pair: tuple[View, View], figure: Callable[[str], None]
) -> None:
    writer, reader = pair
    writer.field("Notes on the scene").click()
    delays = measure(writer, reader, "x", f'document.querySelector("{FIELD} textarea").value.length')
    figure(f"a letter of a note, stored and then shown to the other: {told(delays)}")


def test_where_one_is_in_a_text_is_soon_on_the_other_screen(
    pair: tuple[View, View], figure: Callable[[str], None]
) -> None:
    writer, reader = pair
    expect(writer.field("Notes on the scene")).to_have_value("x" * KEYSTROKES)
    expect(reader.root.locator(f"{FIELD} .jp-Novel-caret")).to_be_attached()
    before_caret = f"""(() => {{
      const caret = document.querySelector("{FIELD} .jp-Novel-caret");
      if (caret === null) return null;
      const range = document.createRange();
      range.setStart(caret.closest(".jp-Novel-backdrop"), 0);
      range.setEndBefore(caret);
      return {KEYSTROKES} - range.toString().length;
    }})()"""
    delays = measure(writer, reader, "ArrowLeft", before_caret)
    figure(f"a step of the caret, shown to the other: {told(delays)}")
