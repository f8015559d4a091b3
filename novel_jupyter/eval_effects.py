"""What an effect presupposes: knowledge has a source that is there, things pass between hands that can reach.

Law: as `eval_invariants`, of which this is a part: nothing of the laws or the adjudicators is used.
Parts: `broken_effects`.
"""

from __future__ import annotations

from collections.abc import Iterator

from .story import effects as fx
from .story.look import Look
from .story.turn import Json, StoryEvent

_ANYBODYS = fx.Trusted | fx.Edged | fx.Told | fx.Appeared | fx.Sighted | fx.Remembered | fx.GoalTurned


def broken_effects(look: Look, event: StoryEvent, action: Json) -> Iterator[str]:
    """What is wrong with the effects of a deed. `look` is the state just before it."""
    me, here = event.character, look.place(event.character)
    for effect in event.effects:
        match effect:
            case fx.Moved() | fx.Hid() | fx.Departed():
                if effect.character != me:
                    yield f"moved {effect.character}"
            case fx.Hurt():
                if look.place(effect.character) != here:
                    yield f"reached {effect.character} from afar"
            case fx.Held():
                if look.whereabouts(effect.item) != here or look.place(effect.holder) != here:
                    yield f"{effect.item} passed over a distance"
            case fx.Lay():
                if look.whereabouts(effect.item) != here or effect.location != here:
                    yield f"{effect.item} was put down elsewhere"
            case fx.Destroyed() | fx.Done():
                if look.whereabouts(effect.item) != here:
                    yield f"{effect.item} was used from afar"
            case fx.Opened():
                keys = look.location(effect.one)["exits"][effect.other]["locked_by"]
                if keys not in look.held_by(me):
                    yield f"the way to {effect.other} was opened without its key"
            case fx.Learned():
                yield from _learned(look, me, effect)
            case fx.Published():
                knowing = [who for who in look.witnesses(here) if look.knows(who, effect.fact)]
                if me not in knowing and action.get("target") not in knowing:
                    yield f"{effect.fact} was said by nobody who knows it"
            case fx.GoalGained():
                if look.place(effect.character) != here:
                    yield f"{effect.character} was not there and wants something for it"
            case fx.Ticked() | fx.Framed() | fx.Begun():
                yield f"did {type(effect).__name__}, which is the director’s"
            case _:
                assert isinstance(effect, _ANYBODYS)


def _learned(look: Look, me: str, learned: fx.Learned) -> Iterator[str]:
    """A fact comes from somebody who knows it and is there, from the place that one searched, or from an item
    that one used.
    """
    who, source, fact = learned.character, learned.source, learned.fact
    here = look.place(me)
    if look.place(who) != here:
        yield f"{who} learned {fact} from afar"
    if source in look.people:
        if not look.knows(source, fact) or look.place(source) != here:
            yield f"{source} told {fact} without knowing it, or without being there"
    elif source in look.stage["locations"]:
        if source != here or look.stage["director"]["facts"][fact]["found_at"] != here:
            yield f"{fact} is not to be found at {source}"
    elif who != me or not any(
        fact in use["reveals"] for use in look.stage["director"]["script"]["uses"].get(source, {}).values()
    ):
        yield f"{source} does not say {fact}"
