"""The Redis store: the contract of the port on every kind of Redis.

Parts: the contract on one server, on a Cluster, and strict on a Cluster with replicas. What fails is in
`test_store_redis_failures` and `test_store_redis_cluster`, comparisons and figures in
`test_store_redis_compared`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from server.store_contract import StoreContract
from server.store_contract_history import KEPT
from server.store_records import Opener

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
