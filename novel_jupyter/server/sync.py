"""The answer to a client that says where it stands (SPEC R84-R87).

Law: never silently partial. A delta is every missed event in the client's present view, or it is a
`full_sync`; a client whose epoch, number or hash is another history gets the server's state as a `conflict`.
Parts: `Ring` (recent events), `answer`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice

from orjson import Fragment

from novel_jupyter.core.draft import Results, Room
from novel_jupyter.core.events import Event, decode
from novel_jupyter.core.messages import HeadEcho
from novel_jupyter.core.policy import Principal
from novel_jupyter.core.views import ALL, View, project_state, view_of, view_since, wire_bytes

DELTA_EVENTS = 1000


class Ring:
    """The latest events of a log, bounded in number and bytes."""

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self._events: deque[tuple[int, str, bytes]] = deque()
        """Numbers, hashes and bodies: nothing that Python's collector would look at."""
        self._bytes = 0
        self._max_events = max_events
        self._max_bytes = max_bytes

    def extend(self, events: Iterable[Event]) -> None:
        for event in events:
            self._events.append((event.sequence_id, event.hash, event.body))
            self._bytes += len(event.body)
        while self._events and (len(self._events) > self._max_events or self._bytes > self._max_bytes):
            self._bytes -= len(self._events.popleft()[2])

    @property
    def first(self) -> int:
        """The sequence_id of the oldest event; 1 when there is none."""
        return self._events[0][0] if self._events else 1

    def reaches(self, sequence_id: int) -> bool:
        """Whether every event after `sequence_id` is here."""
        return bool(self._events) and self._events[0][0] <= sequence_id + 1

    def after(self, sequence_id: int) -> list[Event] | None:
        """The events after `sequence_id`, or None when the ring does not reach back so far."""
        if not self.reaches(sequence_id):
            return None
        missed = islice(self._events, max(0, sequence_id + 1 - self._events[0][0]), None)
        return [decode(body, hash) for _, hash, body in missed]

    def hash_at(self, sequence_id: int) -> str | None:
        if not self._events:
            return None
        at = sequence_id - self._events[0][0]
        return self._events[at][1] if 0 <= at < len(self._events) else None


def answer(
    room: Room,
    ring: Ring,
    principal: Principal,
    echo: HeadEcho,
    results: Results | None,
    present: object,
    provisional: object,
) -> dict[str, object]:
    """The `data` of a state_sync for `principal`, whose replica is at `echo`."""
    head = room.head
    view = view_of(room.state, principal.user_id, principal.is_kernel)
    tail: dict[str, object] = {
        "epoch": head.epoch,
        "hash": head.hash,
        "view": view,
        "presence": present,
        "provisional": provisional,
    }
    if results is not None:
        since = echo.since or 1
        tail["high_water"] = results.high_water
        tail["results"] = [
            {"id": f"{r.client_id}:{r.n}", "sequence_id": r.sequence_id, "data": r.reply}
            for r in results.since(since)
        ]
    reason = _conflict(room, ring, echo)
    if reason:
        return {"kind": "conflict", "reason": reason, "state": full_state(room, view), **tail}
    at = echo.sequence_id
    if at is None or echo.epoch is None or _another_view(room, principal, view, echo, at):
        return {"kind": "full_sync", "state": full_state(room, view), **tail}
    if at == head.sequence_id:
        return {"kind": "up_to_date", **tail}
    missed = ring.after(at) if head.sequence_id - at <= DELTA_EVENTS else None
    if missed is None:
        return {"kind": "full_sync", "state": full_state(room, view), **tail}
    return {
        "kind": "delta",
        "events": [Fragment(wire_bytes(room.session_id, event, view)) for event in missed],
        **tail,
    }


def _another_view(room: Room, principal: Principal, view: View, echo: HeadEcho, at: int) -> bool:
    """Whether the replica holds another view than `view`; one that does not say which, whether it may.

    At the very event that changed the view it may: the connection can have broken before the `full_sync` that
    follows. When a kernel ceased to be admitted is not kept, so one that sees less than all may always.
    """
    if echo.view is not None:
        return echo.view != view
    if principal.is_kernel and view != ALL:
        return True
    return at <= view_since(room.state, principal.user_id, principal.is_kernel)


def _conflict(room: Room, ring: Ring, echo: HeadEcho) -> str | None:
    """Why the client's replica is of another history, or None."""
    if echo.epoch is not None and echo.epoch != room.head.epoch:
        return "epoch"
    if echo.sequence_id is None:
        return None
    if echo.sequence_id > room.head.sequence_id:
        return "ahead"
    ours = room.head.hash if echo.sequence_id == room.head.sequence_id else ring.hash_at(echo.sequence_id)
    return "hash" if echo.hash and ours and echo.hash != ours else None


def full_state(room: Room, view: View) -> dict[str, object]:
    return dict(project_state(room.state, view))
