"""The three loads: one edit seen by another person, as many appends as go, and a crowd.

Law: every load begins with a short one that nobody counts. Times of one process are compared with each other
only. In the end everybody has to have the same state, or there are no figures.
Parts: `Spread`, `latency`, `Appends`, `appends`, `Crowd`, `crowd`.
"""

from __future__ import annotations

import asyncio
import random
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Final

from novel_jupyter.testing import ServerProcess

from .person import PATIENCE, BenchError, Person, create_session, state_hash_at
from .process import Usage, counter, usage

WARM_UP: Final = 20
PEOPLE: Final = tuple(f"p{n}" for n in range(10))
JOINING: Final = 50
"""People who connect at the same time."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Milliseconds."""

    p50: float
    p99: float
    count: int

    @staticmethod
    def of(seconds: Sequence[float]) -> Spread:
        ordered = sorted(seconds)

        def at(share: float) -> float:
            return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)

        return Spread(at(0.50), at(0.99), len(ordered))


async def latency(here: ServerProcess, there: ServerProcess, count: int) -> list[float]:
    """Seconds from alice's sending at `here` to bob's seeing it at `there`, one edit after the other."""
    session = await create_session(here, PEOPLE[0])
    alice = await Person.arrive(here, PEOPLE[0], session, "a")
    bob = await Person.arrive(there, PEOPLE[1], session, "b")
    waiting: dict[str, asyncio.Future[float]] = {}

    def seen(id: str | None, number: int, now: float) -> None:
        if id in waiting and not waiting[id].done():
            waiting[id].set_result(now)

    bob.on_event = seen
    found: list[float] = []
    try:
        for _ in range(count + WARM_UP):
            began = perf_counter()
            answered = alice.chat("a short line of talk")
            waiting[alice.last_id] = asyncio.get_running_loop().create_future()
            async with asyncio.timeout(30):
                found.append(await waiting[alice.last_id] - began)
                await answered
        await _agree([alice, bob], [here, there])
    finally:
        alice.leave()
        bob.leave()
    return found[WARM_UP:]


@dataclass(frozen=True, slots=True)
class Appends:
    """Commands and appends a second; `window` commands of each session are under way at a time."""

    sessions: int
    window: int
    commands: float
    appends: float
    answer: Spread
    servers: Usage
    load: float
    """The load generator's share of one core."""


async def appends(
    servers: Sequence[ServerProcess], sessions: int, window: int, seconds: float, pids: Sequence[int] = ()
) -> Appends:
    """A closed loop: each session's one writer sends the next command when one is answered."""
    people: list[Person] = []
    for n in range(sessions):
        server = servers[n % len(servers)]
        session = await create_session(server, PEOPLE[0])
        people.append(await Person.arrive(server, PEOPLE[n % len(PEOPLE)], session, f"w{n}"))
    times: list[float] = []
    stop = asyncio.Event()

    async def write(person: Person) -> None:
        while not stop.is_set():
            began = perf_counter()
            times.append(await person.chat("a short line of talk") - began)

    # Every writer is a person's own loop, so a failure of one ends the run.
    try:
        async with asyncio.TaskGroup() as group:
            for person in people:
                for _ in range(window):
                    group.create_task(write(person))
            await asyncio.sleep(min(1.0, seconds / 4))
            times.clear()
            before = await _measure(servers, pids)
            await asyncio.sleep(seconds)
            after = await _measure(servers, pids)
            counted = len(times)
            shown = Spread.of(times)
            stop.set()
    except* BenchError as failed:
        raise BenchError(str(failed.exceptions[0])) from None
    finally:
        for person in people:
            person.leave()
    took = after.at - before.at
    return Appends(
        sessions,
        window,
        round(counted / took, 1),
        round((after.appends - before.appends) / took, 1),
        shown,
        Usage.between(before.usage, after.usage, took),
        round((after.load - before.load) / took, 2),
    )


@dataclass(frozen=True, slots=True)
class Crowd:
    """`delivery` is from sending to one receiver, `last` to the last of its session."""

    sessions: int
    people: int
    rate: float
    sent: float
    deliveries: float
    delivery: Spread
    last: Spread
    servers: Usage
    load: float
    agree: int
    """Replicas whose hash is that of the state at the servers."""


async def crowd(
    servers: Sequence[ServerProcess],
    sessions: int,
    people: int,
    rate: float,
    seconds: float,
    pids: Sequence[int] = (),
) -> Crowd:
    """Everybody talks now and then, `rate` commands a second in all, whatever becomes of them (open loop)."""
    ids = [await create_session(servers[n % len(servers)], PEOPLE[0]) for n in range(sessions)]
    groups = await _arrive(servers, ids, people)
    sent: dict[str, float] = {}
    seen: list[float] = []
    counts: dict[str, int] = {}
    last: list[float] = []
    done: list[asyncio.Future[float]] = []

    def took(id: str | None, number: int, now: float) -> None:
        began = sent.get(id or "")
        if began is None:
            return
        seen.append(now - began)
        counts[str(id)] = counts.get(str(id), 0) + 1
        if counts[str(id)] == people:
            last.append(now - began)

    for person in (person for group in groups for person in group):
        person.on_event = took
    dice = random.Random(7)

    async def talk(seconds: float) -> float:
        """Returns when it began."""
        start = perf_counter()
        for n in range(int(rate * seconds)):
            due = start + n / rate
            await asyncio.sleep(max(0.0, due - perf_counter()))
            speaker = dice.choice(groups[n % sessions])
            done.append(speaker.chat("a short line of talk"))
            sent[speaker.last_id] = due  # what waits to be sent waits too
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*done)
        await asyncio.gather(*(_level(group) for group in groups))
        return start

    await talk(min(2.0, seconds / 2))
    sent.clear()
    seen.clear()
    last.clear()
    before = await _measure(servers, pids)
    start = await talk(seconds)
    took_seconds = perf_counter() - start
    after = await _measure(servers, pids)
    if len(last) != len(sent):
        raise BenchError(f"{len(sent) - len(last)} of {len(sent)} commands did not reach everybody")
    agree = sum(
        [await _agree(group, [servers[n % len(servers)], servers[-1]]) for n, group in enumerate(groups)]
    )
    for person in (person for group in groups for person in group):
        person.leave()
    return Crowd(
        sessions,
        people,
        rate,
        round(len(sent) / took_seconds, 1),
        round(len(seen) / took_seconds, 1),
        Spread.of(seen),
        Spread.of(last),
        Usage.between(before.usage, after.usage, took_seconds),
        round((after.load - before.load) / took_seconds, 2),
        agree,
    )


async def _arrive(servers: Sequence[ServerProcess], ids: Sequence[str], people: int) -> list[list[Person]]:
    """Person m of each session comes to server m, in turn."""
    room = asyncio.Semaphore(JOINING)

    async def one(n: int, session: str, m: int) -> Person:
        async with room:
            server = servers[m % len(servers)]
            return await Person.arrive(server, PEOPLE[m % len(PEOPLE)], session, f"s{n}p{m}")

    arriving = [[one(n, session, m) for m in range(people)] for n, session in enumerate(ids)]
    groups = list(await asyncio.gather(*(asyncio.gather(*group) for group in arriving)))
    await asyncio.gather(*(_level(group) for group in groups))
    return groups


async def _level(group: Sequence[Person]) -> None:
    """Everybody has seen what anybody has seen."""
    await asyncio.gather(*map(partial(Person.reach, sequence_id=max(p.at for p in group)), group))


async def _agree(group: Sequence[Person], servers: Sequence[ServerProcess]) -> int:
    """How many replicas there are, all of them like the servers' states. Raises BenchError."""
    await _level(group)
    session = group[0].session_id
    hashes = {person.replica_hash() for person in group}
    hashes |= {await state_hash_at(server, PEOPLE[0], session) for server in servers}
    if len(hashes) != 1:
        raise BenchError(f"session {session}: people see {len(hashes)} different states")
    return len(group)


# --- what a run costs


@dataclass(frozen=True, slots=True)
class _Measured:
    at: float
    appends: float
    usage: Usage
    load: float


async def _measure(servers: Sequence[ServerProcess], pids: Sequence[int]) -> _Measured:
    counts = [await counter(server, "novel_jupyter_append_seconds_count") for server in servers]
    own = resource.getrusage(resource.RUSAGE_SELF)
    return _Measured(
        perf_counter(),
        sum(counts),
        usage([server.pid for server in servers], pids),
        own.ru_utime + own.ru_stime,
    )
