"""Hosts that are cut off, die or come too late: every turn is resolved and told once.

Law: the connections are those of a test, the rules and the agents are real.
Parts: results that are sent again, take-overs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from kernel.hosting import SECONDS, HeldDirector, hosting, reached
from kernel.local import LocalServer, kernel, person

from novel_jupyter.kernel.commands import Ack
from novel_jupyter.kernel.host import AgentHost
from novel_jupyter.story.chronicler import ChroniclerAgent
from novel_jupyter.story.turn import Sentence, TurnRecord

pytestmark = pytest.mark.asyncio


# --- losses and take-overs


async def test_a_result_that_was_made_offline_is_delivered_later(monkeypatch: pytest.MonkeyPatch) -> None:
    server = LocalServer(kernel())
    line = server.line(kernel())
    director = HeldDirector()
    host = await hosting(server, line, director=director)
    await host.handle.direct("lock")
    await asyncio.wait_for(director.began.wait(), SECONDS)
    submit, submitted = line.handle.submit, asyncio.Event()

    def noted(*args: Any) -> asyncio.Future[Ack]:
        submitted.set()
        return submit(*args)

    monkeypatch.setattr(line.handle, "submit", noted)
    line.cut()
    director.go.set()
    await asyncio.wait_for(submitted.wait(), SECONDS)
    assert line.commits("turn_result") == []
    line.mend()
    await reached(host.handle, "collect", 2)
    assert server.kinds().count("resolved") == server.kinds().count("turn") == 1
    assert len({frame["id"] for frame in line.commits("turn_result")}) == 1


async def test_a_result_that_arrived_while_its_answer_did_not() -> None:
    server = LocalServer(kernel())
    line = server.line(kernel())
    host = await hosting(server, line)
    await host.handle.direct("lock")
    line.held = []
    await line.said("turn_result")
    line.cut()
    line.release()
    line.mend()
    await reached(host.handle, "collect", 2)
    assert server.kinds().count("resolved") == 1


@pytest.mark.parametrize("late", ["before", "after"])
async def test_a_kernel_that_dies_in_mid_turn_is_replaced_and_its_late_result_refused(late: str) -> None:
    server = LocalServer(person("ana"))
    ana = await server.join(person("ana"))
    for name in ("kernel:k1", "kernel:k2"):
        await ana.admit_host(name)
    line1, line2 = server.line(kernel("k1")), server.line(kernel("k2"))
    await hosting(server, line1)
    second = AgentHost(await line2.join(), "kernel:k2", director=(held := HeldDirector())).start()
    await ana.direct("lock")
    line1.held = []
    await line1.said("turn_result")
    line1.cut()
    server.lose_host()
    await asyncio.wait_for(held.began.wait(), SECONDS)
    if late == "before":
        line1.release()
    held.go.set()
    await reached(ana, "collect", 2)
    if late == "after":
        line1.release()
    assert server.kinds().count("resolved") == server.kinds().count("turn") == 1
    assert server.kinds().count("locked") == 1
    assert second.is_hosting
    assert second.last_error is None


async def test_a_host_that_was_away_and_lost_the_lease_stops_and_stands_by() -> None:
    server = LocalServer(kernel())
    line = server.line(kernel())
    director = HeldDirector()
    host = await hosting(server, line, director=director)
    await host.handle.direct("lock")
    await asyncio.wait_for(director.began.wait(), SECONDS)
    line.cut()
    server.lose_host()
    line.mend()
    await asyncio.wait_for(director.cancelled.wait(), SECONDS)
    director.go.set()
    await reached(host.handle, "collect", 2)
    assert server.kinds().count("resolved") == 1
    assert len(director.turns) == 2


@pytest.mark.parametrize("made", ["turn_result", "narrative"])
async def test_what_was_made_in_a_history_that_is_gone_is_made_anew(made: str) -> None:
    server = LocalServer(kernel())
    line = server.line(kernel())
    host = await hosting(server, line)
    await host.handle.direct("lock")
    if made == "narrative":
        await line.said("turn_result")
        await host.handle.wait_for(lambda _: "resolved" in server.kinds(), SECONDS)
    line.held = []
    await line.said(made)
    server.fork("e2")
    line.release()
    await reached(host.handle, "collect", 2)
    assert len(line.commits(made)) == 2
    kinds = server.kinds()
    assert [kinds.count(kind) for kind in ("resolved", "turn", "failed", "narration_failed")] == [1, 1, 0, 0]
    assert host.last_error is None


async def test_a_telling_is_taken_over_from_what_was_sealed() -> None:
    server = LocalServer(person("ana"))
    ana = await server.join(person("ana"))
    for name in ("kernel:k1", "kernel:k2"):
        await ana.admit_host(name)
    line1, line2 = server.line(kernel("k1")), server.line(kernel("k2"))
    began = asyncio.Event()

    class Stuck(ChroniclerAgent):
        async def stream(self, record: TurnRecord) -> AsyncIterator[Sentence]:
            began.set()
            await asyncio.Event().wait()
            yield Sentence("never", ())

    first = await hosting(server, line1, chronicler=Stuck())
    AgentHost(await line2.join(), "kernel:k2").start()
    await ana.direct("lock")
    await asyncio.wait_for(began.wait(), SECONDS)
    line1.cut()
    server.lose_host()
    await reached(ana, "collect", 2)
    assert len(line2.commits("narrative")) == 1
    assert line2.commits("turn_result") == []
    await first.stop()
