"""What a run is asked for, and what it gives back.

Law: every figure keeps all its rounds, so that the spread can be seen; rounds of several servers take turns,
so that all see the same machine. Whose turn it is has the servers' cores for itself: what the others do for
people who say nothing, they do on those of the clients.
Parts: `Row`, `Result`, `Stand`, `Standing`, `ours`, `references`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Final

from .crew import Crew, Window
from .loop import Member
from .machine import Split, pin
from .options import Options
from .orders import Stream
from .targets import REFERENCES, Ours, Reference, Target, missing

OURS: Final = "novel_jupyter"
QUIET_WINDOWS: Final = 4
"""Windows for which upkeep is measured: it comes in waves, as people came."""


@dataclass(slots=True)
class Row:
    """One server in one workload: `value` is what is compared (higher is better unless `unit` is a cost),
    `values` all rounds of it.
    """

    server: str
    guarantee: str
    unit: str
    values: list[float]
    window: Window | None = None
    more: dict[str, object] = field(default_factory=dict)

    @property
    def value(self) -> float:
        return median(self.values) if self.values else 0.0


@dataclass(slots=True)
class Result:
    """One workload. `ratios`: ours beside each other server, of the medians."""

    workload: str
    title: str
    rows: list[Row]
    notes: list[str] = field(default_factory=list)

    @property
    def ratios(self) -> dict[str, float]:
        mine = next((row for row in self.rows if row.server == OURS), None)
        if mine is None:
            return {}
        return {
            row.server: round(mine.value / row.value, 2)
            for row in self.rows
            if row is not mine and row.value and row.unit == mine.unit
        }

    def as_json(self) -> dict[str, object]:
        rows = [{**asdict(row), "value": row.value} for row in self.rows]
        return {
            "workload": self.workload,
            "title": self.title,
            "rows": rows,
            "ratios": self.ratios,
            "notes": self.notes,
        }


@dataclass(slots=True)
class Run:
    """What workloads share. `say` tells of progress."""

    options: Options
    split: Split
    folder: Path
    say: Callable[[str], None]
    skipped: list[str] = field(default_factory=list)
    _made: int = 0

    def ours(self, people: int = 0, name: str = OURS, **traits: object) -> Ours:
        """Our server, with a store of its own unless the options name one."""
        self._made += 1
        options = self.options
        store = {"store": options.store} if options.store else {}
        most = max(people, options.sessions * options.people)
        return Ours(self.folder / f"server-{self._made}", self.split, name, most, {**store, **traits})

    @contextmanager
    def on_redis(self) -> Iterator[list[Ours]]:
        """Our server on a Redis of the run, if there is one to start."""
        with ExitStack() as stack:
            found: list[Ours] = []
            if self.options.redis:
                try:
                    from novel_jupyter.testing_redis import RedisServer

                    redis = stack.enter_context(RedisServer(self.folder / f"redis-{self._made}"))
                    ours = self.ours(name=f"{OURS} on Redis", store=redis.url)
                    ours.beside = (redis.pid,)
                    found.append(ours)
                except (ImportError, FileNotFoundError) as error:
                    self._skip(f"Redis is left out: {error}")
            yield found

    def _skip(self, text: str) -> None:
        if text not in self.skipped:
            self.skipped.append(text)
            self.say(text)

    def references(self, among: Sequence[str] = tuple(REFERENCES)) -> list[Reference]:
        """Those that were asked for and are installed."""
        found: list[Reference] = []
        for name in self.options.references:
            lacks = missing(name)
            if lacks:
                self._skip(f"{name} is left out, for want of {', '.join(lacks)}: the extra `bench` has it")
            elif name in among:
                found.append(Reference(name, self.split))
        return found


@dataclass(slots=True)
class Stand:
    """A server with its clients connected."""

    target: Target
    crew: Crew
    options: Options
    groups: Sequence[Sequence[Member]]
    split: Split
    others: Sequence[Target] = ()

    def take_turn(self) -> None:
        for target in self.others:
            _place(target, self.split.clients)
        _place(self.target, self.split.servers)

    def measure(self, streams: Sequence[Stream], stalled: float = 0.0, windows: int = 1) -> Window:
        self.take_turn()
        warm, seconds = self.options.warm, windows * self.options.seconds
        return self.crew.measure(
            self.target.pid, streams, warm=warm, seconds=seconds, stalled=stalled, drain=10.0
        )

    def upkeep(self) -> float:
        """Cores that the server takes for people who say nothing; by default over a round of its pings."""
        return self.measure([], windows=QUIET_WINDOWS).server_cpu


@contextmanager
def stands(
    run: Run,
    targets: Sequence[Target],
    sessions: int | None = None,
    people: int | None = None,
    *,
    host: bool,
    settings: Mapping[str, object] | None = None,
    buffer: int = 0,
) -> Iterator[list[Stand]]:
    """Every server started, with its own clients in so many sessions."""
    options = run.options
    with ExitStack() as stack:
        found: list[Stand] = []
        for target in targets:
            run.say(f"  {target.name}: starting")
            stack.callback(target.stop)
            target.start()
            crew = stack.enter_context(Crew(run.split))
            count, each = sessions or options.sessions, people or options.people
            if isinstance(target, Ours):
                groups = target.groups(count, each, host, settings)
            else:
                groups = target.groups(count, each, host)
            crew.come(replace(target.place, buffer=buffer), groups, tell=host and isinstance(target, Ours))
            found.append(Stand(target, crew, options, groups, run.split))
        for stand in found:
            stand.others = [other.target for other in found if other is not stand]
        yield found


def _place(target: Target, cores: frozenset[int]) -> None:
    for pid in (target.pid, *target.beside):
        pin(pid, cores)


STEP: Final = 2.0
STEPS: Final = 16
DOUBTED: Final = 1.25
TRIES: Final = 3
DISTURBED: Final = 0.15
"""Cores taken by others from which on a failure may be theirs."""


def highest(
    stand: Stand, streams: Callable[[float], list[Stream]], start: float, say: Callable[[str], None]
) -> tuple[float, Window] | None:
    """The highest rate that was carried within the bound, and its window: by steps, then by halves."""
    rate, good, bad, doubts = start, None, None, stand.options.doubts
    for _ in range(STEPS):
        window = _tried(stand, streams(rate))
        held = window.holds(stand.options.p99)
        say(
            f"  {stand.target.name}: {rate:.0f}/s, {window.deliveries:.0f} deliveries/s, p50 "
            f"{window.p50:.1f}, p99 {window.p99:.1f} ms, cores: server {window.server_cpu:.2f}, clients "
            f"{window.client_cpu:.2f}, others {window.others_cpu:.2f}"
            f"{'' if held else ': too much'}"
        )
        if held:
            good = (rate, window)
        else:
            bad = rate
        if good is not None and bad is not None:
            if bad / good[0] > stand.options.near:
                rate = (bad * good[0]) ** 0.5
            elif doubts and good[1].side == "neither":
                # Neither side is full at what was carried, so what failed above it may have been a hiccup.
                doubts, bad, rate = doubts - 1, None, good[0] * DOUBTED
            else:
                break
        else:
            rate = rate / STEP if good is None else rate * STEP
    return good


def _tried(stand: Stand, streams: Sequence[Stream]) -> Window:
    """A rate that fails is tried again: once, and more often where other processes of the machine were in the
    way and no side of the run was full.
    """
    window = stand.measure(streams)
    for n in range(TRIES):
        disturbed = window.side == "neither" and window.others_cpu > DISTURBED
        if window.holds(stand.options.p99) or (n and not disturbed):
            break
        stand.crew.quiet(stand.target.pid)
        window = stand.measure(streams)
    if not window.holds(stand.options.p99):
        stand.crew.quiet(stand.target.pid)
    return window


def search(
    run: Run,
    found: Sequence[Stand],
    streams: Callable[[float], list[Stream]],
    start: float,
    unit: str,
    figure: Callable[[Window], float] = lambda window: window.deliveries,
) -> list[Row]:
    """`highest` for every server, round by round, each from where the last round ended."""
    rows = [Row(stand.target.name, stand.target.guarantee, unit, []) for stand in found]
    begin = [start] * len(found)
    for n in range(run.options.rounds):
        for m, stand in enumerate(found):
            run.say(f"  round {n + 1}: {stand.target.name}")
            best = highest(stand, streams, begin[m], run.say)
            if best is None:
                rows[m].values.append(0.0)
                continue
            begin[m] = best[0] / run.options.near
            rows[m].values.append(figure(best[1]))
            if rows[m].window is None or figure(best[1]) >= max(rows[m].values):
                rows[m].window = best[1]
    return rows


def fixed(
    run: Run,
    found: Sequence[Stand],
    streams: Sequence[Stream],
    unit: str,
    figure: Callable[[Window], float],
    stalled: float = 0.0,
) -> list[Row]:
    """The same load on every server, round by round; the window is that of the middle figure."""
    kept: list[list[Window]] = [[] for _ in found]
    for n in range(run.options.rounds):
        for m, stand in enumerate(found):
            window = stand.measure(streams, stalled)
            run.say(
                f"  round {n + 1}: {stand.target.name}: {window.deliveries:.0f} deliveries/s, "
                f"p50 {window.p50:.1f}, p99 {window.p99:.1f} ms, server {window.server_cpu:.2f}, "
                f"{window.microseconds:.1f} µs each, lost {window.lost}, errors {window.errors}"
            )
            kept[m].append(window)
            if stalled:
                stand.crew.quiet(stand.target.pid)  # who hung reads again, and is told what it missed
    rows: list[Row] = []
    for stand, windows in zip(found, kept, strict=True):
        middle = sorted(windows, key=figure)[len(windows) // 2]
        rows.append(
            Row(stand.target.name, stand.target.guarantee, unit, [figure(w) for w in windows], middle)
        )
    return rows
