"""The state of a story: its partitions, their shapes, and how it begins.

Law: everything that the engine needs to go on stands in the state, so any host can continue from it; what a
reader must not know stands in no partition that they can read. All values are JSON, all numbers integers,
all growing parts bounded.
Parts: `Stage`, `stage_of` and `seat_of` for typed reading, `initial_state`,
`strategies`, and `misfit` for what people write into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeAlias, cast

from pydantic import JsonValue, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from .schema import Character, Item, Story, StrategyName
from .shapes import (
    CharacterState,
    ClockState,
    DirectorState,
    FactState,
    ItemState,
    LocationState,
    SceneState,
    SeatState,
    Sighting,
    UseState,
)

State: TypeAlias = Mapping[str, JsonValue]

MAX_HEALTH: Final = 3
MAX_MEMORY: Final = 24
"""Entries of a seat's memory; the least important of the oldest goes first."""
MAX_TRUST: Final = 3

STORY_PARTITIONS: Final = (
    "scene",
    "characters",
    "locations",
    "items",
    "facts",
    "clocks",
    "notes",
    "chronicle",
)
"""The public ones; beside them `seat:<character>` and `director`."""


class Stage(TypedDict):
    """The partitions with fixed names, for typed reading of a state."""

    scene: SceneState
    characters: dict[str, CharacterState]
    locations: dict[str, LocationState]
    items: dict[str, ItemState]
    facts: dict[str, FactState]
    clocks: dict[str, ClockState]
    director: DirectorState


def stage_of(state: State) -> Stage:
    """The same state, typed. Nobody writes into what it returns."""
    return cast(Stage, state)


def seat_of(state: State, character: str) -> SeatState:
    """One character's private partition. Raises KeyError if there is no such character."""
    return cast(SeatState, state[f"seat:{character}"])


def _item(item: Item, holder: str | None) -> ItemState:
    return {
        "name": item.name,
        "article": item.article,
        "description": item.description,
        "portable": item.portable,
        "weapon": item.weapon,
        "holder": holder,
        "location": None if holder else item.location,
        "destroyed": False,
        "uses": {
            how: {
                "label": use.label,
                "at": use.at,
                "needs": use.needs,
                "when": use.when.model_dump(mode="json") if use.when else None,
                "informs": bool(use.reveals),
            }
            for how, use in item.uses.items()
        },
    }


def _seat(story: Story, me: str, character: Character) -> SeatState:
    known = {
        id: fact for id, fact in story.facts.items() if fact.known_by == "everyone" or me in fact.known_by
    }
    holders = {item: who for who, other in story.characters.items() for item in other.belongings}
    seen: dict[str, Sighting] = {
        id: {"location": other.start, "holder": None, "turn": 0}
        for id, other in story.characters.items()
        if id != me and other.start == character.start
    }
    for id, item in story.items.items():
        place = story.characters[holders[id]].start if id in holders else item.location
        # What is bolted down is known to everybody who lives here; the rest must be seen.
        if not item.hidden and (not item.portable or place == character.start or holders.get(id) == me):
            seen[id] = {"location": place, "holder": holders.get(id), "turn": 0}
    # Where one lives one has looked already.
    seen[character.start] = {"location": character.start, "holder": None, "turn": 0}
    return {
        "location": character.start,
        "goals": {
            id: {
                "text": goal.text,
                "kind": goal.kind,
                "target": goal.target,
                "how": goal.how,
                "by": goal.by,
                "weight": goal.weight,
                "status": "open",
            }
            for id, goal in character.goals.items()
        },
        "secrets": {id: story.facts[id].text for id in character.secrets},
        "beliefs": {
            id: {
                "text": fact.text,
                "about": fact.about,
                "damning": fact.damning,
                "source": "start",
                "turn": 0,
            }
            for id, fact in known.items()
        },
        "seen": seen,
        "relations": {id: character.relations.get(id, 0) for id in story.characters if id != me},
        "memory": {},
        "edge": 0,
        "notes": "",
    }


def _director(story: Story, holders: Mapping[str, str]) -> DirectorState:
    return {
        "facts": {
            id: {
                "text": fact.text,
                "about": fact.about,
                "damning": fact.damning,
                "found_at": fact.found_at,
                "found": fact.found,
                "said": fact.said,
                "public": fact.known_by == "everyone",
            }
            for id, fact in story.facts.items()
        },
        "items": {
            id: _item(item, None) for id, item in story.items.items() if item.hidden and id not in holders
        },
        "hidden": {},
        "tension": 0,
        "plan": {},
        "endings": {
            id: {"title": ending.title, "when": ending.when.model_dump(mode="json"), "text": ending.text}
            for id, ending in story.endings.items()
        },
        "hand": 0,
        "phrases": {},
        "script": {
            "uses": {
                id: {
                    how: cast(UseState, use.model_dump(mode="json", include=set(UseState.__annotations__)))
                    for how, use in item.uses.items()
                }
                for id, item in story.items.items()
            },
            "voice": {
                id: {kind: list(lines) for kind, lines in character.voice.items()}
                for id, character in story.characters.items()
            },
            "beats": {act: list(lines) for act, lines in story.beats.items()},
            "pace": {
                id: {
                    "per_turn": clock.per_turn,
                    "on_complication": clock.on_complication,
                    "marks": {str(segment): line for segment, line in clock.marks.items()},
                }
                for id, clock in story.clocks.items()
            },
            "lead_clock": next(iter(story.clocks)),
        },
    }


def initial_state(story: Story) -> dict[str, JsonValue]:
    """The story partitions of a new session. The rules' own partitions are not the story's business."""
    holders = {item: who for who, character in story.characters.items() for item in character.belongings}
    stage: Stage = {
        "scene": {
            "location": story.opening.location,
            "mood": story.opening.mood,
            "text": story.opening.text,
            "act": "setup",
            "focus": [],
            "deeds": {},
            "tense": story.style.tense,
            "tone": story.style.tone,
            "teller": story.style.of if story.style.person == "first" else None,
            "forbids": list(story.forbids),
        },
        "characters": {
            id: {
                "name": character.name,
                "pronouns": character.pronouns,
                "role": character.role,
                "description": character.description,
                "traits": {str(trait): value for trait, value in character.traits.items()},
                "location": character.start,
                "status": "present",
                "health": MAX_HEALTH,
            }
            for id, character in story.characters.items()
        },
        "locations": {
            id: {
                "name": place.name,
                "prep": place.prep,
                "description": place.description,
                "exits": {
                    other: {
                        "description": exit.description if exit else None,
                        "locked_by": exit.locked_by if exit else None,
                        "open": not (exit and exit.locked_by),
                    }
                    for other, exit in place.exits.items()
                },
            }
            for id, place in story.locations.items()
        },
        "items": {
            id: _item(item, holders.get(id))
            for id, item in story.items.items()
            if not item.hidden or id in holders
        },
        "facts": {
            id: {"text": fact.text, "about": fact.about, "damning": fact.damning}
            for id, fact in story.facts.items()
            if fact.known_by == "everyone"
        },
        "clocks": {
            id: {"name": clock.name, "value": 0, "segments": clock.segments}
            for id, clock in story.clocks.items()
        },
        "director": _director(story, holders),
    }
    state = cast(dict[str, JsonValue], dict(stage))
    state["notes"] = {"scene": ""}
    state["chronicle"] = {}
    for id, character in story.characters.items():
        state[f"seat:{id}"] = cast(JsonValue, _seat(story, id, character))
    return state


_STRATEGIES: Final[Mapping[str, StrategyName]] = {
    "/scene/mood": "latest_wins",
    "/scene/text": "merge_text",
    "/scene/act": "reject_stale",
    "/scene/deeds/**": "reject_stale",
    "/characters/*/health": "reject_stale",
    "/characters/*/status": "reject_stale",
    "/characters/*/location": "reject_stale",
    "/characters/*/description": "merge_text",
    "/items/*/holder": "reject_stale",
    "/items/*/location": "reject_stale",
    "/clocks/*/value": "add",
    "/notes/*": "merge_text",
    "/chronicle/**": "append_only",
    "/facts/*/about": "union",
    "/seat:*/notes": "merge_text",
    "/seat:*/relations/*": "add",
}


def strategies(story: Story) -> dict[str, StrategyName]:
    """Path pattern → how concurrent edits of it are merged: the engine's own, then what the story declares.

    In a pattern `*` stands for any one part or for the rest of a part (`seat:*`), a final `**` for any rest.
    """
    return {**_STRATEGIES, **story.merge}


_SHAPES: Final[Mapping[str, TypeAdapter[object]]] = MappingProxyType(
    {
        "scene": TypeAdapter(SceneState),
        "characters": TypeAdapter(dict[str, CharacterState]),
        "locations": TypeAdapter(dict[str, LocationState]),
        "items": TypeAdapter(dict[str, ItemState]),
        "facts": TypeAdapter(dict[str, FactState]),
        "clocks": TypeAdapter(dict[str, ClockState]),
        "director": TypeAdapter(DirectorState),
    }
)
_SEAT: Final[TypeAdapter[object]] = TypeAdapter(SeatState)
ENTITIES: Final = ("characters", "locations", "items", "clocks")


def misfit(before: State, after: State, partition: str) -> str | None:
    """Why the agents could not play on with an edited partition, or None: a shape that is not its own, or
    something taken out that others speak of. Notes are free.
    """
    shape = _SEAT if partition.startswith("seat:") else _SHAPES.get(partition)
    if shape is None:
        return None
    try:
        shape.validate_python(after.get(partition), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        return f"/{partition}/{'/'.join(map(str, first['loc']))}: {first['msg']}"
    old, new = before.get(partition), after.get(partition)
    if isinstance(old, dict) and isinstance(new, dict) and partition in ENTITIES:
        missing = sorted(old.keys() - new.keys())
        if missing:
            return f"/{partition}/{missing[0]}: others speak of it; it can be changed, not removed"
    return None
