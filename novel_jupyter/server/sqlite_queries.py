"""Everything a SQLite store does on one session at a time, but appending.

Law: each function is the whole of one operation, inside a transaction that it neither begins nor ends.
Parts: creating and deleting, reading (head, log, results), snapshots, the listing and its cursor.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Final

import orjson

from novel_jupyter.core.model import Head

from .ports import (
    READ_BYTES,
    RESULTS_KEPT,
    SNAPSHOTS_KEPT,
    Append,
    Entry,
    LogTrimmed,
    Result,
    SessionExists,
    SessionInfo,
    SessionNotFound,
    SessionPage,
    Snapshot,
    cursor_after,
)
from .sqlite_append import is_point, read_entries, write_accepted, write_info

_INFO: Final = """session_id, story, title, status, created_at, last_activity, archived, salt,
(SELECT json_group_array(json_array(user_id, role)) FROM members WHERE members.sid = sessions.sid)"""

_CREATE: Final = """
INSERT INTO sessions (session_id, epoch, sequence_id, hash, story, title, status,
                      created_at, last_activity, archived, salt, floor)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING sid"""

# Never the newest (it has no neighbour after it); of the others the one whose neighbours are closest.
# Nor the one on which the log stands.
_THIN: Final = """
DELETE FROM snapshots WHERE sid = ?1 AND sequence_id = (
    SELECT sequence_id FROM (
        SELECT sequence_id, lead(sequence_id) OVER log - coalesce(lag(sequence_id) OVER log, 0) AS span
        FROM snapshots WHERE sid = ?1 WINDOW log AS (ORDER BY sequence_id))
    WHERE span IS NOT NULL AND sequence_id != (SELECT floor FROM sessions WHERE sid = ?1)
    ORDER BY span, sequence_id LIMIT 1)"""


def create(
    info: SessionInfo, head: Head, append: Append, snapshot: Snapshot | None, connection: sqlite3.Connection
) -> None:
    """Raises SessionExists."""
    floor = append.expected.sequence_id
    values = (
        *(info.session_id, head.epoch, head.sequence_id, head.hash, info.story, info.title, info.status),
        *(info.created_at, info.last_activity, info.archived, info.salt, floor),
    )
    row = connection.execute(_CREATE, values).fetchone()
    if row is None:
        raise SessionExists(info.session_id)
    write_info(connection, row[0], info)
    if append.entries or append.results:
        write_accepted(connection, [(row[0], append)], {})
    if snapshot is not None:
        _keep(connection, row[0], snapshot.head, snapshot.body)


def delete(session_id: str, connection: sqlite3.Connection) -> None:
    """Raises SessionNotFound."""
    if connection.execute("DELETE FROM sessions WHERE session_id = ?", (session_id,)).rowcount == 0:
        raise SessionNotFound(session_id)


def head(session_id: str, connection: sqlite3.Connection) -> Head:
    """Raises SessionNotFound."""
    return _find(session_id, connection)[1]


def read(session_id: str, after: int, limit: int, connection: sqlite3.Connection) -> list[Entry]:
    """Raises SessionNotFound, LogTrimmed."""
    sid = _find(session_id, connection)[0]
    floor = _floor(connection, sid)
    if after < floor:
        raise LogTrimmed(floor)
    return read_entries(connection, sid, after, limit, READ_BYTES)


def clients(session_id: str, connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Raises SessionNotFound."""
    return connection.execute(
        "SELECT principal, client_id FROM clients WHERE sid = ? ORDER BY used, cid",
        (_find(session_id, connection)[0],),
    ).fetchall()


def results(session_id: str, principal: str, client_id: str, connection: sqlite3.Connection) -> list[Result]:
    """Raises SessionNotFound."""
    rows = connection.execute(
        "SELECT n, digest, results.body FROM clients JOIN results USING (cid) "
        f"WHERE sid = ? AND principal = ? AND client_id = ? ORDER BY n DESC LIMIT {RESULTS_KEPT}",
        (_find(session_id, connection)[0], principal, client_id),
    ).fetchall()
    return [Result(principal, client_id, *row) for row in reversed(rows)]


def put_snapshot(session_id: str, head: Head, body: bytes, keep: int, connection: sqlite3.Connection) -> bool:
    """Raises SessionNotFound. `keep`: the entries to keep, 0 for all."""
    sid, stored = _find(session_id, connection)
    if not is_point(connection, sid, stored, head):
        return False
    _keep(connection, sid, head, body)
    (count,) = connection.execute("SELECT count(*) FROM snapshots WHERE sid = ?", (sid,)).fetchone()
    if count > SNAPSHOTS_KEPT:
        connection.execute(_THIN, (sid,))
    if keep:
        _trim(connection, sid, stored.sequence_id - keep)
    return True


def _keep(connection: sqlite3.Connection, sid: int, head: Head, body: bytes) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?)", (sid, head.sequence_id, head.hash, body)
    )


def _trim(connection: sqlite3.Connection, sid: int, before: int) -> None:
    """Raise the floor to the latest snapshot at or below `before`, if there is one above the floor."""
    (floor,) = connection.execute(
        "SELECT max(sequence_id) FROM snapshots WHERE sid = ? AND sequence_id <= ?", (sid, before)
    ).fetchone()
    if floor is not None and floor > _floor(connection, sid):
        connection.execute("UPDATE sessions SET floor = ? WHERE sid = ?", (floor, sid))
        connection.execute("DELETE FROM entries WHERE sid = ? AND sequence_id <= ?", (sid, floor))
        connection.execute("DELETE FROM snapshots WHERE sid = ? AND sequence_id < ?", (sid, floor))


def _floor(connection: sqlite3.Connection, sid: int) -> int:
    (floor,) = connection.execute("SELECT floor FROM sessions WHERE sid = ?", (sid,)).fetchone()
    return int(floor)


def snapshot(session_id: str, at_or_before: int | None, connection: sqlite3.Connection) -> Snapshot | None:
    """Raises SessionNotFound."""
    sid, stored = _find(session_id, connection)
    row = connection.execute(
        "SELECT sequence_id, hash, body FROM snapshots WHERE sid = ? AND sequence_id <= ? "
        "ORDER BY sequence_id DESC LIMIT 1",
        (sid, stored.sequence_id if at_or_before is None else at_or_before),
    ).fetchone()
    return None if row is None else Snapshot(Head(stored.epoch, row[0], row[1]), row[2])


def info(session_id: str, connection: sqlite3.Connection) -> SessionInfo:
    """Raises SessionNotFound."""
    row = connection.execute(f"SELECT {_INFO} FROM sessions WHERE session_id = ?", (session_id,)).fetchone()
    if row is None:
        raise SessionNotFound(session_id)
    return _info(row)


def sessions(
    member: str | None, limit: int, after: tuple[str, str] | None, connection: sqlite3.Connection
) -> SessionPage:
    """One page of the listing; `after` is the place of the last session of the page before."""
    where, values = ["true"], list[object]()
    if member is not None:
        where.append("sid IN (SELECT sid FROM members WHERE user_id = ?)")
        values.append(member)
    if after is not None:
        where.append("(last_activity, session_id) < (?, ?)")
        values.extend(after)
    rows = connection.execute(
        f"SELECT {_INFO} FROM sessions WHERE {' AND '.join(where)} "
        "ORDER BY last_activity DESC, session_id DESC LIMIT ?",
        (*values, limit + 1),
    ).fetchall()
    page = tuple(_info(row) for row in rows[:limit])
    return SessionPage(page, cursor_after(page[-1]) if len(rows) > limit else None)


def _info(row: tuple[Any, ...]) -> SessionInfo:
    session_id, story, title, status, created_at, last_activity, archived, salt, members = row
    return SessionInfo(
        session_id=session_id,
        story=story,
        title=title,
        status=status,
        members=tuple((user_id, role) for user_id, role in orjson.loads(members)),
        created_at=created_at,
        last_activity=last_activity,
        archived=bool(archived),
        salt=salt,
    )


def _find(session_id: str, connection: sqlite3.Connection) -> tuple[int, Head]:
    row = connection.execute(
        "SELECT sid, epoch, sequence_id, hash FROM sessions WHERE session_id = ?", (session_id,)
    ).fetchone()
    if row is None:
        raise SessionNotFound(session_id)
    return row[0], Head(row[1], row[2], row[3])
