"""The room: what happens to a command (SPEC R1-R3, R6, R70-R75).

Law: `decide` is a function of the draft, the command and the facts: it appends tentative events and returns
the reply, or returns a refusal and appends nothing. The same id gives the same answer for ever; a refusal
uses the id up, except where the table `errors.UNDECIDED` says otherwise. After every command the machine
moves as far as its rules allow.
Parts: `Command`, `Reply`, `decide`, `tick`, `next_deadline`, `HANDLERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from pydantic import JsonValue

from . import admin, advice, asking, editing, guests, history, hosting, lost, overruling, seats, telling, turn
from .draft import ClientKey, Context, Draft, Facts, Mark, Result, measured_size
from .errors import UNDECIDED, Refused
from .frozen import frozen
from .incoming import CommandId, digest
from .messages import ClientMessage, Fenced, JoinSession
from .model import State
from .patch import PatchError
from .policy import SERVER, Principal, require
from .views import rules_of


@frozen
class Command:
    """A message with its verified author."""

    author: Principal
    message: ClientMessage


@frozen
class Reply:
    """What the author is told. `data` is an ack or an error; `repeated`: it was decided before.

    `sequence_id` is that of the last event that the command itself made, or the head's when it made none: a
    client
    whose replica is there has seen what its command did.
    """

    id: str | None
    sequence_id: int
    data: dict[str, JsonValue]
    repeated: bool = False


Handler = Callable[[Context, Any], str | None]
"""Takes the command's data, already of its kind; returns the outcome to acknowledge (None: `applied`)."""

HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {
        "propose": turn.propose,
        "withdraw": turn.withdraw,
        "ready": turn.set_ready,
        "vote": turn.vote,
        "overrule": overruling.overrule,
        "start": turn.start,
        "lock": turn.lock_now,
        "pause": turn.pause,
        "resume": turn.resume,
        "cancel": telling.cancel,
        "accept": telling.accept,
        "turn_result": telling.resolve,
        "asked": asking.asked,
        "advise": advice.advise,
        "advice": advice.advice,
        "narrative": telling.tell,
        "turn_failed": telling.fail,
        "narration_failed": telling.fail,
        "reroll": history.reroll,
        "retell": history.retell,
        "undo": history.undo,
        "branch": history.branch,
        "claim": seats.claim,
        "release": seats.release,
        "delegate": seats.delegate,
        "request_lease": hosting.lease,
        "release_lease": hosting.lease,
        "admit_host": hosting.admit,
        "edit": editing.edit,
        "settle": editing.settle,
        "restore_edit": editing.restore_edit,
        "chat": editing.say,
        "claim_session": admin.claim_session,
        "set_role": admin.set_role,
        "grant_view": admin.grant_view,
        "set_settings": admin.set_settings,
        "invite": guests.invite,
        "revoke_invite": guests.revoke,
        "admit_guest": guests.admit,
        "rename": guests.rename,
        "archive": admin.set_status,
        "unarchive": admin.set_status,
    }
)
"""Kind of command → what it does. What is not here never changes the log."""

HOST: Final = "host"
"""The principal of the ids that belong to whichever kernel hosts."""

ANY_CONTENT: Final = ""
"""The digest of a result of which only is known that it was given (SPEC R93)."""

CARRIES_CONTENT: Final = frozenset(
    {
        *("edit", "restore_edit", "settle", "propose", "overrule", "chat"),
        *("turn_result", "narrative", "asked", "advice"),
    }
)
"""What a full state refuses. Everything else is small and bounded, and the way out of a full state."""

WHEN_ARCHIVED: Final = frozenset({"unarchive", "set_role", "grant_view", "revoke_invite", "rename"})


def kind_of(message: ClientMessage) -> str:
    """The kind of a message's data, or its type where there is only one kind."""
    kind = getattr(message.data, "kind", message.type)
    assert isinstance(kind, str)
    return kind


def is_command(message: ClientMessage) -> bool:
    """Whether the message may change the log, and so needs an id."""
    return kind_of(message) in HANDLERS


def client_key(command: Command) -> tuple[ClientKey, int]:
    """((principal, client_id), n) of a command. Raises Refused `id_required` or `bad_id`.

    Ids of hosts (`host:<turn>.<attempt>:<step>`) belong to no single kernel, so that a successor repeats
    them.
    """
    parsed = CommandId.parse(command.message.id)
    if parsed.client_id.startswith("host:"):
        if not command.author.is_kernel or not isinstance(command.message.data, Fenced):
            raise Refused("bad_id", "ids that begin with 'host:' are for what a host answers")
        return (HOST, parsed.client_id), parsed.n
    return (command.author.user_id, parsed.client_id), parsed.n


def decide(draft: Draft, command: Command, facts: Facts) -> Reply:
    """Decide one command on top of `draft`. Never raises for what a client did."""
    message = command.message
    if isinstance(message, JoinSession):
        return _attempt(draft, command, facts, admin.join)
    try:
        client, n = client_key(command)
    except Refused as refused:
        return Reply(message.id, draft.head.sequence_id, refused.data())
    said = digest(message)
    known = draft.known_result(client, n)
    if known and known.digest in (said, ANY_CONTENT):
        return Reply(message.id, known.sequence_id, known.reply, repeated=True)
    try:
        _check_id(draft, command, client, n, known)
    except Refused as refused:
        return Reply(message.id, draft.head.sequence_id, refused.data())

    kind = kind_of(message)

    def act(ctx: Context) -> str | None:
        require(ctx.draft.state, command.author, kind)
        if ctx.rules["session"]["status"] == "archived" and kind not in WHEN_ARCHIVED:
            raise Refused("archived")
        lost.check_known(ctx, message.data)
        return HANDLERS[kind](ctx, message.data)

    reply = _attempt(draft, command, facts, act)
    # What is refused to one kernel must not stand in the way of the one that hosts.
    is_open = reply.data["kind"] == "error" and client[0] == HOST
    if not is_open and reply.data.get("code") not in UNDECIDED:
        draft.keep(Result(client[0], client[1], n, said, reply.sequence_id, reply.data))
    return reply


def _check_id(draft: Draft, command: Command, client: ClientKey, n: int, known: Result | None) -> None:
    message = command.message
    if known:
        # A late repeat by a host that lost the lease is told so, not that its number is taken.
        if isinstance(message.data, Fenced):
            hosting.fenced(Context(draft, command.author, message.id, Facts("")), message.data.token)
        raise Refused("id_reused")
    if draft.is_forgotten(client, n):
        raise Refused("id_expired")
    if message.epoch is not None and message.epoch != draft.head.epoch:
        raise Refused("stale_epoch", epoch=draft.head.epoch)


def _attempt(draft: Draft, command: Command, facts: Facts, act: Callable[[Context], str | None]) -> Reply:
    """Run `act` whole or not at all, and let the machine move on after it."""
    mark, made = draft.mark(), draft.head.sequence_id
    ctx = Context(draft, command.author, command.message.id, facts)
    try:
        outcome = act(ctx) or "applied"
        made = draft.head.sequence_id
        turn.advance(ctx.by_server())
        if kind_of(command.message) in CARRIES_CONTENT:
            _bound_state(draft, mark, facts)
    except Refused as refused:
        draft.back_to(mark)
        return Reply(command.message.id, draft.head.sequence_id, refused.data())
    except PatchError as error:
        draft.back_to(mark)
        missing = Refused("missing_path", error.message, path=error.path)
        return Reply(command.message.id, draft.head.sequence_id, missing.data())
    return Reply(command.message.id, made, {"kind": "ack", "outcome": outcome})


def _bound_state(draft: Draft, before: Mark, facts: Facts) -> None:
    """Refuse what makes a full state grow; what makes it smaller goes through."""
    limit = facts.bounds.state_bytes
    if draft.size > limit:
        draft.size = measured_size(draft.state)
        if draft.size > limit and draft.size > measured_size(before.state):
            raise Refused("state_full", f"the session's state would pass {limit} bytes")


def tick(draft: Draft, facts: Facts, lost_host: int | None = None) -> None:
    """What follows from time and presence alone: deadlines, absences, and, with its token, a host that is
    gone.
    """
    ctx = Context(draft, SERVER, None, facts)
    if lost_host is not None and ctx.rules["host"]["token"] == lost_host:
        hosting.lose(ctx)
    turn.advance(ctx)


def next_deadline(state: State) -> str | None:
    """The next moment at which `tick` will have something to do, absent any command."""
    rules = rules_of(state)
    if rules["session"]["status"] == "archived":
        return None
    waiting = [
        seat["away_until"]
        for seat in rules["seats"].values()
        if "away_until" in seat and not seat["understudy"]
    ]
    if rules["turn"]["phase"] in seats.MID_TURN:
        waiting = []
    deadline = rules["turn"]["deadline"]
    if deadline and rules["turn"]["phase"] == "collect":
        waiting.append(deadline)
    return min(waiting, default=None)
