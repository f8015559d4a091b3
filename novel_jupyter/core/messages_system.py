"""What a client may send as a `system_message`: liveness, who belongs and as what, guests, settings.

Law: as in `messages`, of which these are a part.
Parts: the data of each kind, `SystemCommand`.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from .model import Role
from .outcomes import Spent
from .wire_types import Fenced, Name, Sequence, Strict


class Ping(Strict):
    kind: Literal["ping"]


class Token(Strict):
    """A fresh token for a connection whose own is about to expire."""

    kind: Literal["token"]
    token: Annotated[str, Field(max_length=4096)]


class Progress(Fenced):
    """What an agent is doing (host only): presence, never stored. `spent`: where models play."""

    kind: Literal["progress"]
    agent: Name
    text: Annotated[str, Field(max_length=200)]
    spent: Spent | None = None


class ClaimSession(Strict):
    """A session that a kernel made belongs to the first person who claims it."""

    kind: Literal["claim_session"]


class SetRole(Strict):
    kind: Literal["set_role"]
    target: Name
    role: Role | None
    """Null removes the person."""


class GrantView(Strict):
    kind: Literal["grant_view"]
    target: Name
    sees_all: bool


class AdmitHost(Strict):
    kind: Literal["admit_host"]
    kernel: Name
    admitted: bool = True


class ChangeSettings(Strict):
    """The settings to change; what is absent stays."""

    kind: Literal["set_settings"]
    turn_policy: Literal["immediate", "round", "vote"] | None = None
    collect_timeout: Annotated[float, Field(ge=0, le=86400)] | None = None
    """Seconds from the first proposal of a turn to its lock; 0: no timer."""
    understudy_after: Annotated[float, Field(ge=0, le=86400)] | None = None
    review: bool | None = None
    default_role: Literal["player", "spectator", "none"] | None = None


class SetStatus(Strict):
    kind: Literal["archive", "unarchive"]


class Invite(Strict):
    """Let people without an account in, as guests. `seconds`: how long the invite and its guests last."""

    kind: Literal["invite"]
    role: Literal["player", "spectator"]
    uses: Annotated[int, Field(ge=1, le=200)] = 1
    seconds: Annotated[int, Field(ge=60, le=30 * 86400)] = 86400


class RevokeInvite(Strict):
    """Nobody comes in by this invite any more, and who came by it is removed."""

    kind: Literal["revoke_invite"]
    invite: Sequence


class AdmitGuest(Strict):
    """Somebody showed the server an invite and gave a name: sent by the server alone."""

    kind: Literal["admit_guest"]
    invite: Sequence
    guest: Annotated[str, Field(pattern=r"^guest:[0-9a-f]{32}$")]
    name: Annotated[str, Field(min_length=1, max_length=60)]


class Rename(Strict):
    """Show a guest by another name."""

    kind: Literal["rename"]
    target: Name
    name: Annotated[str, Field(min_length=1, max_length=60)]


SystemCommand: TypeAlias = Annotated[
    Ping
    | Token
    | Progress
    | ClaimSession
    | SetRole
    | GrantView
    | AdmitHost
    | ChangeSettings
    | SetStatus
    | Invite
    | RevokeInvite
    | AdmitGuest
    | Rename,
    Field(discriminator="kind"),
]
