"""What the server sends: one union by `type`, and by `data.kind` within it.

Law: these shapes are promises to every client. `SERVER` reads them strictly (an unknown field is a fault),
so that a test which puts each frame of a server through it finds whatever is sent and not written here.
Clients read past fields that they do not know. A frame with a `hash` is an event of the log or its
placeholder; no other has one.
Parts: people and their presence, answers to a command, the data of what is live, answers to a sync, the
request to a host, the envelopes, `ServerMessage`, `SERVER`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, NotRequired, TypeAlias

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, JsonValue, Tag, TypeAdapter
from typing_extensions import TypedDict

from .errors import CODES
from .events import EventData, Outcome, Spent
from .model import AgentCost, Audience, TurnPolicy

SUBPROTOCOL: Final = "novel.v1.json"
"""The WebSocket subprotocol that a client asks for."""

# --- people and their presence ------------------------------------------------------------------------------


class User(TypedDict):
    """Somebody as the server knows them. A kernel's `user_id` is `kernel:<kernel id>`."""

    user_id: str
    name: str
    kind: Literal["person", "kernel"]


class Present(User):
    """Somebody with an open connection, or within the grace period of a lost one (`connections` 0)."""

    connections: int
    doing: NotRequired[str | None]


class ShownCursor(TypedDict):
    """Where a connection's cursor is. `target` null: it is gone. Positions are in UTF-16 units."""

    user_id: str
    connection_id: str
    target: str | None
    position: NotRequired[int | None]
    selection: NotRequired[tuple[int, int] | None]
    typing: NotRequired[bool]


# --- answers to a command -----------------------------------------------------------------------------------


def _known_code(code: str) -> str:
    if code not in CODES:
        raise ValueError("no such error code")
    return code


ErrorCode: TypeAlias = Annotated[
    str, AfterValidator(_known_code), Field(json_schema_extra={"enum": sorted(CODES)})
]


class Ack(TypedDict):
    """The command is in the log, or was before. The envelope carries its `id` and the last event it made."""

    kind: Literal["ack"]
    outcome: Literal["applied", "merged", "conflicted", "suggested"]
    sequence_id: NotRequired[int]


class ErrorReply(TypedDict):
    """Why something was refused. Further fields depend on the code; `retry_after` is in seconds."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]  # how pydantic is told about a TypedDict

    kind: Literal["error"]
    level: Literal["error"]
    code: ErrorCode
    message: str
    retry_after: NotRequired[float]


# --- what is live and never stored --------------------------------------------------------------------------


class Welcome(TypedDict):
    """First on every socket. `heartbeat`: seconds within which each side hears from the other."""

    kind: Literal["welcome"]
    connection_id: str
    user: User
    limits: dict[str, JsonValue]
    heartbeat: float
    protocol: Literal["novel.v1.json"]
    version: str


class Pong(TypedDict):
    kind: Literal["pong"]


class Drain(TypedDict):
    """The server goes down in good order; come back after `reconnect_after` seconds."""

    kind: Literal["drain"]
    reconnect_after: float


class StoreNews(TypedDict):
    """The store is away, or back. What is sent while it is away waits, and is decided later or refused."""

    kind: Literal["store"]
    available: bool


class PresenceList(TypedDict):
    """Everybody who is here, whole."""

    kind: Literal["presence"]
    users: list[Present]


class AgentProgress(TypedDict):
    """What an agent is doing for the turn, and what the turn and the session have cost so far."""

    kind: Literal["progress"]
    agent: str
    text: str
    turn: int
    attempt: int
    spent: NotRequired[Spent]


class NarrationChunk(TypedDict):
    """Provisional prose at `offset` (UTF-16 units) of the telling; the committed narrative replaces it."""

    kind: Literal["narration"]
    turn: int
    attempt: int
    offset: int
    text: str


class Arrived(TypedDict):
    kind: Literal["arrived"]
    user: User


class Left(TypedDict):
    kind: Literal["left"]
    user: User


class CursorList(TypedDict):
    """The cursors that moved since the last one."""

    cursors: list[ShownCursor]


# --- answers to join_session and state_sync -----------------------------------------------------------------


class Provisional(TypedDict):
    """What was streamed so far of the telling that is under way."""

    turn: int
    attempt: int
    text: str


class KeptResult(TypedDict):
    """The first answer to an earlier command of this client."""

    id: str
    sequence_id: int
    data: Ack | ErrorReply


class _Synced(TypedDict):
    """What every answer tells. The envelope's `sequence_id` and the `hash` here are the head. `high_water` is
    the highest n of this client that was answered; it and `results` are absent in what comes unasked.
    """

    epoch: str
    hash: str
    view: str
    presence: list[Present]
    provisional: Provisional | None
    high_water: NotRequired[int]
    results: NotRequired[list[KeptResult]]


class FullSync(_Synced):
    """The visible partitions of the state at the head, whole."""

    kind: Literal["full_sync"]
    state: dict[str, JsonValue]


class Conflict(_Synced):
    """The client's head is no point of this history: it takes the server's state."""

    kind: Literal["conflict"]
    reason: str
    state: dict[str, JsonValue]


class Delta(_Synced):
    """What was missed, each event as it was broadcast."""

    kind: Literal["delta"]
    events: list[WireEvent]


class UpToDate(_Synced):
    kind: Literal["up_to_date"]


SyncData: TypeAlias = Annotated[FullSync | Conflict | Delta | UpToDate, Field(discriminator="kind")]

# --- the request to a host ----------------------------------------------------------------------------------


class _Task(TypedDict):
    kind: Literal["turn_request"]
    turn: int
    attempt: int
    branch: str
    token: int
    policy: TurnPolicy
    seed: str
    asked: NotRequired[dict[str, JsonValue]]
    """What models answered already for this very task, by key: nobody asks again."""
    spent: NotRequired[AgentCost]
    """What models have cost in this session."""


class FrozenProposal(TypedDict):
    action: dict[str, JsonValue]
    user_id: str
    overruled: NotRequired[bool]
    """A director chose this action in the player's place."""


class ResolveTask(_Task):
    """Decide the turn on the state as of `base`; answer `turn_result` or `turn_failed`."""

    task: Literal["resolve"]
    base: int
    proposals: dict[str, FrozenProposal]
    agents: list[str]


class NarrateTask(_Task):
    """Tell the outcomes of `node`; answer with chunks and then `narrative` or `narration_failed`."""

    task: Literal["narrate"]
    node: int
    retelling: bool
    ended: JsonValue
    outcomes: list[Outcome]
    records: list[JsonValue]
    """What the host left for this with its result, so that a successor has it too."""


TurnRequest: TypeAlias = Annotated[ResolveTask | NarrateTask, Field(discriminator="task")]

# --- envelopes ----------------------------------------------------------------------------------------------


class _Frame(TypedDict):
    """Fields that say nothing are null or absent."""

    session_id: NotRequired[str | None]
    user_id: NotRequired[str | None]
    timestamp: NotRequired[str | None]
    sequence_id: NotRequired[int | None]
    id: NotRequired[str | None]


class SystemFrame(_Frame):
    type: Literal["system_message"]
    data: Annotated[
        Welcome | Ack | ErrorReply | Pong | Drain | StoreNews | PresenceList | AgentProgress,
        Field(discriminator="kind"),
    ]


class HostFrame(_Frame):
    type: Literal["agent_action"]
    data: TurnRequest


class ChunkFrame(_Frame):
    type: Literal["story_update"]
    data: NarrationChunk


class ArrivedFrame(_Frame):
    type: Literal["join_session"]
    data: Arrived


class LeftFrame(_Frame):
    type: Literal["leave_session"]
    data: Left


class CursorFrame(_Frame):
    type: Literal["user_cursor"]
    data: CursorList


class SyncFrame(_Frame):
    type: Literal["state_sync"]
    data: SyncData


class LoggedEvent(TypedDict):
    """An event of the log. `user_id` is the verified author, null for the server itself."""

    type: Literal["agent_action", "story_update", "system_message"]
    session_id: str
    user_id: str | None
    timestamp: str
    sequence_id: int
    id: str | None
    audience: Audience
    data: EventData
    hash: str


class Hidden(TypedDict):
    kind: Literal["hidden"]


class HiddenEvent(TypedDict):
    """The placeholder of an event that is for others: nothing of it but its number."""

    type: Literal["system_message"]
    session_id: str
    user_id: None
    timestamp: None
    sequence_id: int
    id: None
    audience: Literal["hidden"]
    data: Hidden
    hash: str


def _event_tag(value: Any) -> str:
    data = value.get("data") if isinstance(value, dict) else None
    return "hidden" if isinstance(data, dict) and data.get("kind") == "hidden" else "event"


WireEvent: TypeAlias = Annotated[
    Annotated[LoggedEvent, Tag("event")] | Annotated[HiddenEvent, Tag("hidden")], Discriminator(_event_tag)
]

_FRAMES: Final = {
    "system_message": "system",
    "agent_action": "host",
    "story_update": "chunk",
    "join_session": "arrived",
    "leave_session": "left",
    "user_cursor": "cursor",
    "state_sync": "sync",
}


def _frame_tag(value: Any) -> str:
    if not isinstance(value, dict):
        return "?"
    if "hash" in value:
        return _event_tag(value)
    found = value.get("type")
    return _FRAMES.get(found, "?") if isinstance(found, str) else "?"


ServerMessage: TypeAlias = Annotated[
    Annotated[LoggedEvent, Tag("event")]
    | Annotated[HiddenEvent, Tag("hidden")]
    | Annotated[SystemFrame, Tag("system")]
    | Annotated[HostFrame, Tag("host")]
    | Annotated[ChunkFrame, Tag("chunk")]
    | Annotated[ArrivedFrame, Tag("arrived")]
    | Annotated[LeftFrame, Tag("left")]
    | Annotated[CursorFrame, Tag("cursor")]
    | Annotated[SyncFrame, Tag("sync")],
    Discriminator(_frame_tag),
]
SERVER: Final[TypeAdapter[ServerMessage]] = TypeAdapter(
    ServerMessage, config=ConfigDict(extra="forbid", strict=True)
)
"""Reads a frame of the server: raises ValidationError for anything that is not written in this file."""
