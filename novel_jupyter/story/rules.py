"""What may be tried: everything legal, enumerated.

Law: what is offered here is legal by `laws`, for this state and character; whoever decides chooses among
these. Free text is always possible and so never listed.
Parts: `legal_actions`, and the candidates by kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

from . import actions as act
from .actions import Action
from .laws import refusal_of
from .look import Look
from .world import State

MAX_TOPICS = 8


def legal_actions(state: State, character: str) -> list[Action]:
    """All that a character can try, in a fixed order. Empty for the dead, the gone and the unknown."""
    look = Look(state)
    if not look.acts(character):
        return []
    return [action for action in _candidates(look, character) if refusal_of(look, character, action) is None]


def _topics(look: Look, me: str) -> list[str]:
    """What a character could ask about: what they are after, and what they have seen and do not hold."""
    seat, mine = look.seat(me), set(look.held_by(me))
    wanted = [goal["target"] for _, goal in sorted(seat["goals"].items()) if goal["status"] == "open"]
    fixed = {item for item, what in look.stage["items"].items() if not what["portable"]}
    wanted = [topic for topic in wanted if topic not in {*look.people, *fixed, *seat["beliefs"]}]
    things = [thing for thing in sorted(seat["seen"]) if (item := look.item(thing)) and item["portable"]]
    return [topic for topic in dict.fromkeys([*wanted, *things]) if topic not in mine][:MAX_TOPICS]


@lru_cache(maxsize=16_384)
def _made(kind: Callable[..., Action], **fields: str | bool | None) -> Action:
    """The same options come up turn after turn, and making one is checking it."""
    return kind(**fields)


def _candidates(look: Look, me: str) -> Iterator[Action]:
    here, others, mine = look.place(me), look.with_(me), look.held_by(me)
    seat = look.seat(me)
    yield from (_made(act.Move, target=place) for place in sorted(look.ways(me)))
    yield _made(act.Search, target=here)
    yield _made(act.Observe)
    for item in look.items_at(here):
        yield _made(act.Take, item=item)
    for item in [*mine, *look.items_at(here)]:
        yield from (_made(act.Use, item=item, how=how) for how in sorted(look.ways_to_use(item)))
    topics = _topics(look, me)
    # What was said openly and everybody here knows is no news.
    news = [
        fact
        for fact in sorted(seat["beliefs"])
        if fact not in look.stage["facts"] or not all(look.knows(other, fact) for other in others)
    ]
    if others:
        yield from (_made(act.Tell, fact=fact) for fact in news)
    for other in others:
        yield from _towards(look, me, other, topics, news)
    yield _made(act.Defend)
    if not look.hidden(me):
        yield _made(act.Hide)
    yield _made(act.Wait)


def _towards(look: Look, me: str, other: str, topics: list[str], news: list[str]) -> Iterator[Action]:
    """What can be tried with somebody who is here."""
    theirs = look.held_by(other)
    goals = look.seat(me)["goals"].values()
    unknown = [goal["target"] for goal in goals if goal["kind"] == "learn" and goal["status"] == "open"]
    yield _made(act.Observe, target=other)
    yield _made(act.Ask, target=other)
    yield from (_made(act.Ask, target=other, about=topic) for topic in topics)
    yield from (_made(act.Tell, target=other, fact=fact, quietly=True) for fact in news)
    for about in [None, *theirs, *unknown]:
        yield _made(act.Persuade, target=other, about=about)
        yield _made(act.Threaten, target=other, about=about)
    yield from (_made(act.Give, target=other, item=item) for item in look.held_by(me))
    yield from (_made(act.Take, item=item) for item in theirs)
    yield from (_made(act.Betray, target=other, about=about) for about in [*theirs, *news])
    yield _made(act.Attack, target=other)
    yield _made(act.Defend, target=other)
    yield _made(act.Help, target=other)
