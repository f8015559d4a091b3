"""What is told when: a turn's events in the order of telling.

Law: nothing is told before what it follows from. Within that, what happened in one place is told together;
two events that share a person, a thing or a place stay in the order of time. The scene comes first, the hour
and the end last.
Parts: `Step`, `arranged`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .turn import DIRECTOR, StoryEvent, TurnRecord


@dataclass(frozen=True, slots=True)
class Step:
    """An event to tell. `lead`: the place to name first, since the story moves there; `paragraph`: whether a
    paragraph begins.
    """

    event: StoryEvent
    lead: str | None = None
    paragraph: bool = False


def arranged(record: TurnRecord) -> Iterator[Step]:
    """The events of a record, as they are told."""
    first = [event for event in record.events if event.action.get("kind") == "scene"]
    last = [event for event in record.events if event.character == DIRECTOR and event not in first]
    # Without beats there is nothing to tell in public; what is for a seat alone has its reason at least.
    acted = [
        event
        for event in record.events
        if event.character != DIRECTOR and (event.beats or event.audience != "everyone")
    ]
    stage = first[0].location if first else None
    moved = any(tag.startswith("scene:") for event in first for tag in event.tags)
    # Who comes in comes in somewhere: the place was named then.
    moved = moved and not any(beat.key == "enter" for event in first for beat in event.beats)
    for event in first:
        yield Step(event, paragraph=True)
    here: str | None = None
    before: str | None = None
    for index, event in enumerate(_in_order(acted, stage)):
        place = _told_at(event)
        elsewhere = index == 0 or place != here
        lead = place if elsewhere and (index > 0 or moved or place != stage) else None
        speaks = any("line" in beat.slots for beat in event.beats)
        # Where somebody else begins to speak, a paragraph begins.
        yield Step(event, lead, elsewhere or (speaks and before != event.character))
        here, before = place, event.character
    for event in last:
        yield Step(event, paragraph=event.action.get("kind") in ("ending", "clock"))


def _in_order(events: list[StoryEvent], stage: str | None) -> Iterator[StoryEvent]:
    """Place by place as far as time allows."""
    waiting = list(events)
    here = stage
    while waiting:
        ready = [
            event
            for index, event in enumerate(waiting)
            if all(_touches(event).isdisjoint(_touches(before)) for before in waiting[:index])
        ]
        event = next((event for event in ready if _told_at(event) == here), ready[0])
        waiting.remove(event)
        here = _told_at(event)
        yield event


def _told_at(event: StoryEvent) -> str | None:
    """Where an event is told: coming to somebody is told where they are, leaving where one was."""
    for beat in event.beats:
        if beat.key == "move.join":
            return beat.slots.get("place", event.location)
    return event.location


def _touches(event: StoryEvent) -> frozenset[str | None]:
    """What an event is about: whoever else is about one of these comes before or after it, as it was."""
    return frozenset({event.character, event.location, *event.mentions})
