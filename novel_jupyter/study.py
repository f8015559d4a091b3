"""Experiments: one's own agents over many seeds, without a server, in a cell or a script.

Law: the same story, agents and seeds give the same plays, byte for byte (with a model: as far as it repeats
itself); what the figures mean stands in `eval_measures`. A cell stays free while it counts.
Parts: `measure` (plays), `Study` (what came of it).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, TypeAlias

from .eval import play_course, render, unlike, with_traits_swapped
from .eval_measures import Course, Measures, summarize
from .story.brain import Brain
from .story.director import DirectorAgent
from .story.loader import load_bundled, load_story
from .story.persona import PersonaAgent
from .story.schema import Story
from .story.turn import TurnOutcome

Watch: TypeAlias = Callable[[str, TurnOutcome], None]
"""`watch(seed, outcome)` after each turn: `outcome.decisions`, `outcome.events`, `outcome.state`."""


@dataclass(frozen=True)
class Study:
    """Many plays: `measures` is what they come to, `courses` is each of them, in the order of the seeds."""

    measures: Measures
    courses: tuple[Course, ...]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row a play, for `pd.DataFrame(study.rows)`: seed, ending (None: none), turns, deeds, the shares
        of dramatic and of lasting deeds, the tension at the end (0 … 100), and each kind of deed's count.
        """
        kinds = sorted({kind for course in self.courses for kind in course.kinds})
        return [
            {
                "seed": course.seed,
                "ending": course.ending,
                "turns": course.turns,
                "deeds": len(course.deeds),
                "dramatic": course.dramatic / (len(course.deeds) or 1),
                "lasting": course.lasting / (len(course.deeds) or 1),
                "tension": course.curve[-1] if course.curve else 0,
                **{kind: course.kinds[kind] for kind in kinds},
            }
            for course in self.courses
        ]

    def changed(self, other: Study) -> float:
        """The share of seeds whose play took another course in `other`. Raises ValueError for other seeds."""
        if [course.seed for course in self.courses] != [course.seed for course in other.courses]:
            raise ValueError("only plays of the same seeds can be compared one by one")
        differ = sum(
            mine.deeds != theirs.deeds for mine, theirs in zip(self.courses, other.courses, strict=True)
        )
        return differ / len(self.courses)

    def __str__(self) -> str:
        return render(self.measures, self.courses)

    def __repr__(self) -> str:
        return f"<study: {len(self.courses)} plays of {self.measures.story}>"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


async def measure(
    story: Story | str | Path,
    seeds: int | Iterable[str] = 20,
    director: Callable[[], DirectorAgent] = DirectorAgent,
    *,
    personas: Mapping[str, type[PersonaAgent] | PersonaAgent] | None = None,
    brain: Brain | None = None,
    swap: bool = False,
    watch: Watch | None = None,
) -> Study:
    """Play a story with agents alone, once for each seed: `await nj.measure("lighthouse", 20, MyDirector)`.

    `story`: a bundled story's name, a story file (.yaml, .yml), or a `Story`. `seeds`: how many ("0", "1", …)
    or which. `director` is called for each play; `personas`: character → a class of personas (made anew for
    each play, with the director's brain) or one for all. `brain`: what the director thinks with, if not with
    its own. `swap`: play each once more with two characters' traits swapped, for the measure of that name.
    In a script: `nj.run(nj.measure(…))`.

    Raises StoryError for a story that cannot be used, ValueError for no seeds or an unknown character, and
    whatever an agent raises.
    """
    played = _story(story)
    names = [str(n) for n in range(seeds)] if isinstance(seeds, int) else [str(seed) for seed in seeds]
    if unknown := sorted(set(personas or {}) - set(played.characters)):
        there = ", ".join(sorted(played.characters))
        raise ValueError(f"no character is called {unknown[0]!r}; there are {there}")

    def made() -> DirectorAgent:
        agent = director()
        if brain is not None:
            agent.brain = brain
        for who, persona in (personas or {}).items():
            agent.personas[who] = persona(who, agent.brain) if isinstance(persona, type) else persona
        return agent

    pairs = unlike(played) if swap else []
    courses: list[Course] = []
    swapped: list[bool] = []
    for index, seed in enumerate(names):
        course = await play_course(played, seed, made(), watch=watch)
        if pairs:
            twisted = with_traits_swapped(played, *pairs[index % len(pairs)])
            other = await play_course(twisted, seed, made(), check=False)
            swapped.append(other.deeds != course.deeds)
        courses.append(course)
        await asyncio.sleep(0)
    return Study(summarize(played, courses, swapped), tuple(courses))


def _story(story: Story | str | Path) -> Story:
    if isinstance(story, Story):
        return story
    path = Path(story)
    if path.suffix in (".yaml", ".yml"):
        return load_story(path.read_text("utf-8"), str(path))
    return load_bundled(str(story))
