"""Fixtures of the server's tests: one real server of each kind for all that need no settings of their own.

Law: each test makes its own sessions, so that a shared server tells them nothing of each other. Who breaks a
Redis breaks one of its own, or leaves it whole (`wait_whole`).
Parts: `server`, `redis_server`, `redis_cluster`, `redis_cluster_with_replicas`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from novel_jupyter.testing import ServerProcess
from novel_jupyter.testing_redis import RedisServer
from novel_jupyter.testing_redis_cluster import RedisCluster

PEOPLE = ("alice", "bob", "carol", "dave")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that people leave quickly: the grace of a lost connection is a third of a second."""
    found = ServerProcess(tmp_path_factory.mktemp("server"), PEOPLE, {"NovelApp.presence_grace": 0.3})
    with found:
        yield found


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as found:
        yield found


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """Three primaries."""
    with RedisCluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture(scope="session")
def redis_cluster_with_replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """Three primaries with a replica each."""
    with RedisCluster(tmp_path_factory.mktemp("replicas"), replicas=1) as found:
        yield found
