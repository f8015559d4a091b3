"""What can never happen in a story that holds together: closed doors, dead clocks, endings out of reach.

Law: looks at a `Story` and returns findings; a finding is certain, so what only might be out of reach is let
pass. Nothing is played.
Parts: `find_unreachable`; below, where people can get to, what they can learn, and whether one ending always
comes before another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from .schema import AllOf, Clock, ClockFull, Condition, Dead, Deed, Gate, Holds, Known, Story, Use

Loc: TypeAlias = tuple[str | int, ...]
Finding: TypeAlias = tuple[Loc, str]


def find_unreachable(story: Story) -> list[Finding]:
    """Everything in a story without dangling references that cannot come about, each with its place."""
    return [*_places(story), *_uses(story), *_endings(story)]


def reachable(story: Story) -> frozenset[str]:
    """The locations that somebody can get to, by every key that can be had."""
    people = story.characters.values()
    reached = {person.start for person in people}
    keys = {item for person in people for item in person.belongings}
    while True:
        keys |= {id for id, item in story.items.items() if item.portable and item.location in reached}
        further = {
            other
            for here in reached
            for other, exit in story.locations[here].exits.items()
            if exit is None or exit.locked_by is None or exit.locked_by in keys
        }
        if further <= reached:
            return frozenset(reached)
        reached |= further


def _places(story: Story) -> Iterator[Finding]:
    reached = reachable(story)
    for id, place in story.locations.items():
        for other, exit in place.exits.items():
            if exit and exit.locked_by and other not in reached and id in reached:
                key = exit.locked_by
                why = "cannot be carried" if not story.items[key].portable else "lies behind it"
                loc = ("locations", id, "exits", other, "locked_by")
                yield loc, f"the door never opens: {key!r} {why}; expected a key that somebody can get"


def _uses(story: Story) -> Iterator[Finding]:
    reached = reachable(story)
    for id, item in story.items.items():
        for how, use in item.uses.items():
            if why := _never(story, use, reached):
                yield ("items", id, "uses", how, *why[0]), why[1]
            if use.consumes and use.needs is None:
                yield (
                    ("items", id, "uses", how, "consumes"),
                    "consumes what it needs, and needs nothing; expected `needs`, or `destroys`",
                )


def _never(story: Story, use: Use, reached: frozenset[str]) -> Finding | None:
    """Why something can never be used so."""
    if use.when and _most(story.clocks[use.when.clock]) < use.when.at_least:
        return ("when", "at_least"), _late(story, use.when)
    if use.needs and not story.items[use.needs].portable:
        return ("needs",), f"{use.needs!r} cannot be carried; expected a portable item"
    if use.at and use.at not in reached:
        return ("at",), f"nobody can ever get to {use.at!r}"
    return None


def _most(clock: Clock) -> int:
    """Where a clock can get to."""
    return clock.segments if clock.per_turn or clock.on_complication else 0


def _late(story: Story, gate: Gate | ClockFull) -> str:
    clock = story.clocks[gate.clock]
    if not _most(clock):
        return f"the clock {gate.clock!r} never moves; expected per_turn or on_complication above 0"
    return f"the clock {gate.clock!r} has {clock.segments} segments; expected at most that"


def _endings(story: Story) -> Iterator[Finding]:
    before: dict[str, Condition] = {}
    for id, ending in story.endings.items():
        if why := _impossible(story, ending.when):
            yield ("endings", id, "when"), f"this can never come about: {why}"
        for other, earlier in before.items():
            if _implies(ending.when, earlier):
                text = f"never reached: {other!r} stands before it and ends the story first"
                yield ("endings", id), f"{text}; expected the more particular ending first"
                break
        before[id] = ending.when


def _impossible(story: Story, when: Condition) -> str | None:
    match when:
        case Holds():
            item = story.items[when.item]
            if not item.portable:
                return f"{when.item!r} cannot be carried"
            if when.at and when.at not in reachable(story):
                return f"nobody can get to {when.at!r}"
        case Known():
            if not _can_be_learned(story, when.fact):
                return f"nobody knows {when.fact!r}, no place and no item tells it"
        case Deed():
            pass  # what can never be done is told where the use stands
        case Dead():
            if "attack" in story.forbids:
                return "nobody can be struck in this story (forbids)"
        case ClockFull():
            clock = story.clocks[when.clock]
            if _most(clock) < (when.at_least or clock.segments) or not _most(clock):
                return _late(story, when)
        case AllOf():
            return next(filter(None, (_impossible(story, part) for part in when.of)), None)
    return None


def _can_be_learned(story: Story, fact: str) -> bool:
    what = story.facts[fact]
    return bool(what.known_by or what.found_at) or any(
        fact in use.reveals for item in story.items.values() for use in item.uses.values()
    )


def _implies(later: Condition, earlier: Condition) -> bool:
    """Whether `earlier` holds whenever `later` does."""
    if isinstance(earlier, AllOf):
        return all(_implies(later, part) for part in earlier.of)
    if isinstance(later, AllOf):
        return any(_implies(part, earlier) for part in later.of)
    match later, earlier:
        case Holds(), Holds():
            same = later.item == earlier.item
            return same and earlier.character in (None, later.character) and earlier.at in (None, later.at)
        case Known(), Known():
            if later.fact != earlier.fact or bool(later.to) != bool(earlier.to):
                return False
            return set(earlier.to) <= set(later.to)
        case Deed(), Deed():
            same = (later.item, later.how) == (earlier.item, earlier.how)
            return same and earlier.by in (None, later.by)
        case Dead(), Dead():
            return earlier.character in (None, later.character)
        case ClockFull(), ClockFull():
            return later.clock == earlier.clock and (later.at_least or 99) >= (earlier.at_least or 99)
        case _:
            return False
