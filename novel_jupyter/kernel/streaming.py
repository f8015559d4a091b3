"""Prose on its way to the screens, while it is being written.

Law: what is sent is what was checked, in order and without holes; chunks leave at a steady beat, several to a
chunk where the words come faster, so that a reader sees them come. Nothing here is kept: the commit is.
Parts: `ProseStream`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from .replica import utf16_units

BEAT: Final = 0.08
"""Seconds between two chunks."""
MOST: Final = 2000
"""Characters of one chunk."""


class ProseStream:
    """`send(offset, text)` hands over one chunk (offset in UTF-16 units); False when nobody is there to take
    it.

    `pace` is in characters a second; None: as fast as the words come.
    """

    def __init__(self, send: Callable[[int, str], bool], pace: float | None = None) -> None:
        self._send = send
        self._pace = pace
        self._text = ""
        self._sent = 0
        self._timer: asyncio.TimerHandle | None = None
        self._drained = asyncio.Event()
        self._drained.set()
        self._finishing = self._closed = False

    def add(self, text: str) -> None:
        """More prose. The first goes at once, the rest with the beat."""
        self._text += text
        self._drained.clear()
        if self._timer is None:
            self._beat()

    def rewind(self) -> None:
        """Somebody may have missed something: all of it goes again."""
        self._sent = 0
        self._drained.clear()
        if self._timer is None:
            self._beat()

    async def finish(self) -> None:
        """Wait until all of it has left, or nobody is there to take it."""
        self._finishing = True
        if self._sent < len(self._text) and self._timer is None:
            self._beat()
        await self._drained.wait()

    def close(self) -> None:
        """Not a word more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._drained.set()

    def _beat(self) -> None:
        self._timer = None
        if self._closed or self._sent >= len(self._text):
            self._drained.set()
            return
        end = self._end()
        if self._send(utf16_units(self._text[: self._sent]), self._text[self._sent : end]):
            self._sent = end
        elif self._finishing:
            self._drained.set()
            return
        if self._sent >= len(self._text):
            self._drained.set()
        self._timer = asyncio.get_running_loop().call_later(BEAT, self._beat)

    def _end(self) -> int:
        """Where the next chunk ends: after a word, not far beyond what the pace allows."""
        most = MOST if self._pace is None else max(1, round(self._pace * BEAT))
        end = self._sent + min(most, MOST)
        if end >= len(self._text):
            return len(self._text)
        space = self._text.find(" ", end)
        return end if space < 0 or space - end > 24 else space + 1
