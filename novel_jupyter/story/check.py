"""What can be wrong with a story whose shape is right: dangling references, closed-off places, bad phrases.

Law: looks at a valid `Story` and returns findings, in the order of the file; raises nothing.
Parts: `find_problems`, and one small check for each kind of part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Final, TypeAlias

from .check_reach import find_unreachable
from .english import check_phrase
from .schema import AllOf, ClockFull, Condition, Dead, Deed, Goal, Holds, Known, Story

Loc: TypeAlias = tuple[str | int, ...]
Finding: TypeAlias = tuple[Loc, str]

RESERVED: Final = frozenset({"director", "everyone", "sealed", "constructor", "prototype"})
_GOAL_TARGETS: Final = {
    "hold": "items",
    "destroy": "items",
    "use": "items",
    "learn": "facts",
    "reveal": "facts",
    "conceal": "facts",
    "protect": "characters",
    "harm": "characters",
    "reach": "locations",
}
_SINGULAR: Final = {
    "items": "item",
    "facts": "fact",
    "characters": "character",
    "locations": "location",
    "clocks": "clock",
}


def find_problems(story: Story) -> list[Finding]:
    """Everything that is wrong, each with its place in the file."""
    checks = (_ids, _style, _locations, _characters, _items, _facts, _texts, _endings)
    findings = [finding for check in checks for finding in check(story)]
    if story.opening.location not in story.locations:
        findings.append(_unknown(story, ("opening", "location"), "locations", story.opening.location))
    # What can be reached is asked only where everything that is spoken of is there.
    return findings or find_unreachable(story)


def _unknown(story: Story, loc: Loc, where: str, name: str) -> Finding:
    names = sorted(getattr(story, where))
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return loc, f"there is no {_SINGULAR[where]} {name!r}; expected one of {', '.join(names[:12])}{hint}"


def _refs(story: Story, loc: Loc, where: str, names: Iterable[str]) -> Iterator[Finding]:
    known = getattr(story, where)
    for name in names:
        if name not in known:
            yield _unknown(story, loc, where, name)


def _ids(story: Story) -> Iterator[Finding]:
    owner: dict[str, str] = {}
    for where in ("locations", "characters", "items", "facts", "clocks"):
        for name in getattr(story, where):
            if name in RESERVED:
                yield (where, name), f"{name!r} is reserved; expected another name"
            if name in owner:
                yield (
                    (where, name),
                    f"{name!r} is already one of the {owner[name]}; expected a name of its own",
                )
            owner[name] = where


def _style(story: Story) -> Iterator[Finding]:
    style = story.style
    if style.of is not None:
        yield from _refs(story, ("style", "of"), "characters", [style.of])
    if (style.person == "first") != (style.of is not None):
        yield ("style", "of"), "the first person is somebody's; expected a character in `of`, and only then"
    if style.person == "first" and style.tense == "present":
        yield ("style", "tense"), "the first person tells what was; expected past"


def _locations(story: Story) -> Iterator[Finding]:
    for id, place in story.locations.items():
        for other, exit in place.exits.items():
            loc = ("locations", id, "exits", other)
            if other == id:
                yield loc, "leads to where it begins; expected another location"
            yield from _refs(story, loc, "locations", [other])
            if exit and exit.locked_by:
                yield from _refs(story, (*loc, "locked_by"), "items", [exit.locked_by])
    reached, waiting = {next(iter(story.locations))}, [next(iter(story.locations))]
    while waiting:
        for other in story.locations[waiting.pop()].exits:
            if other in story.locations and other not in reached:
                reached.add(other)
                waiting.append(other)
    for id in story.locations:
        if id not in reached:
            yield ("locations", id), "no way leads here; expected an exit to it from another location"


def _characters(story: Story) -> Iterator[Finding]:
    owner: dict[str, str] = {}
    for id, person in story.characters.items():
        at: Loc = ("characters", id)
        yield from _refs(story, (*at, "start"), "locations", [person.start])
        yield from _refs(story, (*at, "relations"), "characters", person.relations)
        for index, thing in enumerate(person.belongings):
            loc = (*at, "belongings", index)
            yield from _refs(story, loc, "items", [thing])
            if thing in owner:
                yield loc, f"{thing!r} already belongs to {owner[thing]}; expected one owner"
            owner[thing] = id
            if thing in story.items and (story.items[thing].location or story.items[thing].hidden):
                yield (
                    loc,
                    f"{thing!r} also lies somewhere; expected no location and not hidden for a belonging",
                )
        for index, secret in enumerate(person.secrets):
            loc = (*at, "secrets", index)
            yield from _refs(story, loc, "facts", [secret])
            fact = story.facts.get(secret)
            if fact and fact.known_by != "everyone" and id not in fact.known_by:
                yield loc, f"{person.name} does not know {secret!r}; expected {id} in its known_by"
        for name, goal in person.goals.items():
            yield from _goal(story, (*at, "goals", name), goal)
    for id, lying in story.items.items():
        if id not in owner and not lying.location:
            yield (
                ("items", id),
                "lies nowhere; expected a location, or a character who has it among belongings",
            )


def _goal(story: Story, loc: Loc, goal: Goal) -> Iterator[Finding]:
    yield from _refs(story, (*loc, "target"), _GOAL_TARGETS[goal.kind], [goal.target])
    if goal.by:
        yield from _refs(story, (*loc, "by"), "characters", [goal.by])
    if goal.kind == "use" and goal.target in story.items:
        uses = story.items[goal.target].uses
        if goal.how not in uses:
            yield (
                (*loc, "how"),
                f"the item has no such use; expected one of {', '.join(sorted(uses)) or 'none'}",
            )


def _items(story: Story) -> Iterator[Finding]:
    for id, item in story.items.items():
        at: Loc = ("items", id)
        if item.location:
            yield from _refs(story, (*at, "location"), "locations", [item.location])
        for how, use in item.uses.items():
            loc = (*at, "uses", how)
            if use.at:
                yield from _refs(story, (*loc, "at"), "locations", [use.at])
            if use.needs:
                yield from _refs(story, (*loc, "needs"), "items", [use.needs])
            yield from _refs(story, (*loc, "reveals"), "facts", use.reveals)
            if use.when:
                yield from _refs(story, (*loc, "when", "clock"), "clocks", [use.when.clock])
            for index, phrase in enumerate(use.tells):
                yield from _phrase((*loc, "tells", index), phrase, {"A"})


def _facts(story: Story) -> Iterator[Finding]:
    for id, fact in story.facts.items():
        at: Loc = ("facts", id)
        if fact.known_by != "everyone":
            yield from _refs(story, (*at, "known_by"), "characters", fact.known_by)
        for index, about in enumerate(fact.about):
            if about not in story.items and about not in story.locations:
                yield from _refs(story, (*at, "about", index), "characters", [about])
        if fact.found_at:
            yield from _refs(story, (*at, "found_at"), "locations", [fact.found_at])
        yield from _refs(story, (*at, "said"), "characters", fact.said)


def _phrase(loc: Loc, phrase: str, slots: set[str]) -> Iterator[Finding]:
    if problem := check_phrase(phrase, slots):
        yield loc, problem


def _texts(story: Story) -> Iterator[Finding]:
    for id, person in story.characters.items():
        for kind, lines in person.voice.items():
            for index, line in enumerate(lines):
                yield from _phrase(("characters", id, "voice", kind, index), line, {"B"})
    for id, clock in story.clocks.items():
        for segment, line in clock.marks.items():
            yield from _phrase(("clocks", id, "marks", segment), line, set())
            if segment > clock.segments:
                yield ("clocks", id, "marks", segment), f"expected a segment of at most {clock.segments}"
    for act, lines in story.beats.items():
        for index, line in enumerate(lines):
            yield from _phrase(("beats", act, index), line, set())


def _condition(story: Story, loc: Loc, when: Condition) -> Iterator[Finding]:
    match when:
        case Holds():
            yield from _refs(story, (*loc, "item"), "items", [when.item])
            yield from _refs(
                story, (*loc, "character"), "characters", [when.character] if when.character else []
            )
            yield from _refs(story, (*loc, "at"), "locations", [when.at] if when.at else [])
        case Known():
            yield from _refs(story, (*loc, "fact"), "facts", [when.fact])
            yield from _refs(story, (*loc, "to"), "characters", when.to)
        case Deed():
            yield from _refs(story, (*loc, "item"), "items", [when.item])
            yield from _refs(story, (*loc, "by"), "characters", [when.by] if when.by else [])
            item = story.items.get(when.item)
            if item and when.how not in item.uses:
                uses = ", ".join(sorted(item.uses)) or "none"
                yield (*loc, "how"), f"{when.item!r} has no use {when.how!r}; expected one of {uses}"
        case Dead():
            yield from _refs(
                story, (*loc, "character"), "characters", [when.character] if when.character else []
            )
        case ClockFull():
            yield from _refs(story, (*loc, "clock"), "clocks", [when.clock])
        case AllOf():
            for index, part in enumerate(when.of):
                yield from _condition(story, (*loc, "of", index), part)


def _endings(story: Story) -> Iterator[Finding]:
    for id, ending in story.endings.items():
        yield from _condition(story, ("endings", id, "when"), ending.when)
        # Only a deed has a doer for certain.
        slots: set[str] = {"A"} if isinstance(ending.when, Deed) else set()
        yield from _phrase(("endings", id, "text"), ending.text, slots)
    clocks = [ending.when.clock for ending in story.endings.values() if isinstance(ending.when, ClockFull)]
    if not any(clock in story.clocks and story.clocks[clock].per_turn for clock in clocks):
        text = "a story could go on for ever; expected an ending of kind clock whose clock fills by itself"
        yield ("endings",), text
