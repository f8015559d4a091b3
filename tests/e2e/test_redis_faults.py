"""What a Redis can do to two servers that share it, while people write: nothing acknowledged is lost (R93).

Law: real servers, a real Redis, real sockets; for a partition a forwarder stands before one server's Redis.
Whoever writes is told when the store is away and when it is back; what they wrote meanwhile is acknowledged
later or refused.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from e2e.forwarder import Forwarder
from server.wire import Wire, connect, rest

from novel_jupyter.demo import all_events
from novel_jupyter.kernel.access import PersonLogin
from novel_jupyter.kernel.client import Client
from novel_jupyter.kernel.errors import CommandRefused
from novel_jupyter.kernel.handle import SessionHandle
from novel_jupyter.testing import ServerProcess
from novel_jupyter.testing_redis import RedisServer

pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]

PEOPLE = ("ada", "ben", "eve")
TRAITS = {
    "NovelApp.commands_per_second": 2000,
    "NovelApp.commands_burst": 2000,
    "NovelApp.node_beat": 0.3,
    "NovelApp.head_check": 0.5,
}


class Writers:
    """Ada at one server and ben at the other, who write without a pause; eve watches at both, raw."""

    def __init__(self, handles: list[SessionHandle], clients: list[Client], watching: list[Wire]) -> None:
        self.handles, self.clients, self.watching = handles, clients, watching
        self.said: dict[str, int] = {}
        self.refused: Counter[str] = Counter()
        self._stop = False
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        for name, handle in zip(("ada", "ben"), self.handles, strict=True):
            self._tasks += [asyncio.create_task(self._write(f"{name}.{lane}", handle)) for lane in range(3)]

    async def _write(self, name: str, handle: SessionHandle) -> None:
        n = 0
        while not self._stop:
            n += 1
            try:
                ack = await handle.chat(f"{name}.{n}")
            except CommandRefused as refused:
                self.refused[refused.code] += 1
            else:
                self.said[f"{name}.{n}"] = ack.sequence_id
                self._news.set()

    async def more(self, count: int = 30) -> None:
        """Return when each of both had as many more words acknowledged."""
        before = self._counts()
        while any(now < then + count for now, then in zip(self._counts(), before, strict=True)):
            self._news.clear()
            async with asyncio.timeout(60):
                await self._news.wait()

    def _counts(self) -> list[int]:
        return [sum(mark.startswith(name) for mark in self.said) for name in ("ada", "ben")]

    async def told(self, available: bool, *at: int) -> None:
        """Whoever is at these servers is told that the store is away, or back."""
        for n in at or (0, 1):
            await self.watching[n].expect(
                lambda m: m["data"].get("kind") == "store" and m["data"]["available"] is available, 60
            )

    async def stop(self) -> list[dict[str, Any]]:
        """Let everything be answered and compare: the log has what was acknowledged, once; all agree."""
        self._stop = True
        async with asyncio.timeout(60):
            await asyncio.gather(*self._tasks)
        head = max(handle.sequence_id for handle in self.handles)
        for handle in self.handles:
            await handle.wait_for(lambda state, handle=handle: handle.sequence_id >= head, 60)  # type: ignore[misc]
        first, second = self.handles
        assert first.replica.head == second.replica.head
        assert first.replica.state_hash() == second.replica.state_hash()
        for wire in self.watching:
            seen = await wire.reach(first.session_id, head)
            assert seen.state_hash() == first.replica.state_hash()
            assert seen.gaps == []
        events = await all_events(self.clients[0], first.session_id)
        numbers = [event["sequence_id"] for event in events]
        assert numbers == list(range(numbers[0], head + 1))
        texts = Counter(e["data"]["text"] for e in events if e["data"]["kind"] == "chat")
        assert all(count == 1 for count in texts.values()), "nothing stands twice"
        kept = {mark for mark, at in self.said.items() if at >= numbers[0]}
        assert kept <= texts.keys(), f"lost: {kept - texts.keys()}"
        return events


@asynccontextmanager
async def writing(
    tmp_path: Path, url: Callable[[int], str], warm: int = 30, **traits: object
) -> AsyncIterator[tuple[Writers, list[ServerProcess]]]:
    """`url`: of the store, for each of both servers."""
    async with AsyncExitStack() as stack:
        servers = []
        for n in range(2):
            told = {**TRAITS, "NovelApp.store": url(n), **traits}
            server = ServerProcess(tmp_path / f"server{n}", PEOPLE, told)
            await asyncio.to_thread(server.start)
            stack.push_async_callback(asyncio.to_thread, server.stop)
            servers.append(server)
        clients = []
        for server, name in zip(servers, PEOPLE, strict=False):
            client = Client(PersonLogin(server.url, server.token_of(name)))
            clients.append(await stack.enter_async_context(client))
        session = str((await clients[0].create_session("lighthouse", seed="1"))["session_id"])
        handles = [await client.join(session) for client in clients]
        watching = []
        for n, server in enumerate(servers):
            wire = await stack.enter_async_context(connect(server, "eve", f"watch{n}"))
            await wire.join(session)
            watching.append(wire)
        writers = Writers(handles, clients, watching)
        writers.start()
        await writers.more(warm)
        yield writers, servers


async def _restart(redis: RedisServer) -> None:
    await asyncio.to_thread(redis.stop)
    await asyncio.to_thread(redis.start)


async def _kill(redis: RedisServer) -> None:
    await asyncio.to_thread(redis.kill)
    await asyncio.to_thread(redis.start)


@pytest.mark.asyncio
@pytest.mark.parametrize("how", [_restart, _kill])
async def test_a_redis_that_ends_and_comes_back(
    tmp_path: Path, how: Callable[[RedisServer], Awaitable[None]], figure: Callable[[str], None]
) -> None:
    with RedisServer(tmp_path / "redis") as redis:
        async with writing(tmp_path, lambda n: redis.url) as (writers, _):
            epoch = writers.handles[0].replica.head.epoch  # type: ignore[union-attr]
            for _ in range(3):
                await how(redis)
                await writers.more()
            events = await writers.stop()
            assert events[0]["sequence_id"] == 1
            assert writers.handles[0].replica.head.epoch == epoch  # type: ignore[union-attr]
            figure(f"{len(writers.said)} acknowledged, {dict(writers.refused)} refused")


@pytest.mark.asyncio
async def test_while_it_is_away_people_see_it_and_what_they_do_waits(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    with RedisServer(tmp_path / "redis") as redis:
        async with writing(tmp_path, lambda n: redis.url) as (writers, _):
            await asyncio.to_thread(redis.stop)
            await writers.told(False)
            said = len(writers.said)
            late = asyncio.create_task(writers.handles[0].chat("said while it was away"))
            await asyncio.to_thread(redis.start)
            await writers.told(True)
            ack = await late
            await writers.more()
            events = await writers.stop()
            assert [
                e["sequence_id"] for e in events if e["data"].get("text") == "said while it was away"
            ] == [ack.sequence_id]
            figure(f"{said} before, {len(writers.said)} after, {dict(writers.refused)} refused")


@pytest.mark.asyncio
async def test_a_server_that_starts_before_its_redis(tmp_path: Path) -> None:
    redis = RedisServer(tmp_path / "redis")
    server = ServerProcess(tmp_path / "server", PEOPLE, {"NovelApp.store": redis.url})
    starting = asyncio.create_task(asyncio.to_thread(server.start))
    try:
        while "event=failed_store" not in server.log:
            assert not starting.done(), server.log
            await asyncio.sleep(0.05)
        async with rest(server, "ada") as http:
            assert (await http.get("sessions")).status_code == 503
        with redis:
            await starting
            async with rest(server, "ada") as http:
                assert (await http.get("sessions")).status_code == 200
            await asyncio.to_thread(server.stop)
    finally:
        await asyncio.to_thread(server.kill)


@pytest.mark.asyncio
async def test_a_redis_that_is_silent_for_a_while(tmp_path: Path, figure: Callable[[str], None]) -> None:
    with RedisServer(tmp_path / "redis") as redis:
        async with writing(tmp_path, lambda n: redis.url) as (writers, _):
            redis.pause()
            await writers.told(False)
            redis.resume()
            await writers.told(True)
            await writers.more()
            await writers.stop()
            figure(f"{len(writers.said)} acknowledged, {dict(writers.refused)} refused")


@pytest.mark.asyncio
async def test_an_emptied_redis_is_filled_again_under_a_new_epoch(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    with RedisServer(tmp_path / "redis") as redis:
        async with writing(tmp_path, lambda n: redis.url) as (writers, _):
            epochs = {writers.handles[0].replica.head.epoch}  # type: ignore[union-attr]
            for _ in range(2):
                await asyncio.to_thread(redis.ask, "FLUSHALL")
                for wire in writers.watching:
                    await wire.expect(lambda m: m["data"].get("kind") == "conflict", 60)
                await writers.more()
                epochs.add(writers.handles[0].replica.head.epoch)  # type: ignore[union-attr]
            assert len(epochs) == 3
            events = await writers.stop()
            figure(
                f"{len(writers.said)} acknowledged, {dict(writers.refused)} refused, "
                f"log from {events[0]['sequence_id']} to {events[-1]['sequence_id']}"
            )


@pytest.mark.asyncio
async def test_a_server_that_is_cut_off_from_its_redis(tmp_path: Path, figure: Callable[[str], None]) -> None:
    """The other goes on; who is at the cut one sees it, and has it all when the line is back."""
    with RedisServer(tmp_path / "redis") as redis:
        async with (
            Forwarder(redis.port) as line,
            writing(
                tmp_path, lambda n: redis.url.replace(str(redis.port), str(line.port)) if n else redis.url
            ) as (writers, _),
        ):
            line.cut()
            await writers.told(False, 1)
            before = len(writers.said)
            while len(writers.said) < before + 50:
                await writers.handles[0].chat(f"meanwhile {len(writers.said)}")
                await asyncio.sleep(0)
            line.heal()
            await writers.told(True, 1)
            await writers.more()
            await writers.stop()
            figure(f"{len(writers.said)} acknowledged, {dict(writers.refused)} refused")


@pytest.mark.asyncio
async def test_a_slow_line_is_slow_and_no_more(tmp_path: Path, figure: Callable[[str], None]) -> None:
    """Who is far from the Redis loses every race for the head, and gets its turn all the same."""
    with RedisServer(tmp_path / "redis") as redis:
        async with (
            Forwarder(redis.port, delay=0.05) as line,
            writing(
                tmp_path,
                lambda n: redis.url.replace(str(redis.port), str(line.port)) if n else redis.url,
                warm=3,
            ) as (writers, _),
        ):
            await writers.more(6)
            await writers.stop()
            assert not writers.refused
            figure(f"{writers._counts()} words of ada and, 50 ms from the Redis, of ben")
