"""The Redis store: the contract of the port on every kind of Redis.

Parts: the contract on one server, on a Cluster, and strict on a Cluster with replicas. What fails is in
`test_store_redis_failures` and `test_store_redis_cluster`, comparisons and figures in
`test_store_redis_compared`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from server.store_contract import StoreContract
from server.store_contract_history import KEPT
from server.store_records import Opener

from novel_jupyter.core.model import Head
from novel_jupyter.server.ports import Append, Behind, Entry, SessionInfo
from novel_jupyter.server.redis_queries import UNMARK
from novel_jupyter.server.redis_wire import Script
from novel_jupyter.server.store_redis import RedisStore
from novel_jupyter.testing_redis import RedisServer, flavours
from novel_jupyter.testing_redis_cluster import RedisCluster

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]


class RedisContract(StoreContract):
    """Subclasses give the fixture `url`."""

    replicas = 0

    @pytest.fixture
    def opener(self, url: str) -> Opener:
        return lambda: RedisStore.open(url, node="n1", replicas=self.replicas)

    @pytest.fixture
    def trimming(self, url: str) -> Opener:
        return lambda: RedisStore.open(url, node="n2", replicas=self.replicas, keep_entries=KEPT)


@pytest.fixture(scope="module", params=flavours())
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis"), flavour=request.param) as server:
        yield server


class TestOneServer(RedisContract):
    @pytest.fixture
    def url(self, server: RedisServer) -> str:
        server.ask("FLUSHALL")
        return server.url


def flush(cluster: RedisCluster) -> None:
    for primary in cluster.primaries:
        primary.ask("FLUSHALL")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with RedisCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


class TestCluster(RedisContract):
    @pytest.fixture
    def url(self, cluster: RedisCluster) -> str:
        flush(cluster)
        return cluster.url


@pytest.fixture(scope="module")
def replicated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with RedisCluster(tmp_path_factory.mktemp("replicated"), replicas=1) as cluster:
        yield cluster


class TestStrictCluster(RedisContract):
    replicas = 1

    @pytest.fixture
    def url(self, replicated: RedisCluster) -> str:
        flush(replicated)
        return replicated.url


@pytest.mark.asyncio
async def test_appends_that_came_second_leave_nothing_in_the_lists(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as redis:
        stores = [await RedisStore.open(redis.url, node=node) for node in "ab"]
        members = tuple((f"user{n}", "player") for n in range(5))
        info = SessionInfo("s1", "st", "T", "open", members, _at(0), _at(0), False, b"x" * 32)
        head = Head("e", 0, "")
        await stores[0].create(info, head)
        for n in range(1, 21):
            entries = [Entry(n, f"h{n}", b"{}")]
            times = (_at(2 * n), _at(2 * n + 1))
            outcomes = await asyncio.gather(
                *(
                    store.append(Append("s1", head, entries, (), replace(info, last_activity=at)))
                    for store, at in zip(stores, times, strict=True)
                )
            )
            (head,) = [outcome for outcome in outcomes if isinstance(outcome, Head)]
        with redis.client() as client:
            rows = [client.zcard(key) for key in client.scan_iter("novel:{index*rows")]
        assert rows == [1] * 6
        (listed,) = (await stores[0].sessions("user3")).sessions
        assert listed.last_activity in (_at(40), _at(41))
        for store in stores:
            await store.close()


def _at(minute: int) -> str:
    return f"2026-01-01T{minute // 60:02d}:{minute % 60:02d}:00.000000Z"


@pytest.mark.asyncio
async def test_rows_that_are_taken_back_are_so_at_once(tmp_path: Path) -> None:
    """Who lost a race in a session of many people keeps nobody waiting."""
    with RedisServer(tmp_path) as redis:
        faster, slower = [await RedisStore.open(redis.url, node=node) for node in "ab"]
        members = tuple((f"user{n}", "player") for n in range(50))
        info = SessionInfo("s1", "st", "T", "open", members, _at(0), _at(0), False, b"x" * 32)
        head = Head("e", 0, "")
        await faster.create(info, head)
        await faster.append(Append("s1", head, [Entry(1, "h1", b"{}")]))
        real, calls, most = slower.link.script, 0, 0

        async def script(which: Script, *about: Any, **more: Any) -> Any:
            nonlocal calls, most
            if which is not UNMARK:
                return await real(which, *about, **more)
            calls += 1
            most = max(most, calls)
            try:
                return await real(which, *about, **more)
            finally:
                calls -= 1

        slower.link.script = script  # type: ignore[assignment,method-assign]
        late = replace(info, last_activity=_at(1))
        assert isinstance(await slower.append(Append("s1", head, [Entry(1, "h2", b"{}")], (), late)), Behind)
        assert most == len(members) + 1
        for store in (faster, slower):
            await store.close()
