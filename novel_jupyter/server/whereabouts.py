"""Who is here, where their cursors are, and what the agents are doing: shown to those who may see it.

Law: nothing of this is stored; the last value wins, is coalesced, and expires by itself. A cursor in a
private partition is shown only in views that have it (SPEC R91). A connection counts the same wherever it is;
each server tells its own readers.
Parts: `Whereabouts`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from orjson import dumps, loads
from pydantic import JsonValue

from novel_jupyter.core.events import audience_of_partition
from novel_jupyter.core.messages import Cursor, Progress
from novel_jupyter.core.patch import PatchError, parse_pointer
from novel_jupyter.core.policy import Principal
from novel_jupyter.core.presence import Presence
from novel_jupyter.core.views import View, sees

from .config import Config
from .connection import Connection
from .frames import message
from .subscribers import Subscribers

CURSORS_IN_A_NOTE: Final = 12
"""So many fit into a note whatever they point at."""
BYE_SECONDS, BYES_KEPT = 10.0, 4096

Note: TypeAlias = Mapping[str, JsonValue]
"""What servers tell each other of a session, by `k`: joined, bye, cursors, progress, chunk, told, hold…"""


class Whereabouts:
    """The presence of one session. `now` stamps frames."""

    def __init__(
        self,
        session_id: str,
        subscribers: Subscribers,
        config: Config,
        now: Callable[[], str],
        publish: Callable[[Note], None],
    ) -> None:
        self._session_id = session_id
        self._subscribers = subscribers
        self._presence = Presence(grace=config.presence_grace)
        self._interval = config.cursor_interval
        self._now = now
        self._publish = publish
        self._here: dict[str, Principal] = {}  # by connection of this server
        self._elsewhere: dict[str, str] = {}  # users by connection of other servers
        self._byes: dict[str, tuple[float, str]] = {}
        """Connections that said goodbye, until when at most their server's row may still have them, and the
        server."""
        self._doing_in = (0, 0)
        self._spent: object = None
        self._named: dict[str, dict[str, object]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._people_timer: asyncio.TimerHandle | None = None
        self._people_shown = -self._interval

    def users(self) -> set[str]:
        """Everyone with a connection, or within the grace period of a lost one."""
        return set(self._presence.users())

    def who(self) -> list[dict[str, object]]:
        """The users who are here, each once; one within the grace period has no connections."""
        count = self._presence.connections
        return [{**self._named[user], "connections": count(user)} for user in sorted(self._named)]

    def connections(self, user_id: str) -> int:
        """How many connections the user has, at all servers."""
        return self._presence.connections(user_id)

    def _frame(self, type: str, data: Mapping[str, object], user_id: str | None = None) -> bytes:
        return message(type, data, session_id=self._session_id, user_id=user_id, timestamp=self._now())

    # --- coming and going -----------------------------------------------------------------------------------

    def expect(self, connection: Connection) -> bool:
        """Count somebody in who is about to be told who is here; whether this is their first connection."""
        principal = connection.principal
        self._named[principal.user_id] = described(principal)
        self._here[connection.id] = principal
        return self._presence.connect(principal.user_id, connection.id, time.monotonic())

    def arrive(self, connection: Connection, view: View, first: bool) -> None:
        """Tell the others of a user's first connection, and the newcomer what is live."""
        if first:
            self._show_arrived(connection.principal.user_id, besides=connection.id)
        self._show_people()
        shown = [entry for entry in self._presence.cursors() if _visible(entry, view)]
        if shown:
            frame = self._frame("user_cursor", {"cursors": shown})
            connection.ephemeral(f"{self._session_id}/cursors/", frame)
        for agent, text in self._presence.doing(time.monotonic()).items():
            connection.ephemeral(f"{self._session_id}/progress/{agent}", self._progress(agent, text))

    def leave(self, connection: Connection, at_once: bool) -> None:
        """A connection is gone; without `at_once` its user has the grace period to return."""
        if self._here.pop(connection.id, None) and at_once:
            self._publish({"k": "bye", "connection": connection.id})
        if self._presence.forget_cursor(connection.id):
            self._cursors_soon()
        self._presence.disconnect(connection.id, time.monotonic(), at_once=at_once)

    def expire(self) -> list[str]:
        """Tell of everyone whose grace period is over, and return them."""
        left = self._presence.expire(time.monotonic())
        for user_id in left:
            data = {"kind": "left", "user": self._named.pop(user_id)}
            frame = self._frame("leave_session", data, user_id)
            self._subscribers.ephemeral(f"left/{user_id}", frame)
        if left:
            self._show_people()
        return left

    # --- at other servers -----------------------------------------------------------------------------------

    def row(self) -> bytes | None:
        """Who is connected here, for the other servers."""
        people = {id: [who.user_id, who.name, who.kind] for id, who in self._here.items()}
        return dumps(people) if people else None

    def others(self, rows: Mapping[str, bytes]) -> bool:
        """Take in who is connected elsewhere, all of it, by server; whether that made a difference."""
        now, found = time.monotonic(), dict[str, str]()
        said = {node: loads(row) for node, row in rows.items()}
        for id, (until, node) in list(self._byes.items()):
            if until <= now or (node in said and id not in said[node]):
                del self._byes[id]
        for people in said.values():
            for id, (user_id, name, kind) in people.items():
                if id in self._here or id in self._byes:
                    continue
                found[id] = user_id
                if id not in self._elsewhere:
                    self._named[user_id] = {"user_id": user_id, "name": name, "kind": kind}
                    if self._presence.connect(user_id, id, now):
                        self._show_arrived(user_id)
        gone = [id for id in self._elsewhere if id not in found]
        for id in gone:
            self._gone(id, at_once=False)
        changed = bool(gone) or found.keys() != self._elsewhere.keys()
        self._elsewhere = found
        if changed:
            self._show_people()
        return changed

    def back(self, connection_id: str) -> None:
        """A connection of another server has joined: what is read of it from here on is true."""
        self._byes.pop(connection_id, None)

    def said_goodbye(self, connection_id: str, node: str) -> None:
        """A connection of another server left on purpose; its server's row may still have it."""
        if len(self._byes) < BYES_KEPT:
            self._byes[connection_id] = (time.monotonic() + BYE_SECONDS, node)
        self._gone(connection_id, at_once=True)

    def _gone(self, connection_id: str, at_once: bool) -> None:
        """A connection of another server is no more."""
        if self._elsewhere.pop(connection_id, None) is None:
            return
        if self._presence.forget_cursor(connection_id):
            self._cursors_soon()
        self._presence.disconnect(connection_id, time.monotonic(), at_once=at_once)

    def cursors_elsewhere(self, cursors: Mapping[str, Mapping[str, JsonValue] | None]) -> None:
        """Cursors that moved at another server; None is one that is gone."""
        now = time.monotonic()
        for id, value in cursors.items():
            if id not in self._elsewhere:
                continue
            if value is None:
                self._presence.forget_cursor(id)
            else:
                self._presence.cursor(id, value, now)
        self._cursors_soon()

    # --- what is shown --------------------------------------------------------------------------------------

    def _show_arrived(self, user_id: str, besides: str | None = None) -> None:
        frame = self._frame("join_session", {"kind": "arrived", "user": self._named[user_id]}, user_id)
        self._subscribers.ephemeral(f"arrived/{user_id}", frame, besides=besides)

    def _show_people(self) -> None:
        """Now, or in a moment if many come at once: the list is of everybody, for everybody."""
        if self._people_timer is not None:
            return
        loop = asyncio.get_running_loop()
        due = self._people_shown + self._interval
        if due <= loop.time():
            self._show_people_now()
        else:
            self._people_timer = loop.call_at(due, self._show_people_now)

    def _show_people_now(self) -> None:
        self._people_timer = None
        self._people_shown = asyncio.get_running_loop().time()
        frame = self._frame("system_message", {"kind": "presence", "users": self.who()})
        self._subscribers.ephemeral("presence", frame)

    # --- agents and cursors ---------------------------------------------------------------------------------

    def progress(self, data: Progress) -> None:
        """What an agent of the host is doing, here or at another server."""
        self._presence.progress(data.agent, data.text, time.monotonic())
        if data.spent is not None or self._doing_in != (data.turn, data.attempt):
            self._spent = data.spent
        self._doing_in = (data.turn, data.attempt)
        self._subscribers.ephemeral(f"progress/{data.agent}", self._progress(data.agent, data.text))

    def _progress(self, agent: str, text: str) -> bytes:
        turn, attempt = self._doing_in
        shown: dict[str, object] = {"kind": "progress", "agent": agent, "text": text}
        shown |= {"turn": turn, "attempt": attempt} | ({"spent": self._spent} if self._spent else {})
        return self._frame("system_message", shown)

    def cursor(self, connection: Connection, cursor: Cursor) -> None:
        value: dict[str, JsonValue] = cursor.model_dump(mode="json")
        self._presence.cursor(connection.id, value, time.monotonic())
        self._cursors_soon()

    def every(self, now: float) -> None:
        """The timer: cursors and typing that expire."""
        if self._presence.cursors_due(now):
            self._cursors_soon()

    @property
    def is_waiting(self) -> bool:
        """Whether something here will expire."""
        return self._presence.next_due() is not None

    def _cursors_soon(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._interval, self._show_cursors)

    def _show_cursors(self) -> None:
        self._timer = None
        changed = self._presence.cursors_tick(time.monotonic())
        if not changed:
            return
        ours = {id: entry for entry in changed if (id := str(entry["connection_id"])) not in self._elsewhere}
        if ours:
            said = [(id, _cursor_only(entry)) for id, entry in ours.items()]
            for some in range(0, len(said), CURSORS_IN_A_NOTE):
                self._publish({"k": "cursors", "cursors": dict(said[some : some + CURSORS_IN_A_NOTE])})
        for view, readers in self._subscribers.views():
            shown = [entry for entry in changed if _visible(entry, view)]
            if not shown:
                continue
            frame = self._frame("user_cursor", {"cursors": shown})
            key = f"{self._session_id}/cursors/" + ",".join(str(entry["connection_id"]) for entry in shown)
            for reader in readers:
                reader.connection.ephemeral(key, frame)

    def stop(self) -> None:
        for timer in (self._timer, self._people_timer):
            if timer is not None:
                timer.cancel()


def _cursor_only(entry: Mapping[str, JsonValue]) -> JsonValue:
    if entry.get("target") is None:
        return None
    return {key: value for key, value in entry.items() if key not in ("user_id", "connection_id")}


def described(principal: Principal) -> dict[str, object]:
    """A user as others are told of it."""
    return {"user_id": principal.user_id, "name": principal.name, "kind": principal.kind}


def _visible(entry: Mapping[str, object], view: View) -> bool:
    """Whether a cursor may be shown in `view`: one in a private partition is nobody else's business."""
    target = entry.get("target")
    if not isinstance(target, str) or not target:
        return True  # a cursor that is gone
    try:
        tokens = parse_pointer(target)
    except PatchError:
        return False
    return not tokens or sees(view, audience_of_partition(tokens[0]))
