"""What a Redis holds and what goes over its channels: names of keys, and notes as bytes.

Law: everything of one session has one hash tag, so it lives in one slot: one script may touch it, and its
channel is served by the same primary. Bodies are opaque and travel as they are, behind one line of JSON that
says what they are and how long. Who gets something from another version or another program gets ValueError.
Parts: the names; `CHANGED`, `encode_announcement`, `encode_note`, `encode_change`, `decode`; `Link`, which is
what the bus asks of the connections.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import sha1
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from novel_jupyter.core.model import Head

from .bus import Announcement
from .ports import Entry

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
    """An append as its node tells it; without the entries when they are too many."""
    head, entries = announcement.head, announcement.entries
    if sum(len(entry.body) for entry in entries) > ANNOUNCED_BYTES:
        entries = ()
    return _framed(
        node,
        "log",
        [entry.body for entry in entries],
        head=[head.epoch, head.sequence_id, head.hash],
        entries=[[entry.hash, len(entry.body)] for entry in entries],
    )


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


def _announcement(told: Any, body: bytes) -> Announcement:
    epoch, sequence_id, hash = told["head"]
    hashes, ends = [], [0]
    for chained, length in told["entries"]:
        hashes.append(chained)
        ends.append(ends[-1] + length)
    if ends[-1] != len(body):
        raise ValueError("the bodies are cut")
    first = sequence_id - len(hashes) + 1
    bodies = [body[start:end] for start, end in pairwise(ends)]
    entries = [
        Entry(first + i, hash, body) for i, (hash, body) in enumerate(zip(hashes, bodies, strict=True))
    ]
    return Announcement(Head(epoch, sequence_id, hash), tuple(entries))


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

    async def script(self, script: Script, keys: Sequence[str], args: Sequence[str | bytes | int]) -> Any:
        """The script's answer. Raises StoreUnavailable."""

    def publish(self, channel: str, payload: bytes) -> None:
        """SPUBLISH, best effort, in the order of the calls."""

    async def locate(self, key: str, *, again: bool = False) -> Address:
        """Where the primary of this key (or channel) is, as far as is known; `again` finds out anew.
        Raises StoreUnavailable.
        """

    def dial(self, address: Address) -> AbstractConnection:
        """A connection (RESP2) with our credentials, not connected yet. It is the caller's: to close, too."""
