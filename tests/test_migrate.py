"""Sessions that move from one store to another and back: whole, provable, and as often as one likes.

Law: the sessions are real ones, made by the server's own hub; the stores are real ones too.
Parts: there and back, broken off, changing meanwhile, what differs, the command.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from server.inside import Inside, Listener

from novel_jupyter.cli import main
from novel_jupyter.core.canonical import chain
from novel_jupyter.core.model import Head
from novel_jupyter.migrate import Summary, migrate
from novel_jupyter.migrate_session import Copied, copy_session
from novel_jupyter.server.ports import Append, Entry, LogTrimmed, Result, Store, StoreUnavailable
from novel_jupyter.server.store_redis import RedisStore
from novel_jupyter.server.store_sqlite import SqliteStore
from novel_jupyter.testing_redis import RedisServer

PASSWORD = "correct-horse"


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis"), password=PASSWORD) as server:
        yield server


async def play(folder: Path, sessions: int = 2, edits: int = 30) -> list[str]:
    """Sessions with edits, a refusal and snapshots, in `folder`/sessions.db."""
    ids = []
    async with Inside.open(folder, snapshot_every=10, commands_burst=1e6) as inside:
        for _ in range(sessions):
            session = await inside.session("alice")
            alice = Listener(inside, "alice")
            await alice.join(session)
            for n in range(edits):
                edit = inside.edit(session, "/scene/mood", f"mood {n}")
                await inside.at_once(session, (alice, "story_update", edit))
            ids.append(session.id)
    return ids


@asynccontextmanager
async def sqlite(path: Path, **settings: Any) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(path, synchronous="NORMAL", **settings)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def redis(server: RedisServer) -> AsyncIterator[RedisStore]:
    store = await RedisStore.open(server.url, node="migrate")
    try:
        yield store
    finally:
        await store.close()


async def everything(store: Store) -> dict[str, Any]:
    """What a store has, by session, in plain values."""
    found: dict[str, Any] = {}
    for info in (await store.sessions(limit=1000)).sessions:
        id, floor = info.session_id, 0
        try:
            await store.read(id, 0, 1)
        except LogTrimmed as trimmed:
            floor = trimmed.floor
        clients = await store.clients(id)
        snapshots, at = [], None
        while (snapshot := await store.snapshot(id, at)) is not None:
            snapshots.append(snapshot)
            at = snapshot.head.sequence_id - 1
        head = await store.head(id)
        log = await store.read(id, floor, 10_000)
        assert floor + len(log) == head.sequence_id
        results = [await store.results(id, *client) for client in clients]
        found[id] = (info, head, floor, log, clients, results, snapshots)
    return found


async def run(source: Store, target: Store, only: Sequence[str] = ()) -> tuple[Summary, list[Copied]]:
    told: list[Copied] = []
    return await migrate(source, target, told.append, only=only), told


# --- there and back


@pytest.mark.process
@pytest.mark.asyncio
async def test_there_and_back_nothing_is_different(redis_server: RedisServer, tmp_path: Path) -> None:
    await play(tmp_path, sessions=3)
    redis_server.ask("FLUSHALL")
    async with sqlite(tmp_path / "sessions.db") as first, sqlite(tmp_path / "back.db") as back:
        before = await everything(first)
        assert sum(len(session[6]) for session in before.values()) > 3
        async with redis(redis_server) as middle:
            summary, told = await run(first, middle)
            assert (summary.good, dict(summary.counts)) == (True, {"copied": 3})
            assert summary.events == sum(session[1].sequence_id for session in before.values())
            assert summary.results == sum(len(rows) for session in before.values() for rows in session[5])
            assert await everything(middle) == before
            again, told = await run(first, middle)
            assert (again.events, again.results, again.snapshots) == (0, 0, 0)
            assert [done.status for done in told] == ["same"] * 3
            assert (await run(middle, back))[0].good
        assert await everything(back) == before


@pytest.mark.asyncio
async def test_a_session_that_is_played_on_in_the_other_store(tmp_path: Path) -> None:
    """The hub finds there what it left here, answers to old commands included."""
    (tmp_path / "other").mkdir()
    [id] = await play(tmp_path, sessions=1)
    async with (
        sqlite(tmp_path / "sessions.db") as source,
        sqlite(tmp_path / "other" / "sessions.db") as target,
    ):
        assert (await run(source, target))[0].good
    async with Inside.open(tmp_path / "other") as inside:
        session = await inside.hub.session(id)
        alice = Listener(inside, "alice", client="new")
        await alice.join(session)
        await inside.at_once(session, (alice, "story_update", inside.edit(session, "/scene/mood", "on")))
        at = session.live.head.sequence_id
    async with (
        sqlite(tmp_path / "sessions.db") as source,
        sqlite(tmp_path / "other" / "sessions.db") as target,
    ):
        done = await copy_session(target, source, id)
        assert (done.status, done.head) == ("continued", at)


@pytest.mark.asyncio
async def test_a_log_that_begins_after_its_floor(tmp_path: Path) -> None:
    await play(tmp_path, sessions=1, edits=60)
    async with sqlite(tmp_path / "sessions.db", keep_entries=20) as source:
        [info] = (await source.sessions()).sessions
        newest = await source.snapshot(info.session_id)
        assert newest is not None
        assert await source.put_snapshot(info.session_id, newest.head, newest.body)
        before = await everything(source)
        assert before[info.session_id][2] > 0
        async with sqlite(tmp_path / "other.db") as target:
            summary, _ = await run(source, target)
            assert summary.good
            assert await everything(target) == before


@pytest.mark.asyncio
async def test_more_answers_than_go_at_once_and_a_history_with_another_name(tmp_path: Path) -> None:
    [id] = await play(tmp_path, sessions=1)
    async with sqlite(tmp_path / "sessions.db") as source, sqlite(tmp_path / "other.db") as target:
        assert (await copy_session(source, target, id)).status == "copied"
        rows = [Result("bob", f"c{n % 3}", n + 1, f"d{n}", b"x" * n) for n in range(900)]
        head = await source.append(Append(id, await source.head(id), results=rows, epoch="another"))
        assert isinstance(head, Head)
        done = await copy_session(source, target, id)
        assert (done.status, done.events, done.results) == ("continued", 0, 900)
        there = await everything(target)
        assert there == await everything(source)
        assert there[id][1].epoch == "another"


# --- broken off, changing


class Frail(SqliteStore):
    """Fails after so many appends."""

    left = 3

    async def append(self, append: Append) -> Any:
        if self.left == 0:
            raise StoreUnavailable("pulled out", unknown=True)
        self.left -= 1
        return await super().append(append)


@pytest.mark.asyncio
async def test_what_was_broken_off_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("novel_jupyter.migrate_session.PAGE", 4)
    await play(tmp_path, sessions=3)
    async with sqlite(tmp_path / "sessions.db") as source:
        broken, good = 0, False
        while not good:
            frail = await Frail.open(tmp_path / "other.db", synchronous="NORMAL")
            try:
                good = (await run(source, frail))[0].good
            except* StoreUnavailable:
                broken += 1
            finally:
                await frail.close()
        assert broken > 3
        async with sqlite(tmp_path / "other.db") as target:
            ours, theirs = await everything(source), await everything(target)
            assert {id: session[:4] for id, session in ours.items()} == {
                id: session[:4] for id, session in theirs.items()
            }


class Busy(SqliteStore):
    """A source in which somebody acts whenever it is looked at."""

    acts = 0

    async def clients(self, session_id: str) -> list[tuple[str, str]]:
        if self.acts:
            self.acts -= 1
            await go_on(self, session_id)
        return await super().clients(session_id)


async def go_on(store: Store, id: str, body: bytes | None = None) -> Head:
    """One more event, like the last one."""
    head, info = await store.head(id), await store.info(id)
    [last] = await store.read(id, head.sequence_id - 1, 1)
    body = body or last.body.replace(
        b'"sequence_id":%d' % head.sequence_id, b'"sequence_id":%d' % (head.sequence_id + 1)
    )
    entry = Entry(head.sequence_id + 1, chain(head.hash, body, info.salt), body)
    outcome = await store.append(Append(id, head, [entry]))
    assert isinstance(outcome, Head)
    return outcome


@pytest.mark.parametrize(("acts", "status"), [(3, "copied"), (1000, "changing")])
@pytest.mark.asyncio
async def test_a_session_that_changes_is_copied_again_but_not_for_ever(
    tmp_path: Path, acts: int, status: str
) -> None:
    [id] = await play(tmp_path, sessions=1)
    busy = await Busy.open(tmp_path / "sessions.db", synchronous="NORMAL")
    assert isinstance(busy, Busy)
    try:
        async with sqlite(tmp_path / "other.db") as target:
            busy.acts = acts
            done = await copy_session(busy, target, id)
            assert (done.status, done.good) == (status, status == "copied")
            busy.acts = 0
            assert (await copy_session(busy, target, id)).good
            assert await everything(busy) == await everything(target)
    finally:
        await busy.close()


# --- what differs


@pytest.mark.asyncio
async def test_what_differs_is_told_and_left_alone(tmp_path: Path) -> None:
    ahead, forked, other, fine = await play(tmp_path, sessions=4)
    async with sqlite(tmp_path / "sessions.db") as source, sqlite(tmp_path / "other.db") as target:
        await run(source, target, only=[ahead, forked])
        await go_on(target, ahead)
        await go_on(target, forked, b'{"theirs":1}')
        await go_on(source, forked)
        info = await source.info(other)
        await target.create(replace(info, salt=b"another"), Head("e", 0, ""))
        before = await everything(target)
        at = before[ahead][1].sequence_id
        summary, told = await run(source, target)
        assert not summary.good
        assert {done.session_id: (done.status, done.reason) for done in told} == {
            ahead: ("differs", f"it went on there, to {at} from {at - 1}"),
            forked: ("differs", "it has another history there"),
            other: ("differs", "another session has this id"),
            fine: ("copied", ""),
        }
        after = await everything(target)
        del after[fine]
        assert after == before


class Liar(SqliteStore):
    """Gives back other bytes than it was given."""

    async def read(self, session_id: str, after: int, limit: int) -> list[Entry]:
        entries = await super().read(session_id, after, limit)
        return [replace(e, body=e.body + b" ") if e.sequence_id == 7 else e for e in entries]


@pytest.mark.asyncio
async def test_a_body_that_came_out_differently_is_found(tmp_path: Path) -> None:
    [id] = await play(tmp_path, sessions=1)
    async with sqlite(tmp_path / "sessions.db") as source:
        liar = await Liar.open(tmp_path / "other.db", synchronous="NORMAL")
        try:
            done = await copy_session(source, liar, id)
        finally:
            await liar.close()
    assert (done.status, done.reason) == ("differs", "event 7 there does not follow on the one before")


@pytest.mark.asyncio
async def test_an_answer_that_is_another_one_there_is_found(tmp_path: Path) -> None:
    [id] = await play(tmp_path, sessions=1)
    async with sqlite(tmp_path / "sessions.db") as source, sqlite(tmp_path / "other.db") as target:
        await copy_session(source, target, id)
        for store, digest in ((source, "a"), (target, "b")):
            row = Result("bob", "b1", 1, digest, b"{}")
            await store.append(Append(id, await store.head(id), results=[row]))
        done = await copy_session(source, target, id)
        assert (done.status, done.reason) == ("differs", "command b1:1 has another answer there")


# --- the command


@pytest.mark.process
@pytest.mark.asyncio
async def test_one_damaged_session_does_not_keep_the_others(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    ids = await play(tmp_path, sessions=6, edits=3)
    redis_server.ask("FLUSHALL")
    async with sqlite(tmp_path / "sessions.db") as first, redis(redis_server) as middle:
        await run(first, middle)
        redis_server.ask("XDEL", f"novel:{{{ids[2]}}}:log", "3-0")
        async with sqlite(tmp_path / "to.db") as to:
            summary, told = await run(middle, to)
    assert (summary.good, dict(summary.counts)) == (False, {"copied": 5, "failed": 1})
    assert [done.session_id for done in told if "DAMAGED entry 3" in done.reason] == [ids[2]]


@pytest.mark.process
def test_the_command_says_what_it_did_and_no_password(
    redis_server: RedisServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = asyncio.run(play(tmp_path))
    redis_server.ask("FLUSHALL")
    monkeypatch.setenv("NOVEL_JUPYTER_STORE", redis_server.url)
    source = f"sqlite:///{tmp_path / 'sessions.db'}"
    assert main(["migrate", source, "env", "--dry-run"]) == 0
    assert "2 would be copied" in capsys.readouterr().out
    assert redis_server.ask("DBSIZE") == 0
    assert main(["migrate", source, "env"]) == 0
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()[:2]] == sorted(ids, key=out.index)
    assert "2 copied" in out
    assert "compared equal" in out
    assert main(["migrate", "env", f"sqlite:///{tmp_path / 'new.db'}", "--json", "--only", ids[0]]) == 0
    said = capsys.readouterr().out
    report = json.loads(said)
    assert [done["session_id"] for done in report["sessions"]] == [ids[0]]
    assert report["summary"]["counts"] == {"copied": 1}
    assert PASSWORD not in out + err + said


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("sqlite:///{}/none.db", "sqlite:///{}/new.db", "there is no file"),
        ("sqlite:///{}/a.db", "sqlite:///{}/a.db", "the same store"),
        ("env:NOT_THERE", "sqlite:///{}/a.db", "has no NOT_THERE"),
        ("http://u:secret@h/", "sqlite:///{}/a.db", "not with 'http'"),
        ("redis://u:secret@127.0.0.1:9/", "sqlite:///{}/a.db", "cannot be opened"),
    ],
)
def test_a_mistake_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, target: str, words: str
) -> None:
    assert main(["migrate", source.format(tmp_path), target.format(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert "secret" not in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_session_that_nobody_knows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(play(tmp_path, sessions=1))
    urls = [f"sqlite:///{tmp_path / name}" for name in ("sessions.db", "none.db")]
    assert main(["migrate", *urls, "--dry-run"]) == 0
    assert not (tmp_path / "none.db").exists()
    assert main(["migrate", *urls, "--only", "nobody"]) == 1
    assert "nobody  at 0  FAILED: there is no such session" in capsys.readouterr().out
