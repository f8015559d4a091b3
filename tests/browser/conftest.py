"""A real headless Chromium and real Jupyter servers for the tests of the face.

Law: a run of its own (`make browser`): Playwright's loop and pytest-asyncio's do not share a process. Where
there is no Chromium the tests are skipped and say so, but never in continuous integration.
Parts: `chromium`, `browsers`, `shots`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.people import Browsers
from playwright.sync_api import Browser, sync_playwright

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


def _executable() -> str:
    found = os.environ.get("NOVEL_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if found is not None:
        return found
    reason = "no Chromium: install Debian's `chromium`, or name one in NOVEL_CHROMIUM"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    executable = _executable()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def browsers(chromium: Browser) -> Iterator[Browsers]:
    """For the people of one module. A fault of our own on any page is an error at the end."""
    found = Browsers(chromium)
    yield found
    found.close()
    assert found.faults == []


@pytest.fixture(scope="session")
def shots() -> Path | None:
    """Where screenshots go, if anybody wants to look: the folder that NOVEL_SHOTS names."""
    folder = os.environ.get("NOVEL_SHOTS")
    return Path(folder) if folder else None
