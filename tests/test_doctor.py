"""What `novel-jupyter doctor` shows, of which it leaves no trace, and what it warns of.

Law: servers, sessions and stores are real ones; what is broken was really broken.
Parts: two servers of one Redis, a file, what is wrong.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from server.inside import Inside, Listener
from server.wire import connect, create

from novel_jupyter.cli import main
from novel_jupyter.core.model import Head
from novel_jupyter.doctor import examine
from novel_jupyter.doctor_look import see_sessions
from novel_jupyter.doctor_media import look_at_file, look_at_redis
from novel_jupyter.server.bus import LocalBus, Row
from novel_jupyter.server.ports import Append, SessionInfo
from novel_jupyter.server.redis_health import Primary
from novel_jupyter.server.redis_wire import Address
from novel_jupyter.server.stores import Settings, open_store
from novel_jupyter.testing import ServerProcess
from novel_jupyter.testing_redis import RedisServer


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis"), password="correct-horse") as server:
        yield server


def diagnosis(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main(["doctor", "--json", *arguments])
    return code, json.loads(capsys.readouterr().out)


# --- two servers of one Redis


@pytest.mark.process
@pytest.mark.asyncio
async def test_it_sees_servers_people_and_sessions_and_leaves_no_trace(
    redis_server: RedisServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    redis_server.ask("FLUSHALL")
    traits = {"NovelApp.store": redis_server.url, "NovelApp.node_beat": 0.5}
    one = ServerProcess(
        tmp_path / "a", ["alice", "bob"], {**traits, "NovelApp.public_url": "http://one.example"}
    )
    with one, ServerProcess(tmp_path / "b", ["bob"], traits) as two:
        ids = [await create(one) for _ in range(3)]
        async with connect(one, "alice") as alice, connect(two, "bob", client="b1") as bob:
            await alice.join(ids[2])
            await bob.join(ids[2])
            ack = await alice.edit(ids[2], "/scene/mood", "tense")
            await bob.reach(ids[2], ack["sequence_id"])
            keys = sorted(redis_server.ask("KEYS", "*"))
            code, report, connections = 1, dict[str, Any](), [0]
            while connections != [1, 1]:  # as each server says with its next beat
                code, report = await asyncio.to_thread(
                    diagnosis, capsys, "--store", redis_server.url, "--sessions", "2"
                )
                connections = [node["connections"] for node in report["nodes"]]
            assert (code, report["warnings"]) == (0, [])
            assert sorted(redis_server.ask("KEYS", "*")) == keys
            assert "correct-horse" not in json.dumps(report)
            assert [node["pid"] for node in sorted(report["nodes"], key=lambda n: n["url"])] == [
                two.pid,
                one.pid,
            ]
            assert all(node["age"] < 5 and not node["draining"] for node in report["nodes"])
            assert report["more_sessions"]
            assert len(report["sessions"]) == 2
            shown = next(seen for seen in report["sessions"] if seen["session_id"] == ids[2])
            assert shown["head"] >= ack["sequence_id"]
            assert sorted(user for users in shown["people"].values() for user in users) == ["alice", "bob"]
            assert (shown["stuck"], shown["holder"], shown["floor"]) == ({}, None, 0)
            [primary] = report["store"]["primaries"]
            assert (primary["eviction"], primary["appendonly"]) == ("noeviction", "yes")
            code = await asyncio.to_thread(main, ["doctor", "--store", redis_server.url])
            text = capsys.readouterr().out
            assert code == 0
            assert "http://one.example" in text
            assert "healthy" in text
            assert f"  {ids[2]}  " in text


@pytest.mark.process
@pytest.mark.asyncio
async def test_a_server_that_stays_behind_and_a_lease_of_nobody(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    redis_server.ask("FLUSHALL")
    (tmp_path / "x").mkdir()
    async with Inside.open(tmp_path / "x") as inside:
        session = await inside.session("alice")
        alice, kernel = Listener(inside, "alice"), Listener(inside, "kernel:k1")
        await alice.join(session)
        admit = {"kind": "admit_host", "kernel": "kernel:k1"}
        await inside.at_once(session, (alice, "system_message", admit))
        await kernel.join(session)
        await inside.at_once(session, (kernel, "agent_action", {"kind": "request_lease"}))
        id = session.id
        there = f"sqlite:///{tmp_path / 'x' / 'sessions.db'}"
        assert await asyncio.to_thread(main, ["migrate", there, redis_server.url]) == 0
    store, bus, warnings = await open_store(Settings(redis_server.url))
    other, their_bus, _ = await open_store(Settings(redis_server.url))
    doctor, looking, _ = await open_store(Settings(redis_server.url))
    try:
        head = await store.head(id)
        here = Row(b'{"c1":["alice","Alice","person"]}', head.sequence_id - 2)
        await bus.here(id, here, 60.0)
        upright = replace(here, sequence_id=head.sequence_id)
        await their_bus.here(id, upright, 60.0)
        report = await examine(redis_server.url, doctor, looking, warnings, 5, patience=0.01)
        [seen] = report.sessions
        assert seen.stuck == {bus.node: 2}
        assert seen.holder == "kernel:k1"
        assert seen.people == {bus.node: ["alice"], their_bus.node: ["alice"]}
        behind, lease = report.warnings
        assert f"server {bus.node} is 2 events behind" in behind
        assert "kernel:k1 has the lease and is connected nowhere" in lease
        assert await bus.here(id, here, 60.0) == {bus.node: here, their_bus.node: upright}
    finally:
        for each in (looking, doctor, their_bus, other, bus, store):
            await each.close()


# --- a file


@pytest.mark.asyncio
async def test_a_file_is_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with Inside.open(tmp_path) as inside:
        session = await inside.session("alice")
        alice = Listener(inside, "alice")
        await alice.join(session)
        head = session.live.head.sequence_id
        url = f"sqlite:///{tmp_path / 'sessions.db'}"
        code, report = await asyncio.to_thread(diagnosis, capsys, "--store", url)
        assert (code, report["warnings"], report["nodes"]) == (0, [], None)
        assert report["store"]["quick_check"] == "ok"
        assert report["store"]["wal_bytes"] > 0
        assert [(seen["session_id"], seen["head"]) for seen in report["sessions"]] == [(session.id, head)]
        assert await asyncio.to_thread(main, ["doctor", "--store", url]) == 0
        assert "cannot be seen from here" in capsys.readouterr().out


def test_the_store_of_the_environment_is_the_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOVEL_JUPYTER_STORE", f"sqlite:///{tmp_path / 'none.db'}")
    assert main(["doctor"]) == 2
    assert "there is no file for sqlite:///" in capsys.readouterr().err
    monkeypatch.delenv("NOVEL_JUPYTER_STORE")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    assert main(["doctor"]) == 2
    assert str(tmp_path / "data") in capsys.readouterr().err


# --- what is wrong


def test_a_store_that_does_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    code, report = diagnosis(capsys, "--store", "redis://u:secret@127.0.0.1:9")
    assert code == 1
    assert "cannot be opened" in report["warnings"][0]
    assert "secret" not in json.dumps(report)


def test_a_damaged_file_and_one_that_is_open_to_all(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    connection = sqlite3.connect(path)
    connection.executescript(
        "CREATE TABLE t (a TEXT); CREATE INDEX i ON t (a);"
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 5000)"
        "INSERT INTO t SELECT hex(randomblob(50)) FROM n"
    )
    connection.close()
    path.chmod(0o644)
    assert ["chmod 600" in warning for warning in look_at_file(path).warnings] == [True]
    path.chmod(0o600)
    assert look_at_file(path).warnings == []
    assert "not finished" in str(look_at_file(path, seconds=-1.0).facts["quick_check"])
    with path.open("r+b") as file:
        file.seek(4096 * 20)
        file.write(b"\xff" * 4096 * 5)
    [warning] = look_at_file(path).warnings
    assert "damaged" in warning


def test_a_redis_that_is_nearly_full_or_alone_in_its_cluster() -> None:
    primary = Primary(Address("h", 1), "Valkey", (9, 1, 2), {}, 0, 95, 100, "ok")
    full, alone = look_at_redis([primary]).warnings
    assert "uses 95 bytes of 100 bytes" in full
    assert "no replica" in alone
    assert look_at_redis([replace(primary, used_memory=5, cluster_state=None)]).warnings == []


@pytest.mark.asyncio
async def test_a_log_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sessions.db'}"
    store, bus, warnings = await open_store(Settings(url))
    at = "2026-01-01T00:00:00.000Z"
    info = SessionInfo("odd", "lighthouse", "Odd", "open", (), at, at, False, b"salt")
    await store.create(info, Head("e", 0, ""))
    renamed = await store.append(Append("odd", Head("e", 0, ""), epoch="f"))
    assert isinstance(renamed, Head)
    report = await examine(url, store, bus, warnings, 5)
    assert ["cannot be read" in warning for warning in report.warnings] == [True]
    assert (await see_sessions(store, bus, 1))[1] is False
    await bus.close()
    await store.close()


@pytest.mark.process
def test_one_damaged_session_is_not_the_whole_store(
    tmp_path: Path, redis_server: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    ids: list[str] = []

    async def fill() -> None:
        async with Inside.open(tmp_path) as inside:
            store, bus, _ = await open_store(Settings(redis_server.url))
            for _ in range(2):
                session = await inside.session("alice")
                source = inside.hub.store
                entries = await source.read(session.id, 0, 1000)
                await store.create(await source.info(session.id), await source.head(session.id), entries)
                ids.append(session.id)
            await bus.close()
            await store.close()

    asyncio.run(fill())
    with redis_server.client() as client:
        client.xdel(f"novel:{{{ids[0]}}}:log", "3-0")
    code, found = diagnosis(capsys, "--store", redis_server.url)
    assert code == 1
    problems = {seen["session_id"]: seen["problem"] for seen in found["sessions"]}
    assert "DAMAGED" in problems[ids[0]]
    assert problems[ids[1]] == ""


@pytest.mark.asyncio
async def test_a_row_that_is_none_is_a_problem_of_its_session(tmp_path: Path) -> None:
    class Strange(LocalBus):
        async def here(self, *about: Any) -> dict[str, Row]:
            return {"n1": Row(strange, 0)}

    async with Inside.open(tmp_path) as inside:
        await inside.session("alice")
        for strange in (b"{", b"[]", b"7", b'{"c": 7}'):
            ((seen,), _) = await see_sessions(inside.hub.store, Strange("doctor"), 5, patience=0.0)
            assert "who is there cannot be read" in seen.problem, strange


@pytest.mark.parametrize(
    "url",
    [
        "redis://:S3cr/etPW@127.0.0.1:6379/0",
        "redis://novel:S3cr?etPW@h/0",
        "redis://:S3cr#etPW@h/0",
        "redis://:S3cr\u2100etPW@h/0",
        "redis://:S3cr[etPW]@h/0",
        "S3cretPW:etPW@redis.example:6379/0",
        "S3cretPW//@redis.example/0",
    ],
)
def test_a_url_that_is_wrong_gives_no_piece_of_its_password_away(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BAD", url)
    assert main(["doctor", "--store", "env:BAD"]) == 2
    said = capsys.readouterr()
    assert "redis" in said.err
    for piece in ("s3cr", "etpw"):
        assert piece not in (said.out + said.err).lower()
