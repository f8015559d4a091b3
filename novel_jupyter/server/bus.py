"""The bus port: how the servers of one store hear of each other's appends, and see each other's people.

Law: the bus only announces. What it carries may be lost, repeated or late, and nothing is decided by it: the
log is the truth, and a gap is read from it. What is here expires by itself. Every implementation passes
`tests/server/bus_contract.py`, which quotes the numbers.

B1  A note that was published for a session reaches every other node that listens to that session, in the
    order of its publisher, as long as the link holds; never the node that published it.
B2  An append is announced by the store that made it (a store and a bus of one medium belong together), with
    the new head and, while they are small, the entries and results. A node is not told of its own appends.
B3  `here` says who is connected at this node and answers with everybody's rows: of each node, its row. A row
    lives for `ttl` seconds unless it is said again; an empty one is taken away. Clocks are the medium's own.
B4  A row that expires is taken away once, by whichever node looks first, and every node that listens is told
    (`changed`). A row that differs from the one before is told too, one that is only said again is not.
B5  When the link was down, `relinked` is called for every session that listens: what was said meanwhile is
    lost, so look at the log and at the rows.
B6  Nodes make themselves known with `beat`, and are forgotten `ttl` seconds after their last.
B7  Memory and connections do not grow with what is published. Notes are at most NOTE_BYTES. A slow listener
    delays nobody: its notes are dropped, and it is told `relinked`.
B8  `close` ends every listening as `unlisten` does; later calls raise StoreClosed, but `publish` and
    `unlisten`, which do nothing then. A medium that is away raises StoreUnavailable from `listen` (nothing is
    listened to then), `here`, `beat` and `nodes`; `unlisten` does what it can, and `publish` loses.
B9  A bus that knows all its nodes says whether it is the only one. Whoever comes later is told what is said
    from then on.

Parts: `Announcement`, `Row`, `Node`, `Listener`, `Bus`, `LocalBus` (one process, no medium).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from novel_jupyter.core.frozen import frozen
from novel_jupyter.core.model import Head

from .ports import Entry, Result, StoreClosed

NOTE_BYTES: Final = 64 * 1024


@frozen
class Announcement:
    """Another node appended. `entries` lead to `head`, or there are none and the log has them.

    `results` came with them: who holds both can write them anew where a medium lost them.
    """

    head: Head
    entries: tuple[Entry, ...] = ()
    results: tuple[Result, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """What one node says of one session: opaque JSON `people`, and how far it has read the log."""

    people: bytes
    sequence_id: int


@dataclass(frozen=True, slots=True)
class Node:
    """A server as it makes itself known. `about` is JSON: url, pid, version, counts."""

    node_id: str
    about: bytes
    age: float
    """Seconds since its last beat."""


class Listener(Protocol):
    """What a session does with the news. Nothing here may raise or wait."""

    def announced(self, announcement: Announcement) -> None: ...

    def noted(self, node: str, note: bytes) -> None: ...

    def changed(self) -> None:
        """Somebody's row did: ask `here`."""

    def relinked(self) -> None: ...


class Bus(Protocol):
    """The contract is B1 to B9 above. `node` is this node's id, random for each start."""

    node: str

    @property
    def is_alone(self) -> bool:
        """Whether nobody else can hear or say anything now (B9): what is said again can wait."""

    async def listen(self, session_id: str, listener: Listener) -> None:
        """From when this returned on, the listener hears of everything. One listener a session."""

    async def unlisten(self, session_id: str) -> None:
        """Stop, and take this node's row away. Knows no unknown session."""

    def publish(self, session_id: str, note: bytes) -> None:
        """Tell the others, best effort. Raises ValueError for a note above NOTE_BYTES."""

    async def here(self, session_id: str, row: Row | None, ttl: float) -> Mapping[str, Row]:
        """Say this node's row (None: nobody is here) and get the rows of all nodes, this one's included."""

    async def beat(self, about: bytes, ttl: float) -> None:
        """Make this node known for `ttl` seconds; 0 takes it away."""

    async def nodes(self) -> list[Node]:
        """Whoever beats, sorted by id."""

    async def close(self) -> None: ...


@dataclass(slots=True)
class Place:
    """What the nodes of one exchange share."""

    listeners: dict[str, dict[str, Listener]] = field(default_factory=dict)
    rows: dict[str, dict[str, tuple[Row, float]]] = field(default_factory=dict)
    nodes: dict[str, tuple[bytes, float, float]] = field(default_factory=dict)


class LocalBus:
    """The bus of a store in one file: nodes of one process that were made with the same `place` hear each
    other, and most have it for themselves. Other processes on the same file are found out by reading the log.
    """

    def __init__(self, node: str, place: Place | None = None) -> None:
        self.node = node
        self.place = place or Place()
        self._closed = False

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed("the bus is closed")

    @property
    def is_alone(self) -> bool:
        return self.place.nodes.keys() <= {self.node}

    def _others(self, session_id: str) -> list[Listener]:
        return [
            heard for node, heard in self.place.listeners.get(session_id, {}).items() if node != self.node
        ]

    async def listen(self, session_id: str, listener: Listener) -> None:
        self._check_open()
        self.place.listeners.setdefault(session_id, {})[self.node] = listener

    async def unlisten(self, session_id: str) -> None:
        heard = self.place.listeners.get(session_id, {})
        heard.pop(self.node, None)
        if not heard:
            self.place.listeners.pop(session_id, None)
        self._say(session_id, None, 0.0)

    def announce(self, session_id: str, announcement: Announcement) -> None:
        """Tell the others of an append (B2)."""
        for listener in self._others(session_id):
            asyncio.get_running_loop().call_soon(listener.announced, announcement)

    def publish(self, session_id: str, note: bytes) -> None:
        if len(note) > NOTE_BYTES:
            raise ValueError(f"a note has at most {NOTE_BYTES} bytes")
        for listener in () if self._closed else self._others(session_id):
            asyncio.get_running_loop().call_soon(listener.noted, self.node, note)

    async def here(self, session_id: str, row: Row | None, ttl: float) -> Mapping[str, Row]:
        self._check_open()
        return self._say(session_id, row, ttl)

    def _say(self, session_id: str, row: Row | None, ttl: float) -> dict[str, Row]:
        now, rows = time.monotonic(), self.place.rows.setdefault(session_id, {})
        before = {node: said.people for node, (said, _) in rows.items()}
        if row is None:
            rows.pop(self.node, None)
        else:
            rows[self.node] = (row, now + ttl)
        for node in [node for node, (_, until) in rows.items() if until <= now]:
            del rows[node]
        if {node: said.people for node, (said, _) in rows.items()} != before:
            for listener in self._others(session_id):
                asyncio.get_running_loop().call_soon(listener.changed)
        if not rows:
            del self.place.rows[session_id]
        return {node: said for node, (said, _) in rows.items()}

    async def beat(self, about: bytes, ttl: float) -> None:
        self._check_open()
        now = time.monotonic()
        if ttl > 0:
            self.place.nodes[self.node] = (about, now, now + ttl)
        else:
            self.place.nodes.pop(self.node, None)

    async def nodes(self) -> list[Node]:
        self._check_open()
        now = time.monotonic()
        alive = {node: known for node, known in self.place.nodes.items() if known[2] > now}
        return [Node(node, about, now - at) for node, (about, at, _) in sorted(alive.items())]

    async def close(self) -> None:
        if self._closed:
            return
        for session_id in [s for s, heard in self.place.listeners.items() if self.node in heard]:
            await self.unlisten(session_id)
        self.place.nodes.pop(self.node, None)
        self._closed = True
