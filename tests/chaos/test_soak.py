"""A long evening: people come, write, point, play and go, lines break, locks are held; nothing grows.

Law: what is compared are medians of the first and the last third, after a warm-up, of what the system itself
says of the server's process, and of the number of tasks in its loop.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx
import pytest
from chaos.conftest import Chaos
from chaos.crew import Crew, aboard, login
from chaos.oracle import check_answers, check_log, check_readers
from chaos.proxy import Proxy, Weather
from chaos.server import BrokenServer
from chaos.test_medium import locked, no_room
from chaos.test_peers import stalled

from novel_jupyter.kernel.client import Client
from novel_jupyter.kernel.errors import CommandRefused

pytestmark = [pytest.mark.process, pytest.mark.timeout(3600)]

PEOPLE = tuple(f"p{n}" for n in range(8))
GUESTS = tuple(f"g{n}" for n in range(4))
TRAITS = {
    "NovelApp.ping_interval": 0.5,
    "NovelApp.pong_timeout": 3.0,
    "NovelApp.stall_timeout": 1.0,
    "NovelApp.presence_grace": 0.3,
    "NovelApp.idle_timeout": 0.5,
    # Whose seat waits for its owner keeps its session in memory for so long.
    "NovelApp.understudy_after": 0.5,
    "NovelApp.creates_burst": 10000,
    "NovelApp.ring_events": 100,
}
WEATHER = Weather(duplicated=0.01, reordered=0.01, delayed=0.01, truncated=0.002, cut=0.002)
SHORT, BEAT = 10.0, 0.2
MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sample:
    tasks: int
    descriptors: int
    rss: float
    rooms: int


class Watch:
    """Samples of a server while it lasts."""

    def __init__(self, server: BrokenServer) -> None:
        self.samples: list[Sample] = []
        self._server = server

    async def run(self, until: float) -> None:
        headers = {"Authorization": f"token {self._server.admin_token}"}
        process = self._server.process
        async with httpx.AsyncClient(headers=headers, trust_env=False) as http:
            while time.monotonic() < until:
                said = dict(
                    line.split(" ")[:2]
                    for line in (await http.get(f"{self._server.url}metrics")).text.splitlines()
                    if line.startswith(("chaos_tasks", "novel_jupyter_rooms"))
                )
                tasks, rooms = int(float(said["chaos_tasks"])), int(float(said["novel_jupyter_rooms"]))
                rss = process.memory_info().rss / MB
                self.samples.append(Sample(tasks, process.num_fds(), rss, rooms))
                await asyncio.sleep(BEAT)

    def thirds(self, name: str) -> tuple[float, float]:
        """Medians of the first and the last third, after a quarter of warm-up."""
        values = [getattr(sample, name) for sample in self.samples[len(self.samples) // 4 :]]
        third = len(values) // 3
        return median(values[:third]), median(values[-third:])


async def visits(server: BrokenServer, until: float, rng: random.Random) -> int:
    """Short sessions, one after another: people come, play a little, go; the session leaves memory."""
    count = 0
    while time.monotonic() < until:
        count += 1
        async with Client(login(server, "g0")) as owner, Client(login(server, rng.choice(GUESTS[1:]))) as one:
            try:
                session = str((await owner.create_session("lighthouse"))["session_id"])
            except CommandRefused as refused:
                if refused.code == "unavailable":  # over HTTP nobody waits for the store
                    continue
                raise
            here, there = await owner.join(session), await one.join(session)
            await here.set_settings(turn_policy=rng.choice(("round", "vote", "immediate")))
            for n in range(rng.randrange(2, 6)):
                there.cursor("/notes/scene", n, typing=True)
                await asyncio.gather(here.chat(f"hello {n}"), there.chat("x" * rng.randrange(1, 1900)))
            with suppress(CommandRefused):  # under `immediate` it is locked already
                await there.propose("mara", {"kind": "wait"})
                await here.direct("lock")
            with suppress(CommandRefused):
                await here.direct("cancel")
            one.leave(there)
    return count


async def pointing(crew: Crew, until: float) -> None:
    n = 0
    while time.monotonic() < until:
        n += 1
        for handle in crew.handles.values():
            handle.cursor("/notes/scene", n % 40, typing=n % 3 == 0)
        await asyncio.sleep(0.1)


async def faults(server: BrokenServer, session: str, line: Proxy, crew: Crew, rng: random.Random) -> str:
    """One of them, and its end."""
    what = rng.choice(("cut", "swallow", "stalled", "locked", "no_room"))
    match what:
        case "cut":
            line.cut_all()
        case "swallow":
            line.swallow()
            await asyncio.sleep(1.0)
            line.heal()
        case "stalled":
            async with stalled(server, session, 1):
                await asyncio.sleep(0.5)
        case "locked" | "no_room":
            with (locked if what == "locked" else no_room)(server, 5000):
                await asyncio.sleep(0.4)
    await crew.more(5)
    return what


@pytest.mark.asyncio
async def test_nothing_grows(tmp_path: Path, chaos: Chaos, figure: Callable[[str], None]) -> None:
    rng, seconds = chaos.rng, chaos.minutes * 60 or SHORT
    people = (*PEOPLE, *GUESTS, "stalled")
    server = BrokenServer(tmp_path / "server", people, TRAITS, busy_timeout=0.2)
    await asyncio.to_thread(server.start)
    try:
        async with (
            Proxy(server.port, chaos.seed, WEATHER) as bad,
            Proxy(server.port, chaos.seed) as good,
            aboard([server], PEOPLE, chaos.seed, [bad.port, good.port]) as (session, crew),
        ):
            until = time.monotonic() + seconds
            watch, met = Watch(server), list[str]()
            crew.start(1, pace=0.1)
            running: list[Awaitable[object]] = [
                asyncio.create_task(watch.run(until)),
                asyncio.create_task(visits(server, until, rng)),
                asyncio.create_task(pointing(crew, until)),
            ]
            while time.monotonic() < until - 2:
                met.append(await faults(server, session, bad, crew, rng))
                await asyncio.sleep(rng.uniform(0, 1))
            _, sessions, _ = await asyncio.gather(*running)
            await crew.stop()
            story = await check_readers(server.store_url, session, crew)
            check_log(story, crew.ours)
            check_answers(story, crew)
        grown = {name: watch.thirds(name) for name in ("tasks", "descriptors", "rss", "rooms")}
        told = ", ".join(f"{name} {first:.1f} → {last:.1f}" for name, (first, last) in grown.items())
        figure(
            f"{seconds:.0f} s, {crew.acknowledged} acknowledged, {sessions} sessions come and gone, "
            f"{len(met)} faults, {crew.lost} connections lost; medians of first and last third: {told} (MB)"
        )
        # In the short form what has come and not yet idled out counts for more; what leaks comes to dozens.
        rooms, rss = (5.0, 4.0) if chaos.is_long else (20.0, 8.0)
        spare = {"tasks": 10.0, "descriptors": 8.0, "rooms": rooms, "rss": rss}
        for name, (first, last) in grown.items():
            assert last <= first * 1.05 + spare[name], f"{name} grew: {told}"
    finally:
        await asyncio.to_thread(server.kill)
