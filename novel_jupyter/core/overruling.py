"""A director's word in the place of a player's (SPEC R66-R68).

Law: it is said openly, with its author and a reason, and stands for the turn; only whoever directs takes it
back (by `withdraw`). It goes through the turn as any proposal does.
Parts: `overrule`.
"""

from __future__ import annotations

from .draft import Context, put
from .messages import Overrule
from .model import ProposalState
from .seats import unvote_ops, withdraw_ops
from .turn import check_action, json_of, open_proposal


def overrule(ctx: Context, data: Overrule) -> None:
    proposal = open_proposal(ctx, data.character)
    if data.action is not None:
        check_action(ctx, data.action)
    overruled: ProposalState = {
        **proposal,
        "action": data.action,
        "ready": False,
        "at": ctx.facts.now,
        "overruled": {"by": ctx.author.user_id, "reason": data.reason},
    }
    # Where each action is a turn of its own, there is none for which a struck-out one could stand.
    if data.action is None and ctx.rules["session"]["settings"]["turn_policy"] == "immediate":
        patch = withdraw_ops(ctx, data.character)
    else:
        at = f"/turn/proposals/{data.character}"
        patch = [put(at, json_of(overruled)), *unvote_ops(ctx, data.character)]
    ctx.emit(
        {
            "kind": "overruled",
            "turn": ctx.rules["turn"]["number"],
            "character": data.character,
            "action": data.action,
            "reason": data.reason,
            "patch": patch,
        }
    )
