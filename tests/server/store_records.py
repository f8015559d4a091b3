"""Records for tests of stores: small, valid, and chained so that a test can say what is due.

Parts: makers, `extend` (an append that has to succeed), `Opener`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import TypeAlias

from novel_jupyter.core.model import Head
from novel_jupyter.server.ports import (
    Append,
    Entry,
    Result,
    SessionInfo,
    Store,
)

Opener: TypeAlias = Callable[[], Awaitable[Store]]
"""Opens one more handle to the test's own, fresh medium."""

EMPTY = Head("epoch-1", 0, "")


def make_info(
    session_id: str = "s1", *, at: str = "2026-01-01T00:00:00.000Z", users: str = "ann"
) -> SessionInfo:
    members = tuple((user, "player") for user in users.split())
    return SessionInfo(session_id, "lighthouse", "Título ☾", "open", members, at, at, False, b"\x00salt\xff")


def make_entries(after: Head, count: int, body: bytes = b'{"n":1}') -> list[Entry]:
    entries: list[Entry] = []
    hash = after.hash
    for sequence_id in range(after.sequence_id + 1, after.sequence_id + count + 1):
        hash = sha256(hash.encode() + body).hexdigest()
        entries.append(Entry(sequence_id, hash, body))
    return entries


def make_results(*numbers: int, client: str = "c1", principal: str = "ann") -> list[Result]:
    return [Result(principal, client, n, f"digest-{n}", b'{"ack":%d}' % n) for n in numbers]


def make_append(
    after: Head, count: int = 1, *numbers: int, session_id: str = "s1", client: str = "c1"
) -> Append:
    return Append(session_id, after, make_entries(after, count), make_results(*numbers, client=client))


async def extend(store: Store, after: Head, count: int = 1, *numbers: int, session_id: str = "s1") -> Head:
    """Append and expect that it succeeds."""
    head = await store.append(make_append(after, count, *numbers, session_id=session_id))
    assert isinstance(head, Head)
    return head


async def extend_with(store: Store, after: Head, body: bytes) -> Head:
    """Append one entry with this body and expect that it succeeds."""
    append = Append("s1", after, make_entries(after, 1, body))
    assert await store.append(append) == append.head
    return append.head


def command(client: str, n: int, head: Head) -> Append:
    """One to three entries that name their command."""
    return Append(
        "s1", head, make_entries(head, n % 3 + 1, f"{client}:{n}".encode()), make_results(n, client=client)
    )
