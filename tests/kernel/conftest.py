"""Fixtures of the kernel's tests: a scripted server, and clients that are closed when the test is over.

Law: nothing outlives its test.
Parts: `server`, `client`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from kernel.scripted import PlainLogin, ScriptedServer

from novel_jupyter.kernel.client import Client
from novel_jupyter.kernel.connection import Backoff


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    found = ScriptedServer()
    yield found
    await found.close()


@pytest_asyncio.fixture
async def client(server: ScriptedServer) -> AsyncIterator[Client]:
    """A client that reconnects at once; not connected yet."""
    found = Client(PlainLogin(server.base_url), backoff=Backoff(base=0.001, cap=0.002))
    yield found
    await found.close()
