"""The SQLite file: its tables, its version, and how a connection to it is opened.

Law: `PRAGMA user_version` counts the migrations that were applied; they run in order, all in one
transaction, and are never edited once released. A file of a newer version, or of another program, is refused
and left as it is.
Parts: `MIGRATIONS`, `connect`, `migrate`.

One row per session carries its head, and the `floor` after which its entries begin. `entries` are clustered
by session, so a tail is one run of pages. A client (of a principal) remembers `floor`, its highest forgotten
number, and `used`, the session's count of appends when it was last seen.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, TypeAlias

from .ports import StoreError

Synchronous: TypeAlias = Literal["FULL", "NORMAL"]
Migration: TypeAlias = Sequence[str]
"""Statements, run one by one: `executescript` would commit in between."""

APPLICATION_ID: Final = 0x4E4F564A  # "NOVJ": tells our file from another program's
CACHE_KB: Final = 16_000
CHECKPOINT_PAGES: Final = 16_000
"""Of 4 KB, written until the write-ahead log is carried over: it grows to 35 to 65 MB."""
AT_MOST_PAGES: Final = 2 * CHECKPOINT_PAGES
"""In the log from which on a commit carries it over itself."""

_V1: Final[Migration] = (
    """CREATE TABLE sessions (
        sid INTEGER PRIMARY KEY,
        session_id TEXT NOT NULL UNIQUE,
        epoch TEXT NOT NULL,
        sequence_id INTEGER NOT NULL,
        hash TEXT NOT NULL,
        uses INTEGER NOT NULL DEFAULT 0,
        story TEXT NOT NULL,
        title TEXT NOT NULL,
        status TEXT NOT NULL,
        created_at TEXT NOT NULL,
        last_activity TEXT NOT NULL,
        archived INTEGER NOT NULL,
        salt BLOB NOT NULL
    ) STRICT""",
    "CREATE INDEX sessions_by_activity ON sessions (last_activity, session_id)",
    """CREATE TABLE members (
        sid INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
        user_id TEXT NOT NULL,
        role TEXT NOT NULL,
        PRIMARY KEY (sid, user_id)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX members_by_user ON members (user_id)",
    """CREATE TABLE entries (
        sid INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
        sequence_id INTEGER NOT NULL,
        hash TEXT NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (sid, sequence_id)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE clients (
        cid INTEGER PRIMARY KEY,
        sid INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
        principal TEXT NOT NULL,
        client_id TEXT NOT NULL,
        floor INTEGER NOT NULL DEFAULT 0,
        kept INTEGER NOT NULL,
        used INTEGER NOT NULL,
        UNIQUE (sid, principal, client_id)
    ) STRICT""",
    """CREATE TABLE results (
        cid INTEGER NOT NULL REFERENCES clients ON DELETE CASCADE,
        n INTEGER NOT NULL,
        digest TEXT NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (cid, n)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE snapshots (
        sid INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
        sequence_id INTEGER NOT NULL,
        hash TEXT NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (sid, sequence_id)
    ) STRICT""",
)

_V2: Final[Migration] = ("ALTER TABLE sessions ADD COLUMN floor INTEGER NOT NULL DEFAULT 0",)

MIGRATIONS: Final[Sequence[Migration]] = (_V1, _V2)


class StoreIncompatible(StoreError):
    """The file was written by a newer version, or by another program. It was left as it is."""


def connect(
    path: Path,
    *,
    synchronous: Synchronous,
    busy_timeout: float,
    read_only: bool = False,
    migrations: Sequence[Migration] = MIGRATIONS,
) -> sqlite3.Connection:
    """A connection with our settings to a file of our version, made if absent (0600, its folder 0700).

    The connection may be used by one thread at a time, whichever. `busy_timeout` is in seconds. Raises
    StoreIncompatible, sqlite3.Error, OSError.
    """
    if not read_only:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Never open a file that is there: to close it again would drop every lock that this process has on
        # it, and another process could take the log away into which our other connections write.
        with suppress(FileExistsError):
            os.close(os.open(os.path.realpath(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",  # never make an empty file where ours has gone
        uri=True,
        timeout=busy_timeout,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        if read_only:
            connection.execute("PRAGMA query_only = ON")
        else:
            migrate(connection, migrations)
            _into_wal(connection, busy_timeout)
            # Each session and each client has its own page at the end of its rows: a hundred busy sessions
            # are more than the default of 2 MB holds. Checkpoints are the `Carrier`'s, unless it fails: by
            # default one commit in eighty stood still for one.
            connection.execute(f"PRAGMA cache_size = {-CACHE_KB}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {AT_MOST_PAGES}")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the file to the version of `migrations`, whole or not at all. Raises StoreIncompatible."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection, len(migrations))
        for statements in migrations[version:]:
            for statement in statements:
                connection.execute(statement)
        if version < len(migrations):
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection, known: int) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if application != APPLICATION_ID and not (application == 0 and version == 0 and empty):
        raise StoreIncompatible("the file is a database of another program")
    if version > known:
        raise StoreIncompatible(
            f"the file has schema version {version}; this version of novel_jupyter knows up to {known}. "
            "Install a newer version to open it."
        )
    return version


def _into_wal(connection: sqlite3.Connection, patience: float) -> None:
    """The switch to WAL does not wait for its lock as statements do: two first openers could collide."""
    deadline = time.monotonic() + patience
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
            continue
        if mode != "wal":
            raise StoreIncompatible(f"the file system allows no write-ahead log (journal mode is {mode})")
        return
