"""One connection: whatever comes over it, nobody waits for ever."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from novel_jupyter.server.ports import StoreUnavailable
from novel_jupyter.server.redis_link import RedisLink
from novel_jupyter.server.redis_wire import Script
from novel_jupyter.testing_redis import RedisServer

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]


@pytest.mark.asyncio
async def test_what_no_redis_answers_fails_the_call_and_not_the_connection(tmp_path: Path) -> None:
    """A line longer than a reader takes, or a host's name that is none: nobody waits for ever."""
    for url in ("redis://a..b:6379/0", f"redis://{'x' * 70}.example:6379/0"):
        with pytest.raises(StoreUnavailable):
            await RedisLink.open(url)
    with RedisServer(tmp_path) as redis:
        link = await RedisLink.open(redis.url)
        long = Script("return redis.error_reply('X' .. string.rep('y', 100000))")
        with pytest.raises(StoreUnavailable):
            await link.script(long, ["k"], [])
        assert await link.command("GET", "k") is None
        await link.close()


@pytest.mark.asyncio
async def test_a_demoted_primary_is_left_for_whoever_has_the_address_now(tmp_path: Path) -> None:
    """One address before a primary and its replica; the old primary lives on, read-only."""
    with RedisServer(tmp_path / "a") as old, RedisServer(tmp_path / "b") as new:
        port, copying = old.port, set[asyncio.Task[None]]()

        async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while data := await reader.read(65536):
                    writer.write(data)
                    await writer.drain()
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()

        async def passes_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            up, down = await asyncio.open_connection("127.0.0.1", port)
            for task in (asyncio.create_task(copy(reader, down)), asyncio.create_task(copy(up, writer))):
                copying.add(task)
                task.add_done_callback(copying.discard)

        front = await asyncio.start_server(passes_on, "127.0.0.1", 0)
        link = await RedisLink.open(f"redis://127.0.0.1:{front.sockets[0].getsockname()[1]}")
        await link.command("SET", "k", "1")
        old.ask("REPLICAOF", "127.0.0.1", new.port)
        port = new.port
        with suppress(StoreUnavailable):
            await link.command("SET", "k", "2")
        await link.command("SET", "k", "3")
        assert new.ask("GET", "k") == b"3"
        await link.close()
        front.close()
        await asyncio.wait(copying, timeout=10)
        assert not copying, "a link that is closed leaves no connection"
