"""Going back and going elsewhere: retell, re-roll, undo, branch (SPEC R60-R65).

Law: turns are an immutable tree; going back moves a reference and carries the patch it results in, while
`sequence_id` and `epoch` go on and nothing is deleted. Chat, roles, seats and settings do not roll back.
What these commands need of history is said by `need`, fetched by the caller, and handed in as `Past`.
Parts: `Need`, `need`, `undo`, `branch`, `reroll`, `retell`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from .asking import forget
from .draft import Context, drop, put
from .editing import RECORDS
from .errors import Refused
from .events import audience_of_partition
from .messages import AgentAction, Branch, ClientMessage, Direct, RestoreEdit, Retell, StoryUpdate, Undo
from .model import EVERYONE, ONLOOKERS, RULE_PARTITIONS, SEALED, Audience, NodeState, Phase, State
from .patch import Op, diff
from .turn import in_phase, json_of, lock_these
from .views import rules_of

RESTING: tuple[Phase, ...] = ("lobby", "collect", "review", "paused", "failed", "ended")
BRANCHES_KEPT = 32
TOLD = ("outcomes", "records", "unfinished")
"""What the sealed partition keeps of the telling that is under way."""


@dataclass(frozen=True, slots=True)
class Need:
    """History that a command needs: the state after event `state_at`, or one `event`. Both are committed."""

    state_at: int | None = None
    event: int | None = None


def looks_back(message: ClientMessage) -> bool:
    """Whether what `message` needs depends on history, and so on everything before it being committed."""
    data = message.data
    return isinstance(data, RestoreEdit | Undo | Branch | Retell) or (
        isinstance(data, Direct) and data.kind == "reroll"
    )


def need(state: State, message: ClientMessage) -> Need | None:
    """What `message` needs of history, or None; also None where it will be refused anyway."""
    turn, turns = rules_of(state)["turn"], rules_of(state)["turns"]
    data = message.data if isinstance(message, AgentAction | StoryUpdate) else None
    match data:
        case RestoreEdit(sequence_id=wanted):
            return Need(event=wanted)
        case Undo():
            return _end_of(state, _undo_target(state, data))
        case Branch():
            return _end_of(state, _branch_target(state, data))
        case Retell():
            return _end_of(state, data.node if data.node is not None else turn["parent"])
        case Direct(kind="reroll") if turn["phase"] != "failed" and str(turn["parent"]) in turns:
            return Need(state_at=turn["parent"] - 1)
        case _:
            return None


def _end_of(state: State, node: int) -> Need | None:
    if node == 0:
        opening = rules_of(state)["session"]["opening"]
        return Need(state_at=opening)
    entry = rules_of(state)["turns"].get(str(node))
    return Need(state_at=entry["end"]) if entry and entry["end"] else None


def _undo_target(state: State, data: Undo) -> int:
    if data.to is not None:
        return data.to
    turn, turns = rules_of(state)["turn"], rules_of(state)["turns"]
    entry = turns.get(str(turn["parent"]))
    return entry["parent"] if entry else 0


def _branch_target(state: State, data: Branch) -> int:
    if data.at is not None:
        return data.at
    return rules_of(state)["branches"].get(data.name, -1)


def _node(ctx: Context, node: int) -> NodeState | None:
    """The turn at `node`, None for the opening. Raises Refused `unknown_turn`."""
    if node == 0:
        return None
    entry = ctx.rules["turns"].get(str(node))
    if entry is None or not entry["end"]:
        raise Refused("unknown_turn", f"no finished turn ends at {node}, or it is too long ago")
    return entry


def undo(ctx: Context, data: Undo) -> None:
    in_phase(ctx, *RESTING)
    target = _undo_target(ctx.draft.state, data)
    if ctx.rules["turn"]["parent"] == 0 and target == 0 and ctx.rules["turn"]["number"] == 1:
        raise Refused("unknown_turn", "the story stands at its opening")
    entry = _node(ctx, target)
    _go_to(ctx, "undone", target, entry["number"] + 1 if entry else 1, ctx.rules["turn"]["branch"])


def branch(ctx: Context, data: Branch) -> None:
    in_phase(ctx, *RESTING)
    branches = ctx.rules["branches"]
    if data.at is None:
        if data.name not in branches:
            raise Refused("unknown_turn", f"there is no branch {data.name!r}; name the node to start it at")
    elif data.name in branches:
        raise Refused("name_taken", f"there is a branch {data.name!r} already")
    elif len(branches) >= BRANCHES_KEPT:
        raise Refused("too_many", f"a story has at most {BRANCHES_KEPT} branches")
    target = _branch_target(ctx.draft.state, data)
    entry = _node(ctx, target)
    _go_to(ctx, "branched", target, entry["number"] + 1 if entry else 1, data.name)


def _go_to(ctx: Context, kind: Literal["undone", "branched"], target: int, number: int, name: str) -> None:
    """Restore the story as of `target` and collect for turn `number`."""
    left = ctx.rules["turn"]["parent"]
    patch = [
        put("/turn/phase", "collect"),
        put("/turn/resume", None),
        put("/turn/pause_next", False),
        put("/turn/number", number),
        put("/turn/parent", target),
        put("/turn/branch", name),
        put("/turn/proposals", {}),
        put("/turn/votes", {}),
        put("/turn/locked", None),
        put("/turn/node", 0),
        put("/turn/deadline", None),
        put("/turn/error", None),
        put(f"/branches/{name}", target),
    ]
    if ctx.rules["session"]["status"] == "ended":
        patch.append(put("/session/status", "open"))
    if "ending" in ctx.rules["session"]:
        patch.append(drop("/session/ending"))
    _restore(ctx, kind, patch, target, number, name, left)


def _restore(
    ctx: Context,
    kind: Literal["undone", "branched"],
    patch: list[Op],
    target: int,
    number: int,
    name: str,
    left: int,
) -> None:
    past = ctx.facts.past
    if past is None or past.state is None:
        raise Refused("unknown_turn", "that turn cannot be read back")
    then = _with_prose(ctx.draft.state, past.state, target)
    by_audience = _story_diff(ctx.draft.state, then)
    public = [
        op for audience in (EVERYONE, ONLOOKERS) for op in by_audience.pop(repr(audience), (EVERYONE, []))[1]
    ]
    ctx.emit(
        {
            "kind": kind,
            "turn": number,
            "to": target,
            "branch": name,
            "left": left,
            "edits": list(past.edits),
            "patch": [*public, *patch],
        }
    )
    for audience, ops in by_audience.values():
        ctx.emit({"kind": "dealt", "why": "undo", "patch": ops}, audience)
    _restore_telling(ctx, past.state)


def _restore_telling(ctx: Context, then: State) -> None:
    """What was not yet told when the story stood there is what the next telling begins with."""
    sealed, turn = ctx.rules["sealed"], ctx.rules["turn"]
    before = {key: sealed[key] for key in TOLD}
    ops = diff({"sealed": before}, {"sealed": {key: rules_of(then)["sealed"][key] for key in TOLD}})
    if ops:
        ctx.emit({"kind": "record", "turn": turn["number"], "attempt": 0, "patch": ops}, SEALED)


def _with_prose(now: State, then: State, target: int) -> State:
    """The state as it was, with the prose that its turns have now, for onlookers and for seats: they may have
    been told again, or late.
    """
    turns, line, node = rules_of(now)["turns"], set[str](), str(target)
    while node in turns:
        line.add(node)
        node = str(turns[node]["parent"])

    def told(before: JsonValue, after: JsonValue) -> JsonValue:
        assert isinstance(before, dict)
        assert isinstance(after, dict)
        return {**after, **{key: prose for key, prose in before.items() if key in line}}

    restored = {**then, "chronicle": told(now["chronicle"], then["chronicle"])}
    for name, seat in then.items():
        mine = now.get(name) if name.startswith("seat:") else None
        if isinstance(seat, dict) and isinstance(mine, dict) and "chronicle" in mine:
            restored[name] = {**seat, "chronicle": told(mine["chronicle"], seat.get("chronicle", {}))}
    return restored


def _story_diff(now: State, then: State) -> dict[str, tuple[Audience, list[Op]]]:
    """The patches that bring the story's partitions back, for each audience."""
    grouped: dict[str, tuple[Audience, list[Op]]] = {}
    story = {name for name in (*now, *then) if name not in RULE_PARTITIONS}
    for name in sorted(story):
        audience = audience_of_partition(name)
        before = {name: now[name]} if name in now else {}
        after = {name: then[name]} if name in then else {}
        if audience != EVERYONE and before and after:
            after = {name: _with_records(now[name], then[name])}
        ops = diff(before, after)
        if ops:
            grouped.setdefault(repr(audience), (audience, []))[1].extend(ops)
    return grouped


def _with_records(now: JsonValue, then: JsonValue) -> JsonValue:
    """A private partition as it was, with the conflicts and suggestions that it has now: as those of
    everybody, they do not roll back.
    """
    if not isinstance(now, dict) or not isinstance(then, dict):
        return then
    story = {key: value for key, value in then.items() if key not in RECORDS}
    return {**story, **{key: value for key, value in now.items() if key in RECORDS}}


def reroll(ctx: Context, data: Direct) -> None:
    """A new attempt at the last turn: the same proposals from the same state, other dice."""
    turn = in_phase(ctx, "collect", "review", "paused", "ended", "failed")
    if turn["phase"] == "paused" and turn["resume"] == "failed":
        raise Refused("phase", "the turn that failed is paused: resume first", phase="paused")
    if turn["phase"] == "failed" and turn["locked"]:
        return lock_these(ctx, "reroll", turn["locked"]["proposals"], turn["locked"]["agents"], [])
    node = turn["parent"]
    entry = _node(ctx, node)
    past = ctx.facts.past
    if entry is None or past is None or past.state is None:
        raise Refused("unknown_turn", "there is no turn to play again")
    locked = rules_of(past.state)["turn"]["locked"]
    if locked is None:
        raise Refused("unknown_turn", "there is nothing locked to play again")
    kept = json_of(turn["proposals"])
    _go_to(ctx, "undone", entry["parent"], entry["number"], entry["branch"])
    lock_these(ctx, "reroll", locked["proposals"], locked["agents"], [put("/turn/proposals", kept)])


def retell(ctx: Context, data: Retell) -> None:
    """The same events in new prose."""
    turn = in_phase(ctx, "collect", "review", "paused", "ended")
    node = data.node if data.node is not None else turn["parent"]
    entry, past = _node(ctx, node), ctx.facts.past
    if entry is None or past is None or past.state is None:
        raise Refused("unknown_turn", "there is no turn to tell again")
    sealed = rules_of(past.state)["sealed"]
    told: JsonValue = {"outcomes": sealed.get("outcomes", []), "records": sealed.get("records", [])}
    is_paused = turn["phase"] == "paused"
    back = (turn["resume"] or "collect") if is_paused else turn["phase"]
    ctx.emit(
        {
            "kind": "retelling",
            "turn": entry["number"],
            "attempt": entry["attempt"],
            "patch": [
                put("/turn/phase", "narrating"),
                put("/turn/resume", back),
                put("/turn/pause_next", is_paused),
                put("/turn/node", node),
                put("/turn/retelling", True),
                put("/turn/deadline", None),
            ],
        }
    )
    ctx.emit(
        {
            "kind": "record",
            "turn": entry["number"],
            "attempt": entry["attempt"],
            "patch": [put("/sealed/retelling", told), forget()],
        },
        SEALED,
    )
