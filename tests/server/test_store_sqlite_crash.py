"""The SQLite store among several processes, killed ones, and after a power cut (S6, S7).

Law: what was acknowledged is there, once, at its place; whatever a crash leaves is a whole number of appends.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from server.store_process import check_log, parse, start_process
from server.store_records import EMPTY, command, make_info

from novel_jupyter.server.store_sqlite import SqliteStore

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made by us" / "store #1.sqlite"


@pytest_asyncio.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(path)
    await store.create(make_info(), EMPTY)
    yield store
    await store.close()


def start(path: Path, client: str, count: int) -> subprocess.Popen[str]:
    return start_process("novel_jupyter.server.store_sqlite:SqliteStore.open", str(path), client, count)


async def check(path: Path, acknowledged: dict[str, dict[int, int]]) -> None:
    store = await SqliteStore.open(path)
    await check_log(store, acknowledged)
    await store.close()


@pytest.mark.process
@pytest.mark.asyncio
async def test_s7_two_processes_append_to_one_session(path: Path, store: SqliteStore) -> None:
    processes = {client: start(path, client, 120) for client in ("a", "b")}
    acknowledged = dict[str, dict[int, int]]()
    for client, process in processes.items():
        output, _ = await asyncio.to_thread(process.communicate, timeout=30)
        assert process.returncode == 0
        acknowledged[client] = parse(output)
        assert len(acknowledged[client]) == 120
    await check(path, acknowledged)


@pytest.mark.process
@pytest.mark.asyncio
async def test_s6_nothing_acknowledged_is_lost_when_writers_are_killed(
    path: Path, store: SqliteStore
) -> None:
    await store.close()
    rng = random.Random(7)
    acknowledged: dict[str, dict[int, int]] = {"a": {}, "b": {}}
    for _ in range(5):
        processes = {client: start(path, client, 1000) for client in acknowledged}
        for process in processes.values():
            assert process.stdout is not None
            await asyncio.to_thread(process.stdout.read, 4)  # it is writing
        for client, process in processes.items():
            await asyncio.sleep(rng.uniform(0, 0.06))
            process.send_signal(signal.SIGKILL)
            assert process.stdout is not None
            output, _ = await asyncio.to_thread(process.communicate, timeout=30)
            acknowledged[client].update(parse(output, first_whole=False))
        await check(path, acknowledged)
    assert all(acknowledged.values())


@pytest.mark.asyncio
async def test_s6_a_torn_write_ahead_log_opens_at_a_whole_append(
    path: Path, store: SqliteStore, tmp_path: Path
) -> None:
    """What a power cut may leave of writes that were not acknowledged: any part of the last ones."""
    head = EMPTY
    for n in range(1, 41):
        append = command("a", n, head)
        assert await store.append(append) == append.head
        head = append.head
    rng = random.Random(3)
    kept = set[int]()
    for i in range(12):
        copy = tmp_path / f"torn-{i}" / "store.sqlite"
        tear(path, copy, rng)
        await check(copy, {"a": {}})
        torn = await SqliteStore.open(copy)
        kept.add((await torn.head("s1")).sequence_id)
        await torn.close()
    assert len(kept) > 5, "it was torn at different places"


def tear(path: Path, copy: Path, rng: random.Random) -> None:
    copy.parent.mkdir()
    shutil.copyfile(path, copy)
    wal = path.with_name(path.name + "-wal").read_bytes()
    end = rng.randrange(len(wal) // 2, len(wal))
    junk = rng.randbytes(rng.randrange(0, 5000))
    copy.with_name(copy.name + "-wal").write_bytes(wal[:end] + junk)
