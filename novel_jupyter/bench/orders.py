"""What the harness says to its client processes, and what they answer.

Law: plain data, so that it crosses a process boundary as it is. Moments are `monotonic_ns`, which all
processes of a Linux machine share; durations are in seconds.
Parts: `Come`, `Came`, `Stream`, `Load`, `Counted`, `Leave`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .histogram import Histogram
from .loop import Member, Place


@dataclass(frozen=True, slots=True)
class Come:
    """Connect everybody, `together` at a time, or `rate` a second whatever becomes of them. `tell`: then
    bring each session to the telling of a turn. `again`: those who were here come back with what they have.
    """

    place: Place
    groups: Sequence[Sequence[Member]] = ()
    together: int = 64
    rate: float | None = None
    tell: bool = False
    again: bool = False
    patience: float = 120.0


@dataclass(frozen=True, slots=True)
class Came:
    """`latency`: from the moment at which one was due to come until the state was there. `answers`: how many
    got which kind of answer.
    """

    count: int
    latency: Histogram
    seconds: float
    failed: Sequence[str] = ()
    answers: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stream:
    """Messages of one kind: `r` relayed, `e` edits, `c` cursors, or `t` whole turns. `rate`: a second, of all
    senders of this process together. `who`: `host`, `people`, or `one` of each session.
    """

    kind: str
    who: str
    rate: float
    size: int


@dataclass(frozen=True, slots=True)
class Load:
    """`stalled`: the share of people who stop reading meanwhile, and are not counted."""

    streams: Sequence[Stream]
    begin: int
    warm: float
    seconds: float
    drain: float = 5.0
    stalled: float = 0.0


@dataclass(frozen=True, slots=True)
class Counted:
    """`expected` and `got` are of the whole load, `latency` of the window. `lag`: how late messages left.
    `probe`: from a ping to its pong.
    """

    sent: dict[str, int]
    expected: dict[str, int]
    got: dict[str, int]
    short: int
    """Receivers that did not get exactly what they should have, of kinds of which nothing may be lost."""
    latency: dict[str, Histogram]
    lag: Histogram
    frames: int
    bytes: int
    errors: int
    said: Sequence[str]
    gone: Sequence[str]
    turns: int = 0


@dataclass(frozen=True, slots=True)
class Leave:
    """Close every connection."""
