"""Ten clients, two thousand commands, three SIGKILLs: what was acknowledged is there, once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from novel_jupyter.core.events import decode, fold
from novel_jupyter.core.views import view_hash
from novel_jupyter.kernel.access import PersonLogin
from novel_jupyter.kernel.client import Client
from novel_jupyter.kernel.errors import CommandRefused
from novel_jupyter.kernel.handle import SessionHandle
from novel_jupyter.server.stores import Settings, open_store
from novel_jupyter.testing import ServerProcess
from novel_jupyter.testing_redis import RedisServer

CLIENTS, COMMANDS, KILLS = 10, 2000, 3
PEOPLE = [f"player{n}" for n in range(CLIENTS)]

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


async def _play(
    handle: SessionHandle, name: str, count: int, rng: random.Random, acks: dict[str, int]
) -> Counter[str]:
    """Send `count` commands of several kinds; note what was acknowledged, by a mark in the event."""
    outcomes: Counter[str] = Counter()
    window = asyncio.Semaphore(8)

    async def one(n: int) -> None:
        mark = f"{name}x{n}"  # one word: merging text goes word by word
        async with window:
            try:
                if rng.random() < 0.4:
                    ack = await handle.chat(mark)
                elif rng.random() < 0.5:
                    ack = await handle.edit([{"op": "add", "path": f"/notes/{name}", "value": mark}])
                else:
                    stale = max(0, handle.sequence_id - rng.randrange(6))
                    ack = await handle.edit(
                        [{"op": "add", "path": "/notes/scene", "value": mark}], base=stale
                    )
            except CommandRefused as refused:
                outcomes[refused.code] += 1
                return
            acks[mark] = ack.sequence_id
            outcomes[ack.outcome] += 1

    await asyncio.gather(*(one(n) for n in range(count)))
    return outcomes


@pytest.fixture(params=["sqlite", "redis"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where the server keeps its sessions."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'sessions.db'}"
        return
    with RedisServer(tmp_path / "redis") as redis:
        yield redis.url


@pytest.mark.asyncio
async def test_sigkill_three_times_loses_and_doubles_nothing(
    tmp_path: Path, store_url: str, figure: Callable[[str], None]
) -> None:
    """R2, R3, R77: acknowledged = in the log exactly once; every client ends with a replay of the log."""
    rng = random.Random(20260101)
    rates = {"NovelApp.commands_per_second": 2000, "NovelApp.commands_burst": 2000}
    server = ServerProcess(tmp_path, PEOPLE, {"NovelApp.store": store_url, **rates})
    await asyncio.to_thread(server.start)
    try:
        clients = [Client(PersonLogin(server.url, server.token_of(name))) for name in PEOPLE]
        for client in clients:
            await client.connect()
        session_id = str((await clients[0].create_session("lighthouse", seed="1"))["session_id"])
        handles = [await client.join(session_id) for client in clients]
        acks: dict[str, int] = {}
        playing = [
            asyncio.create_task(_play(handle, name, COMMANDS // CLIENTS, random.Random(name), acks))
            for handle, name in zip(handles, PEOPLE, strict=True)
        ]
        # At a random number of acknowledgements: commands are in flight whatever the machine's speed.
        for point in sorted(rng.sample(range(COMMANDS // 10, COMMANDS * 9 // 10), KILLS)):
            await handles[0].wait_for(partial(_enough, acks, point))
            assert not all(task.done() for task in playing)
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
        outcomes: Counter[str] = Counter()
        for counted in await asyncio.gather(*playing):
            outcomes += counted
        assert sum(outcomes.values()) == COMMANDS
        assert len(acks) >= COMMANDS * 0.95, outcomes

        last = max(acks.values())
        for handle in handles:
            await handle.wait_for(partial(_reached, handle, last))
        head = max(handle.sequence_id for handle in handles)
        for handle in handles:
            await handle.wait_for(partial(_reached, handle, head))
        hashes = {handle.replica.state_hash() for handle in handles}
        for client in clients:
            await client.close()
    finally:
        await asyncio.to_thread(server.stop)

    store, bus, _ = await open_store(Settings(store_url))
    try:
        entries = list(await store.read(session_id, 0, 100_000))
        while more := await store.read(session_id, entries[-1].sequence_id, 100_000):
            entries += more
    finally:
        await bus.close()
        await store.close()
    events = [decode(entry.body, entry.hash) for entry in entries]
    assert [event.sequence_id for event in events] == list(range(1, len(events) + 1))
    ids = Counter(event.id for event in events if event.id and event.data["kind"] in ("chat", "edit"))
    assert all(count == 1 for count in ids.values())
    by_number = {event.sequence_id: event for event in events}
    for mark, sequence_id in acks.items():
        assert _says(cast("dict[str, Any]", by_number[sequence_id].data), mark), mark
    state = fold({}, events)
    assert hashes == {view_hash(state, "public")}
    figure(f"{COMMANDS} commands, {KILLS} kills: {dict(outcomes)}, {len(events)} events, one hash")


def _enough(acks: dict[str, int], count: int, _: object) -> bool:
    return len(acks) >= count


def _reached(handle: SessionHandle, sequence_id: int, _: object) -> bool:
    return handle.sequence_id >= sequence_id


def _says(data: dict[str, Any], mark: str) -> bool:
    """Whether an event carries the command's mark: as text, as a value, or in a conflict record."""
    return data.get("text") == mark or any(mark in str(op.get("value")) for op in data.get("patch", []))
