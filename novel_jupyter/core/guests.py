"""People without an account: invites, and who came in by them (SPEC R96-R98).

Law: an invite opens one session in one role and nothing else, as often and as long as it says. It stands in
the log like everything that decides, so that every server knows it, and a guest lasts no longer than it.
Parts: `invite`, `revoke`, `admit`, `rename`; `invite_of` (the invite by which somebody still is here).
"""

from __future__ import annotations

from typing import Final

from pydantic import JsonValue

from . import admin
from .draft import Context, drop, put
from .errors import Refused
from .messages import AdmitGuest, Invite, Rename, RevokeInvite, SetRole
from .model import InviteState, RuleState
from .seats import escape
from .times import later
from .turn import json_of

INVITES_KEPT: Final = 32
"""Invites of a session that stand at once."""
JOINERS: Final = frozenset("\u200c\u200d")
"""Unseen, but part of how some scripts and emoji are written."""


def _invites(rules: RuleState) -> dict[str, InviteState]:
    return rules["session"].get("invites", {})


def invite_of(rules: RuleState, user_id: str) -> InviteState | None:
    """The invite by which this guest came, while it stands; None for everybody else."""
    known = rules["participants"].get(user_id)
    return _invites(rules).get(str(known["guest"])) if known and "guest" in known else None


def invite(ctx: Context, data: Invite) -> None:
    """The id of the new invite is the sequence_id of its event."""
    standing = _invites(ctx.rules)
    patch = []
    over = [id for id, entry in standing.items() if entry["until"] <= ctx.facts.now]
    for id in over:
        _leave(ctx, int(id))
    if len(standing) - len(over) >= INVITES_KEPT:
        raise Refused("too_many", f"a session has at most {INVITES_KEPT} invites: revoke one first")
    if "invites" not in ctx.rules["session"]:
        patch.append(put("/session/invites", {}))
    number = ctx.draft.next_id
    entry: InviteState = {
        "role": data.role,
        "left": data.uses,
        "until": later(ctx.facts.now, data.seconds),
    }
    patch.append(put(f"/session/invites/{number}", json_of(entry)))
    ctx.emit({"kind": "invited", "invite": number, "patch": patch})


def revoke(ctx: Context, data: RevokeInvite) -> None:
    if str(data.invite) not in _invites(ctx.rules):
        raise Refused("no_invite")
    _leave(ctx, data.invite)


def _leave(ctx: Context, invite: int) -> None:
    """Take an invite away, and with it everybody who came by it."""
    for user, known in list(ctx.rules["participants"].items()):
        if known.get("guest") == invite:
            admin.set_role(ctx, SetRole(kind="set_role", target=user, role=None))
    ctx.emit({"kind": "uninvited", "invite": invite, "patch": [drop(f"/session/invites/{invite}")]})


def admit(ctx: Context, data: AdmitGuest) -> None:
    found = _invites(ctx.rules).get(str(data.invite))
    if found is None or found["until"] <= ctx.facts.now or found["left"] < 1:
        raise Refused("no_invite")
    if data.guest in ctx.rules["participants"]:
        return
    left: JsonValue = found["left"] - 1
    admin.add(ctx, data.guest, found["role"], plain_name(data.name), data.invite)
    patch = [put(f"/session/invites/{data.invite}/left", left)]
    ctx.emit({"kind": "invited", "invite": data.invite, "patch": patch})


def rename(ctx: Context, data: Rename) -> None:
    known = ctx.rules["participants"].get(data.target)
    if known is None:
        raise Refused("no_participant", f"{data.target[:80]!r} is not of this session")
    if "guest" not in known:
        raise Refused("forbidden", "only guests are renamed: everybody else has the name of their account")
    name = plain_name(data.name)
    patch = [put(f"/participants/{escape(data.target)}/name", name)]
    ctx.emit({"kind": "renamed", "target": data.target, "name": name, "patch": patch})


def plain_name(said: str) -> str:
    """A name as it is shown: one line of what can be seen. Raises Refused `invalid` when nothing is left."""
    name = " ".join("".join(c if c.isprintable() or c in JOINERS else " " for c in said).split())
    name = name.strip("".join(JOINERS))
    if not name:
        raise Refused("invalid", "name: give one that can be read", field="name")
    return name
