"""What the bus says of appends (B2), with the store that makes them.

Parts: on one Redis, on a Cluster, and where replicas have to have it first.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
import pytest_asyncio
from server.bus_contract import Ear, listening
from server.store_records import EMPTY, make_append, make_entries, make_info

from novel_jupyter.server.bus import Announcement
from novel_jupyter.server.bus_redis import RedisBus
from novel_jupyter.server.ports import Append, Behind
from novel_jupyter.server.redis_wire import ANNOUNCED_BYTES
from novel_jupyter.server.store_redis import RedisStore

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]


@dataclass
class Server:
    store: RedisStore
    bus: RedisBus


@pytest.fixture(params=[("redis_server", 0), ("redis_cluster", 0), ("redis_cluster_with_replicas", 1)])
def medium(request: pytest.FixtureRequest) -> tuple[str, int]:
    name, replicas = request.param
    return request.getfixturevalue(name).url, replicas


@pytest_asyncio.fixture
async def server(medium: tuple[str, int]) -> AsyncIterator[Callable[[str], Awaitable[Server]]]:
    """Opens a store and the bus that belongs to it."""
    servers: list[Server] = []

    async def open_server(node: str) -> Server:
        store = await RedisStore.open(medium[0], node=node, replicas=medium[1])
        servers.append(Server(store, RedisBus(store.link, node)))
        return servers[-1]

    yield open_server
    for server in servers:
        await server.bus.close()
        await server.store.close()


@pytest.mark.asyncio
async def test_b2_the_others_are_told_of_an_append(
    server: Callable[[str], Awaitable[Server]], figure: Callable[[str], None]
) -> None:
    a, b, c = [await server(node) for node in "abc"]
    sid = f"told-{secrets.token_hex(4)}"
    await a.store.create(make_info(sid), EMPTY)
    mine, *ears = await listening([a.bus, b.bus, c.bus], sid)
    first = make_append(EMPTY, 3, 1, 2, session_id=sid)
    assert await a.store.append(first) == first.head
    assert isinstance(await a.store.append(first), Behind)
    only_results = make_append(first.head, 0, 3, session_id=sid)
    assert await a.store.append(only_results) == first.head
    large = Append(sid, first.head, make_entries(first.head, 1, b"x" * (ANNOUNCED_BYTES + 1)))
    assert await a.store.append(large) == large.head
    for ear in ears:
        await ear.until(Announcement(large.head))
        assert ear.heard == [
            Announcement(first.head, tuple(first.entries), tuple(first.results)),
            Announcement(first.head, (), tuple(only_results.results)),
            Announcement(large.head),
        ]
    last = make_append(large.head, 1, session_id=sid)
    await b.store.append(last)
    await mine.until(Announcement(last.head, tuple(last.entries)))
    assert len(mine.heard) == 1
    head, took, quiet = last.head, [], Ear()
    await c.bus.listen(sid, quiet)
    for i in range(200):
        append = make_append(head, 1, session_id=sid)
        started = time.perf_counter()
        await a.store.append(append)
        await quiet.until_true(lambda i=i: len(quiet.heard) > i)  # type: ignore[misc]
        took.append((time.perf_counter() - started) * 1000)
        head = append.head
    took.sort()
    figure(f"append to the other's announcement p50 {took[100]:.2f} ms, p99 {took[198]:.2f} ms")
