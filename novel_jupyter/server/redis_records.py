"""The store's records as arguments and answers of its scripts (`redis_scripts` says how they are kept).

Law: what was packed here is unpacked here; bodies are opaque.
Parts: by record, `pack_…` and `unpack_…`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Final, TypeAlias

import orjson

from novel_jupyter.core.model import Head

from .ports import Entry, Result, SessionInfo, Snapshot

Arg: TypeAlias = str | bytes | int

INFO: Final = ("story", "title", "status", "members", "created_at", "last_activity", "archived", "salt")


def client(principal: str, client_id: str) -> tuple[bytes, bytes]:
    """The two parts of a client's name: none of the first is the beginning of another."""
    raw = principal.encode()
    return b"%d:%b" % (len(raw), raw), client_id.encode()


def pack_writes(
    entries: Sequence[Entry], results: Sequence[Result], fields: Sequence[tuple[str, Arg]]
) -> Iterator[Arg]:
    yield from (len(entries), len(results), len(fields))
    for entry in entries:
        yield from (entry.sequence_id, entry.hash, entry.body)
    for result in results:
        digest = result.digest.encode()
        yield from client(result.principal, result.client_id)
        yield from (b"%016d" % result.n, b"%d:%b%b" % (len(digest), digest, result.body))
    for field in fields:
        yield from field


def pack_info(info: SessionInfo) -> list[tuple[str, Arg]]:
    """What of the listing data may change."""
    return [
        ("story", info.story),
        ("title", info.title),
        ("status", info.status),
        ("members", orjson.dumps(info.members)),
        ("last_activity", info.last_activity),
        ("archived", int(info.archived)),
    ]


def pack_born(info: SessionInfo, head: Head, floor: Head) -> list[tuple[str, Arg]]:
    """All fields of a new session."""
    return [
        *pack_info(info),
        ("created_at", info.created_at),
        ("salt", info.salt),
        ("epoch", head.epoch),
        ("seq", head.sequence_id),
        ("hash", head.hash),
        ("floor", floor.sequence_id),
        ("floor_hash", floor.hash),
    ]


def unpack_info(session_id: str, values: Sequence[bytes]) -> SessionInfo:
    """`values` are those of the fields INFO."""
    story, title, status, members, created_at, last_activity, archived, salt = values
    return SessionInfo(
        session_id=session_id,
        story=story.decode(),
        title=title.decode(),
        status=status.decode(),
        members=_members(members),
        created_at=created_at.decode(),
        last_activity=last_activity.decode(),
        archived=archived == b"1",
        salt=salt,
    )


def _members(raw: bytes) -> tuple[tuple[str, str], ...]:
    return tuple((user_id, role) for user_id, role in orjson.loads(raw))


def listed(info: SessionInfo) -> tuple[str, list[str]]:
    """When a session was last active, and its members' ids."""
    return info.last_activity, [user_id for user_id, _ in info.members]


def unpack_listed(last_activity: bytes, members: bytes) -> tuple[str, list[str]]:
    return last_activity.decode(), [user_id for user_id, _ in _members(members)]


def _cut(lengths: bytes, blob: bytes) -> list[bytes]:
    numbers = map(int, lengths.replace(b":", b",").split(b",")) if lengths else ()
    return [blob[start:end] for start, end in pairwise(accumulate(numbers, initial=0))]


def unpack_entries(after: int, lengths: bytes, blob: bytes) -> list[Entry]:
    parts = iter(_cut(lengths, blob))
    return [
        Entry(number, hash.decode(), body)
        for number, (hash, body) in enumerate(zip(parts, parts, strict=True), after + 1)
    ]


def unpack_results(principal: str, client_id: str, lengths: bytes, blob: bytes) -> list[Result]:
    found: list[Result] = []
    for item in _cut(lengths, blob):
        length, _, rest = item[27:].partition(b":")
        digest, body = rest[: int(length)], rest[int(length) :]
        found.append(Result(principal, client_id, int(item[10:26]), digest.decode(), body))
    return found


def unpack_clients(lengths: bytes, blob: bytes) -> list[tuple[str, str]]:
    """The longest unused first."""
    found: list[tuple[str, str]] = []
    for item in sorted(_cut(lengths, blob)):
        length, _, rest = item[13:].partition(b":")
        found.append((rest[: int(length)].decode(), rest[int(length) :].decode()))
    return found


def pack_snapshot(hash: str, body: bytes) -> bytes:
    raw = hash.encode()
    return b"%d:%b%b" % (len(raw), raw, body)


def unpack_snapshot(epoch: bytes, number: bytes, record: bytes) -> Snapshot:
    length, _, rest = record.partition(b":")
    hash, body = rest[: int(length)], rest[int(length) :]
    return Snapshot(Head(epoch.decode(), int(number), hash.decode()), body)
