"""What can go wrong between a kernel or script and its server, in words for whoever sits in front of it.

Law: no exception, and no repr of anything, carries a token or a key.
Parts: one exception for each thing that a caller may want to tell apart, all of them `NovelError`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue


class NovelError(Exception):
    """Base of everything that this half raises on purpose."""


class CommandRefused(NovelError):
    """The server, or the queue, refused a command. `code` is one of `core.errors.CODES`."""

    def __init__(self, code: str, message: str, extra: Mapping[str, JsonValue] | None = None) -> None:
        self.code = code
        self.message = message
        self.extra = dict(extra or {})
        super().__init__(f"{code}: {message}")


class NoServer(NovelError):
    """No server was found. `tried` says where was looked, in order."""

    def __init__(self, what: str, tried: Sequence[str]) -> None:
        self.tried = tuple(tried)
        steps = "".join(f"\n  - {step}" for step in self.tried)
        super().__init__(f"{what}{' Tried:' if steps else ''}{steps}")


class LoginRefused(NovelError):
    """The server does not take this credential."""


class Unreachable(NovelError):
    """The server did not answer in time; `why` is the last thing that went wrong."""

    def __init__(self, url: str, why: str) -> None:
        self.why = why
        super().__init__(f"no connection to {url}: {why}")


class ConnectionStopped(NovelError):
    """The connection is over for good. `code` is the close code, None when it was closed from here."""

    def __init__(self, code: int | None, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(f"the connection is closed: {reason}" + (f" ({code})" if code else ""))


class EventsLost(NovelError):
    """A reader of `events()` was too slow, and its queue is full. Begin again with `handle.state`."""


class TurnEnded(NovelError):
    """The awaited turn came to no narrative. `how`: cancelled, failed, undone, paused or ended."""

    def __init__(self, how: str, message: str) -> None:
        self.how = how
        super().__init__(message)
