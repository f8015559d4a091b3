"""What a play is measured by, and what each measure means.

Law: reads events and states, never agents; every measure is a count that anybody can repeat. These are
measures of consistency and variety, not of literary quality.
Parts: the definitions (`deeds_of`, `is_dramatic`, `is_lasting`, `IDLE`, `by_decision`), `Course` (what is
kept of one play), `Measures` (what many plays come to) and `TARGETS`.

The definitions:

- A *deed* is what one character did in one turn, refusals left out. The director's events (scenes, clocks,
  endings) and the secret half of a deed are no deeds.
- A deed is *dramatic* if it is an attack, a threat or a betrayal, or if it is *lasting*.
- A deed is *lasting* if something came of it that does not undo itself: somebody was hurt or died; somebody
  learned a fact; an item was found, destroyed, or passed from one person to another; an item was picked up
  that another living character has an open goal about; an item was put to a use that an ending speaks of;
  somebody was caught hiding, left the story for good, or has a new goal because of it.
- A deed is *idle* if it is a move, a search or a wait.
- A play ended *by decision* if its ending asks for more than a clock, else by timeout.
- The *course* of a play is the sequence of its deeds with their outcomes.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from pydantic import JsonValue

from .story import effects as fx
from .story.schema import AllOf, ClockFull, Condition, Deed, Story
from .story.turn import DIRECTOR, StoryEvent, TurnOutcome
from .story.world import Stage, State, seat_of, stage_of

IDLE: Final = frozenset({"move", "search", "wait"})
FIERCE: Final = frozenset({"attack", "threaten", "betray"})
_TURNS: Final = ("hurt:", "died:", "found:", "destroyed:", "departed:", "spotted:")


@dataclass(frozen=True, slots=True)
class Target:
    """`measure` shall be at least, or at most, `bound`."""

    measure: str
    bound: float
    at_least: bool = True

    def holds(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound


TARGETS: Final = (
    Target("dramatic", 0.50),
    Target("idle", 0.25, at_least=False),
    Target("by_decision", 0.75),
    Target("endings_above_tenth", 3),
    Target("climax", 0.90),
    Target("swapped", 0.90),
    Target("violations", 0, at_least=False),
)


def deeds_of(outcome: TurnOutcome) -> Iterable[StoryEvent]:
    """What each character did in a turn. One acts once, so what else is theirs is the secret half of it."""
    done: set[str] = {DIRECTOR}
    for event in outcome.events:
        if event.character not in done and event.outcome != "refused":
            yield event
        done.add(event.character)


def is_dramatic(event: StoryEvent, stage: Stage, story: Story) -> bool:
    """By the definition above. `stage` is the beginning of its turn."""
    return event.action.get("kind") in FIERCE or is_lasting(event, stage, story)


def is_lasting(event: StoryEvent, stage: Stage, story: Story) -> bool:
    """By the definition above."""
    if any(tag.startswith(_TURNS) for tag in event.tags):
        return True
    for tag in event.tags:
        if tag.startswith("did:") and tag.removeprefix("did:") in _deeds_of_endings(story):
            return True
        if tag.startswith("held:"):
            item = tag.split(":")[1]
            before = stage["items"].get(item)
            if before and (before["holder"] or _wanted(stage, item, event.character)):
                return True
    return any(
        isinstance(effect, fx.Learned)
        or (isinstance(effect, fx.GoalGained) and _is_new(stage, effect.character, effect.goal))
        for effect in event.effects
    )


def _is_new(stage: Stage, who: str, goal: str) -> bool:
    """Whether somebody did not want that already."""
    had = seat_of(cast(State, stage), who)["goals"].get(goal)
    return had is None or had["status"] != "open"


def _wanted(stage: Stage, item: str, me: str) -> bool:
    """Whether somebody else's open goal is about an item."""
    seats = cast(Mapping[str, Mapping[str, Mapping[str, Mapping[str, str]]]], stage)
    return any(
        goal["target"] == item and goal["status"] == "open"
        for who, person in stage["characters"].items()
        if who != me and person["status"] == "present"
        for goal in seats[f"seat:{who}"]["goals"].values()
    )


def _deeds_of_endings(story: Story) -> frozenset[str]:
    def deeds(when: Condition) -> Iterable[str]:
        if isinstance(when, Deed):
            yield f"{when.item}.{when.how}"
        if isinstance(when, AllOf):
            for part in when.of:
                yield from deeds(part)

    return frozenset(deed for ending in story.endings.values() for deed in deeds(ending.when))


def by_decision(story: Story, ending: str | None) -> bool:
    """Whether an ending asks for more than a clock."""
    return ending is not None and not isinstance(story.endings[ending].when, ClockFull)


@dataclass(slots=True)
class Course:
    """What is kept of one play."""

    seed: str
    ending: str | None = None
    turns: int = 0
    acts: list[str] = field(default_factory=list)
    deeds: list[tuple[str, str, str]] = field(default_factory=list)
    """Who, what (as JSON), with what outcome."""
    kinds: Counter[str] = field(default_factory=Counter)
    dramatic: int = 0
    lasting: int = 0
    curve: list[int] = field(default_factory=list)
    """The tension after each turn."""
    seconds: float = 0.0
    """Processor time of the agents."""
    violations: list[str] = field(default_factory=list)
    digest: str = ""
    """Over everything that the play put on the wire."""

    def note(self, story: Story, before: Mapping[str, JsonValue], outcome: TurnOutcome) -> None:
        """Count one turn in."""
        stage = stage_of(before)
        self.turns += 1
        self.acts.append(stage_of(outcome.state)["scene"]["act"])
        self.curve.append(stage_of(outcome.state)["director"]["tension"])
        for event in deeds_of(outcome):
            kind = str(event.action["kind"])
            self.kinds[kind] += 1
            self.dramatic += is_dramatic(event, stage, story)
            self.lasting += is_lasting(event, stage, story)
            said = json.dumps(event.action, sort_keys=True)
            self.deeds.append((event.character, said, event.outcome))
        if outcome.ended:
            self.ending = outcome.ended.ending
        wire = json.dumps([self.digest, outcome.to_wire(token=1, base=1), outcome.record.to_json()])
        self.digest = hashlib.sha256(wire.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Measures:
    """What many plays of one story come to. Shares are between 0 and 1."""

    story: str
    seeds: int
    turns: float
    deeds: int
    dramatic: float
    lasting: float
    idle: float
    by_decision: float
    endings: Mapping[str, float]
    climax: float
    """Plays whose last turn was in the climax."""
    distinct: float
    """Plays whose course no other play had."""
    surprise: float
    """Entropy of what is done next, by kind and target, in bits: 0 would be a script."""
    swapped: float
    """Plays whose course changed when two characters changed their traits."""
    ms_per_turn: float
    violations: int
    kinds: Mapping[str, float]
    curve: tuple[int, ...]
    """The mean tension after each tenth of a play."""
    digest: str
    """Over everything that the plays put on the wire: the same wherever and whenever they are played."""

    @property
    def endings_above_tenth(self) -> int:
        return sum(share > 0.10 for share in self.endings.values())

    def value(self, measure: str) -> float:
        return float(getattr(self, measure))


def summarize(story: Story, courses: Sequence[Course], swapped: Sequence[bool]) -> Measures:
    """The measures of some plays. Raises ValueError if there are none."""
    if not courses:
        raise ValueError("nothing was played")
    deeds = sum(len(course.deeds) for course in courses) or 1
    kinds: Counter[str] = sum((course.kinds for course in courses), Counter())
    endings = Counter(course.ending or "none" for course in courses)
    turns = sum(course.turns for course in courses)
    whole = Counter(tuple(course.deeds) for course in courses)
    return Measures(
        story=story.id,
        seeds=len(courses),
        turns=turns / len(courses),
        deeds=deeds,
        dramatic=sum(course.dramatic for course in courses) / deeds,
        lasting=sum(course.lasting for course in courses) / deeds,
        idle=sum(kinds[kind] for kind in IDLE) / deeds,
        by_decision=sum(by_decision(story, course.ending) for course in courses) / len(courses),
        endings={id: endings[id] / len(courses) for id in (*story.endings, "none") if endings[id]},
        climax=sum(course.acts[-1] == "climax" for course in courses) / len(courses),
        distinct=sum(count == 1 for count in whole.values()) / len(courses),
        surprise=_entropy(Counter(deed[:2] for course in courses for deed in course.deeds)),
        swapped=sum(swapped) / len(swapped) if swapped else math.nan,
        ms_per_turn=1000 * sum(course.seconds for course in courses) / max(1, turns),
        violations=sum(len(course.violations) for course in courses),
        kinds={kind: count / deeds for kind, count in kinds.most_common()},
        curve=_mean_curve([course.curve for course in courses]),
        digest=hashlib.sha256("".join(course.digest for course in courses).encode()).hexdigest(),
    )


def _entropy(counts: Counter[tuple[str, str]]) -> float:
    total = sum(counts.values()) or 1
    return -sum(n / total * math.log2(n / total) for n in counts.values())


def _mean_curve(curves: Sequence[Sequence[int]]) -> tuple[int, ...]:
    tenths: list[int] = []
    for tenth in range(1, 11):
        values = [curve[math.ceil(tenth * len(curve) / 10) - 1] for curve in curves if curve]
        tenths.append(round(sum(values) / len(values)) if values else 0)
    return tuple(tenths)
