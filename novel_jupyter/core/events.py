"""What can stand in the log: one discriminated union, and the fold.

Law: state is the fold of patches. Every event carries in `data.patch` exactly the change it makes, in
partitions of its own audience and no other (SPEC R1, R4); `apply` knows no kind. An event is stored,
broadcast and replayed as the same bytes; only the server stamps author, time and number.
Parts: the data of each kind, `KINDS` (kind → wire type), `Event`, `apply`, `audience_of_partition`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal, NotRequired, TypeAlias

from pydantic import Field, JsonValue
from pydantic_core import from_json, to_json
from typing_extensions import TypedDict

from .frozen import frozen
from .model import DIRECTOR, EVERYONE, ONLOOKERS, SEALED, Audience, Role, State
from .outcomes import AgentCost as AgentCost
from .outcomes import MadeBy as MadeBy
from .outcomes import Outcome as Outcome
from .outcomes import Sentence as Sentence
from .outcomes import Spent as Spent
from .patch import Op, apply_patch, parse_pointer


class _Patched(TypedDict):
    patch: NotRequired[list[Op]]


class Created(_Patched):
    kind: Literal["created"]
    story: str
    title: str


class Dealt(_Patched):
    """What one seat, the director or nobody may see of the opening, of a turn, of its telling, or of an
    undo.
    """

    kind: Literal["dealt"]
    why: Literal["opening", "turn", "telling", "undo"]
    outcomes: NotRequired[list[Outcome]]
    narrative: NotRequired[str]
    """For a telling: the turn as this seat's character witnessed it."""
    turn: NotRequired[int]
    node: NotRequired[int]
    sentences: NotRequired[list[Sentence]]


class RoleChanged(_Patched):
    kind: Literal["role"]
    target: str
    role: Role | None
    name: NotRequired[str]


class Invited(_Patched):
    """`invited`: the invite's id is this event's sequence_id."""

    kind: Literal["invited", "uninvited"]
    invite: int


class Renamed(_Patched):
    kind: Literal["renamed"]
    target: str
    name: str


class ViewGranted(_Patched):
    kind: Literal["view"]
    target: str
    sees_all: bool


class SettingsChanged(_Patched):
    kind: Literal["settings"]


class SessionStatus(_Patched):
    kind: Literal["status"]
    status: Literal["open", "ended", "archived"]


class HostAdmitted(_Patched):
    kind: Literal["host"]
    kernel: str
    admitted: bool


class LeaseChanged(_Patched):
    """`lease_granted`: its sequence_id is the fencing token of the new holder."""

    kind: Literal["lease_granted", "lease_lost"]
    holder: str


class SeatChanged(_Patched):
    kind: Literal["claimed", "released", "delegated", "away", "back", "understudy"]
    character: str
    user: str | None


class Proposed(_Patched):
    kind: Literal["proposed"]
    turn: int
    character: str
    action: dict[str, JsonValue]


class Withdrawn(_Patched):
    kind: Literal["withdrawn"]
    turn: int
    character: str


class Overruled(_Patched):
    """A director's word in the place of a player's; `action` null: the proposal is struck out."""

    kind: Literal["overruled"]
    turn: int
    character: str
    action: dict[str, JsonValue] | None
    reason: str


class Ready(_Patched):
    kind: Literal["ready"]
    turn: int
    character: str
    ready: bool


class Voted(_Patched):
    kind: Literal["voted"]
    turn: int
    character: str


class TurnMoved(_Patched):
    """A step of the turn machine that has no more to tell than where it went."""

    kind: Literal[
        "opened", "cancelled", "paused", "resumed", "accepted", "failed", "retelling", "narration_failed"
    ]
    turn: int
    attempt: int
    code: NotRequired[str]


class Locked(_Patched):
    kind: Literal["locked"]
    turn: int
    attempt: int
    characters: list[str]
    why: Literal["ready", "votes", "deadline", "director", "immediate", "reroll"]


class Resolved(_Patched):
    """The turn's node is this event's sequence_id, or the turn goes on collecting when it is not complete."""

    kind: Literal["resolved"]
    turn: int
    attempt: int
    seed: str
    turn_complete: bool
    outcomes: list[Outcome]
    suggested: int
    ended: dict[str, JsonValue] | None
    made_by: MadeBy


class Record(_Patched):
    """What a host needs to finish a turn, and what it asked and got from models: in no broadcast view."""

    kind: Literal["record"]
    turn: int
    attempt: int


class Told(_Patched):
    kind: Literal["turn"]
    turn: int
    attempt: int
    node: int
    retold: bool
    narrative: str
    """For onlookers; empty in the view of seats, whose own telling is the `dealt` just before."""
    sentences: list[Sentence]
    made_by: MadeBy


class Advised(_Patched):
    """A player asked what their character would do, or was answered: it stands in the seat's partition."""

    kind: Literal["advised"]
    character: str


class Undone(_Patched):
    kind: Literal["undone", "branched"]
    turn: int
    to: int
    branch: str
    left: int
    """The node that was current before."""
    edits: list[int]
    """Edits that were undone with it, by sequence_id: `restore_edit` brings one back."""


class Edited(_Patched):
    kind: Literal["edit"]
    outcome: Literal["applied", "merged", "conflicted", "suggested"]
    base: int
    restores: NotRequired[int]


class Decided(_Patched):
    """A conflict record or a suggestion was settled; `taken`: its kept-aside value was put in place."""

    kind: Literal["settled"]
    record: str
    taken: bool


class Chat(_Patched):
    kind: Literal["chat"]
    text: str
    anchor: NotRequired[dict[str, JsonValue]]


EventData: TypeAlias = Annotated[
    Created
    | Dealt
    | RoleChanged
    | Invited
    | Renamed
    | ViewGranted
    | SettingsChanged
    | SessionStatus
    | HostAdmitted
    | LeaseChanged
    | SeatChanged
    | Proposed
    | Withdrawn
    | Overruled
    | Ready
    | Voted
    | TurnMoved
    | Locked
    | Resolved
    | Record
    | Told
    | Advised
    | Undone
    | Edited
    | Decided
    | Chat,
    Field(discriminator="kind"),
]

EventType: TypeAlias = Literal["agent_action", "story_update", "system_message"]

_SYSTEM = (
    *("created", "role", "invited", "uninvited", "renamed", "view", "settings", "status"),
    *("host", "lease_granted", "lease_lost", "record"),
)
_STORY = ("dealt", "turn", "undone", "branched", "edit", "settled", "chat", "narration_failed", "retelling")
_ACTION = (
    *(
        "claimed",
        "released",
        "delegated",
        "away",
        "back",
        "understudy",
        "proposed",
        "withdrawn",
        "overruled",
        "ready",
        "voted",
    ),
    *("opened", "locked", "resolved", "cancelled", "paused", "resumed", "accepted", "failed", "advised"),
)
KINDS: Final[Mapping[str, EventType]] = MappingProxyType(
    {
        **dict.fromkeys(_SYSTEM, "system_message"),
        **dict.fromkeys(_STORY, "story_update"),
        **dict.fromkeys(_ACTION, "agent_action"),
    }
)


@frozen
class Event:
    """One entry of the log. `body` is its JSON, made once; `hash` is the chain up to and including it."""

    sequence_id: int
    user_id: str | None
    """The verified author: a user id, `kernel:<id>`, or null for the server itself."""
    timestamp: str
    id: str | None
    audience: Audience
    data: EventData
    body: bytes
    hash: str

    @property
    def patch(self) -> list[Op]:
        return self.data.get("patch", [])


def encode(
    session_id: str,
    sequence_id: int,
    user_id: str | None,
    timestamp: str,
    id: str | None,
    audience: Audience,
    data: EventData,
) -> bytes:
    """The stored form of an event, which is also its form on the wire (but for the hash that follows)."""
    return to_json(
        {
            "type": KINDS[data["kind"]],
            "session_id": session_id,
            "user_id": user_id,
            "timestamp": timestamp,
            "sequence_id": sequence_id,
            "id": id,
            "audience": audience,
            "data": data,
        }
    )


def decode(body: bytes, hash: str) -> Event:
    """The event of a stored body. The log is our own: it is not validated again."""
    raw = from_json(body)
    return Event(
        sequence_id=raw["sequence_id"],
        user_id=raw["user_id"],
        timestamp=raw["timestamp"],
        id=raw["id"],
        audience=raw["audience"],
        data=raw["data"],
        body=body,
        hash=hash,
    )


def apply(state: State, event: Event) -> State:
    """The state after `event`. Raises PatchError if the event was not made for this state."""
    patch = event.patch
    return apply_patch(state, patch) if patch else state


def fold(state: State, events: Iterable[Event]) -> State:
    """`apply` over `events` in order."""
    for event in events:
        state = apply(state, event)
    return state


def audience_of_partition(name: str) -> Audience:
    """Who may read a top-level partition of the state, told from its name alone (SPEC R4)."""
    if name.startswith("seat:"):
        return [name[5:]]
    if name == DIRECTOR:
        return DIRECTOR
    if name in ("chronicle", ONLOOKERS):
        return ONLOOKERS
    return SEALED if name == SEALED else EVERYONE


def audience_of_patch(ops: Iterable[Op]) -> list[Audience]:
    """The distinct audiences of the partitions that `ops` touch, in order of first mention."""
    found: list[Audience] = []
    for op in ops:
        tokens = parse_pointer(op["path"])
        audience = audience_of_partition(tokens[0]) if tokens else EVERYONE
        if audience not in found:
            found.append(audience)
    return found
