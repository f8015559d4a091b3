"""When each connection is looked at: when something may be due, and not before.

Law: most of thousands are quiet, and cost a look for each ping. Soon again is only who may be told to go from
elsewhere (a kernel stops, a guest is sent away, a token ends) and who does not take what waits for it.
Parts: `Looks`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import heappop, heappush
from typing import Final

from .config import Config
from .connection import Connection

PATIENCE: Final = 2.0
"""Seconds at most between two looks at who may have to go: who may be here no more is out so soon."""
SHARE: Final = 4
"""Looks in the shortest of the times that bound how long a connection may be silent or stalled."""


class Looks:
    """`connections` are all open ones, by id; whoever is not among them any more is forgotten."""

    def __init__(self, connections: Mapping[str, Connection], config: Config) -> None:
        self._connections = connections
        self._config = config
        shortest = min(config.ping_interval, config.pong_timeout, config.stall_timeout)
        self._patience = min(PATIENCE, shortest / SHARE)
        self._due: list[tuple[float, str]] = []
        """A heap. A connection's place in it is the one with its `look_at`; others are of earlier plans. Ids,
        so that nobody who left is kept.
        """

    def add(self, connection: Connection) -> None:
        """Somebody new, looked at next."""
        self._plan(connection, 0.0)

    def soon(self, connection: Connection, now: float) -> None:
        """Something waits that the connection does not take."""
        if connection.look_at > now + self._patience:
            self._plan(connection, now + self._patience)

    def due(self, now: float) -> Iterator[Connection]:
        """Whose time has come. When the caller has looked, the next time is planned."""
        while self._due and self._due[0][0] <= now:
            at, id = heappop(self._due)
            connection = self._connections.get(id)
            if connection is None or connection.closed or connection.look_at != at:
                continue
            yield connection
            if not connection.closed:
                self._plan(connection, self._next(connection, now))

    def _next(self, connection: Connection, now: float) -> float:
        principal = connection.principal
        may_have_to_go = principal.is_kernel or principal.only is not None or connection.expires is not None
        if may_have_to_go or connection.is_behind:
            return now + self._patience
        ping_at = connection.last_ping + self._config.ping_interval
        silent_at = connection.last_heard + self._config.pong_timeout
        return max(now + self._patience, min(ping_at, silent_at))

    def _plan(self, connection: Connection, at: float) -> None:
        connection.look_at = at
        heappush(self._due, (at, connection.id))
