"""A session in memory: it takes commands in, one append at a time, and shows what was committed.

Law: the room decides nothing; `core.room.decide` does, on a draft that takes effect only when the store took
it. One append is in flight and carries every decision made meanwhile. Broadcast comes only after commit.
When another writer was faster, or the outcome of an append is unknown, the draft is dropped, the log is
read, and what is absent is decided again (SPEC R2, R76-R79).
Parts: `Asked` (a command and who waits for it), `LiveRoom`.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from novel_jupyter.core.draft import ClientKey, Draft, Facts, Past, Room
from novel_jupyter.core.errors import Refused
from novel_jupyter.core.events import Event
from novel_jupyter.core.history import Need, looks_back, need
from novel_jupyter.core.messages import ClientMessage, JoinSession
from novel_jupyter.core.model import Head
from novel_jupyter.core.policy import Principal, reason_not, standing_of
from novel_jupyter.core.room import Command, Reply, client_key, decide, kind_of, tick
from novel_jupyter.core.views import rules_of

from . import archive, metrics
from .config import Config
from .events_log import Log
from .ports import Behind, SessionInfo, Store, StoreClosed, StoreError, StoreUnavailable
from .sync import Ring

BATCH = 256
CLIENTS_KEPT = 512
RETRY_SECONDS = 0.25
TRIES = 3
"""Appends that may fail before those who asked are told that the store is away."""


@dataclass(slots=True)
class Asked:
    """A command on its way. `done` is called once, after the commit, in the order of the log."""

    author: Principal
    message: ClientMessage | None
    done: Callable[[Reply], None]
    lost_host: int | None = None


class LiveRoom:
    """One session. `on_commit` gets every batch of committed events, after the state moved on to them."""

    def __init__(
        self,
        store: Store,
        config: Config,
        log: Log,
        room: Room,
        info: SessionInfo,
        recent: list[Event],
        facts: Callable[[], Facts],
        on_commit: Callable[[list[Event]], None],
    ) -> None:
        self.room = room
        self.info = info
        self.ring = Ring(config.ring_events, config.ring_bytes)
        self.ring.extend(recent)
        self._store = store
        self._config = config
        self._log = log
        self._facts = facts
        self._on_commit = on_commit
        self._queue: deque[Asked] = deque()
        self._running: asyncio.Task[None] | None = None
        self._snapshot_at = room.head.sequence_id - len(recent)
        self._snapshots: set[asyncio.Task[None]] = set()

    @property
    def head(self) -> Head:
        return self.room.head

    @property
    def busy(self) -> bool:
        return self._running is not None

    def ask(self, asked: Asked) -> None:
        """Queue a command; what bounds the queue is each connection's window of commands in flight."""
        self._queue.append(asked)
        if self._running is None:
            self._running = asyncio.create_task(self._run())

    async def settled(self) -> None:
        """Wait until nothing is queued or in flight."""
        while self._running is not None:
            await asyncio.wait([self._running])
        if self._snapshots:
            await asyncio.wait(self._snapshots)

    def end(self) -> None:
        """Let go of the session above: the circle of the two would stay in memory until a full collection."""
        last = self._facts()
        self._facts, self._on_commit = lambda: last, lambda events: None

    async def _run(self) -> None:
        try:
            while self._queue:
                batch: list[Asked] = []
                try:
                    self._take_batch(batch)
                    await self._decide(batch)
                except Exception as error:
                    self._fail(batch or [self._queue.popleft()], error)
        finally:
            self._running = None

    def _fail(self, batch: list[Asked], error: Exception) -> None:
        """Our own fault: whoever asked learns so, and the text of the exception stays here."""
        unavailable = isinstance(error, StoreError)
        reference = self._log.failure("decide", error, session=self.room.session_id)
        code = "unavailable" if unavailable else "internal"
        for asked in batch:
            refused = Refused(code, reference=reference)
            id = asked.message.id if asked.message else None
            self._answer(asked, Reply(id, self.head.sequence_id, refused.data()))

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
            if back and batch:
                break
            batch.append(self._queue.popleft())
            if back:
                break

    async def _decide(self, batch: list[Asked]) -> None:
        tries = 0
        while True:
            await self._learn_results(batch)
            past = await self._past(batch)
            facts = replace(self._facts(), past=past)
            draft = Draft(self.room)
            replies = [self._one(draft, asked, facts) for asked in batch]
            if not draft.events and not draft.results:
                break
            began = time.monotonic()
            info = self._info_after(draft, facts.now)
            try:
                outcome = await self._store.append(
                    archive.append_of(self.room, draft.events, draft.results, info)
                )
            except StoreUnavailable as error:
                tries += 1
                await self._after_failure(batch, error)
                if tries >= TRIES:
                    raise
                continue
            if isinstance(outcome, Behind):
                metrics.BEHIND.inc()
                await self._refresh(outcome, batch)
                continue
            metrics.APPENDS.observe(time.monotonic() - began)
            self.room, self.info = draft.committed(), info or self.info
            self._shown(draft.events)
            break
        for asked, reply in zip(batch, replies, strict=True):
            metrics.COMMANDS.labels(str(reply.data.get("outcome", "refused"))).inc()
            self._answer(asked, reply)
        self.maybe_snapshot()

    def _one(self, draft: Draft, asked: Asked, facts: Facts) -> Reply:
        if asked.message is None:
            tick(draft, facts, asked.lost_host)
            return Reply(None, draft.head.sequence_id, {"kind": "ack", "outcome": "applied"})
        return decide(draft, Command(asked.author, asked.message), facts)

    def _shown(self, events: list[Event]) -> None:
        if events:
            metrics.EVENTS.inc(len(events))
            self.ring.extend(events)
            try:
                self._on_commit(events)
            except Exception as error:  # readers who missed something see the gap and ask
                self._log.failure("broadcast", error, session=self.room.session_id)

    async def _after_failure(self, batch: list[Asked], error: StoreUnavailable) -> None:
        """The outcome of the append is unknown: look before deciding again. Raises if the store stays
        away."""
        self._log.failure("append", error, session=self.room.session_id)
        await asyncio.sleep(RETRY_SECONDS)
        await self._read_on(batch)

    async def _refresh(self, behind: Behind, batch: list[Asked]) -> None:
        if behind.diverged:
            raise StoreClosed("the stored history is another one")
        if behind.entries and behind.entries[0].sequence_id == self.head.sequence_id + 1 and behind.complete:
            events = archive.missed(behind)
            self.room = self.room.after(events)
            self._shown(events)
        else:
            await self._read_on(batch)
        self._forget_results(batch)

    async def _read_on(self, batch: list[Asked]) -> None:
        self.room, events = await archive.catch_up(self._store, self.room)
        self._shown(events)
        self._forget_results(batch)

    def _forget_results(self, batch: list[Asked]) -> None:
        """What another writer stored for these clients must be looked up again."""
        for key in self._keys(batch):
            self.room.results.pop(key, None)

    def _keys(self, batch: list[Asked]) -> list[ClientKey]:
        keys: dict[ClientKey, None] = {}
        for asked in batch:
            if asked.message is None or isinstance(asked.message, JoinSession):
                continue
            try:
                keys[client_key(Command(asked.author, asked.message))[0]] = None
            except Refused:
                continue  # decide will say so
        return list(keys)

    async def _learn_results(self, batch: list[Asked]) -> None:
        for key in self._keys(batch):
            await self.learn_client(key)

    async def learn_client(self, key: ClientKey) -> None:
        """Have one client's kept results in memory; the least recently learned make room."""
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

    def _info_after(self, draft: Draft, now: str) -> SessionInfo | None:
        """The listing data, when this draft changes it."""
        rules = rules_of(draft.state)
        session, participants = rules["session"], rules["participants"]
        people = [(user, str(p["role"])) for user, p in participants.items()]
        members = tuple(sorted([*people, *((kernel, "host") for kernel in rules["host"]["admitted"])]))
        info = replace(
            self.info,
            status=session["status"],
            title=session["title"],
            members=members,
            archived=session["status"] == "archived",
            last_activity=now,
        )
        changed = replace(info, last_activity=self.info.last_activity) != self.info
        # The listing is ordered by the minute; an event a second is no news to it.
        if not changed and (not draft.events or now[:16] == self.info.last_activity[:16]):
            return None
        return info

    def maybe_snapshot(self) -> None:
        """Keep a snapshot when the log has grown long since the last one."""
        if self.head.sequence_id - self._snapshot_at >= self._config.snapshot_every:
            self.snapshot_soon()

    def snapshot_soon(self) -> None:
        """Keep a snapshot of the present state, beside the commands."""
        if self._snapshots or self.head.sequence_id == self._snapshot_at:
            return
        self._snapshot_at = self.head.sequence_id
        task = asyncio.create_task(self._snapshot(self.room))
        self._snapshots.add(task)
        task.add_done_callback(self._snapshots.discard)

    async def _snapshot(self, room: Room) -> None:
        try:
            await archive.snapshot(self._store, room)
        except Exception as error:  # a cache of the log: without it the next load is longer, no more
            self._log.failure("snapshot", error, session=room.session_id)
