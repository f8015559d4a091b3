"""A model's prose, line by line as it comes, to sentences that cite their events.

Law: a line that cites nothing of this turn is no sentence. Half a line is kept until the rest has come; at
the end it counts only if it was finished.
Parts: `Lines`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

from novel_jupyter.story.turn import Sentence

_LINE: Final = re.compile(r"^\W{0,4}?\[\s*(\w+(?:\s*,\s*\w+)*)\s*\]\s*(\S.*)$")
_FINISHED: Final = re.compile(r"[.!?…][”\"’')]*$")
MOST: Final = 600
"""Characters of a sentence."""


class Lines:
    """`add` what came, `end` when no more comes; `told` are the events that sentences cite so far."""

    def __init__(self, events: Collection[str]) -> None:
        self._events = frozenset(events)
        self._rest = ""
        self._paragraph = False
        self.told: set[str] = set()
        self.unfinished = False
        """Whether the last line was cut off."""
        self.withheld = False
        """Whether lines cited nothing of this turn, other than those that led up to the telling."""

    def add(self, text: str) -> Iterator[Sentence]:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            yield from self._line(line)

    def end(self) -> Iterator[Sentence]:
        line, self._rest = self._rest.strip(), ""
        if line and not _FINISHED.search(line):
            self.unfinished = True
        else:
            yield from self._line(line)

    def _line(self, line: str) -> Iterator[Sentence]:
        line = line.strip()
        if not line:
            self._paragraph = bool(self.told)
            return
        found = _LINE.match(line)
        if found is None:
            self.withheld = self.withheld or bool(self.told)
            return
        cited = tuple(dict.fromkeys(id.strip() for id in found[1].split(",")))
        if len(found[2]) > MOST or not self._events.issuperset(cited):
            self.withheld = True
            return
        self.told.update(cited)
        yield Sentence(found[2], cited, self._paragraph)
        self._paragraph = False
