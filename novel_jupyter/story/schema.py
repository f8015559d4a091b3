"""The shape of a story file.

Law: everything is bounded, unknown keys are errors, and whatever can be checked without playing is checked
here or by the loader. Texts in which `{A}` or `[take]` may stand are marked-up phrases, explained in
`english`.
Parts: ids and bounded texts, what stands on stage (locations, characters, items, facts, clocks), conditions
and endings, `Story`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Id: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Name: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=60, strip_whitespace=True)]
Line: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=400, strip_whitespace=True)]
Text: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True)]

Trait: TypeAlias = Literal["bold", "warm", "sharp", "sly", "steady"]
Pronouns: TypeAlias = Literal["she", "he", "they", "it"]
Act: TypeAlias = Literal["setup", "complication", "crisis", "climax"]
ACTS: Final[tuple[Act, ...]] = ("setup", "complication", "crisis", "climax")
Tone: TypeAlias = Literal["terse", "noir", "fairy_tale"]
GoalKind: TypeAlias = Literal[
    "hold", "destroy", "use", "learn", "reveal", "conceal", "protect", "harm", "reach"
]
StrategyName: TypeAlias = Literal["latest_wins", "reject_stale", "add", "union", "merge_text", "append_only"]
VoiceKind: TypeAlias = Literal[
    "ask", "persuade", "threaten", "attack", "help", "betray", "defend", "wait", "take"
]

Forbidden: TypeAlias = Literal["attack", "threaten", "betray", "take"]

PathPattern: TypeAlias = Annotated[
    str,
    StringConstraints(pattern=r"^(/([A-Za-z0-9_:.-]+\*?|\*))*(/\*\*)?$", min_length=2, max_length=200),
]
"""A JSON Pointer in which `*` stands for any part, `abc*` for any that begins so, a final `**` for any
rest.
"""


class Part(BaseModel):
    """Base of every piece of a story file: strict, closed, unchangeable."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


class Style(Part):
    """How the chronicle sounds. The offline storyteller knows these and no others."""

    tone: Tone = "terse"
    tense: Literal["past", "present"] = "past"
    person: Literal["third", "first"] = "third"
    of: Id | None = None
    """For the first person: the character who tells it. It is told in the past tense."""


class Exit(Part):
    description: Line | None = None
    locked_by: Id | None = None
    """The item that opens it. Once opened it stays open, from both sides."""


class Location(Part):
    name: Name
    """Without an article: it is told as `the <name>`."""
    prep: Literal["in", "on", "at"] = "in"
    description: Text
    exits: Annotated[dict[Id, Exit | None], Field(max_length=12)] = {}


class Goal(Part):
    """What somebody wants, in a form that rules can check. `target` is an item, fact, character or location
    by kind.
    """

    kind: GoalKind
    target: Id
    how: Id | None = None
    """For `use`: which use of the item."""
    by: Id | None = None
    """For `hold`: who shall have it, if not the one who wants it."""
    weight: Annotated[int, Field(ge=1, le=3)] = 2
    text: Line


class Character(Part):
    name: Name
    pronouns: Pronouns
    role: Line
    description: Text
    traits: dict[Trait, Annotated[int, Field(ge=-2, le=2)]] = {}
    goals: Annotated[dict[Id, Goal], Field(max_length=6)] = {}
    secrets: Annotated[list[Id], Field(max_length=6)] = []
    """Facts that this character keeps from others."""
    relations: dict[Id, Annotated[int, Field(ge=-3, le=3)]] = {}
    """Trust in others; whom it does not name is 0."""
    belongings: Annotated[list[Id], Field(max_length=8)] = []
    start: Id
    playable: bool = True
    voice: dict[VoiceKind, Annotated[list[Line], Field(max_length=8)]] = {}
    """What this character says when doing something; each line is said once in a play. `{B}` is who it is
    said to.
    """


class Gate(Part):
    """Nothing before a clock stands at `at_least`."""

    clock: Id
    at_least: Annotated[int, Field(ge=1, le=24)]
    reason: Line


class Use(Part):
    """One way to use an item."""

    at: Id | None = None
    needs: Id | None = None
    """Another item that the user must hold, used up by it if `consumes`."""
    consumes: bool = False
    destroys: bool = False
    departs: bool = False
    """The user leaves the story with what they carry."""
    heals: bool = False
    reveals: Annotated[list[Id], Field(max_length=6)] = []
    roll: Trait | None = None
    """The trait that it takes; without one it just works."""
    when: Gate | None = None
    label: Line
    """What a menu says, as in `burn the logbook`."""
    tells: Annotated[list[Line], Field(min_length=1, max_length=8)]
    """How it is told, one phrase is chosen: `{A} [close] the stove on it.`"""


class Item(Part):
    name: Name
    article: Literal["the", ""] = "the"
    description: Line
    portable: bool = True
    weapon: bool = False
    location: Id | None = None
    """Where it lies, unless it is among somebody's belongings."""
    hidden: bool = False
    """Unseen until a search finds it."""
    uses: Annotated[dict[Id, Use], Field(max_length=6)] = {}


class Fact(Part):
    text: Line
    """One full sentence that names people by name."""
    known_by: Annotated[list[Id], Field(max_length=24)] | Literal["everyone"] = []
    about: Annotated[list[Id], Field(max_length=8)] = []
    damning: bool = False
    """Whoever learns it trusts those it is about less."""
    found_at: Id | None = None
    """A location where a search can find it out."""
    found: Line | None = None
    """What the finder sees there."""
    said: dict[Id, Line] = {}
    """How a certain character would say it; others say `text`."""


class Clock(Part):
    name: Name
    segments: Annotated[int, Field(ge=4, le=24)]
    per_turn: Annotated[int, Field(ge=0, le=3)] = 1
    on_complication: Annotated[int, Field(ge=0, le=2)] = 0
    """Segments more for a turn in which somebody's attempt went badly."""
    marks: dict[Annotated[int, Field(ge=1, le=24)], Line] = {}
    """What is told when it reaches a segment."""


class Holds(Part):
    kind: Literal["holds"]
    item: Id
    character: Id | None = None
    at: Id | None = None


class Known(Part):
    """A fact is known: openly if `to` is empty, else to each of those characters."""

    kind: Literal["known"]
    fact: Id
    to: list[Id] = []


class Deed(Part):
    """An item was used in a certain way, by a certain character if named."""

    kind: Literal["deed"]
    item: Id
    how: Id
    by: Id | None = None


class Dead(Part):
    """Somebody is dead: that character, or anybody."""

    kind: Literal["dead"]
    character: Id | None = None


class ClockFull(Part):
    """A clock is full, or has come to `at_least`."""

    kind: Literal["clock"]
    clock: Id
    at_least: Annotated[int, Field(ge=1, le=24)] | None = None


class AllOf(Part):
    kind: Literal["all"]
    of: Annotated[list[Condition], Field(min_length=2, max_length=4)]


Condition: TypeAlias = Annotated[Holds | Known | Deed | Dead | ClockFull | AllOf, Field(discriminator="kind")]


class Ending(Part):
    title: Name
    when: Condition
    text: Text
    """The closing paragraph. `{A}` is who brought it about, if somebody did."""


class Opening(Part):
    location: Id
    mood: Name
    text: Text


class Story(Part):
    """A whole story file. References between its parts are checked by `loader`."""

    id: Id
    title: Name
    premise: Text
    style: Style = Style()
    forbids: Annotated[list[Forbidden], Field(max_length=4)] = []
    """What nobody does in this story; where `attack` is among it, nobody comes to harm at all."""
    opening: Opening
    locations: Annotated[dict[Id, Location], Field(min_length=1, max_length=40)]
    characters: Annotated[dict[Id, Character], Field(min_length=1, max_length=24)]
    items: Annotated[dict[Id, Item], Field(max_length=80)] = {}
    facts: Annotated[dict[Id, Fact], Field(max_length=120)] = {}
    clocks: Annotated[dict[Id, Clock], Field(min_length=1, max_length=6)]
    """The first one paces the acts."""
    beats: dict[Literal["complication", "crisis", "climax"], Annotated[list[Line], Field(max_length=6)]] = {}
    """What the director says when an act begins; one is chosen."""
    endings: Annotated[dict[Id, Ending], Field(min_length=1, max_length=12)]
    """Looked at in this order; at least one must be a clock alone, so that every story ends."""
    merge: Annotated[dict[PathPattern, StrategyName], Field(max_length=40)] = {}


AllOf.model_rebuild()
