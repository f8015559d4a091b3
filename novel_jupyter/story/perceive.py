"""What characters perceive: the view one decides from, and what a turn leaves in their minds.

Law: a view is made of one character's own partition, of what is plain to see where they are, and of what
everybody in the house knows (its rooms and doors). Nothing else of the state goes in.
Parts: `persona_view`; `sightings` and `memories` (effects for the reducer), `goal_turns`.
"""

from __future__ import annotations

from collections.abc import Iterator

from . import effects as fx
from .brain import PersonaView, PersonSeen, UseSeen
from .dice import Dice
from .look import Look
from .pressure import narrowed
from .rules import legal_actions
from .shapes import GoalState, GoalStatus
from .turn import StoryEvent
from .world import State

_WEIGHTS = {
    "wait": 0,
    "move": 0,
    "observe": 0,
    "free": 1,
    "search": 1,
    "attack": 3,
    "betray": 3,
    "threaten": 2,
    "use": 2,
}
_GRAVE = ("died:", "spoken:", "learned:", "destroyed:", "held:", "betrayed:", "found:")


def persona_view(state: State, character: str, dice: Dice, call: str | None) -> PersonaView:
    """What `character` knows now. Raises KeyError for one who does not act (dead, gone, unknown)."""
    look = Look(state)
    here = look.place(character)
    if here is None or not look.acts(character):
        raise KeyError(character)
    seat, me = look.seat(character), look.people[character]
    known = sorted(
        {*seat["seen"], *look.held_by(character), *look.items_at(here)} | _goal_items(look, character)
    )
    return PersonaView(
        id=character,
        name=me["name"],
        role=me["role"],
        traits=me["traits"],
        goals=seat["goals"],
        secrets=seat["secrets"],
        beliefs=seat["beliefs"],
        seen=seat["seen"],
        relations=seat["relations"],
        memory=tuple(
            entry for _, entry in sorted(seat["memory"].items(), key=lambda kv: (kv[1]["turn"], kv[0]))
        ),
        health=me["health"],
        edge=seat["edge"],
        location=here,
        hidden=look.hidden(character),
        present={
            other: PersonSeen(
                other,
                look.people[other]["name"],
                look.people[other]["role"],
                look.people[other]["health"],
                tuple(look.held_by(other)),
            )
            for other in look.with_(character)
        },
        here=tuple(look.items_at(here)),
        holding=tuple(look.held_by(character)),
        map={
            place: {
                other: None if exit["open"] else exit["locked_by"]
                for other, exit in sorted(look.location(place)["exits"].items())
            }
            for place in sorted(look.stage["locations"])
        },
        uses={
            item: {
                how: UseSeen(use["at"], use["needs"], use["informs"])
                for how, use in sorted(look.ways_to_use(item).items())
            }
            for item in known
            if item not in look.people and item not in look.stage["locations"]
        },
        fixed=frozenset(item for item in known if (what := look.item(item)) and not what["portable"]),
        names={id: look.name(id) for id in sorted({*known, *look.people, *look.stage["locations"]})},
        act=look.stage["scene"]["act"],
        call=call,
        turn=dice.turn,
        options=narrowed(legal_actions(state, character), look.stage["scene"]["act"]),
        luck=dice.luck(character),
    )


def _goal_items(look: Look, character: str) -> set[str]:
    kinds = ("hold", "use", "destroy")
    return {goal["target"] for goal in look.seat(character)["goals"].values() if goal["kind"] in kinds}


def sightings(state: State, turn: int) -> Iterator[fx.Effect]:
    """Everybody notes who and what is where they are, and what is not there any more."""
    look = Look(state)
    for me in sorted(look.people):
        here = look.place(me)
        if here is None or not look.acts(me):
            continue
        seen = look.seat(me)["seen"]
        now: dict[str, tuple[str | None, str | None]] = dict.fromkeys(look.with_(me), (here, None))
        now |= dict.fromkeys(look.items_at(here), (here, None))
        for other in [me, *look.with_(me)]:
            now |= dict.fromkeys(look.held_by(other), (here, other))
        for thing, (location, holder) in sorted(now.items()):
            old = seen.get(thing)
            if old is None or (old["location"], old["holder"]) != (location, holder):
                yield fx.Sighted(me, thing, location, holder, turn)
        for thing, old in sorted(seen.items()):
            gone = thing not in now and thing not in look.stage["locations"]
            if gone and (old["location"] == here or old["holder"] in [me, *look.with_(me)]):
                yield fx.Sighted(me, thing, None, None, turn)


def memories(look: Look, event: StoryEvent, turn: int, witnesses: list[str]) -> Iterator[fx.Effect]:
    """What witnesses of an event remember of it. Idle things leave no trace."""
    kind = str(event.action.get("kind", ""))
    weight = _WEIGHTS.get(kind, 1)
    if any(tag.startswith(_GRAVE) for tag in event.tags):
        weight = max(weight, 2) + 1
    for who in witnesses:
        if weight == 0 and who != event.character:
            continue
        about = [id for id in dict.fromkeys(event.mentions) if id != event.character][:6]
        yield fx.Remembered(
            who,
            f"t{turn:04d}_{event.id}",
            {
                "turn": turn,
                "who": event.character,
                "kind": kind,
                "text": event.reason[:300],
                "about": about,
                "weight": weight,
            },
        )


def goal_turns(state: State) -> Iterator[fx.GoalTurned]:
    """Goals that were met or lost, or are open again."""
    look = Look(state)
    for me in sorted(look.people):
        for id, goal in sorted(look.seat(me)["goals"].items()):
            status = _status(look, me, goal)
            if status != goal["status"]:
                yield fx.GoalTurned(me, id, status)


def _status(look: Look, me: str, goal: GoalState) -> GoalStatus:
    target, kind = goal["target"], goal["kind"]
    if kind in ("hold", "use", "destroy"):
        item = look.stage["items"].get(target)
        if kind == "use" and f"{target}.{goal['how']}" in look.stage["scene"]["deeds"]:
            return "met"
        if item is not None and item["destroyed"]:
            return "met" if kind == "destroy" else "lost"
        if kind == "use" and item is not None and goal["how"] in item["uses"]:
            needed = look.stage["items"].get(item["uses"][goal["how"]]["needs"] or "")
            if needed is not None and needed["destroyed"]:
                return "lost"
        return (
            "met" if kind == "hold" and item is not None and item["holder"] == (goal["by"] or me) else "open"
        )
    if kind == "learn":
        return "met" if look.knows(me, target) else "open"
    if kind in ("reveal", "conceal"):
        public = target in look.stage["facts"]
        return ("met" if kind == "reveal" else "lost") if public else "open"
    if kind == "reach":
        return "met" if look.place(me) == target else "open"
    status = look.people[target]["status"]
    if kind == "protect":
        return "lost" if status == "dead" else "open"
    return "met" if status == "dead" or look.people[target]["health"] <= 1 else "open"
