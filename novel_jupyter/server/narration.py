"""Streamed narration on its way through the server.

Law: chunks are provisional and never stored. One that comes after a pause leaves at once; those that come
faster than people read leave as one frame, joined in order, some 20 times a second. Whoever joins in
mid-stream gets the text so far. Offsets are in UTF-16 units, so a repeated chunk is known and passed over;
one at 0 begins anew, as a successor of the host does. Who plays a character is streamed what it witnessed,
and nothing else.
Parts: `Narration`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from novel_jupyter.core.errors import Refused
from novel_jupyter.core.messages import Chunk
from novel_jupyter.core.views import PUBLIC, View

from .frames import message
from .subscribers import Subscribers, telling_for
from .whereabouts import Note

MAX_UNITS = 40_000
PIECE = 8_000
Telling: TypeAlias = tuple[int, int, int]
"""turn, attempt, and the token of the lease under which it is told"""


def utf16_units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


class Narration:
    """The prose that a host is streaming into one session."""

    def __init__(
        self,
        session_id: str,
        subscribers: Subscribers,
        interval: float,
        publish: Callable[[Note], None],
        seat: str | None = None,
    ) -> None:
        self._seat = seat
        self._seats: dict[str, Narration] = {}
        self._session_id = session_id
        self._subscribers = subscribers
        self._interval = interval
        self._sent = -interval
        self._publish = publish
        self._of: Telling | None = None
        self._text: list[str] = []
        self._units = 0
        self._waiting: list[str] = []
        self._waiting_from = 0
        self._ours = True
        self._timer: asyncio.TimerHandle | None = None

    def add(self, chunk: Chunk) -> None:
        """Take one chunk of a host that is connected here.

        Raises Refused `invalid` for a gap, `too_large` for a text without end.
        """
        of = (chunk.turn, chunk.attempt, chunk.token)
        self._of_seat(chunk.seat)._add(of, chunk.offset, chunk.text, ours=True)

    def _of_seat(self, seat: str | None) -> Narration:
        if seat is None:
            return self
        if seat not in self._seats:
            self._seats[seat] = Narration(
                self._session_id, self._subscribers, self._interval, self._publish, seat
            )
        return self._seats[seat]

    def add_elsewhere(
        self, of: Telling, offset: int, text: str, *, again: bool, seat: str | None = None
    ) -> None:
        """Take what another server streams; `again`: it repeats it for servers that came later.

        Raises Refused as `add` does.
        """
        if seat is not None:
            return self._of_seat(seat).add_elsewhere(of, offset, text, again=again)
        if again and self._of == of and offset != self._units:
            return
        self._add(of, offset, text, ours=False)

    def _add(self, of: Telling, offset: int, text: str, *, ours: bool) -> None:
        self._ours = ours
        if of != self._of or (offset == 0 and self._units):
            self.flush()
            self._of, self._text, self._units = of, [], 0
        units = utf16_units(text)
        if offset > self._units:
            raise Refused(
                "invalid", f"data.offset: the text so far has {self._units} units", expected=self._units
            )
        if offset < self._units:
            return
        if self._units + units > MAX_UNITS:
            raise Refused("too_large", f"a narration has at most {MAX_UNITS} units")
        if not self._waiting:
            self._waiting_from = offset
        self._text.append(text)
        self._units += units
        self._waiting.append(text)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            due = self._sent + self._interval
            if due <= loop.time():
                self.flush()
            else:
                self._timer = loop.call_at(due, self.flush)

    def flush(self) -> None:
        """Send what waits, as one frame for each telling."""
        for telling in self._seats.values():
            telling.flush()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._waiting or self._of is None:
            return
        self._sent = asyncio.get_running_loop().time()
        text, self._waiting = "".join(self._waiting), []
        turn, attempt, _ = self._of
        if self._ours:
            self._tell("chunk", text, self._waiting_from)
        data = {
            "kind": "narration",
            "turn": turn,
            "attempt": attempt,
            "offset": self._waiting_from,
            "text": text,
        }
        self._subscribers.stream(message("story_update", data, session_id=self._session_id), self._seat)

    def provisional(self, view: View = PUBLIC) -> dict[str, object] | None:
        """The text so far, for somebody who joins now and sees `view`."""
        seat = telling_for(view)
        if seat != self._seat:
            return self._seats[seat].provisional(view) if seat in self._seats else None
        if self._of is None:
            return None
        self.flush()
        return {"turn": self._of[0], "attempt": self._of[1], "text": "".join(self._text)}

    def tell_again(self) -> None:
        """Send the text so far to the servers that came later, if its host is connected here."""
        for telling in self._seats.values():
            telling.tell_again()
        if self._of is not None and self._ours:
            self.flush()
            self._tell("told", "".join(self._text), 0)

    def _tell(self, k: str, text: str, offset: int) -> None:
        """Notes are bounded, so a long text goes in pieces."""
        assert self._of is not None
        for at in range(0, len(text), PIECE):
            piece = text[at : at + PIECE]
            whose: Note = {"seat": self._seat} if self._seat else {}
            self._publish({"k": k, "of": list(self._of), "offset": offset, "text": piece, **whose})
            offset += utf16_units(piece)

    def clear(self) -> None:
        """The turn was committed or given up."""
        for telling in self._seats.values():
            telling.clear()
        self._seats = {}
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._of, self._text, self._units, self._waiting = None, [], 0, []
