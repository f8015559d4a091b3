"""The shapes of a story's partitions.

Law: types only. A state is JSON; these say what stands where, for reading it.
Parts: the public partitions, a seat, the director's.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypeAlias

from pydantic import JsonValue
from typing_extensions import TypedDict

from .schema import Act, Tone

Status: TypeAlias = Literal["present", "dead", "gone"]
GoalStatus: TypeAlias = Literal["open", "met", "lost"]


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
    tone: NotRequired[Tone]
    """How the chronicle sounds; terse where it does not say."""
    teller: NotRequired[str | None]
    """The character in whose first person it is told."""
    forbids: NotRequired[list[str]]
    """Kinds of action that nobody tries in this story."""


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


class WhyState(TypedDict):
    turn: int
    reasons: list[str]
    """Strongest first."""


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
    why: NotRequired[WhyState]
    """The reasons of the agent that last decided for this character: theirs and the director's to see."""
    reading: NotRequired[dict[str, JsonValue]]
    """What the player's own words may have meant: a `Reading` of `interpret`, until other words are read."""


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
    hand: int
    """Chosen in the first turn: the order of phrases and lines in this play. 0 before."""
    phrases: dict[str, int]
    """How often a kind of thing was told: the memory that keeps the prose from repeating itself."""
    script: ScriptState
