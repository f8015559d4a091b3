"""What a character would do, said by its agent: to whoever asks in this kernel, and to the seat's player.

Law: an agent that advises is given what the player's own screen has, and no more; its dice are no turn's. It
is asked one at a time, never while a turn waits for it, and an answer that comes too late is dropped.
Parts: `Suggestion`, `Advising`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from pydantic import JsonValue

from novel_jupyter.core.advice import wanted
from novel_jupyter.core.errors import way_of
from novel_jupyter.core.model import State
from novel_jupyter.core.views import project_state, rules_of
from novel_jupyter.story.actions import dump_action
from novel_jupyter.story.dice import Dice
from novel_jupyter.story.look import Look
from novel_jupyter.story.perceive import persona_view
from novel_jupyter.story.persona import PersonaAgent
from novel_jupyter.story.wording import in_words

from .agents import Agents
from .billing import Billing
from .errors import NovelError
from .handle import SessionHandle
from .models.account import WHY

log = logging.getLogger("novel_jupyter")

SECONDS: Final = 60.0
"""How long an agent may think about one question."""
GIVEN_UP: Final = 256


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What a character would do. `action` is an object that `act` and `propose` take, None where nobody could
    say; `words` is how it is shown; `why`: reasons, strongest first; `agent`: the class that said so, where
    it is a notebook's own.
    """

    character: str
    action: Mapping[str, JsonValue] | None
    words: str = ""
    why: tuple[str, ...] = ()
    agent: str | None = None

    def __str__(self) -> str:
        if self.action is None:
            return f"{self.character}: nobody could say"
        return f"{self.character}: {self.words}" + (f" ({'; '.join(self.why)})" if self.why else "")


class Advising:
    """Of one host. `look` whenever the state changed."""

    def __init__(
        self, handle: SessionHandle, agents: Agents, billing: Billing, failed: Callable[[BaseException], None]
    ) -> None:
        self._handle = handle
        self._agents = agents
        self._billing = billing
        self._failed = failed
        self._task: asyncio.Task[None] | None = None
        self._thinking = False
        self._given_up: dict[tuple[object, ...], None] = {}

    def look(self) -> None:
        """Begin to answer what is asked; stop where nobody asks any more."""
        working = self._task is not None and not self._task.done()
        waiting = self._waiting()
        if waiting and not working:
            self._task = asyncio.create_task(self._work())
        elif not waiting and self._thinking and self._task is not None:
            self._task.cancel()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def suggest(self, character: str, asked: int = 0) -> Suggestion:
        """What the agent of `character` would do now. Another `asked`: it may have changed its mind.

        Raises KeyError for one who does not act, and whatever the agent raises.
        """
        state, turn = self._handle.state, rules_of(self._handle.state)["turn"]
        persona = self._agents.director.persona_for(character)
        mine = project_state(state, f"seats:{character}")
        dice = Dice("advice", turn["branch"], turn["number"], asked)
        try:
            view = persona_view(mine, character, dice, None)
        except KeyError:
            acting = ", ".join(
                who for who, person in sorted(_people(state).items()) if person["status"] == "present"
            )
            raise KeyError(f"{character!r} does not act; there are {acting}") from None
        with self._billing.of_advice() as account:
            decision = await persona.settle(view)
        why = decision.reasons[:4]
        if decision.fallback:
            # Who is advised should know that it was not the model, or not the notebook's own class.
            told = next(iter(account.fallbacks.values()), "")
            why += (f"{WHY.get(told, 'the agent chose what was not offered')}: the offline rules stand in",)
        own = None if type(persona) is PersonaAgent else type(persona).__name__
        words = in_words(Look(mine), character, decision.action)
        return Suggestion(character, dump_action(decision.action), words, why, own)

    def _waiting(self) -> list[tuple[str, int]]:
        state = self._handle.state
        if "host" not in state or "turn" not in state:
            return []
        return [asked for asked in wanted(state) if self._key(asked) not in self._given_up]

    def _key(self, asked: tuple[str, int]) -> tuple[object, ...]:
        rules = rules_of(self._handle.state)
        return (*asked, rules["turn"]["number"], rules["turn"]["branch"], rules["host"]["token"])

    async def _work(self) -> None:
        while waiting := self._waiting():
            character, asked = waiting[0]
            key = self._key(waiting[0])
            rules = rules_of(self._handle.state)
            turn = rules["turn"]
            at: dict[str, JsonValue] = {
                "turn": turn["number"],
                "attempt": turn["attempt"],
                "token": rules["host"]["token"],
            }
            before = self._billing.spent
            try:
                self._thinking = True
                async with asyncio.timeout(SECONDS):
                    found = await self.suggest(character, asked)
            except (Exception, SystemExit) as error:
                self._failed(error)
                found = Suggestion(character, None)
            finally:
                self._thinking = False
            spent = self._billing.spent - before
            why: list[JsonValue] = [reason[:300] for reason in found.why]
            answer: dict[str, JsonValue] = {
                "action": dict(found.action) if found.action is not None else None,
                "words": found.words[:600],
                "why": why,
                "agent": found.agent[:120] if found.agent else None,
            }
            # Whatever becomes of it, this question is not put to the agent again.
            self._given_up[key] = None
            while len(self._given_up) > GIVEN_UP:
                del self._given_up[next(iter(self._given_up))]
            data: dict[str, JsonValue] = {"kind": "advice", **at, "character": character, "asked": asked}
            try:
                await self._handle.submit("agent_action", {**data, **answer, "spent": spent.to_json()})
            except NovelError as error:
                log.debug("an advice was not taken: %s", way_of(error))


def _people(state: State) -> dict[str, Any]:
    people: Any = state.get("characters", {})
    return dict(people)
