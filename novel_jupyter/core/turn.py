"""The turn machine: `lobby → collect → locked → resolving → narrating → (review) → collect` (SPEC R30-R39).

Law: a turn advances once. Proposals are open until they are locked; what is locked is frozen with its parent
and its attempt; what comes in meanwhile waits for the next turn, so nobody's action is lost because somebody
was faster.
Parts: proposing, readiness and votes; `advance`, which moves the machine as far as the rules allow after
every decision; `lock`; the director's words that need no more (start, lock, pause, resume).
"""

from __future__ import annotations

from typing import Literal, cast

from pydantic import JsonValue

from .draft import Context, put
from .errors import Refused
from .messages import Direct, OnCharacter, Propose, SetReady
from .model import Phase, ProposalState, TurnState
from .patch import Op, PatchError, check_value
from .policy import reason_not, standing_of
from .seats import MID_TURN, escape, mind_the_absent, seat_of, take_seat_to_act, withdraw_ops
from .times import later

ATTEMPTS_KEPT = 64
Why = Literal["ready", "votes", "deadline", "director", "immediate", "reroll"]


def json_of(value: object) -> JsonValue:
    """A typed piece of state as the JSON it is."""
    return cast(JsonValue, value)


def open_to_proposals(ctx: Context) -> TurnState:
    turn = ctx.rules["turn"]
    if turn["phase"] == "ended":
        raise Refused("ended")
    if turn["phase"] == "paused":
        raise Refused("phase", "the story is paused", phase="paused")
    return turn


def propose(ctx: Context, data: Propose) -> None:
    turn = open_to_proposals(ctx)
    seat = seat_of(ctx, data.character)
    check_action(ctx, data.action)
    take_seat_to_act(ctx, data.character)
    if not seat["playable"] and not ctx.author.is_kernel:
        raise Refused("seat_taken", f"{seat['name']} is played by the storyteller")
    if turn["phase"] == "lobby":
        open_collect(ctx)
    turn = ctx.rules["turn"]
    earlier = turn["proposals"].get(data.character)
    if earlier and "overruled" in earlier:
        raise Refused("overruled")
    proposal: ProposalState = {
        "character": data.character,
        "action": data.action,
        "user_id": ctx.author.user_id,
        "ready": False,
        "at": ctx.facts.now,
        "order": earlier["order"] if earlier else ctx.draft.next_id,
    }
    patch = [put(f"/turn/proposals/{data.character}", json_of(proposal))]
    timeout = ctx.rules["session"]["settings"]["collect_timeout"]
    if timeout and not turn["deadline"] and turn["phase"] == "collect":
        patch.append(put("/turn/deadline", later(ctx.facts.now, timeout)))
    ctx.emit(
        {
            "kind": "proposed",
            "turn": turn["number"],
            "character": data.character,
            "action": data.action,
            "patch": patch,
        }
    )


def check_action(ctx: Context, action: dict[str, JsonValue]) -> None:
    """Raises Refused `bad_action` for what cannot stand in a proposal."""
    try:
        check_value(action)
    except PatchError as error:
        raise Refused("bad_action", error.message) from None
    ctx.facts.check_action(action)


def withdraw(ctx: Context, data: OnCharacter) -> None:
    """A player takes a proposal back; whoever directs, what was overruled (SPEC R67)."""
    if "overruled" in open_proposal(ctx, data.character):
        if reason_not(standing_of(ctx.draft.state, ctx.author), "overrule"):
            raise Refused("overruled")
    else:
        take_seat_to_act(ctx, data.character)
    patch = withdraw_ops(ctx, data.character)
    ctx.emit(
        {
            "kind": "withdrawn",
            "turn": ctx.rules["turn"]["number"],
            "character": data.character,
            "patch": patch,
        }
    )


def set_ready(ctx: Context, data: SetReady) -> None:
    proposal = _must_own_proposal(ctx, data.character)
    if proposal["ready"] == data.ready:
        return
    patch = [put(f"/turn/proposals/{data.character}/ready", data.ready)]
    number = ctx.rules["turn"]["number"]
    ctx.emit(
        {"kind": "ready", "turn": number, "character": data.character, "ready": data.ready, "patch": patch}
    )


def _must_own_proposal(ctx: Context, character: str) -> ProposalState:
    proposal = open_proposal(ctx, character)
    take_seat_to_act(ctx, character)
    return proposal


def open_proposal(ctx: Context, character: str) -> ProposalState:
    """What stands for a character and can still be changed. Raises Refused `no_proposal`."""
    seat_of(ctx, character)
    proposal = open_to_proposals(ctx)["proposals"].get(character)
    if proposal is None:
        raise Refused("no_proposal", f"nothing is proposed for {character}")
    return proposal


def vote(ctx: Context, data: OnCharacter) -> None:
    turn = open_to_proposals(ctx)
    if ctx.rules["session"]["settings"]["turn_policy"] != "vote" or turn["phase"] != "collect":
        raise Refused("phase", "there is no vote now", phase=turn["phase"])
    if data.character not in _alive(turn):
        raise Refused("no_proposal", f"nothing is proposed for {data.character}")
    patch = [put(f"/turn/votes/{escape(ctx.author.user_id)}", data.character)]
    ctx.emit({"kind": "voted", "turn": turn["number"], "character": data.character, "patch": patch})


# --- moving -------------------------------------------------------------------------------------------------


def moved(
    ctx: Context, kind: Literal["opened", "cancelled", "paused", "resumed", "accepted"], patch: list[Op]
) -> None:
    turn = ctx.rules["turn"]
    ctx.emit({"kind": kind, "turn": turn["number"], "attempt": turn["attempt"], "patch": patch})


def open_collect(ctx: Context) -> None:
    moved(ctx, "opened", [put("/turn/phase", "collect")])


def timer(ctx: Context, is_waiting: bool) -> Op:
    """The deadline of a turn that collects from now on: there is one when a proposal waits."""
    timeout = ctx.rules["session"]["settings"]["collect_timeout"]
    return put("/turn/deadline", later(ctx.facts.now, timeout) if timeout and is_waiting else None)


def collect_ops(ctx: Context, number: int, proposals: dict[str, ProposalState] | None = None) -> list[Op]:
    """Back to collecting as turn `number` (or to the pause that was asked for), with what waits or with
    other `proposals`; a new timer starts for them.
    """
    turn = ctx.rules["turn"]
    paused = turn["pause_next"]
    waiting = turn["proposals"] if proposals is None else proposals
    return [
        put("/turn/phase", "paused" if paused else "collect"),
        put("/turn/resume", "collect" if paused else None),
        put("/turn/pause_next", False),
        put("/turn/number", number),
        put("/turn/locked", None),
        put("/turn/node", 0),
        put("/turn/retelling", False),
        put("/turn/error", None),
        timer(ctx, bool(waiting) and not paused),
        *([] if proposals is None else [put("/turn/proposals", json_of(proposals))]),
    ]


def advance(ctx: Context) -> None:
    """Everything that follows by rule from the state, who is present, and the time. Idempotent."""
    if ctx.rules["session"]["status"] == "archived":
        return
    mind_the_absent(ctx)
    for why, characters in _lock_reasons(ctx):
        lock(ctx, why, characters)
        return


def _lock_reasons(ctx: Context) -> list[tuple[Why, list[str]]]:
    turn, settings = ctx.rules["turn"], ctx.rules["session"]["settings"]
    proposals = turn["proposals"]
    if turn["phase"] != "collect" or not proposals:
        return []
    if settings["turn_policy"] == "immediate":
        first = _alive(turn)[:1]
        return [("immediate", first)] if first else []
    due = turn["deadline"] is not None and turn["deadline"] <= ctx.facts.now
    if settings["turn_policy"] == "round":
        present = ctx.facts.present
        owned = [
            c for c, seat in ctx.rules["seats"].items() if seat["owner"] in present and not seat["understudy"]
        ]
        if owned and all(c in proposals and proposals[c]["ready"] for c in owned):
            return [("ready", _in_order(turn))]
        return [("deadline", _in_order(turn))] if due else []
    voters = [
        user
        for user, participant in ctx.rules["participants"].items()
        if participant["role"] != "spectator" and user in ctx.facts.present
    ]
    if voters and all(voter in turn["votes"] for voter in voters):
        return [("votes", _winner(turn))]
    return [("deadline", _winner(turn))] if due else []


def _in_order(turn: TurnState) -> list[str]:
    """The characters for whom something is proposed, the earliest first."""
    return sorted(turn["proposals"], key=lambda character: turn["proposals"][character]["order"])


def _alive(turn: TurnState) -> list[str]:
    """Those of them whose proposal was not struck out."""
    return [character for character in _in_order(turn) if turn["proposals"][character]["action"] is not None]


def _winner(turn: TurnState) -> list[str]:
    """The proposal with most votes, if there is any; of equals the one that was made first."""
    counts = dict.fromkeys(_alive(turn), 0)
    for choice in turn["votes"].values():
        counts[choice] += 1
    return [max(counts, key=lambda character: counts[character])] if counts else []


def lock(ctx: Context, why: Why, characters: list[str]) -> None:
    """Freeze the proposals of `characters` as the next attempt at this turn."""
    turn, settings = ctx.rules["turn"], ctx.rules["session"]["settings"]
    chosen = {character: turn["proposals"][character] for character in characters}
    immediate = settings["turn_policy"] == "immediate" and why == "immediate"
    agents = agents_besides(ctx, list(turn["proposals"]))
    alive = _alive(turn)
    left = {c: json_of(turn["proposals"][c]) for c in alive if immediate and c not in chosen}
    lock_these(ctx, why, chosen, agents, [put("/turn/proposals", left), put("/turn/votes", {})])


def agents_besides(ctx: Context, characters: list[str]) -> list[str]:
    """The characters that the storyteller decides for: nobody's seats and understudied ones."""
    seats = ctx.rules["seats"]
    return sorted(
        c
        for c, seat in seats.items()
        if c not in characters and (seat["owner"] is None or seat["understudy"])
    )


def _next_attempt(turn: TurnState) -> dict[str, int]:
    """The attempts at each turn number with one more at this. Numbers of all branches count together and
    never start again, because the ids of hosts are made of turn and attempt; `0` stands for the forgotten.
    """
    attempts, number = dict(turn["attempts"]), turn["number"]
    forgotten = attempts.pop("0", 0)
    is_forgotten = bool(forgotten) and number < max(map(int, attempts))
    attempts[str(number)] = attempts.get(str(number), forgotten if is_forgotten else 0) + 1
    if len(attempts) > ATTEMPTS_KEPT:
        oldest = min((key for key in attempts if key != str(number)), key=int)
        forgotten = max(forgotten, attempts.pop(oldest))
    return {**attempts, "0": forgotten} if forgotten else attempts


def lock_these(
    ctx: Context, why: Why, chosen: dict[str, ProposalState], agents: list[str], patch: list[Op]
) -> None:
    turn = ctx.rules["turn"]
    attempts = _next_attempt(turn)
    attempt = attempts[str(turn["number"])]
    locked = {"base": ctx.draft.next_id, "proposals": chosen, "agents": agents}
    ctx.emit(
        {
            "kind": "locked",
            "turn": turn["number"],
            "attempt": attempt,
            "characters": sorted(chosen),
            "why": why,
            "patch": [
                put("/turn/phase", "resolving" if ctx.rules["host"]["holder"] else "locked"),
                put("/turn/attempt", attempt),
                put("/turn/attempts", json_of(attempts)),
                put("/turn/locked", json_of(locked)),
                put("/turn/deadline", None),
                put("/turn/error", None),
                *patch,
            ],
        }
    )


# --- the director's words -----------------------------------------------------------------------------------


def start(ctx: Context, data: Direct) -> None:
    in_phase(ctx, "lobby")
    open_collect(ctx)


def lock_now(ctx: Context, data: Direct) -> None:
    """Lock what is proposed, even nothing: then the agents play alone."""
    if ctx.rules["turn"]["phase"] == "lobby":
        open_collect(ctx)
    turn = in_phase(ctx, "collect")
    is_vote = ctx.rules["session"]["settings"]["turn_policy"] == "vote"
    lock(ctx, "director", _winner(turn) if is_vote else _in_order(turn))


def pause(ctx: Context, data: Direct) -> None:
    turn = ctx.rules["turn"]
    if turn["phase"] in ("ended", "paused"):
        raise Refused("phase", f"the story is {turn['phase']}", phase=turn["phase"])
    if turn["phase"] in MID_TURN:
        return moved(ctx, "paused", [put("/turn/pause_next", True)])
    patch = [
        put("/turn/phase", "paused"),
        put("/turn/resume", turn["phase"]),
        put("/turn/pause_next", False),
        put("/turn/deadline", None),
    ]
    moved(ctx, "paused", patch)


def resume(ctx: Context, data: Direct) -> None:
    turn = ctx.rules["turn"]
    if turn["pause_next"]:
        return moved(ctx, "resumed", [put("/turn/pause_next", False)])
    in_phase(ctx, "paused")
    phase = turn["resume"] or "collect"
    is_waiting = phase == "collect" and bool(turn["proposals"])
    moved(
        ctx,
        "resumed",
        [put("/turn/phase", phase), put("/turn/resume", None), timer(ctx, is_waiting)],
    )


def in_phase(ctx: Context, *phases: Phase) -> TurnState:
    turn = ctx.rules["turn"]
    if turn["phase"] not in phases:
        raise Refused(
            "phase", f"not while {turn['phase']}; it takes {' or '.join(phases)}", phase=turn["phase"]
        )
    return turn
