"""Who may send what: one table, checked on every message (SPEC R6).

Law: a right follows from the standing of the sender in the state at the moment of deciding, never from what
a frame says. The table is data, so that a UI can grey out with the same reason (`reason_not`).
Parts: `Principal`, `Standing`, `MAY`, `standing_of`, `require`; `entry_role` and `person_of` (SPEC R7).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from .errors import Refused
from .model import Role, State
from .views import person_of as person_of
from .views import rules_of

Standing: TypeAlias = Role | Literal["kernel", "host", "server", "stranger"]
"""A role, or: a kernel; a kernel that was admitted as a host; the server's own timers; nobody of this
session.
"""


Entry: TypeAlias = Literal["director", "player", "spectator", "none"]
"""What somebody comes in as; `none`: not at all."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sends: `user_id` is the verified name of a person, or `kernel:<kernel id>`, or, of a kernel whose
    person is known, `kernel:<user id>:<kernel id>`; `name` is for display. `joins_as` is what the deployment
    says that this person comes in as, None where it says nothing.
    """

    user_id: str
    name: str
    kind: Literal["person", "kernel", "server"] = "person"
    joins_as: Entry | None = None
    only: str | None = None
    """The one session that there is for a guest."""

    @property
    def is_kernel(self) -> bool:
        return self.kind == "kernel"

    @property
    def may_begin(self) -> bool:
        """Whether the deployment lets this person begin sessions, or be their owner by a claim."""
        return self.joins_as not in ("spectator", "none")


GUEST: Final = "guest:"
"""How the ids of people without an account begin."""


def entry_role(default_role: Literal["player", "spectator", "none"], joins_as: Entry | None) -> Entry:
    """What somebody who is not of a session comes in as. A closed session is closed to everybody; a director
    of the deployment directs; for everybody else the session and the deployment must both agree.
    """
    if default_role == "none" or joins_as == "none":
        return "none"
    if joins_as == "director":
        return "director"
    return "spectator" if "spectator" in (default_role, joins_as) else "player"


SERVER: Final = Principal("server", "server", "server")

_ALL: Final[tuple[Standing, ...]] = ("owner", "director", "player", "spectator", "kernel", "host")
_DIRECTORS: Final[tuple[Standing, ...]] = ("owner", "director", "host")
_PLAYERS: Final[tuple[Standing, ...]] = ("owner", "director", "player")

MAY: Final[Mapping[str, tuple[Standing, ...]]] = MappingProxyType(
    {
        # everyone who joined
        **dict.fromkeys(("user_cursor", "ping", "token", "chat"), _ALL),
        # a character's player
        **dict.fromkeys(("claim", "release", "vote", "delegate", "advise"), _PLAYERS),
        **dict.fromkeys(("propose", "withdraw", "ready"), (*_PLAYERS, "kernel", "host")),
        **dict.fromkeys(("edit", "restore_edit"), (*_PLAYERS, "kernel", "host")),
        # what was kept aside because a person wrote there is for people to settle
        "settle": _PLAYERS,
        # whoever directs; an admitted kernel is the directors' tool
        **dict.fromkeys(("start", "lock", "cancel", "pause", "resume", "accept"), _DIRECTORS),
        **dict.fromkeys(("reroll", "retell", "undo", "branch"), _DIRECTORS),
        "admit_host": ("owner", "director"),
        # a person's word against a person's: no kernel says it
        "overrule": ("owner", "director"),
        # the owner
        **dict.fromkeys(("set_role", "grant_view", "archive", "unarchive"), ("owner",)),
        **dict.fromkeys(("invite", "revoke_invite", "rename"), ("owner",)),
        # who showed the server an invite
        "admit_guest": (),
        "set_settings": ("owner", "director", "host"),
        "claim_session": ("player", "director", "spectator"),
        # the kernel that hosts (and then its lease is looked at)
        **dict.fromkeys(("request_lease", "release_lease", "advice"), ("kernel", "host")),
        **dict.fromkeys(
            ("turn_result", "turn_failed", "narration_failed", "narrative", "narration", "progress", "asked"),
            ("kernel", "host"),
        ),
    }
)
"""Kind of command → the standings that may send it."""


def standing_of(state: State, principal: Principal) -> Standing:
    """What the sender is in this session now."""
    if principal.kind == "server":
        return "server"
    rules = rules_of(state)
    if principal.is_kernel:
        return _standing_of_kernel(state, principal)
    participant = rules["participants"].get(principal.user_id)
    return participant["role"] if participant else "stranger"


def _standing_of_kernel(state: State, principal: Principal) -> Standing:
    """A kernel that nobody let in is what its person is, or what a person would be who joins by the session's
    id.
    """
    rules = rules_of(state)
    kernel, person = principal.user_id, person_of(principal.user_id)
    if person in rules["session"]["removed"]:
        return "stranger"
    if kernel in rules["host"]["admitted"]:
        return "host"
    if any(kernel in seat.get("delegates", []) for seat in rules["seats"].values()):
        return "kernel"
    known = rules["participants"].get(person) if person else None
    default_role = rules["session"]["settings"]["default_role"]
    role = known["role"] if known else entry_role(default_role, principal.joins_as)
    return "stranger" if role == "none" else "spectator" if role == "spectator" else "kernel"


def reason_not(standing: Standing, kind: str) -> str | None:
    """Why this standing may not send this kind of command, or None if it may."""
    allowed = MAY.get(kind, ())
    if standing in allowed or standing == "server":
        return None
    return f"a {standing} may not {kind.replace('_', ' ')}; it takes {' or '.join(allowed) or 'the server'}"


def require(state: State, principal: Principal, kind: str) -> Standing:
    """The sender's standing. Raises Refused `forbidden` if it may not send this kind."""
    standing = standing_of(state, principal)
    reason = reason_not(standing, kind)
    if reason:
        raise Refused("forbidden", reason)
    return standing
