"""The servers and sessions of a store as its bus and its logs tell of them.

Law: whoever looks leaves no trace: no row, no beat. It is bounded by the number of sessions that were asked
for. A server that is behind for a moment is at work; one that is still there a while later is told.
Parts: `NodeSeen`, `SessionSeen`, `see_nodes`, `see_sessions`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from orjson import JSONDecodeError, loads

from novel_jupyter.core.views import rules_of

from .server import archive
from .server.bus import Bus, Row
from .server.ports import LogTrimmed, SessionInfo, SessionNotFound, Store, StoreError

PATIENCE: Final = 6.5
"""Seconds, three of a server's beats with the default settings, in which one may catch up."""
FAR: Final = 5000
"""Events after the newest snapshot that make a session slow to open."""


@dataclass(frozen=True, slots=True)
class NodeSeen:
    node: str
    url: str
    host: str
    pid: int
    version: str
    age: float
    """Seconds since its last sign of life."""
    draining: bool
    sessions: int
    connections: int


@dataclass(slots=True)
class SessionSeen:
    """`floor`: the event after which its log begins. `people`: node → the users connected there."""

    session_id: str
    title: str
    status: str
    last_activity: str
    epoch: str = ""
    head: int = 0
    floor: int = 0
    snapshot: int | None = None
    phase: str = ""
    holder: str | None = None
    people: dict[str, list[str]] = field(default_factory=dict)
    lag: dict[str, int] = field(default_factory=dict)
    """Node → how many events it has not read yet."""
    stuck: dict[str, int] = field(default_factory=dict)
    """The same, of those that a while later had still not read what was there at first."""
    problem: str = ""


async def see_nodes(bus: Bus) -> list[NodeSeen]:
    """Whoever beats. Raises StoreUnavailable."""
    return [_node(node.node_id, node.about, node.age) for node in await bus.nodes()]


def _node(node_id: str, about: bytes, age: float) -> NodeSeen:
    try:
        said: dict[str, Any] = loads(about)
    except JSONDecodeError:
        said = {}
    return NodeSeen(
        node_id,
        str(said.get("url") or ""),
        str(said.get("host") or ""),
        int(said.get("pid") or 0),
        str(said.get("version") or ""),
        round(age, 2),
        bool(said.get("draining")),
        int(said.get("sessions") or 0),
        int(said.get("connections") or 0),
    )


async def see_sessions(
    store: Store, bus: Bus, count: int, patience: float = PATIENCE
) -> tuple[list[SessionSeen], bool]:
    """The latest `count` sessions, and whether there are more. Raises StoreUnavailable."""
    page = await store.sessions(limit=count)
    found = [await _session(store, bus, info) for info in page.sessions]
    behind = [seen for seen in found if seen.lag]
    if behind:
        await asyncio.sleep(patience)
        for seen in behind:
            rows = await bus.here(seen.session_id, None, 0.0)
            seen.stuck = {node: lag for node, lag in _lag(rows, seen.head).items() if node in seen.lag}
    return found, page.cursor is not None


async def _session(store: Store, bus: Bus, info: SessionInfo) -> SessionSeen:
    id = info.session_id
    seen = SessionSeen(id, info.title, info.status, info.last_activity)
    try:
        # Rows before the head: a server cannot have read what was not there, so none is ahead by this.
        rows = await bus.here(id, None, 0.0)
        head = await store.head(id)
        seen.epoch, seen.head = head.epoch, head.sequence_id
        seen.floor = await _floor(store, id)
        newest = await store.snapshot(id)
        seen.snapshot = newest.head.sequence_id if newest else None
        rules = rules_of((await archive.load(store, id, 1)).room.state)
        seen.phase, seen.holder = rules["turn"]["phase"], rules["host"]["holder"]
    except SessionNotFound:
        seen.problem = "it was deleted meanwhile"
        return seen
    except StoreError as error:
        seen.problem = f"the store does not give it: {error}"
        return seen
    except (ValueError, LookupError, TypeError) as error:
        seen.problem = f"its log cannot be read ({type(error).__name__})"
        return seen
    try:
        seen.people = {node: _people(row) for node, row in sorted(rows.items())}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        seen.problem = f"who is there cannot be read ({type(error).__name__})"
    seen.lag = _lag(rows, seen.head)
    return seen


async def _floor(store: Store, session_id: str) -> int:
    try:
        await store.read(session_id, 0, 1)
    except LogTrimmed as trimmed:
        return trimmed.floor
    return 0


def _people(row: Row) -> list[str]:
    """The users of a row, each as often as they are connected."""
    said: Mapping[str, Sequence[str]] = loads(row.people)
    return sorted(user for user, *_ in said.values())


def _lag(rows: Mapping[str, Row], head: int) -> dict[str, int]:
    return {node: head - row.sequence_id for node, row in rows.items() if row.sequence_id < head}
