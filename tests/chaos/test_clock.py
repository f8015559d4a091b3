"""A wall clock that jumps by hours, in both directions: order, deadlines and sockets go on (R36, R92)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chaos.conftest import PEOPLE, Chaos
from chaos.crew import Crew, aboard
from chaos.oracle import Story, check_answers, check_log, check_readers
from chaos.server import BrokenServer

from novel_jupyter.kernel.handle import SessionHandle

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

HOUR = 3600.0


def in_order(story: Story) -> None:
    times = [event.timestamp for event in story.events]
    assert times == sorted(times), "time went backwards in the log"


async def deadline(handle: SessionHandle, jump: Callable[[], Any]) -> None:
    """A proposal is made, the clock jumps, and the turn is locked by its deadline all the same."""
    await handle.propose("mara", {"kind": "wait"})
    turn: Any = handle.state["turn"]
    assert turn["deadline"] is not None
    done = asyncio.get_running_loop().run_in_executor(None, jump)
    await handle.wait_for(lambda state: _turn(state)["phase"] == "locked", 30)
    await done
    await handle.direct("cancel")


def _turn(state: Any) -> Any:
    return state["turn"]


async def finish(url: str, session: str, crew: Crew) -> Story:
    await crew.stop()
    story = await check_readers(url, session, crew)
    check_log(story, crew.ours)
    check_answers(story, crew)
    in_order(story)
    return story


@pytest.mark.asyncio
async def test_the_clock_jumps(lasting: BrokenServer, chaos: Chaos, figure: Callable[[str], None]) -> None:
    rng = chaos.rng
    async with aboard([lasting], PEOPLE, chaos.seed) as (session, crew):
        crew.start()
        ada = crew.handles["ada"]
        await ada.set_settings(collect_timeout=1.0)
        jumps = [rng.uniform(-20, 20) for _ in range(20 if chaos.is_long else 3)]
        for hours in (5.0, *jumps):
            await crew.more(10)
            lasting.jump(hours * HOUR)
            await crew.more(10)
        await deadline(ada, lambda: lasting.jump(-30 * HOUR))
        lasting.jump(0)
        story = await finish(lasting.store_url, session, crew)
        assert crew.lost == 0, "no socket ended"
        figure(
            f"{len(jumps) + 3} jumps, {crew.acknowledged} acknowledged, {len(story.events)} events in order"
        )


@pytest.mark.asyncio
async def test_a_server_that_starts_again_on_a_clock_that_was_put_back(tmp_path: Path, chaos: Chaos) -> None:
    """Its log is of the future: what is written follows in time all the same, and a deadline of then is due
    when its seconds are over, not when the clock has come so far again.
    """
    server = BrokenServer(tmp_path, PEOPLE, clock=str(tmp_path / "clock"))
    server.jump(6 * HOUR)
    await asyncio.to_thread(server.start)

    def again() -> None:
        server.kill()
        server.jump(0)
        server.start()

    try:
        async with aboard([server], PEOPLE, chaos.seed) as (session, crew):
            ada = crew.handles["ada"]
            await ada.set_settings(collect_timeout=1.0)
            await deadline(ada, again)
            crew.start()
            await crew.more(10)
            await finish(server.store_url, session, crew)
    finally:
        await asyncio.to_thread(server.kill)
