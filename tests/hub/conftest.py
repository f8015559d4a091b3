"""Fixtures of the Hub's tests: one Hub for all, since it takes seconds to start one.

Law: a test that takes something from somebody takes it from a person that no other test needs.
Parts: `hub`, `servers` (the same, with a server for alice and one for bob).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hub.hub import HubProcess

INTERVAL = 1.0
"""Seconds within which an open socket is asked again."""
GROUPS = {
    "directors": ["dora"],
    "players": ["alice", "bob", "leaver", "mover", "logout"],
    "audience": ["wendy"],
}


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    arguments = [f"--NovelApp.recheck_interval={INTERVAL}", "--NovelApp.presence_grace=0.3"]
    with HubProcess(tmp_path_factory.mktemp("hub"), GROUPS, arguments) as found:
        yield found


@pytest.fixture(scope="session")
def servers(hub: HubProcess) -> HubProcess:
    async def start() -> None:
        await asyncio.gather(hub.start_server("alice"), hub.start_server("bob"))

    asyncio.run(start())
    return hub
