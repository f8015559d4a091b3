"""Seats: who plays whom, who is away, and who stands in (SPEC R20-R24).

Law: a character has one owner. An owner who is away is played by the agent after a while, visibly, and has
the seat back between turns. Whoever has seen more than a player may is never again the owner of a seat.
Parts: claim, release, delegate; `may_act`; `mind_the_absent`, which the turn machine calls after every
decision.
"""

from __future__ import annotations

from .draft import Context, drop, put
from .errors import Refused
from .messages import Delegate, OnCharacter
from .model import Phase, SeatState
from .patch import Op
from .times import later

MID_TURN: tuple[Phase, ...] = ("locked", "resolving", "narrating")


def seat_of(ctx: Context, character: str) -> SeatState:
    """Raises Refused `unknown_character`."""
    seat = ctx.rules["seats"].get(character)
    if seat is None:
        raise Refused("unknown_character", f"the story has no character {character!r}")
    return seat


def since_now(ctx: Context, user_id: str) -> list[Op]:
    """The note that a person's view changes with the next event."""
    known = user_id in ctx.rules["participants"]
    return [put(f"/participants/{escape(user_id)}/view_since", ctx.draft.next_id)] if known else []


def escape(token: str) -> str:
    """One token of a JSON Pointer."""
    return token.replace("~", "~0").replace("/", "~1")


def claim(ctx: Context, data: OnCharacter) -> None:
    seat = seat_of(ctx, data.character)
    if not seat["playable"]:
        raise Refused("seat_taken", f"{seat['name']} is played by the storyteller")
    if seat["owner"] == ctx.author.user_id:
        return
    if seat["owner"] is not None:
        raise Refused("seat_taken", f"{seat['name']} is played by {seat['owner']}", owner=seat["owner"])
    participant = ctx.rules["participants"][ctx.author.user_id]
    if participant["role"] == "director" or participant.get("has_peeked"):
        raise Refused("sees_all")
    patch = [
        put(f"/seats/{data.character}/owner", ctx.author.user_id),
        put(f"/seats/{data.character}/understudy", False),
        *since_now(ctx, ctx.author.user_id),
    ]
    ctx.emit({"kind": "claimed", "character": data.character, "user": ctx.author.user_id, "patch": patch})


def release_ops(ctx: Context, character: str) -> list[Op]:
    """What frees a seat, its owner's open proposal and votes for it included; what a director overruled is
    no longer the owner's, and stays (SPEC R67).
    """
    seat, turn = ctx.rules["seats"][character], ctx.rules["turn"]
    patch = [put(f"/seats/{character}/owner", None), put(f"/seats/{character}/understudy", False)]
    patch += [drop(f"/seats/{character}/{key}") for key in ("away_until", "delegates") if key in seat]
    proposal = turn["proposals"].get(character)
    if proposal is not None and "overruled" not in proposal:
        patch += withdraw_ops(ctx, character)
    return patch


def unvote_ops(ctx: Context, character: str) -> list[Op]:
    """What takes the votes for a character's proposal back."""
    votes = ctx.rules["turn"]["votes"]
    return [drop(f"/turn/votes/{escape(voter)}") for voter, choice in votes.items() if choice == character]


def withdraw_ops(ctx: Context, character: str) -> list[Op]:
    turn = ctx.rules["turn"]
    patch = [drop(f"/turn/proposals/{character}"), *unvote_ops(ctx, character)]
    if len(turn["proposals"]) == 1 and turn["deadline"]:
        patch.append(put("/turn/deadline", None))
    return patch


def release(ctx: Context, data: OnCharacter) -> None:
    """The owner leaves a seat; the session's owner or a director may free anybody's."""
    seat = seat_of(ctx, data.character)
    owner = seat["owner"]
    if owner is None:
        return
    if owner != ctx.author.user_id and ctx.rules["participants"][ctx.author.user_id]["role"] == "player":
        raise Refused("not_your_seat")
    patch = [*release_ops(ctx, data.character), *since_now(ctx, owner)]
    ctx.emit({"kind": "released", "character": data.character, "user": owner, "patch": patch})


def delegate(ctx: Context, data: Delegate) -> None:
    seat = seat_of(ctx, data.character)
    if seat["owner"] != ctx.author.user_id:
        raise Refused("not_your_seat")
    if not data.kernel.startswith("kernel:"):
        raise Refused("invalid", "data.kernel: a kernel's name is 'kernel:<id>'")
    delegates = [name for name in seat.get("delegates", []) if name != data.kernel]
    if data.granted:
        delegates = [*delegates, data.kernel][-8:]
    ctx.emit(
        {
            "kind": "delegated",
            "character": data.character,
            "user": data.kernel if data.granted else None,
            "patch": [put(f"/seats/{data.character}/delegates", list(delegates))],
        }
    )


def take_seat_to_act(ctx: Context, character: str) -> None:
    """Whoever acts for a character owns its seat, or takes it by acting when it is free (SPEC R21).

    A kernel acts only for free seats and those delegated to it, and takes none. Raises Refused.
    """
    seat = seat_of(ctx, character)
    if seat["owner"] == ctx.author.user_id:
        return
    if ctx.author.is_kernel:
        if seat["owner"] is not None and ctx.author.user_id not in seat.get("delegates", []):
            raise Refused(
                "not_your_seat", f"{seat['name']} belongs to {seat['owner']}, who did not delegate it"
            )
        return
    if seat["owner"] is not None:
        raise Refused("not_your_seat", f"{seat['name']} is played by {seat['owner']}")
    claim(ctx, OnCharacter(kind="claim", character=character))


def mind_the_absent(ctx: Context) -> None:
    """Note who went, let the understudy in when the time is over, and give the seat back between turns."""
    now, present = ctx.facts.now, ctx.facts.present
    after = ctx.rules["session"]["settings"]["understudy_after"]
    between = ctx.rules["turn"]["phase"] not in MID_TURN
    for character, seat in list(ctx.rules["seats"].items()):
        owner, until = seat["owner"], seat.get("away_until")
        if owner is None:
            continue
        at = f"/seats/{character}"
        if owner in present:
            if until and (between or not seat["understudy"]):
                patch = [drop(f"{at}/away_until"), put(f"{at}/understudy", False)]
                ctx.emit({"kind": "back", "character": character, "user": owner, "patch": patch})
        elif not until:
            patch = [put(f"{at}/away_until", later(now, after))]
            ctx.emit({"kind": "away", "character": character, "user": owner, "patch": patch})
        elif until <= now and between and not seat["understudy"]:
            patch = [put(f"{at}/understudy", True)]
            ctx.emit({"kind": "understudy", "character": character, "user": owner, "patch": patch})
