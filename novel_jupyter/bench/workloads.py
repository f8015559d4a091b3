"""What people do, as loads: prose that is relayed, edits, cursors, all of it together, and its shapes.

Law: a workload is a function of a `Run`; it starts the servers that it needs and ends them.
Parts: `relay`, `edits`, `cursors`, `mixed`, `huge`, `many`, `slow`.
"""

from __future__ import annotations

from typing import Final

from .crew import Window
from .machine import fsync_seconds
from .options import Options
from .orders import Stream
from .plan import OURS, Result, Row, Run, fixed, search, stands
from .targets import Ours, Target

RATE: Final = "deliveries/s"
P99: Final = "ms p99"
EACH: Final = "µs server CPU a delivery"
STEADY: Final = 10_000.0
"""Deliveries a second where servers are compared at the same rate."""
CURSOR_HZ, EDIT_HZ, TURN_SECONDS = 10.0, 0.2, 6.0
STALLED: Final = 0.05
PROSE_HZ, PROSE_BYTES = 500.0, 2000
BUFFER: Final = 65_536


def _p99(window: Window) -> float:
    return window.p99


def _each(window: Window) -> float:
    return window.microseconds


def relay(run: Run) -> Result:
    """Narration chunks of a host, to everybody in its session: nothing is stored, nothing may be lost."""
    options = run.options
    targets: list[Target] = [run.ours(), *run.references()]
    with stands(run, targets, host=True) as found:
        if options.rate is not None:
            rows = fixed(run, found, [Stream("r", "host", options.rate, options.size)], P99, _p99)
        else:
            rows = search(
                run,
                found,
                lambda rate: [Stream("r", "host", rate, options.size)],
                STEADY / options.people,
                RATE,
            )
    for row in rows:
        row.guarantee = "relayed, in order, none lost" if row.server == OURS else row.guarantee
    return Result("relay", _how(options, "relayed messages"), rows, _sides(rows))


def edits(run: Run) -> list[Result]:
    """Edits that are broadcast after they were committed: as many as go, then all servers at one rate (the
    references relay messages of the same size and keep nothing).
    """
    options = run.options
    steady = options.rate or STEADY / options.people
    most: list[Row] = []
    if options.rate is None:
        with run.on_redis() as redis, stands(run, [run.ours(), *redis], host=False) as found:
            most = search(run, found, lambda rate: [Stream("e", "people", rate, options.size)], steady, RATE)
    with run.on_redis() as redis:
        targets: list[Target] = [run.ours(), *redis, *run.references()]
        with stands(run, targets, host=False) as found:
            same = fixed(run, found, [Stream("e", "people", steady, options.size)], P99, _p99)
    for row in (*most, *same):
        if row.server == OURS:
            row.guarantee = "durable: fsync before broadcast, ordered, once"
        elif row.server.startswith(OURS):
            row.guarantee = "durable as that Redis is, ordered, once; its CPU is not in the server's"
    disk = fsync_seconds(run.folder)
    note = (
        f"one fsync on this disk: p50 {1e3 * disk[len(disk) // 2]:.2f} ms, "
        f"p99 {1e3 * disk[int(0.99 * len(disk))]:.2f} ms"
    )
    results = [Result("edits-steady", f"{steady:g} edits a second", same, [note, *_sides(same)])]
    if most:
        results.insert(0, Result("edits", _how(options, "durable edits"), most, _sides(most)))
    return results


def cursors(run: Run) -> Result:
    """Everybody's cursor, to everybody in the session. Ours come once a tick, the last position of each."""
    options = run.options
    targets: list[Target] = [run.ours(), *run.references()]
    people = options.sessions * options.people
    with stands(run, targets, host=False) as found:
        if options.rate is not None:
            rows = fixed(run, found, [Stream("c", "people", options.rate, options.size)], P99, _p99)
        else:
            rows = search(
                run,
                found,
                lambda rate: [Stream("c", "people", rate, options.size)],
                people,
                "moves/s",
                lambda window: window.sent,
            )
    for row in rows:
        if row.server == OURS:
            row.guarantee = "the last position, 20 times a second at most"
    return Result("cursors", _how(options, "cursor moves"), rows, _sides(rows))


def _how(options: Options, what: str) -> str:
    if options.rate is not None:
        return f"{options.rate:g} {what} a second"
    return f"highest rate of {what} with p99 within {options.p99:g} ms"


def mixed(run: Run) -> Result:
    """A session as people play it: cursors at 10 Hz, edits, and turns that are told and committed."""
    options = run.options
    sessions = max(1, options.sessions // 5)
    people = sessions * options.people
    streams = [
        Stream("c", "people", people * CURSOR_HZ, options.size),
        Stream("e", "people", people * EDIT_HZ, options.size),
        Stream("t", "host", sessions / TURN_SECONDS, options.size),
    ]
    with stands(run, [run.ours()], sessions, host=True) as found:
        rows = fixed(run, found, streams, P99, _p99)
    for row in rows:
        if row.window is not None:
            row.more |= {"by_kind": row.window.by_kind, "turns": row.window.turns}
    title = f"{sessions} sessions × {options.people}: cursors at 10 Hz, edits, turns with streamed prose"
    return Result("mixed", title, rows, _sides(rows))


def huge(run: Run) -> Result:
    """One session with a crowd in it, beside the same crowd in small sessions: the cost of a delivery."""
    options = run.options
    crowd = options.sessions * options.people // 2
    rows = _shapes(
        run,
        [(f"1 × {crowd}", 1, crowd), (f"{options.sessions // 2 or 1} × {options.people}", 0, 0)],
        ["tornado", "raw"],
    )
    return Result("huge", f"one session of {crowd}, and as many people in small ones", rows, _sides(rows))


def many(run: Run) -> Result:
    """Ten times as many sessions at the same rate: what a delivery costs beside the upkeep of the people who
    are there should not change.
    """
    options = run.options
    shapes = [
        (f"{options.sessions * 10} × {options.people}", options.sessions * 10, options.people),
        (f"{options.sessions} × {options.people}", options.sessions, options.people),
    ]
    rows = _shapes(run, shapes, ["tornado"])
    return Result("many", f"{shapes[0][0]} beside {shapes[1][0]}", rows, _sides(rows))


def _shapes(run: Run, shapes: list[tuple[str, int, int]], among: list[str]) -> list[Row]:
    """The same deliveries a second in several shapes, on every server."""
    options = run.options
    rows: list[Row] = []
    for text, sessions, people in shapes:
        count, each = sessions or max(1, options.sessions // 2), people or options.people
        targets: list[Target] = [run.ours(count * each), *run.references(among)]
        rate = (options.rate or STEADY / options.people) * options.people / each
        run.say(f"  {text}")
        with stands(run, targets, count, each, host=True) as found:
            these = fixed(run, found, [Stream("r", "host", rate, options.size)], EACH, _each)
            quiet = [stand.upkeep() for stand in found]
        for row, upkeep in zip(these, quiet, strict=True):
            row.server = f"{row.server} {text}"
            row.more |= _parts(row, upkeep, count * each)
        rows += these
    return rows


def _parts(row: Row, upkeep: float, people: int) -> dict[str, object]:
    """What of a delivery's cost is upkeep, which grows with the people who are there and not with what they
    say.
    """
    window = row.window
    if window is None or not window.deliveries:
        return {}
    of_each = 1e6 * upkeep / window.deliveries
    return {
        "upkeep_cores": round(upkeep, 4),
        "upkeep_µs_a_person": round(1e6 * upkeep / people, 2),
        "µs_without_upkeep": [round(value - of_each, 2) for value in row.values],
    }


def slow(run: Run) -> Result:
    """Some clients stop reading while much prose is streamed; what the others see, and what the server does
    about the slow.
    """
    options = run.options
    sessions = max(1, options.sessions // 50)
    stream = Stream("r", "host", options.rate or sessions * PROSE_HZ, PROSE_BYTES)
    rows: list[Row] = []
    # The system keeps little for who does not read, so that a run of seconds reaches our own bound.
    with stands(run, [run.ours()], sessions, host=True, buffer=BUFFER) as found:
        target = found[0].target
        assert isinstance(target, Ours)
        for share in (0.0, STALLED):
            before = target.counter("novel_jupyter_resyncs_total")
            these = fixed(run, found, [stream], P99, _p99, share)
            for row in these:
                row.more["resyncs"] = target.counter("novel_jupyter_resyncs_total") - before
                row.server = f"{row.server}, {share:.0%} do not read" if share else row.server
                row.guarantee = "relayed to who reads; a resync for who does not"
            rows += these
    title = f"{stream.rate:g} chunks of {PROSE_BYTES} bytes a second, and 5% of clients that do not read"
    notes = _sides(rows)
    if not rows[-1].more["resyncs"]:
        notes.append("what the system keeps for a socket was enough for so short a run: no bound was reached")
    return Result("slow", title, rows, notes)


def _sides(rows: list[Row]) -> list[str]:
    """Where the clients were the limit, the figure is a lower bound; and what went wrong."""
    notes: list[str] = []
    for row in rows:
        window = row.window
        if window is None:
            continue
        if window.side in ("clients", "both"):
            notes.append(f"{row.server}: the clients were the limit, so its figure is a lower bound")
        if window.short or window.errors or window.gone:
            why = [*window.said, *window.gone][:1]
            notes.append(
                f"{row.server}: {window.short} receivers did not get everything, {window.errors} refusals, "
                f"{len(window.gone)} connections lost {why}"
            )
    return notes
