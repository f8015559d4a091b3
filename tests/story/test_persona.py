"""Personas: they know what they witnessed, and choose among what is offered."""

from __future__ import annotations

import asyncio
import dataclasses
import json

from story.playing import SMALL, play

from novel_jupyter.core.views import project_state
from novel_jupyter.story.actions import Free, Take, Wait
from novel_jupyter.story.brain import BrainError, Decision, PersonaView
from novel_jupyter.story.dice import Dice
from novel_jupyter.story.director import DirectorAgent
from novel_jupyter.story.effects import Held, Hid, Lay, Moved
from novel_jupyter.story.loader import load_bundled, load_story
from novel_jupyter.story.offline import OfflineBrain
from novel_jupyter.story.perceive import persona_view
from novel_jupyter.story.persona import PersonaAgent
from novel_jupyter.story.policy import choose
from novel_jupyter.story.reduce import carry_out
from novel_jupyter.story.turn import TurnInput
from novel_jupyter.story.world import State, initial_state

STORY = load_bundled("lighthouse")
START: State = initial_state(STORY)
DICE = Dice("s", "main", 1, 1)


def _text(view: PersonaView) -> str:
    return json.dumps(
        dataclasses.asdict(dataclasses.replace(view, options=())), default=str, ensure_ascii=False
    )


def test_a_view_has_no_way_to_the_state() -> None:
    names = {field.name for field in dataclasses.fields(PersonaView)}
    assert not names & {"state", "director", "stage", "look"}


def test_nobody_sees_anothers_mind() -> None:
    for state in play("minds").states:
        for who in STORY.characters:
            try:
                view = persona_view(state, who, DICE, None)
            except KeyError:
                continue
            seen = _text(view)
            for other, character in STORY.characters.items():
                if other != who:
                    for goal in character.goals.values():
                        assert goal.text not in seen
            for fact, what in STORY.facts.items():
                if fact not in view.beliefs:
                    assert what.text not in seen


def test_one_sees_who_and_what_is_here() -> None:
    view = persona_view(START, "mara", DICE, None)
    assert set(view.present) == {"ines"}
    assert view.present["ines"].items == ("knife",)
    assert "oil_can" not in view.here
    hidden = carry_out(START, [Hid("ines")])
    assert set(persona_view(hidden, "mara", DICE, None).present) == set()


def test_a_player_can_be_advised_from_their_own_view() -> None:
    # What a player's screen has: the public partitions and their seat. It is enough to choose.
    for state in play("screens").states:
        for who in STORY.characters:
            mine = project_state(state, f"seats:{who}")
            assert "director" not in mine
            try:
                whole = persona_view(state, who, DICE, None)
            except KeyError:
                continue
            part = persona_view(mine, who, DICE, None)
            assert part.location == whole.location
            assert set(part.present) == set(whole.present)
            # Only what the others keep to themselves is missing: whether they trust, what they know already.
            extra = set(part.options) ^ set(whole.options)
            assert {option.kind for option in extra} <= {"betray", "tell"}
            assert choose(part).action in part.options


def test_goals_are_worked_backwards() -> None:
    # Corwin wants the lamp lit: the oil first, then up.
    there = carry_out(START, [Moved("corwin", "cellar")])
    view = persona_view(there, "corwin", DICE, None)
    decision = choose(view)
    assert decision.action == Take(item="oil_can")
    assert decision.reasons[0] == "have the lamp burning when the Halcyon comes"


def test_what_was_not_offered_is_not_taken() -> None:
    class Dreamer(PersonaAgent):
        async def decide(self, view: PersonaView) -> Decision:
            return Decision(Free(text="I fly away."))

    view = persona_view(START, "mara", DICE, None)
    decision = asyncio.run(Dreamer("mara").settle(view))
    assert decision.fallback
    assert decision.action in view.options


def test_when_a_brain_fails_the_rules_stand_in_and_it_shows() -> None:
    class Broken(OfflineBrain):
        engine = "broken"

        async def decide(self, view: PersonaView) -> Decision:
            raise BrainError("no answer")

    turn = TurnInput(START, 1, 1, "main", "s", agents=frozenset(STORY.characters))
    outcome = asyncio.run(DirectorAgent(Broken()).run_turn(turn))
    assert outcome.made_by.fallback
    assert outcome.made_by.engine == "broken"
    assert {event.character for event in outcome.events} >= set(STORY.characters)


def test_five_lines_make_another_agent() -> None:
    class Idle(PersonaAgent):
        async def decide(self, view: PersonaView) -> Decision:
            return Decision(Wait(), ("for no reason",))

    director = DirectorAgent(personas={"mara": Idle("mara")})
    turn = TurnInput(START, 1, 1, "main", "s", agents=frozenset(STORY.characters))
    outcome = asyncio.run(director.run_turn(turn))
    assert [event.action["kind"] for event in outcome.events if event.character == "mara"] == ["wait"]
    assert outcome.reasons["mara"] == ("for no reason",)


def test_traits_matter() -> None:
    def courses(sly: int) -> list[str]:
        text = SMALL.replace(
            "traits: {bold: 1, sly: 1}", f"traits: {{bold: {-sly}, sly: {sly}, warm: {-sly}}}"
        )
        state = carry_out(
            initial_state(load_story(text, "small.yaml")), [Held("coin", "bo"), Lay("key", "hall")]
        )
        return [
            choose(persona_view(state, "ann", Dice(str(n), "main", 1, 1), None)).action.kind
            for n in range(20)
        ]

    assert courses(2) != courses(-2)
