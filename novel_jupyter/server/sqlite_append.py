"""Many appends in one transaction: decided in Python, written by a handful of statements.

Law: inside `BEGIN IMMEDIATE` nobody else writes, so what was read at its start decides; the writes that
follow cannot conflict. Each statement works on the whole batch (rows travel as one JSON array, bodies as one
blob cut by offset), because each step of a statement gives the interpreter lock away and has to win it back
from a busy event loop.
Parts: `append_all` (heads, spent keys, verdicts, writes), `write_accepted`, `read_entries`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import orjson

from novel_jupyter.core.model import Head

from .ports import (
    BEHIND_ENTRIES,
    CLIENTS_KEPT,
    RESULTS_KEPT,
    Append,
    Behind,
    Entry,
    ResultKey,
    SessionInfo,
    SessionNotFound,
    Unreadable,
)

BEHIND_BYTES: Final = 1024 * 1024
FORGET_AT_ONCE: Final = 64
"""Results are forgotten in lots, so that a busy client does not cost a deletion for each command."""

_HEADS = """
SELECT json_group_array(json_array(sid, session_id, epoch, sequence_id, hash)) FROM sessions
WHERE session_id IN (SELECT value FROM json_each(?))"""

# CROSS JOIN: from the keys to the clients, never the other way round.
_CLIENTS = """
SELECT json_group_array(json_array(
    key.key, client.kept,
    json_extract(key.value, '$[3]') <= client.floor
    OR EXISTS (SELECT 1 FROM results WHERE cid = client.cid AND n = json_extract(key.value, '$[3]'))))
FROM json_each(?) AS key CROSS JOIN clients AS client
ON client.sid = json_extract(key.value, '$[0]')
AND client.principal = json_extract(key.value, '$[1]')
AND client.client_id = json_extract(key.value, '$[2]')"""

_ENTRIES = """
INSERT INTO entries (sid, sequence_id, hash, body)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
       coalesce(substr(?2, json_extract(value, '$[3]'), json_extract(value, '$[4]')), x'')
FROM json_each(?1)"""

_NEW_HEADS = """
UPDATE sessions SET sequence_id = json_extract(new.value, '$[1]'), hash = json_extract(new.value, '$[2]'),
                    epoch = json_extract(new.value, '$[3]'), uses = uses + 1
FROM json_each(?) AS new WHERE sid = json_extract(new.value, '$[0]')"""

_NEW_CLIENTS = """
INSERT INTO clients (sid, principal, client_id, kept, used)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
       json_extract(value, '$[3]'), (SELECT uses FROM sessions WHERE sid = json_extract(value, '$[0]'))
FROM json_each(?) WHERE true
ON CONFLICT (sid, principal, client_id) DO UPDATE SET kept = kept + excluded.kept, used = excluded.used"""

_RESULTS = """
INSERT INTO results (cid, n, digest, body)
SELECT client.cid, json_extract(new.value, '$[3]'), json_extract(new.value, '$[4]'),
       coalesce(substr(?2, json_extract(new.value, '$[5]'), json_extract(new.value, '$[6]')), x'')
FROM json_each(?1) AS new CROSS JOIN clients AS client
ON client.sid = json_extract(new.value, '$[0]')
AND client.principal = json_extract(new.value, '$[1]')
AND client.client_id = json_extract(new.value, '$[2]')"""

_READ = """
SELECT json_group_array(json_array(sequence_id, hash, length(body))), group_concat(hex(body), '') FROM (
    SELECT sequence_id, hash, body,
           sum(length(body)) OVER (ORDER BY sequence_id ROWS UNBOUNDED PRECEDING) - length(body) AS before
    FROM (SELECT sequence_id, hash, body FROM entries WHERE sid = ? AND sequence_id > ?
          ORDER BY sequence_id LIMIT ?))
WHERE before < ?"""

ClientKey: TypeAlias = tuple[int, str, str]
Verdict: TypeAlias = Head | Behind | SessionNotFound


@dataclass(slots=True)
class _Known:
    """What the batch needs to know about the store, and what it is about to change."""

    sids: dict[str, int]
    heads: dict[int, Head]
    spent: set[tuple[int, ResultKey]]
    kept: dict[ClientKey, int]


def append_all(connection: sqlite3.Connection, appends: Sequence[Append]) -> list[Verdict]:
    """The verdicts, in order, inside a transaction that can write. A later append sees the earlier ones."""
    known = _look_up(connection, appends)
    verdicts: list[Verdict | None] = []
    accepted: list[tuple[int, Append]] = []
    for append in appends:
        sid = known.sids.get(append.session_id)
        if sid is None:
            verdicts.append(SessionNotFound(append.session_id))
        elif known.heads[sid] != append.expected or any((sid, r.key) in known.spent for r in append.results):
            verdicts.append(None)  # its words come when the log is as this batch leaves it
        else:
            accepted.append((sid, append))
            known.heads[sid] = append.head
            known.spent.update((sid, result.key) for result in append.results)
            verdicts.append(append.head)
    if accepted:
        write_accepted(connection, accepted, known.kept)
    return [
        _behind(connection, append, known) if verdict is None else verdict
        for append, verdict in zip(appends, verdicts, strict=True)
    ]


def _look_up(connection: sqlite3.Connection, appends: Sequence[Append]) -> _Known:
    known = _Known({}, {}, set(), {})
    for sid, session_id, *head in _array(connection, _HEADS, list({append.session_id for append in appends})):
        known.sids[session_id] = sid
        known.heads[sid] = Head(*head)
    keys = [
        (known.sids[append.session_id], result.key)
        for append in appends
        if append.session_id in known.sids
        for result in append.results
    ]
    if keys:
        for index, kept, spent in _array(connection, _CLIENTS, [(sid, *key) for sid, key in keys]):
            sid, key = keys[index]
            known.kept[sid, key[0], key[1]] = kept
            if spent:
                known.spent.add(keys[index])
    return known


def write_accepted(
    connection: sqlite3.Connection, accepted: Sequence[tuple[int, Append]], kept: dict[ClientKey, int]
) -> None:
    """Write appends that were found to fit. `kept` counts the results of the clients that the store knows."""
    entries, heads, results = _Rows(), {}, _Rows()
    clients: dict[ClientKey, int] = {}
    for sid, append in accepted:
        for entry in append.entries:
            entries.add(entry.body, sid, entry.sequence_id, entry.hash)
        heads[sid] = (sid, append.head.sequence_id, append.head.hash, append.head.epoch)
        for result in append.results:
            results.add(result.body, sid, *result.key, result.digest)
            client = (sid, result.principal, result.client_id)
            clients[client] = clients.get(client, 0) + 1
        if append.info is not None:
            write_info(connection, sid, append.info)
    connection.execute(_NEW_HEADS, (orjson.dumps(list(heads.values())).decode(),))
    entries.insert(connection, _ENTRIES)
    if clients:
        counted = [(*client, count) for client, count in clients.items()]
        connection.execute(_NEW_CLIENTS, (orjson.dumps(counted).decode(),))
        results.insert(connection, _RESULTS)
        _forget(connection, clients, kept)


def write_info(connection: sqlite3.Connection, sid: int, info: SessionInfo) -> None:
    """Replace the listing data, but for what stays as it was made: id, salt and time of creation."""
    connection.execute(
        "UPDATE sessions SET story = ?, title = ?, status = ?, last_activity = ?, archived = ? WHERE sid = ?",
        (info.story, info.title, info.status, info.last_activity, info.archived, sid),
    )
    connection.execute("DELETE FROM members WHERE sid = ?", (sid,))
    connection.execute(
        "INSERT INTO members "
        "SELECT ?1, json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?2)",
        (sid, orjson.dumps(info.members).decode()),
    )


def read_entries(
    connection: sqlite3.Connection, sid: int, after: int, limit: int, max_bytes: int
) -> list[Entry]:
    """Entries after `after`: one row with everything, for the reason in the law above."""
    rows, bodies = connection.execute(_READ, (sid, after, limit, max_bytes)).fetchone()
    blob, at, entries = bytes.fromhex(bodies or ""), 0, list[Entry]()
    for due, (sequence_id, hash, length) in enumerate(orjson.loads(rows), after + 1):
        if sequence_id != due:
            raise Unreadable(f"the file is damaged: entry {due} is missing")
        entries.append(Entry(sequence_id, hash, blob[at : at + length]))
        at += length
    return entries


def is_point(connection: sqlite3.Connection, sid: int, stored: Head, head: Head) -> bool:
    """Whether `head` lies on the stored history, under whatever epoch."""
    at = head.sequence_id
    if not 0 <= at <= stored.sequence_id:
        return False
    if at == stored.sequence_id:
        return head.hash == stored.hash
    rows = connection.execute(
        "SELECT hash FROM entries WHERE sid = ?1 AND sequence_id = ?2 UNION ALL "
        "SELECT snapshots.hash FROM snapshots JOIN sessions USING (sid) "
        "WHERE sid = ?1 AND snapshots.sequence_id = ?2 AND floor = ?2",
        (sid, at),
    ).fetchall()
    if at == 0 and not rows:
        return bool(connection.execute("SELECT floor = 0 FROM sessions WHERE sid = ?", (sid,)).fetchone()[0])
    return any(row[0] == head.hash for row in rows)


def _behind(connection: sqlite3.Connection, append: Append, known: _Known) -> Behind:
    sid = known.sids[append.session_id]
    head = known.heads[sid]
    spent = tuple(result.key for result in append.results if (sid, result.key) in known.spent)
    if not is_point(connection, sid, head, append.expected):
        return Behind(head, complete=False, diverged=True, spent=spent)
    after = append.expected.sequence_id
    entries = tuple(read_entries(connection, sid, after, BEHIND_ENTRIES, BEHIND_BYTES))
    return Behind(head, entries, complete=after + len(entries) == head.sequence_id, spent=spent)


def _forget(
    connection: sqlite3.Connection, clients: dict[ClientKey, int], kept: dict[ClientKey, int]
) -> None:
    for client, added in clients.items():
        if kept.get(client, 0) + added >= RESULTS_KEPT + FORGET_AT_ONCE:
            (cid,) = connection.execute(
                "SELECT cid FROM clients WHERE sid = ? AND principal = ? AND client_id = ?", client
            ).fetchone()
            (floor,) = connection.execute(
                f"SELECT n FROM results WHERE cid = ? ORDER BY n DESC LIMIT 1 OFFSET {RESULTS_KEPT}", (cid,)
            ).fetchone()
            connection.execute("DELETE FROM results WHERE cid = ? AND n <= ?", (cid, floor))
            connection.execute(
                "UPDATE clients SET floor = max(floor, ?), kept = ? WHERE cid = ?", (floor, RESULTS_KEPT, cid)
            )
    for sid in {client[0] for client in clients if client not in kept}:
        connection.execute(
            # Whose clients are the oldest of their own go first: nobody's churn costs another's memory.
            "DELETE FROM clients WHERE cid IN (SELECT cid FROM (SELECT cid, used, row_number() OVER "
            "(PARTITION BY principal ORDER BY used DESC, cid DESC) AS rank FROM clients WHERE sid = ?) "
            f"ORDER BY rank, used DESC, cid DESC LIMIT -1 OFFSET {CLIENTS_KEPT})",
            (sid,),
        )


class _Rows:
    """Rows for one statement: fields as a JSON array, bodies as one blob with their place in it."""

    __slots__ = ("_bodies", "_fields", "_size")

    def __init__(self) -> None:
        self._fields: list[tuple[object, ...]] = []
        self._bodies: list[bytes] = []
        self._size = 0

    def add(self, body: bytes, *fields: object) -> None:
        self._fields.append((*fields, self._size + 1, len(body)))  # SQLite counts from 1
        self._bodies.append(body)
        self._size += len(body)

    def insert(self, connection: sqlite3.Connection, statement: str) -> None:
        if self._fields:
            connection.execute(statement, (orjson.dumps(self._fields).decode(), b"".join(self._bodies)))


def _array(connection: sqlite3.Connection, statement: str, items: Sequence[object]) -> Any:
    """The one JSON array that the statement answers with; what is in it, the statement says."""
    (text,) = connection.execute(statement, (orjson.dumps(items).decode(),)).fetchone()
    return orjson.loads(text)
