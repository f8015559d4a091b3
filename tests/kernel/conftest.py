"""Fixtures of the kernel's tests: a scripted server and its client; a real server, people, a kernel.

Law: nothing outlives its test, but for the real server, which outlives its module's tests and no more.
Parts: `server`, `client`; `jupyter`, `people`, `cell`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from kernel.live import PEOPLE
from kernel.scripted import PlainLogin, ScriptedServer

import novel_jupyter as nj
from novel_jupyter.kernel.client import Client
from novel_jupyter.kernel.connection import Backoff
from novel_jupyter.kernel_cell import Cell, shut_down_kernel, start_kernel
from novel_jupyter.testing import ServerProcess


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


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server"), PEOPLE) as found:
        yield found


@pytest_asyncio.fixture
async def people(jupyter: ServerProcess) -> AsyncIterator[dict[str, Client]]:
    ana, ben = [await nj.connect(jupyter.url, jupyter.token_of(name)) for name in PEOPLE]
    async with ana, ben:
        yield {"ana": ana, "ben": ben}


@pytest_asyncio.fixture
async def cell(jupyter: ServerProcess) -> AsyncIterator[Cell]:
    kernel_id = await start_kernel(jupyter.url, jupyter.admin_token)
    async with Cell(jupyter.url, jupyter.admin_token, kernel_id) as found:
        await found.run("import asyncio, os, novel_jupyter as nj")
        yield found
    await shut_down_kernel(jupyter.url, jupyter.admin_token, kernel_id)
