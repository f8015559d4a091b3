"""A load run in seconds: its figures mean nothing here, but that they come, and that everybody agrees.

Parts: the run, spreads, a run that is no good.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from novel_jupyter.bench.loads import PEOPLE, Spread, crowd, latency
from novel_jupyter.bench.person import BenchError, Person, create_session
from novel_jupyter.cli import main
from novel_jupyter.testing import ServerProcess
from novel_jupyter.testing_redis import RedisServer


@pytest.mark.process
@pytest.mark.slow
def test_one_server_and_two_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RedisServer(tmp_path / "redis", password="correct-horse") as redis:
        assert main(["bench", "servers", "--quick", "--json", "--store", redis.url]) == 0
    out, err = capsys.readouterr()
    assert "correct-horse" not in out + err
    report = json.loads(out)
    reference, ours = report["stores"]
    assert (reference["store"], reference["latency_two"]) == ("sqlite", None)
    assert ours["crowd"]["agree"] == 3 * 4
    assert ours["latency_two"]["count"] == ours["latency_one"]["count"] >= 18
    assert all(ours[run]["commands"] > 0 for run in ("appends_one", "appends_two", "grouped_two"))
    assert set(ours["ratios"]) > {"latency_two_to_one", "appends_two_to_one", "commands_to_reference"}
    assert str(report["machine"]["cores"]) in report["notes"][0]


def test_a_spread_is_of_what_came() -> None:
    assert Spread.of([0.003, 0.001, 0.002]) == Spread(2.0, 3.0, 3)


@pytest.mark.process
@pytest.mark.asyncio
async def test_two_servers_on_one_file_and_a_run_that_is_no_good(tmp_path: Path) -> None:
    traits = {"NovelApp.store": f"sqlite:///{tmp_path / 's.db'}", "NovelApp.head_check": 0.1}
    with (
        ServerProcess(tmp_path / "a", PEOPLE, traits) as one,
        ServerProcess(tmp_path / "b", PEOPLE, traits) as two,
    ):
        assert len(await latency(one, two, 2)) == 2
        many = await crowd([one, two], 2, 3, 20.0, 0.3)
        assert (many.agree, many.delivery.count, many.last.count) == (6, 18, 6)
        session = await create_session(one, PEOPLE[0])
        with pytest.raises(BenchError, match="no_session"):
            await Person.arrive(one, PEOPLE[0], "nowhere", "x")
        one.tokens[PEOPLE[1]] = "wrong"
        with pytest.raises(BenchError, match="could not connect: the server answered HTTP"):
            await Person.arrive(one, PEOPLE[1], session, "x")
        person = await Person.arrive(one, PEOPLE[0], session, "y")
        await asyncio.to_thread(one.kill)
        with pytest.raises(BenchError, match="lost"):
            await person.reach(1000)


@pytest.mark.parametrize("store", ["http://u:secret@h/", "env:NOT_THERE"])
def test_a_store_that_is_none(capsys: pytest.CaptureFixture[str], store: str) -> None:
    assert main(["bench", "servers", "--store", store]) == 2
    assert "secret" not in capsys.readouterr().err
