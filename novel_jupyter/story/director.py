"""The director: frames the scene, asks the personas, adjudicates, moves clocks and acts, and ends the story.

Law: the director owns no state. `run_turn` reads a frozen input and returns an outcome; everything that
changes goes through `reduce`, and a cancelled turn leaves nothing behind.
Parts: `DirectorAgent`, made to be subclassed: override `frame`, `order` or `persona_for`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, Final

from pydantic import JsonValue

from .actions import Action, dump_action
from .adjudicate import rank
from .brain import Brain, BrainError, Decided, Frame, StageView
from .laws import Refusal, refusal
from .look import Look
from .offline import OfflineBrain
from .perceive import persona_view
from .persona import PersonaAgent
from .session import Session
from .table import Table
from .turn import (
    DIRECTOR,
    ActionResult,
    By,
    MadeBy,
    Progress,
    Proposal,
    TurnInput,
    TurnOutcome,
    Usage,
)

MAX_FRAMES = 4
ROLE: Final = "Director"
"""As which a director stands in the bill of a turn, whatever its class is called."""
BUILT_IN: Final = PersonaAgent.__name__
CROWD = 5
"""From so many people on, a scene brings three together."""


def _silent(agent: str, text: str) -> None:
    """Progress that nobody watches."""


class DirectorAgent:
    """Runs turns. One object may run many sessions; it keeps nothing of them between calls.

    `personas` replaces the agents of single characters; the others are made by `persona_for`.
    """

    name = "Director"
    """What people are shown; a subclass is called by the name of its class unless it says otherwise."""

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in vars(cls):
            cls.name = cls.__name__

    def __init__(
        self, brain: Brain | None = None, personas: Mapping[str, PersonaAgent] | None = None
    ) -> None:
        self.brain: Brain = brain or OfflineBrain()
        self.personas: dict[str, PersonaAgent] = dict(personas or {})

    def persona_for(self, character: str) -> PersonaAgent:
        """The agent that plays a character."""
        return self.personas.get(character) or PersonaAgent(character, self.brain)

    async def process_user_action(
        self, session: Session, user: str, action: Mapping[str, JsonValue]
    ) -> ActionResult:
        """Adjudicate one person's action now; the agents' characters act in the same turn.

        `action` is a wire object. A refusal is an outcome, not an error, and leaves the turn open. Raises
        LookupError if the user plays nobody here.
        """
        character = session.character_of(user, action)
        if character is None:
            raise LookupError(f"{user!r} plays nobody in this story")
        turn = session.turn_input({character: Proposal(action, user)}, immediate=True)
        outcome = await self.run_turn(turn)
        mine = next(event for event in outcome.events if event.character == character)
        return ActionResult(outcome.changes, mine.outcome, mine.reason, outcome.turn_complete, outcome)

    async def run_turn(self, turn: TurnInput, progress: Progress = _silent) -> TurnOutcome:
        """Resolve a whole turn together. Cancel the task to stop it: nothing is left behind.

        It is played to its end with the brain and the personas that were there when it began.
        """
        table, brain = Table(turn), self.brain
        played = {who: self.persona_for(who) for who in sorted(turn.agents)}
        actions: dict[str, Action | Refusal] = {
            who: table.parse(proposal.action) for who, proposal in sorted(turn.proposals.items())
        }
        if turn.immediate and self._all_refused(table, actions):
            for who, action in actions.items():
                table.attempt(who, action, turn.proposals[who].action, turn.proposals[who].by)
            return table.outcome(self._signed(brain, {}), {}, complete=False)

        progress(self.name, "is setting the scene")
        usage: dict[str, Usage] = {}
        frame, usage[ROLE], stood_in = await self._choose_frame(table, brain)
        table.open(frame)

        asked = [who for who in played if who not in actions and table.look.acts(who)]
        decided = await _together([self._ask(table, played[who], who, frame, progress) for who in asked])
        chosen = dict(zip(asked, decided, strict=True))
        usage |= {table.look.name(who): each.decision.usage for who, each in chosen.items()}
        actions |= {who: each.decision.action for who, each in chosen.items()}

        progress(self.name, "is weighing what happens")
        for who in self.order(table, actions):
            proposal = turn.proposals.get(who)
            if table.ended and proposal is None:
                continue
            action = actions[who]
            by: By = "understudy" if who in turn.understudies else "agent"
            raw = {} if proposal is None else proposal.action
            table.attempt(who, action, raw or _wire(action), by if proposal is None else proposal.by)
        table.explain({who: each.decision.reasons for who, each in chosen.items()})
        table.close()
        decided_by = {table.look.name(who): each for who, each in chosen.items()}
        made_by = self._signed(brain, usage, decided_by, stood_in)
        outcome = table.outcome(made_by, {who: each.decision.reasons for who, each in chosen.items()})
        return replace(outcome, decisions=chosen)

    def frame(self, look: Look) -> list[Frame]:
        """Scenes that could be played now, most at stake first: whom to bring together, and where."""
        people = [who for who in sorted(look.people) if look.acts(who)]
        stakes = {pair: _stakes(look, *pair) for pair in combinations(people, 2)}
        most = sorted(stakes, key=lambda pair: (-stakes[pair], pair))[:MAX_FRAMES]
        frames = [
            Frame(_meeting(look, *pair), (*pair, *_third(people, pair, stakes)), "", stakes[pair])
            for pair in most
        ]
        if not frames:
            scene = look.stage["scene"]
            place = (look.place(people[0]) if people else None) or scene["location"]
            return [Frame(place, tuple(people), "", 0)]
        return frames

    def order(self, table: Table, actions: Mapping[str, Action | Refusal]) -> list[str]:
        """Who acts when: guards first, leaving last, in between by initiative (two dice and boldness)."""

        def key(who: str) -> tuple[int, int, str]:
            action = actions[who]
            bold = table.look.trait(who, "bold") if who in table.look.people else 0
            initiative = sum(table.dice.two(who, "initiative")) + bold
            return (0 if isinstance(action, Refusal) else rank(action.kind)), -initiative, who

        return sorted(actions, key=key)

    def _signed(
        self,
        brain: Brain,
        usage: Mapping[str, Usage],
        decided: Mapping[str, Decided] | None = None,
        stood_in: bool = False,
    ) -> MadeBy:
        """What made the turn; what a notebook brought is called by its own name. `decided` is by name;
        `stood_in`: the offline rules chose the scene.
        """
        own = {name: each.agent for name, each in (decided or {}).items() if each.agent != BUILT_IN}
        if type(self) is not DirectorAgent:
            own[ROLE] = self.name
        fallback = stood_in or any(each.decision.fallback for each in (decided or {}).values())
        return MadeBy(brain.engine, brain.model, fallback, {ROLE: Usage(), **usage}, own)

    async def _choose_frame(self, table: Table, brain: Brain) -> tuple[Frame, Usage, bool]:
        """The scene, what it cost, and whether the offline rules had to choose it."""
        mood = table.dice.pick(table.moods(), DIRECTOR, "mood")
        frames = tuple(
            Frame(frame.location, frame.focus, frame.mood or mood, frame.stakes)
            for frame in self.frame(table.look)
        )
        view = StageView(
            table.turn.turn,
            table.act(),
            table.look.stage["director"]["tension"],
            frames,
            table.dice.luck(DIRECTOR),
        )
        try:
            frame, usage = await brain.frame(view)
        except BrainError as error:
            frame, _ = await OfflineBrain().frame(view)
            return frame, error.usage, True
        return (frame, usage, False) if frame in frames else (frames[0], usage, True)

    async def _ask(
        self, table: Table, persona: PersonaAgent, who: str, frame: Frame, progress: Progress
    ) -> Decided:
        call = frame.location if who in frame.focus else None
        view = persona_view(table.state, who, table.dice, call)
        progress(view.name, f"{view.name} is deciding")
        try:
            decision = await persona.settle(view)
        except SystemExit as error:
            # In a task of its own it would end the whole process.
            raise RuntimeError(f"{type(persona).__name__} asked the process to exit") from error
        return Decided(view, decision, type(persona).__name__)

    @staticmethod
    def _all_refused(table: Table, actions: Mapping[str, Action | Refusal]) -> bool:
        return bool(actions) and all(
            isinstance(action, Refusal)
            or who not in table.look.people
            or refusal(table.look, who, action) is not None
            for who, action in actions.items()
        )


async def _together(asking: Sequence[Coroutine[Any, Any, Decided]]) -> list[Decided]:
    """All at once; when one fails, the others are not left deciding for nobody."""
    tasks = [asyncio.create_task(each) for each in asking]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _wire(action: Action | Refusal) -> dict[str, JsonValue]:
    return {} if isinstance(action, Refusal) else dump_action(action)


def _stakes(look: Look, one: str, other: str) -> int:
    """How much stands between two people: wanting the same thing, revealing and concealing, grudges,
    mistrust.
    """
    stakes = max(0, -look.trust(one, other)) + max(0, -look.trust(other, one))
    focus = look.stage["scene"]["focus"]
    for mine in look.seat(one)["goals"].values():
        for theirs in look.seat(other)["goals"].values():
            if mine["status"] == theirs["status"] == "open" and mine["target"] == theirs["target"]:
                stakes += mine["weight"] + theirs["weight"]
    for me, you in ((one, other), (other, one)):
        for goal in look.seat(me)["goals"].values():
            if goal["status"] == "open" and (goal["target"] == you or goal["target"] in look.held_by(you)):
                stakes += 2 * goal["weight"]
    # Another pair's turn.
    return max(0, stakes - 4) if sorted(focus[:2]) == sorted((one, other)) else stakes


def _third(
    people: Sequence[str], pair: tuple[str, str], stakes: Mapping[tuple[str, str], int]
) -> Iterator[str]:
    """In a large cast a quarrel has a third party: who has most at stake with those two."""
    if len(people) < CROWD:
        return
    with_both = {
        who: sum(stakes[min(who, other), max(who, other)] for other in pair)
        for who in people
        if who not in pair
    }
    who = max(with_both, key=lambda who: (with_both[who], who))
    if with_both[who]:
        yield who


def _meeting(look: Look, one: str, other: str) -> str:
    """Where two people would meet: where what they both want is, else where they both are, else where more of
    the others are, else with the first.
    """
    here, there = str(look.place(one)), str(look.place(other))
    if here == there:
        return here
    prize = next(iter(_prizes(look, one, other)), None)
    if prize in (here, there):
        return prize
    return here if (len(look.at(here)), here) >= (len(look.at(there)), there) else there


def _prizes(look: Look, one: str, other: str) -> list[str]:
    """Where the things are that both are after."""
    wanted = [
        {goal["target"] for goal in look.seat(who)["goals"].values() if goal["status"] == "open"}
        for who in (one, other)
    ]
    found = [look.whereabouts(thing) for thing in sorted(wanted[0] & wanted[1])]
    return [place for place in found if place]
