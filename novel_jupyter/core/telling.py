"""From the lock to the next turn: the host's result, its prose, and every way in which they can end (SPEC
R40-R46).

Law: a result is taken once, from the holder of the lease, for the attempt that is locked; what a person
wrote meanwhile is never overwritten (the agent's change becomes a suggestion). A failed or cancelled telling
never undoes a resolution.
Parts: `resolve`, `tell`, failures, `cancel`, `accept`, and `relay` for what is streamed and never stored.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal, cast

from pydantic import JsonValue

from .asking import bill
from .changes import check_audience, merge_changes
from .draft import Context, is_agent, put, trimmed
from .errors import Refused
from .events import Outcome
from .hosting import fenced
from .messages import Chunk, Direct, Fenced, Narrative, Progress, SeatNarrative, TurnFailed, TurnResult
from .model import DIRECTOR, EVERYONE, SEALED, Audience, NodeState, SeatState, State
from .patch import Op, PatchError, check_value
from .seats import escape
from .turn import collect_ops, in_phase, json_of, moved, timer
from .views import rules_of

CHRONICLE_KEPT = 20
TURNS_KEPT = 200
OUTCOMES_KEPT = 64
SEAT_ENTRY = ("turn", "attempt", "branch", "narrative")


def turn_seed(state: State) -> str:
    """The seed of the attempt that is locked: blake2b over the session's sealed seed, branch, turn and
    attempt.
    """
    turn, sealed = rules_of(state)["turn"], rules_of(state)["sealed"]
    key = f"{sealed['seed']}|{turn['branch']}|{turn['number']}|{turn['attempt']}"
    return blake2b(key.encode(), digest_size=16).hexdigest()


def _this_attempt(ctx: Context, data: Fenced) -> None:
    turn = ctx.rules["turn"]
    if (data.turn, data.attempt) != (turn["number"], turn["attempt"]):
        raise Refused("stale_turn", f"turn {data.turn}, attempt {data.attempt} is over")


def resolve(ctx: Context, data: TurnResult) -> None:
    fenced(ctx, data.token)
    _this_attempt(ctx, data)
    turn = in_phase(ctx, "resolving")
    locked = turn["locked"]
    if locked is None or data.base > ctx.draft.head.sequence_id:
        raise Refused("stale_turn")
    for outcome in data.outcomes:
        if outcome["character"] != DIRECTOR and outcome["character"] not in ctx.rules["seats"]:
            raise Refused(
                "unknown_character", f"an outcome is for {outcome['character'][:40]!r}, whom nobody knows"
            )
        check_audience(ctx, outcome["audience"])
        if not set(outcome.get("witnesses", [])) <= set(ctx.rules["seats"]):
            raise Refused("unknown_character", "an outcome was seen by somebody whom nobody knows")
    try:
        check_value(json_of(data.outcomes))
        check_value(data.ended)
        check_value(json_of(data.made_by))
        check_value(data.records)
    except PatchError as error:
        raise Refused("bad_value", error.message) from None
    patches, suggested = merge_changes(ctx, data.changes, data.base)
    by_audience: dict[str, tuple[Audience, list[Op], list[Outcome]]] = {
        repr(audience): (audience, patch, []) for audience, patch in patches
    }
    for outcome in data.outcomes:
        audience = outcome["audience"]
        by_audience.setdefault(repr(audience), (audience, [], []))[2].append(outcome)

    node = ctx.draft.next_id
    _, public_patch, public_outcomes = by_audience.pop(repr(EVERYONE), (EVERYONE, [], []))
    rule_patch = _complete_ops(ctx, node) if data.turn_complete else collect_ops(ctx, turn["number"])
    if data.ended is not None and data.turn_complete:
        rule_patch.append(put("/session/ending", data.ended))
    # Private changes come before the records that sum them up, all in one append: nobody sees half a turn.
    ctx.emit(
        {
            "kind": "resolved",
            "turn": turn["number"],
            "attempt": turn["attempt"],
            "seed": turn_seed(ctx.draft.state),
            "turn_complete": data.turn_complete,
            "outcomes": public_outcomes,
            "suggested": suggested,
            "ended": data.ended,
            "made_by": data.made_by,
            "patch": [*public_patch, *rule_patch, *bill(ctx.draft.state)],
        }
    )
    for audience, patch, outcomes in by_audience.values():
        ctx.emit({"kind": "dealt", "why": "turn", "outcomes": outcomes, "patch": patch}, audience)
    _seal(ctx, data)


def _complete_ops(ctx: Context, node: int) -> list[Op]:
    turn = ctx.rules["turn"]
    entry: NodeState = {
        "number": turn["number"],
        "attempt": turn["attempt"],
        "branch": turn["branch"],
        "parent": turn["parent"],
        "narration": "pending",
        "end": 0,
    }
    return [
        put("/turn/phase", "narrating"),
        put("/turn/node", node),
        put("/turn/parent", node),
        put(f"/turns/{node}", json_of(entry)),
        put(f"/branches/{turn['branch']}", node),
        *trimmed("/turns", ctx.rules["turns"], TURNS_KEPT),
    ]


def _seal(ctx: Context, data: TurnResult) -> None:
    """What a successor needs to tell the turn, and what was asked of models: in the log, in no broadcast
    view."""
    sealed = ctx.rules["sealed"]
    outcomes = [json_of(outcome) for outcome in data.outcomes]
    records = list(data.records)
    if sealed.get("unfinished"):
        outcomes = [*_listed(sealed.get("outcomes")), *outcomes]
        records = [*_listed(sealed.get("records")), *records]
    ctx.emit(
        {
            "kind": "record",
            "turn": data.turn,
            "attempt": data.attempt,
            "patch": [
                put("/sealed/outcomes", outcomes[-OUTCOMES_KEPT:]),
                put("/sealed/records", records[-OUTCOMES_KEPT:]),
                put("/sealed/unfinished", not data.turn_complete),
            ],
        },
        SEALED,
    )


def _listed(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _being_told(ctx: Context, data: Fenced) -> NodeState:
    """Raises Refused `stale_turn` unless `data` is about the turn that is being told."""
    turn = ctx.rules["turn"]
    entry = ctx.rules["turns"].get(str(turn["node"])) if turn["phase"] == "narrating" else None
    if entry is None or (data.turn, data.attempt) != (entry["number"], entry["attempt"]):
        raise Refused("stale_turn", f"turn {data.turn}, attempt {data.attempt} is not being told")
    return entry


def tell(ctx: Context, data: Narrative) -> None:
    fenced(ctx, data.token)
    for character in data.seats:
        if character not in ctx.rules["seats"] or f"seat:{character}" not in ctx.draft.state:
            raise Refused("unknown_character", f"a telling is for {character[:40]!r}, whom nobody knows")
    try:
        told_seats = [json_of(seat.sentences) for seat in data.seats.values()]
        check_value([json_of(data.sentences), json_of(data.made_by), *told_seats])
    except PatchError as error:
        raise Refused("bad_value", error.message) from None
    turn, entry = ctx.rules["turn"], _being_told(ctx, data)
    node, retold = turn["node"], turn["retelling"]
    told = {
        "turn": entry["number"],
        "attempt": entry["attempt"],
        "branch": entry["branch"],
        "narrative": data.text,
        "engine": data.made_by["engine"],
        "so_far": data.so_far,
    }
    chronicle = ctx.draft.state.get("chronicle", {})
    assert isinstance(chronicle, dict)
    before = chronicle.get(str(node))
    # How often it was told: whoever tells it again, wherever, can begin elsewhere.
    times = before.get("tellings") if isinstance(before, dict) else None
    told["tellings"] = 1 + (times if isinstance(times, int) else 1 if before else 0)
    for character, seat in data.seats.items():
        _tell_seat(ctx, character, seat, {**told, "narrative": seat.text})
    patch = [put(f"/chronicle/{node}", json_of(told))]
    if str(node) not in chronicle:
        patch = [*trimmed("/chronicle", chronicle, CHRONICLE_KEPT), *patch]
    ctx.emit(
        {
            "kind": "turn",
            "turn": entry["number"],
            "attempt": entry["attempt"],
            "node": node,
            "retold": retold,
            "narrative": data.text,
            "sentences": data.sentences,
            "made_by": data.made_by,
            "patch": [*patch, *_end_ops(ctx, "told"), *bill(ctx.draft.state)],
        }
    )


def _tell_seat(ctx: Context, character: str, seat: SeatNarrative, told: dict[str, object]) -> None:
    """One seat's own telling, in its own partition. Before the public event, which is where the turn ends."""
    root, node = f"/seat:{escape(character)}/chronicle", ctx.rules["turn"]["node"]
    mine = ctx.draft.state[f"seat:{character}"]
    assert isinstance(mine, dict)
    kept = mine.get("chronicle")
    patch = [] if isinstance(kept, dict) else [put(root, {})]
    if isinstance(kept, dict) and str(node) not in kept:
        patch = trimmed(root, kept, CHRONICLE_KEPT)
    ctx.emit(
        {
            "kind": "dealt",
            "why": "telling",
            "turn": cast(int, told["turn"]),
            "node": node,
            "narrative": seat.text,
            "sentences": seat.sentences,
            "patch": [*patch, put(f"{root}/{node}", json_of({k: told[k] for k in SEAT_ENTRY}))],
        },
        [character],
    )


def _end_ops(ctx: Context, narration: Literal["told", "failed", "cancelled"]) -> list[Op]:
    """Where the machine goes when the telling is over, however it ended."""
    turn, session = ctx.rules["turn"], ctx.rules["session"]
    node = turn["node"]
    if turn["retelling"]:
        # The turn's end stays where it was: what an undo to it restores has not changed, but for the prose.
        keep = narration if narration == "told" else ctx.rules["turns"][str(node)]["narration"]
        back, paused = turn["resume"] or "collect", turn["pause_next"]
        return [
            put("/turn/phase", "paused" if paused else back),
            put("/turn/resume", back if paused else None),
            put("/turn/pause_next", False),
            put("/turn/retelling", False),
            put("/turn/node", 0),
            put(f"/turns/{node}/narration", keep),
            timer(ctx, back == "collect" and not paused and bool(turn["proposals"])),
        ]
    done = [put(f"/turns/{node}/narration", narration), put(f"/turns/{node}/end", ctx.draft.next_id)]
    if "ending" in session:
        rest = [
            put("/turn/phase", "ended"),
            put("/session/status", "ended"),
            put("/turn/locked", None),
            put("/turn/node", 0),
        ]
    elif session["settings"]["review"]:
        rest = [put("/turn/phase", "review"), put("/turn/locked", None), put("/turn/node", 0)]
    else:
        rest = collect_ops(ctx, turn["number"] + 1)
    return [*done, *rest]


def end_telling(
    ctx: Context, kind: Literal["cancelled", "narration_failed"], narration: Literal["failed", "cancelled"]
) -> None:
    entry = ctx.rules["turns"][str(ctx.rules["turn"]["node"])]
    ctx.emit(
        {
            "kind": kind,
            "turn": entry["number"],
            "attempt": entry["attempt"],
            "patch": [*_end_ops(ctx, narration), *bill(ctx.draft.state)],
        }
    )


def fail(ctx: Context, data: TurnFailed) -> None:
    """The agents gave up. A resolution that failed waits for `reroll` or `cancel`; a telling that failed is
    skipped.
    """
    fenced(ctx, data.token)
    turn = ctx.rules["turn"]
    if data.kind == "narration_failed":
        _being_told(ctx, data)
        return end_telling(ctx, "narration_failed", "failed")
    _this_attempt(ctx, data)
    in_phase(ctx, "resolving")
    patch = [put("/turn/phase", "failed"), put("/turn/error", data.code), *bill(ctx.draft.state)]
    ctx.emit(
        {
            "kind": "failed",
            "turn": turn["number"],
            "attempt": turn["attempt"],
            "code": data.code,
            "patch": patch,
        }
    )


def relay(state: State, user_id: str, data: Chunk | Progress) -> None:
    """Whether a host's provisional words may be shown: its lease and the turn must be current. Raises
    Refused."""
    rules = rules_of(state)
    host, turn = rules["host"], rules["turn"]
    if host["holder"] != user_id or host["token"] != data.token:
        raise Refused("stale_lease")
    entry = rules["turns"].get(str(turn["node"])) if turn["phase"] == "narrating" else None
    expected = (entry["number"], entry["attempt"]) if entry else (turn["number"], turn["attempt"])
    wanted = ("narrating",) if isinstance(data, Chunk) else ("resolving", "narrating")
    if isinstance(data, Chunk) and data.seat is not None and data.seat not in rules["seats"]:
        raise Refused("unknown_character", f"a telling is for {data.seat[:40]!r}, whom nobody knows")
    if turn["phase"] not in wanted or (data.turn, data.attempt) != expected:
        raise Refused("stale_turn")


def _still_acts(seat: SeatState, user_id: str) -> bool:
    """Whether the seat is still the proposer's: it may have been released or given away meanwhile."""
    owner = seat["owner"]
    return owner == user_id or (is_agent(user_id) and (owner is None or user_id in seat.get("delegates", [])))


def cancel(ctx: Context, data: Direct) -> None:
    """End the attempt before its commit: its proposals are open again. While narrating, end the telling
    only."""
    turn = ctx.rules["turn"]
    if turn["phase"] == "collect":
        if not turn["proposals"]:
            raise Refused("phase", "there is nothing to cancel", phase="collect")
        return moved(
            ctx,
            "cancelled",
            [put("/turn/proposals", {}), put("/turn/votes", {}), put("/turn/deadline", None)],
        )
    in_phase(ctx, "locked", "resolving", "narrating", "failed")
    if turn["phase"] == "narrating":
        return end_telling(ctx, "cancelled", "cancelled")
    proposals = turn["proposals"]
    # What is adjudicated as it comes would be locked again at once: there, a cancelled action is dropped.
    if turn["locked"] and ctx.rules["session"]["settings"]["turn_policy"] != "immediate":
        for character, proposal in turn["locked"]["proposals"].items():
            stays = "overruled" in proposal or _still_acts(ctx.rules["seats"][character], proposal["user_id"])
            if stays and character not in proposals:
                proposals = {**proposals, character: {**proposal, "ready": False}}
    moved(ctx, "cancelled", [*collect_ops(ctx, turn["number"], proposals), *bill(ctx.draft.state)])


def accept(ctx: Context, data: Direct) -> None:
    turn = in_phase(ctx, "review")
    moved(ctx, "accepted", collect_ops(ctx, turn["number"] + 1))
