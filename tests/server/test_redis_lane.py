"""One connection: whatever comes over it, nobody waits for ever."""

from __future__ import annotations

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
