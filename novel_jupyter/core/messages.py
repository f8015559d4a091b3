"""What a client may send: one discriminated union by `type`, and by `data.kind` within it.

Law: these models are the only source of the wire. The JSON Schema, the TypeScript types and the tables in
SPEC.md come from them (see `schema`), and a test fails when they drift. Unknown fields are refused;
`user_id`, `timestamp` and `sequence_id` of an incoming envelope are read past, because only the server
stamps them.
Parts: the data of each command, the envelopes, `CLIENT` (their adapter). Reading a frame is in `incoming`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import ConfigDict, Discriminator, Field, JsonValue, Tag, TypeAdapter

from .events import AgentCost, MadeBy, Outcome, Sentence
from .messages_system import AdmitGuest as AdmitGuest
from .messages_system import AdmitHost as AdmitHost
from .messages_system import ChangeSettings as ChangeSettings
from .messages_system import ClaimSession as ClaimSession
from .messages_system import GrantView as GrantView
from .messages_system import Invite as Invite
from .messages_system import Ping as Ping
from .messages_system import Progress as Progress
from .messages_system import Rename as Rename
from .messages_system import RevokeInvite as RevokeInvite
from .messages_system import SetRole as SetRole
from .messages_system import SetStatus as SetStatus
from .messages_system import SystemCommand as SystemCommand
from .messages_system import Token as Token
from .model import Audience
from .patch import Op
from .wire_types import CharacterId as CharacterId
from .wire_types import Fenced as Fenced
from .wire_types import Name as Name
from .wire_types import Offset as Offset
from .wire_types import Sequence as Sequence
from .wire_types import Strict as Strict
from .wire_types import Text as Text

# --- join_session, leave_session, state_sync, user_cursor ---------------------------------------------------


class HeadEcho(Strict):
    """Where the client's replica stands: what it was given, or nulls when it has nothing."""

    epoch: Annotated[str, Field(max_length=64)] | None = None
    sequence_id: Sequence | None = None
    hash: Annotated[str, Field(max_length=64)] | None = None
    view: Annotated[str, Field(max_length=4096)] | None = None
    """The view that the replica holds: while it is the same, what was missed can be told event by event."""
    since: Sequence | None = None
    """The lowest n that the client has no answer for: results from there on are sent along."""


class Nothing(Strict):
    pass


class Cursor(Strict):
    target: Annotated[str, Field(max_length=1024)]
    position: Offset | None = None
    selection: tuple[Offset, Offset] | None = None
    typing: bool = False


# --- agent_action -------------------------------------------------------------------------------------------


class Propose(Strict):
    kind: Literal["propose"]
    character: CharacterId
    action: dict[str, JsonValue]


class OnCharacter(Strict):
    kind: Literal["withdraw", "vote", "claim", "release"]
    character: CharacterId


class Overrule(Strict):
    """A director's action in the place of what is proposed for a character; null: it is struck out."""

    kind: Literal["overrule"]
    character: CharacterId
    action: dict[str, JsonValue] | None
    reason: Annotated[str, Field(pattern=r"\S", max_length=500)]
    """Everybody reads it. Not blank."""


class SetReady(Strict):
    kind: Literal["ready"]
    character: CharacterId
    ready: bool = True


class Delegate(Strict):
    """The owner of a seat lets a kernel act for it (`%%act`), or ends that."""

    kind: Literal["delegate"]
    character: CharacterId
    kernel: Name
    granted: bool = True


class Direct(Strict):
    """A word of the director on the turn machine."""

    kind: Literal["start", "lock", "cancel", "pause", "resume", "accept", "reroll"]


class Retell(Strict):
    kind: Literal["retell"]
    node: Sequence | None = None


class Undo(Strict):
    """Back to the end of the turn whose node is `to` (0: the opening; null: the turn before the current)."""

    kind: Literal["undo"]
    to: Sequence | None = None


class Branch(Strict):
    """Go on from node `at` under a new name, or, without `at`, back to the tip of a branch that has the
    name."""

    kind: Literal["branch"]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
    at: Sequence | None = None


class Lease(Strict):
    kind: Literal["request_lease", "release_lease"]


class Change(Strict):
    audience: Audience
    patch: Annotated[list[Op], Field(max_length=512)]


class TurnResult(Fenced):
    kind: Literal["turn_result"]
    base: Sequence
    outcomes: Annotated[list[Outcome], Field(max_length=64)]
    changes: Annotated[list[Change], Field(max_length=64)]
    turn_complete: bool
    ended: dict[str, JsonValue] | None = None
    made_by: MadeBy
    records: list[JsonValue] = Field(default=[], max_length=256)


class TurnFailed(Fenced):
    """The agents could not resolve or tell the turn. `code` is one word; no exception text travels."""

    kind: Literal["turn_failed", "narration_failed"]
    code: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]


class SeatNarrative(Strict):
    """A turn as one seat's character witnessed it."""

    text: Annotated[str, Field(max_length=20000)]
    sentences: Annotated[list[Sentence], Field(max_length=200)]


class Narrative(Fenced):
    """The prose of a turn: `text` for everybody, `seats` for the players of those seats alone, `so_far` what
    happened up to here in a few public lines.
    """

    kind: Literal["narrative"]
    text: Annotated[str, Field(max_length=20000)]
    sentences: Annotated[list[Sentence], Field(max_length=200)]
    made_by: MadeBy
    seats: dict[str, SeatNarrative] = Field(default={}, max_length=24)
    so_far: Annotated[str, Field(max_length=4000)] = ""


class Asked(Fenced):
    """What a model was asked and answered (host only), told as soon as it is known: a successor that has the
    same question takes the answer from here."""

    kind: Literal["asked"]
    key: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
    exchange: dict[str, JsonValue]
    spent: AgentCost


class Advise(Strict):
    """A seat's player asks what their character would do."""

    kind: Literal["advise"]
    character: CharacterId


class Advice(Fenced):
    """What a character would do, for its player alone (host only). `asked`: which question of the turn it
    answers; `action` is null where nobody could say, `words` is how it is shown; `why`: reasons, strongest
    first; `agent`: whose class says so, where a notebook brought its own.
    """

    kind: Literal["advice"]
    character: CharacterId
    asked: Sequence
    action: dict[str, JsonValue] | None
    words: Annotated[str, Field(max_length=600)] = ""
    why: Annotated[list[Annotated[str, Field(max_length=300)]], Field(default=[], max_length=5)]
    agent: Name | None = None
    spent: AgentCost


ActionCommand: TypeAlias = Annotated[
    Propose
    | OnCharacter
    | SetReady
    | Overrule
    | Delegate
    | Direct
    | Retell
    | Undo
    | Branch
    | Lease
    | TurnResult
    | TurnFailed
    | Narrative
    | Asked
    | Advise
    | Advice,
    Field(discriminator="kind"),
]

# --- story_update -------------------------------------------------------------------------------------------


class Edit(Strict):
    kind: Literal["edit"] = "edit"
    base: Sequence
    patch: Annotated[list[Op], Field(min_length=1, max_length=512)]


class Say(Strict):
    """Chat, or with `anchor` a comment on a passage."""

    kind: Literal["chat"]
    text: Annotated[str, Field(min_length=1, max_length=4000)]
    anchor: Cursor | None = None


class Settle(Strict):
    """Take or drop what a conflict record or a suggestion keeps; `record` is its path."""

    kind: Literal["settle"]
    record: Annotated[str, Field(max_length=1024)]
    take: bool


class RestoreEdit(Strict):
    kind: Literal["restore_edit"]
    sequence_id: Sequence


class Chunk(Fenced):
    """Streamed narration (host only): provisional text at `offset`, replaced by the commit."""

    kind: Literal["narration"]
    offset: Offset
    text: Text
    seat: Annotated[str, Field(max_length=32)] | None = None
    """Whose own telling it is; without one it is for onlookers."""


def _story_kind(value: Any) -> str:
    """An edit needs no kind: it is what `story_update` was made for."""
    kind = value.get("kind", "edit") if isinstance(value, dict) else getattr(value, "kind", "edit")
    return kind if isinstance(kind, str) else "?"


StoryCommand: TypeAlias = Annotated[
    Annotated[Edit, Tag("edit")]
    | Annotated[Say, Tag("chat")]
    | Annotated[Settle, Tag("settle")]
    | Annotated[RestoreEdit, Tag("restore_edit")]
    | Annotated[Chunk, Tag("narration")],
    Discriminator(_story_kind),
]

# --- envelopes ----------------------------------------------------------------------------------------------


class Envelope(Strict):
    session_id: Annotated[str, Field(max_length=64)] | None = None
    id: Annotated[str, Field(max_length=128)] | None = None
    epoch: Annotated[str, Field(max_length=64)] | None = None
    """The history in which a resent command was made, when the client knows it."""
    user_id: JsonValue = None
    timestamp: JsonValue = None
    sequence_id: JsonValue = None


class JoinSession(Envelope):
    type: Literal["join_session"]
    data: HeadEcho = Field(default_factory=HeadEcho)


class LeaveSession(Envelope):
    type: Literal["leave_session"]
    data: Nothing = Field(default_factory=Nothing)


class AgentAction(Envelope):
    type: Literal["agent_action"]
    data: ActionCommand


class StoryUpdate(Envelope):
    type: Literal["story_update"]
    data: StoryCommand


class UserCursor(Envelope):
    type: Literal["user_cursor"]
    data: Cursor


class StateSync(Envelope):
    type: Literal["state_sync"]
    data: HeadEcho = Field(default_factory=HeadEcho)


class SystemMessage(Envelope):
    type: Literal["system_message"]
    data: SystemCommand


ClientMessage: TypeAlias = Annotated[
    JoinSession | LeaveSession | AgentAction | StoryUpdate | UserCursor | StateSync | SystemMessage,
    Field(discriminator="type"),
]
CLIENT: Final[TypeAdapter[ClientMessage]] = TypeAdapter(ClientMessage, config=ConfigDict(defer_build=True))
TYPES: Final = (
    "join_session",
    "leave_session",
    "agent_action",
    "story_update",
    "user_cursor",
    "state_sync",
    "system_message",
)
