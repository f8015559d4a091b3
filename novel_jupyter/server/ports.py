"""The store port: where the log of every session is kept, whatever keeps it.

Law: the contract stands once, here, numbered; every implementation passes `tests/server/store_contract.py`,
which quotes the numbers. Nothing above this port knows which store is in use. How servers tell each other of
what they appended is the bus's port (`bus`).

S1  Ids of a log are gapless. `append` extends the log by entries that follow `expected`, or does nothing.
    The epoch changes only by an append that names a new one (`Append.epoch`).
S2  `append` succeeds only when `expected` equals the stored head in all three fields; otherwise it answers
    `Behind`.
S3  `append` is one step: entries, results, listing data and head together, or none of them. On `Behind`
    nothing was written, results included.
S4  A key (session, principal, client_id, n) is written once. An append that would spend a spent key answers
    `Behind` with the key in `spent`, even when its head is right. An n at or below the highest forgotten n of
    its client counts as spent.
S5  The last `RESULTS_KEPT` results of a client are kept, refusals too. At most `CLIENTS_KEPT` clients of a
    session are remembered; those whose last append is the longest ago are forgotten first, all their numbers.
S6  Durable when it returned: what `create` and `append` acknowledged survives a killed process (and whatever
    more the implementation promises), and every later read in any process sees it.
S7  Of concurrent appends with one expected head, in one process or in several, exactly one wins.
S8  `Behind.entries` are the entries after `expected`, the oldest first, bounded; `complete` says that they
    reach `head`. When `expected` is no point of the stored history (`diverged`), there are none. A point is
    told by number and hash: the hash chains everything before it, so it is the same history under whatever
    epoch. A head before the floor (S19) cannot be told and counts as `diverged`, the floor's own excepted.
S9  An unknown session raises SessionNotFound in every method; creating an existing one raises SessionExists
    and leaves it alone. `salt` and `created_at` are those of the creation; later ones are ignored.
S10 Cancelling the awaiting task leaves all of the operation or nothing of it, and the store usable.
S11 `close` finishes what was accepted, then every call raises StoreClosed. Closing twice is fine.
S12 When the medium fails (full, locked, unreachable) the call raises StoreUnavailable and nothing is half
    done. Unless it says otherwise the outcome is unknown: read the log from the last head that is sure, then
    decide. The store recovers by itself when the medium does.
S13 `read` returns entries in order, at most `limit` and at most about `READ_BYTES`, but at least one if there
    is one: an empty list means that the log ends at `after`. Ids are gapless, so paging backwards is the same
    call.
S14 Snapshots are a cache of the log. One that is not of the stored history is not kept. At most
    `SNAPSHOTS_KEPT` stay, spread over the log, the newest always.
S15 `sessions` lists by `last_activity`, the newest first, each session once while nothing changes between
    pages.
S16 `delete` removes everything of the session. Its id may be used again.
S17 The store object keeps nothing per session: its memory does not grow with them or with what they hold.
S18 Bodies are opaque bytes and come back as they went in.
S19 A log begins after its floor: 0, or the head of a snapshot which then is always kept. `create` with a
    snapshot begins there; `put_snapshot` may raise the floor to an older snapshot, when the store was told to
    keep only so many entries. `read` with `after` below the floor raises LogTrimmed, which names it.
S20 A store that replicates and was told to wait for replicas acknowledges, and shows to readers, nothing that
    fewer have: until they have it, the call raises StoreUnavailable (unknown).
S21 `ready` is a courtesy: who decides when it returns decides on the latest words, and is written together
    with all who did the same. It returns within the time that a write takes, also when the medium fails or
    the store is closed; nothing depends on it.
S22 `foreign` answers what changes with every write by anybody but this store object (another process, another
    object on the same medium): while it is the same, nobody else wrote. None: the store cannot tell.

Parts: the records, the errors, `check_creation`, `check_entries` and `check_results` (what every
implementation refuses with ValueError), and `Store`.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from orjson import dumps, loads

from novel_jupyter.core.frozen import frozen
from novel_jupyter.core.model import Head

RESULTS_KEPT: Final = 1024
CLIENTS_KEPT: Final = 4096
SNAPSHOTS_KEPT: Final = 32
READ_BYTES: Final = 4 * 1024 * 1024
BEHIND_ENTRIES: Final = 256

ResultKey: TypeAlias = tuple[str, str, int]
"""principal, client_id, n: within a session, one command."""


@frozen
class Entry:
    """One stored event. `body` is its JSON; `hash` chains it to all before it (`core.canonical.chain`)."""

    sequence_id: int
    hash: str
    body: bytes


@frozen
class Result:
    """The first answer to a command. `digest` tells the same command from another one under its id."""

    principal: str
    client_id: str
    n: int
    digest: str
    body: bytes

    @property
    def key(self) -> ResultKey:
        return (self.principal, self.client_id, self.n)


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """What a listing shows without reading the log, and the session's secret.

    Times are RFC 3339 UTC and are compared as text: one format, of one width, throughout. `salt` never leaves
    the server.
    """

    session_id: str
    story: str
    title: str
    status: str
    members: tuple[tuple[str, str], ...]
    """(user_id, role), each user once."""
    created_at: str
    last_activity: str
    archived: bool
    salt: bytes


@frozen
class Append:
    """Everything one decision writes. Any part may be empty: refusals are results without entries."""

    session_id: str
    expected: Head
    entries: Sequence[Entry] = ()
    results: Sequence[Result] = ()
    info: SessionInfo | None = None
    """The new listing data, when it changed."""
    epoch: str | None = None
    """The history's new name: from here on everybody knows that something was lost before."""

    @property
    def head(self) -> Head:
        """The head after this append."""
        epoch = self.epoch or self.expected.epoch
        if not self.entries:
            return Head(epoch, self.expected.sequence_id, self.expected.hash)
        last = self.entries[-1]
        return Head(epoch, last.sequence_id, last.hash)


@dataclass(frozen=True, slots=True)
class Behind:
    """Nothing was written: the log is elsewhere than expected, or a command has its answer already."""

    head: Head
    entries: tuple[Entry, ...] = ()
    complete: bool = True
    diverged: bool = False
    spent: tuple[ResultKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The fold of the log up to `head`. `body` is opaque to the store."""

    head: Head
    body: bytes


@dataclass(frozen=True, slots=True)
class SessionPage:
    """`cursor` continues the listing after this page; None at its end."""

    sessions: tuple[SessionInfo, ...]
    cursor: str | None


class StoreError(Exception):
    """What a store may raise; everything else is a bug of the caller (ValueError) or of the store."""


class SessionExists(StoreError):
    """The session id is taken."""


class SessionNotFound(StoreError):
    """No session has this id."""


class LogTrimmed(StoreError):
    """The entries asked for are no longer kept: the log begins after `floor`, where a snapshot is (S19)."""

    def __init__(self, floor: int) -> None:
        super().__init__(f"the log begins after {floor}")
        self.floor = floor


class StoreClosed(StoreError):
    """The store was closed before the call was accepted: nothing was done."""


class StoreUnavailable(StoreError):
    """The medium failed (S12). `unknown` is False only when it is certain that nothing was written."""

    def __init__(self, reason: str, *, unknown: bool) -> None:
        super().__init__(reason)
        self.unknown = unknown


class Unreadable(StoreUnavailable):
    """The medium answers, but what it has of this one session cannot be read: waiting will not help."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, unknown=False)


class Store(Protocol):
    """The contract is S1 to S22 above. Every method may raise StoreClosed and StoreUnavailable."""

    async def create(
        self,
        info: SessionInfo,
        head: Head,
        entries: Sequence[Entry] = (),
        results: Sequence[Result] = (),
        snapshot: Snapshot | None = None,
    ) -> None:
        """Begin a log whose `entries` run from 1, or from the `snapshot` on which they follow, to `head`.

        Raises SessionExists; ValueError when the parts do not fit each other.
        """

    async def info(self, session_id: str) -> SessionInfo:
        """Raises SessionNotFound."""

    async def head(self, session_id: str) -> Head:
        """The stored head, past every acknowledged append. Raises SessionNotFound."""

    async def ready(self, session_id: str) -> None:
        """Return when an append to the session would be written next (S21)."""

    async def append(self, append: Append) -> Head | Behind:
        """The new head, or what is missing. Raises SessionNotFound; ValueError when the parts do not fit."""

    async def read(self, session_id: str, after: int, limit: int) -> list[Entry]:
        """Entries with sequence_id > `after` (S13). Raises SessionNotFound; LogTrimmed (S19); ValueError if
        `limit` < 1.
        """

    async def results(self, session_id: str, principal: str, client_id: str) -> list[Result]:
        """What is kept of a client's answers, n ascending; an unknown client has none. SessionNotFound."""

    async def clients(self, session_id: str) -> list[tuple[str, str]]:
        """The remembered (principal, client_id)s, the longest unused first. Raises SessionNotFound."""

    async def put_snapshot(self, session_id: str, head: Head, body: bytes) -> bool:
        """Keep a snapshot; False when `head` is no point of the stored history. Raises SessionNotFound."""

    async def snapshot(self, session_id: str, at_or_before: int | None = None) -> Snapshot | None:
        """The newest snapshot, or the newest with sequence_id <= `at_or_before`. Raises SessionNotFound."""

    async def sessions(
        self, member: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> SessionPage:
        """Sessions of a member, or all (S15). Raises ValueError for a cursor that no page gave."""

    async def delete(self, session_id: str) -> None:
        """Remove the session with everything that belongs to it. Raises SessionNotFound."""

    async def foreign(self) -> object | None:
        """S22: to be compared, nothing else. Raises StoreUnavailable, StoreClosed."""

    async def close(self) -> None:
        """Finish what was accepted, then refuse everything (S11)."""


def check_entries(start: int, entries: Sequence[Entry]) -> None:
    """Raises ValueError unless `entries` are numbered without a gap from `start` + 1."""
    for offset, entry in enumerate(entries, start + 1):
        if entry.sequence_id != offset:
            raise ValueError(f"entry {entry.sequence_id} where {offset} was due")


def check_creation(
    head: Head, entries: Sequence[Entry], results: Sequence[Result], snapshot: Snapshot | None
) -> None:
    """Raises ValueError unless the parts of a creation fit each other."""
    start = snapshot.head if snapshot else Head(head.epoch, 0, "" if entries else head.hash)
    check_entries(start.sequence_id, entries)
    check_results(results)
    end = (entries[-1].sequence_id, entries[-1].hash) if entries else (start.sequence_id, start.hash)
    if end != (head.sequence_id, head.hash) or start.epoch != head.epoch:
        raise ValueError("the entries do not end in the head")


def check_results(results: Sequence[Result]) -> None:
    """Raises ValueError when a key occurs twice, or for an n below 1 or above 2^53."""
    keys = {result.key for result in results}
    if len(keys) != len(results):
        raise ValueError("one append spends the same key twice")
    if any(not 1 <= result.n <= 2**53 for result in results):
        raise ValueError("the number of a command is from 1 to 2^53")


def cursor_after(last: SessionInfo) -> str:
    """The cursor of the page that `last` ends."""
    return urlsafe_b64encode(dumps([last.last_activity, last.session_id])).decode()


def parse_cursor(cursor: str) -> tuple[str, str]:
    """(last_activity, session_id) of the last session of the page before. Raises ValueError."""
    try:
        last_activity, session_id = loads(urlsafe_b64decode(cursor.encode()))
    except (ValueError, TypeError):
        raise ValueError("not a cursor that a page gave") from None
    if not (isinstance(last_activity, str) and isinstance(session_id, str)):
        raise ValueError("not a cursor that a page gave")
    return last_activity, session_id
