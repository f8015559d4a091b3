"""All sessions of one server: loaded when somebody comes, forgotten when nobody is there.

Law: a session is loaded once, however many ask for it at the same time, and is dropped only when nothing
depends on its being in memory. One timer serves every session and connection.
Parts: `Hub`.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
import uuid
from collections import Counter
from contextlib import suppress
from functools import partial

from novel_jupyter.core.draft import Facts, measured_size
from novel_jupyter.core.errors import Refused
from novel_jupyter.core.limits import TokenBucket
from novel_jupyter.core.messages import CLIENT
from novel_jupyter.core.model import Settings
from novel_jupyter.core.opening import Opening, open_session
from novel_jupyter.core.policy import Principal, person_of

from . import archive, metrics
from .bus import Bus
from .clock import Clock
from .collector import Sweep
from .config import Config
from .connection import Connection, Flusher
from .events_log import Log
from .frames import message
from .guests import Guests, Tickets, guest_of
from .identity import KernelTokens
from .looks import Looks
from .node import NodeLife
from .others import Others
from .ports import SessionInfo, SessionNotFound, Store
from .recheck import Rechecks
from .session import Session
from .stories import Stories

CREATORS_KEPT = 4096
SETTLE = 5.0
"""Seconds that a draining server gives its sessions to finish what was asked."""
GOODBYE = 2.0
"""Seconds that a draining server gives its clients to answer the close of their socket."""
AT_ONCE = 20
"""Connections or sessions that the timer looks after without a pause: a part of a millisecond."""
CALM, ALONE_CALM = 4, 10
"""Rounds of the timer for one look at a session in which nothing is due, and if the bus has no other node."""


class Hub:
    """The authority of this server process."""

    def __init__(
        self, store: Store, bus: Bus, config: Config, log: Log, tokens: KernelTokens, stories: Stories
    ) -> None:
        self.store = store
        self.bus = bus
        self.config = config
        self.log = log
        self.tokens = tokens
        self.stories = stories
        self.flusher = Flusher(config.tick)
        self.draining = False
        self.connections: dict[str, Connection] = {}
        self._connections_of: Counter[str] = Counter()
        self._alone = asyncio.Event()
        self._looks = Looks(self.connections, config)
        self._sessions: dict[str, asyncio.Task[Session]] = {}
        self._live: dict[str, Session] = {}
        self._closing: dict[str, asyncio.Task[None]] = {}
        self._creating: dict[str, TokenBucket] = {}
        self._timer: asyncio.Task[None] | None = None
        self._clock = Clock()
        self._sweep = Sweep()
        self._others = Others(store, config, log)
        self._alone_calm = min(ALONE_CALM * config.timer, config.head_check / 2)
        self._calm = min(CALM * config.timer, config.node_beat / 2, config.head_check / 2)
        """Seconds between two looks at a session in which nothing is due."""
        self.node = NodeLife(self)
        self.guests = Guests(self)
        self.tickets = Tickets()
        self._rechecks = Rechecks(self.connections, config.recheck_interval, log)

    def start(self) -> None:
        """Start the timer, on the running loop."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().create_task(self._run_timer())

    def now(self) -> str:
        """The moment to stamp: never before one that was stamped already."""
        return self._clock.now()

    # --- sessions -------------------------------------------------------------------------------------------

    def may_create(self, principal: Principal) -> None:
        """Raises Refused `rate` when this user creates sessions too fast."""
        user_id = person_of(principal.user_id) or principal.user_id
        bucket = self._creating.pop(user_id, None)
        if bucket is None:
            bucket = TokenBucket(self.config.creates_per_second, self.config.creates_burst)
            while len(self._creating) >= CREATORS_KEPT:
                del self._creating[next(iter(self._creating))]
        self._creating[user_id] = bucket
        wait = bucket.take(time.monotonic())
        if wait > 0:
            raise Refused(
                "rate", f"too many new sessions; try again in {wait:.1f} s", retry_after=round(wait, 1)
            )

    async def create(self, opening: Opening, creator: Principal, settings: Settings, seed: str | None) -> str:
        """Make a session and return its id. Raises Refused `too_many`, `state_full`."""
        session_id = uuid.uuid4().hex
        epoch, salt = secrets.token_hex(8), secrets.token_bytes(32)
        facts = Facts(self.now(), bounds=self.config.bounds)
        draft = open_session(
            session_id, epoch, salt, seed or secrets.token_hex(16), opening, creator, settings, facts
        )
        if measured_size(draft.state) > self.config.bounds.state_bytes:
            raise Refused("state_full", "the story is larger than a session's state may be")
        members = ((creator.user_id, "owner" if creator.kind == "person" else "host"),)
        info = SessionInfo(
            session_id, opening.story, opening.title, "open", members, facts.now, facts.now, False, salt
        )
        append = archive.append_of(draft.room, draft.events, [], None)
        await self.store.create(info, draft.head, append.entries)
        self.log.info("session_created", session=session_id, story=opening.story)
        return session_id

    async def session(self, session_id: str) -> Session:
        """The live session. Raises Refused `no_session` or `too_many`."""
        loading = self._sessions.get(session_id)
        if loading is None:
            if len(self._sessions) >= self.config.bounds.sessions:
                raise Refused(
                    "too_many", f"this server holds {self.config.bounds.sessions} sessions in memory"
                )
            loading = asyncio.create_task(self._load(session_id))
            self._sessions[session_id] = loading
            loading.add_done_callback(lambda done: self._loaded(session_id, done))
        try:
            return await asyncio.shield(loading)
        except SessionNotFound:
            raise Refused("no_session") from None

    def live(self, session_id: str) -> Session | None:
        """The session if it is in memory."""
        return self._live.get(session_id)

    async def _load(self, session_id: str) -> Session:
        if session_id in self._closing:  # its end must not take away what its successor begins
            await asyncio.wait([self._closing[session_id]])
        loaded = await archive.load(self.store, session_id, self.config.ring_events)
        session = Session(
            self.store,
            self.bus,
            self.config,
            self.log,
            loaded,
            lambda: self._clock.moment(),
            self.stories,
            partial(self.node.store_is, session_id),
            self._others,
        )
        try:
            await session.link.open()
        except BaseException:
            await session.close()
            raise
        session.live.snapshots.maybe(session.live.room)
        return session

    def _loaded(self, session_id: str, done: asyncio.Task[Session]) -> None:
        if done.cancelled() or done.exception() is not None:
            self._sessions.pop(session_id, None)
            self.node.store_is(session_id, True)  # nobody is in it: who asked has heard
        else:
            self._live[session_id] = done.result()
        metrics.ROOMS.set(len(self._sessions))

    def counts(self) -> dict[str, int]:
        """What this server carries, for `doctor`."""
        return {"sessions": len(self._sessions), "connections": len(self.connections)}

    def all_live(self) -> list[Session]:
        return list(self._live.values())

    # --- the timer ------------------------------------------------------------------------------------------

    async def _run_timer(self) -> None:
        await asyncio.sleep(self.config.timer)
        try:
            await asyncio.to_thread(_prepare)
        except Exception as error:  # whoever needs it meets the fault again, and time must not stand still
            self.log.failure("prepare", error)
        while True:
            await asyncio.sleep(self.config.timer)
            try:
                await self._every(time.monotonic())
            except Exception as error:
                self.log.failure("timer", error)

    async def _every(self, now: float) -> None:
        """Look after everybody, a few at a time: commands that come meanwhile do not wait for all of it."""
        self.node.every(now)
        self._others.every(now)
        self._rechecks.every(now)
        for count, connection in enumerate(self._looks.due(now), 1):
            try:
                self._look_at(connection, now)
            except Exception as error:  # one connection's fault is not the others'
                self.log.failure("look", error, connection=connection.id)
            if count % AT_ONCE == 0:
                await asyncio.sleep(0)
        for count, session in enumerate([s for s in self._live.values() if s.look_at <= now], 1):
            if self.live(session.id) is session:
                self._look_after(session, now)
            if count % AT_ONCE == 0:
                await asyncio.sleep(0)
        self._sweep.every(len(self.connections))

    def _look_at(self, connection: Connection, now: float) -> None:
        if now - connection.last_ping >= self.config.ping_interval:
            connection.last_ping = now
            connection.ping()
        if now - connection.last_heard > self.config.pong_timeout:
            self._close(connection, 4005)
        elif connection.stalled_for(now) > self.config.stall_timeout:
            self._close(connection, 4002)
        elif connection.expires is not None and connection.expires < time.time():
            self._close(connection, 4004)
        elif self._is_out(connection.principal):
            self._close(connection, 4503)

    def _look_after(self, session: Session, now: float) -> None:
        try:
            soon = session.every(now)
            session.look_at = 0.0 if soon else now + (self._alone_calm if self.bus.is_alone else self._calm)
        except Exception as error:  # one session's fault is not the others'
            self.log.failure("session_timer", error, session=session.id)
        idle = session.idle_since()
        if idle is not None and now - idle >= self.config.idle_timeout:
            self._drop(session)

    def _is_out(self, principal: Principal) -> bool:
        """Whether a kernel has stopped, or a guest may be here no more: also one who has joined nothing, and
        whom the session does not see.
        """
        if principal.is_kernel:
            return not self.tokens.is_running(principal)
        session = self.live(principal.only) if principal.only is not None else None
        return session is not None and guest_of(session, principal.user_id) is None

    def _close(self, connection: Connection, code: int) -> None:
        self.log.info("closed", connection=connection.id, code=code)
        connection.close(code)
        if code == 4005:
            # Nobody is there to answer the close, for which a socket waits five seconds: who is gone is gone,
            # and so is a host's hold on its lease.
            self.remove(connection)

    def _drop(self, session: Session) -> None:
        """Take an idle session out of memory. Whoever comes meanwhile waits for a fresh load."""
        del self._sessions[session.id], self._live[session.id]
        metrics.ROOMS.set(len(self._sessions))
        closing = self._closing[session.id] = asyncio.create_task(session.close())
        closing.add_done_callback(lambda done: self._dropped(session.id, done))

    def _dropped(self, session_id: str, done: asyncio.Task[None]) -> None:
        self._closing.pop(session_id, None)
        self._sweep.left()
        self.node.store_is(session_id, True)  # its last look may have failed, and nobody looks any more
        if not done.cancelled() and done.exception() is not None:
            self.log.failure("drop", done.exception(), session=session_id)

    # --- connections ----------------------------------------------------------------------------------------

    def add(self, connection: Connection) -> None:
        """Raises Refused `too_many` when this user has its full number of connections."""
        user_id = connection.principal.user_id
        if self._connections_of[user_id] >= self.config.bounds.connections_per_user:
            raise Refused(
                "too_many", f"a user has at most {self.config.bounds.connections_per_user} connections"
            )
        # Those who came together are not pinged together for ever.
        connection.last_ping -= random.uniform(0.0, 0.3) * self.config.ping_interval
        self.connections[connection.id] = connection
        self._looks.add(connection)
        self._rechecks.add(connection, time.monotonic())
        self._connections_of[user_id] += 1
        connection.on_resync = lambda: self._resync(connection)
        connection.on_busy = lambda: self._looks.soon(connection, time.monotonic())
        metrics.CONNECTIONS.set(len(self.connections))

    def remove(self, connection: Connection) -> None:
        connection.gone()
        if self.connections.pop(connection.id, None) is None:
            return
        self._sweep.left()
        user_id = connection.principal.user_id
        self._connections_of[user_id] -= 1
        if not self._connections_of[user_id]:
            del self._connections_of[user_id]
        if self.draining and not self.connections:
            self._alone.set()
        metrics.CONNECTIONS.set(len(self.connections))
        for session_id in list(connection.sessions):
            session = self.live(session_id)
            if session:
                session.leave(connection, at_once=False)

    def _resync(self, connection: Connection) -> None:
        for session_id in list(connection.sessions):
            session = self.live(session_id)
            if session:
                session.resync(connection)

    # --- the end --------------------------------------------------------------------------------------------

    async def drain(self) -> None:
        """Tell everybody to come back elsewhere or later, finish what was asked, and close the store."""
        self.draining = True
        frame = message("system_message", {"kind": "drain", "reconnect_after": self.config.reconnect_after})
        for connection in list(self.connections.values()):
            connection.control(frame)
        sessions = self.all_live()
        # A store that is away must not keep the server from ending; what is undecided is sent again.
        settling = [asyncio.ensure_future(session.live.settled()) for session in sessions]
        if settling:
            await asyncio.wait(settling, timeout=SETTLE)
        for connection in list(self.connections.values()):
            connection.flush()
            connection.close(4001)
        # A socket that ends with unread frames in it is reset, and the client would never read why.
        if self.connections:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._alone.wait(), GOODBYE)
        if self._timer is not None:
            self._timer.cancel()
        await self._rechecks.close()
        await self._others.close()
        closing = [asyncio.ensure_future(session.close()) for session in sessions]
        if closing:
            await asyncio.wait(closing, timeout=SETTLE)
        self._sessions.clear()
        self._live.clear()
        self.flusher.stop()
        await self.node.close()
        await self.bus.close()
        await self.store.close()
        self.log.info("drained", sessions=len(sessions))


def _prepare() -> None:
    """Load what Jupyter's start did not wait for, before somebody needs it."""
    import jwt  # noqa: F401

    from novel_jupyter.core import text  # noqa: F401

    from . import engine  # noqa: F401

    CLIENT.rebuild()
