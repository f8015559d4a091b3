"""What models were asked and what they answered, kept while their turn is under way (SPEC R47-R49).

Law: an exchange is kept under its key once, sealed, and handed to whoever hosts the same attempt next, so
that no answer is paid for twice; another attempt and another telling ask anew. What it cost is added
up for good.
Parts: `asked` (the command), `paid`, `handed_over` (what a request to a host carries besides its task),
`bill` (what everybody sees of it), `forget`.
"""

from __future__ import annotations

from typing import Any, Final, cast

from pydantic import JsonValue

from .draft import Context, put
from .errors import Refused
from .hosting import fenced
from .messages import Asked
from .model import SEALED, AgentCost, State
from .patch import Op, PatchError, check_value
from .turn import json_of
from .views import rules_of

EXCHANGES_KEPT: Final = 64
_NOTHING: Final[AgentCost] = {"tokens_in": 0, "tokens_out": 0, "cost": 0.0}


def asked(ctx: Context, data: Asked) -> None:
    fenced(ctx, data.token)
    about = _under_way(ctx.draft.state)
    if about is None or (data.turn, data.attempt) != (about["turn"], about["attempt"]):
        raise Refused("stale_turn", f"turn {data.turn}, attempt {data.attempt} is not under way")
    kept = _kept(ctx.draft.state)
    if data.key in kept:
        return
    if len(kept) >= EXCHANGES_KEPT:
        raise Refused("too_many", f"at most {EXCHANGES_KEPT} exchanges of one attempt are kept")
    try:
        check_value(data.exchange)
    except PatchError as error:
        raise Refused("bad_value", error.message) from None
    fresh: JsonValue = {**about, "exchanges": {data.key: data.exchange}}
    keep = put(f"/sealed/asked/exchanges/{data.key}", data.exchange) if kept else put("/sealed/asked", fresh)
    spent = json_of(_sum(_spent(ctx.draft.state), data.spent))
    ctx.emit(
        {
            "kind": "record",
            "turn": data.turn,
            "attempt": data.attempt,
            "patch": [keep, put("/sealed/spent", spent)],
        },
        SEALED,
    )


def paid(state: State, spent: AgentCost) -> list[Op]:
    """What adds a cost to the session's; nothing for what cost nothing."""
    if not (spent["tokens_in"] or spent["tokens_out"] or spent["cost"]):
        return []
    return [put("/sealed/spent", json_of(_sum(_spent(state), spent)))]


def handed_over(state: State) -> dict[str, JsonValue]:
    """What was asked already for what is under way, and what the session has cost so far."""
    return {"asked": cast(JsonValue, _kept(state)), "spent": json_of(_spent(state))}


def bill(state: State) -> list[Op]:
    """The public sum of what models have cost, where it is no longer what everybody reads."""
    spent = json_of(_spent(state))
    shown = rules_of(state)["session"].get("spent", _NOTHING)
    return [] if spent == shown else [put("/session/spent", spent)]


def forget() -> Op:
    """What is asked next begins from nothing."""
    return put("/sealed/asked", None)


def _under_way(state: State) -> dict[str, JsonValue] | None:
    """What the host is working on."""
    turn = rules_of(state)["turn"]
    entry = rules_of(state)["turns"].get(str(turn["node"]))
    if turn["phase"] == "resolving":
        return {
            "task": "resolve",
            "turn": turn["number"],
            "attempt": turn["attempt"],
            "branch": turn["branch"],
        }
    if turn["phase"] == "narrating" and entry is not None:
        return {
            "task": "narrate",
            "turn": entry["number"],
            "attempt": entry["attempt"],
            "branch": entry["branch"],
        }
    return None


def _kept(state: State) -> dict[str, Any]:
    """Key → exchange, of what is under way."""
    kept: Any = rules_of(state)["sealed"].get("asked")
    about = _under_way(state)
    if not kept or about is None or any(kept[name] != value for name, value in about.items()):
        return {}
    return cast("dict[str, Any]", kept["exchanges"])


def _spent(state: State) -> AgentCost:
    return cast(AgentCost, rules_of(state)["sealed"].get("spent") or _NOTHING)


def _sum(one: AgentCost, other: AgentCost) -> AgentCost:
    return {
        "tokens_in": one["tokens_in"] + max(0, other["tokens_in"]),
        "tokens_out": one["tokens_out"] + max(0, other["tokens_out"]),
        "cost": round(one["cost"] + max(0.0, other["cost"]), 9),
    }
