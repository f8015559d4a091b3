"""`novel-jupyter migrate`: every session from one store to another, intact, as often as one likes.

Law: it may be broken off at any moment and run again; what is there already is passed over or continued, and
what differs is left alone and told. A store that people use meanwhile is copied as it is read; run it again
until it has nothing to do. Memory does not grow with what is copied, but for the ids.
Parts: `Summary`, `migrate`, `run_migrate`.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from tempfile import TemporaryDirectory
from typing import Final

from .migrate_session import Copied, copy_session
from .server.ports import SessionInfo, Store, StoreError, Unreadable
from .server.stores import described
from .store_urls import NotAStore, is_missing, opened, url_of

AT_ONCE: Final = 4
PASSES: Final = 3
"""How often the listing is read for sessions that moved in it while it was read."""

_DID: Final = {
    "copied": "copied",
    "continued": "continued",
    "same": "there already",
    "differs": "DIFFERS, left alone",
    "changing": "STILL CHANGING, run again",
    "failed": "FAILED",
}
_WOULD: Final = {**_DID, "copied": "would be copied", "continued": "would be continued"}


@dataclass(slots=True)
class Summary:
    counts: Counter[str] = field(default_factory=Counter)
    events: int = 0
    results: int = 0
    snapshots: int = 0
    unlisted: int = 0
    """Sessions that were copied and that the other store's listing does not show."""

    @property
    def good(self) -> bool:
        return not self.unlisted and all(self.counts[bad] == 0 for bad in ("differs", "changing", "failed"))

    def add(self, done: Copied) -> None:
        self.counts[done.status] += 1
        self.events += done.events
        self.results += done.results
        self.snapshots += done.snapshots


async def migrate(
    source: Store,
    target: Store,
    tell: Callable[[Copied], None],
    *,
    only: Sequence[str] = (),
    dry_run: bool = False,
) -> Summary:
    """Copy all sessions, or `only` these; `tell` hears of each. Raises StoreError when a store is away."""
    summary, ids = Summary(), set[str]()

    async def one(session_id: str) -> None:
        try:
            done = await copy_session(source, target, session_id, dry_run=dry_run)
        except (ValueError, LookupError, TypeError) as error:
            done = Copied(session_id, "failed", f"it cannot be read: {type(error).__name__}")
        except Unreadable as error:  # this one session; the others are not to wait for it
            done = Copied(session_id, "failed", str(error))
        summary.add(done)
        if done.good:
            ids.add(session_id)
        tell(done)

    seen = set[str]()
    for _ in range(PASSES):
        fresh = 0
        async for page in _pages(source, only):
            new = [session_id for session_id in page if session_id not in seen]
            seen.update(new)
            fresh += len(new)
            for first in range(0, len(new), AT_ONCE):
                async with asyncio.TaskGroup() as group:
                    for session_id in new[first : first + AT_ONCE]:
                        group.create_task(one(session_id))
        if not fresh or only:
            break
    if not dry_run:
        summary.unlisted = await _unlisted(target, ids)
    return summary


async def _pages(source: Store, only: Sequence[str]) -> AsyncIterator[list[str]]:
    if only:
        yield list(dict.fromkeys(only))
        return
    async for page in _listing(source):
        yield [info.session_id for info in page]


async def _listing(store: Store) -> AsyncIterator[tuple[SessionInfo, ...]]:
    cursor: str | None = None
    while True:
        page = await store.sessions(cursor=cursor)
        yield page.sessions
        cursor = page.cursor
        if cursor is None:
            return


async def _unlisted(target: Store, ids: set[str]) -> int:
    missing = set(ids)
    async for page in _listing(target):
        missing -= {info.session_id for info in page}
        if not missing:
            break
    return len(missing)


def run_migrate(
    source: str,
    target: str,
    *,
    only: Sequence[str] = (),
    dry_run: bool = False,
    as_json: bool = False,
    say: Callable[[str], None],
    warn: Callable[[str], None],
) -> int:
    """The command. `source` and `target` are as typed. Its exit code: 1 when something is not there."""
    try:
        urls = url_of(source), url_of(target)
        if urls[0] == urls[1]:
            raise NotAStore("both are the same store")
        return asyncio.run(_run(*urls, only, dry_run, as_json, say, warn))
    except NotAStore as error:
        warn(str(error))
        return 2


async def _run(
    source: str,
    target: str,
    only: Sequence[str],
    dry_run: bool,
    as_json: bool,
    say: Callable[[str], None],
    warn: Callable[[str], None],
) -> int:
    sessions: list[Copied] = []

    def tell(done: Copied) -> None:
        if as_json:
            sessions.append(done)
        else:
            say(_line(done, dry_run))

    async with AsyncExitStack() as stack:
        here, _, warnings_here = await stack.enter_async_context(opened(source))
        place = target
        if dry_run and is_missing(target):
            # What is only tried leaves nothing behind.
            place = f"sqlite:///{stack.enter_context(TemporaryDirectory())}/none.db"
        there, _, warnings_there = await stack.enter_async_context(opened(place, make=True))
        for url, warnings in ((source, warnings_here), (target, warnings_there)):
            for warning in warnings:
                warn(f"{described(url)}: {warning}")
        broken = ""
        summary = Summary()
        try:
            summary = await migrate(here, there, tell, only=only, dry_run=dry_run)
        except* StoreError as error:
            broken = f"a store is away ({_first(error)}); run it again, it goes on where it was"
    if as_json:
        about = {"from": described(source), "to": described(target), "dry_run": dry_run, "broken": broken}
        totals = {**asdict(summary), "counts": dict(summary.counts), "good": summary.good and not broken}
        say(json.dumps({**about, "sessions": [asdict(done) for done in sessions], "summary": totals}))
    elif not broken:
        say(_totals(summary, source, target, dry_run))
    if broken:
        warn(broken)
    return 0 if summary.good and not broken else 1


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


def _line(done: Copied, dry_run: bool) -> str:
    what = (_WOULD if dry_run else _DID)[done.status]
    wrote = f"{done.events} events, {done.results} answers, {done.snapshots} snapshots"
    more = done.reason if not done.good else wrote if done.status != "same" or done.results else ""
    return f"{done.session_id}  at {done.head}  {what}" + (f": {more}" if more else "")


def _totals(summary: Summary, source: str, target: str, dry_run: bool) -> str:
    words = _WOULD if dry_run else _DID
    counts = ", ".join(f"{count} {words[status]}" for status, count in sorted(summary.counts.items()))
    proof = "" if dry_run or not summary.good else "; every log, answer, listing and state compared equal"
    missing = f"; {summary.unlisted} NOT LISTED there" if summary.unlisted else ""
    return (
        f"{described(source)} → {described(target)}: {counts or 'no sessions'}; {summary.events} events, "
        f"{summary.results} answers, {summary.snapshots} snapshots{proof}{missing}"
    )
