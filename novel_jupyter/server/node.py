"""This server among others: it makes itself known, and says to its people when the store is away.

Law: a beat is a question too: a store that does not answer it is away, and people are told at once and once;
what they do meanwhile waits in their clients. Of one session's part of the store only its people are told.
Parts: `NodeLife`, `Served` (what it needs of the hub).
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from typing import Protocol

from orjson import dumps

from novel_jupyter import __version__

from .bus import Bus
from .config import Config
from .connection import Connection
from .events_log import Log
from .frames import message
from .ports import StoreError
from .session_link import ROW_BEATS


class Served(Protocol):
    bus: Bus
    config: Config
    log: Log
    connections: dict[str, Connection]
    draining: bool

    def now(self) -> str: ...

    def counts(self) -> Mapping[str, int]: ...


class NodeLife:
    """Started by the hub's timer."""

    def __init__(self, hub: Served) -> None:
        self._hub = hub
        self._without: set[str] = set()
        """Sessions whose part of the store did not answer; "" for the server's own."""
        self._told: set[str] = set()
        """Connections that were told so."""
        self._since = hub.now()
        self._beat_at = float("-inf")
        self._beating: asyncio.Task[None] | None = None

    @property
    def store_available(self) -> bool:
        """Whether it is there for everybody."""
        return not self._without

    def every(self, now: float) -> None:
        if self._without or self._told:
            self._tell()  # somebody may have come into such a session, or left it
        if now - self._beat_at >= self._hub.config.node_beat and self._beating is None:
            self._beat_at = now
            self._beating = asyncio.create_task(self._beat())
            self._beating.add_done_callback(self._beaten)

    def _beaten(self, done: asyncio.Task[None]) -> None:
        self._beating = None
        if not done.cancelled() and done.exception() is not None:
            self._hub.log.failure("beat", done.exception())

    async def _beat(self) -> None:
        hub = self._hub
        about = {
            "url": hub.config.public_url,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": __version__,
            "since": self._since,
            "draining": hub.draining,
            **hub.counts(),
        }
        try:
            await hub.bus.beat(dumps(about), ROW_BEATS * hub.config.node_beat)
        except StoreError as error:
            hub.log.failure("beat", error)
            self.store_is("", False)
        else:
            self.store_is("", True)

    def store_is(self, session_id: str, available: bool) -> None:
        """The store answered, or did not: for a session, or (without one) for the server itself."""
        before = self.store_available
        if available:
            self._without.discard(session_id)
        else:
            self._without.add(session_id)
        if self.store_available != before:
            self._hub.log.info("store_back" if self.store_available else "store_away")
        if self._without or self._told:
            self._tell()

    def _tell(self) -> None:
        """Each connection whose store went away or came back, once."""
        connections = self._hub.connections
        self._told &= connections.keys()
        for id, connection in list(connections.items()):
            away = "" in self._without or not self._without.isdisjoint(connection.sessions)
            if away == (id in self._told):
                continue
            (self._told.add if away else self._told.discard)(id)
            data = {"kind": "store", "available": not away}
            connection.control(message("system_message", data, timestamp=self._hub.now()))

    def greet(self, connection: Connection) -> None:
        """Somebody came, and after the welcome everything is well unless they hear otherwise."""
        self._told.discard(connection.id)
        if self._without:
            self._tell()

    async def close(self) -> None:
        """Take this server off the list."""
        if self._beating is not None:
            await asyncio.wait([self._beating])
        try:
            await self._hub.bus.beat(b"", 0)
        except StoreError as error:  # it expires by itself
            self._hub.log.failure("beat", error)
