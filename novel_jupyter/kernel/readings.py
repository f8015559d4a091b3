"""What a player's own words may have meant, told to that player before the turn is locked.

Law: it offers and never acts. A reading is made from what that player sees and put into their own seat, so it
is theirs alone to see; to take one of its candidates is an ordinary proposal. Words are read once.
Parts: `Readings`.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final, cast

from pydantic import JsonValue

from novel_jupyter.core.model import State
from novel_jupyter.core.views import project_state, rules_of
from novel_jupyter.story.interpret import interpret

from .errors import NovelError
from .handle import SessionHandle

log = logging.getLogger("novel_jupyter")

OPEN: Final = "collect"
"""The phase in which a proposal can still be another one."""


class Readings:
    """Reads the free proposals of a session, one after the other, for whoever hosts it."""

    def __init__(self, handle: SessionHandle) -> None:
        self._handle = handle
        self._read: dict[str, str] = {}
        """Character → the words that were read last: one entry a character."""
        self._task: asyncio.Task[None] | None = None

    def look(self) -> None:
        """Read what is there to be read, if nothing is being read."""
        if self._waiting() and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _waiting(self) -> list[tuple[str, str]]:
        """Characters and the words that are proposed for them, as far as nobody read them yet."""
        state = self._handle.state
        if "turn" not in state or not self._handle.joined:
            return []
        turn = rules_of(state)["turn"]
        if turn["phase"] != OPEN:
            return []
        words = {
            character: str(action.get("text", ""))
            for character, proposal in sorted(turn["proposals"].items())
            # What a director says in a player's place is not the player's to take otherwise.
            if (action := proposal["action"]) and action.get("kind") == "free" and "overruled" not in proposal
        }
        return [
            (character, text)
            for character, text in words.items()
            if text not in (self._read.get(character), _last(state, character))
        ]

    async def _work(self) -> None:
        while waiting := self._waiting():
            character, text = waiting[0]
            self._read[character] = text
            # Only what the player's own screen has: a reading could otherwise say what they do not know.
            reading = interpret(project_state(self._handle.state, f"seats:{character}"), character, text)
            put: dict[str, JsonValue] = {
                "op": "add",
                "path": f"/seat:{character}/reading",
                "value": reading.to_json(),
            }
            try:
                await self._handle.edit([put])
            except NovelError as error:
                log.debug("a reading was not kept: %s", type(error).__name__)


def _last(state: State, character: str) -> str | None:
    """The words of the reading that stands in a seat."""
    seat = cast(dict[str, JsonValue], state.get(f"seat:{character}") or {})
    reading = seat.get("reading")
    return cast("str | None", reading.get("text")) if isinstance(reading, dict) else None
