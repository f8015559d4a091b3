"""What is impossible, and why, in words that a player understands.

Law: a law is a pure function of the true state, a character and an action. It has an id and answers with a
refusal (and a way to repair it where there is one) or with nothing. Refusals say nothing that the character
could not know.
Parts: `Refusal`, the laws by family (causality, physics, resources, knowledge, social), `LAWS` (kind → its
laws), `refusal`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias, cast

from .actions import Action, Betray, Move, Search, Tell, Use
from .english import capitalise
from .look import Look
from .shapes import WayState


@dataclass(frozen=True, slots=True)
class Refusal:
    """`law` is its id; `reason` is one sentence; `repair` says what would make it possible."""

    law: str
    reason: str
    repair: str | None = None

    def __str__(self) -> str:
        return capitalise(f"{self.reason} {self.repair}" if self.repair else self.reason)


Law: TypeAlias = Callable[[Look, str, Action], Refusal | None]


def use_of(look: Look, item: str, how: str | None) -> tuple[str, WayState] | None:
    """The use that is meant: the named one, or the only one."""
    uses = look.ways_to_use(item)
    if how is None and len(uses) == 1:
        how = next(iter(uses))
    return (how, uses[how]) if how is not None and how in uses else None


def _target(action: Action) -> str | None:
    return cast(str | None, getattr(action, "target", None))


def _item(action: Action) -> str:
    return cast(str, getattr(action, "item", ""))


def alive(look: Look, me: str, action: Action) -> Refusal | None:
    if look.acts(me):
        return None
    name = look.name(me)
    return Refusal("causality.alive", f"{name} is no longer here to act.")


def fitting(look: Look, me: str, action: Action) -> Refusal | None:
    """A story may leave out what does not belong in it."""
    if action.kind not in look.forbids:
        return None
    return Refusal(
        "social.fitting",
        f"{look.name(me)} would not go so far: nobody does that here.",
        "Try it another way.",
    )


def gate(look: Look, me: str, action: Action) -> Refusal | None:
    assert isinstance(action, Use)
    meant = use_of(look, action.item, action.how)
    when = meant[1]["when"] if meant else None
    if when is None:
        return None
    clock = look.stage["clocks"][cast(str, when["clock"])]
    if clock["value"] >= cast(int, when["at_least"]):
        return None
    return Refusal(
        "causality.not_yet", cast(str, when["reason"]), f"Wait until the {clock['name']} is further on."
    )


def same_place(look: Look, me: str, action: Action) -> Refusal | None:
    target = _target(action)
    if target is None or target in look.with_(me):
        return None
    if target not in look.people:
        return Refusal("knowledge.who", f"There is nobody called {target!r} here.")
    if target == me:
        return Refusal(
            "social.oneself", f"{look.name(me)} is the one who would do it.", "Choose somebody else."
        )
    return Refusal(
        "physics.same_place",
        f"{look.name(target)} is not to be seen where {look.name(me)} is.",
        f"Find {look.name(target)} first.",
    )


def watchable(look: Look, me: str, action: Action) -> Refusal | None:
    """One can watch a person who is here, or the place."""
    target = _target(action)
    return None if target == look.place(me) else same_place(look, me, action)


def searchable(look: Look, me: str, action: Action) -> Refusal | None:
    assert isinstance(action, Search)
    here = look.place(me)
    if action.target is None or action.target == here:
        return None
    if action.target in look.stage["locations"]:
        there = look.name(action.target)
        return Refusal("physics.same_place", f"{look.name(me)} is not there.", f"Go to {there} first.")
    return Refusal("knowledge.what", f"There is no place called {action.target!r}.")


def way(look: Look, me: str, action: Action) -> Refusal | None:
    assert isinstance(action, Move)
    here = look.place(me)
    if action.target not in look.stage["locations"]:
        return Refusal("knowledge.where", f"There is no place called {action.target!r}.")
    if action.target == here:
        return Refusal("physics.way", f"{look.name(me)} is already there.")
    if action.target in look.ways(me):
        return None
    for near in sorted({here, *look.ways(me)} - {None}, key=str):
        exit = look.location(str(near))["exits"].get(action.target)
        if exit and not exit["open"] and exit["locked_by"]:
            key = look.name(exit["locked_by"])
            return Refusal(
                "physics.locked", f"The way to {look.name(action.target)} is locked.", f"It takes {key}."
            )
    return Refusal(
        "physics.way", f"It is too far to {look.name(action.target)} in one go.", "Go part of the way first."
    )


def within_reach(look: Look, me: str, action: Action) -> Refusal | None:
    """An item that lies here, or that somebody here holds."""
    item, here = look.item(_item(action)), look.place(me)
    if item is None:
        return Refusal("knowledge.what", "There is no such thing to be seen.", "Search for it.")
    name = look.name(_item(action))
    if item["holder"] == me:
        return Refusal("resources.have", f"{look.name(me)} already has {name}.")
    if item["location"] != here and item["holder"] not in look.with_(me):
        return Refusal("physics.same_place", f"{name} is not here.", "Find out where it is.")
    if not item["portable"]:
        return Refusal("physics.portable", f"{name} cannot be carried.")
    return None


def in_hand(look: Look, me: str, action: Action) -> Refusal | None:
    if _item(action) in look.held_by(me):
        return None
    return Refusal("resources.hold", f"{look.name(me)} does not have that in hand.", "Take it first.")


def at_hand(look: Look, me: str, action: Action) -> Refusal | None:
    """To use something one holds it, or stands where it is fixed."""
    item = look.item(_item(action))
    if item is not None and not item["portable"] and item["location"] == look.place(me):
        return None
    return in_hand(look, me, action)


def usable(look: Look, me: str, action: Action) -> Refusal | None:
    assert isinstance(action, Use)
    meant = use_of(look, action.item, action.how)
    name = look.name(action.item)
    if meant is None:
        labels = " or ".join(use["label"] for _, use in sorted(look.ways_to_use(action.item).items()))
        return Refusal(
            "knowledge.use", f"That is no way to use {name}.", f"One can {labels}." if labels else None
        )
    use = meant[1]
    if use["at"] is not None and use["at"] != look.place(me):
        return Refusal(
            "physics.same_place", f"That cannot be done with {name} here.", f"Go to {look.name(use['at'])}."
        )
    if use["needs"] is not None and use["needs"] not in look.held_by(me):
        return Refusal(
            "resources.needs", f"It also takes {look.name(use['needs'])}.", "Get hold of it first."
        )
    return None


def known_fact(look: Look, me: str, action: Action) -> Refusal | None:
    assert isinstance(action, Tell)
    if action.fact is None:
        if action.text is None:
            return Refusal(
                "knowledge.words",
                f"{look.name(me)} has nothing to say.",
                "Choose a fact, or say it in words.",
            )
        return None
    if look.knows(me, action.fact):
        return None
    return Refusal("knowledge.fact", f"{look.name(me)} does not know that.", "Find it out first.")


def listener(look: Look, me: str, action: Action) -> Refusal | None:
    assert isinstance(action, Tell)
    if action.quietly and action.target is None:
        return Refusal("social.whisper", "One whispers to somebody.", "Say to whom.")
    if not look.with_(me):
        return Refusal("social.alone", f"There is nobody here to hear {look.name(me)}.", "Find somebody.")
    return None


def trusted(look: Look, me: str, action: Action) -> Refusal | None:
    assert isinstance(action, Betray)
    if action.target in look.people and look.trust(action.target, me) >= 1:
        return None
    name = look.name(action.target)
    return Refusal(
        "social.trust",
        f"{name} does not trust {look.name(me)}: there is nothing to betray.",
        "Win trust first.",
    )


def betrayable(look: Look, me: str, action: Action) -> Refusal | None:
    """Betrayal is of something: a thing the other holds, or a fact one knows."""
    assert isinstance(action, Betray)
    about = action.about
    if about is None or about in look.held_by(action.target) or look.knows(me, about):
        return None
    return Refusal(
        "knowledge.about", f"{look.name(me)} has no such thing to use against {look.name(action.target)}."
    )


LAWS: Final[Mapping[str, tuple[Law, ...]]] = MappingProxyType(
    {
        "move": (way,),
        "observe": (watchable,),
        "search": (searchable,),
        "ask": (same_place,),
        "tell": (same_place, listener, known_fact),
        "persuade": (same_place,),
        "threaten": (fitting, same_place),
        "give": (same_place, in_hand),
        "take": (fitting, within_reach),
        "use": (at_hand, usable, gate),
        "attack": (fitting, same_place),
        "defend": (same_place,),
        "hide": (),
        "help": (same_place,),
        "betray": (fitting, same_place, trusted, betrayable),
        "wait": (),
        "free": (),
    }
)


def refusal(look: Look, me: str, action: Action) -> Refusal | None:
    """The first law that an action breaks, or None: then it is legal."""
    return alive(look, me, action) or refusal_of(look, me, action)


def refusal_of(look: Look, me: str, action: Action) -> Refusal | None:
    """`refusal` for somebody who is known to be alive and here."""
    for law in LAWS[action.kind]:
        if (broken := law(look, me, action)) is not None:
            return broken
    return None
