"""What may be tried: everything legal, enumerated.

Law: what is offered here is legal by `laws`, for this state and character; whoever decides chooses among
these. Free text is always possible and so never listed.
Parts: `legal_actions`, and the candidates by kind.
"""

from __future__ import annotations

from collections.abc import Iterator

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


def _candidates(look: Look, me: str) -> Iterator[Action]:
    here, others, mine = look.place(me), look.with_(me), look.held_by(me)
    seat = look.seat(me)
    yield from (act.Move(target=place) for place in sorted(look.ways(me)))
    yield act.Search(target=here)
    yield act.Observe()
    for item in look.items_at(here):
        yield act.Take(item=item)
    for item in [*mine, *look.items_at(here)]:
        yield from (act.Use(item=item, how=how) for how in sorted(look.ways_to_use(item)))
    topics = _topics(look, me)
    # What was said openly and everybody here knows is no news.
    news = [
        fact
        for fact in sorted(seat["beliefs"])
        if fact not in look.stage["facts"] or not all(look.knows(other, fact) for other in others)
    ]
    if others:
        yield from (act.Tell(fact=fact) for fact in news)
    for other in others:
        yield from _towards(look, me, other, topics, news)
    yield act.Defend()
    if not look.hidden(me):
        yield act.Hide()
    yield act.Wait()


def _towards(look: Look, me: str, other: str, topics: list[str], news: list[str]) -> Iterator[Action]:
    """What can be tried with somebody who is here."""
    theirs = look.held_by(other)
    goals = look.seat(me)["goals"].values()
    unknown = [goal["target"] for goal in goals if goal["kind"] == "learn" and goal["status"] == "open"]
    yield act.Observe(target=other)
    yield act.Ask(target=other)
    yield from (act.Ask(target=other, about=topic) for topic in topics)
    yield from (act.Tell(target=other, fact=fact, quietly=True) for fact in news)
    for about in [None, *theirs, *unknown]:
        yield act.Persuade(target=other, about=about)
        yield act.Threaten(target=other, about=about)
    yield from (act.Give(target=other, item=item) for item in look.held_by(me))
    yield from (act.Take(item=item) for item in theirs)
    yield from (act.Betray(target=other, about=about) for about in [*theirs, *news])
    yield act.Attack(target=other)
    yield act.Defend(target=other)
    yield act.Help(target=other)
