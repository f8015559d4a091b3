"""A session's tie to the other servers that have it open: what they say is heard, what happens here is told.

Law: nothing that comes over the bus is decided by; it shows things sooner. The log and the rows of who is
where are looked at now and then, whatever was or was not said, unless it is known that nobody else wrote or
that nobody else is there (SPEC R94, R95; S22, B9).
Parts: `SessionLink`, `Elsewhere` (what it needs of the session).
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import Final, Protocol

from orjson import dumps, loads
from pydantic import JsonValue

from novel_jupyter.core.errors import Refused
from novel_jupyter.core.messages import Progress
from novel_jupyter.core.views import rules_of

from .bus import NOTE_BYTES, Announcement, Bus, Row
from .config import Config
from .connection import Connection
from .events_log import Log
from .live import LiveRoom
from .narration import Narration
from .others import Others
from .ports import StoreError
from .subscribers import Subscribers
from .whereabouts import Note, Whereabouts

SOON: Final = 0.02
"""Seconds in which comings and goings are gathered before they are told."""
ROW_BEATS: Final = 3
"""A row of a server lives for as many of its beats."""


class Elsewhere(Protocol):
    """The session, as far as it concerns the other servers."""

    id: str
    live: LiveRoom
    whereabouts: Whereabouts
    narration: Narration
    subscribers: Subscribers

    def replace(self, connection: Connection) -> None: ...

    def expire(self) -> None: ...

    def tick(self) -> None: ...


class SessionLink:
    """A `Listener` of the bus."""

    def __init__(self, bus: Bus, session: Elsewhere, config: Config, log: Log, others: Others) -> None:
        self._bus = bus
        self._others = others
        self._session = session
        self._config = config
        self._log = log
        self._said_at = 0.0
        self._looked_at = time.monotonic()
        self._saying: asyncio.Task[None] | None = None
        self._again = False
        self._timer: asyncio.TimerHandle | None = None
        self._asked_at = 0.0
        self._closed = False

    async def open(self) -> None:
        """Listen, then look, so that nothing falls between. Raises StoreError."""
        await self._bus.listen(self._session.id, self)
        await self._say()
        self._session.live.look()
        await self._session.live.settled()
        self._ask_for_prose()

    async def close(self) -> None:
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._saying is not None:
            await asyncio.wait([self._saying])
        try:
            await self._bus.unlisten(self._session.id)
        except StoreError as error:  # the row expires by itself
            self._log.failure("unlisten", error, session=self._session.id)
        del self._session  # the circle of the two would stay in memory until a full collection

    # --- telling --------------------------------------------------------------------------------------------

    def publish(self, note: Note) -> None:
        """Tell the other servers, best effort."""
        if self._closed:
            return
        raw = dumps(note)
        if len(raw) > NOTE_BYTES:
            self._log.info("note_too_large", session=self._session.id, kind=str(note["k"]), bytes=len(raw))
            return
        self._bus.publish(self._session.id, raw)

    def ask_for_turn(self, seconds: float) -> None:
        """The others were always faster to append."""
        self.publish({"k": "hold", "seconds": seconds})

    def say_soon(self) -> None:
        """Somebody came or went here."""
        if self._timer is None and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(SOON, self._say_now)

    def _say_now(self) -> None:
        self._timer = None
        if self._closed:
            return
        if self._saying is not None:
            self._again = True
            return
        self._saying = asyncio.create_task(self._say())
        self._saying.add_done_callback(self._said)

    def _said(self, done: asyncio.Task[None]) -> None:
        self._saying = None
        error = None if done.cancelled() else done.exception()
        if isinstance(error, Exception):
            self._log.failure("presence", error, session=self._session.id)
        if self._again:
            self._again = False
            self._say_now()

    async def _say(self) -> None:
        """Say who is here, and hear who is elsewhere."""
        # Sessions that began together do not speak together for ever.
        self._said_at = time.monotonic() - random.uniform(0.0, 0.3) * self._config.node_beat
        people = self._session.whereabouts.row()
        row = Row(people or b"{}", self._session.live.head.sequence_id)
        ttl = ROW_BEATS * self._config.node_beat
        rows = await self._bus.here(self._session.id, row, ttl)
        others = {node: said.people for node, said in rows.items() if node != self._bus.node}
        if self._session.whereabouts.others(others):
            self._session.tick()
        if any(said.sequence_id > self._session.live.head.sequence_id for said in rows.values()):
            self._session.live.look()

    def every(self, now: float) -> None:
        """The timer: say it again before it expires, and compare with the store now and then."""
        if now - self._said_at >= self._config.node_beat and not self._bus.is_alone:
            self._say_now()
        live = self._session.live
        every = self._config.node_beat if live.is_stale else self._config.head_check
        knew_at = max(self._looked_at, live.agreed_at)
        if now - knew_at >= every and (live.is_stale or knew_at <= self._others.wrote_at):
            self._looked_at = now
            live.look()

    # --- hearing --------------------------------------------------------------------------------------------

    def announced(self, announcement: Announcement) -> None:
        if not self._closed:
            self._looked_at = time.monotonic()
            self._session.live.announced(announcement)

    def changed(self) -> None:
        self.say_soon()

    def relinked(self) -> None:
        if not self._closed:
            self.say_soon()
            self._session.live.look()
            self._ask_for_prose()

    def noted(self, node: str, note: bytes) -> None:
        try:
            said = loads(note)
            self._take(said["k"], said, node)
        except Refused:
            self._ask_for_prose()  # a piece of what is streamed was missed
        except Exception as error:  # one strange note is not the session's fault
            self._log.failure("note", error, session=self._session.id)

    def _take(self, k: str, said: dict[str, JsonValue], node: str) -> None:
        session = self._session
        match k:
            case "cursors":
                session.whereabouts.cursors_elsewhere(said["cursors"])  # type: ignore[arg-type]
            case "bye":
                session.whereabouts.said_goodbye(str(said["connection"]), node)
                session.expire()
            case "joined":
                session.whereabouts.back(str(said.get("connection")))
                # A note that is late must not end the connection that came after it.
                at = float(str(said.get("at", "inf")))
                for other in session.subscribers.of_user(str(said["user"])):
                    if other.client_id == said["client"] and other.since < at:
                        session.replace(other.connection)
            case "hold":
                session.live.hold(float(str(said["seconds"])))
            case "progress":
                session.whereabouts.progress(Progress.model_validate(said["data"]))
            case "chunk" | "told":
                self._prose(said, again=k == "told")
            case "asked":
                session.narration.tell_again()
            case _:
                pass  # of a newer version

    def _prose(self, said: dict[str, JsonValue], *, again: bool) -> None:
        of, offset = said["of"], said["offset"]
        assert isinstance(of, list)
        assert isinstance(offset, int)
        turn, attempt, token = (int(str(part)) for part in of)
        rules = rules_of(self._session.live.room.state)
        if rules["turn"]["phase"] != "narrating" or rules["host"]["token"] != token:
            return  # of a turn that is over, or that this server has not read yet
        seat, text = said.get("seat"), str(said["text"])
        self._session.narration.add_elsewhere(
            (turn, attempt, token), offset, text, again=again, seat=str(seat) if seat else None
        )

    def _ask_for_prose(self) -> None:
        """Somebody may be streaming: whoever has the text so far sends it again."""
        now = time.monotonic()
        phase = rules_of(self._session.live.room.state)["turn"]["phase"]
        if phase == "narrating" and now - self._asked_at >= 1.0:
            self._asked_at = now
            self.publish({"k": "asked"})
