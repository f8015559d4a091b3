"""Experiments with one's own agents over many seeds.

Law: plays are real and short of nothing but people; figures are compared with each other, not with numbers
that were written down.
Parts: figures, agents of one's own, what is wrong with a question.
"""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path
from typing import Any

import pytest
from story.playing import SMALL

import novel_jupyter as nj
from novel_jupyter.eval import evaluate
from novel_jupyter.story.actions import Wait
from novel_jupyter.story.brain import Decision, PersonaView
from novel_jupyter.story.director import DirectorAgent
from novel_jupyter.story.loader import StoryError, load_bundled, load_story
from novel_jupyter.story.offline import OfflineBrain
from novel_jupyter.story.persona import PersonaAgent
from novel_jupyter.story.turn import TurnOutcome

SEEDS = 6


class Idle(PersonaAgent):
    async def decide(self, view: PersonaView) -> Decision:
        if Wait() in view.options:
            return Decision(Wait(), ("for no reason",))
        return await super().decide(view)  # in a climax nobody may wait


# --- figures


def test_it_measures_what_eval_measures() -> None:
    study = nj.run(nj.measure("lighthouse", SEEDS, swap=True))
    names = [str(n) for n in range(SEEDS)]
    measures, courses = evaluate(load_bundled("lighthouse"), names)
    assert study.measures.digest == measures.digest
    assert [course.deeds for course in study.courses] == [course.deeds for course in courses]
    assert study.measures.swapped == measures.swapped
    assert study.measures.violations == 0


def test_each_play_is_a_row() -> None:
    study = nj.run(nj.measure("lighthouse", ["a", "b"]))
    rows = study.rows
    assert [row["seed"] for row in rows] == ["a", "b"]
    assert len({tuple(row) for row in rows}) == 1
    for row, course in zip(rows, study.courses, strict=True):
        assert row["turns"] == course.turns
        assert sum(row[kind] for kind in course.kinds) == row["deeds"] == len(course.deeds)
        assert 0 < row["dramatic"] < 1
    pd: Any = importlib.import_module("pandas")
    assert list(pd.DataFrame(rows)["seed"]) == ["a", "b"]
    assert "plays of" in study._repr_html_()
    assert repr(study) == "<study: 2 plays of lighthouse>"


def test_the_same_seeds_are_the_same_plays() -> None:
    one, two = (nj.run(nj.measure("lighthouse", SEEDS)) for _ in range(2))
    assert one.measures.digest == two.measures.digest
    assert one.changed(two) == 0


# --- agents of one's own


def test_a_persona_of_ones_own_changes_the_course_and_by_how_much_is_told() -> None:
    usual = nj.run(nj.measure("lighthouse", SEEDS))
    decided: list[Any] = []

    def watch(seed: str, outcome: TurnOutcome) -> None:
        decided.extend(each for who, each in outcome.decisions.items() if who == "mara")

    idle = nj.run(nj.measure("lighthouse", SEEDS, personas={"mara": Idle}, watch=watch))
    assert usual.changed(idle) > 0.5
    assert {each.agent for each in decided} == {"Idle"}
    free = [each.decision.action for each in decided if Wait() in each.view.options]
    assert len(free) > SEEDS
    assert set(free) == {Wait()}
    assert usual.changed(usual) == 0


def test_every_play_has_a_director_of_its_own_and_its_brain_is_told() -> None:
    made: list[DirectorAgent] = []
    brain = OfflineBrain()

    class Mine(DirectorAgent):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    nj.run(nj.measure("lighthouse", 2, Mine, personas={"mara": Idle}, brain=brain))
    assert len(made) == 2
    assert made[0] is not made[1]
    assert all(agent.brain is agent.personas["mara"].brain is brain for agent in made)
    assert made[0].personas["mara"] is not made[1].personas["mara"]


def test_every_turn_can_be_watched() -> None:
    seen: list[tuple[str, TurnOutcome]] = []
    study = nj.run(nj.measure("lighthouse", 2, watch=lambda seed, outcome: seen.append((seed, outcome))))
    assert [seed for seed, _ in seen] == ["0"] * study.courses[0].turns + ["1"] * study.courses[1].turns
    for _, outcome in seen:
        for who, each in outcome.decisions.items():
            assert each.decision.action in each.view.options
            assert each.view.id == who


@pytest.mark.asyncio
async def test_a_cell_stays_free() -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    await nj.measure("lighthouse", 3)
    ticking.cancel()
    assert ticks >= 3


# --- what is wrong with a question


def test_a_story_of_ones_own_is_a_file_or_an_object(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    from_file = nj.run(nj.measure(tmp_path / "small.yaml", 2))
    from_object = nj.run(nj.measure(load_story(SMALL, "small.yaml"), 2))
    assert from_file.measures.digest == from_object.measures.digest
    with pytest.raises(StoryError):
        nj.run(nj.measure("nowhere", 1))


def test_a_wrong_question_says_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="no character is called 'maria'; there are corwin"):
        nj.run(nj.measure("lighthouse", 1, personas={"maria": Idle}))
    with pytest.raises(ValueError, match="nothing was played"):
        nj.run(nj.measure("lighthouse", 0))
    one, two = nj.run(nj.measure("lighthouse", ["a"])), nj.run(nj.measure("lighthouse", ["b"]))
    with pytest.raises(ValueError, match="the same seeds"):
        one.changed(two)
