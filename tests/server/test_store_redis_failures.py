"""The Redis store when something fails: processes, servers, primaries, replicas, and what lies in the keys.

Law: what was acknowledged is there, once, at its place; what was not is there whole or not at all.
Parts: killed and silent servers (S6, S12), killed and competing clients (S6, S7), listings after a crash
(S15), memory and keys (S17, S19). Failovers are in `test_store_redis_cluster`.
"""

from __future__ import annotations

import asyncio
import gc
import random
import signal
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from server.store_process import check_log, parse, start_process
from server.store_records import EMPTY, command, extend, make_append, make_entries, make_info, make_results

from novel_jupyter.server.ports import Append, Behind, SessionNotFound, StoreUnavailable
from novel_jupyter.server.redis_queries import PENDING_SECONDS
from novel_jupyter.server.store_redis import RedisStore
from novel_jupyter.testing_redis import RedisServer, flavours

pytestmark = [pytest.mark.process, pytest.mark.timeout(90)]


@asynccontextmanager
async def opened(url: str, **settings: Any) -> AsyncIterator[RedisStore]:
    store = await RedisStore.open(url, node="n1", **{"timeout": 1.0, **settings})
    try:
        yield store
    finally:
        await store.close()


async def open_store(url: str) -> RedisStore:
    """For programs of their own."""
    return await RedisStore.open(url, node="other")


@pytest.fixture(params=flavours())
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path, flavour=request.param) as server:
        yield server


# --- servers


@pytest.mark.asyncio
async def test_s6_nothing_acknowledged_is_lost_when_the_server_is_killed(server: RedisServer) -> None:
    """With its own default, an fsync each second: the system's memory outlives the process."""
    rng, acknowledged = random.Random(3), dict[int, int]()
    async with opened(server.url) as store:
        await store.create(make_info(), EMPTY)
        head, n = EMPTY, 1
        for _ in range(4):
            killing = asyncio.get_running_loop().call_later(rng.uniform(0.02, 0.1), server.kill)
            while True:
                try:
                    outcome = await store.append(command("a", n, head))
                except StoreUnavailable:
                    break
                if isinstance(outcome, Behind):
                    # The answer was lost, the append was not.
                    assert outcome.spent == (("ann", "a", n),) or not outcome.spent
                    n, head = n + len(outcome.spent), outcome.head
                    continue
                acknowledged[n], head, n = outcome.sequence_id, outcome, n + 1
            killing.cancel()
            await asyncio.to_thread(server.start)
            head = await store.head("s1")
            n = (await store.results("s1", "ann", "a"))[-1].n + 1
            await check_log(store, {"a": acknowledged})
    assert len(acknowledged) > 50


@pytest.mark.asyncio
async def test_s12_a_silent_server_is_unavailable_and_recovers(server: RedisServer) -> None:
    async with opened(server.url, timeout=0.3) as store:
        await store.create(make_info(), EMPTY)
        server.pause()
        for call in (store.append(make_append(EMPTY, 1, 1)), store.head("s1"), store.sessions()):
            with pytest.raises(StoreUnavailable):
                await call
        server.resume()
        # Whether the first was done, nobody knew; now the log says it, and it was done once or never.
        head = await store.head("s1")
        assert head in (EMPTY, make_append(EMPTY, 1).head)
        await extend(store, head, 1, 2)


@pytest.mark.asyncio
async def test_s12_a_full_server_writes_nothing_by_halves_and_can_be_read(server: RedisServer) -> None:
    async with opened(server.url) as store:
        await store.create(make_info(), EMPTY)
        head = await extend(store, EMPTY, 1, 1)
        server.ask("CONFIG", "SET", "maxmemory", "1")
        later = replace(make_info(), title="later", last_activity="2026-02-02T00:00:00.000Z")
        for info in (None, later):
            with pytest.raises(StoreUnavailable) as failed:
                await store.append(replace(make_append(head, 5, 2), info=info))
            assert not failed.value.unknown
        assert await store.head("s1") == head
        assert await store.read("s1", 0, 10) == make_entries(EMPTY, 1)
        assert await store.results("s1", "ann", "c1") == make_results(1)
        assert [info.title for info in (await store.sessions()).sessions] == [make_info().title]
        server.ask("CONFIG", "SET", "maxmemory", "0")
        await extend(store, head, 5, 2)


@pytest.mark.asyncio
async def test_s9_a_flushed_server_knows_no_session(server: RedisServer) -> None:
    async with opened(server.url) as store:
        await store.create(make_info(), EMPTY)
        head = await extend(store, EMPTY, 3, 1)
        server.ask("FLUSHALL")
        for call in (store.head("s1"), store.append(make_append(head, 1)), store.read("s1", 0, 1)):
            with pytest.raises(SessionNotFound):
                await call
        await store.create(make_info(), EMPTY)
        await extend(store, EMPTY, 1, 1)


@pytest.mark.asyncio
async def test_entries_that_vanished_are_said(server: RedisServer) -> None:
    """What an eviction would do."""
    async with opened(server.url) as store:
        await store.create(make_info(), EMPTY)
        await extend(store, EMPTY, 3)
        server.ask("DEL", "novel:{s1}:log")
        with pytest.raises(StoreUnavailable, match="entry 1 is missing"):
            await store.read("s1", 0, 10)
        with pytest.raises(StoreUnavailable, match="entry 1 is missing"):
            await store.append(make_append(EMPTY, 1))


# --- clients


@pytest.mark.asyncio
async def test_s7_processes_append_to_one_session(server: RedisServer) -> None:
    async with opened(server.url) as store:
        await store.create(make_info(), EMPTY)
        opener = f"{__name__}:open_store"
        processes = {c: start_process(opener, server.url, c, 150) for c in ("a", "b", "c")}
        acknowledged = dict[str, dict[int, int]]()
        for client, process in processes.items():
            output, _ = await asyncio.to_thread(process.communicate, timeout=40)
            assert process.returncode == 0
            acknowledged[client] = parse(output)
            assert len(acknowledged[client]) == 150
        await check_log(store, acknowledged)


@pytest.mark.asyncio
async def test_s6_nothing_acknowledged_is_lost_when_clients_are_killed(server: RedisServer) -> None:
    rng, acknowledged = random.Random(7), dict[str, dict[int, int]](a={}, b={})
    async with opened(server.url) as store:
        await store.create(make_info(), EMPTY)
        for _ in range(3):
            opener = f"{__name__}:open_store"
            processes = {c: start_process(opener, server.url, c, 100_000) for c in acknowledged}
            for process in processes.values():
                assert process.stdout is not None
                await asyncio.to_thread(process.stdout.read, 4)  # it is writing
            for client, process in processes.items():
                await asyncio.sleep(rng.uniform(0, 0.06))
                process.send_signal(signal.SIGKILL)
                output, _ = await asyncio.to_thread(process.communicate, timeout=30)
                acknowledged[client].update(parse(output, first_whole=False))
            await check_log(store, acknowledged)


# --- listings


@pytest.mark.asyncio
async def test_s15_a_crash_hides_no_session(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    later = replace(make_info(users="ben"), last_activity="2026-02-02T00:00:00.000Z")
    async with opened(server.url) as store:
        await store.create(make_info(users="ann"), EMPTY)

        async def crash(*args: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(store._listing, "moved", crash)
        with pytest.raises(KeyboardInterrupt):
            await store.append(Append("s1", EMPTY, info=later))
        monkeypatch.undo()
        # As if the program had ended between the rows and the append, too.
        await store._listing.mark(replace(later, last_activity="2026-03-03T00:00:00.000Z"))
        await store._listing.mark(make_info("never", users="ben"))
        for member in (None, "ben"):
            assert (await store.sessions(member)).sessions == (later,)
        assert (await store.sessions("ann")).sessions == ()
        assert server.ask("ZCARD", f"novel:{{index:{b'ann'.hex()}}}:rows") == 0, "untrue, and not on its way"
        assert server.ask("ZCARD", "novel:{index}:rows") == 3, "two may be on their way"
        pending = "novel:{index}:pending"
        for row, _ in server.ask("ZRANGE", pending, 0, -1, "WITHSCORES"):
            server.ask("ZINCRBY", pending, -PENDING_SECONDS - 10, row)
        assert (await store.sessions()).sessions == (later,)
        assert server.ask("ZCARD", "novel:{index}:rows") == 1
        await store.append(Append("s1", EMPTY, info=replace(later, title="x")))
        assert server.ask("ZCARD", pending) == 0


# --- memory and keys


@pytest.mark.asyncio
async def test_s19_what_was_trimmed_takes_no_memory(server: RedisServer) -> None:
    async with opened(server.url, keep_entries=1000) as store:
        await store.create(make_info(), EMPTY)
        head = EMPTY
        for _ in range(20):
            head = await extend(store, head, 500)
            await store.put_snapshot("s1", head, b"")
        assert await store.read("s1", 9000, 1) == make_entries(EMPTY, 9001)[9000:]
        assert server.ask("XLEN", "novel:{s1}:log") <= 1500


@pytest.mark.asyncio
async def test_s16_nothing_is_left_of_a_deleted_session(server: RedisServer) -> None:
    async with opened(server.url) as store:
        await store.create(make_info(users="ann ben"), EMPTY)
        head = await extend(store, EMPTY, 3, 1, 2)
        await store.put_snapshot("s1", head, b"x")
        assert len(server.ask("KEYS", "*")) == 10
        await store.delete("s1")
        assert server.ask("KEYS", "*") == []


@pytest.mark.asyncio
async def test_s17_nothing_is_kept_per_session(server: RedisServer) -> None:
    async with opened(server.url) as store:

        async def play(name: str) -> None:
            await store.create(make_info(name), EMPTY)
            head = await extend(store, EMPTY, 3, 1, 2, session_id=name)
            await store.put_snapshot(name, head, b"x" * 1000)
            await store.read(name, 0, 10)

        for i in range(50):
            await play(f"warm-{i}")
        tracemalloc.start()
        for i in range(500):
            await play(f"s17-{i}")
        gc.collect()
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert grown < 500 * 200, "bytes; a head for each session would be more"
        assert store.link.connections == 1
