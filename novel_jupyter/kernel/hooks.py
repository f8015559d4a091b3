"""Hooks: functions of a notebook that watch what this kernel's agents did.

Law: a hook is told what counts, after it was committed, in the order in which it happened. It changes nothing
and holds nothing up: what it raises is reported here and goes no further, and what it takes is bounded.
Whoever wants to change a decision writes an agent.
Parts: `DecisionMade`, `EventMade`, `SentenceMade` (what hooks are given), `Hook` (the handle), `Hooks`.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from novel_jupyter.core.errors import way_of
from novel_jupyter.story.actions import Action
from novel_jupyter.story.brain import Decided, Decision, PersonaView
from novel_jupyter.story.turn import Narrative, Sentence, StoryEvent, TurnOutcome, Usage

log = logging.getLogger("novel_jupyter")

SECONDS: Final = 5.0
"""How long an async hook may take over one thing before it is given up for it."""
SLOW: Final = 1.0
"""Seconds after which a hook that is not async is said to hold up the kernel."""
WAITING: Final = 2000
"""Things that may wait for slow hooks; what comes on top of them is not told, and that is said."""
UNCOMMITTED: Final = 8
"""Results whose commit is waited for."""


@dataclass(frozen=True, slots=True)
class _Made:
    turn: int
    attempt: int
    branch: str


@dataclass(frozen=True, slots=True)
class DecisionMade(_Made):
    """What an agent decided for a character."""

    character: str
    view: PersonaView
    """All that the agent knew."""
    decision: Decision
    agent: str
    """The name of the agent's class."""

    @property
    def options(self) -> tuple[Action, ...]:
        return self.view.options

    @property
    def action(self) -> Action:
        return self.decision.action

    @property
    def reasons(self) -> tuple[str, ...]:
        return self.decision.reasons

    @property
    def usage(self) -> Usage:
        return self.decision.usage


@dataclass(frozen=True, slots=True)
class EventMade(_Made):
    """What came of an action, as the director ruled."""

    event: StoryEvent


@dataclass(frozen=True, slots=True)
class SentenceMade(_Made):
    """A sentence of the chronicler. `seat` is None in the prose for everybody who looks on."""

    sentence: Sentence
    seat: str | None = None


Made: TypeAlias = DecisionMade | EventMade | SentenceMade
KINDS: Final[dict[str, type[Made]]] = {
    "decision": DecisionMade,
    "event": EventMade,
    "sentence": SentenceMade,
}


class Hook:
    """One function that watches; `off()` ends it. It can still be called by hand."""

    def __init__(self, kind: str, function: Callable[[Any], object], hooks: Hooks) -> None:
        self.kind = kind
        self.function = function
        self.name = getattr(function, "__qualname__", type(function).__name__)
        self.told = 0
        """How often it was called."""
        self.error: BaseException | None = None
        """What it raised last; TimeoutError if it took too long."""
        self._hooks = hooks

    def __call__(self, made: Any) -> object:
        return self.function(made)

    def off(self) -> None:
        """Watch no longer."""
        self._hooks.remove(self)

    def __repr__(self) -> str:
        failed = f", last failed with {type(self.error).__name__}" if self.error else ""
        return f"<hook {self.name} on {self.kind!r}, called {self.told} times{failed}>"


class Hooks:
    """All hooks of one story."""

    def __init__(self) -> None:
        self._hooks: list[Hook] = []
        self._waiting: deque[Made] = deque()
        self._prepared: dict[str, list[Made]] = {}
        self._working: asyncio.Task[None] | None = None
        self._missed = 0

    def add(self, kind: str, function: Callable[[Any], object]) -> Hook:
        """Call `function(made)` for each `decision`, `event` or `sentence`.

        A function of the same name takes the place of an earlier one, so that a cell can be run again. Raises
        ValueError for another kind, TypeError for what cannot be called.
        """
        if kind not in KINDS:
            raise ValueError(f"there is no hook {kind!r}; expected one of {', '.join(KINDS)}")
        if not callable(function):
            raise TypeError(f"a hook is a function of one argument, not a {type(function).__name__}")
        hook = Hook(kind, function.function if isinstance(function, Hook) else function, self)
        if "<lambda>" not in hook.name:
            self._hooks = [old for old in self._hooks if (old.kind, old.name) != (kind, hook.name)]
        self._hooks.append(hook)
        return hook

    def remove(self, hook: Hook) -> None:
        self._hooks = [other for other in self._hooks if other is not hook]

    # --- what is told

    def prepare(self, id: str, made: Iterable[Made]) -> None:
        """Keep what a command of this id will make true."""
        if not self._hooks:
            return
        self._prepared[id] = list(made)
        while len(self._prepared) > UNCOMMITTED:
            del self._prepared[next(iter(self._prepared))]

    def committed(self, id: str) -> None:
        """The command with this id is in the log: tell what it made."""
        made = self._prepared.pop(id, [])
        room = max(0, WAITING - len(self._waiting))
        self._missed += len(made) - len(made[:room])
        self._waiting.extend(made[:room])
        if self._waiting and (self._working is None or self._working.done()):
            self._working = asyncio.create_task(self._work())

    async def settled(self, timeout: float | None = None) -> None:
        """Wait until everything was told; after `timeout` seconds, whatever is left is told later."""
        if self._working is not None and not self._working.done():
            await asyncio.wait([self._working], timeout=timeout)

    def stop(self) -> None:
        """Tell no more."""
        self._hooks, self._prepared = [], {}
        self._waiting.clear()
        if self._working is not None:
            self._working.cancel()

    async def _work(self) -> None:
        while self._waiting:
            made = self._waiting.popleft()
            for hook in list(self._hooks):
                if isinstance(made, KINDS[hook.kind]):
                    await self._call(hook, made)
        if self._missed:
            log.warning("hooks were too slow: %d things were not told", self._missed)
            self._missed = 0

    async def _call(self, hook: Hook, made: Made) -> None:
        hook.told += 1
        began = time.monotonic()
        try:
            answer = hook.function(made)
            took = time.monotonic() - began
            if took > SLOW:
                log.warning("the hook %s held up this kernel for %.1f s", hook.name, took)
            if inspect.isawaitable(answer):
                async with asyncio.timeout(SECONDS):
                    await answer
        except (Exception, SystemExit) as error:
            hook.error = error
            # Its words may quote what is secret, and a log can end up in a saved notebook.
            log.warning("the hook %s failed: %s (the error itself is its .error)", hook.name, way_of(error))


def made_by_turn(outcome: TurnOutcome, branch: str) -> Iterable[Made]:
    """What a resolved turn has for hooks: decisions, then events."""
    at = (outcome.turn, outcome.attempt, branch)
    decided: Iterable[tuple[str, Decided]] = outcome.decisions.items()
    for who, each in decided:
        yield DecisionMade(*at, who, each.view, each.decision, each.agent)
    for event in outcome.events:
        yield EventMade(*at, event)


def made_by_telling(narrative: Narrative, branch: str) -> Iterable[Made]:
    """What a told turn has for hooks: the sentences for all, then those of each seat."""
    at = (narrative.turn, narrative.attempt, branch)
    for sentence in narrative.sentences:
        yield SentenceMade(*at, sentence)
    for seat in narrative.seats:
        for sentence in seat.sentences:
            yield SentenceMade(*at, sentence, seat.character)
