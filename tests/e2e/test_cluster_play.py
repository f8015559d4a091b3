"""Three servers, one Cluster: a story is played to its end while a server and a primary are killed.

Law: each play is drawn from a seed. `NOVEL_PLAYS=10` plays ten of each kind; one of each is in every run.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from e2e.cluster_play import play, servers_of

from novel_jupyter.demo import all_events
from novel_jupyter.kernel.access import PersonLogin
from novel_jupyter.kernel.client import Client
from novel_jupyter.kernel.errors import CommandRefused
from novel_jupyter.kernel.handle import SessionHandle
from novel_jupyter.testing import ServerProcess
from novel_jupyter.testing_redis_cluster import RedisCluster

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(240)]

PLAYS = range(1, 1 + int(os.environ.get("NOVEL_PLAYS", "1")))
RATES = {"NovelApp.commands_per_second": 2000, "NovelApp.commands_burst": 2000}


@pytest.mark.parametrize("seed", PLAYS)
def test_strict_nothing_is_lost_and_nothing_has_to_be_recovered(
    tmp_path: Path, seed: int, figure: Callable[[str], None]
) -> None:
    report = play(tmp_path, seed, {"NovelApp.wait_replicas": 1, **RATES})
    figure(report.line())
    report.prove()
    assert report.recovered == []
    assert report.told_lost == 0
    assert len(report.epochs) == 1


@pytest.mark.parametrize("seed", PLAYS)
def test_what_a_failover_lost_is_appended_anew(
    tmp_path: Path, seed: int, figure: Callable[[str], None]
) -> None:
    """Default mode, and the replica that takes over lacks what was acknowledged last."""
    report = play(tmp_path, seed, RATES, lagging=True)
    figure(report.line())
    assert report.recovered, "the failover did lose something"
    report.prove()


@pytest.mark.asyncio
async def test_a_drain_moves_people_without_a_lost_event(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    """R3: the server is stopped in good order while ten people write; they go on at another."""
    with RedisCluster(tmp_path / "redis") as cluster, ExitStack() as stack:
        first, second, _ = servers_of(tmp_path, cluster, RATES)
        for server in (first, second):
            await asyncio.to_thread(stack.enter_context, server)
        await _drain(first, second, figure)


async def _drain(first: ServerProcess, second: ServerProcess, figure: Callable[[str], None]) -> None:
    logins = [PersonLogin(s.url, s.token_of("ada")) for s in (first, second)]
    other = PersonLogin(second.url, second.token_of("ben"))
    async with Client(other) as watching, Client(logins) as owner:
        session = str((await owner.create_session("lighthouse"))["session_id"])
        ben = await watching.join(session)
        clients = [Client(logins) for _ in range(10)]
        for client in clients:
            await client.connect()
        handles = [await client.join(session) for client in clients]
        left: list[object] = []
        ben.on("left", left.append)
        said: dict[str, int] = {}
        refused: Counter[str] = Counter()
        enough = asyncio.Event()

        async def write(n: int, handle: SessionHandle) -> None:
            for word in range(60):
                try:
                    said[f"{n}.{word}"] = (await handle.chat(f"{n}.{word}")).sequence_id
                except CommandRefused as wrong:
                    refused[wrong.code] += 1
                if len(said) >= 100:
                    enough.set()

        writing = [asyncio.create_task(write(n, handle)) for n, handle in enumerate(handles)]
        await enough.wait()
        await asyncio.to_thread(first.stop)
        await asyncio.gather(*writing)
        head = max(handle.sequence_id for handle in (*handles, ben))
        for handle in (*handles, ben):
            await handle.wait_for(lambda state, handle=handle: handle.sequence_id >= head, 30)  # type: ignore[misc]
        assert {client.base_url for client in clients} == {second.url}
        assert {handle.replica.head for handle in handles} == {ben.replica.head}
        events = await all_events(watching, session)
        texts = [e["data"]["text"] for e in events if e["data"]["kind"] == "chat"]
        assert len(texts) == len(set(texts)) == len(said) == 600
        assert set(texts) == set(said)
        assert not refused
        assert left == [], "nobody left: they moved"
        for client in clients:
            await client.close()
        figure(f"{len(said)} words of 10 people acknowledged, none lost, none twice")
