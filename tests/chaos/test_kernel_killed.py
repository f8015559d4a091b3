"""The kernel that hosts dies in every state of a turn, or sleeps past its lease (R40, R51-R54).

Law: kernels are real, started by the server, and die by a signal; the one that takes over was there before.
A turn that was begun is resolved and told once, by whoever holds the lease when it happens.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from chaos.conftest import Chaos
from chaos.crew import Crew, aboard
from chaos.oracle import Story, check_answers, check_log, check_readers
from chaos.server import BrokenServer

from novel_jupyter.kernel.handle import SessionHandle
from novel_jupyter.kernel_cell import Cell, shut_down_kernel, start_kernel

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

PEOPLE = ("ada", "ben")
TRAITS = {"NovelApp.lease_timeout": 0.4, "NovelApp.ping_interval": 0.3, "NovelApp.pong_timeout": 1.0}
STATES = ("lobby", "collect", "locked", "resolving", "narrating", "review")
SECONDS = 60.0

# Agents that stop where a file says so, for as long as it is there.
HOST = """
import asyncio, os
import novel_jupyter as nj

async def held(at):
    while os.path.exists({gate!r}) and open({gate!r}).read() == at:
        await asyncio.sleep(0.02)

class Held(nj.DirectorAgent):
    async def run_turn(self, turn, progress=lambda agent, text: None):
        progress("Director", "is held")
        await held("resolving")
        return await super().run_turn(turn, progress)

class Slow(nj.ChroniclerAgent):
    async def compose(self, record):
        first = True
        async for sentence in super().compose(record):
            yield sentence
            if first:
                first = False
                await held("narrating")

story = await nj.join({session!r}, director=Held(), chronicler=Slow())
print(os.getpid(), story.handle.client_id)
"""
LATE = """
from novel_jupyter.kernel.errors import CommandRefused
made_by = {{"engine": "late", "model": None, "fallback": False, "agents": {{}}}}
late = [
    {{"kind": "turn_result", "base": 1, "turn_complete": True, "outcomes": [], "changes": []}},
    {{"kind": "narrative", "text": "Late.", "sentences": []}},
]
for n, data in enumerate(late):
    for id in (f"host:{turn}.{attempt}:{{n + 1}}", f"host:{turn}.{attempt}.late:{{n + 1}}"):
        data = {{**data, "turn": {turn}, "attempt": {attempt}, "token": {token}, "made_by": made_by}}
        try:
            print(await story.handle.command("agent_action", data, id))
        except CommandRefused as refused:
            print(refused.code)
        except asyncio.CancelledError:
            print("given_up")  # by the agents' host itself, which was about to say the same
"""


@dataclass
class Host:
    """A kernel that hosts, or waits for its turn to."""

    id: str
    pid: int
    cell: Cell

    @property
    def name(self) -> str:
        return f"kernel:{self.id}"

    def send(self, what: signal.Signals) -> None:
        os.kill(self.pid, what)


class Stage:
    """A session, two people in it, and kernels."""

    def __init__(self, server: BrokenServer, session: str, crew: Crew, gate: Path) -> None:
        self.server, self.session, self.crew, self.gate = server, session, crew, gate
        self.ada = crew.handles["ada"]
        self.ours = set(crew.ours)
        """The client_ids of all who may have written."""
        self._kernels: list[str] = []
        self._cells: list[Cell] = []

    async def host(self) -> Host:
        """One more kernel, admitted, with its agents in place."""
        id = await start_kernel(self.server.url, self.server.admin_token)
        self._kernels.append(id)
        cell = await Cell(self.server.url, self.server.admin_token, id).__aenter__()
        self._cells.append(cell)
        await self.ada.admit_host(f"kernel:{id}")
        said = await cell.run(HOST.format(session=self.session, gate=str(self.gate)))
        pid, client_id = said.split()[-2:]
        self.ours.add(client_id)
        return Host(id, int(pid), cell)

    async def end(self, host: Host) -> None:
        """After its process was killed: its server shall not start it again."""
        await shut_down_kernel(self.server.url, self.server.admin_token, host.id)
        self._kernels.remove(host.id)
        await self.ada.admit_host(host.name, False)

    async def close(self) -> None:
        for cell in self._cells:
            await cell.__aexit__(None, None, None)
        for id in self._kernels:
            await shut_down_kernel(self.server.url, self.server.admin_token, id)

    @property
    def turn(self) -> dict[str, Any]:
        return _part(self.ada, "turn")

    @property
    def holder(self) -> object:
        return _part(self.ada, "host")["holder"]

    async def phase(self, *wanted: str) -> None:
        await self.ada.wait_for(lambda _: self.turn["phase"] in wanted, SECONDS)

    async def held_by(self, host: Host) -> None:
        await self.ada.wait_for(lambda _: self.holder == host.name, SECONDS)

    async def bring_to(self, state: str, host: Host) -> None:
        """Play until the turn is in this state, with `host` in the middle of its work."""
        if state == "lobby":
            return
        if self.turn["phase"] == "review":
            await self.ada.direct("accept")
        await self.ada.propose("mara", {"kind": "wait"})
        if state in ("collect", "locked"):
            return
        heard = asyncio.Event()
        self.gate.write_text(state)
        off = self.ada.on("progress" if state == "resolving" else "narration", lambda _: heard.set())
        await self.ada.direct("lock")
        if state != "review":
            await asyncio.wait_for(heard.wait(), SECONDS)
        off()
        await self.phase(state)

    async def finish_turn(self) -> None:
        """From whatever state: resolved, told, accepted."""
        self.gate.unlink(missing_ok=True)
        if self.turn["phase"] in ("lobby", "collect"):
            await self.ada.propose("mara", {"kind": "wait"})
            await self.ada.direct("lock")
        await self.phase("review", "ended")


def _part(handle: SessionHandle, name: str) -> dict[str, Any]:
    found: Any = handle.state[name]
    return dict(found)


@asynccontextmanager
async def staged(tmp_path: Path, chaos: Chaos) -> AsyncIterator[Stage]:
    server = BrokenServer(tmp_path / "server", PEOPLE, TRAITS)
    await asyncio.to_thread(server.start)
    try:
        async with aboard([server], PEOPLE, chaos.seed) as (session, crew):
            stage = Stage(server, session, crew, tmp_path / "gate")
            await stage.ada.set_settings(review=True)
            try:
                yield stage
            finally:
                await stage.close()
    finally:
        await asyncio.to_thread(server.kill)


def once(story: Story) -> Counter[str]:
    """Every attempt was resolved once, and every node told once; only kernels did either."""
    done = Counter[tuple[str, object]]()
    for event in story.events:
        data: dict[str, Any] = dict(event.data)
        if data["kind"] in ("resolved", "turn"):
            assert (event.user_id or "").startswith("kernel:")
            done[data["kind"], data.get("node", (data["turn"], data["attempt"]))] += 1
    assert set(done.values()) <= {1}, done
    return Counter(kind for kind, _ in done)


@pytest.mark.asyncio
async def test_the_kernel_dies_in_every_state_of_a_turn(
    tmp_path: Path, chaos: Chaos, figure: Callable[[str], None]
) -> None:
    states = list(STATES) if chaos.is_long else ["resolving", "narrating"]
    async with staged(tmp_path, chaos) as stage:
        first, second = await asyncio.gather(stage.host(), stage.host())
        await stage.ada.wait_for(lambda _: stage.holder is not None, SECONDS)
        host, spare = (first, second) if stage.holder == first.name else (second, first)
        stage.crew.start(1)
        for n, state in enumerate(states):
            await stage.held_by(host)
            await stage.bring_to(state, host)
            number = stage.turn["number"]
            host.send(signal.SIGKILL)
            if state == "locked":  # while nobody knows yet that its host is gone
                await stage.ada.direct("lock")
            await stage.held_by(spare)
            await stage.finish_turn()
            assert stage.turn["number"] == number
            await stage.end(host)
            host = spare
            if n < len(states) - 1:
                spare = await stage.host()
        await stage.crew.stop()
        story = await check_readers(stage.server.store_url, stage.session, stage.crew)
        check_log(story, stage.ours)
        check_answers(story, stage.crew)
        done = once(story)
        assert done["resolved"] == done["turn"] >= 1
        figure(f"killed while {', '.join(states)}: {dict(done)}, {stage.crew.acknowledged} acknowledged")


@pytest.mark.asyncio
@pytest.mark.parametrize("state", ["resolving", "narrating"])
async def test_a_zombie_writes_nothing(
    tmp_path: Path, chaos: Chaos, state: str, figure: Callable[[str], None]
) -> None:
    """It sleeps in the middle of its work, another one takes over and ends it, and then it wakes up."""
    if not chaos.is_long:
        pytest.skip("in the long form; tests/e2e has one in every run")
    async with staged(tmp_path, chaos) as stage:
        first, second = await asyncio.gather(stage.host(), stage.host())
        await stage.ada.wait_for(lambda _: stage.holder is not None, SECONDS)
        host, spare = (first, second) if stage.holder == first.name else (second, first)
        await stage.bring_to(state, host)
        fence = {"turn": stage.turn["number"], "attempt": stage.turn["attempt"]}
        token = _part(stage.ada, "host")["token"]
        host.send(signal.SIGSTOP)
        try:
            await stage.held_by(spare)
            await stage.finish_turn()
        finally:
            host.send(signal.SIGCONT)
        answers = (await host.cell.run(LATE.format(**fence, token=token))).split()
        assert set(answers) - {"given_up"} == {"stale_lease"}, answers
        story = await check_readers(stage.server.store_url, stage.session, stage.crew)
        check_log(story, stage.ours)
        assert once(story) == {"resolved": 1, "turn": 1}
        assert not any(b'"late"' in event.body or b"Late." in event.body for event in story.events)
        figure(f"late words: {answers}; {story.hosted} events of hosts, none stale")
