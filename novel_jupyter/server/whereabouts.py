"""Who is here, where their cursors are, and what the agents are doing: shown to those who may see it.

Law: nothing of this is stored; the last value wins, is coalesced, and expires by itself. A cursor in a
private partition is shown only in views that have it (SPEC R91).
Parts: `Whereabouts`.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping

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


class Whereabouts:
    """The presence of one session. `now` stamps frames."""

    def __init__(
        self, session_id: str, subscribers: Subscribers, config: Config, now: Callable[[], str]
    ) -> None:
        self._session_id = session_id
        self._subscribers = subscribers
        self._presence = Presence(grace=config.presence_grace)
        self._interval = config.cursor_interval
        self._now = now
        self._doing_in = (0, 0)
        self._named: dict[str, dict[str, object]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def users(self) -> set[str]:
        """Everyone with a connection, or within the grace period of a lost one."""
        return set(self._presence.users())

    def who(self) -> list[dict[str, object]]:
        """The users who are here, each once; one within the grace period has no connections."""
        counts = Counter(s.connection.principal.user_id for s in self._subscribers)
        return [{**self._named[user], "connections": counts[user]} for user in sorted(self._named)]

    def _frame(self, type: str, data: Mapping[str, object], user_id: str | None = None) -> bytes:
        return message(type, data, session_id=self._session_id, user_id=user_id, timestamp=self._now())

    # --- coming and going -----------------------------------------------------------------------------------

    def expect(self, connection: Connection) -> None:
        """Count somebody in who is about to be told who is here."""
        principal = connection.principal
        self._named[principal.user_id] = described(principal)

    def arrive(self, connection: Connection, view: View) -> None:
        """Tell the others of a user's first connection, and the newcomer what is live."""
        principal = connection.principal
        if self._presence.connect(principal.user_id, connection.id, time.monotonic()):
            data = {"kind": "arrived", "user": described(principal)}
            frame = self._frame("join_session", data, principal.user_id)
            self._subscribers.ephemeral(f"arrived/{principal.user_id}", frame, besides=connection.id)
        self._show_people()
        shown = [entry for entry in self._presence.cursors() if _visible(entry, view)]
        if shown:
            frame = self._frame("user_cursor", {"cursors": shown})
            connection.ephemeral(f"{self._session_id}/cursors/", frame)
        for agent, text in self._presence.doing(time.monotonic()).items():
            connection.ephemeral(f"{self._session_id}/progress/{agent}", self._progress(agent, text))

    def leave(self, connection: Connection, at_once: bool) -> None:
        """A connection is gone; without `at_once` its user has the grace period to return."""
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

    def _show_people(self) -> None:
        frame = self._frame("system_message", {"kind": "presence", "users": self.who()})
        self._subscribers.ephemeral("presence", frame)

    # --- agents and cursors ---------------------------------------------------------------------------------

    def progress(self, data: Progress) -> None:
        """What an agent of the host is doing."""
        self._presence.progress(data.agent, data.text, time.monotonic())
        self._doing_in = (data.turn, data.attempt)
        self._subscribers.ephemeral(f"progress/{data.agent}", self._progress(data.agent, data.text))

    def _progress(self, agent: str, text: str) -> bytes:
        turn, attempt = self._doing_in
        shown = {"kind": "progress", "agent": agent, "text": text, "turn": turn, "attempt": attempt}
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
        for view, readers in self._subscribers.views():
            shown = [entry for entry in changed if _visible(entry, view)]
            if not shown:
                continue
            frame = self._frame("user_cursor", {"cursors": shown})
            key = f"{self._session_id}/cursors/" + ",".join(str(entry["connection_id"]) for entry in shown)
            for reader in readers:
                reader.connection.ephemeral(key, frame)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


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
