"""Every bus by one contract: in one process, on one Redis, on a Cluster.

Parts: one class for each medium.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from server.bus_contract import Announcer, BusContract, Opener

from novel_jupyter.server.bus import Announcement, Bus, LocalBus, Place
from novel_jupyter.server.bus_redis import RedisBus
from novel_jupyter.server.redis_link import RedisLink
from novel_jupyter.server.redis_wire import channel, encode_announcement
from novel_jupyter.testing_redis import RedisServer, flavours
from novel_jupyter.testing_redis_cluster import RedisCluster

pytestmark = pytest.mark.timeout(60)


class TestLocalBus(BusContract):
    @pytest.fixture
    def opener(self) -> Opener:
        place = Place()

        async def open_bus(node: str) -> Bus:
            return LocalBus(node, place)

        return open_bus

    @pytest.fixture
    def announce(self) -> Announcer:
        async def announce(bus: Bus, session_id: str, announcement: Announcement) -> None:
            assert isinstance(bus, LocalBus)
            bus.announce(session_id, announcement)

        return announce


@pytest.mark.asyncio
async def test_b9_a_bus_of_one_process_knows_that_it_is_alone() -> None:
    place = Place()
    one, other = LocalBus("a", place), LocalBus("b", place)
    await one.beat(b"", 60.0)
    assert [one.is_alone, other.is_alone] == [True, False]
    await other.beat(b"", 60.0)
    assert [one.is_alone, other.is_alone] == [False, False]
    await other.close()
    assert [one.is_alone, other.is_alone] == [True, False]


class _RedisContract(BusContract):
    """Subclasses give the fixture `url`. Every bus has a link of its own, as every server has."""

    @pytest_asyncio.fixture
    async def links(self, url: str) -> AsyncIterator[list[RedisLink]]:
        links: list[RedisLink] = []
        yield links
        for link in links:
            await link.close()

    @pytest_asyncio.fixture
    async def opener(self, url: str, links: list[RedisLink]) -> AsyncIterator[Opener]:
        opened: list[RedisBus] = []

        async def open_bus(node: str) -> Bus:
            links.append(await RedisLink.open(url))
            opened.append(RedisBus(links[-1], node))
            return opened[-1]

        yield open_bus
        for bus in opened:
            await bus.close()
        assert [bus.connections for bus in opened] == [0] * len(opened)

    @pytest.fixture
    def announce(self, links: list[RedisLink]) -> Announcer:
        async def announce(bus: Bus, session_id: str, announcement: Announcement) -> None:
            links[0].publish(channel(session_id), encode_announcement(bus.node, announcement))

        return announce


class TestOneRedis(_RedisContract):
    @pytest.fixture
    def url(self, redis_server: RedisServer) -> str:
        return redis_server.url


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """As somebody's own may be: older, with a password, over TLS."""
    folder = tmp_path_factory.mktemp("own")
    with RedisServer(folder, flavour="redis-server", password="secret", tls=True) as server:
        yield server


@pytest.mark.skipif("redis-server" not in flavours(), reason="only where it is installed")
class TestOwnRedis(_RedisContract):
    @pytest.fixture
    def url(self, own_redis: RedisServer) -> str:
        return own_redis.url


class TestCluster(_RedisContract):
    @pytest.fixture
    def url(self, redis_cluster: RedisCluster) -> str:
        return redis_cluster.url
