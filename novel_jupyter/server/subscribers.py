"""Who listens to a room, and in which view.

Law: a broadcast is encoded once for each view and the same bytes go to everyone who has it. A view is looked
up again after every event that can change it, before the next event is shown.
Parts: `Subscriber`, `client_of`, `Subscribers`.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from novel_jupyter.core.errors import Refused
from novel_jupyter.core.events import Event
from novel_jupyter.core.incoming import CommandId
from novel_jupyter.core.model import ONLOOKERS, State
from novel_jupyter.core.policy import person_of
from novel_jupyter.core.views import View, seats_of, sees, view_of, wire_bytes

from .connection import Connection
from .frames import frame

CHANGES_VIEWS = frozenset({"claimed", "released", "role", "view", "host"})


@dataclass(slots=True)
class Subscriber:
    connection: Connection
    client_id: str
    view: View
    since: float = field(default_factory=time.time)
    """When it joined, by the clock that servers share more or less."""


def telling_for(view: View) -> str | None:
    """Whose telling readers of a view are streamed: one seat's (of several, the first), or None for that of
    onlookers. The kernel of somebody who plays is streamed none: no seat is called "".
    """
    return None if sees(view, ONLOOKERS) else min(seats_of(view), default="")


def client_of(id: str | None) -> str:
    """The client_id in a join's id, which names the client whether or not it counts."""
    if not id:
        return ""
    try:
        return CommandId.parse(id).client_id
    except Refused:
        return id.rpartition(":")[0] or id


class Subscribers:
    """The connections that joined one room."""

    def __init__(self, session_id: str) -> None:
        self._session_id = session_id
        self._by_connection: dict[str, Subscriber] = {}
        self._by_view: dict[View, dict[str, Subscriber]] = {}

    def __len__(self) -> int:
        return len(self._by_connection)

    def __iter__(self) -> Iterator[Subscriber]:
        return iter(list(self._by_connection.values()))

    def get(self, connection_id: str) -> Subscriber | None:
        return self._by_connection.get(connection_id)

    def add(self, connection: Connection, client_id: str, view: View) -> Subscriber:
        self.remove(connection.id)
        subscriber = Subscriber(connection, client_id, view)
        self._by_connection[connection.id] = subscriber
        self._by_view.setdefault(view, {})[connection.id] = subscriber
        return subscriber

    def remove(self, connection_id: str) -> Subscriber | None:
        subscriber = self._by_connection.pop(connection_id, None)
        if subscriber is not None:
            readers = self._by_view[subscriber.view]
            del readers[connection_id]
            if not readers:
                del self._by_view[subscriber.view]
        return subscriber

    def of_user(self, user_id: str) -> list[Subscriber]:
        return [s for s in self._by_connection.values() if s.connection.principal.user_id == user_id]

    def of_kernels_of(self, user_id: str) -> list[Subscriber]:
        """The kernels that are known to be this person's."""
        return [
            s for s in self._by_connection.values() if person_of(s.connection.principal.user_id) == user_id
        ]

    def broadcast(self, events: Sequence[Event], state: State) -> list[Subscriber]:
        """Committed events, in order, to everyone, each as seen in the reader's view.

        Returns the readers whose view they changed: these got the events up to the first that can change a
        view, and need a `full_sync` of `state`, where the events led.
        """
        changes = (at for at, event in enumerate(events, 1) if event.data["kind"] in CHANGES_VIEWS)
        until = next(changes, None)
        self._show(events[:until], ())
        if until is None:
            return []
        moved = self._changed_views(state)
        self._show(events[until:], {subscriber.connection.id for subscriber in moved})
        return moved

    def _show(self, events: Sequence[Event], besides: Collection[str]) -> None:
        if not events:
            return
        for view, readers in self._by_view.items():
            data = b"".join([frame(wire_bytes(self._session_id, event, view)) for event in events])
            for connection_id, subscriber in readers.items():
                if connection_id not in besides:
                    subscriber.connection.durable(data)

    def views(self) -> list[tuple[View, list[Subscriber]]]:
        return [(view, list(readers.values())) for view, readers in self._by_view.items()]

    def ephemeral(self, key: str, data: bytes, besides: str | None = None) -> None:
        """A frame whose last value wins, to everyone but the connection `besides`."""
        for subscriber in self._by_connection.values():
            if subscriber.connection.id != besides:
                subscriber.connection.ephemeral(f"{self._session_id}/{key}", data)

    def stream(self, data: bytes, seat: str | None = None) -> None:
        """Prose that is not in the log but must not be lost while the reader keeps up: the telling of a seat
        to whoever reads that one, else to onlookers.
        """
        for view, readers in self._by_view.items():
            if seat == telling_for(view):
                for subscriber in readers.values():
                    subscriber.connection.durable(data)

    def _changed_views(self, state: State) -> list[Subscriber]:
        """Move the readers whose view is another one now, and return them."""
        moved: list[Subscriber] = []
        for subscriber in self:
            principal = subscriber.connection.principal
            view = view_of(state, principal.user_id, principal.is_kernel)
            if view != subscriber.view:
                moved.append(self.add(subscriber.connection, subscriber.client_id, view))
        return moved
