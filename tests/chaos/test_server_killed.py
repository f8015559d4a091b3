"""SIGKILL of the server at every step between a command and its answer (R2, R3, R77, S3, S6)."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chaos.conftest import Chaos
from chaos.crew import aboard
from chaos.inside import EVERYWHERE, IN_SQLITE
from chaos.oracle import check_answers, check_log, check_readers
from chaos.server import BrokenServer

from novel_jupyter.testing_redis import RedisServer, flavours

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

PEOPLE = ("ada", "ben", "cleo", "dan")
SHORT = {"sqlite": ("append", "results", "commit", "committed", "told"), "redis": ("append", "appended")}
"""The steps of the short form; the long one takes all of them, several times."""


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'sessions.db'}"
        return
    with RedisServer(tmp_path / "redis", flavour=flavours()[-1]) as redis:
        yield redis.url


@pytest.mark.asyncio
async def test_the_server_dies_at_every_step(
    tmp_path: Path, store: str, chaos: Chaos, figure: Callable[[str], None]
) -> None:
    rng, kind = chaos.rng, store.partition(":")[0]
    steps = list(SHORT[kind])
    if chaos.is_long:
        steps = [*EVERYWHERE, *(IN_SQLITE if kind == "sqlite" else ())] * 3
    rng.shuffle(steps)
    server = BrokenServer(tmp_path / "server", PEOPLE, {"NovelApp.store": store})
    await asyncio.to_thread(server.start)
    try:
        async with aboard([server], PEOPLE, chaos.seed) as (session, crew):
            crew.start()
            await crew.more(20)
            await asyncio.to_thread(server.kill)
            for step in steps:
                # It may die while it starts: nothing is said to be ready before it is.
                await asyncio.to_thread(server.start, step=step, at=rng.randrange(2, 30))
                assert await asyncio.to_thread(server.ended) == -signal.SIGKILL
            await asyncio.to_thread(server.start)
            await crew.more(20)
            await crew.stop()
            story = await check_readers(store, session, crew)
            check_log(story, crew.ours)
            check_answers(story, crew)
            figure(
                f"{len(steps) + 1} SIGKILLs, {crew.acknowledged} acknowledged and there once, "
                f"{len(story.events)} events, {dict(crew.outcomes)}"
            )
    finally:
        await asyncio.to_thread(server.kill)
