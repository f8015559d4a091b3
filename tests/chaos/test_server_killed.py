"""SIGKILL of the server at every step between a command and its answer (R2, R3, R77, S3, S6)."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chaos.conftest import Chaos
from chaos.crew import aboard
from chaos.inside import CARRYING, EVERYWHERE, IN_SQLITE
from chaos.oracle import check_answers, check_log, check_readers
from chaos.server import BrokenServer

from novel_jupyter.server.sqlite_schema import CHECKPOINT_PAGES
from novel_jupyter.testing_redis import RedisServer, flavours

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

PEOPLE = ("ada", "ben", "cleo", "dan")
SHORT = ("append", "commit", "committed", "carried", "told")
"""The steps of the short form, on SQLite alone; the long one takes all of them, several times."""
WAL_HEADER, FRAME_HEADER = 32, 24


def tear(database: Path, rng: random.Random) -> bool:
    """Tear the last transaction out of the write-ahead log, which nobody was told of, as a power cut would
    before it was safe: cut anywhere in its frames, junk behind. Whether there was one to tear.
    """
    path = database.with_name(database.name + "-wal")
    wal = path.read_bytes()
    if len(wal) < WAL_HEADER:
        return False
    size, salts = int.from_bytes(wal[8:12], "big"), wal[16:24]
    ends = [WAL_HEADER]  # of transactions
    for at in range(WAL_HEADER, len(wal) - size - FRAME_HEADER + 1, size + FRAME_HEADER):
        if wal[at + 8 : at + 16] != salts:
            break  # of an earlier use of the file
        if any(wal[at + 4 : at + 8]):
            ends.append(at + FRAME_HEADER + size)
    # Where the log may be being carried over, the last transaction is safe elsewhere too.
    if len(ends) < 2 or ends[-1] > 0.4 * CHECKPOINT_PAGES * (size + FRAME_HEADER):
        return False
    end = rng.randrange(ends[-2], ends[-1])
    path.write_bytes(wal[:end] + rng.randbytes(rng.randrange(3 * size)))
    return True


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
    steps = list(SHORT)
    if kind == "redis" and not chaos.is_long:
        pytest.skip("in the long form")
    if chaos.is_long:
        steps = [*EVERYWHERE, *((*IN_SQLITE, *CARRYING) if kind == "sqlite" else ())] * 3
    rng.shuffle(steps)
    database, torn = tmp_path / "sessions.db", 0
    server = BrokenServer(tmp_path / "server", PEOPLE, {"NovelApp.store": store})
    await asyncio.to_thread(server.start)
    try:
        async with aboard([server], PEOPLE, chaos.seed) as (session, crew):
            crew.start()
            await crew.more(20)
            await asyncio.to_thread(server.kill)
            for step in steps:
                # It may die while it starts: nothing is said to be ready before it is.
                at = rng.randrange(2, 6 if step in CARRYING else 30)
                await asyncio.to_thread(server.start, step=step, at=at)
                assert await asyncio.to_thread(server.ended) == -signal.SIGKILL
                if step == "committed" and tear(database, rng):
                    torn += 1
            await asyncio.to_thread(server.start)
            await crew.more(20)
            await crew.stop()
            story = await check_readers(store, session, crew)
            check_log(story, crew.ours)
            check_answers(story, crew)
            assert torn > 0 or kind != "sqlite"
            figure(
                f"{len(steps) + 1} SIGKILLs, {torn} torn logs, {crew.acknowledged} acknowledged and there "
                f"once, {len(story.events)} events, {dict(crew.outcomes)}"
            )
    finally:
        await asyncio.to_thread(server.kill)
