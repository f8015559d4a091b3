"""Plays a story many times with agents alone, and measures what came of it: `novel-jupyter eval`.

Law: the agents' public methods are all that is used, so whoever writes a story or an agent is measured by the
same rule. The same story, agents and seeds give the same figures, the processor time aside. What the figures
mean stands in `eval_measures`; they speak of consistency and variety, not of literary quality.
Parts: `play_course` (one play), `evaluate` (many), `render`, `run_eval` (the command).
"""

from __future__ import annotations

import asyncio
import importlib
import json
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import combinations

from pydantic import JsonValue

from .eval_invariants import broken_by
from .eval_measures import TARGETS, Course, Measures, summarize
from .story.chronicler import ChroniclerAgent
from .story.director import DirectorAgent
from .story.schema import Story
from .story.turn import TurnInput, TurnOutcome
from .story.world import State, initial_state

MOST_TURNS = 60
"""A play that has not ended by then counts as one without an ending."""


async def play_course(
    story: Story,
    seed: str,
    director: DirectorAgent,
    *,
    check: bool = True,
    watch: Callable[[str, TurnOutcome], None] | None = None,
) -> Course:
    """One play without people, until it ends. `watch(seed, outcome)` is called after each turn."""
    state: State = initial_state(story)
    course = Course(seed)
    chronicler = ChroniclerAgent()
    everybody = frozenset(story.characters)
    for turn in range(1, MOST_TURNS + 1):
        given = TurnInput(state, turn, 1, "main", f"{seed}:{turn}", agents=everybody)
        began = time.process_time()
        outcome = await director.run_turn(given)
        # Told as well: the whole of an offline turn is timed.
        await chronicler.narrate(outcome.record)
        course.seconds += time.process_time() - began
        course.note(story, state, outcome)
        if watch is not None:
            watch(seed, outcome)
        if check:
            course.violations += [f"turn {turn}: {broken}" for broken in broken_by(given, outcome)]
        state = outcome.state
        if outcome.ended:
            break
    return course


def with_traits_swapped(story: Story, one: str, other: str) -> Story:
    """The story in which two characters have each other's traits."""
    people = dict(story.characters)
    first, second = people[one], people[other]
    people[one] = first.model_copy(update={"traits": second.traits})
    people[other] = second.model_copy(update={"traits": first.traits})
    return story.model_copy(update={"characters": people})


def unlike(story: Story) -> list[tuple[str, str]]:
    """The pairs of characters that have other traits than each other."""
    traits = {who: person.traits for who, person in story.characters.items()}
    return [(one, other) for one, other in combinations(traits, 2) if traits[one] != traits[other]]


def evaluate(
    story: Story,
    seeds: Iterable[str],
    director: Callable[[], DirectorAgent] = DirectorAgent,
    *,
    swap: bool = True,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[Measures, list[Course]]:
    """Play `story` once for each seed, and once more with two characters' traits swapped, by turns."""

    async def all_of_them() -> tuple[Measures, list[Course]]:
        pairs = unlike(story)
        courses: list[Course] = []
        swapped: list[bool] = []
        for index, seed in enumerate(seeds):
            course = await play_course(story, seed, director())
            if swap and pairs:
                twisted = with_traits_swapped(story, *pairs[index % len(pairs)])
                other = await play_course(twisted, seed, director(), check=False)
                swapped.append(other.deeds != course.deeds)
            courses.append(course)
            progress(len(courses))
        return summarize(story, courses, swapped), courses

    return asyncio.run(all_of_them())


_ROWS = (
    ("dramatic", "deeds that were dramatic"),
    ("lasting", "deeds that changed something for good"),
    ("idle", "deeds that were a move, a search or a wait"),
    ("by_decision", "plays ended by what somebody did"),
    ("climax", "plays that ended in their climax"),
    ("distinct", "plays unlike every other"),
    ("swapped", "plays changed by swapping two characters’ traits"),
)


def render(measures: Measures, courses: Iterable[Course] = ()) -> str:
    """The figures for people, each beside its target."""
    bounds = {target.measure: target for target in TARGETS}
    plays = f"{measures.seeds} plays of {measures.turns:.1f} turns, {measures.deeds} deeds"
    lines = [f"{measures.story}: {plays}, {measures.ms_per_turn:.2f} ms a turn"]

    def verdict(name: str) -> str:
        target = bounds.get(name)
        if target is None or math.isnan(measures.value(name)):
            return ""
        sign = "≥" if target.at_least else "≤"
        bound = f"{target.bound:.0%}" if 0 < target.bound < 1 else f"{target.bound:.0f}"
        return f"   {'ok  ' if target.holds(measures.value(name)) else 'MISS'} (target {sign} {bound})"

    for name, label in _ROWS:
        value = measures.value(name)
        shown = "  n/a" if math.isnan(value) else f"{value:5.1%}"
        lines.append(f"  {shown:>6}  {label}{verdict(name)}")
    lines.append(f"  {measures.surprise:6.1f}  bits of surprise in what is done next")
    count = measures.endings_above_tenth
    lines.append(f"  {count:6d}  endings above a tenth{verdict('endings_above_tenth')}")
    lines += [f"          {share:5.1%} {ending}" for ending, share in measures.endings.items()]
    kinds = ", ".join(f"{kind} {share:.0%}" for kind, share in measures.kinds.items())
    lines.append(f"  deeds: {kinds}")
    lines.append(f"  tension by tenths of a play: {' '.join(map(str, measures.curve))}")
    lines.append(f"  {measures.violations:6d}  broken invariants{verdict('violations')}")
    lines.append(f"  digest {measures.digest[:16]}")
    broken = [f"seed {course.seed}, {what}" for course in courses for what in course.violations]
    lines += [f"          {line}" for line in broken[:10]]
    return "\n".join(lines)


def figures(measures: Measures) -> dict[str, JsonValue]:
    """The figures for programs. What was not measured is null."""
    raw = {**asdict(measures), "endings_above_tenth": measures.endings_above_tenth}
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value for name, value in raw.items()
    }


def misses(measures: Measures) -> list[str]:
    """The names of the targets that are missed."""
    return [
        target.measure
        for target in TARGETS
        if not math.isnan(measures.value(target.measure)) and not target.holds(measures.value(target.measure))
    ]


def director_named(name: str) -> Callable[[], DirectorAgent]:
    """The class or function `package.module:name`. Raises ValueError, saying what is wrong with it."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{name!r} is no package.module:Class ({error})") from None
    if not callable(found):
        raise ValueError(f"{name!r} is nothing that makes a director")
    made: Callable[[], DirectorAgent] = found
    return made


def run_eval(story: Story, *, seeds: int, first: int, director: str | None, as_json: bool, swap: bool) -> int:
    """What `novel-jupyter eval` does; exit code 1 if a target is missed. Raises ValueError."""
    make = director_named(director) if director else DirectorAgent
    numbers = [str(first + index) for index in range(seeds)]
    measures, courses = evaluate(story, numbers, make, swap=swap)
    text = json.dumps(figures(measures), indent=2) if as_json else render(measures, courses)
    print(text)
    return 1 if misses(measures) else 0
