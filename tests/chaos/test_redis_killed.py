"""SIGKILL of a Redis, and of the primary in a Cluster that has the session (S6, S20, R93)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from chaos.conftest import PEOPLE, Chaos
from chaos.crew import aboard
from chaos.oracle import check_answers, check_log, check_readers
from chaos.server import BrokenServer

from novel_jupyter.testing_redis import RedisServer, flavours
from novel_jupyter.testing_redis_cluster import RedisCluster

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

FLAVOUR = flavours()[-1]
"""Debian's where it is installed: the oldest that is promised."""


async def _started(stack: AsyncExitStack, folder: Path, count: int, **traits: object) -> list[BrokenServer]:
    servers = [
        BrokenServer(folder / f"server{n}", PEOPLE, {f"NovelApp.{k}": v for k, v in traits.items()})
        for n in range(count)
    ]
    for server in servers:
        stack.push_async_callback(asyncio.to_thread, server.kill)
    await asyncio.gather(*(asyncio.to_thread(server.start) for server in servers))
    return servers


@pytest.mark.asyncio
async def test_a_redis_is_killed(tmp_path: Path, chaos: Chaos, figure: Callable[[str], None]) -> None:
    """It keeps what it acknowledged (`appendonly`), and two servers come back to it by themselves."""
    kills = 8 if chaos.is_long else 1
    async with AsyncExitStack() as stack:
        redis = stack.enter_context(RedisServer(tmp_path / "redis", flavour=FLAVOUR))
        servers = await _started(stack, tmp_path, 2 if chaos.is_long else 1, store=redis.url)
        async with aboard(servers, PEOPLE, chaos.seed) as (session, crew):
            crew.start()
            for _ in range(kills):
                await crew.more(chaos.rng.randrange(20, 80))
                await asyncio.to_thread(redis.kill)
                await asyncio.to_thread(redis.start)
            await crew.more(20)
            await crew.stop()
            story = await check_readers(redis.url, session, crew)
            check_log(story, crew.ours)
            check_answers(story, crew)
            figure(f"{kills} SIGKILLs of {FLAVOUR}, {crew.acknowledged} acknowledged, {dict(crew.outcomes)}")


@pytest.mark.asyncio
@pytest.mark.parametrize("replicas", [1, 0], ids=["strict", "default"])
async def test_a_primary_is_killed(
    tmp_path: Path, chaos: Chaos, replicas: int, figure: Callable[[str], None]
) -> None:
    """Its replica takes its place. Strict: nothing acknowledged can be lost. Default: what a failover lost is
    appended anew by the servers, which live on.
    """
    if not chaos.is_long:
        pytest.skip("in the long form; tests/e2e has one in every run")
    kills = 3
    async with AsyncExitStack() as stack:
        folder = tmp_path / "redis"
        cluster = stack.enter_context(RedisCluster(folder, replicas=1, flavour=FLAVOUR))
        servers = await _started(stack, tmp_path, 2, store=cluster.url, wait_replicas=replicas)
        async with aboard(servers, PEOPLE, chaos.seed) as (session, crew):
            crew.start()
            key = f"novel:{{{session}}}:meta"
            for _ in range(kills):
                await crew.more(chaos.rng.randrange(20, 80))
                primary = await asyncio.to_thread(cluster.primary_of, key)
                await asyncio.to_thread(cluster.kill, primary)
                await asyncio.to_thread(cluster.wait_failover, key, primary)
                if replicas == 0:  # strict means that nothing is written until the replica is back
                    await crew.more(20)
                await asyncio.to_thread(cluster.start, primary)
            await crew.more(20)
            await crew.stop()
            story = await check_readers(cluster.url, session, crew)
            check_log(story, crew.ours)
            check_answers(story, crew)
            figure(f"{kills} primaries killed, {crew.acknowledged} acknowledged, {dict(crew.outcomes)}")
