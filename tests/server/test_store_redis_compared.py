"""The Redis store beside the SQLite one: the same operations, the same answers; and what each of them takes.

Parts: random histories, the forgetting of clients, figures.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from server.store_records import EMPTY, extend, make_entries, make_info

from novel_jupyter.core.model import Head
from novel_jupyter.server.ports import (
    CLIENTS_KEPT,
    Append,
    LogTrimmed,
    Result,
    Snapshot,
    Store,
    StoreError,
)
from novel_jupyter.server.store_redis import RedisStore
from novel_jupyter.server.store_sqlite import SqliteStore
from novel_jupyter.testing_redis import RedisServer

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sqlite")


async def open_both(server: RedisServer, folder: Path, keep: int = 0) -> tuple[Store, Store]:
    """Both empty."""
    server.ask("FLUSHALL")
    ours = await RedisStore.open(server.url, node="n1", keep_entries=keep)
    return ours, await SqliteStore.open(folder / f"{uuid4()}.sqlite", keep_entries=keep)


# --- random histories

Draw: TypeAlias = Callable[[int], int]
"""A number below the given one."""


@dataclass
class Life:
    """What the stores are asked, made from what the histories are by then."""

    below: Draw
    points: dict[str, list[Head]] = field(default_factory=dict)
    born: int = 0

    def session(self) -> str:
        return f"s{self.below(2)}"

    def head(self, session_id: str) -> Head:
        """Mostly the true one."""
        points = self.points.get(session_id, [EMPTY])
        head = points[-1]
        match self.below(8):
            case 0:
                return points[self.below(len(points))]
            case 1:
                return replace(head, epoch="other")
            case 2 if head.sequence_id:
                return replace(head, hash="f" * 64)
            case 3:
                return replace(head, sequence_id=head.sequence_id + 1)
        return head

    def info(self, session_id: str) -> Any:
        users = " ".join(f"u{i}" for i in range(3) if self.below(2))
        made = make_info(session_id, at=f"2026-01-0{self.below(4) + 1}T00:00:00.000Z", users=users)
        return replace(made, title=f"title {self.below(3)}", archived=bool(self.below(2)))

    def results(self) -> list[Result]:
        found = {
            (who, client, n): Result(who, client, n, f"d{n}", b"x" * self.below(5))
            for who, client, n in (
                (f"p{self.below(2)}", f"c{self.below(3)}", self.below(7) + 1) for _ in range(self.below(4))
            )
        }
        return list(found.values())

    def step(self) -> tuple[str, Callable[[Store], Any]]:
        session_id = self.session()
        match self.below(13):
            case 0 | 1:
                return self._create(session_id)
            case 2:
                at, limit = self.below(12), self.below(6) + 1
                return "read", lambda store: store.read(session_id, at, limit)
            case 3:
                who, client = f"p{self.below(2)}", f"c{self.below(3)}"
                return "results", lambda store: store.results(session_id, who, client)
            case 4:
                return "clients", lambda store: store.clients(session_id)
            case 5 | 6:
                head = self.head(session_id)
                return "put_snapshot", lambda store: store.put_snapshot(session_id, head, b"at")
            case 7:
                before = self.below(12) or None
                return "snapshot", lambda store: store.snapshot(session_id, before)
            case 8:
                member, limit = (None, "u0", "u1")[self.below(3)], self.below(3) + 1
                return "sessions", lambda store: listed(store, member, limit)
            case 9 if not self.below(4):
                self.points.pop(session_id, None)
                return "delete", lambda store: store.delete(session_id)
            case 9:
                return "info", lambda store: store.info(session_id)
        append = Append(
            session_id,
            head := self.head(session_id),
            make_entries(head, self.below(4), b"%d" % self.below(3)),
            self.results(),
            self.info(session_id) if not self.below(3) else None,
            f"epoch-{self.below(5)}" if not self.below(6) else None,
        )
        return "append", lambda store: store.append(append)

    def _create(self, session_id: str) -> tuple[str, Callable[[Store], Any]]:
        floor = Head("epoch-1", self.below(2) * 5, "") if self.below(2) else EMPTY
        entries = make_entries(floor, self.below(3))
        head = (
            replace(floor, sequence_id=entries[-1].sequence_id, hash=entries[-1].hash) if entries else floor
        )
        snapshot = Snapshot(floor, b"floor") if floor.sequence_id or self.below(2) else None
        info, results = self.info(session_id), self.results()
        return "create", lambda store: store.create(info, head, entries, results, snapshot)


async def listed(store: Store, member: str | None, limit: int) -> list[Any]:
    found: list[Any] = []
    cursor: str | None = None
    while True:
        page = await store.sessions(member, limit, cursor)
        found.append(page)
        if page.cursor is None:
            return found
        cursor = page.cursor


async def outcome(asked: Any) -> object:
    try:
        return await asked
    except LogTrimmed as error:
        return ("trimmed", error.floor)
    except StoreError as error:
        return type(error)


async def live(ours: Store, theirs: Store, below: Draw) -> None:
    life = Life(below)
    for number in range(60):
        name, ask = life.step()
        name = f"{name}, step {number}"
        told = [await outcome(ask(ours)), await outcome(ask(theirs))]
        assert told[0] == told[1], name
        for session_id in ("s0", "s1"):
            heads = [await outcome(ours.head(session_id)), await outcome(theirs.head(session_id))]
            assert heads[0] == heads[1], f"the head after {name}"
            if isinstance(heads[0], Head):
                points = life.points.setdefault(session_id, [])
                if heads[0] not in points:
                    points.append(heads[0])


@given(seed=st.integers(0, 2**32), keep=st.sampled_from([0, 3]))
def test_the_same_operations_have_the_same_answers(
    server: RedisServer, folder: Path, seed: int, keep: int
) -> None:
    async def run() -> None:
        ours, theirs = await open_both(server, folder, keep)
        try:
            await live(ours, theirs, random.Random(seed).randrange)
        finally:
            await ours.close()
            await theirs.close()

    asyncio.run(run())


# --- forgetting


@pytest.mark.asyncio
@pytest.mark.parametrize("keep", [0, 40])
async def test_s14_both_keep_the_same_snapshots(server: RedisServer, folder: Path, keep: int) -> None:
    ours, theirs = await open_both(server, folder, keep)
    rng, heads = random.Random(9), [EMPTY]
    for store in (ours, theirs):
        await store.create(make_info(), EMPTY)
    for _ in range(100):
        append = Append("s1", heads[-1], make_entries(heads[-1], rng.randrange(1, 4)))
        heads.append(append.head)
        at = rng.choice(heads[-4:])
        for store in (ours, theirs):
            assert await store.append(append) == append.head
            await store.put_snapshot("s1", at, b"")
    for sequence_id in range(heads[-1].sequence_id + 1):
        assert await ours.snapshot("s1", sequence_id) == await theirs.snapshot("s1", sequence_id)
        found = [await outcome(store.read("s1", sequence_id, 1)) for store in (ours, theirs)]
        assert found[0] == found[1]
    await ours.close()
    await theirs.close()


@pytest.mark.asyncio
async def test_s5_of_equals_both_forget_the_longest_unused(server: RedisServer, folder: Path) -> None:
    """Everybody has one or two clients: a public session that many looked into."""
    ours, theirs = await open_both(server, folder)
    rng = random.Random(11)
    for store in (ours, theirs):
        await store.create(make_info(), EMPTY)
    for n in range(1, 30):
        who = rng.sample(range(3000), 250)
        results = [Result(f"p{i}", f"c{rng.randrange(2)}", n, "d", b"{}") for i in who]
        for store in (ours, theirs):
            assert await store.append(Append("s1", EMPTY, (), results)) == EMPTY
        assert await ours.clients("s1") == await theirs.clients("s1")
    assert len(await ours.clients("s1")) == CLIENTS_KEPT
    await ours.close()
    await theirs.close()


@pytest.mark.asyncio
async def test_s5_both_forget_the_same_clients_and_results(server: RedisServer, folder: Path) -> None:
    ours, theirs = await open_both(server, folder)
    rng, numbers = random.Random(5), dict[tuple[str, str], int]()
    for store in (ours, theirs):
        await store.create(make_info(), EMPTY)
    for _ in range(90):
        results: list[Result] = []
        for _ in range(rng.randrange(1, 120)):
            # A few have many clients, many have few, and some clients come again.
            who = f"p{int(rng.paretovariate(0.7))}"
            client = f"c{rng.randrange(1500)}"
            n = numbers[who, client] = numbers.get((who, client), 0) + 1
            results.append(Result(who, client, n, "d", b"{}"))
        append = Append("s1", EMPTY, (), results)
        assert await outcome(ours.append(append)) == await outcome(theirs.append(append))
    for client in ("many", "many", "other", "many"):
        first = numbers.get(("p1", client), 0) + 1
        numbers["p1", client] = first + 699
        results = [Result("p1", client, n, "d", b"{}") for n in range(first, first + 700)]
        for store in (ours, theirs):
            assert await store.append(Append("s1", EMPTY, (), results)) == EMPTY
    clients = await ours.clients("s1")
    assert clients == await theirs.clients("s1")
    assert len(numbers) > len(clients) == CLIENTS_KEPT
    for who, client in clients[::300] + clients[-3:]:
        assert await ours.results("s1", who, client) == await theirs.results("s1", who, client)
    await ours.close()
    await theirs.close()


# --- figures


async def rate(store: Store, sessions: int, appends: int) -> float:
    """Appends a second, when each of so many sessions has one on its way."""
    names = [f"rate-{sessions}-{i}" for i in range(sessions)]
    await asyncio.gather(*(store.create(make_info(name), EMPTY) for name in names))

    async def play(name: str) -> None:
        head = EMPTY
        for n in range(1, appends // sessions + 1):
            head = await extend(store, head, 1, n, session_id=name)

    begin = time.perf_counter()
    await asyncio.gather(*map(play, names))
    return appends / (time.perf_counter() - begin)


@pytest.mark.asyncio
@pytest.mark.parametrize("sessions", [1, 16, 256])
async def test_figures(
    server: RedisServer, folder: Path, sessions: int, figure: Callable[[str], None]
) -> None:
    ours, theirs = await open_both(server, folder)
    appends = 1024 if sessions == 1 else 8192
    found = [await rate(store, sessions, appends) for store in (ours, theirs)]
    figure(f"{sessions} sessions: Redis {found[0]:.0f}, SQLite {found[1]:.0f} appends/s")
    assert min(found) > 0
    await ours.close()
    await theirs.close()
