"""A session with its people: presence, subscriptions, the host, what streams, and the timers of one room.

Law: effects follow from committed state, level by level, never from the command that led there: after every
commit the readers get the events, changed views get a `full_sync`, and the holder of the lease is asked for
what the state lacks. So a restart, a take-over or another server's commit need no path of their own.
Parts: `Session`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime

from pydantic import JsonValue

from novel_jupyter.core.asking import handed_over
from novel_jupyter.core.draft import Facts
from novel_jupyter.core.errors import Refused
from novel_jupyter.core.events import Event
from novel_jupyter.core.hosting import host_task
from novel_jupyter.core.limits import TokenBucket
from novel_jupyter.core.messages import Chunk, Cursor, HeadEcho, JoinSession, Progress, StateSync
from novel_jupyter.core.policy import SERVER, Principal, require, standing_of
from novel_jupyter.core.room import Reply, next_deadline
from novel_jupyter.core.telling import relay, turn_seed
from novel_jupyter.core.views import View, rules_of, view_of

from .archive import Loaded
from .bus import Bus
from .clock import Clock
from .config import Config
from .connection import Connection
from .events_log import Log
from .frames import message
from .journal import Made
from .live import Asked, LiveRoom
from .narration import Narration
from .others import Others
from .ports import Store
from .session_link import SessionLink
from .stories import Stories
from .subscribers import Subscribers, client_of
from .sync import answer
from .whereabouts import Whereabouts


class Session:
    """One live session. Made by the hub, which calls `every` on its timer and `close` at the end."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        config: Config,
        log: Log,
        loaded: Loaded,
        read_clock: Callable[[], datetime],
        stories: Stories,
        on_store: Callable[[bool], None],
        others: Others,
    ) -> None:
        self.id = loaded.info.session_id
        latest = loaded.recent[-1].timestamp if loaded.recent else loaded.info.last_activity
        self._clock = Clock.after(read_clock, latest)
        self._now = self._clock.now
        self.subscribers = Subscribers(self.id)
        self.link = SessionLink(bus, self, config, log, others)
        self.whereabouts = Whereabouts(self.id, self.subscribers, config, self._now, self.link.publish)
        self.live = LiveRoom(
            store,
            config,
            log,
            loaded,
            self.facts,
            self._committed,
            self._reset,
            self._lost,
            on_store,
            self.link.ask_for_turn,
        )
        self.last_used = time.monotonic()
        self.look_at = 0.0  # when the timer does next; what changes the session sets it back
        self._config = config
        self._stories = stories
        self._loaded = time.monotonic()
        self._asked_host: dict[str, JsonValue] | None = None
        self._host_gone_since: float | None = self._loaded
        self.narration = Narration(self.id, self.subscribers, config.stream_interval, self.link.publish)
        self._ticking = self._tick_missed = False
        self._joining = 0
        self._buckets: dict[str, TokenBucket] = {}

    # --- facts ----------------------------------------------------------------------------------------------

    def facts(self) -> Facts:
        """The world as this server knows it. Right after loading, whoever has a seat is given time to come
        back.
        """
        present = self.whereabouts.users()
        if time.monotonic() - self._loaded < self._config.presence_grace:
            present |= {s["owner"] for s in rules_of(self.live.room.state)["seats"].values() if s["owner"]}
        return Facts(
            self._now(),
            frozenset(present),
            self._config.bounds,
            self._stories.check_action,
            check_story=self._stories.check_story,
        )

    def idle_since(self) -> float | None:
        """The moment since which nobody needs this session in memory, or None."""
        if len(self.subscribers) or self._joining or self.live.busy or next_deadline(self.live.room.state):
            return None
        return self.last_used

    # --- joining --------------------------------------------------------------------------------------------

    async def join(self, connection: Connection, joining: JoinSession) -> None:
        """Make the sender a participant if need be, subscribe it, and say where the session stands."""
        self.last_used = time.monotonic()
        self._joining += 1
        try:
            await self._join(connection, joining)
        finally:
            self._joining -= 1

    async def _join(self, connection: Connection, joining: JoinSession) -> None:
        client_id = client_of(joining.id)
        await self.live.learn_client((connection.principal.user_id, client_id))
        done: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def decided(reply: Reply) -> None:
            try:
                if reply.data["kind"] == "error":
                    connection.error(dict(reply.data), id=joining.id, session_id=self.id)
                elif not connection.closed:
                    self._subscribe(connection, client_id, joining)
            finally:
                done.set_result(reply)

        self.live.ask(Asked(connection.principal, joining, decided))
        await done

    def _subscribe(self, connection: Connection, client_id: str, joining: JoinSession) -> None:
        for other in self.subscribers.of_user(connection.principal.user_id):
            if other.client_id == client_id and other.connection is not connection and joining.id:
                self.replace(other.connection)
        principal = connection.principal
        if joining.id:
            who: dict[str, JsonValue] = {"user": principal.user_id, "client": client_id}
            self.link.publish({"k": "joined", **who, "connection": connection.id, "at": time.time()})
        self.narration.flush()
        # Subscribed first, so that the answer's presence has the newcomer too.
        view = self.view(principal)
        self.subscribers.add(connection, client_id, view)
        connection.sessions.add(self.id)
        first = self.whereabouts.expect(connection)
        self._answer(connection, joining.data, client_id, joining.id, connection.control)
        self.whereabouts.arrive(connection, view, first)
        self.link.say_soon()
        self.tick()
        self._ask_host(again=principal.is_kernel)

    def _answer(
        self,
        connection: Connection,
        echo: HeadEcho,
        client_id: str | None,
        id: str | None,
        send: Callable[[bytes], None],
    ) -> None:
        key = (connection.principal.user_id, client_id or "")
        results = self.live.room.results.get(key) if client_id else None
        data = answer(
            self.live.room,
            self.live.ring,
            connection.principal,
            echo,
            results,
            self.whereabouts.who(),
            self.narration.provisional(self.view(connection.principal)),
        )
        send(
            message(
                "state_sync",
                data,
                session_id=self.id,
                sequence_id=self.live.head.sequence_id,
                id=id,
                timestamp=self._now(),
            )
        )

    async def sync(self, connection: Connection, asking: StateSync) -> None:
        """Answer a client that says where its replica stands."""
        subscriber = self.subscribers.get(connection.id)
        client_id = subscriber.client_id if subscriber else None
        if client_id:
            await self.live.learn_client((connection.principal.user_id, client_id))
        if self.subscribers.get(connection.id) is None:
            raise Refused("not_joined")  # removed in the meantime
        self._answer(connection, asking.data, client_id, asking.id, connection.control)

    def resync(self, connection: Connection) -> None:
        """What the connection holds is out of date: one full state stands in for it."""
        if self.subscribers.get(connection.id):
            self._answer(connection, HeadEcho(), None, None, connection.control)

    def leave(self, connection: Connection, at_once: bool = True) -> None:
        """The connection is no longer of this session; without `at_once` its user has the grace period to
        return.
        """
        if self.subscribers.remove(connection.id) is None:
            return
        self.look_at, self.last_used = 0.0, time.monotonic()
        connection.sessions.discard(self.id)
        self.whereabouts.leave(connection, at_once)
        self.link.say_soon()
        if at_once:
            self.expire()

    def replace(self, connection: Connection) -> None:
        """A newer connection of the same client takes this one's place: nobody is told that its user left."""
        self.leave(connection, at_once=False)
        connection.close(4508)

    # --- commands -------------------------------------------------------------------------------------------

    def take_turn(self, user_id: str, now: float) -> float:
        """Seconds that this user must wait before its next command here; 0.0 when it may go on."""
        bucket = self._buckets.get(user_id)
        if bucket is None:
            bucket = TokenBucket(self._config.commands_per_second, self._config.commands_burst)
            self._buckets[user_id] = bucket
        return bucket.take(now)

    def command(self, connection: Connection, asked: Asked) -> None:
        self.last_used = time.monotonic()
        self.live.ask(asked)

    def cursor(self, connection: Connection, cursor: Cursor) -> None:
        self.look_at = 0.0  # it will expire
        self.whereabouts.cursor(connection, cursor)

    def relay(self, connection: Connection, data: Chunk | Progress) -> None:
        """What the host streams. Raises Refused."""
        principal = connection.principal
        require(self.live.room.state, principal, data.kind)
        relay(self.live.room.state, principal.user_id, data)
        if isinstance(data, Chunk):
            self.narration.add(data)
        else:
            self.whereabouts.progress(data)
            self.link.publish({"k": "progress", "data": data.model_dump(mode="json")})

    # --- after a commit -------------------------------------------------------------------------------------

    def _committed(self, events: list[Event]) -> None:
        """Everything that follows from committed events."""
        self.look_at = 0.0
        self._clock.reach(events[-1].timestamp)
        self.narration.flush()
        state = self.live.room.state
        if rules_of(state)["turn"]["phase"] != "narrating":
            self.narration.clear()
        for subscriber in self.subscribers.broadcast(events, state):
            if subscriber.connection.choked:
                subscriber.connection.resync_later()
            else:
                self.resync(subscriber.connection)
        for event in events:
            if event.data["kind"] == "role" and event.data["role"] is None:
                self._removed(event.data["target"])
        self._ask_host()

    def _reset(self) -> None:
        """The history has another name, or is another one: every reader gets the state as it is now."""
        self.narration.clear()
        for subscriber in self.subscribers:
            connection, principal = subscriber.connection, subscriber.connection.principal
            view = self.view(principal)
            self.subscribers.add(connection, subscriber.client_id, view)
            self._answer(connection, HeadEcho(epoch="", sequence_id=0), None, None, connection.control)
            if standing_of(self.live.room.state, principal) == "stranger":
                self._join_again(connection)
        self._ask_host(again=True)
        self.tick()

    def _join_again(self, connection: Connection) -> None:
        """The history in which its user came is no more: in again, before anything that was said in that."""

        def joined(reply: Reply) -> None:
            if reply.data["kind"] == "ack" or self.subscribers.get(connection.id) is None:
                return
            if not self.live.ask_later(asked, reply):
                self.leave(connection)
                connection.error(dict(reply.data), session_id=self.id)

        joining = JoinSession(type="join_session", session_id=self.id)
        asked = Asked(connection.principal, joining, joined)
        self.live.ask(asked, first=True)

    def _lost(self, made: Made, reply: Reply) -> None:
        """What was acknowledged and then lost was decided again. Its author hears if it could not be."""
        if reply.data["kind"] == "ack":
            return
        for subscriber in self.subscribers.of_user(made.author.user_id):
            refused = Refused("lost", reason=str(reply.data.get("code")))
            subscriber.connection.error(refused.data(), id=made.message.id, session_id=self.id)

    def _removed(self, user_id: str) -> None:
        refused = Refused("forbidden", "you were removed from this session")
        for subscriber in self.subscribers.of_user(user_id) + self.subscribers.of_kernels_of(user_id):
            connection = subscriber.connection
            self.leave(connection)
            connection.error(refused.data(), session_id=self.id)
            if not connection.sessions:
                connection.close(4503)

    def _ask_host(self, again: bool = False) -> None:
        """Ask the holder of the lease for what the state lacks; `again` repeats it for a holder that came
        back.
        """
        state = self.live.room.state
        task = host_task(state, turn_seed(state))
        if task == self._asked_host and not again:
            return
        self._asked_host = task
        holder = rules_of(state)["host"]["holder"]
        if task is None or holder is None:
            return
        frame = message(
            "agent_action", {**task, **handed_over(state)}, session_id=self.id, timestamp=self._now()
        )
        for subscriber in self.subscribers.of_user(holder):
            subscriber.connection.control(frame)

    # --- presence and time ----------------------------------------------------------------------------------

    def expire(self) -> None:
        """Let go of everybody whose grace is over."""
        left = self.whereabouts.expire()
        for user_id in left:
            self._buckets.pop(user_id, None)
        if left:
            self.tick()

    def tick(self, lost_host: int | None = None) -> None:
        """Let the rules look at the time and at who is here."""
        if self._ticking and lost_host is None:
            return
        self._ticking, self.look_at = True, 0.0

        def done(reply: Reply) -> None:
            self._ticking, self.look_at = False, 0.0
            # While the store was away nothing could follow from who is here; it does as soon as it is back.
            self._tick_missed = reply.data.get("code") == "unavailable"

        self.live.ask(Asked(SERVER, None, done, lost_host))

    def every(self, now: float) -> bool:
        """The hub's timer: expiries, deadlines, and a host that is gone. Whether more will be due soon."""
        self.link.every(now)
        if waiting := self.whereabouts.is_waiting:
            self.expire()
            self.whereabouts.every(now)
        deadline = next_deadline(self.live.room.state)
        grace_over = self._loaded and now - self._loaded >= self._config.presence_grace
        if grace_over:
            self._loaded = 0.0
            self.tick()
        elif self._tick_missed or (deadline and deadline <= self._now()):
            self.tick()
        host = rules_of(self.live.room.state)["host"]
        if host["holder"] is None or self.whereabouts.connections(host["holder"]):
            self._host_gone_since = None
        elif self._host_gone_since is None:
            self._host_gone_since = now
        elif now - self._host_gone_since >= self._config.lease_timeout:
            self._host_gone_since = None
            self.tick(host["token"])
        soon = waiting or deadline or self._loaded or self._tick_missed or not len(self.subscribers)
        return bool(soon) or self.live.is_stale or self._host_gone_since is not None

    async def close(self) -> None:
        """Finish what was asked, and keep a snapshot for the next load."""
        await self.link.close()
        self.narration.clear()
        self.whereabouts.stop()
        await self.live.settled()
        self.live.snapshots.soon(self.live.room)
        await self.live.settled()
        self.live.end()

    def view(self, principal: Principal) -> View:
        """What `principal` sees now."""
        return view_of(self.live.room.state, principal.user_id, principal.is_kernel)
