"""The bus in Redis when something breaks: what is found again, how soon, and what it costs.

Law: what breaks is a real server, and breaks really. Each test waits for what the bus says of it.
Parts: lost connections and restarts, a server that is paused, slots that move, bounds, a medium that is away,
how long a note takes.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import psutil
import pytest
import pytest_asyncio
from server.bus_contract import LONG, Ear, listening

from novel_jupyter.server.bus import NOTE_BYTES, Row
from novel_jupyter.server.bus_redis import RedisBus
from novel_jupyter.server.ports import StoreUnavailable
from novel_jupyter.server.redis_link import RedisLink
from novel_jupyter.server.redis_wire import channel
from novel_jupyter.testing_redis import RedisServer
from novel_jupyter.testing_redis_cluster import SERVICE, RedisCluster, RedisSentinel

pytestmark = [pytest.mark.process, pytest.mark.timeout(90)]

Medium: TypeAlias = RedisServer | RedisCluster | RedisSentinel
Buses: TypeAlias = Callable[[Medium, str], Awaitable[RedisBus]]
"""Opens a bus of a node on a medium, with a link of its own."""


@pytest_asyncio.fixture
async def buses() -> AsyncIterator[Buses]:
    opened: list[tuple[RedisBus, RedisLink]] = []

    async def open_bus(medium: Medium, node: str) -> RedisBus:
        link = await RedisLink.open(medium.url, timeout=0.5)
        opened.append((RedisBus(link, node), link))
        return opened[-1][0]

    yield open_bus
    for bus, link in opened:
        await bus.close()
        assert bus.connections == 0
        await link.close()


async def heard_again(speaker: RedisBus, session_id: str, ear: Ear) -> None:
    """Say it until it is heard: a link that comes back loses what it is told before."""
    number = len(ear.heard)
    async with asyncio.timeout(30):
        while True:
            number += 1
            note = b"again %d" % number
            speaker.publish(session_id, note)
            try:
                async with asyncio.timeout(0.1):
                    await ear.until((speaker.node, note))
                return
            except TimeoutError:
                continue


async def until(holds: Callable[[], bool]) -> None:
    """Look until it does: for what nobody is told of."""
    async with asyncio.timeout(10):
        while True:
            if holds():
                return
            await asyncio.sleep(0.02)


def cut(server: RedisServer) -> None:
    """Cut the connections of those who listen."""
    server.ask("CLIENT KILL", "TYPE", "pubsub")


@pytest.mark.asyncio
async def test_b5_a_lost_connection_is_made_anew(redis_server: RedisServer, buses: Buses) -> None:
    a, b = await buses(redis_server, "a"), await buses(redis_server, "b")
    ears = [(await listening([b], f"lost-{i}"))[0] for i in range(20)]
    cut(redis_server)
    for i, ear in enumerate(ears):
        await ear.until("relinked")
        a.publish(f"lost-{i}", b"%d" % i)
        await ear.until(("a", b"%d" % i))
        assert ear.heard == ["relinked", ("a", b"%d" % i)]
    assert b.connections == 1


@pytest.mark.asyncio
async def test_b5_a_restart_is_survived(tmp_path: Path, buses: Buses) -> None:
    with RedisServer(tmp_path) as server:
        a, b = await buses(server, "a"), await buses(server, "b")
        mine, ear = await listening([a, b], "s1")
        await b.here("s1", Row(b"b", 1), LONG)
        for stop in (server.stop, server.kill):
            await asyncio.to_thread(stop)
            ear.heard.clear()
            mine.heard.clear()
            await asyncio.to_thread(server.start)
            await ear.until("relinked")
            await mine.until("relinked")
            await heard_again(a, "s1", ear)
            await heard_again(b, "s1", mine)
            assert ear.heard.index("relinked") == 0


@pytest.mark.asyncio
async def test_b5_a_server_that_falls_silent_is_given_up_within_seconds(
    tmp_path: Path, buses: Buses, figure: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    with RedisServer(tmp_path) as server:
        a, b = await buses(server, "a"), await buses(server, "b")
        [ear] = await listening([b], "s1")
        server.pause()
        started = time.monotonic()
        await until(lambda: "lost the connection" in caplog.text)
        figure(f"silence was noticed after {time.monotonic() - started:.1f} s")
        server.resume()
        await ear.until("relinked")
        await heard_again(a, "s1", ear)
        assert b.connections == 1


@pytest.mark.asyncio
async def test_b5_a_failover_is_followed(
    redis_cluster_with_replicas: RedisCluster, buses: Buses, figure: Callable[[str], None]
) -> None:
    cluster = redis_cluster_with_replicas
    a, b = await buses(cluster, "a"), await buses(cluster, "b")
    names = [f"over-{i}" for i in range(30)]
    ears = {name: (await listening([b], name))[0] for name in names}
    assert b.connections == 3
    old = cluster.primary_of(channel(names[0]))
    struck = [name for name in names if cluster.primary_of(channel(name)) is old]
    started = time.monotonic()
    cluster.kill(old)
    for name in struck:
        await ears[name].until("relinked")
    figure(
        f"{len(struck)} sessions listen again {time.monotonic() - started:.1f} s after a primary was killed"
    )
    for name in names:
        await heard_again(a, name, ears[name])
        assert ears[name].heard.count("relinked") == (name in struck)
    await asyncio.to_thread(cluster.start, old)


@pytest.mark.asyncio
async def test_b5_a_paused_primary_is_left(
    redis_cluster_with_replicas: RedisCluster, buses: Buses, figure: Callable[[str], None]
) -> None:
    cluster = redis_cluster_with_replicas
    a, b = await buses(cluster, "a"), await buses(cluster, "b")
    [ear] = await listening([b], "paused")
    old = cluster.primary_of(channel("paused"))
    started = time.monotonic()
    old.pause()
    try:
        await ear.until("relinked")
        figure(f"listens again {time.monotonic() - started:.1f} s after a primary fell silent")
        await heard_again(a, "paused", ear)
    finally:
        old.resume()
        await asyncio.to_thread(cluster.wait_whole)
    await heard_again(a, "paused", ear)


@pytest.mark.asyncio
async def test_b5_a_planned_failover_loses_nobody(
    redis_cluster_with_replicas: RedisCluster, buses: Buses
) -> None:
    cluster = redis_cluster_with_replicas
    a, b = await buses(cluster, "a"), await buses(cluster, "b")
    [ear] = await listening([b], "planned")
    old = cluster.primary_of(channel("planned"))
    [replica] = [
        server
        for server in cluster.servers
        if server.ask("INFO", "replication").get("master_port") == old.port
    ]
    replica.ask("CLUSTER FAILOVER")
    await asyncio.to_thread(cluster.wait_failover, channel("planned"), old)
    await heard_again(a, "planned", ear)
    await asyncio.to_thread(cluster.wait_whole)
    await heard_again(a, "planned", ear)


@pytest.mark.asyncio
@pytest.mark.parametrize("planned", [True, False])
async def test_b5_sentinels_are_believed(tmp_path: Path, buses: Buses, planned: bool) -> None:
    with RedisSentinel(tmp_path) as watched:
        a, b = await buses(watched, "a"), await buses(watched, "b")
        [ear] = await listening([b], "s1")
        if planned:
            watched.sentinels[0].ask("SENTINEL FAILOVER", SERVICE)
        else:
            watched.primary.kill()
        await asyncio.to_thread(watched.wait_failover)
        await heard_again(a, "s1", ear)
        await b.here("s1", Row(b"b", 1), LONG)
        await a.close()
        await b.close()


@pytest.mark.asyncio
async def test_b5_a_slot_that_moves_is_followed(redis_cluster: RedisCluster, buses: Buses) -> None:
    cluster, name = redis_cluster, "moves"
    a, b = await buses(cluster, "a"), await buses(cluster, "b")
    [ear] = await listening([b], name)
    old = cluster.primary_of(channel(name))
    new = next(server for server in cluster.servers if server is not old)
    for source, target in ((old, new), (new, old)):
        ear.heard.clear()
        slot = source.ask("CLUSTER KEYSLOT", channel(name))
        chosen = target.ask("CLUSTER MYID")
        for server in (target, source, *cluster.servers):
            server.ask("CLUSTER SETSLOT", slot, "NODE", chosen)
        await ear.until("relinked")
        await heard_again(a, name, ear)
    assert b.connections <= 2


@pytest.mark.asyncio
async def test_b7_connections_do_not_grow_with_sessions(redis_cluster: RedisCluster, buses: Buses) -> None:
    b = await buses(redis_cluster, "b")
    process = psutil.Process(os.getpid())
    await b.listen("first", Ear())
    before = len(process.net_connections())
    await asyncio.gather(*(b.listen(f"many-{i}", Ear()) for i in range(1000)))
    assert b.connections == 3
    assert len(process.net_connections()) <= before + 2
    assert len(b._listeners) == 1001
    for i in range(1000):
        await b.unlisten(f"many-{i}")
    await b.unlisten("first")
    await until(lambda: b.connections == 0)


@pytest.mark.asyncio
async def test_b7_a_slow_listener_delays_nobody_and_is_told(tmp_path: Path, buses: Buses) -> None:
    limits = ["client-output-buffer-limit pubsub 1mb 512kb 1"]
    with RedisServer(tmp_path, extra=limits) as server:
        a, b = await buses(server, "a"), await buses(server, "b")
        [ear] = await listening([b], "s1")
        note, said = b'{"node": "c", "kind": "note"}\n' + b"x" * NOTE_BYTES, 0
        # This process does not read while another client speaks: as slow as a listener can be.
        with server.client() as client:
            while "output buffer limits" not in server.log:
                client.execute_command("SPUBLISH", channel("s1"), note)
                said += 1
        await ear.until("relinked")
        assert len(ear.heard) < said
        await heard_again(a, "s1", ear)


@pytest.mark.asyncio
async def test_b7_memory_does_not_grow_with_what_is_said(redis_server: RedisServer, buses: Buses) -> None:
    a, b = await buses(redis_server, "a"), await buses(redis_server, "b")
    ear = Ear()
    await b.listen("busy", ear)

    async def say(count: int) -> None:
        for i in range(count):
            a.publish("busy", b"x" * 4096)
            if i % 500 == 499:
                await ear.until_true(lambda: len(ear.heard) == 500)
                ear.heard.clear()

    tracemalloc.start()
    try:
        held = []
        for count in (2000, 10_000):
            await say(count)
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert held[1] - held[0] < 1_000_000, "40 MB were said"


@pytest.mark.asyncio
@pytest.mark.parametrize("ticks", [0, 1, 2, 5])
async def test_a_cancelled_listen_leaves_nothing(redis_server: RedisServer, buses: Buses, ticks: int) -> None:
    a, b = await buses(redis_server, "a"), await buses(redis_server, "b")
    task = asyncio.ensure_future(b.listen("cancelled", Ear()))
    for _ in range(ticks):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert b._listeners == {}
    [ear] = await listening([b], "cancelled")
    a.publish("cancelled", b"heard")
    await ear.until(("a", b"heard"))
    assert ear.heard == [("a", b"heard")]


@pytest.mark.asyncio
async def test_foreign_notes_and_failing_listeners_end_nothing(
    redis_server: RedisServer, buses: Buses
) -> None:
    class Failing(Ear):
        def noted(self, node: str, note: bytes) -> None:
            raise RuntimeError("a bug")

    a, b = await buses(redis_server, "a"), await buses(redis_server, "b")
    ear = Ear()
    await b.listen("failing", Failing())
    await b.listen("foreign", ear)
    a.publish("failing", b"1")
    for payload in (
        b"",
        b"\n",
        b"{}\n",
        b"[]\n",
        b"\xff\n",
        b'{"node":"c","kind":"log","head":[1],"entries":[]}\n',
        b'{"node":"c","kind":"new"}\n',
    ):
        redis_server.ask("SPUBLISH", channel("foreign"), payload)  # type: ignore[arg-type]
    a.publish("foreign", b"end")
    await ear.until(("a", b"end"))
    assert ear.heard == [("a", b"end")]


@pytest.mark.asyncio
async def test_b8_a_medium_that_is_away(tmp_path: Path, buses: Buses) -> None:
    with RedisServer(tmp_path) as server:
        a = await buses(server, "a")
        await a.listen("s1", Ear())
        server.kill()
        a.publish("s1", b"lost")
        for call in (a.here("s1", None, 1), a.beat(b"", 1), a.nodes(), a.listen("s2", Ear())):
            with pytest.raises(StoreUnavailable):
                await call
        await a.unlisten("s1")
        server.start()
        assert await a.nodes() == []
        with pytest.raises(ValueError):
            await a.listen("no{such}", Ear())


@pytest.mark.asyncio
@pytest.mark.parametrize("medium", ["redis_server", "redis_cluster"])
async def test_how_long_a_note_takes(
    medium: str, request: pytest.FixtureRequest, buses: Buses, figure: Callable[[str], None]
) -> None:
    where = request.getfixturevalue(medium)
    a, b = await buses(where, "a"), await buses(where, "b")
    [ear] = await listening([b], "timed")
    took = []
    for i in range(500):
        started = time.perf_counter()
        a.publish("timed", b"%d" % i)
        await ear.until_true(lambda i=i: len(ear.heard) > i)  # type: ignore[misc]
        took.append((time.perf_counter() - started) * 1000)
    took.sort()
    figure(f"publisher to listener p50 {took[250]:.2f} ms, p99 {took[495]:.2f} ms")
    started, before = time.perf_counter(), len(ear.heard)
    for _ in range(4000):
        a.publish("timed", b"x" * 300)
    await ear.until_true(lambda: len(ear.heard) == before + 4000)
    figure(f"{4000 / (time.perf_counter() - started):.0f} notes a second")
