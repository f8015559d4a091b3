"""Who waits for the answer to a command.

Law: a yes is told when the replica shows what came of it, a no at once; everybody is told once.
Parts: `Answers`.
"""

from __future__ import annotations

import asyncio

from .commands import Ack


class Answers:
    """One future for each command that waits."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[Ack]] = {}
        self._to_come: list[tuple[str, Ack, asyncio.Future[Ack]]] = []

    def future(self, id: str) -> asyncio.Future[Ack]:
        """The answer to the command of this id, the same for whoever asks again."""
        found = self._waiting.get(id)
        if found is None or found.done():
            found = self._waiting[id] = asyncio.get_running_loop().create_future()
        return found

    def accepted(self, id: str, ack: Ack, sequence_id: int) -> None:
        """The server said yes; the replica is at `sequence_id`."""
        future = self._waiting.pop(id, None)
        if future is not None:
            self._to_come.append((id, ack, future))
            self.reached(sequence_id)

    def reached(self, sequence_id: int) -> None:
        """The replica moved on."""
        if not self._to_come:
            return
        later = [due for due in self._to_come if due[1].sequence_id > sequence_id]
        for _, ack, future in self._to_come:
            if ack.sequence_id <= sequence_id and not future.done():
                future.set_result(ack)
        self._to_come = later

    def refused(self, id: str, why: Exception) -> None:
        """The server said no, or takes back its yes."""
        future = self._waiting.pop(id, None)
        for due in [due for due in self._to_come if due[0] == id]:
            self._to_come.remove(due)
            future = due[2]
        if future is not None and not future.done():
            future.set_exception(why)

    def dropped(self, id: str) -> None:
        """Nobody wants this one any more."""
        future = self._waiting.pop(id, None)
        if future is not None:
            future.cancel()

    def lost(self, why: Exception) -> None:
        """What was accepted will never be shown here."""
        to_come, self._to_come = self._to_come, []
        for _, _, future in to_come:
            if not future.done():
                future.set_exception(why)

    def end(self, why: Exception) -> None:
        """Nobody will be answered any more."""
        self.lost(why)
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(why)
                future.exception()  # nobody may be waiting; that is no fault to report
