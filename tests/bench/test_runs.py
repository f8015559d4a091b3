"""Every workload end to end on real processes, small: the figures mean nothing here, but that they come, that
nothing is lost, and that every process is gone afterwards.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import psutil
import pytest

from novel_jupyter.bench.command import RUNS
from novel_jupyter.bench.crew import Crew, side
from novel_jupyter.bench.machine import Split
from novel_jupyter.bench.options import WORKLOADS, Options
from novel_jupyter.bench.orders import Stream
from novel_jupyter.bench.person import BenchError
from novel_jupyter.bench.plan import Result, Row, Run
from novel_jupyter.bench.report import picture
from novel_jupyter.bench.targets import REFERENCES as KINDS
from novel_jupyter.bench.targets import Ours, Reference, missing
from novel_jupyter.cli import main

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the harness reads /proc"),
]
SMALL = "--sessions 2 --people 2 --seconds 0.5 --warm 0.1 --rounds 1".split()
RATES = {
    "relay": "40",
    "edits": "40",
    "cursors": "40",
    "huge": "20",
    "many": "20",
    "slow": "40",
    "join": "50",
}


def bench(tmp_path: Path, name: str, *more: str) -> dict[str, Any]:
    file = tmp_path / "found.json"
    rate = ["--rate", RATES[name]] if name in RATES else []
    assert main(["bench", name, *SMALL, *rate, "--json", str(file), *more]) == 0
    found: dict[str, Any] = json.loads(file.read_text())
    return found


@pytest.mark.parametrize("name", sorted(set(WORKLOADS) - {"relay", "start", "history"}))
def test_a_workload_gives_figures(tmp_path: Path, name: str) -> None:
    report = bench(tmp_path, name, "--references", "tornado")
    assert report["results"]
    for result in report["results"]:
        assert result["rows"]
        for row in result["rows"]:
            assert row["values"]
            assert all(value > 0 for value in row["values"])
            window = row["window"]
            if window is not None:
                assert (window["short"], window["errors"], window["gone"]) == (0, 0, [])
                assert window["deliveries"] > 0
            if name in ("huge", "many"):
                # Of two people for two seconds there is hardly any: `_parts` has a test of its own.
                assert row["more"]["upkeep_cores"] >= 0
                (net,), (gross,) = row["more"]["µs_without_upkeep"], row["values"]
                assert 0 < net < gross + 0.01


def test_every_reference_that_is_installed_relays_what_ours_does(tmp_path: Path) -> None:
    svg = tmp_path / "found.svg"
    report = bench(tmp_path, "relay", "--svg", str(svg))
    (result,) = report["results"]
    there = [name for name in KINDS if not missing(name)]
    assert {"tornado", "raw"} <= set(there)
    assert [row["server"] for row in result["rows"]] == ["novel_jupyter", *there]
    for row in result["rows"]:
        window = row["window"]
        assert (window["lost"], window["short"], window["gone"]) == (0, 0, [])
        # 40 a second from one host each, to two people: the same load for everybody, and near enough in size
        assert window["sent"] == pytest.approx(40, rel=0.1)
        assert window["bytes_each"] < 300 * 1.6
    assert set(result["ratios"]) == set(there)
    assert ElementTree.fromstring(svg.read_text()).tag.endswith("svg")


def test_a_history_grows_and_is_looked_at(tmp_path: Path) -> None:
    report = bench(tmp_path, "history", "--events", "200")
    short, long = report["results"][0]["rows"]
    assert long["server"].endswith("200 events")
    assert all(row["more"]["page_p50_ms"] > 0 and row["more"]["join_p50_ms"] > 0 for row in (short, long))


def test_the_start_is_measured(tmp_path: Path) -> None:
    (result,) = bench(tmp_path, "start")["results"]
    assert [len(row["values"]) for row in result["rows"]] == [5, 5]


def test_a_search_ends_with_a_rate_that_was_carried(tmp_path: Path) -> None:
    """The bound is so low that no machine gets far."""
    file = tmp_path / "found.json"
    arguments = [*SMALL, "--short", "--references", "none", "--p99", "20", "--json", str(file)]
    assert main(["bench", "edits", *arguments]) == 0
    most = json.loads(file.read_text())["results"][0]["rows"][0]
    assert most["window"]["p99"] <= 20
    assert most["unit"] == "deliveries/s"


def test_clients_that_stop_reading_are_not_counted(tmp_path: Path) -> None:
    split = Split.of_this_machine()
    reference = Reference("tornado", split)
    with reference, Crew(split) as crew:
        groups = reference.groups(2, 4, True)
        came = crew.come(reference.place, groups)
        assert came.count == 10
        window = crew.measure(
            reference.pid, [Stream("r", "host", 50.0, 300)], warm=0.1, seconds=0.4, stalled=0.25
        )
        # Of eight people two hang: each message, however many were sent, comes to three others.
        assert (window.lost, window.short) == (0, 0)
        assert window.by_kind["r"]["count"] > 0
        assert window.by_kind["r"]["count"] % 3 == 0


def test_a_server_that_dies_is_no_figure(tmp_path: Path) -> None:
    split = Split.of_this_machine()
    reference = Reference("raw", split)
    with reference, Crew(split) as crew:
        groups = reference.groups(1, 2, True)
        crew.come(reference.place, groups)
        killer = threading.Timer(0.3, reference.stop)
        killer.start()
        with pytest.raises((BenchError, OSError)):
            crew.measure(reference.pid, [Stream("r", "host", 50.0, 300)], warm=0.1, seconds=1.0)
        killer.join()
        with pytest.raises(BenchError, match="not everybody came in"):
            crew.come(reference.place, groups)


def test_who_is_refused_is_told(tmp_path: Path) -> None:
    split = Split.of_this_machine()
    ours = Ours(tmp_path / "ours", split, people=2)
    ours.start()
    try:
        with Crew(split) as crew:
            (group,) = ours.groups(1, 2, False)
            wrong = [type(one)("f" * 32, one.name, "", one.headers) for one in group]
            with pytest.raises(BenchError, match="no_session"):
                crew.come(ours.place, [wrong])
            bad = [type(one)(one.session, one.name, "", {"Authorization": "token no"}) for one in group]
            with pytest.raises(BenchError, match="403"):
                crew.come(ours.place, [bad])
    finally:
        ours.stop()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_every_process(tmp_path: Path, how: signal.Signals) -> None:
    command = [
        sys.executable,
        "-m",
        "novel_jupyter.cli",
        "bench",
        "relay",
        "--sessions",
        "2",
        "--seconds",
        "30",
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [*command, "--references", "tornado", "--rate", "20", "--seconds", "30"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "tornado: starting" in line:
                break
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        process.send_signal(how)
        assert process.wait(60) == 130
        _, alive = psutil.wait_procs(children, timeout=20)
        assert alive == []
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def test_a_reference_ends_with_its_starter(tmp_path: Path) -> None:
    code = """
import time
from novel_jupyter.bench.machine import Split
from novel_jupyter.bench.targets import Reference
reference = Reference("raw", Split.of_this_machine())
reference.start()
print(reference.pid, flush=True)
time.sleep(60)
"""
    starter = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert starter.stdout is not None
    with starter, starter.stdout:
        reference = psutil.Process(int(starter.stdout.readline()))
        starter.kill()
    reference.wait(20)


def test_a_missing_reference_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "novel_jupyter.bench.plan.missing", lambda name: ["nowhere"] if name == "seed" else []
    )
    said: list[str] = []
    run = Run(Options(references=("raw", "seed")), Split.of_this_machine(), tmp_path, said.append)
    assert [reference.name for reference in run.references()] == ["raw"]
    assert run.skipped == said
    assert "nowhere" in said[0]


def test_what_the_command_line_offers_is_there() -> None:
    assert list(WORKLOADS) == list(RUNS)
    assert Options().references == tuple(KINDS)


def test_an_unknown_reference_is_a_mistake_of_the_caller(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["bench", "relay", "--references", "tornado,netty"])
    assert "no reference 'netty'" in capsys.readouterr().err


def test_the_side_that_is_full_is_named() -> None:
    two, one = Split(frozenset({0}), frozenset({1})), Split(frozenset({0}), frozenset({0}))
    assert [side(*cpu, two) for cpu in ((0.9, 0.2), (0.2, 0.9), (0.9, 0.9), (0.5, 0.5))] == [
        *("server", "clients", "both", "neither")
    ]
    assert side(0.5, 0.4, one) == "both"


def test_ratios_are_of_what_has_the_same_unit() -> None:
    rows = [
        Row("novel_jupyter", "", "a", [2.0, 4.0, 9.0]),
        Row("raw", "", "a", [8.0]),
        Row("x", "", "b", [1.0]),
    ]
    result = Result("relay", "", rows)
    assert result.ratios == {"raw": 0.5}
    assert "(2–9)" in picture([result], _machine())


def _machine() -> Any:
    from novel_jupyter.bench.machine import described

    return described(Split.of_this_machine())
