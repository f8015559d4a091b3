"""A player's question to the agents, from a script or a kernel that does not host.

Law: the answer is what stands in the player's own seat; whoever may not see that seat is refused.
Parts: `suggest`, `ADVICE_SECONDS`.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from novel_jupyter.core.model import State
from novel_jupyter.core.views import rules_of

from .advising import Suggestion
from .errors import TurnEnded
from .handle import SessionHandle

ADVICE_SECONDS: Final = 75.0


async def suggest(
    handle: SessionHandle, character: str, timeout: float | None = ADVICE_SECONDS
) -> Suggestion:
    """What one's own character would do, from whoever hosts the agents.

    Raises CommandRefused for somebody else's character, out of turn, or too many questions; TurnEnded when
    the turn goes on before there is an answer, or when nobody hosts; TimeoutError after `timeout` seconds.
    """
    rules = rules_of(handle.state)
    if rules["host"]["holder"] is None:
        raise TurnEnded("no_host", "no kernel hosts the agents")
    number, branch = rules["turn"]["number"], rules["turn"]["branch"]
    async with asyncio.timeout(timeout):
        await handle.advise(character)
        asked = _entry(handle.state, character)["asked"]

        def answered(state: State) -> tuple[Any] | None:
            turn, entry = rules_of(state)["turn"], _entry(state, character)
            here = (turn["number"], turn["branch"]) == (number, branch)
            if not here or turn["phase"] not in ("lobby", "collect") or entry.get("asked") != asked:
                return (None,)
            return (entry["answer"],) if entry["answer"] is not None else None

        found = await handle.wait_for(answered)
    answer = found[0] if found else None
    if answer is None:
        raise TurnEnded("locked", f"turn {number} went on before there was an answer")
    return Suggestion(character, answer["action"], answer["words"], tuple(answer["why"]), answer["agent"])


def _entry(state: State, character: str) -> dict[str, Any]:
    seat: Any = state.get(f"seat:{character}") or {}
    found: dict[str, Any] = seat.get("advice") or {}
    return found
