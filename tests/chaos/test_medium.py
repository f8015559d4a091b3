"""A disk without room and a file that another process holds (S12): what is said waits, and is there once."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from chaos.conftest import PEOPLE, Chaos
from chaos.crew import aboard
from chaos.oracle import check_answers, check_log, check_readers
from chaos.server import BrokenServer

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

WAL_STAYS = 3_000_000
"""Bytes from which on a write-ahead log is used again from its beginning, and grows no more."""


@contextmanager
def no_room(server: BrokenServer, spare: int) -> Iterator[None]:
    """The server's files may grow by `spare` bytes and no more: a write stops in its middle."""
    wal = server.database.with_name(server.database.name + "-wal").stat().st_size
    _, most = server.process.rlimit(resource.RLIMIT_FSIZE)
    server.process.rlimit(resource.RLIMIT_FSIZE, (wal + spare if wal < WAL_STAYS else spare, most))
    try:
        yield
    finally:
        server.process.rlimit(resource.RLIMIT_FSIZE, (most, most))


@contextmanager
def locked(server: BrokenServer, spare: int) -> Iterator[None]:
    """Another process holds the file for longer than anybody waits."""
    with closing(sqlite3.connect(server.database, isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", [no_room, locked])
async def test_the_store_is_away_and_comes_back(
    lasting: BrokenServer,
    chaos: Chaos,
    fault: Callable[[BrokenServer, int], Iterator[None]],
    figure: Callable[[str], None],
) -> None:
    """Everybody is told, nobody is cut off, nothing is lost; it heals by itself."""
    rng, times = chaos.rng, 12 if chaos.is_long else 2
    async with aboard([lasting], PEOPLE, chaos.seed) as (session, crew):
        crew.start()
        for _ in range(times):
            await crew.more(20)
            with fault(lasting, rng.randrange(20_000)):  # type: ignore[attr-defined]
                await crew.told(False)
                before = crew.acknowledged
            await crew.told(True)
            assert crew.acknowledged >= before
        await crew.more(20)
        await crew.stop()
        story = await check_readers(lasting.store_url, session, crew)
        check_log(story, crew.ours)
        check_answers(story, crew)
        assert crew.lost == 0, "no socket ended"
        figure(f"{times} times, {crew.acknowledged} acknowledged and there once, {dict(crew.outcomes)}")
