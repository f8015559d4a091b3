"""What must hold in every turn, whoever plays: a second opinion on the engine.

Law: nothing of the laws, the adjudicators or the agents is used, only the reducer that replays the events, so
a mistake there is seen here. Each finding is one sentence.
Parts: `broken_by`; below, what is asked of deeds, of effects, of the state that they leave, and of the wire.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from .core.events import audience_of_patch
from .core.patch import apply_patch
from .eval_effects import broken_effects
from .story import effects as fx
from .story.look import REACH, Look
from .story.reduce import reduce
from .story.turn import DIRECTOR, Json, StoryEvent, TurnInput, TurnOutcome
from .story.world import MAX_HEALTH, MAX_MEMORY, MAX_TRUST, State, stage_of

_FACING: Final = frozenset("ask tell persuade threaten give attack defend help betray".split())
_REPLAYED: Final = ("characters", "items", "locations", "facts", "clocks", "scene")


def broken_by(given: TurnInput, outcome: TurnOutcome) -> list[str]:
    """Everything that a turn breaks; empty if it keeps to the rules."""
    return [*_events(given, outcome), *_left(given.state, outcome), *_wire(given.state, outcome)]


def _events(given: TurnInput, outcome: TurnOutcome) -> Iterator[str]:
    """Replay the events, and look at each before it happens."""
    state, acted = given.state, set[str]()
    for index, event in enumerate(outcome.events):
        look, me = Look(state), event.character
        who = f"{event.id} ({me}, {event.action.get('kind')})"
        if me == DIRECTOR:
            yield from (f"{who}: {what}" for what in _directed(given, look, event))
        elif me not in acted and event.outcome != "refused":
            acted.add(me)
            action = {**_secret_half(outcome.events[index + 1 :], me), **event.action}
            if me not in given.agents and me not in given.proposals:
                yield f"{who}: nobody plays them"
            if not _alive(look, me):
                yield f"{who}: the dead or absent acted"
            else:
                wrong = list(_deed(look, me, action, event))
                if _changes_nothing(event):
                    # Somebody may have been quicker; what could not be done when the turn began is wrong.
                    # What was about to be said stays unsaid, so it is not there to be looked at.
                    then = [*_deed(Look(given.state), me, action, event)]
                    wrong = [what for what in wrong if what in then and what != "said nothing"]
                yield from (f"{who}: {what}" for what in wrong)
                yield from (f"{who}: {what}" for what in broken_effects(look, event, action))
        elif event.effects and any(not isinstance(effect, fx.Told) for effect in event.effects):
            yield f"{who}: acted twice, or a refusal changed something"
        state = reduce(state, event)
    for name in _REPLAYED:
        if state[name] != outcome.state[name]:
            yield f"replaying the events gives another {name}"


def _secret_half(later: tuple[StoryEvent, ...], me: str) -> Json:
    return dict(later[0].action) if later and later[0].character == me else {}


def _changes_nothing(event: StoryEvent) -> bool:
    """What was tried did not happen."""
    idle = fx.Told | fx.Edged | fx.Appeared
    return event.outcome == "failure" and all(isinstance(effect, idle) for effect in event.effects)


def _alive(look: Look, who: str) -> bool:
    person = look.people.get(who)
    return person is not None and person["status"] == "present" and person["health"] > 0


def _seen(look: Look, me: str, other: object) -> bool:
    """Whether one stands before the other, in the open."""
    return (
        isinstance(other, str)
        and other in look.people
        and other != me
        and _alive(look, other)
        and look.people[other]["location"] == look.place(me)
    )


def _directed(given: TurnInput, look: Look, event: StoryEvent) -> Iterator[str]:
    """The director moves clocks and scenes, and of people only those whom agents play."""
    allowed = fx.Framed | fx.Ticked | fx.Begun | fx.Told | fx.Moved
    for effect in event.effects:
        if not isinstance(effect, allowed):
            yield f"the director did {type(effect).__name__}"
        if isinstance(effect, fx.Moved):
            if effect.character in given.proposals or effect.character not in given.agents:
                yield f"the director moved {effect.character}, whom somebody plays"
            if effect.to not in _reach(look, effect.character, 99, keys=False):
                yield f"the director took {effect.character} through a closed door"


def _reach(look: Look, who: str, steps: int, *, keys: bool = True) -> set[str]:
    """Where one can get to in so many steps."""
    mine = look.held_by(who) if keys else []
    start = look.place(who)
    reached = {start} if start else set()
    for _ in range(min(steps, len(look.stage["locations"]))):
        reached |= {
            other
            for here in reached
            for other, exit in look.location(here)["exits"].items()
            if exit["open"] or exit["locked_by"] in mine
        }
    return reached


def _deed(look: Look, me: str, action: Json, event: StoryEvent) -> Iterator[str]:
    """What a deed presupposes."""
    kind, target, here = str(action["kind"]), action.get("target"), look.place(me)
    if event.location != here:
        yield f"happened at {event.location}, not where they are"
    if kind in look.forbids:
        yield f"nobody does {kind} in this story"
    if kind in _FACING and target is not None and not _seen(look, me, target):
        yield f"{target} is not there to be faced"
    if (
        kind in ("observe", "search")
        and target not in (None, here)
        and not (kind == "observe" and _seen(look, me, target))
    ):
        yield f"{target} is not where they are"
    if kind == "move" and (target == here or target not in _reach(look, me, REACH)):
        yield f"there is no way to {target}"
    if kind == "tell":
        yield from _telling(look, me, action)
    if kind == "betray":
        yield from _betrayal(look, me, action)
    if kind in ("give", "take", "use"):
        yield from _handling(look, me, kind, action)


def _telling(look: Look, me: str, action: Json) -> Iterator[str]:
    fact = action.get("fact")
    if fact is None and action.get("text") is None:
        yield "said nothing"
    if fact is not None and not look.knows(me, str(fact)):
        yield f"told {fact}, which they do not know"
    if action.get("quietly") and action.get("target") is None:
        yield "whispered to nobody"
    if not look.with_(me):
        yield "spoke with nobody there"


def _betrayal(look: Look, me: str, action: Json) -> Iterator[str]:
    target, about = str(action["target"]), cast(str | None, action.get("about"))
    if look.trust(target, me) < 1:
        yield f"betrayed {target}, who does not trust them"
    if about is not None and about not in look.held_by(target) and not look.knows(me, about):
        yield f"betrayed with {about}, which is neither held nor known"


def _handling(look: Look, me: str, kind: str, action: Json) -> Iterator[str]:
    name = str(action["item"])
    item, here = look.stage["items"].get(name), look.place(me)
    if item is None or item["destroyed"]:
        yield f"{name} is not there"
        return
    fixed_here = not item["portable"] and item["location"] == here
    if kind != "take" and item["holder"] != me and not (kind == "use" and fixed_here):
        yield f"{name} is not in their hands"
    if kind == "take" and not item["portable"]:
        yield f"{name} cannot be carried"
    if kind == "take" and item["location"] != here and not _seen(look, me, item["holder"]):
        yield f"{name} is not within reach"
    if kind == "use":
        yield from _use(look, me, name, cast(str | None, action.get("how")))


def _use(look: Look, me: str, item: str, how: str | None) -> Iterator[str]:
    uses = look.stage["items"][item]["uses"]
    how = next(iter(uses), None) if how is None and len(uses) == 1 else how
    if how not in uses:
        yield f"{item} has no use {how}"
        return
    way = uses[how]
    if way["at"] not in (None, look.place(me)):
        yield f"{item}.{how} cannot be done here"
    if way["needs"] is not None and way["needs"] not in look.held_by(me):
        yield f"{item}.{how} takes {way['needs']}"
    when = cast(Mapping[str, Any] | None, way["when"])
    if when and look.stage["clocks"][when["clock"]]["value"] < when["at_least"]:
        yield f"{item}.{how} came before its time"


def _left(before: State, outcome: TurnOutcome) -> Iterator[str]:
    """What may stand in a state."""
    old, new, look = stage_of(before), stage_of(outcome.state), Look(outcome.state)
    hidden = new["director"]["items"]
    if {*new["items"], *hidden} != {*old["items"], *old["director"]["items"]}:
        yield "an item came from nowhere, or is lost"
    if set(new["items"]) & set(hidden):
        yield "an item is hidden and in sight"
    for id, item in new["items"].items():
        places = [item["holder"] is not None, item["location"] is not None, item["destroyed"]]
        if places.count(True) != 1:
            yield f"{id} is in {places.count(True)} places"
        if item["holder"] is not None and new["characters"][item["holder"]]["status"] == "dead":
            yield f"{id} is held by the dead"
        if old["items"].get(id, item)["destroyed"] and not item["destroyed"]:
            yield f"{id} came back"
    for id, person in new["characters"].items():
        if not 0 <= person["health"] <= MAX_HEALTH or (person["status"] == "dead") != (person["health"] == 0):
            yield f"{id} has health {person['health']} and is {person['status']}"
        if old["characters"][id]["status"] != "present" and person["status"] == "present":
            yield f"{id} came back"
        yield from _mind(before, outcome, look, id)
    for id, clock in new["clocks"].items():
        if not old["clocks"][id]["value"] <= clock["value"] <= clock["segments"]:
            yield f"clock {id} went to {clock['value']}"


def _mind(before: State, outcome: TurnOutcome, look: Look, who: str) -> Iterator[str]:
    """Beliefs and memories come from what one witnessed, and feelings stay in bounds."""
    seat, old = look.seat(who), Look(before).seat(who)
    learned = {
        effect.fact
        for event in outcome.events
        for effect in event.effects
        if isinstance(effect, fx.Learned) and effect.character == who
    }
    if not set(old["beliefs"]) <= set(seat["beliefs"]) <= {*old["beliefs"], *learned}:
        yield f"{who} knows what nobody told them, or forgot"
    if any(abs(trust) > MAX_TRUST for trust in seat["relations"].values()) or abs(seat["edge"]) > 2:
        yield f"{who} feels too much"
    if len(seat["memory"]) > MAX_MEMORY:
        yield f"{who} remembers too much"
    events = {f"t{outcome.turn:04d}_{event.id}": event for event in outcome.events}
    for key in seat["memory"].keys() - old["memory"].keys():
        event = events.get(key)
        if event is None or (event.audience != "everyone" and who not in event.audience):
            yield f"{who} remembers {key}, which was not for them"


def _wire(before: State, outcome: TurnOutcome) -> Iterator[str]:
    """The patches lead to the state, each for its own audience, and nothing open says what nobody said."""
    folded: Any = before
    for change in outcome.changes:
        ops: Any = json.loads(json.dumps(change.patch))
        if audience_of_patch(ops) != [change.audience]:
            yield f"a patch for {change.audience} writes for somebody else"
        folded = apply_patch(folded, ops)
    if folded != outcome.state:
        yield "the patches do not lead to the state"
    opened = json.dumps(
        [event.to_json() for event in outcome.events if event.audience == "everyone"], ensure_ascii=False
    )
    for fact, what in stage_of(outcome.state)["director"]["facts"].items():
        if not what["public"] and (what["text"] in opened or f'"{fact}"' in opened):
            yield f"everybody reads {fact}, which nobody said"
