"""What a Redis holds and what goes over its channels: names of keys, and notes as bytes.

Law: everything of one session has one hash tag, so it lives in one slot: one script may touch it, and its
channel is served by the same primary. Bodies are opaque and travel as they are, behind one line of JSON that
says what they are and how long. Who gets something from another version or another program gets ValueError.
Parts: the names; `CHANGED`, `encode_announcement`, `encode_note`, `encode_change`, `decode`, `origin`;
`Script`; `Address` and `Link`, which is what the bus asks of the connections.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import sha1
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from novel_jupyter.core.model import Head

from .bus import Announcement
from .ports import Entry, Result

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

ANNOUNCED_BYTES: Final = 32 * 1024
"""Entries that are larger together are left out of an announcement: who needs them reads the log."""

NODES: Final = "novel:nodes"

_SESSION: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def key(session_id: str, part: str) -> str:
    """The key (or channel) of a session's `part`. Raises ValueError for an id that is not safe in a name."""
    if not _SESSION.fullmatch(session_id):
        raise ValueError(f"no session has the id {session_id!r}")
    return f"novel:{{{session_id}}}:{part}"


def channel(session_id: str) -> str:
    return key(session_id, "bus")


class _Changed(Enum):
    CHANGED = "changed"


CHANGED: Final = _Changed.CHANGED
"""Somebody's row did (B4)."""

News: TypeAlias = "Announcement | bytes | _Changed"


def _framed(node: str, kind: str, bodies: Sequence[bytes], **more: object) -> bytes:
    return b"".join([json.dumps({"node": node, "kind": kind, **more}).encode(), b"\n", *bodies])


def encode_announcement(node: str, announcement: Announcement) -> bytes:
    """An append as its node tells it; the head alone when the rest is too much."""
    head, entries, results = announcement.head, announcement.entries, announcement.results
    bodies = [*(entry.body for entry in entries), *(result.body for result in results)]
    if sum(map(len, bodies)) > ANNOUNCED_BYTES:
        entries, results, bodies = (), (), []
    return _framed(
        node,
        "log",
        bodies,
        head=[head.epoch, head.sequence_id, head.hash],
        entries=[[entry.hash, len(entry.body)] for entry in entries],
        results=[[r.principal, r.client_id, r.n, r.digest, len(r.body)] for r in results],
    )


def origin(node: str) -> bytes:
    """How everything begins that this node says: what is one's own need not be read further."""
    return json.dumps({"node": node}).encode()[:-1] + b","


def encode_note(node: str, note: bytes) -> bytes:
    return _framed(node, "note", [note])


def encode_change(node: str) -> bytes:
    return _framed(node, "changed", [])


def decode(payload: bytes) -> tuple[str, News]:
    """(node, what it says). Raises ValueError."""
    line, found, body = payload.partition(b"\n")
    try:
        told = json.loads(line)
        node, kind = str(told["node"]), told["kind"]
        if not found:
            raise ValueError("no end of the first line")
        if kind == "changed":
            return node, CHANGED
        if kind == "note":
            return node, body
        if kind == "log":
            return node, _announcement(told, body)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"this is no note of ours: {payload[:80]!r}") from error
    raise ValueError(f"nobody knows what {kind!r} is")


def _announcement(told: Any, rest: bytes) -> Announcement:
    epoch, sequence_id, hash = told["head"]
    lengths = [row[-1] for row in (*told["entries"], *told["results"])]
    if sum(lengths) != len(rest):
        raise ValueError("the bodies are cut")
    bodies = iter([rest[start:end] for start, end in pairwise(accumulate(lengths, initial=0))])
    first = sequence_id - len(told["entries"]) + 1
    entries = [Entry(first + i, row[0], next(bodies)) for i, row in enumerate(told["entries"])]
    results = [Result(who, client, n, digest, next(bodies)) for who, client, n, digest, _ in told["results"]]
    return Announcement(Head(epoch, sequence_id, hash), tuple(entries), tuple(results))


@dataclass(frozen=True, slots=True)
class Address:
    """Where a primary listens."""

    host: str
    port: int


class Script:
    """A Lua script, and the name by which servers know it once they have seen it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = sha1(text.encode(), usedforsecurity=False).hexdigest()


class Link(Protocol):
    """What the bus asks of the connections (`redis_link`). Whoever made them closes them."""

    @property
    def generation(self) -> int:
        """Counts what is known to have changed in where the primaries are."""

    async def script(
        self,
        script: Script,
        keys: Sequence[str],
        args: Sequence[str | bytes | int],
        *,
        idempotent: bool = False,
    ) -> Any:
        """The script's answer. `idempotent`: to run it twice does no harm. Raises StoreUnavailable."""

    def publish(self, channel: str, payload: bytes) -> None:
        """SPUBLISH, best effort, in the order of the calls."""

    async def locate(self, key: str, *, again: bool = False) -> Address:
        """Where the primary of this key (or channel) is, as far as is known; `again` finds out anew.
        Raises StoreUnavailable.
        """

    def dial(self, address: Address) -> AbstractConnection:
        """A connection (RESP2) with our credentials, not connected yet. It is the caller's: to close, too."""
