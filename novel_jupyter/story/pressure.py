"""The tension curve: how the hour and what people did drive a story to its climax.

Law: pure functions of what is public or the director's. Tension is the leading clock's share plus heat;
heat is what deeds add and each turn cools. Acts only go forward: a heated play gets there early, a quiet one
is carried there by the clock. Each act takes away what people do instead of acting; this narrows what agents
choose from, never what a person may try.
Parts: `tension_after`, `act_at`, `narrowed`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from .actions import Action
from .schema import ACTS, Act
from .shapes import ClockState

CLOCK_SHARE: Final = 65
"""What the full leading clock is worth, of 100; the rest is heat."""
COOLING: Final = 3
"""How much heat is left of four, a turn later."""
_BY_TENSION: Final[Mapping[Act, int]] = {"complication": 14, "crisis": 36, "climax": 60}
_BY_CLOCK: Final[Mapping[Act, int]] = {"complication": 18, "crisis": 46, "climax": 68}
"""In percent of the leading clock: the latest that an act begins."""

DROPPED: Final[Mapping[Act, frozenset[str]]] = MappingProxyType(
    {
        "setup": frozenset(),
        "complication": frozenset({"wait"}),
        "crisis": frozenset({"wait"}),
        "climax": frozenset({"wait", "observe", "hide", "search"}),
    }
)
"""Act → the kinds that are no longer offered to agents."""


def clock_part(clock: ClockState) -> int:
    return CLOCK_SHARE * clock["value"] // clock["segments"]


def tension_after(tension: int, before: ClockState, after: ClockState, heat: int) -> int:
    """The tension of the next turn. `before` and `after` are the leading clock; `heat` is what this turn
    added.
    """
    kept = COOLING * max(0, tension - clock_part(before)) // 4
    return min(100, clock_part(after) + min(100 - CLOCK_SHARE, kept + heat))


def act_at(act: Act, tension: int, clock: ClockState) -> Act:
    """The act that a story in `act` is in now."""
    percent = 100 * clock["value"] // clock["segments"]
    reached = [
        ACTS.index(later)
        for later in ACTS[1:]
        if tension >= _BY_TENSION[later] or percent >= _BY_CLOCK[later]
    ]
    # One act at a time, however hot it gets: each has something to say.
    return ACTS[min(max([ACTS.index(act), *reached]), ACTS.index(act) + 1)]


def narrowed(options: Sequence[Action], act: Act) -> tuple[Action, ...]:
    """What an act leaves of what is legal; all of it, if that were nothing."""
    left = tuple(option for option in options if option.kind not in DROPPED[act])
    return left or tuple(options)
