"""Why something was refused: one exception, one table of codes.

Law: a refusal names what was wrong in words its sender understands and changes nothing. Texts of foreign
exceptions never travel. A code says whether the same command can succeed later (`retry`) and the close codes
whether to reconnect.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from .patch import JsonValue

CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        # the frame
        "bad_json": "the frame is not one JSON object",
        "too_large": "the frame, text, patch or batch is larger than the limit",
        "too_deep": "the JSON is nested deeper than the limit",
        "unknown_type": "no message has this type",
        "invalid": "a field is missing, unknown or of the wrong shape",
        # identity of a command
        "id_required": "a command that may change the log needs an id",
        "bad_id": "an id is '<client_id>:<n>', n from 1",
        "id_reused": "this id was used before with other content",
        "id_expired": "this id is older than the results that are kept",
        "stale_epoch": "the command was made in another history",
        # access
        "no_session": "there is no such session for you",
        "not_joined": "join the session first",
        "forbidden": "your role may not do this",
        "elsewhere": "the sessions are kept by a service; novel/api/service says where",
        "session_full": "the session has its full number of participants",
        "too_many": "a limit on sessions or connections is reached",
        "rate": "too fast; try again after retry_after seconds",
        "in_flight": "too many commands without an answer",
        # editing
        "bad_path": "not a path that may be written",
        "path_forbidden": "nobody but the rules or another seat writes there",
        "mixed_audience": "one edit writes for one audience only",
        "missing_path": "the path does not exist",
        "positional": "lists are edited by element id, not by position",
        "test_failed": "a test operation did not hold",
        "bad_base": "the base lies in the future",
        "stale_base": "the value was changed since your base",
        "append_only": "this text can only be added to",
        "bad_value": "the value does not fit the path",
        "state_full": "the session's state has its full size",
        "no_record": "there is no such conflict, suggestion or edit",
        # seats and turns
        "unknown_character": "the story has no such character",
        "bad_action": "not an action that the story knows",
        "seat_taken": "somebody else has this seat",
        "not_your_seat": "this seat is not yours",
        "sees_all": "who sees more than a player may not have a seat",
        "no_proposal": "there is no such proposal",
        "overruled": "whoever directs has overruled this proposal, and alone can take that back",
        "no_invite": "this invite is over: used up, revoked, or too old",
        "no_participant": "there is no such participant",
        "phase": "not in this phase of the turn",
        "unknown_turn": "there is no such turn to return to",
        "name_taken": "the name is in use",
        "ended": "the story has ended",
        "archived": "the session is archived",
        "bad_story": "the story file cannot be used",
        # hosting
        "not_admitted": "this kernel was not admitted as a host",
        "lease_held": "another kernel hosts the session",
        "stale_lease": "the lease was lost to another host",
        "stale_turn": "that turn or attempt is over",
        # the server
        "trimmed": "events as old as this are no longer kept",
        "lost": "the store lost this after it was acknowledged, and it could not be made again",
        "unavailable": "the store cannot be reached; the command is undecided and may be sent again",
        "internal": "the server failed at this; it is logged there under the reference",
    }
)

UNDECIDED: Final = frozenset({"rate", "in_flight", "unavailable", "internal"})
"""Refusals that do not use the command's number up: the same id may be sent again."""

CLOSE: Final[Mapping[int, str]] = MappingProxyType(
    {
        4001: "draining",
        4002: "too slow",
        4003: "resync needed",
        4004: "token expired",
        4005: "no pong",
        4006: "rate",
        4501: "not authenticated",
        4503: "forbidden or revoked",
        4508: "replaced by a newer connection of the same client",
        4509: "frame too big",
        4510: "protocol version",
    }
)
"""WebSocket close codes: below 4500 reconnect with jittered backoff, from 4500 on do not."""


def may_reconnect(code: int) -> bool:
    """Whether a client reconnects by itself after this close code (codes outside 45xx: yes)."""
    return not 4500 <= code < 4600


class Refused(Exception):
    """A command was refused. `code` is a key of `CODES`; `extra` goes into the error's data."""

    def __init__(self, code: str, message: str | None = None, **extra: JsonValue) -> None:
        if code not in CODES:
            raise ValueError(f"unknown error code {code!r}")
        self.code = code
        self.message = message or CODES[code]
        self.extra: dict[str, JsonValue] = extra
        super().__init__(f"{code}: {self.message}")

    def data(self) -> dict[str, JsonValue]:
        """The `data` of the error message on the wire."""
        return {"kind": "error", "level": "error", "code": self.code, "message": self.message, **self.extra}


def way_of(error: BaseException, most: int = 6) -> str:
    """Type and latest places of an exception: `ValueError at turn.py:12 < host.py:80`.

    All that a log or a notebook may have of it: its words quote what it failed on, which may be a secret.
    """
    places: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        places.append(f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}")
        trace = trace.tb_next
    way = " < ".join(reversed(places[-most:]))
    return f"{type(error).__name__} at {way}" if way else type(error).__name__
