"""The nouns of a session, and the shape of its state.

Law: a state is a plain JSON object that nobody changes in place; it is the fold of the patches of its log
(SPEC R1).
Parts: names and roles, `Head`, partitions and who may read them (`partition_audience`), views, and typed
dictionaries for the partitions that the rules own. Story partitions are the story engine's; the rules only
carry them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NotRequired, TypeAlias

from typing_extensions import TypedDict

from .frozen import frozen
from .patch import JsonValue

Role: TypeAlias = Literal["owner", "director", "player", "spectator"]
ROLES: tuple[Role, ...] = ("owner", "director", "player", "spectator")
TurnPolicy: TypeAlias = Literal["immediate", "round", "vote"]
Phase: TypeAlias = Literal[
    "lobby", "collect", "locked", "resolving", "narrating", "review", "paused", "failed", "ended"
]
Audience: TypeAlias = Literal["everyone", "onlookers", "director", "sealed"] | list[str]
State: TypeAlias = Mapping[str, JsonValue]

EVERYONE: Literal["everyone"] = "everyone"
DIRECTOR: Literal["director"] = "director"
SEALED: Literal["sealed"] = "sealed"
ONLOOKERS: Literal["onlookers"] = "onlookers"
"""Everybody who plays no character: who plays one reads what that character witnessed instead."""

CHARACTER_ID = re.compile(r"^[a-z][a-z0-9_]{0,31}$")
"""Ids of characters, items and locations."""

RULE_PARTITIONS = frozenset(
    {
        "session",
        "participants",
        "seats",
        "turn",
        "host",
        "turns",
        "branches",
        "conflicts",
        "suggestions",
        "chat",
        "sealed",
        "onlookers",
    }
)
"""Partitions that only the rules write; undo leaves them. Every other partition belongs to the story."""


@frozen
class Head:
    """Where a history stands: `epoch` names it, `sequence_id` counts its events from 1, `hash` chains them.

    An empty history has `sequence_id` 0. The hash is opaque to clients, which echo what they were given.
    """

    epoch: str
    sequence_id: int
    hash: str


class ParticipantState(TypedDict):
    name: str
    role: Role
    joined_at: str
    view_since: int
    """sequence_id at which this person's view last changed: a client that is older gets a `full_sync`."""
    sees_all: NotRequired[bool]
    guest: NotRequired[int]
    """The invite by which somebody without an account came."""
    has_peeked: NotRequired[bool]
    """Has ever seen more than a player may: never again the owner of a seat."""


class SeatState(TypedDict):
    """A character's seat. `owner` is a user id or null; `understudy` says that the agent plays for an absent
    owner.
    """

    name: str
    playable: bool
    owner: str | None
    understudy: bool
    away_until: NotRequired[str]
    """The moment (RFC 3339) at which the understudy takes over from an owner who is away."""
    delegates: NotRequired[list[str]]
    """Kernels to which the owner granted the seat."""


class Overruling(TypedDict):
    """Whose word stands in the place of the player's, and why (SPEC R66)."""

    by: str
    reason: str


class ProposalState(TypedDict):
    character: str
    action: dict[str, JsonValue] | None
    """None: struck out by a director; the character does nothing in the turn."""
    user_id: str
    ready: bool
    at: str
    order: int
    """The sequence_id at which the proposal was first made: the tie-break of a vote and the queue of
    `immediate`.
    """
    overruled: NotRequired[Overruling]


class LockedState(TypedDict):
    """The frozen input of one attempt at a turn."""

    base: int
    """sequence_id of the `locked` event: the state that the agents see."""
    proposals: dict[str, ProposalState]
    agents: list[str]
    """Characters that agents decide for: nobody's seats, understudies, and owners who proposed nothing."""


class TurnState(TypedDict):
    number: int
    attempt: int
    phase: Phase
    resume: Phase | None
    """Where a pause or a retelling goes back to."""
    parent: int
    """Node (sequence_id of a `resolved` event) that this turn continues; 0 is the opening."""
    branch: str
    attempts: dict[str, int]
    proposals: dict[str, ProposalState]
    votes: dict[str, str]
    locked: LockedState | None
    node: int
    """The node being narrated or reviewed; 0 while there is none."""
    retelling: bool
    pause_next: bool
    """A pause asked for in mid-turn: the turn comes to rest as `paused`."""
    deadline: str | None
    error: str | None


class HostState(TypedDict):
    """Who runs the agents. `token` is the fencing token: the sequence_id of its `lease_granted` event."""

    holder: str | None
    token: int
    admitted: dict[str, int]
    """Kernels that may host, with the sequence_id at which each was admitted."""


class NodeState(TypedDict):
    """One resolved turn in the tree of turns."""

    number: int
    attempt: int
    branch: str
    parent: int
    narration: Literal["pending", "told", "failed", "cancelled"]
    end: int
    """sequence_id of the event that ended the turn (its narrative): what an undo to this turn restores. 0
    until then.
    """


class Settings(TypedDict):
    """What the owner may set for a session. Times are in seconds."""

    turn_policy: TurnPolicy
    collect_timeout: float | None
    understudy_after: float
    review: bool
    default_role: Literal["player", "spectator", "none"]


class InviteState(TypedDict):
    """An open door to one session. Its id is the sequence_id of its `invited` event, and no credential."""

    role: Literal["player", "spectator"]
    left: int
    """How many more guests may come in by it."""
    until: str
    """The moment (RFC 3339) from which on nobody comes in by it any more, and who came has to leave."""


class AgentCost(TypedDict):
    tokens_in: int
    tokens_out: int
    cost: float
    model: NotRequired[str]
    """Which model, where it is not the one of the whole."""
    fallback: NotRequired[str]
    """Why the offline rules stood in for it, in one word."""
    agent: NotRequired[str]
    """The class that it was, where a notebook brought its own."""


class SessionState(TypedDict):
    story: str
    title: str
    owner: str | None
    created_at: str
    status: Literal["open", "ended", "archived"]
    settings: Settings
    strategies: dict[str, str]
    opening: int
    """sequence_id of the last event that made the session: the node 0 of the tree of turns."""
    removed: dict[str, int]
    """People whom the owner removed, with the sequence_id at which."""
    peeked: NotRequired[list[str]]
    """Those of the removed who have ever seen more than a player may."""
    invites: NotRequired[dict[str, InviteState]]
    ending: NotRequired[dict[str, JsonValue]]
    spent: NotRequired[AgentCost]
    """What models have cost in all, as of the last turn that was resolved, told, failed or cancelled."""
    reserved_for: NotRequired[str]
    """Whose kernel made the session: nobody else can claim it."""


class RuleState(TypedDict):
    """The partitions of the rules, for typed reading of a `State` (see `rules_of`)."""

    session: SessionState
    participants: dict[str, ParticipantState]
    seats: dict[str, SeatState]
    turn: TurnState
    host: HostState
    turns: dict[str, NodeState]
    branches: dict[str, int]
    conflicts: dict[str, JsonValue]
    suggestions: dict[str, JsonValue]
    chat: dict[str, JsonValue]
    sealed: dict[str, JsonValue]


DEFAULT_SETTINGS: Settings = {
    "turn_policy": "round",
    "collect_timeout": None,
    "understudy_after": 60.0,
    "review": False,
    "default_role": "player",
}
