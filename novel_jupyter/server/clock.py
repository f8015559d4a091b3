"""The moment that is stamped.

Law: time in a log goes forwards, whatever the wall clock of a server does: put back, put forward, or another
server's. Who follows a log begins no earlier than it ends, so that a deadline in it is due when its seconds
are over, and not when a slower clock has come so far.
Parts: `Clock`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from novel_jupyter.core.times import format_time, parse_time


class Clock:
    """Wall time that never goes backwards within this process, and never stands still.

    After a jump back it goes on from where it was, at the pace of the monotonic clock: deadlines fire.
    """

    def __init__(
        self,
        read: Callable[[], datetime] = lambda: datetime.now(UTC),
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._elapsed = elapsed
        self._last = read()
        self._text = format_time(self._last)
        self._at = elapsed()

    @classmethod
    def after(cls, read: Callable[[], datetime], timestamp: str) -> Clock:
        """A clock that reads another, and begins no earlier than `timestamp`."""
        clock = cls(read)
        clock.reach(timestamp)
        return clock

    def moment(self) -> datetime:
        """What `now` tells, finer than its text."""
        at = self._elapsed()
        self._last = max(self._read(), self._last + timedelta(seconds=at - self._at))
        self._at = at
        return self._last

    def now(self) -> str:
        self._text = format_time(self.moment())
        return self._text

    def reach(self, timestamp: str) -> None:
        """From now on no earlier than `timestamp`, which somebody else has stamped."""
        if timestamp > self._text and timestamp > format_time(self._last):
            self._last, self._text, self._at = parse_time(timestamp), timestamp, self._elapsed()
