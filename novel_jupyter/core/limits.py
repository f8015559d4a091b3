"""What bounds a client: rates, sizes, and how deep its JSON may nest.

Law: whoever is refused learns when or at what size it would not have been; nothing here reads a clock.
Parts: `TokenBucket`, `Bounds`, `check_depth`.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Final

from .patch import MAX_OPS, JsonValue


class TokenBucket:
    """`rate` a second for ever, `burst` at once. Starts full.

    A clock that goes backwards neither fills the bucket nor locks it: time goes on from where the clock is.
    """

    __slots__ = ("_burst", "_last", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float) -> None:
        if not (rate > 0 and burst >= 1):
            raise ValueError("rate is above 0, burst at least 1")
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._last: float | None = None

    def take(self, now: float, cost: float = 1.0) -> float:
        """0.0 when granted; else the seconds after which it would be, and nothing was taken.

        Raises ValueError for a cost that no bucket of this size can ever pay.
        """
        wait = self.wait(now, cost)
        if wait == 0.0:
            self._tokens = max(0.0, self._tokens - cost)
        return wait

    def wait(self, now: float, cost: float = 1.0) -> float:
        """What `take` would say; nothing is taken."""
        if not 0 <= cost <= self._burst:
            raise ValueError(f"a cost is from 0 to {self._burst}")
        if self._last is not None and now > self._last:
            self._tokens = min(self._burst, self._tokens + (now - self._last) * self._rate)
        self._last = now
        # The sum of many small refills may miss a whole token by a rounding error.
        return 0.0 if self._tokens >= cost - 1e-9 else (cost - self._tokens) / self._rate


@dataclass(frozen=True, slots=True)
class Bounds:
    """Every bound that a client can run into; the welcome tells them. Rates and queues are not among them."""

    frame_bytes: int = 256 * 1024
    """A frame from a client (characters of its text; bytes as it came)."""
    json_depth: int = 40
    """Arrays and objects within each other in a frame."""
    patch_ops: int = 256
    """Operations of one patch."""
    chat_chars: int = 2000
    """Characters of a chat message or comment."""
    state_bytes: int = 2 * 1024 * 1024
    """A session's state as JSON."""
    participants: int = 1000
    """People of a session, present or not."""
    sessions: int = 2000
    """Sessions in one server's memory."""
    sessions_per_connection: int = 64
    """Sessions that one connection takes part in."""
    connections_per_user: int = 32
    """Open connections of one user to one server."""
    in_flight: int = 64
    """Commands of one connection without an answer."""

    def __post_init__(self) -> None:
        for name, value in self.as_json().items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} is a whole number from 1")
        if self.patch_ops > MAX_OPS:
            raise ValueError(f"patch_ops is at most {MAX_OPS}")

    def as_json(self) -> dict[str, JsonValue]:
        """The bounds by name, as the welcome tells them."""
        return asdict(self)


# Outside strings only brackets matter; a string ends at the first quote after an even number of backslashes.
# Possessive, so that a text of a million quotes or backslashes costs one pass.
_STRINGS: Final = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\Z)', re.DOTALL)
_OTHERS: Final = re.compile(r"[^\[\]{}]+")


def check_depth(text: str | bytes, max_depth: int) -> bool:
    """Whether arrays and objects nest at most `max_depth` deep, told before anything is parsed.

    Linear in the length, and right for every JSON text. Of a text that is no JSON it may say either; a parser
    that comes after refuses that anyway. Raises no exception, whatever the text.
    """
    if isinstance(text, bytes):
        # One byte is one character, and no byte of a longer UTF-8 character looks like a bracket or a quote.
        text = text.decode("latin-1")
    if text.count("[") + text.count("{") <= max_depth:
        return True
    depth = 0
    for bracket in _OTHERS.sub("", _STRINGS.sub("", text)):
        if bracket in "[{":
            depth += 1
            if depth > max_depth:
                return False
        else:
            depth -= 1
    return True
