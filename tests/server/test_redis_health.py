"""What a Redis is asked before it is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from novel_jupyter.server.stores import Settings, open_store
from novel_jupyter.testing_redis import RedisServer

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]


@pytest.mark.asyncio
async def test_a_user_who_may_not_ask_gets_a_warning_and_a_store(tmp_path: Path) -> None:
    users = {"novel": ">pw ~novel:* &novel:* +@all -@dangerous"}
    with RedisServer(tmp_path, users=users) as redis:
        store, bus, warnings = await open_store(Settings(redis.url_as("novel", "pw")))
        assert "INFO is forbidden" in warnings[0]
        await bus.close()
        await store.close()
