"""A session with its people: presence, subscriptions, the host, what streams, and the timers of one room.

Law: effects follow from committed state, level by level, never from the command that led there: after every
commit the readers get the events, changed views get a `full_sync`, and the holder of the lease is asked for
what the state lacks. So a restart, a take-over or another server's commit need no path of their own.
Parts: `Session`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from pydantic import JsonValue

from novel_jupyter.core.draft import Facts, Room
from novel_jupyter.core.errors import Refused
from novel_jupyter.core.events import Event, audience_of_partition
from novel_jupyter.core.hosting import host_task
from novel_jupyter.core.incoming import CommandId
from novel_jupyter.core.limits import TokenBucket
from novel_jupyter.core.messages import Chunk, Cursor, HeadEcho, JoinSession, Progress, StateSync
from novel_jupyter.core.patch import PatchError, parse_pointer
from novel_jupyter.core.policy import SERVER, Principal, require
from novel_jupyter.core.presence import Presence
from novel_jupyter.core.room import Reply, next_deadline
from novel_jupyter.core.telling import relay, turn_seed
from novel_jupyter.core.views import rules_of, sees, view_of

from .config import Config
from .connection import Connection
from .events_log import Log
from .frames import message
from .live import Asked, LiveRoom
from .narration import Narration
from .ports import SessionInfo, Store
from .subscribers import Subscribers
from .sync import answer, full_state


class Session:
    """One live session. Made by the hub, which calls `every` on its timer and `close` at the end."""

    def __init__(
        self,
        store: Store,
        config: Config,
        log: Log,
        room: Room,
        info: SessionInfo,
        recent: list[Event],
        now: Callable[[], str],
        check_action: Callable[[Mapping[str, JsonValue]], None],
    ) -> None:
        self.id = info.session_id
        self.subscribers = Subscribers(self.id)
        self.presence = Presence(grace=config.presence_grace)
        self.live = LiveRoom(store, config, log, room, info, recent, self.facts, self._committed)
        self.last_used = time.monotonic()
        self._config = config
        self._now = now
        self._check_action = check_action
        self._loaded = time.monotonic()
        self._asked_host: dict[str, JsonValue] | None = None
        self._host_gone_since: float | None = self._loaded
        self._narration = Narration(self.id, self.subscribers, config.tick)
        self._cursor_timer: asyncio.TimerHandle | None = None
        self._ticking = False
        self._joining = 0
        self._doing_in = (0, 0)
        self._buckets: dict[str, TokenBucket] = {}

    # --- facts ----------------------------------------------------------------------------------------------

    def facts(self) -> Facts:
        """The world as this server knows it. Right after loading, whoever has a seat is given time to come
        back.
        """
        present = set(self.presence.users())
        if time.monotonic() - self._loaded < self._config.presence_grace:
            present |= {s["owner"] for s in rules_of(self.live.room.state)["seats"].values() if s["owner"]}
        return Facts(self._now(), frozenset(present), self._config.bounds, self._check_action)

    def idle_since(self) -> float | None:
        """The moment since which nobody needs this session in memory, or None."""
        if len(self.subscribers) or self._joining or self.live.busy or self._deadline():
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
        client_id = _client_of(joining.id)
        await self.live.learn_client((connection.principal.user_id, client_id))
        done: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def decided(reply: Reply) -> None:
            if reply.data["kind"] == "error":
                connection.error(dict(reply.data), id=joining.id, session_id=self.id)
            elif not connection.closed:
                self._subscribe(connection, client_id, joining)
            done.set_result(reply)

        self.live.ask(Asked(connection.principal, joining, decided))
        await done

    def _subscribe(self, connection: Connection, client_id: str, joining: JoinSession) -> None:
        for other in self.subscribers.of_user(connection.principal.user_id):
            if other.client_id == client_id and other.connection is not connection and joining.id:
                # Nobody is told that this user left: the newer connection takes the older one's place.
                self.leave(other.connection, at_once=False)
                other.connection.close(4508)
        principal = connection.principal
        self._narration.flush()
        # Subscribed first, so that the answer's presence has the newcomer too.
        view = view_of(self.live.room.state, principal.user_id, principal.is_kernel)
        self.subscribers.add(connection, client_id, view)
        connection.sessions.add(self.id)
        self._answer(connection, joining.data, client_id, joining.id, connection.control)
        if self.presence.connect(principal.user_id, connection.id, time.monotonic()):
            data = {"kind": "arrived", "user": _user(principal)}
            frame = message(
                "join_session", data, session_id=self.id, user_id=principal.user_id, timestamp=self._now()
            )
            self.subscribers.ephemeral(f"arrived/{principal.user_id}", frame, besides=connection.id)
        self._show_presence()
        self._show_what_is_live(connection)
        self._tick()
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
            self.who(),
            self._narration.provisional(),
        )
        head = self.live.head
        send(
            message(
                "state_sync",
                data,
                session_id=self.id,
                sequence_id=head.sequence_id,
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
        self.last_used = time.monotonic()
        connection.sessions.discard(self.id)
        if self.presence.forget_cursor(connection.id):
            self._cursors_soon()
        self.presence.disconnect(connection.id, time.monotonic(), at_once=at_once)
        if at_once:
            self._expire()

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
        value: dict[str, JsonValue] = cursor.model_dump(mode="json")
        self.presence.cursor(connection.id, value, time.monotonic())
        self._cursors_soon()

    def relay(self, connection: Connection, data: Chunk | Progress) -> None:
        """What the host streams. Raises Refused."""
        principal = connection.principal
        require(self.live.room.state, principal, data.kind)
        relay(self.live.room.state, principal.user_id, data)
        if isinstance(data, Chunk):
            self._narration.add(data)
            return
        self.presence.progress(data.agent, data.text, time.monotonic())
        self._doing_in = (data.turn, data.attempt)
        self.subscribers.ephemeral(f"progress/{data.agent}", self._progress(data.agent, data.text))

    def _progress(self, agent: str, text: str) -> bytes:
        turn, attempt = self._doing_in
        shown = {"kind": "progress", "agent": agent, "text": text, "turn": turn, "attempt": attempt}
        return message("system_message", shown, session_id=self.id, timestamp=self._now())

    def _show_what_is_live(self, connection: Connection) -> None:
        """Cursors and agents at work, for somebody who has just joined."""
        view = view_of(self.live.room.state, connection.principal.user_id, connection.principal.is_kernel)
        shown = [entry for entry in self.presence.cursors() if _visible(entry, view)]
        if shown:
            frame = message("user_cursor", {"cursors": shown}, session_id=self.id, timestamp=self._now())
            connection.ephemeral(f"{self.id}/cursors/", frame)
        for agent, text in self.presence.doing(time.monotonic()).items():
            connection.ephemeral(f"{self.id}/progress/{agent}", self._progress(agent, text))

    # --- after a commit -------------------------------------------------------------------------------------

    def _committed(self, events: list[Event]) -> None:
        """Everything that follows from committed events."""
        self._narration.flush()
        state = self.live.room.state
        if rules_of(state)["turn"]["phase"] != "narrating":
            self._narration.clear()
        for subscriber in self.subscribers.broadcast(events, state):
            if subscriber.connection.choked:
                subscriber.connection.resync_later()
            else:
                self.resync(subscriber.connection)
        for event in events:
            if event.data["kind"] == "role" and event.data["role"] is None:
                self._removed(event.data["target"])
        self._ask_host()

    def _removed(self, user_id: str) -> None:
        for subscriber in self.subscribers.of_user(user_id):
            connection = subscriber.connection
            self.leave(connection)
            connection.error(
                Refused("forbidden", "you were removed from this session").data(), session_id=self.id
            )
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
        frame = message("agent_action", task, session_id=self.id, timestamp=self._now())
        for subscriber in self.subscribers.of_user(holder):
            subscriber.connection.control(frame)

    # --- presence and time ----------------------------------------------------------------------------------

    def who(self) -> list[dict[str, object]]:
        """The users who are here, each once."""
        named: dict[str, dict[str, object]] = {}
        for subscriber in self.subscribers:
            principal = subscriber.connection.principal
            entry = named.setdefault(principal.user_id, {**_user(principal), "connections": 0})
            entry["connections"] = int(str(entry["connections"])) + 1
        return sorted(named.values(), key=lambda entry: str(entry["user_id"]))

    def _show_presence(self) -> None:
        frame = message(
            "system_message",
            {"kind": "presence", "users": self.who()},
            session_id=self.id,
            timestamp=self._now(),
        )
        self.subscribers.ephemeral("presence", frame)

    def _expire(self) -> None:
        left = self.presence.expire(time.monotonic())
        for user_id in left:
            self._buckets.pop(user_id, None)
            name = rules_of(self.live.room.state)["participants"].get(user_id)
            kind = "kernel" if user_id.startswith("kernel:") else "person"
            user = {"user_id": user_id, "name": name["name"] if name else user_id, "kind": kind}
            data = {"kind": "left", "user": user}
            frame = message("leave_session", data, session_id=self.id, user_id=user_id, timestamp=self._now())
            self.subscribers.ephemeral(f"left/{user_id}", frame)
        if left:
            self._show_presence()
            self._tick()

    def _cursors_soon(self) -> None:
        if self._cursor_timer is None:
            loop = asyncio.get_running_loop()
            self._cursor_timer = loop.call_later(self._config.cursor_interval, self._show_cursors)

    def _show_cursors(self) -> None:
        self._cursor_timer = None
        changed = self.presence.cursors_tick(time.monotonic())
        if not changed:
            return
        for view, readers in self.subscribers.views():
            shown = [entry for entry in changed if _visible(entry, view)]
            if not shown:
                continue
            frame = message("user_cursor", {"cursors": shown}, session_id=self.id, timestamp=self._now())
            key = f"{self.id}/cursors/" + ",".join(str(entry["connection_id"]) for entry in shown)
            for reader in readers:
                reader.connection.ephemeral(key, frame)

    def _tick(self, lost_host: int | None = None) -> None:
        """Let the rules look at the time and at who is here."""
        if self._ticking and lost_host is None:
            return
        self._ticking = True

        def done(_: Reply) -> None:
            self._ticking = False

        self.live.ask(Asked(SERVER, None, done, lost_host))

    def _deadline(self) -> str | None:
        """When time alone will change something; in an archived session it changes nothing."""
        state = self.live.room.state
        return None if rules_of(state)["session"]["status"] == "archived" else next_deadline(state)

    def every(self, now: float) -> None:
        """The hub's timer: expiries, deadlines, and a host that is gone."""
        if self.presence.next_due() is not None:
            self._expire()
            if self.presence.cursors_due(now):
                self._cursors_soon()
        deadline = self._deadline()
        grace_over = self._loaded and now - self._loaded >= self._config.presence_grace
        if grace_over:
            self._loaded = 0.0
            self._tick()
        elif deadline and deadline <= self._now():
            self._tick()
        host = rules_of(self.live.room.state)["host"]
        if host["holder"] is None or self.subscribers.of_user(host["holder"]):
            self._host_gone_since = None
        elif self._host_gone_since is None:
            self._host_gone_since = now
        elif now - self._host_gone_since >= self._config.lease_timeout:
            self._host_gone_since = None
            self._tick(host["token"])

    async def close(self) -> None:
        """Finish what was asked, and keep a snapshot for the next load."""
        self._narration.clear()
        if self._cursor_timer is not None:
            self._cursor_timer.cancel()
        await self.live.settled()
        self.live.snapshot_soon()
        await self.live.settled()
        self.live.end()

    def state_for(self, principal: Principal) -> tuple[str, dict[str, object]]:
        """(view, state) as `principal` sees it."""
        view = view_of(self.live.room.state, principal.user_id, principal.is_kernel)
        return view, full_state(self.live.room, view)


def _client_of(id: str | None) -> str:
    """The client_id in a join's id, which names the client whether or not it counts."""
    if not id:
        return ""
    try:
        return CommandId.parse(id).client_id
    except Refused:
        return id.rpartition(":")[0] or id


def _user(principal: Principal) -> dict[str, object]:
    return {"user_id": principal.user_id, "name": principal.name, "kind": principal.kind}


def _visible(entry: Mapping[str, object], view: str) -> bool:
    """Whether a cursor may be shown in `view`: one in a private partition is nobody else's business."""
    target = entry.get("target")
    if not isinstance(target, str) or not target.startswith("/"):
        return True
    try:
        tokens = parse_pointer(target)
    except PatchError:
        return True
    return not tokens or sees(view, audience_of_partition(tokens[0]))
