"""The Redis store on a Cluster with replicas: failovers, slots that move, and strict mode (S20).

Law: by default a failover may lose the last moments and never leaves half; in strict mode nothing that was
acknowledged is lost, and nothing is shown or announced that a replica lacks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.crc import key_slot
from server.store_process import check_log
from server.store_records import EMPTY, command, extend, make_append, make_entries, make_info

from novel_jupyter.core.model import Head
from novel_jupyter.server.ports import Behind, StoreUnavailable
from novel_jupyter.server.redis_wire import channel, decode
from novel_jupyter.server.store_redis import RedisStore
from novel_jupyter.testing_redis import RedisServer, flavours
from novel_jupyter.testing_redis_cluster import RedisCluster

pytestmark = [pytest.mark.process, pytest.mark.timeout(90)]


@asynccontextmanager
async def opened(url: str, **settings: Any) -> AsyncIterator[RedisStore]:
    store = await RedisStore.open(url, node="n1", **{"timeout": 1.0, **settings})
    try:
        yield store
    finally:
        await store.close()


# --- failover


@pytest.fixture(scope="module", params=flavours())
def replicated(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RedisCluster]:
    with RedisCluster(tmp_path_factory.mktemp("cluster"), replicas=1, flavour=request.param) as cluster:
        yield cluster


def flush(cluster: RedisCluster) -> None:
    for primary in cluster.primaries:
        primary.ask("FLUSHALL")


async def play_on(store: RedisStore, head: Head, n: int, done: dict[int, int], stop: asyncio.Event) -> None:
    """Append one command after the other, whatever happens, as a room does: when in doubt, read."""
    sure = True
    while not stop.is_set():
        try:
            if not sure:
                head, sure = await store.head("s1"), True
            outcome = await store.append(command("a", n, head))
        except StoreUnavailable:
            sure = False
            continue
        if isinstance(outcome, Behind):
            n, head = n + len(outcome.spent), outcome.head
            continue
        done[n], head, n = outcome.sequence_id, outcome, n + 1


@pytest.mark.asyncio
@pytest.mark.parametrize("replicas", [0, 1])
@pytest.mark.parametrize("how", ["kill", "pause"])
async def test_writes_go_on_after_a_failover(replicated: RedisCluster, replicas: int, how: str) -> None:
    flush(replicated)
    async with opened(replicated.url, replicas=replicas, timeout=0.5, wait_timeout=0.3) as store:
        await store.create(make_info(), EMPTY)
        done, stop = dict[int, int](), asyncio.Event()
        playing = asyncio.ensure_future(play_on(store, EMPTY, 1, done, stop))
        await asyncio.sleep(0.2)
        primary = replicated.primary_of("novel:{s1}:meta")
        getattr(primary, how)()
        await asyncio.to_thread(replicated.wait_failover, "novel:{s1}:meta", primary)
        before = len(done)
        if how == "pause":
            primary.resume()
        else:
            await asyncio.to_thread(replicated.start, primary)
        await asyncio.to_thread(replicated.wait_whole)
        async with asyncio.timeout(20):
            while len(done) < before + 20:
                await store.link.command("GET", "novel:{s1}:none", idempotent=True)
        stop.set()
        await playing
        # By default a failover may lose the last moments, but never leaves half.
        await check_log(store, {"a": done if replicas else {}})


@pytest.mark.asyncio
async def test_a_session_moves_with_its_slot(replicated: RedisCluster) -> None:
    flush(replicated)
    name = "novel:{s1}:meta"
    source = replicated.primary_of(name)
    target = next(server for server in replicated.primaries if server is not source)
    slot, ids = key_slot(name.encode()), {s: s.ask("CLUSTER", "MYID").decode() for s in (source, target)}
    async with opened(replicated.url, timeout=0.3) as store:
        await store.create(make_info(), EMPTY)
        head = await extend(store, EMPTY, 2, 1)
        target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
        keys = source.ask("CLUSTER", "GETKEYSINSLOT", slot, 100)
        for key in keys[:2]:
            source.ask("MIGRATE", "127.0.0.1", target.port, key, 0, 1000)
        with pytest.raises(StoreUnavailable) as failed:
            await store.append(make_append(head, 1, 2))
        assert not failed.value.unknown, "a script whose keys are here and there does not begin"
        waiting = asyncio.ensure_future(extend(store, head, 1, 2))
        await asyncio.sleep(0)
        for key in keys[2:]:
            source.ask("MIGRATE", "127.0.0.1", target.port, key, 0, 1000)
        for server in (target, source, *replicated.primaries):
            server.ask("CLUSTER", "SETSLOT", slot, "NODE", ids[target])
        assert (await waiting).sequence_id == 3, "who waited was served where the session is now"
        assert await store.read("s1", 0, 10) == make_entries(EMPTY, 3)
        assert (await store.link.locate(name)).port == target.port


# --- strict


@pytest.mark.asyncio
async def test_s20_nothing_is_shown_that_a_replica_lacks(replicated: RedisCluster) -> None:
    flush(replicated)
    primary = replicated.primary_of("novel:{s1}:meta")
    [replica] = [s for s in replicated.servers if s is not primary and follows(s, primary)]
    settings = {"replicas": 1, "wait_timeout": 0.1}
    async with opened(replicated.url, **settings) as store, opened(replicated.url, **settings) as other:
        await store.create(make_info(), EMPTY)
        with primary.client() as client, client.pubsub() as heard:
            heard.execute_command("SSUBSCRIBE", channel("s1"))
            heard.parse_response()
            head = await extend(store, EMPTY, 1, 1)
            later = make_append(head, 1, 2)
            assert decode((await asyncio.to_thread(heard.parse_response))[2])[0] == "n1"
            replica.pause()
            try:
                with pytest.raises(StoreUnavailable, match="0 of 1 replicas") as failed:
                    await store.append(later)
                assert failed.value.unknown
                for call in (
                    other.head("s1"),
                    other.read("s1", 0, 10),
                    other.results("s1", "ann", "c1"),
                    other.append(make_append(head, 1, 3)),
                    other.put_snapshot("s1", head, b""),
                    other.info("s1"),
                    other.sessions(),
                    other.clients("s1"),
                ):
                    with pytest.raises(StoreUnavailable):
                        await call
                assert heard.parse_response(block=False, timeout=0.05) is None, "nobody was told"
            finally:
                replica.resume()
            async with asyncio.timeout(20):
                while True:
                    try:
                        assert await other.head("s1") == later.head
                        break
                    except StoreUnavailable:
                        continue
            head = await extend(store, later.head, 1, 3)
            node, news = decode((await asyncio.to_thread(heard.parse_response))[2])
            assert (node, getattr(news, "head", None)) == ("n1", head)


def follows(server: RedisServer, primary: RedisServer) -> bool:
    about = server.ask("INFO", "replication")
    return bool(about["role"] == "slave" and about["master_port"] == primary.port)
