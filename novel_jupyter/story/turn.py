"""What goes into a turn and what comes out of it.

Law: values only. A turn takes a frozen `TurnInput` and returns a `TurnOutcome`; cancelling it leaves
nothing behind. What is secret about an action is an event of its own, for its own audience; the open part
never holds it.
Parts: `TurnInput`, `StoryEvent`, `TurnOutcome` and its wire form, `TurnRecord` and `Narrative` (the
chronicler's input and output), `ActionResult`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from pydantic import JsonValue

from .effects import Effect
from .usage import MadeBy as MadeBy
from .usage import Usage as Usage
from .world import State

if TYPE_CHECKING:
    from .brain import Decided

Audience: TypeAlias = Literal["everyone", "director"] | list[str]
OutcomeName: TypeAlias = Literal["success", "cost", "complication", "failure", "refused"]
By: TypeAlias = Literal["player", "agent", "understudy", "director"]
Json: TypeAlias = dict[str, JsonValue]
Progress: TypeAlias = Callable[[str, str], None]
"""`progress(agent_name, text)`: what an agent is doing, for people to see. Must not block."""

DIRECTOR = "director"
"""The `character` of what nobody did: clocks, scenes, endings."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a person wants their character to do. `action` is a wire object, checked when it is its turn."""

    action: Mapping[str, JsonValue]
    user_id: str
    overruled: bool = False
    """Whoever directs chose this action in the player's place."""

    @property
    def by(self) -> By:
        """Whose choice it is."""
        return "director" if self.overruled else "player"


@dataclass(frozen=True, slots=True)
class TurnInput:
    """One attempt at one turn, frozen."""

    state: State
    turn: int
    attempt: int
    branch: str
    seed: str
    proposals: Mapping[str, Proposal] = field(default_factory=dict)
    agents: frozenset[str] = frozenset()
    """Characters that agents decide for; a proposal for one of them wins over its agent."""
    understudies: frozenset[str] = frozenset()
    """Those of `agents` whose seat has an owner."""
    immediate: bool = False
    """Adjudicate as it comes: if every proposal is refused, nobody else acts and the turn is not over."""


@dataclass(frozen=True, slots=True)
class Roll:
    dice: tuple[int, int]
    modifier: int

    @property
    def total(self) -> int:
        return sum(self.dice) + self.modifier

    def to_json(self) -> Json:
        return {"dice": list(self.dice), "modifier": self.modifier, "total": self.total}


@dataclass(frozen=True, slots=True)
class Beat:
    """One thing to tell of an event. `key` names a shelf of the phrase bank, `n` how often it was used
    before.
    """

    key: str
    n: int
    slots: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> Json:
        return {"key": self.key, "n": self.n, "slots": dict(self.slots)}

    @staticmethod
    def from_json(raw: Mapping[str, JsonValue]) -> Beat:
        return Beat(str(raw["key"]), cast(int, raw["n"]), cast(dict[str, str], raw["slots"]))


@dataclass(frozen=True, slots=True)
class StoryEvent:
    """What came of one action, as one audience may know it. `id` is unique in its turn."""

    id: str
    character: str
    action: Json
    outcome: OutcomeName
    reason: str
    """In words, past tense, names in full: what a player, a memory or a model reads."""
    by: By
    audience: Audience = "everyone"
    roll: Roll | None = None
    location: str | None = None
    tags: tuple[str, ...] = ()
    """What really changed: `hurt:mara`, `died:corwin`, `destroyed:logbook`, `learned:<fact>`, …"""
    mentions: tuple[str, ...] = ()
    """Ids of all characters, items, locations and facts it is about: what its prose may name."""
    beats: tuple[Beat, ...] = ()
    effects: tuple[Effect, ...] = ()
    """What it changes, for `reduce`; the wire has it as patches."""

    def to_json(self) -> Json:
        """An outcome of the wire's `turn_result`."""
        raw: Json = {
            "id": self.id,
            "character": self.character,
            "action": self.action,
            "outcome": self.outcome,
            "reason": self.reason,
            "by": self.by,
            "audience": cast(JsonValue, self.audience),
            "facts": {
                "location": self.location,
                "tags": list(self.tags),
                "mentions": list(self.mentions),
                "beats": [beat.to_json() for beat in self.beats],
            },
        }
        if self.roll:
            raw["roll"] = self.roll.to_json()
        return raw

    @staticmethod
    def from_json(raw: Mapping[str, JsonValue]) -> StoryEvent:
        """The event of an outcome that `to_json` made. Raises KeyError for what it did not make."""
        facts = cast(Json, raw["facts"])
        roll = cast(Json | None, raw.get("roll"))
        dice = cast(list[int], roll["dice"]) if roll else [0, 0]
        return StoryEvent(
            id=str(raw["id"]),
            character=str(raw["character"]),
            action=cast(Json, raw["action"]),
            outcome=cast(OutcomeName, raw["outcome"]),
            reason=str(raw["reason"]),
            by=cast(By, raw["by"]),
            audience=cast(Audience, raw["audience"]),
            roll=Roll((dice[0], dice[1]), cast(int, roll["modifier"])) if roll else None,
            location=cast(str | None, facts["location"]),
            tags=tuple(cast(list[str], facts["tags"])),
            mentions=tuple(cast(list[str], facts["mentions"])),
            beats=tuple(Beat.from_json(cast(Json, beat)) for beat in cast(list[JsonValue], facts["beats"])),
        )


@dataclass(frozen=True, slots=True)
class Ended:
    ending: str
    title: str
    reason: str

    def to_json(self) -> Json:
        return {"ending": self.ending, "title": self.title, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Change:
    """A patch that writes only partitions of exactly this audience."""

    audience: Audience
    patch: list[Json]

    def to_json(self) -> Json:
        return {"audience": cast(JsonValue, self.audience), "patch": cast(JsonValue, self.patch)}


@dataclass(frozen=True, slots=True)
class Cast:
    """What prose may know of a thing that has a name: nothing that is not public."""

    kind: Literal["character", "item", "location"]
    name: str
    article: str = ""
    pronouns: str = "it"
    prep: str = "in"


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """All that a chronicler reads: the open events of a turn and the names in them. JSON, so any host can
    go on.
    """

    turn: int
    attempt: int
    branch: str
    seed: str
    tense: str
    events: tuple[StoryEvent, ...]
    names: Mapping[str, Cast]
    withheld: tuple[str, ...] = ()
    """Texts of facts that are not public: for the checker only, never for a brain."""
    hand: int = 0
    """The order of phrases in this play."""
    telling: int = 0
    """How often this turn was told before: a retelling takes other words."""
    tone: str = "terse"
    teller: str | None = None
    """The character in whose first person it is told."""
    asides: tuple[StoryEvent, ...] = ()
    """What only seats may know: for their own tellings, never for the public one (see `audiences`)."""
    witnesses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Event → the characters who were there."""
    recent: tuple[str, ...] = ()
    """Prose of the turns just before, and of this one as it was told: its sentences are not said again. Not
    part of what is kept: whoever tells reads it from the session."""
    so_far: str = ""
    """What happened before, in a few lines (see `summary`). Not kept either."""

    def to_json(self) -> Json:
        return {
            "turn": self.turn,
            "attempt": self.attempt,
            "branch": self.branch,
            "seed": self.seed,
            "tense": self.tense,
            "events": [event.to_json() for event in self.events],
            "names": {id: asdict(name) for id, name in sorted(self.names.items())},
            "withheld": list(self.withheld),
            "hand": self.hand,
            "telling": self.telling,
            "tone": self.tone,
            "teller": self.teller,
            "asides": [event.to_json() for event in self.asides],
            "witnesses": {id: list(who) for id, who in sorted(self.witnesses.items())},
        }

    @staticmethod
    def from_json(raw: Mapping[str, JsonValue]) -> TurnRecord:
        """The record that `to_json` made. Raises KeyError or TypeError for anything else."""
        names = cast(dict[str, dict[str, str]], raw["names"])
        return TurnRecord(
            turn=cast(int, raw["turn"]),
            attempt=cast(int, raw["attempt"]),
            branch=str(raw["branch"]),
            seed=str(raw["seed"]),
            tense=str(raw["tense"]),
            events=tuple(
                StoryEvent.from_json(cast(Json, event)) for event in cast(list[JsonValue], raw["events"])
            ),
            names={id: Cast(**name) for id, name in names.items()},  # type: ignore[arg-type]  # own JSON
            withheld=tuple(cast(list[str], raw["withheld"])),
            hand=cast(int, raw["hand"]),
            telling=cast(int, raw["telling"]),
            # Sessions that were begun by an older version kept less.
            tone=str(raw.get("tone", "terse")),
            teller=cast(str | None, raw.get("teller")),
            asides=tuple(
                StoryEvent.from_json(cast(Json, event))
                for event in cast(list[JsonValue], raw.get("asides", []))
            ),
            witnesses={
                id: tuple(who) for id, who in cast(dict[str, list[str]], raw.get("witnesses", {})).items()
            },
        )


@dataclass(frozen=True, slots=True)
class TurnOutcome:
    """A resolved turn: what happened, what it changes for whom, and what its chronicler needs."""

    turn: int
    attempt: int
    events: tuple[StoryEvent, ...]
    changes: tuple[Change, ...]
    state: State
    """The state after it, for whoever goes on without a server."""
    turn_complete: bool
    ended: Ended | None
    made_by: MadeBy
    record: TurnRecord
    reasons: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Character → why its agent chose what it chose, strongest first. Not part of the wire form."""
    decisions: Mapping[str, Decided] = field(default_factory=dict)
    """Character → what its agent saw and chose. Not part of the wire form either."""

    def _outcome(self, event: StoryEvent) -> Json:
        """Of what is open, only those who were there are told; nobody witnesses the director."""
        seen = self.record.witnesses.get(event.id) if event.audience == "everyone" else None
        return {**event.to_json(), "witnesses": list(seen)} if seen is not None else event.to_json()

    def to_wire(self, *, token: int, base: int) -> Json:
        """The `turn_result` of the wire. `token` is the lease, `base` the sequence_id that the agents saw."""
        return {
            "turn": self.turn,
            "attempt": self.attempt,
            "token": token,
            "base": base,
            "outcomes": [self._outcome(event) for event in self.events],
            "changes": [change.to_json() for change in self.changes],
            "turn_complete": self.turn_complete,
            "ended": self.ended.to_json() if self.ended else None,
            "made_by": self.made_by.to_json(),
        }


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What came of one person's action (the `immediate` policy)."""

    state_updates: tuple[Change, ...]
    outcome: OutcomeName
    reason: str
    turn_complete: bool
    turn: TurnOutcome


@dataclass(frozen=True, slots=True)
class Sentence:
    """One checked sentence. `paragraph`: it begins one. `fallback`: its words stand in for others."""

    text: str
    events: tuple[str, ...]
    paragraph: bool = False
    fallback: bool = field(default=False, compare=False)

    def to_json(self) -> Json:
        return {"text": self.text, "events": list(self.events)}


@dataclass(frozen=True, slots=True)
class SeatNarrative:
    """The turn as one character witnessed it: for the player of that seat."""

    character: str
    text: str
    sentences: tuple[Sentence, ...]

    def to_json(self) -> Json:
        return {"text": self.text, "sentences": [sentence.to_json() for sentence in self.sentences]}


@dataclass(frozen=True, slots=True)
class Narrative:
    turn: int
    attempt: int
    text: str
    sentences: tuple[Sentence, ...]
    made_by: MadeBy
    seats: tuple[SeatNarrative, ...] = ()
    so_far: str = ""
    """What happened up to here, this turn included (see `summary`)."""

    def to_wire(self, *, token: int) -> Json:
        """The `narrative` that commits the prose of a turn."""
        return {
            "turn": self.turn,
            "attempt": self.attempt,
            "token": token,
            "text": self.text,
            "sentences": [sentence.to_json() for sentence in self.sentences],
            "made_by": self.made_by.to_json(),
            "seats": {seat.character: seat.to_json() for seat in self.seats},
            "so_far": self.so_far,
        }
