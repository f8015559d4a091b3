"""Fixtures of the server's tests: one real server for all that need no settings of their own.

Law: each test makes its own sessions, so that a shared server tells them nothing of each other.
Parts: `server`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from novel_jupyter.testing import ServerProcess

PEOPLE = ("alice", "bob", "carol", "dave")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that people leave quickly: the grace of a lost connection is a third of a second."""
    found = ServerProcess(tmp_path_factory.mktemp("server"), PEOPLE, {"NovelApp.presence_grace": 0.3})
    with found:
        yield found
