"""A whole play without a server: what the tests of the story engine share.

Law: everything that happens goes through the agents' public methods; nothing is mocked.
Parts: `Play`, `play`, `Solo` (a session in memory), `SMALL` (a story of two rooms).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from novel_jupyter.story.chronicler import ChroniclerAgent
from novel_jupyter.story.director import DirectorAgent
from novel_jupyter.story.loader import load_bundled
from novel_jupyter.story.schema import Story
from novel_jupyter.story.turn import Narrative, Proposal, TurnInput, TurnOutcome, TurnRecord
from novel_jupyter.story.world import State, initial_state

SMALL = """
id: small
title: Small
premise: Two people and a coin.
opening: {location: hall, mood: calm, text: It began.}
locations:
  hall: {name: hall, description: A hall., exits: {attic: {locked_by: key}, yard: null}}
  attic: {name: attic, description: An attic., exits: {hall: {locked_by: key}}}
  yard: {name: yard, description: A yard., exits: {hall: null}}
characters:
  ann:
    name: Ann
    pronouns: she
    role: thief
    description: Quick.
    traits: {bold: 1, sly: 1}
    goals: {rich: {kind: hold, target: coin, text: have the coin}}
    secrets: [debt]
    relations: {bo: 1}
    belongings: [key]
    start: hall
  bo:
    name: Bo
    pronouns: they
    role: guard
    description: Slow.
    goals: {duty: {kind: hold, target: coin, text: keep the coin}}
    relations: {ann: 1}
    belongings: [coin]
    start: hall
items:
  key: {name: key, description: A key.}
  coin:
    name: coin
    description: A coin.
    uses: {melt: {label: melt the coin, at: yard, destroys: true, tells: ["{A} [melt] the coin."]}}
  bell: {name: bell, description: A bell., portable: false, location: hall}
  ring: {name: ring, description: A ring., location: yard, hidden: true}
facts:
  debt: {text: Ann owes money to a baker in town., known_by: [ann], about: [ann], damning: true}
  sky: {text: The sky is blue above the yard., known_by: everyone}
  loose: {text: A stone behind the bell moves when pushed., found_at: hall, found: A stone moves.}
clocks: {night: {name: night, segments: 6}}
endings:
  melted: {title: Melted, when: {kind: deed, item: coin, how: melt}, text: "{A} had done it."}
  late: {title: Late, when: {kind: clock, clock: night}, text: It was morning.}
"""


@dataclass
class Play:
    """A play and everything that came of it."""

    states: list[State]
    outcomes: list[TurnOutcome] = field(default_factory=list)
    narratives: list[Narrative] = field(default_factory=list)

    @property
    def ending(self) -> str | None:
        ended = self.outcomes[-1].ended
        return ended.ending if ended else None

    @property
    def text(self) -> str:
        return "\n\n".join(narrative.text for narrative in self.narratives)


async def play_async(
    story: Story,
    seed: str,
    *,
    tell: bool = True,
    limit: int = 40,
    chronicler: ChroniclerAgent | None = None,
) -> Play:
    """Agents alone, until the story ends."""
    chronicler = chronicler or ChroniclerAgent()
    so_far = ""
    state: State = initial_state(story)
    done = Play([state])
    everybody = frozenset(story.characters)
    for turn in range(1, limit + 1):
        # As in a session: every attempt has a seed of its own.
        given = TurnInput(state, turn, 1, "main", f"{seed}:{turn}", agents=everybody)
        outcome = await DirectorAgent().run_turn(given)
        state = outcome.state
        done.states.append(state)
        done.outcomes.append(outcome)
        if tell:
            recent = tuple(narrative.text for narrative in done.narratives[-8:])
            record = replace(outcome.record, recent=recent, so_far=so_far)
            done.narratives.append(await chronicler.narrate(record))
            so_far = done.narratives[-1].so_far
        if outcome.ended:
            break
    return done


def play(
    seed: str, *, tell: bool = True, story: Story | None = None, chronicler: ChroniclerAgent | None = None
) -> Play:
    """`play_async` of the bundled story, run."""
    return asyncio.run(
        play_async(story or load_bundled("lighthouse"), seed, tell=tell, chronicler=chronicler)
    )


def one_turn(
    state: State, actions: Mapping[str, Mapping[str, JsonValue]], *, seed: str = "s", turn: int = 1
) -> TurnOutcome:
    """A turn in which only these people do something."""
    proposals = {who: Proposal(action, f"user-{who}") for who, action in actions.items()}
    return asyncio.run(DirectorAgent().run_turn(TurnInput(state, turn, 1, "main", seed, proposals)))


class Solo:
    """A session for one person who plays `mine`; agents play the others."""

    def __init__(self, story: Story, mine: str, seed: str = "s") -> None:
        self.state: State = initial_state(story)
        self.mine, self.seed, self.turn = mine, seed, 1
        self.records: dict[int, TurnRecord] = {}

    def character_of(self, user: str, action: Mapping[str, JsonValue]) -> str | None:
        return self.mine if user == "me" else None

    def turn_input(self, proposals: Mapping[str, Proposal], *, immediate: bool = False) -> TurnInput:
        others = frozenset(name[5:] for name in self.state if name.startswith("seat:")) - {self.mine}
        return TurnInput(self.state, self.turn, 1, "main", self.seed, proposals, others, immediate=immediate)

    def turn_record(self, turn: int) -> TurnRecord:
        return self.records[turn]
