"""Who runs the agents: admission, the lease, the fencing token, and what the host should be doing (SPEC
R50-R54).

Law: one kernel at a time holds the lease; its token is the sequence_id of its `lease_granted` event and is
checked against the state at the very head at which the append happens, so a stale host's results cannot
enter.
Parts: admit, request, release, lose; `fenced`; `host_task`, a function of state alone, so that a restarted
server or a successor asks for exactly what is missing.
"""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue

from .draft import Context, drop, put
from .errors import Refused
from .messages import AdmitHost, Lease
from .model import State
from .patch import Op
from .seats import escape
from .views import rules_of

HOSTS_KEPT = 16


def admit(ctx: Context, data: AdmitHost) -> None:
    host = ctx.rules["host"]
    if not data.kernel.startswith("kernel:"):
        raise Refused("invalid", "data.kernel: a kernel's name is 'kernel:<id>'")
    if (data.kernel in host["admitted"]) == data.admitted:
        return
    if not data.admitted:
        if host["holder"] == data.kernel:
            lose(ctx.by_server())
        patch = [drop(f"/host/admitted/{escape(data.kernel)}")]
    elif len(host["admitted"]) >= HOSTS_KEPT:
        raise Refused("too_many", f"at most {HOSTS_KEPT} kernels are admitted; take one out first")
    else:
        patch = [put(f"/host/admitted/{escape(data.kernel)}", ctx.draft.next_id)]
    ctx.emit({"kind": "host", "kernel": data.kernel, "admitted": data.admitted, "patch": patch})


def lease(ctx: Context, data: Lease) -> None:
    host, turn = ctx.rules["host"], ctx.rules["turn"]
    me = ctx.author.user_id
    if data.kind == "release_lease":
        if host["holder"] == me:
            lose(ctx)
        return
    if me not in host["admitted"]:
        raise Refused("not_admitted", f"ask the owner or a director to admit {me}")
    if host["holder"] not in (None, me):
        raise Refused("lease_held", holder=host["holder"])
    patch = [put("/host/holder", me), put("/host/token", ctx.draft.next_id)]
    if turn["phase"] == "locked":
        patch.append(put("/turn/phase", "resolving"))
    ctx.emit({"kind": "lease_granted", "holder": me, "patch": patch})


def lose(ctx: Context) -> None:
    """The holder gave the lease back or is gone: what was being resolved waits for a successor."""
    host, turn = ctx.rules["host"], ctx.rules["turn"]
    if host["holder"] is None:
        return
    patch: list[Op] = [put("/host/holder", None)]
    if turn["phase"] == "resolving":
        patch.append(put("/turn/phase", "locked"))
    ctx.emit({"kind": "lease_lost", "holder": host["holder"], "patch": patch})


def fenced(ctx: Context, token: int) -> None:
    """Raises Refused `stale_lease` unless the author holds the lease with this very token."""
    host = ctx.rules["host"]
    if host["holder"] != ctx.author.user_id or host["token"] != token:
        raise Refused("stale_lease", "the lease is with another host, or was granted anew")


def host_task(state: State, seed: str) -> dict[str, JsonValue] | None:
    """What the holder of the lease should be doing now: the `data` of its `turn_request`, or None.

    `seed` is `telling.turn_seed(state)`. The host answers `resolve` with `turn_result` or `turn_failed`,
    `narrate` with
    chunks and `narrative` or `narration_failed`.
    """
    rules = rules_of(state)
    host, turn = rules["host"], rules["turn"]
    archived = rules["session"].get("status") == "archived"
    if archived or host["holder"] is None or turn["phase"] not in ("resolving", "narrating"):
        return None
    task: Literal["resolve", "narrate"] = "resolve" if turn["phase"] == "resolving" else "narrate"
    number, attempt, branch = turn["number"], turn["attempt"], turn["branch"]
    entry = rules["turns"].get(str(turn["node"]))
    if task == "narrate" and entry:
        number, attempt, branch = entry["number"], entry["attempt"], entry["branch"]
    request: dict[str, JsonValue] = {
        "kind": "turn_request",
        "task": task,
        "turn": number,
        "attempt": attempt,
        "branch": branch,
        "token": host["token"],
        "policy": rules["session"]["settings"]["turn_policy"],
        "seed": seed,
    }
    if task == "narrate":
        ended: JsonValue = None if turn["retelling"] else rules["session"].get("ending")
        sealed = rules["sealed"]
        told = sealed.get("retelling") if turn["retelling"] else sealed
        assert isinstance(told, dict)
        return {
            **request,
            "node": turn["node"],
            "retelling": turn["retelling"],
            "ended": ended,
            "outcomes": told.get("outcomes", []),
            "records": told.get("records", []),
        }
    locked = turn["locked"]
    if locked is None:
        return None
    proposals: JsonValue = {
        c: {
            "action": p["action"],
            "user_id": p["user_id"],
            **({"overruled": True} if "overruled" in p else {}),
        }
        for c, p in locked["proposals"].items()
        if p["action"] is not None
    }
    agents: JsonValue = list(locked["agents"])
    return {**request, "base": locked["base"], "proposals": proposals, "agents": agents}
