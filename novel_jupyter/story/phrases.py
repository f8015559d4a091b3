"""The phrase bank: shelves of ways to tell one kind of thing, one set of shelves for each tone.

Law: each way says exactly its kind of thing and no more: the checker would throw out the rest. What is done
with words is told in two steps: the words (`say.…` with a line to say, else `do.…`), then what they do to the
other. A tone that has no shelf for a kind tells it in the terse words.
Parts: `Way`, `BANKS` (tone → shelf → ways), `BANK` (the terse phrases), `ways`, `read_bank`.

The tables are `bank/<tone>.txt`: a shelf's name on a line of its own, its ways below it, indented. Markup as
in `english`; in `say.…`, `{said}` is the line as it stands before “said”, `{line}` the whole line. A way that
begins with `!A`, `!B` or `!AB` is not for a teller who is that person: nobody says of themselves that they
went white.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Final, get_args

from .schema import Tone


@dataclass(frozen=True, slots=True)
class Way:
    """One way to tell a thing. `not_by`: the slots whose person would not tell it so."""

    phrase: str
    not_by: frozenset[str] = frozenset()


def read_bank(text: str) -> dict[str, tuple[Way, ...]]:
    """The shelves of a table. Raises ValueError for a way that stands on no shelf or twice on one."""
    shelves: dict[str, list[Way]] = {}
    shelf: list[Way] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if not line.startswith("  "):
            shelf = shelves.setdefault(line.strip(), [])
            continue
        mark, _, rest = line.strip().partition(" ")
        way = Way(rest, frozenset(mark[1:])) if mark[0] == "!" else Way(line.strip())
        if shelf is None or any(way.phrase == other.phrase for other in shelf):
            raise ValueError(f"line {number}: expected a way of its own, below the name of a shelf")
        shelf.append(way)
    return {name: tuple(found) for name, found in shelves.items()}


TONES: Final[tuple[Tone, ...]] = get_args(Tone)
BANKS: Final[Mapping[str, Mapping[str, tuple[Way, ...]]]] = MappingProxyType(
    {
        tone: MappingProxyType(read_bank((files(__package__) / "bank" / f"{tone}.txt").read_text("utf-8")))
        for tone in TONES
    }
)
BANK: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {shelf: tuple(way.phrase for way in found) for shelf, found in BANKS["terse"].items()}
)
"""Shelf → the terse ways to tell it."""


def ways(tone: str, shelf: str) -> tuple[Way, ...]:
    """The ways on a shelf of a tone; none where it has no such shelf."""
    return BANKS.get(tone, {}).get(shelf, ())
