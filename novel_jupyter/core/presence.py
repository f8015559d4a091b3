"""Who is here, where their cursors are, and what agents are doing: what everybody sees and nobody stores.

Law: the last value wins and expires by itself. A user arrives with the first connection and leaves once,
when the last one is gone and did not come back within the grace period; in between nothing is said. Memory is
bounded by the open connections and the users in grace. The caller passes `now`, in seconds of one clock.
Parts: `Presence`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .patch import JsonValue

MAX_AGENTS: Final = 64
"""Agents whose progress is kept; beyond it the oldest word goes."""
MAX_UNSHOWN: Final = 4096
"""Changes of cursors that wait for a tick, which an owner who never asks for one cannot pile up."""


@dataclass(slots=True)
class _Cursor:
    value: dict[str, JsonValue]
    at: float


class Presence:
    """The presence of one session. `grace`, `cursor_ttl`, `typing_ttl` and `progress_ttl` are in seconds."""

    def __init__(
        self,
        *,
        grace: float = 5.0,
        cursor_ttl: float = 60.0,
        typing_ttl: float = 4.0,
        progress_ttl: float = 60.0,
    ) -> None:
        if min(grace, cursor_ttl, typing_ttl, progress_ttl) < 0:
            raise ValueError("times are not negative")
        self._grace = grace
        self._cursor_ttl = cursor_ttl
        self._typing_ttl = min(typing_ttl, cursor_ttl)
        self._progress_ttl = progress_ttl
        self._users: dict[str, str] = {}  # by connection
        self._connections: dict[str, set[str]] = {}  # by user; an empty set is a user in grace
        self._leaving: dict[str, float] = {}  # by user: when the grace is over
        self._cursors: dict[str, _Cursor] = {}  # by connection
        self._changed: dict[
            str, str
        ] = {}  # connections whose cursor is to be shown, in order, and their users
        self._progress: dict[str, tuple[str, float]] = {}  # by agent

    # --- people

    def connect(self, user: str, connection_id: str, now: float) -> bool:
        """Whether the user arrived: had no connection and was not within the grace period of one.

        Saying it again changes nothing. Raises ValueError for a connection that is another user's.
        """
        if self._users.setdefault(connection_id, user) != user:
            raise ValueError("the connection is another user's")
        # Whom `expire` did not take out yet has not left in anybody's eyes, however late it is.
        arrived = user not in self._connections
        self._connections.setdefault(user, set()).add(connection_id)
        self._leaving.pop(user, None)
        return arrived

    def disconnect(self, connection_id: str, now: float, *, at_once: bool = False) -> None:
        """The connection is gone, its cursor too. `at_once`: its user left on purpose and gets no grace."""
        self.forget_cursor(connection_id)
        user = self._users.pop(connection_id, None)
        if user is None:
            return
        self._connections[user].discard(connection_id)
        if not self._connections[user]:
            self._leaving[user] = now if at_once else now + self._grace

    def expire(self, now: float) -> list[str]:
        """The users who have left since the last call, each once, in the order of their leaving."""
        left = sorted(
            (user for user, due in self._leaving.items() if due <= now), key=self._leaving.__getitem__
        )
        for user in left:
            del self._leaving[user], self._connections[user]
        return left

    def users(self) -> list[str]:
        """Who is here, in the order of arrival, those in their grace period too."""
        return list(self._connections)

    def connections(self, user: str) -> int:
        """How many connections the user has; 0 in the grace period and for a stranger."""
        return len(self._connections.get(user, ()))

    # --- cursors

    def cursor(self, connection_id: str, value: Mapping[str, JsonValue], now: float) -> None:
        """The connection's cursor, whole: its last value wins. One of an unknown connection is ignored."""
        user = self._users.get(connection_id)
        if user is not None:
            self._cursors[connection_id] = _Cursor(dict(value), now)
            self._changed[connection_id] = user

    def forget_cursor(self, connection_id: str) -> bool:
        """Take the cursor away; False when there is none. The next tick shows it as gone."""
        if self._cursors.pop(connection_id, None) is None:
            return False
        self._changed[connection_id] = self._users[connection_id]
        if len(self._changed) > MAX_UNSHOWN:
            del self._changed[next(iter(self._changed))]
        return True

    def cursors_due(self, now: float) -> bool:
        """Whether a tick has anything to say."""
        return bool(self._changed) or any(
            self._cursor_due(cursor) <= now for cursor in self._cursors.values()
        )

    def cursors_tick(self, now: float) -> list[dict[str, JsonValue]]:
        """What changed since the last tick, each connection once: its cursor, or `target` null when gone.

        Every entry has `user_id` and `connection_id` beside the fields that the client sent.
        """
        for connection_id in [
            key for key, cursor in self._cursors.items() if self._cursor_due(cursor) <= now
        ]:
            cursor = self._cursors[connection_id]
            self._changed[connection_id] = self._users[connection_id]
            if cursor.at + self._cursor_ttl <= now:
                del self._cursors[connection_id]
            else:
                cursor.value["typing"] = False
        changed, self._changed = self._changed, {}
        return [self._shown(connection_id, user) for connection_id, user in changed.items()]

    def cursors(self) -> list[dict[str, JsonValue]]:
        """Every cursor as it stands, for somebody who has just joined."""
        return [self._shown(connection_id, self._users[connection_id]) for connection_id in self._cursors]

    # --- agents

    def progress(self, agent: str, text: str, now: float) -> None:
        """What the agent is doing; an empty text: nothing any more."""
        self._progress.pop(agent, None)
        if text:
            if len(self._progress) >= MAX_AGENTS:
                del self._progress[next(iter(self._progress))]
            self._progress[agent] = (text, now)

    def doing(self, now: float) -> dict[str, str]:
        """What each agent is doing, the latest word last."""
        for agent in [agent for agent, (_, at) in self._progress.items() if at + self._progress_ttl <= now]:
            del self._progress[agent]
        return {agent: text for agent, (text, _) in self._progress.items()}

    def next_due(self) -> float | None:
        """When the next thing happens by itself: a user leaves, or a cursor, typing or progress expires."""
        dues = [*self._leaving.values()]
        dues += [self._cursor_due(cursor) for cursor in self._cursors.values()]
        dues += [at + self._progress_ttl for _, at in self._progress.values()]
        return min(dues, default=None)

    def _cursor_due(self, cursor: _Cursor) -> float:
        return cursor.at + (self._typing_ttl if cursor.value.get("typing") else self._cursor_ttl)

    def _shown(self, connection_id: str, user: str) -> dict[str, JsonValue]:
        cursor = self._cursors.get(connection_id)
        value: dict[str, JsonValue] = {"target": None} if cursor is None else cursor.value
        return {**value, "user_id": user, "connection_id": connection_id}
