"""The search for the highest rate, on servers whose limit is known, and the table that tells of it."""

from __future__ import annotations

import os
import subprocess
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from novel_jupyter.bench.crew import Window
from novel_jupyter.bench.machine import Split, described
from novel_jupyter.bench.options import Options
from novel_jupyter.bench.orders import Stream
from novel_jupyter.bench.plan import Result, Row, Run, Stand, fixed, highest, search
from novel_jupyter.bench.report import as_json, table
from novel_jupyter.bench.workloads import _parts

WINDOW = Window(
    *(0.0, 0.0, 1.0, 5.0, 6.0, 0, 0, 0.1, 0.1, 0.2, 0.5, 0.2, 0.0, 30.0, 300.0, 1.0, 10.0),
    side="server",
    errors=0,
    said=[],
    gone=[],
)


class Limited:
    """Stands in for crew and target: carries up to `limit` messages a second."""

    name, guarantee, pid, beside = "limited", "none", os.getpid(), ()

    def __init__(self, limit: float, hiccups: int = 0, side: str = "server") -> None:
        self.limit, self.hiccups, self.side = limit, hiccups, side
        self.asked: list[float] = []

    def measure(self, pid: int, streams: list[Stream], **other: object) -> Window:
        rate = streams[0].rate
        self.asked.append(rate)
        window = replace(WINDOW, sent=rate, deliveries=10 * rate, side=self.side)
        if rate > self.limit:
            return replace(window, p99=1000.0)
        if self.hiccups:
            self.hiccups -= 1
            return replace(window, p99=500.0, side="neither", others_cpu=0.9)
        return window

    def quiet(self, pid: int) -> None:
        pass


def stand(limited: Limited) -> Stand:
    here = frozenset(os.sched_getaffinity(0))
    return Stand(cast(Any, limited), cast(Any, limited), Options(rounds=2), [], Split(here, here))


def streams(rate: float) -> list[Stream]:
    return [Stream("r", "host", rate, 300)]


@pytest.mark.parametrize("limit", [0.5, 7.0, 990.0, 12_345.0, 900_000.0])
@pytest.mark.parametrize("hiccups", [0, 2])
def test_the_highest_rate_is_found_from_anywhere(limit: float, hiccups: int) -> None:
    found = highest(stand(Limited(limit, hiccups)), streams, 1000.0, lambda text: None)
    assert found is not None
    assert limit / 1.11 <= found[0] <= limit


def test_a_failure_is_doubted_where_nobody_was_full() -> None:
    """Four failures at one rate are a failure; it is tried once more at the end, and the search goes on."""
    found = highest(stand(Limited(12_345.0, 4, "neither")), streams, 1000.0, lambda text: None)
    assert found is not None
    assert 12_345 / 1.11 <= found[0] <= 12_345
    believed = highest(stand(Limited(12_345.0, 4)), streams, 1000.0, lambda text: None)
    assert believed is not None
    assert believed[0] < 1000


def test_nothing_that_is_carried_is_no_rate(tmp_path: Path) -> None:
    run = Run(Options(rounds=1), Split.of_this_machine(), tmp_path, lambda text: None)
    (row,) = search(run, [stand(Limited(0.0))], streams, 1.0, "deliveries/s")
    assert row.values == [0.0]
    assert row.window is None


def test_rounds_take_turns_and_are_all_told(tmp_path: Path) -> None:
    said: list[str] = []
    run = Run(Options(rounds=2), Split.of_this_machine(), tmp_path, said.append)
    one, two = Limited(1000.0), Limited(5000.0)
    rows = search(run, [stand(one), stand(two)], streams, 800.0, "deliveries/s")
    assert [len(row.values) for row in rows] == [2, 2]
    assert rows[1].value > 3 * rows[0].value
    assert [text.strip() for text in said if "round" in text] == [
        *("round 1: limited", "round 1: limited", "round 2: limited", "round 2: limited")
    ]
    same = fixed(run, [stand(one)], streams(10.0), "ms p99", lambda window: window.p99)
    rows[0].server, same[0].server = "novel_jupyter", "tornado"
    results = [Result("relay", "a title", [*rows, *same], ["a note"])]
    machine = described(run.split)
    text = table(results, machine, ["raw is left out"])
    for part in ("a title", "a note", "raw is left out", machine.model, "Tornado write_message (floor)"):
        assert part in text
    report = cast(Any, as_json(results, machine, run.options, []))
    assert report["results"][0]["rows"][0]["window"]["side"] == "server"
    assert report["raised"]["max_in_flight"] > 64


class Idle:
    """A server that does nothing, and its store."""

    def __init__(self, processes: list[subprocess.Popen[bytes]]) -> None:
        self.pid, self.beside = processes[0].pid, tuple(process.pid for process in processes[1:])

    @property
    def cores(self) -> list[set[int]]:
        return [os.sched_getaffinity(pid) for pid in (self.pid, *self.beside)]


def test_whose_turn_it_is_has_the_cores_of_servers_for_itself() -> None:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        pytest.skip("one core")
    split = Split(frozenset(cores[:1]), frozenset(cores[1:2]))
    with ExitStack() as stack:
        sleepers = [subprocess.Popen(["sleep", "60"]) for _ in range(3)]
        for sleeper in sleepers:
            stack.callback(sleeper.wait)
            stack.callback(sleeper.kill)
        one, other = Idle(sleepers[:2]), Idle(sleepers[2:])
        stands = [Stand(cast(Any, t), cast(Any, None), Options(), [], split) for t in (one, other)]
        stands[0].others, stands[1].others = [cast(Any, other)], [cast(Any, one)]
        stands[0].take_turn()
        assert (one.cores, other.cores) == ([{cores[0]}] * 2, [{cores[1]}])
        stands[1].take_turn()
        assert (one.cores, other.cores) == ([{cores[1]}] * 2, [{cores[0]}])


def test_what_people_cost_who_say_nothing_is_taken_from_what_a_delivery_costs() -> None:
    """0.05 core beside 10,000 deliveries a second: 5 µs for each of them, 50 for each of 1,000 people."""
    row = Row("ours", "", "µs", [20.0, 25.0], replace(WINDOW, deliveries=10_000.0))
    assert _parts(row, 0.05, 1_000) == {
        "upkeep_cores": 0.05,
        "upkeep_µs_a_person": 50.0,
        "µs_without_upkeep": [15.0, 20.0],
    }
    assert _parts(replace(row, window=None), 0.05, 1_000) == {}
