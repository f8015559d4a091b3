"""Everybody at once: a storm of joins, and of reconnects after a crash; and a long history.

Law: as in `workloads`. Whoever reconnects says what they have, and the answer has to be more than silence.
Parts: `join`, `reconnect`, `history`.
"""

from __future__ import annotations

import time
from statistics import median
from typing import Final

from .crew import Crew, Window
from .machine import usage
from .options import Options
from .orders import Came, Stream
from .person import BenchError
from .plan import Result, Row, Run, stands
from .targets import Ours, Target

ARRIVALS: Final = 200.0
"""People a second, unless the options say."""
PAGE: Final = 20
LOOKS: Final = 15
QUIET: Final = 50.0
"""Edits a second while a history is looked at."""


def join(run: Run) -> Result:
    """People arrive at a fixed rate, whether or not those before are in."""
    options = run.options
    rate = options.rate or ARRIVALS
    sessions = max(1, options.sessions // 2)
    targets: list[Target] = [run.ours(), *run.references()]
    rows = [Row(target.name, target.guarantee, "ms p99", []) for target in targets]
    try:
        for target in targets:
            target.start()
        for n in range(options.rounds):
            for row, target in zip(rows, targets, strict=True):
                with Crew(run.split) as crew:
                    groups = target.groups(sessions, options.people, False)
                    sooner, began = usage(target.pid).cpu, time.monotonic()
                    came = crew.come(target.place, groups, rate=rate)
                    took = time.monotonic() - began
                row.values.append(came.latency.milliseconds(0.99))
                row.more = {
                    "p50_ms": came.latency.milliseconds(0.5),
                    "people": came.count,
                    "seconds": round(came.seconds, 2),
                    "server_cpu": round((usage(target.pid).cpu - sooner) / took, 2),
                    "server_ms_each": round(1e3 * (usage(target.pid).cpu - sooner) / came.count, 2),
                }
                run.say(f"  round {n + 1}: {row.server}: p99 {row.values[-1]:.1f} ms, {row.more}")
    finally:
        for target in targets:
            target.stop()
    for row in rows:
        ours = row.server == rows[0].server
        row.guarantee = "authenticated, in the session, with its state" if ours else "connected"
    return Result("join", f"{sessions * options.people} people, {rate:g} a second", rows)


def reconnect(run: Run) -> Result:
    """The server is killed and comes back; everybody returns with what they have."""
    options = run.options
    values: list[float] = []
    more: dict[str, object] = {}
    with stands(run, [run.ours()], host=False) as found:
        target, crew = found[0].target, found[0].crew
        assert isinstance(target, Ours)
        for n in range(options.rounds):
            before = found[0].measure([Stream("e", "people", QUIET, options.size)])
            began = time.monotonic()
            target.restart()
            down = time.monotonic() - began
            came = crew.come(target.place, [], again=True, together=128)
            values.append(came.seconds)
            more = {
                "people": came.count,
                "answers": came.answers,
                "down_s": round(down, 2),
                "p99_ms": came.latency.milliseconds(0.99),
                "edits_before": before.sent,
            }
            run.say(f"  round {n + 1}: all back after {came.seconds:.2f} s, {more}")
    row = Row("novel_jupyter", "authenticated; what was missed, or the state", "s until all are back", values)
    row.more = more
    return Result("reconnect", "a killed server, and everybody comes back", [row])


def history(run: Run) -> Result:
    """A session with a long log beside a new one: joining, editing and paging should cost the same."""
    options = run.options
    rows: list[Row] = []
    notes: list[str] = []
    with stands(run, [run.ours()], 1, host=False) as found:
        target, crew = found[0].target, found[0].crew
        assert isinstance(target, Ours)
        session = found[0].groups[0][0].session
        rows.append(_looked(run, target, crew, session, "a short history", 0))
        took = _grow(run, target, crew, options)
        notes.append(took)
        rows.append(_looked(run, target, crew, session, f"{options.events} events", options.events))
    return Result("history", f"a log of {options.events} events beside a short one", rows, notes)


def _grow(run: Run, target: Ours, crew: Crew, options: Options) -> str:
    """Real edits by everybody in the session, as fast as it takes them."""
    began, made, rate = time.monotonic(), 0.0, 1000.0
    while made < options.events:
        seconds = max(0.2, min(5.0, (options.events - made) / rate))
        streams = [Stream("e", "people", rate, 200)]
        window = crew.measure(target.pid, streams, warm=0.0, seconds=seconds, drain=20.0)
        if window.short or window.gone:
            raise BenchError(f"a history could not be made: {window.said or window.gone or window.lost}")
        made += window.sent * seconds
        rate = rate * 1.5 if window.p99 < 50 else max(200.0, rate / 1.5) if window.p99 > 400 else rate
        run.say(f"  {made:.0f} events, {window.sent:.0f} a second, p99 {window.p99:.0f} ms")
    took = time.monotonic() - began
    return f"{made:.0f} edits in one session in {took:.0f} s ({made / took:.0f} a second)"


def _looked(run: Run, target: Ours, crew: Crew, session: str, text: str, events: int) -> Row:
    """`events`: how far back the pages that are read begin, at most."""
    streams = [Stream("e", "people", QUIET, 200)]
    seconds = run.options.seconds
    windows: list[Window] = [
        crew.measure(target.pid, streams, warm=0.2, seconds=seconds, drain=10.0)
        for _ in range(run.options.rounds)
    ]
    window = sorted(windows, key=lambda each: each.p99)[len(windows) // 2]
    came: Came = crew.come(target.place, [], again=True, together=1)
    pages: list[float] = []
    for n in range(LOOKS):
        began = time.monotonic()
        after = events * n // LOOKS
        path = f"novel/api/sessions/{session}/events?after={after}&limit={PAGE}"
        target.call("GET", path, token=target.token("p0"))
        pages.append(time.monotonic() - began)
    row = Row(f"novel_jupyter, {text}", "durable", "ms p99 of an edit", [w.p99 for w in windows], window)
    row.more = {
        "join_p50_ms": came.latency.milliseconds(0.5),
        "page_p50_ms": round(1e3 * median(pages), 2),
        "edit_p50_ms": window.p50,
        "memory_mb": window.memory_mb,
    }
    run.say(f"  {text}: edit p99 {row.value:.1f} ms, {row.more}")
    return row
