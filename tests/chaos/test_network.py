"""Frames that come twice, late, in another order, cut or not at all (R3, R84-R86)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from chaos.conftest import Chaos
from chaos.crew import aboard
from chaos.oracle import check_answers, check_log, check_readers
from chaos.proxy import CALM, Proxy, Weather
from chaos.server import BrokenServer

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

PEOPLE = ("ada", "ben", "cleo", "dan", "eve", "finn")
STORM = Weather(duplicated=0.05, reordered=0.05, delayed=0.02, truncated=0.003, cut=0.003)


@pytest.mark.asyncio
async def test_bad_weather(tmp_path: Path, chaos: Chaos, figure: Callable[[str], None]) -> None:
    """Everybody is behind a bad line; what was acknowledged to them is there once, and all see the same."""
    url = f"sqlite:///{tmp_path / 'sessions.db'}"
    server = BrokenServer(tmp_path / "server", PEOPLE, {"NovelApp.store": url})
    await asyncio.to_thread(server.start)
    try:
        async with (
            Proxy(server.port, chaos.seed) as line,
            aboard([server], PEOPLE, chaos.seed, [line.port]) as (session, crew),
        ):
            crew.start()
            line.weather = STORM
            await crew.more(8000 if chaos.is_long else 400, 300)
            line.weather = CALM
            await crew.stop()
            story = await check_readers(url, session, crew)
            check_log(story, crew.ours)
            check_answers(story, crew)
            assert min(line.did[what] for what in ("duplicated", "reordered", "truncated", "cut")) > 0
            figure(f"{crew.acknowledged} acknowledged, {dict(line.did)}, {dict(crew.outcomes)}")
    finally:
        await asyncio.to_thread(server.kill)
