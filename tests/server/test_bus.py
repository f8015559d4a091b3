"""Every bus by one contract: in one process, on one Redis, on a Cluster.

Parts: one class for each medium.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from server.bus_contract import Announcer, BusContract, Opener
from server.plain_link import PlainLink

from novel_jupyter.server.bus import Announcement, Bus, LocalBus
from novel_jupyter.server.bus_redis import RedisBus
from novel_jupyter.server.redis_wire import channel, encode_announcement
from novel_jupyter.testing_redis import RedisServer
from novel_jupyter.testing_redis_cluster import RedisCluster

pytestmark = pytest.mark.timeout(60)


class TestLocalBus(BusContract):
    @pytest.fixture
    def opener(self) -> Opener:
        place = LocalBus("nobody").place

        async def open_bus(node: str) -> Bus:
            return LocalBus(node, place)

        return open_bus

    @pytest.fixture
    def announce(self) -> Announcer:
        async def announce(bus: Bus, session_id: str, announcement: Announcement) -> None:
            assert isinstance(bus, LocalBus)
            bus.announce(session_id, announcement)

        return announce


class _RedisContract(BusContract):
    """Subclasses give the fixture `link`."""

    @pytest_asyncio.fixture
    async def opener(self, link: PlainLink) -> AsyncIterator[Opener]:
        opened: list[RedisBus] = []

        async def open_bus(node: str) -> Bus:
            opened.append(RedisBus(link, node))
            return opened[-1]

        yield open_bus
        for bus in opened:
            await bus.close()
        assert [bus.connections for bus in opened] == [0] * len(opened)

    @pytest.fixture
    def announce(self, link: PlainLink) -> Announcer:
        async def announce(bus: Bus, session_id: str, announcement: Announcement) -> None:
            link.publish(channel(session_id), encode_announcement(bus.node, announcement))

        return announce


class TestOneRedis(_RedisContract):
    @pytest_asyncio.fixture
    async def link(self, redis_server: RedisServer) -> AsyncIterator[PlainLink]:
        link = PlainLink(redis_server)
        yield link
        await link.close()


class TestCluster(_RedisContract):
    @pytest_asyncio.fixture
    async def link(self, redis_cluster: RedisCluster) -> AsyncIterator[PlainLink]:
        link = PlainLink(redis_cluster)
        yield link
        await link.close()
