"""The SQLite store: the contract of the port, and what is true of this medium alone.

Parts: the contract, the file and its versions, a medium that fails (S12), the two threads. Processes and
crashes are in `test_store_sqlite_crash`.
"""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from server.store_contract import StoreContract
from server.store_contract_history import KEPT
from server.store_records import (
    EMPTY,
    Opener,
    extend,
    make_append,
    make_entries,
    make_info,
    make_results,
)

from novel_jupyter.core.model import Head
from novel_jupyter.server.ports import Append, Behind, StoreClosed, StoreUnavailable
from novel_jupyter.server.sqlite_schema import APPLICATION_ID, MIGRATIONS, StoreIncompatible
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


class TestContract(StoreContract):
    @pytest.fixture
    def opener(self, path: Path) -> Opener:
        return lambda: SqliteStore.open(path)

    @pytest.fixture
    def trimming(self, path: Path) -> Opener:
        return lambda: SqliteStore.open(path, keep_entries=KEPT)


# --- the file


@pytest.mark.asyncio
async def test_only_the_owner_can_read_the_files(path: Path, store: SqliteStore) -> None:
    await extend(store, EMPTY, 1)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    files = sorted(path.parent.iterdir())
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


@pytest.mark.asyncio
@pytest.mark.parametrize("synchronous, level", [("FULL", 2), ("NORMAL", 1)])
async def test_the_file_is_kept_as_promised(path: Path, synchronous: str, level: int) -> None:
    store = await SqliteStore.open(path, synchronous="FULL" if synchronous == "FULL" else "NORMAL")
    settings = await store._writer.run(
        lambda connection: [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("synchronous", "journal_mode", "foreign_keys", "user_version", "application_id")
        ]
    )
    assert settings == [level, "wal", 1, len(MIGRATIONS), APPLICATION_ID]
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.asyncio
async def test_a_file_moves_to_the_next_version_with_all_it_holds(path: Path, store: SqliteStore) -> None:
    head = await extend(store, EMPTY, 3, 1)
    await store.close()
    step = (
        "ALTER TABLE sessions ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm'",
        "UPDATE sessions SET mood = 'stormy' WHERE sequence_id > 0",
    )
    newer = await SqliteStore.open(path, migrations=(*MIGRATIONS, step))
    assert await newer._reader.run(
        lambda connection: connection.execute("SELECT mood FROM sessions").fetchall()
    ) == [("stormy",)]
    await extend(newer, head, 1, 2)
    assert await newer.results("s1", "ann", "c1") == make_results(1, 2)
    await newer.close()
    with pytest.raises(
        StoreIncompatible, match=f"schema version {len(MIGRATIONS) + 1}.*up to {len(MIGRATIONS)}"
    ):
        await SqliteStore.open(path)


@pytest.mark.asyncio
async def test_a_migration_happens_whole_or_not_at_all(path: Path, store: SqliteStore) -> None:
    await store.close()
    broken = ("ALTER TABLE sessions ADD COLUMN mood TEXT", "INSERT INTO nowhere VALUES (1)")
    with pytest.raises(StoreUnavailable):
        await SqliteStore.open(path, migrations=(*MIGRATIONS, broken))
    again = await SqliteStore.open(path)
    assert await again.head("s1") == EMPTY
    await again.close()


@pytest.mark.asyncio
async def test_anothers_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE diary (page TEXT)")
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(StoreIncompatible, match="another program"):
        await SqliteStore.open(path)
    assert path.read_bytes() == before


@pytest.mark.asyncio
async def test_several_openers_at_once(path: Path) -> None:
    stores = await asyncio.gather(*(SqliteStore.open(path) for _ in range(8)))
    await asyncio.gather(*(store.create(make_info(f"s{i}"), EMPTY) for i, store in enumerate(stores)))
    assert len((await stores[0].sessions()).sessions) == 8
    await asyncio.gather(*(store.close() for store in stores))


# --- a medium that fails


@pytest.mark.asyncio
async def test_s12_a_locked_file_is_unavailable_and_recovers(path: Path, store: SqliteStore) -> None:
    hasty = await SqliteStore.open(path, busy_timeout=0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable) as failed:
            await hasty.append(make_append(EMPTY, 1, 1))
        assert not failed.value.unknown
        assert await hasty.head("s1") == EMPTY, "readers are not locked out"
        other.execute("ROLLBACK")
    await extend(hasty, EMPTY, 1, 1)
    await hasty.close()


@pytest.mark.asyncio
async def test_s12_a_full_disk_writes_nothing_by_halves_and_recovers(store: SqliteStore) -> None:
    async def allow(pages: int) -> None:
        await store._writer.run(lambda c: c.execute(f"PRAGMA max_page_count = {pages}").fetchone())

    head = await extend(store, EMPTY, 1, 1)
    await allow(1)  # SQLite takes the present size instead
    big = Append("s1", head, make_entries(head, 40, b"x" * 20_000), make_results(2))
    with pytest.raises(StoreUnavailable, match="full"):
        await store.append(big)
    assert await store.head("s1") == head
    assert await store.results("s1", "ann", "c1") == make_results(1)
    await allow(1_000_000)
    assert await store.append(big) == big.head


@pytest.mark.asyncio
async def test_s12_a_file_that_was_destroyed(path: Path, store: SqliteStore) -> None:
    await store.close()
    ruin(path)
    with pytest.raises(StoreUnavailable):
        await SqliteStore.open(path)
    with pytest.raises(StoreUnavailable):
        await SqliteStore.open(path.parent)


@pytest.mark.process
@pytest.mark.asyncio
async def test_s12_a_writer_that_connects_anew_keeps_the_locks_of_the_file(
    path: Path, store: SqliteStore
) -> None:
    """S6: after a disk failed, another process that looks into the file must not take its log away.

    POSIX drops all locks of a process on a file when it closes any descriptor of it; who then comes and goes
    elsewhere believes to be the last, and deletes the log into which this process goes on writing.
    """
    head = await extend(store, EMPTY, 1, 1)
    assert await store.head("s1") == head, "both threads are connected"

    def fail(connection: sqlite3.Connection) -> None:
        raise OSError("the disk")

    with pytest.raises(StoreUnavailable):
        await store._writer.run(fail)
    head = await extend(store, head, 1, 2)
    look = (
        "import sqlite3 as s, sys; c = s.connect(sys.argv[1]); c.execute('SELECT 1 FROM sessions'); c.close()"
    )
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", look, str(path)], check=True)
    assert path.with_name(path.name + "-wal").exists()
    head = await extend(store, head, 1, 3)
    other = await SqliteStore.open(path)
    assert await other.head("s1") == head
    await other.close()


def ruin(path: Path) -> None:
    path.write_bytes(b"not a database" * 1000)


# --- the threads


@pytest.mark.asyncio
async def test_s3_one_unfit_request_does_not_spoil_the_others(store: SqliteStore) -> None:
    """A text that is no Unicode breaks the statement of the whole batch; only its own append may fail."""
    names = [f"b{i}" for i in range(10)]
    await asyncio.gather(*(store.create(make_info(name), EMPTY) for name in names))
    appends = [make_append(EMPTY, 1, 1, session_id=name) for name in names]
    appends[4] = Append("b4", EMPTY, make_entries(EMPTY, 1), make_results(1, client="\ud800"))
    appends[7] = make_append(EMPTY, 1, session_id="nowhere")
    got = await asyncio.gather(*map(store.append, appends), return_exceptions=True)
    assert [type(outcome).__name__ for i, outcome in enumerate(got) if i not in (4, 7)] == ["Head"] * 8
    assert isinstance(got[4], Exception)
    assert type(got[7]).__name__ == "SessionNotFound"
    assert await store.head("b4") == EMPTY


@pytest.mark.asyncio
async def test_many_appends_share_a_transaction(store: SqliteStore) -> None:
    begun: list[str] = []
    await store._writer.run(
        lambda connection: connection.set_trace_callback(
            lambda statement: begun.append(statement) if statement.startswith("BEGIN") else None
        )
    )
    names = [f"g{i}" for i in range(100)]
    await asyncio.gather(*(store.create(make_info(name), EMPTY) for name in names))
    begun.clear()
    await asyncio.gather(*(store.append(make_append(EMPTY, 1, session_id=name)) for name in names))
    assert 1 <= len(begun) <= 20


@pytest.mark.asyncio
async def test_a_full_queue_makes_callers_wait(path: Path) -> None:
    store = await SqliteStore.open(path, room=4, batch=2)
    await asyncio.gather(*(store.create(make_info(f"q{i}"), EMPTY) for i in range(40)))
    tasks = [
        asyncio.ensure_future(store.append(make_append(EMPTY, 1, session_id=f"q{i}"))) for i in range(40)
    ]
    await asyncio.sleep(0)
    assert len(store._writer._queue) <= 4
    tasks[10].cancel()
    got = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(outcome, Head) for outcome in got) >= 39
    await store.close()


@pytest.mark.asyncio
async def test_s11_who_waits_for_room_when_it_closes_is_refused(path: Path) -> None:
    store = await SqliteStore.open(path, room=1)
    await store.create(make_info(), EMPTY)
    tasks = [asyncio.ensure_future(store.append(Append("s1", EMPTY, (), make_results(n)))) for n in (1, 2, 3)]
    await asyncio.sleep(0)
    await store.close()
    got = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in got] == [Head, StoreClosed, StoreClosed]


@pytest.mark.asyncio
async def test_a_loop_without_a_pause_does_not_starve_the_threads(store: SqliteStore) -> None:
    """With Python's own switch interval these 20 appends take half a minute."""
    stop = asyncio.Event()

    async def burn() -> None:
        while not stop.is_set():
            until = time.perf_counter() + 0.003
            while time.perf_counter() < until:
                pass
            await asyncio.sleep(0)

    burning = asyncio.ensure_future(burn())
    start, head = time.perf_counter(), EMPTY
    for n in range(1, 21):
        head = await extend(store, head, 1, n)
    assert len(await store.read("s1", 0, 100)) == 20
    assert time.perf_counter() - start < 5
    stop.set()
    await burning


@pytest.mark.asyncio
async def test_s17_nothing_is_kept_per_session(store: SqliteStore) -> None:
    async def play(name: str) -> None:
        await store.create(make_info(name), EMPTY)
        head = await extend(store, EMPTY, 3, 1, 2, session_id=name)
        await store.put_snapshot(name, head, b"x" * 1000)
        await store.read(name, 0, 10)

    for i in range(50):
        await play(f"warm-{i}")
    tracemalloc.start()
    for i in range(500):
        await play(f"s17-{i}")
    gc.collect()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # sqlite3 itself holds some 40 kB of weak references to cursors, whatever happens.
    assert grown < 500 * 200, "bytes; a head for each session would be more"


@pytest.mark.asyncio
async def test_s8_behind_within_one_batch_sees_the_winner(store: SqliteStore) -> None:
    first, second = make_append(EMPTY, 2, 1), make_append(EMPTY, 1, 1, client="c2")
    got = await asyncio.gather(store.append(first), store.append(second))
    assert list(got) == [first.head, Behind(first.head, tuple(first.entries))]


def test_no_thread_keeps_a_process_alive(tmp_path: Path) -> None:
    """A store that nobody closed, in a loop that ended."""
    code = (
        "import asyncio, sys; from novel_jupyter.server.store_sqlite import SqliteStore\n"
        "asyncio.run(SqliteStore.open(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "s.sqlite")],
        timeout=20,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.asyncio
async def test_who_is_ready_together_is_written_in_one_transaction(tmp_path: Path) -> None:
    """S21: during a transaction everybody waits; then all decide and go into the next one."""
    store = await SqliteStore.open(tmp_path / "s.db", pace=0.0)
    for n in range(50):
        await store.create(make_info(f"r{n}"), EMPTY)
    sizes: list[int] = []
    commit = store._writer._commit

    def counted(batch: Any) -> Any:
        sizes.append(len(batch))
        return commit(batch)

    store._writer._commit = counted  # type: ignore[method-assign]

    loop, writing, hold = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> None:
        loop.call_soon_threadsafe(writing.set)
        hold.wait(30)

    async def write(n: int) -> None:
        await store.ready(f"r{n}")
        await extend(store, EMPTY, session_id=f"r{n}")

    first = asyncio.create_task(store._writer.run(slow))
    await writing.wait()
    others = [asyncio.create_task(write(n)) for n in range(50)]
    await asyncio.sleep(0)
    hold.set()
    await asyncio.gather(first, *others)
    await store.close()
    assert sizes == [1, 50]


@pytest.mark.asyncio
async def test_transactions_keep_their_pace(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "s.db", pace=0.1)
    loop, head = asyncio.get_running_loop(), EMPTY
    await store.create(make_info(), EMPTY)
    await store.ready("s1")
    began = loop.time()
    for _ in range(4):
        await store.ready("s1")
        head = await extend(store, head)
    # The first is as late as it likes; what a clock rounds is no matter.
    assert loop.time() - began >= 0.19
    await store.close()
    await asyncio.wait_for(store.ready("s1"), 10)  # who asks now hears that the store is closed
