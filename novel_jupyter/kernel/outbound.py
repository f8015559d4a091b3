"""Commands on their way to the server: numbered, in order, kept until they are answered.

Law: a command keeps its id for ever and is sent again, in order, until the server has decided it; then it is
gone from here, however the answer came (an ack, an error, the results in a sync). The queue is bounded: a
full one refuses the next command aloud. A command belongs to the history it was made in. Pure: the caller
passes `now`, in seconds.
Parts: `Queued`, `QueueFull`, `Outbound`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

QUEUE: Final = 1000
WINDOW: Final = 32
"""Commands that are sent without waiting for the answers to earlier ones."""
TRIES: Final = 6
"""How often a command is sent again that makes the server fail."""
FIRST_WAIT: Final = 0.25
LONGEST_WAIT: Final = 15.0


class QueueFull(Exception):
    """Too many commands wait for the server. The new one was not taken."""


@dataclass(slots=True)
class Queued:
    """One command without an answer. `epoch` is the history it was made in; None until that is known."""

    id: str
    type: str
    data: dict[str, JsonValue]
    epoch: str | None
    sent: bool = False
    tries: int = 0

    def frame(self, session_id: str) -> dict[str, JsonValue]:
        frame: dict[str, JsonValue] = {
            "type": self.type,
            "session_id": session_id,
            "id": self.id,
            "data": self.data,
        }
        if self.epoch is not None:
            frame["epoch"] = self.epoch
        return frame


class Outbound:
    """The commands of one client in one session."""

    def __init__(self, client_id: str, *, limit: int = QUEUE, window: int = WINDOW) -> None:
        self.client_id = client_id
        self.limit = limit
        self.window = window
        self.held_until = 0.0
        """Nothing is sent before this moment: the server asked for patience."""
        self._next = 1
        self._queue: dict[str, Queued] = {}

    def __len__(self) -> int:
        return len(self._queue)

    def __contains__(self, id: str) -> bool:
        return id in self._queue

    @property
    def since(self) -> int:
        """The lowest n of this client without an answer: what it needs results for."""
        for id in self._queue:
            client_id, _, n = id.rpartition(":")
            if client_id == self.client_id:
                return int(n)
        return self._next

    def put(self, type: str, data: dict[str, JsonValue], epoch: str | None, id: str | None = None) -> Queued:
        """Queue a command, numbered unless it has an `id`; one with the id of a waiting command takes its
        place.

        Raises QueueFull.
        """
        if len(self._queue) >= self.limit and (id is None or id not in self._queue):
            raise QueueFull(f"{self.limit} commands wait for the server; wait for some of them")
        if id is None:
            id = f"{self.client_id}:{self._next}"
            self._next += 1
        queued = Queued(id, type, data, epoch)
        self._queue[id] = queued
        return queued

    def due(self, now: float) -> list[Queued]:
        """What to send now, in order; counted as sent."""
        if now < self.held_until:
            return []
        room = self.window - sum(queued.sent for queued in self._queue.values())
        found = [queued for queued in self._queue.values() if not queued.sent][: max(0, room)]
        for queued in found:
            queued.sent = True
        return found

    def unsend(self, queued: Queued) -> None:
        """It could not be handed to the socket after all."""
        queued.sent = False

    def disconnected(self) -> None:
        """Whatever was under way may be lost: all of it is sent again."""
        for queued in self._queue.values():
            queued.sent = False

    def settle(self, id: str) -> Queued | None:
        """The server has decided: returns the command, or None if it does not wait here (any more)."""
        return self._queue.pop(id, None)

    def undecided(self, id: str, now: float, retry_after: float | None, *, patient: bool = True) -> bool:
        """The server did not decide: keep the command for later. False when it has been tried often enough.

        `patient`: try for ever. `retry_after` is in seconds.
        """
        queued = self._queue.get(id)
        if queued is None:
            return True
        queued.tries += 1
        if not patient and queued.tries >= TRIES:
            return False
        queued.sent = False
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (queued.tries - 1)) if retry_after is None else retry_after
        self.held_until = max(self.held_until, now + wait)
        return True

    def in_history(self, epoch: str) -> list[Queued]:
        """The session is in history `epoch`: returns, and forgets, the commands that were made in another."""
        stale = [queued for queued in self._queue.values() if queued.epoch not in (None, epoch)]
        for queued in stale:
            del self._queue[queued.id]
        for queued in self._queue.values():
            queued.epoch = epoch
        return stale

    def drop_all(self) -> list[Queued]:
        """Give up: returns, and forgets, everything that waits."""
        dropped = list(self._queue.values())
        self._queue.clear()
        return dropped
