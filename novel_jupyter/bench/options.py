"""What a load run can be asked for, and the command line that asks.

Law: light: it is read at every start of `novel-jupyter`. What runs is loaded when it runs.
Parts: `Options`, `WORKLOADS` (names and what they are), `REFERENCES` (names), `add_bench_commands`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

REFERENCES: Final = ("tornado", "raw", "seed", "socketio", "yjs", "channels")
WORKLOADS: Final[Mapping[str, str]] = {
    "relay": "prose that is passed on and not kept: the highest rate",
    "edits": "durable edits: the highest rate, and latency at one rate",
    "cursors": "cursors: the highest rate",
    "mixed": "cursors, edits and turns with streamed prose together",
    "join": "a storm of people who come",
    "reconnect": "everybody comes back after the server was killed",
    "huge": "one session with a crowd, beside small ones",
    "many": "ten times as many sessions at the same rate",
    "slow": "some clients do not read",
    "history": "a session with a long log, beside a new one",
    "memory": "memory of a connection and of a session",
    "start": "what the extension adds to a server's start",
}


@dataclass(frozen=True, slots=True)
class Options:
    """`rate`: messages a second, where a workload has one; `p99`: milliseconds within which nearly all must
    come for a rate to count as carried.
    """

    sessions: int = 100
    people: int = 10
    size: int = 300
    seconds: float = 5.0
    warm: float = 1.0
    rounds: int = 3
    p99: float = 100.0
    rate: float | None = None
    events: int = 100_000
    references: tuple[str, ...] = REFERENCES
    store: str = ""
    redis: bool = True
    near: float = 1.1
    """A search ends when what failed is so many times what was carried."""
    doubts: int = 2
    """How often a failure is tried again where neither side was full."""

    def short(self) -> Options:
        """The same workloads in a few minutes; the figures are rough."""
        return Options(
            **{
                **asdict(self),
                "sessions": min(self.sessions, 40),
                "seconds": min(self.seconds, 1.5),
                "warm": min(self.warm, 0.4),
                "rounds": 1,
                "events": min(self.events, 10_000),
                "near": 1.3,
                "doubts": 0,
            }
        )


def _names(text: str) -> tuple[str, ...]:
    if text == "all":
        return REFERENCES
    if text == "none":
        return ()
    found = tuple(filter(None, text.split(",")))
    wrong = [name for name in found if name not in REFERENCES]
    if wrong:
        known = ", ".join(REFERENCES)
        raise argparse.ArgumentTypeError(f"no reference {wrong[0]!r}: all, none, or some of {known}")
    return found


def _whole(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("a whole number from 1")
    return number


def _above_zero(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("a number above 0")
    return number


def add_bench_commands(benches: Any) -> None:
    """One sub-command for each workload, and `all`."""
    usual = Options()
    for name, text in {**WORKLOADS, "all": "every workload"}.items():
        one = benches.add_parser(name, help=text)
        add = one.add_argument
        add("--sessions", type=_whole, default=usual.sessions, help=f"(default {usual.sessions})")
        add("--people", type=_whole, default=usual.people, help=f"of each session (default {usual.people})")
        add("--size", type=_whole, default=usual.size, help=f"bytes of a message (default {usual.size})")
        add("--seconds", type=_above_zero, default=usual.seconds, help=f"(default {usual.seconds:g})")
        add("--warm", type=_above_zero, default=usual.warm, help=f"seconds before (default {usual.warm:g})")
        add("--rounds", type=_whole, default=usual.rounds, help=f"of each server (default {usual.rounds})")
        add("--rate", type=_above_zero, help="messages (or arrivals) a second in all, instead of a search")
        add("--p99", type=_above_zero, default=usual.p99, help=f"bound in ms (default {usual.p99:g})")
        add("--events", type=_whole, default=usual.events, help=f"of a history (default {usual.events})")
        known = f"all (default), none, or some of {','.join(REFERENCES)}"
        add("--references", type=_names, default=usual.references, help=known)
        add("--store", default="", metavar="URL", help="the store of our server; default: SQLite of its own")
        add("--no-redis", dest="redis", action="store_false", help="edits: do not measure Redis beside it")
        add("--short", action="store_true", help="a few minutes; the figures are rough")
        add("--json", type=Path, metavar="FILE", help="also write everything as JSON")
        add("--svg", type=Path, metavar="FILE", help="also draw it")
        one.set_defaults(run=_run, workload=name)


def _run(given: argparse.Namespace) -> int:
    if not sys.platform.startswith("linux"):
        print("the load harness reads /proc and uses epoll: Linux only", file=sys.stderr)
        return 2
    from .command import run_bench

    said = {name: value for name, value in vars(given).items() if name in Options.__dataclass_fields__}
    options = Options(**said)
    names = list(WORKLOADS) if given.workload == "all" else [given.workload]
    return run_bench(
        names,
        options.short() if given.short else options,
        json_file=given.json,
        svg_file=given.svg,
        say=print,
        tell=lambda text: print(text, file=sys.stderr, flush=True),
    )
