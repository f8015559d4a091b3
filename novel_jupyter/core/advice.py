"""What a player's character would do, asked and answered in private (SPEC R55-R57).

Law: the question and the answer stand in the seat's own partition, so that any host and any server can go on
and nobody else reads them. Advice decides nothing.
Parts: `advise` (the player asks), `advice` (the host answers), `wanted` (what a host should answer now).
"""

from __future__ import annotations

from typing import Any, Final, cast

from pydantic import JsonValue

from .asking import paid
from .draft import Context, put
from .errors import Refused
from .hosting import fenced
from .messages import Advice, Advise
from .model import SEALED, Phase, State
from .patch import PatchError, check_value
from .seats import seat_of
from .views import rules_of

BETWEEN: Final[tuple[Phase, ...]] = ("lobby", "collect")
PER_TURN: Final = 5
"""How often a player may ask about one character in one turn."""


def advise(ctx: Context, data: Advise) -> None:
    seat = seat_of(ctx, data.character)
    if seat["owner"] != ctx.author.user_id:
        raise Refused("not_your_seat", f"only the player of {seat['name']} is told what they would do")
    turn = ctx.rules["turn"]
    if turn["phase"] not in BETWEEN:
        raise Refused("phase", "ask while there is something to decide: before the turn is locked")
    entry = _entry(ctx.draft.state, data.character)
    if entry is not None and entry["answer"] is None:
        return  # it is being asked already
    asked = entry["asked"] if entry else 0
    if asked >= PER_TURN:
        raise Refused("too_many", f"a player may ask {PER_TURN} times a turn", limit=PER_TURN)
    _keep(ctx, data.character, {"turn": turn["number"], "asked": asked + 1, "answer": None})


def advice(ctx: Context, data: Advice) -> None:
    fenced(ctx, data.token)
    seat_of(ctx, data.character)
    turn, entry = ctx.rules["turn"], _entry(ctx.draft.state, data.character)
    if paying := paid(ctx.draft.state, data.spent):
        at = {"turn": turn["number"], "attempt": turn["attempt"]}
        ctx.emit(cast(Any, {"kind": "record", **at, "patch": paying}), SEALED)
    waits = turn["phase"] in BETWEEN and entry is not None and entry["answer"] is None
    if not waits or (data.turn, data.asked) != (turn["number"], entry and entry["asked"]):
        # What it cost is told all the same.
        if paying:
            return
        raise Refused("stale_turn", "nobody waits for this any more")
    answer: dict[str, JsonValue] = {
        "action": data.action,
        "words": data.words,
        "why": list(data.why),
        "agent": data.agent,
    }
    try:
        check_value(answer)
    except PatchError as error:
        raise Refused("bad_value", error.message) from None
    if data.action is not None:
        ctx.facts.check_action(data.action)
    _keep(ctx, data.character, {"turn": data.turn, "asked": data.asked, "answer": answer})


def wanted(state: State) -> list[tuple[str, int]]:
    """(character, which question of this turn) for all whom the host should advise now."""
    rules = rules_of(state)
    if rules["turn"]["phase"] not in BETWEEN or rules["session"]["status"] == "archived":
        return []
    entries = ((who, _entry(state, who)) for who in sorted(rules["seats"]))
    return [(who, entry["asked"]) for who, entry in entries if entry and entry["answer"] is None]


def _entry(state: State, character: str) -> dict[str, Any] | None:
    """What was asked about a character in this turn, if anything was."""
    seat: Any = state.get(f"seat:{character}")
    entry = seat.get("advice") if isinstance(seat, dict) else None
    here = entry is not None and entry["turn"] == rules_of(state)["turn"]["number"]
    return cast("dict[str, Any]", entry) if here else None


def _keep(ctx: Context, character: str, entry: JsonValue) -> None:
    patch = [put(f"/seat:{character}/advice", entry)]
    ctx.emit({"kind": "advised", "character": character, "patch": patch}, [character])
