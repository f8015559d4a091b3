"""The client processes from outside: started, told what to do, and measured beside the server.

Law: the CPU of both sides is read over the same window, and the side that is full is named. A run that broke
is no figure.
Parts: `Crew`, `Window` (what one load gave), `side`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from time import monotonic_ns
from typing import Any, Final, Self

from .histogram import Histogram
from .interrupts import held
from .loop import Member, Place
from .machine import Split, busy, pin, usage
from .orders import Came, Come, Counted, Leave, Load, Stream
from .person import BenchError
from .worker import SECOND, work

FULL: Final = 0.85
"""The share of its cores from which on a side counts as the limit."""
QUIET_SECONDS: Final = 20.0
LEAD: Final = 0.1
"""Seconds between the order and the first message: time for it to reach every process."""


@dataclass(slots=True)
class Window:
    """What one load gave. Latencies are in ms, from the moment at which a message was due to each receiver;
    rates are of the window; `server_cpu` and `client_cpu` are in cores, `others_cpu` is what other processes
    of the machine took.
    """

    sent: float
    deliveries: float
    p50: float
    p99: float
    highest: float
    lost: int
    short: int
    lag_p99: float
    """How late messages left: the clients' own lag."""
    probe_p50: float
    probe_p99: float
    """From a ping to its pong: the server's loop lag, and the clients'."""
    server_cpu: float
    client_cpu: float
    others_cpu: float
    memory_mb: float
    bytes_each: float
    frames_each: float
    """Frames for one delivery: less than 1 where several travel in one."""
    microseconds: float
    """Server CPU of one delivery."""
    side: str
    errors: int
    said: list[str]
    gone: list[str]
    by_kind: dict[str, dict[str, float]] = field(default_factory=dict)
    turns: int = 0

    def holds(self, p99: float) -> bool:
        """Whether everything came, in time."""
        return not (self.short or self.errors or self.gone) and self.p99 <= p99 and self.deliveries > 0


class Crew:
    """Client processes for one server. A context manager; everything ends with it."""

    def __init__(self, split: Split) -> None:
        self._split = split
        context = get_context("spawn")
        self._pipes: list[Connection[Any, Any]] = []
        self._processes: list[BaseProcess] = []
        for _ in range(split.workers):
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(theirs,), daemon=True)
            with held():
                process.start()
                self._processes.append(process)
            theirs.close()
            self._pipes.append(ours)
            pin(process.pid or 0, split.clients)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(2)
            process.kill()
            process.join()

    def _order(self, orders: Sequence[object]) -> list[Any]:
        """One for each process; their answers. Raises BenchError when one died."""
        try:
            for pipe, order in zip(self._pipes, orders, strict=True):
                pipe.send(order)
            return [pipe.recv() for pipe in self._pipes]
        except (EOFError, OSError):
            raise BenchError("a client process died") from None

    def come(
        self,
        place: Place,
        groups: Sequence[Sequence[Member]],
        *,
        tell: bool = False,
        rate: float | None = None,
        together: int = 64,
        again: bool = False,
    ) -> Came:
        """Connect everybody. Raises BenchError with the first reasons when somebody is not in."""
        count = len(self._pipes)
        each = rate / count if rate else None
        orders = [
            Come(place, list(groups[n::count]), max(1, together // count), each, tell, again)
            for n in range(count)
        ]
        answers: list[Came] = self._order(orders)
        failed = [why for came in answers for why in came.failed]
        if failed:
            raise BenchError(f"not everybody came in: {'; '.join(failed[:3])}")
        kinds: dict[str, int] = {}
        for came in answers:
            for kind, number in came.answers.items():
                kinds[kind] = kinds.get(kind, 0) + number
        latency = Histogram().merge(came.latency for came in answers)
        return Came(sum(came.count for came in answers), latency, max(c.seconds for c in answers), (), kinds)

    def leave(self) -> None:
        self._order([Leave()] * len(self._pipes))

    def measure(
        self,
        pid: int,
        streams: Sequence[Stream],
        *,
        warm: float,
        seconds: float,
        stalled: float = 0.0,
        drain: float = 3.0,
    ) -> Window:
        """One load on the server `pid`; the rates of `streams` are of all processes together."""
        count = len(self._pipes)
        shared = [Stream(s.kind, s.who, s.rate / count, s.size) for s in streams]
        begin = monotonic_ns() + int(LEAD * SECOND)
        load = Load(shared, begin, warm, seconds, drain, stalled)
        try:
            for pipe in self._pipes:
                pipe.send(load)
            _until(begin + int(warm * SECOND))
            sooner = self._read(pid)
            _until(begin + int((warm + seconds) * SECOND))
            later = self._read(pid)
            answers: list[Counted] = [pipe.recv() for pipe in self._pipes]
        except (EOFError, OSError):
            raise BenchError("a process of the run died") from None
        return _window(answers, sooner, later, self._split, warm, seconds)

    def quiet(self, pid: int) -> None:
        """Return when the server has done what it was asked, or after a while."""
        end, before = time.monotonic() + QUIET_SECONDS, usage(pid).cpu
        while time.monotonic() < end:
            time.sleep(0.25)  # a server does not say when it is idle
            now = usage(pid).cpu
            if now - before < 0.03:
                return
            before = now

    def _read(self, pid: int) -> _Read:
        clients = [usage(process.pid or 0).cpu for process in self._processes]
        server = usage(pid)
        return _Read(monotonic_ns() / 1e9, server.cpu, tuple(clients), busy(), server.memory)


@dataclass(frozen=True, slots=True)
class _Read:
    at: float
    server: float
    clients: tuple[float, ...]
    busy: float
    memory: int


def _until(moment: int) -> None:
    time.sleep(max(0.0, (moment - monotonic_ns()) / 1e9))


def _window(
    answers: Sequence[Counted], sooner: _Read, later: _Read, split: Split, warm: float, seconds: float
) -> Window:
    took = later.at - sooner.at
    server = (later.server - sooner.server) / took
    clients = [(b - a) / took for a, b in zip(sooner.clients, later.clients, strict=True)]
    others = (later.busy - sooner.busy) / took - server - sum(clients)
    kinds = sorted({kind for counted in answers for kind in counted.latency})
    latency = {k: Histogram().merge(c.latency[k] for c in answers if k in c.latency) for k in kinds}
    probe = latency.pop("p", Histogram())
    every = Histogram().merge(latency.values())
    lag = Histogram().merge(counted.lag for counted in answers)
    got = sum(sum(counted.got.values()) for counted in answers)
    expected = sum(sum(counted.expected.values()) for counted in answers)
    deliveries = every.count / took
    return Window(
        sent=round(sum(sum(c.sent.values()) for c in answers) / (warm + seconds), 1),
        deliveries=round(deliveries, 1),
        p50=every.milliseconds(0.5),
        p99=every.milliseconds(0.99),
        highest=round(every.highest / 1e6, 3),
        lost=expected - got,
        short=sum(counted.short for counted in answers),
        lag_p99=lag.milliseconds(0.99),
        probe_p50=probe.milliseconds(0.5),
        probe_p99=probe.milliseconds(0.99),
        server_cpu=round(server, 3),
        client_cpu=round(sum(clients), 3),
        others_cpu=round(max(0.0, others), 3),
        memory_mb=round(later.memory / 1e6, 1),
        bytes_each=round(sum(c.bytes for c in answers) / max(1, got), 1),
        frames_each=round(sum(c.frames for c in answers) / max(1, got), 3),
        microseconds=round(1e6 * server / deliveries, 2) if deliveries else 0.0,
        side=side(server, max(clients), split),
        errors=sum(counted.errors for counted in answers),
        said=[text for counted in answers for text in counted.said][:3],
        gone=[why for counted in answers for why in counted.gone][:3],
        by_kind={
            k: {"p50": h.milliseconds(0.5), "p99": h.milliseconds(0.99), "count": h.count}
            for k, h in latency.items()
        },
        turns=sum(counted.turns for counted in answers),
    )


def side(server: float, client: float, split: Split) -> str:
    """Which side was full: `server`, `clients`, `both` or `neither`; in cores of the server and of the
    busiest client process. A Python server fills one core, whatever it has.
    """
    is_server, is_client = server >= FULL, client >= FULL
    if split.servers == split.clients and server + client >= FULL:
        return "both"
    return ("both" if is_client else "server") if is_server else "clients" if is_client else "neither"
