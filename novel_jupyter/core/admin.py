"""Who belongs to a session and as what; its settings and its end (SPEC R7-R9, R25-R29).

Law: a change of role takes effect with the event that says it, for every connection of that person. Someone
removed stays out until the owner gives them a role again. There is always an owner once there was one.
Parts: `join`, `claim_session`, `set_role`, `grant_view`, `set_settings`, `set_status`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue

from . import hosting
from .draft import Context, drop, put
from .errors import Refused
from .messages import AdmitHost, ChangeSettings, ClaimSession, GrantView, SetRole, SetStatus
from .model import ParticipantState, Role
from .patch import Op
from .policy import GUEST, entry_role, person_of, standing_of
from .seats import escape, release_ops, since_now
from .turn import json_of

REMOVED_KEPT = 256


def join(ctx: Context) -> None:
    """Whoever is not yet of the session becomes a participant, as `entry_role` says. Raises Refused."""
    if ctx.author.is_kernel:
        if standing_of(ctx.draft.state, ctx.author) == "stranger":
            raise Refused("forbidden", "this session is not open to kernels that nobody let in")
        return
    if ctx.author.user_id in ctx.rules["participants"]:
        return
    role = entry_role(ctx.rules["session"]["settings"]["default_role"], ctx.author.joins_as)
    if role == "none" or ctx.author.user_id in ctx.rules["session"]["removed"]:
        raise Refused("forbidden", "this session is not open to you")
    add(ctx, ctx.author.user_id, role, ctx.author.name)


def add(ctx: Context, user_id: str, role: Role, name: str, guest: int | None = None) -> None:
    """Make somebody a participant; a `guest` by the invite of this id. Raises Refused `session_full`."""
    limit = ctx.facts.bounds.participants
    if len(ctx.rules["participants"]) >= limit:
        raise Refused("session_full", f"a session has at most {limit} participants")
    entry: ParticipantState = {
        "name": name[:120],
        "role": role,
        "joined_at": ctx.facts.now,
        "view_since": ctx.draft.next_id,
    }
    if guest is not None:
        entry["guest"] = guest
    session = ctx.rules["session"]
    if role == "director" or user_id in session.get("peeked", []):
        entry["has_peeked"] = True
    patch = [put(f"/participants/{escape(user_id)}", json_of(entry))]
    if user_id in session["removed"]:
        patch.append(drop(f"/session/removed/{escape(user_id)}"))
    ctx.emit({"kind": "role", "target": user_id, "role": role, "name": name[:120], "patch": patch})


def claim_session(ctx: Context, data: ClaimSession) -> None:
    """A session that a kernel made belongs to that kernel's person, or where nobody knows whose kernel it
    was, to the first who claims it.
    """
    me, session = ctx.author.user_id, ctx.rules["session"]
    if session["owner"] is not None:
        raise Refused("forbidden", "the session has an owner")
    if session.get("reserved_for", me) != me:
        raise Refused("forbidden", "somebody else's kernel made this session")
    if not ctx.author.may_begin:
        raise Refused("forbidden", "you may watch stories here, and not own one")
    patch = [put("/session/owner", me), put(f"/participants/{escape(me)}/role", "owner"), *since_now(ctx, me)]
    ctx.emit({"kind": "role", "target": me, "role": "owner", "patch": patch})


def set_role(ctx: Context, data: SetRole) -> None:
    participants, target = ctx.rules["participants"], data.target
    known = participants.get(target)
    if target == ctx.author.user_id and data.role != "owner":
        others = [u for u, p in participants.items() if p["role"] == "owner" and u != target]
        if not others:
            raise Refused("forbidden", "a session keeps an owner: make somebody else one first")
    if known is None:
        if data.role is None or target not in ctx.rules["session"]["removed"]:
            raise Refused("no_participant", f"{target[:80]!r} is not of this session")
        return add(ctx, target, data.role, target)
    if known["role"] == data.role:
        return
    if "guest" in known and data.role in ("owner", "director"):
        raise Refused("forbidden", "a guest plays or watches: who directs needs an account")
    at = f"/participants/{escape(target)}"
    patch: list[Op] = []
    if data.role in (None, "director", "spectator"):
        for character, seat in ctx.rules["seats"].items():
            if seat["owner"] == target:
                patch += release_ops(ctx, character)
    if target in ctx.rules["turn"]["votes"] and not any(
        op["path"] == f"/turn/votes/{escape(target)}" for op in patch
    ):
        patch.append(drop(f"/turn/votes/{escape(target)}"))
    turn = ctx.rules["turn"]
    withdrawn = {op["path"] for op in patch}
    if turn["deadline"] and all(f"/turn/proposals/{c}" in withdrawn for c in turn["proposals"]):
        patch.append(put("/turn/deadline", None))
    if data.role is None:
        patch += [drop(at), *(() if target.startswith(GUEST) else _removed_ops(ctx, target, known))]
    else:
        patch += [put(f"{at}/role", data.role), *since_now(ctx, target)]
        if data.role == "director":
            patch.append(put(f"{at}/has_peeked", True))
    ctx.emit({"kind": "role", "target": target, "role": data.role, "patch": patch})
    if data.role is None:
        for kernel in [k for k in ctx.rules["host"]["admitted"] if person_of(k) == target]:
            hosting.admit(ctx, AdmitHost(kind="admit_host", kernel=kernel, admitted=False))


def _removed_ops(ctx: Context, target: str, known: ParticipantState) -> list[Op]:
    """Remember who was removed, and whether they have peeked: a new role does not make that undone."""
    session = ctx.rules["session"]
    removed = dict(session["removed"])
    patch: list[Op] = []
    while len(removed) >= REMOVED_KEPT:
        oldest = min(removed, key=lambda user: removed[user])
        patch.append(drop(f"/session/removed/{escape(oldest)}"))
        del removed[oldest]
    patch.append(put(f"/session/removed/{escape(target)}", ctx.draft.next_id))
    peeked = [user for user in session.get("peeked", []) if user in removed and user != target]
    if known.get("has_peeked"):
        peeked.append(target)
    if peeked != session.get("peeked", []):
        patch.append(put("/session/peeked", json_of(peeked)))
    return patch


def grant_view(ctx: Context, data: GrantView) -> None:
    participant = ctx.rules["participants"].get(data.target)
    if participant is None:
        raise Refused("no_participant", f"{data.target[:80]!r} is not of this session")
    if participant.get("sees_all", False) == data.sees_all:
        return
    if data.sees_all and any(seat["owner"] == data.target for seat in ctx.rules["seats"].values()):
        raise Refused("sees_all", f"{data.target[:80]} plays a character: release the seat first")
    at = f"/participants/{escape(data.target)}"
    patch = [
        put(f"{at}/sees_all", data.sees_all),
        put(f"{at}/has_peeked", True),
        *since_now(ctx, data.target),
    ]
    ctx.emit({"kind": "view", "target": data.target, "sees_all": data.sees_all, "patch": patch})


def set_settings(ctx: Context, data: ChangeSettings) -> None:
    turn = ctx.rules["turn"]
    changes: dict[str, JsonValue] = data.model_dump(exclude={"kind"}, exclude_none=True)
    if changes.get("collect_timeout") == 0:
        changes["collect_timeout"] = None
    if not changes:
        raise Refused("invalid", "data: no setting is named")
    patch = [put(f"/session/settings/{key}", value) for key, value in changes.items()]
    if "turn_policy" in changes and turn["votes"]:
        patch.append(put("/turn/votes", {}))
    if "collect_timeout" in changes and turn["deadline"]:
        patch.append(put("/turn/deadline", None))
    ctx.emit({"kind": "settings", "patch": patch})


def set_status(ctx: Context, data: SetStatus) -> None:
    archived = ctx.rules["session"]["status"] == "archived"
    if archived == (data.kind == "archive"):
        return
    status: Literal["open", "ended", "archived"] = (
        "archived"
        if data.kind == "archive"
        else ("ended" if ctx.rules["turn"]["phase"] == "ended" else "open")
    )
    ctx.emit({"kind": "status", "status": status, "patch": [put("/session/status", status)]})
