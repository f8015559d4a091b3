"""Measuring a story: the definitions, the figures of the bundled stories, and the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from story.playing import SMALL, one_turn

from novel_jupyter.cli import main
from novel_jupyter.eval import director_named, evaluate, figures, misses, render, with_traits_swapped
from novel_jupyter.eval_measures import TARGETS, by_decision, deeds_of, is_dramatic, is_lasting
from novel_jupyter.story.actions import Wait
from novel_jupyter.story.brain import Decision, PersonaView
from novel_jupyter.story.director import DirectorAgent
from novel_jupyter.story.effects import Held, Moved
from novel_jupyter.story.loader import bundled, load_bundled, load_story
from novel_jupyter.story.persona import PersonaAgent
from novel_jupyter.story.reduce import carry_out
from novel_jupyter.story.world import State, initial_state, stage_of

TALE = load_story(SMALL, "small.yaml")
START: State = initial_state(TALE)


def _judged(state: State, action: dict[str, object], seed: str = "s") -> tuple[bool, bool]:
    """Whether what Ann does is dramatic, and whether it is lasting."""
    outcome = one_turn(state, {"ann": action}, seed=seed)  # type: ignore[dict-item]  # plain JSON
    (event,) = deeds_of(outcome)
    stage = stage_of(state)
    return is_dramatic(event, stage, TALE), is_lasting(event, stage, TALE)


def test_what_is_dramatic() -> None:
    assert _judged(START, {"kind": "wait"}) == (False, False)
    assert _judged(START, {"kind": "move", "target": "yard"}) == (False, False)
    assert _judged(START, {"kind": "defend", "target": "bo"}) == (False, False)
    # Whoever is stood by by a friend wants something from then on; once.
    assert _judged(START, {"kind": "help", "target": "bo"}) == (True, True)
    friends = one_turn(START, {"ann": {"kind": "help", "target": "bo"}}).state
    assert _judged(friends, {"kind": "help", "target": "bo"}) == (False, False)
    # Somebody learns something; a second time it is no news.
    assert _judged(START, {"kind": "tell", "fact": "debt"}) == (True, True)
    told = one_turn(START, {"ann": {"kind": "tell", "fact": "debt"}}).state
    assert _judged(told, {"kind": "tell", "fact": "debt"}) == (False, False)
    assert _judged(START, {"kind": "tell", "fact": "debt", "target": "bo", "quietly": True}) == (True, True)
    # A threat is one whatever comes of it, a gift changes hands, and what the other wants is worth something.
    assert _judged(START, {"kind": "threaten", "target": "bo"})[0]
    assert _judged(START, {"kind": "give", "target": "bo", "item": "key"}) == (True, True)
    free = carry_out(START, [Held("coin", "ann"), Moved("ann", "yard")])
    assert _judged(free, {"kind": "use", "item": "coin"}) == (True, True)


def test_who_decided_how_it_ended() -> None:
    assert by_decision(TALE, "melted")
    assert not by_decision(TALE, "late")
    assert not by_decision(TALE, None)


@pytest.mark.parametrize("name", bundled())
def test_every_bundled_story_meets_its_targets(name: str) -> None:
    measures, courses = evaluate(load_bundled(name), [str(seed) for seed in range(24)])
    assert [broken for course in courses for broken in course.violations] == []
    # Two dozen plays are few: shares are held to the targets by `novel-jupyter eval` with hundreds of seeds.
    slack = {"endings_above_tenth": 1, "dramatic": 0.08, "idle": 0.08, "by_decision": 0.12, "climax": 0.12}
    for target in TARGETS:
        value = measures.value(target.measure)
        give = slack.get(target.measure, 0)
        assert target.holds(value + give if target.at_least else value - give), (target.measure, value)
    assert measures.distinct == 1
    assert len(measures.endings) >= 3


def test_figures_can_be_repeated() -> None:
    story = load_bundled("lighthouse")
    once, again = (evaluate(story, ["a", "b"])[0] for _ in range(2))
    volatile = {"ms_per_turn"}
    assert {k: v for k, v in figures(once).items() if k not in volatile} == {
        k: v for k, v in figures(again).items() if k not in volatile
    }


def test_the_same_digest_in_every_process() -> None:
    code = (
        "from novel_jupyter.eval import evaluate\n"
        "from novel_jupyter.story.loader import bundled, load_bundled\n"
        "print([evaluate(load_bundled(n), ['x', 'y'], swap=False)[0].digest for n in bundled()])"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(said) == 1


def test_swapping_traits_leaves_the_rest() -> None:
    twisted = with_traits_swapped(TALE, "ann", "bo")
    assert twisted.characters["bo"].traits == TALE.characters["ann"].traits
    assert twisted.characters["ann"].goals == TALE.characters["ann"].goals
    assert TALE.characters["bo"].traits == {}


class Idlers(DirectorAgent):
    """A cast that does nothing: what the measures are there to show."""

    def persona_for(self, character: str) -> PersonaAgent:
        class Idle(PersonaAgent):
            async def decide(self, view: PersonaView) -> Decision:
                return Decision(Wait() if Wait() in view.options else view.options[0])

        return Idle(character)


def test_dull_agents_miss_their_targets_and_it_shows() -> None:
    measures, courses = evaluate(load_bundled("lighthouse"), ["1", "2"], Idlers)
    assert {"dramatic", "idle", "by_decision"} <= set(misses(measures))
    assert "MISS" in render(measures, courses)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "tale.yaml"
    file.write_text(SMALL)
    assert main(["eval", str(file), "--seeds", "3", "--json", "--no-swap"]) in (0, 1)
    told = json.loads(capsys.readouterr().out)
    assert (told["seeds"], told["violations"], told["swapped"]) == (3, 0, None)
    assert main(["eval", "lighthouse", "--seeds", "2", "--director", "story.test_eval:Idlers"]) == 1
    assert "dramatic" in capsys.readouterr().out
    assert main(["eval", "lighthose", "--seeds", "2"]) == 2
    assert "did you mean 'lighthouse'" in capsys.readouterr().err
    assert main(["eval", "lighthouse", "--director", "no.such:Thing"]) == 2
    with pytest.raises(ValueError, match="no package"):
        director_named("json:Nothing")
