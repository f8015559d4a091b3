"""The state of a story: its partitions, their shapes, and how it begins.

Law: everything that the engine needs to go on stands in the state, so any host can continue from it; what a
reader must not know stands in no partition that they can read. All values are JSON, all numbers integers,
all growing parts bounded.
Parts: typed dictionaries of the partitions, `stage_of` and `seat_of` for typed reading, `initial_state`,
`strategies`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, cast

from pydantic import JsonValue
from typing_extensions import TypedDict

from .schema import Act, Character, Item, Story, StrategyName

State: TypeAlias = Mapping[str, JsonValue]
Status: TypeAlias = Literal["present", "dead", "gone"]
GoalStatus: TypeAlias = Literal["open", "met", "lost"]

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


class SceneState(TypedDict):
    location: str
    mood: str
    text: str
    act: Act
    focus: list[str]
    """The characters between whom most is at stake now."""
    deeds: dict[str, str]
    """`<item>.<how>` → who did it first."""
    tense: Literal["past", "present"]


class CharacterState(TypedDict):
    name: str
    pronouns: Literal["she", "he", "they", "it"]
    role: str
    description: str
    traits: dict[str, int]
    location: str | None
    """None while hidden, and once gone."""
    status: Status
    health: int


class ExitState(TypedDict):
    description: str | None
    locked_by: str | None
    open: bool


class LocationState(TypedDict):
    name: str
    prep: Literal["in", "on", "at"]
    description: str
    exits: dict[str, ExitState]


class WayState(TypedDict):
    """What anybody can see of a way to use an item: what a menu says, where, with what, from when."""

    label: str
    at: str | None
    needs: str | None
    when: dict[str, JsonValue] | None
    informs: bool
    """Whether one would learn something by it."""


class ItemState(TypedDict):
    """Exactly one of `holder`, `location` is set, unless it is `destroyed`."""

    name: str
    article: str
    description: str
    portable: bool
    weapon: bool
    holder: str | None
    location: str | None
    destroyed: bool
    uses: dict[str, WayState]


class FactState(TypedDict):
    text: str
    about: list[str]
    damning: bool


class HiddenFact(FactState):
    found_at: str | None
    found: str | None
    said: dict[str, str]
    public: bool
    """Spoken openly; then it stands in `facts` too."""


class ClockState(TypedDict):
    name: str
    value: int
    segments: int


class GoalState(TypedDict):
    text: str
    kind: str
    target: str
    how: str | None
    by: str | None
    weight: int
    status: GoalStatus


class BeliefState(TypedDict):
    """A fact that a character knows. `source`: `start`, a location, an item, or who said it."""

    text: str
    about: list[str]
    damning: bool
    source: str
    turn: int


class Sighting(TypedDict):
    """Where an item or a person was last seen; for items `holder` may be somebody."""

    location: str | None
    holder: str | None
    turn: int


class MemoryState(TypedDict):
    turn: int
    who: str
    kind: str
    """What they did: the kind of an action."""
    text: str
    about: list[str]
    weight: int


class SeatState(TypedDict):
    location: str | None
    goals: dict[str, GoalState]
    secrets: dict[str, str]
    beliefs: dict[str, BeliefState]
    seen: dict[str, Sighting]
    relations: dict[str, int]
    memory: dict[str, MemoryState]
    edge: int
    """What the next attempt gains or loses: from help, or from a fright."""
    notes: str


class UseState(TypedDict):
    """What comes of using an item."""

    consumes: bool
    destroys: bool
    departs: bool
    heals: bool
    reveals: list[str]
    roll: str | None
    tells: list[str]


class EndingState(TypedDict):
    title: str
    when: dict[str, JsonValue]
    text: str


class ScriptState(TypedDict):
    """What the story file says and play does not change."""

    uses: dict[str, dict[str, UseState]]
    voice: dict[str, dict[str, list[str]]]
    beats: dict[str, list[str]]
    pace: dict[str, JsonValue]
    """Clock → {per_turn, on_complication, marks}."""
    lead_clock: str


class DirectorState(TypedDict):
    facts: dict[str, HiddenFact]
    items: dict[str, ItemState]
    """Hidden items, until somebody finds them."""
    hidden: dict[str, str]
    """Characters out of sight → where they really are."""
    tension: int
    """0 … 100."""
    plan: dict[str, JsonValue]
    endings: dict[str, EndingState]
    phrases: dict[str, int]
    """How often a kind of thing was told: the memory that keeps the prose from repeating itself."""
    script: ScriptState


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
