"""A session in memory: it takes commands in, one append at a time, and shows what was committed.

Law: the room decides nothing; `core.room.decide` does, on a draft that takes effect only when the store took
it. One append is in flight and carries every decision made meanwhile. Broadcast comes only after commit.
When another writer was faster, or the outcome of an append is unknown, the draft is dropped, the room is
brought to agree with the store (`recovery`), and what is absent is decided again (SPEC R2, R76-R79).
Parts: `Asked` (a command and who waits for it), `LiveRoom`.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from novel_jupyter.core.draft import ClientKey, Draft, Facts, Past
from novel_jupyter.core.errors import Refused
from novel_jupyter.core.events import Event
from novel_jupyter.core.history import Need, looks_back, need
from novel_jupyter.core.messages import JoinSession
from novel_jupyter.core.model import Head
from novel_jupyter.core.policy import reason_not, standing_of
from novel_jupyter.core.room import Command, Reply, decide, kind_of, tick

from . import archive, metrics
from .again import Again, clients_of
from .again import Asked as Asked
from .bus import Announcement
from .config import Config
from .events_log import Log
from .journal import Journal, Made
from .ports import Append, Behind, Result, SessionNotFound, Store, StoreError, StoreUnavailable
from .recovery import Memory, Recovered, reconcile
from .snapshots import Snapshots
from .sync import Ring
from .turns import Turns

BATCH = 256
CLIENTS_KEPT = 512
RETRY_SECONDS = 0.25
NEWS = 64
"""Announcements that may wait before they are given up for a look at the store."""
TRIES = 3
"""Appends that may fail before those who asked are told that the store is away."""


class LiveRoom:
    """One session. `on_commit` gets every batch of committed events, after the state moved on to them."""

    def __init__(
        self,
        store: Store,
        config: Config,
        log: Log,
        loaded: archive.Loaded,
        facts: Callable[[], Facts],
        on_commit: Callable[[list[Event]], None],
        on_reset: Callable[[], None] = lambda: None,
        on_lost: Callable[[Made, Reply], None] = lambda made, reply: None,
        on_store: Callable[[bool], None] = lambda available: None,
        on_starved: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self.room = loaded.room
        self.info = loaded.info
        self.ring = Ring(config.ring_events, config.ring_bytes)
        self.ring.extend(loaded.recent)
        self.journal = Journal()
        self._store = store
        self._config = config
        self._log = log
        self._facts = facts
        self._on_commit = on_commit
        self._on_reset = on_reset
        self._again = Again(self.ask, on_lost)
        self._on_store = on_store
        self._on_starved = on_starved
        self._turn = Turns()
        self.is_stale = False
        """Whether the store failed, and has not been looked at since."""
        self.agreed_at = 0.0  # when the store last took an append, and so had no other history
        self._queue: deque[Asked] = deque()
        self._news: deque[Announcement] = deque()
        self._look = False
        self._running: asyncio.Task[None] | None = None
        self.snapshots = Snapshots(store, config.snapshot_every, log, loaded.base)

    @property
    def head(self) -> Head:
        return self.room.head

    @property
    def busy(self) -> bool:
        return self._running is not None or bool(self._again)

    def ask(self, asked: Asked, first: bool = False) -> None:
        """Queue a command; what bounds the queue is each connection's window of commands in flight."""
        self._queue.insert(0 if first else len(self._queue), asked)
        self._wake()

    def ask_later(self, asked: Asked, reply: Reply) -> bool:
        """Whether the reply is no decision, and the command is asked once more in a while."""
        return self._again.later(asked, reply)

    def _wake(self) -> None:
        if self._running is None:
            self._running = asyncio.create_task(self._run())

    async def settled(self) -> None:
        """Wait until nothing is queued or in flight."""
        while self._running is not None:
            await asyncio.wait([self._running])
        await self.snapshots.settled()

    def end(self) -> None:
        """Let go of the session above: the circle of the two would stay in memory until a full collection."""
        given_up = self._again.stop()
        if given_up:
            self._log.info("given_up", session=self.room.session_id, commands=given_up)
        last = self._facts()
        self._facts, self._on_commit = lambda: last, lambda events: None
        self._on_reset, self._on_store = lambda: None, lambda available: None
        self._on_starved = lambda seconds: None

    async def _run(self) -> None:
        try:
            while self._queue or self._news or self._look:
                batch: list[Asked] = []
                try:
                    await self._turn.come()
                    await self._store.ready(self.room.session_id)
                    await self._hear()
                    if self._queue:
                        self._take_batch(batch)
                        await self._decide(batch)
                except Exception as error:
                    self.is_stale = True
                    if isinstance(error, StoreUnavailable):
                        self._on_store(False)
                    self._fail(batch, error)
        finally:
            self._running = None

    def _fail(self, batch: list[Asked], error: Exception) -> None:
        """Our own fault: whoever asked learns so, and the text of the exception stays here."""
        code = "unavailable" if isinstance(error, StoreError) else "internal"
        reference = self._log.failure("decide", error, session=self.room.session_id)
        for asked in batch:
            self._answer(asked, self._undecided(asked, code, reference))

    def _undecided(self, asked: Asked, code: str, reference: str) -> Reply:
        id = asked.message.id if asked.message else None
        return Reply(id, self.head.sequence_id, Refused(code, reference=reference).data())

    def _answer(self, asked: Asked, reply: Reply) -> None:
        """Tell whoever asked. What fails in the telling must not spoil what was committed."""
        try:
            asked.done(reply)
        except Exception as error:
            self._log.failure("answer", error, session=self.room.session_id)

    def _take_batch(self, batch: list[Asked]) -> None:
        """Take the commands that can be decided together: one that looks back at history goes alone."""
        while self._queue and len(batch) < BATCH:
            asked = self._queue[0]
            back = asked.message is not None and looks_back(asked.message)
            if not back or not batch:
                batch.append(self._queue.popleft())
            if back:
                break

    async def _decide(self, batch: list[Asked]) -> None:
        tries = 0
        while True:
            append, replies = None, list[Reply]()
            try:
                await self._learn_results(batch)
                past = await self._past(batch)
                facts = self._facts() if past is None else replace(self._facts(), past=past)
                draft = Draft(self.room)
                replies = [self._one(draft, asked, facts) for asked in batch]
                if not draft.events and not draft.results:
                    break
                info = archive.listing_after(self.info, draft, facts.now)
                append = archive.append_of(self.room, draft.events, draft.results, info)
                if await self._append(append, draft, batch):
                    break
                continue
            except StoreUnavailable as error:
                tries += 1
                if append is None or tries >= TRIES:
                    raise
                self._log.failure("append", error, session=self.room.session_id)
                await asyncio.sleep(RETRY_SECONDS)
                await self._reconcile(append)
            except SessionNotFound:
                await self._reconcile(append)
            self._forget_results(batch)
        for asked, reply in zip(batch, replies, strict=True):
            metrics.of_outcome(str(reply.data.get("outcome", "refused"))).inc()
            self._remember(asked, reply)
            self._answer(asked, reply)
        self.snapshots.maybe(self.room)

    async def _append(self, append: Append, draft: Draft, batch: list[Asked]) -> bool:
        """Whether the draft is in the log now; if not, the room went on to where the log is."""
        began = time.monotonic()
        outcome = await self._store.append(append)
        if isinstance(outcome, Behind):
            metrics.BEHIND.inc()
            if outcome.spent:
                self._forget_results(batch)
            await self._refresh(outcome)
            if (wanted := self._turn.lost(time.monotonic() - began)) > 0:
                self._on_starved(wanted)
            return False
        self._turn.won()
        self.agreed_at = time.monotonic()
        metrics.APPENDS.observe(self.agreed_at - began)
        self._on_store(True)
        self.room, self.info = draft.committed(), append.info or self.info
        self.journal.learn(append.results)
        self._shown(draft.events)
        return True

    def _one(self, draft: Draft, asked: Asked, facts: Facts) -> Reply:
        if asked.message is None:
            tick(draft, facts, asked.lost_host)
            return Reply(None, draft.head.sequence_id, {"kind": "ack", "outcome": "applied"})
        if asked.known is not None:
            facts = replace(facts, known=asked.known)
        mark = draft.mark()
        try:
            return decide(draft, Command(asked.author, asked.message), facts)
        except Exception as error:  # our own fault, but this command's alone: the others of the batch go on
            draft.back_to(mark)
            reference = self._log.failure("command", error, session=self.room.session_id)
            return self._undecided(asked, "internal", reference)

    def _remember(self, asked: Asked, reply: Reply) -> None:
        """What was acknowledged here can be decided again, should the store lose it and others go on."""
        message = asked.message
        if message and reply.data["kind"] == "ack" and not isinstance(message, JoinSession):
            made = Made.of(reply.sequence_id, asked.author, message, asked.said, asked.known)
            self.journal.decided(made)

    def _shown(self, events: list[Event]) -> None:
        if events:
            metrics.EVENTS.inc(len(events))
            self.ring.extend(events)
            try:
                self._on_commit(events)
            except Exception as error:  # readers who missed something see the gap and ask
                self._log.failure("broadcast", error, session=self.room.session_id)

    async def _refresh(self, behind: Behind) -> None:
        """Go on with what another server appended, when it follows; else look closer."""
        entries, same = behind.entries, behind.head.epoch == self.head.epoch
        if same and behind.complete and (not entries or archive.follows(self.room, entries[0])):
            self._go_on(archive.events_of(entries))
        else:
            await self._reconcile()

    def _go_on(self, events: list[Event]) -> None:
        self.room = self.room.after(events)
        self.info = archive.listed(self.info, self.room.state)
        self.journal.owe(events)
        self._shown(events)

    # --- what other servers append -------------------------------------------------------------------------

    def announced(self, announcement: Announcement) -> None:
        """Another server says that it appended."""
        self._turn.over()
        if len(self._news) >= NEWS:
            self._news.clear()
            self._look = True
        else:
            self._news.append(announcement)
        self._wake()

    def hold(self, seconds: float) -> None:
        """A server that is slow to reach the store asks for its turn."""
        self._turn.give(seconds)

    def look(self) -> None:
        """Something may have been missed: compare with the store."""
        self._look = True
        self._wake()

    async def _hear(self) -> None:
        while self._news:
            news = self._news.popleft()
            entries = [entry for entry in news.entries if entry.sequence_id > self.head.sequence_id]
            if news.head.epoch == self.head.epoch and entries and archive.follows(self.room, entries[0]):
                self._go_on(archive.events_of(entries))
            if news.head.epoch == self.head.epoch and self._has(news.head):
                self._learn_from(news.results)
            else:
                self._look = True
        if self._look:
            self._look = False
            await self._reconcile()
            await self.journal.settle(self._store, self.room.session_id)
            self.snapshots.maybe(self.room)

    def _has(self, head: Head) -> bool:
        """Whether `head` is a point of this room's history, as far as it is in memory."""
        return head.hash == self.head.hash or self.ring.hash_at(head.sequence_id) == head.hash

    def _learn_from(self, results: Sequence[Result]) -> None:
        """Results of another server, whose events are in this room's history."""
        self.journal.learn(results)
        for row in results:
            known = self.room.results.get((row.principal, row.client_id))
            if known is not None:
                known.add(archive.result_of(row))

    async def _reconcile(self, append: Append | None = None) -> None:
        """Make the store and this room agree; of `append` nobody knows the outcome. Raises StoreError."""
        memory = Memory(
            self.room, self.info, self.snapshots.base(self.ring, self.room), self.ring, self.journal
        )
        found = await reconcile(self._store, memory, self._config.ring_events)
        self.is_stale = False
        if append is None:  # else it could be read, and whether it can be written is about to be seen
            self._on_store(True)
        same = found.room.head.epoch == self.head.epoch
        learned: Sequence[Result] = ()
        if append is not None and found.loaded is None:
            stored = {event.hash for event in found.events}
            if append.entries and append.entries[-1].hash in stored:
                learned = append.results
        if found.how:
            metrics.RECOVERED.labels(found.how[-1]).inc()
            self._log.info(
                "recovered",
                session=self.room.session_id,
                how=",".join(found.how),
                events=found.count,
                lost=len(found.lost),
                head=found.room.head.sequence_id,
            )
        if found.loaded is not None:
            self._replace_room(found, found.loaded)
        else:
            self.room = replace(found.room, results=self.room.results)
            self.info = archive.listed(self.info, self.room.state)
            self.journal.owe(found.events)
            self.journal.learn(learned)
            self._shown(found.events)
        # Behind those who have to join again first: `_on_reset` puts them before everything.
        for made in reversed(found.lost):
            self._queue.appendleft(self._again.of(made, found.common))
        if not same or found.loaded is not None:
            self.room.results.clear()
            self._on_reset()

    def _replace_room(self, found: Recovered, loaded: archive.Loaded) -> None:
        self.room, self.info = found.room, loaded.info
        self._again.forked(found.common)
        self.ring = Ring(self._config.ring_events, self._config.ring_bytes)
        self.ring.extend([*loaded.recent, *found.events])
        self.journal.forget_after(found.common)
        self.snapshots.begin(loaded.base)

    def _forget_results(self, batch: list[Asked]) -> None:
        """What another writer stored for these clients must be looked up again."""
        for key in clients_of(batch):
            self.room.results.pop(key, None)

    async def _learn_results(self, batch: list[Asked]) -> None:
        for key in clients_of(batch):
            await self._learn(key)

    async def learn_client(self, key: ClientKey) -> None:
        """Have one client's kept results in memory. Raises StoreError."""
        try:
            await self._learn(key)
        except SessionNotFound:
            self.look()
            raise StoreUnavailable("the store lost the session", unknown=False) from None

    async def _learn(self, key: ClientKey) -> None:
        """The least recently learned client makes room."""
        cache = self.room.results
        if key in cache:
            return
        found = await archive.results(self._store, self.room, *key)
        while len(cache) >= CLIENTS_KEPT:
            del cache[next(iter(cache))]
        cache.setdefault(key, found)

    async def _past(self, batch: list[Asked]) -> Past | None:
        message, state = batch[0].message, self.room.state
        if message is None or reason_not(standing_of(state, batch[0].author), kind_of(message)):
            return None  # who may not do it costs no reading
        wanted: Need | None = need(state, message)
        return await archive.past(self._store, self.room, wanted) if wanted else None
