"""Who is told what: one record of a turn, cut for each audience.

Law: a cut only leaves out. The public one holds what is open to everybody; a seat's one holds the open events
that its character witnessed and what was for that seat alone. Whatever tells a cut can say no more than it.
Parts: `public`, `witnessed`, `in_person`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .turn import DIRECTOR, StoryEvent, TurnRecord

LAST: Final = 2**53


def public(record: TurnRecord) -> TurnRecord:
    """What everybody may read."""
    return replace(record, asides=(), witnesses={})


def _was_there(record: TurnRecord, who: str, event: StoryEvent) -> bool:
    return event.character == DIRECTOR or who in record.witnesses.get(event.id, ())


def in_person(record: TurnRecord, who: str) -> TurnRecord:
    """The public record as `who` could tell it: without what they did not see. All of it, told of them and
    not by them, where they saw nothing: readers always get a turn.
    """
    seen = tuple(event for event in record.events if _was_there(record, who, event))
    if all(event.character == DIRECTOR for event in seen):
        return replace(public(record), teller=None)
    return replace(public(record), events=seen, teller=who)


def witnessed(record: TurnRecord, who: str) -> TurnRecord | None:
    """What the player of `who` may read of the turn, or None if it passed them by."""
    open_to_me = [event for event in record.events if _was_there(record, who, event)]
    # A refusal is an answer to the player, not a part of the story.
    mine = [
        event
        for event in record.asides
        if isinstance(event.audience, list) and who in event.audience and event.outcome != "refused"
    ]
    if not mine and all(event.character == DIRECTOR for event in open_to_me):
        return None
    events = tuple(sorted([*open_to_me, *mine], key=_nth))
    teller = who if record.teller else None
    return replace(public(record), events=events, teller=teller, so_far="", recent=())


def _nth(event: StoryEvent) -> tuple[int, int]:
    """Events are numbered as they happened, `e2` before `e10`; earlier parts of a turn (`p41.e1`) come
    first.
    """
    part, _, number = event.id.rpartition(".")
    return _number(part, LAST), _number(number, 0)


def _number(name: str, default: int) -> int:
    return int(name[1:]) if name[1:].isdigit() else default
