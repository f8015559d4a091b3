"""People and agents write the same story: edits, records of what lost, and chat (SPEC R10-R17).

Law: an acknowledged edit is never lost: it is applied, merged, or stands in a conflict record or a
suggestion, in the partition of its own audience. Who may not see a path may not write it, and cannot tell it
from one that is not there.
Parts: `edit`, `settle`, `restore_edit`, `say`, and `record_ops`, which keeps what a merge set aside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

from pydantic import JsonValue

from .draft import Context, author_of, drop, put, trimmed
from .errors import CODES, Refused
from .events import audience_of_partition, audience_of_patch
from .merge import Merged, MergeRefused, merge_edit
from .messages import Edit, RestoreEdit, Say, Settle
from .model import EVERYONE, ONLOOKERS, RULE_PARTITIONS, Audience, State
from .patch import MISSING, Op, PatchError, Path, check_ops, lookup, parse_pointer
from .views import sees, view_of

RECORDS = ("conflicts", "suggestions")
RECORDS_KEPT = 64
CHAT_KEPT = 50


def edit(ctx: Context, data: Edit) -> str:
    """Returns the outcome. Raises Refused with the codes of editing."""
    known = ctx.facts.known
    return _write(ctx, data.base if known is None else min(data.base, known), data.patch, None)


def restore_edit(ctx: Context, data: RestoreEdit) -> str:
    """Bring an undone edit back, as an edit of the present."""
    event = ctx.facts.past.event if ctx.facts.past else None
    view = view_of(ctx.draft.state, ctx.author.user_id, ctx.author.is_kernel)
    if event is None or event.data["kind"] != "edit" or not sees(view, event.audience):
        raise Refused("no_record", f"event {data.sequence_id} is no edit that you can see")
    ops = [op for op in event.patch if not is_record(parse_pointer(op["path"]))]
    if not ops:
        raise Refused("no_record", f"event {data.sequence_id} changed nothing that could be made again")
    return _write(ctx, ctx.draft.head.sequence_id, ops, data.sequence_id)


def _write(ctx: Context, base: int, ops: Sequence[Op], restores: int | None) -> str:
    if base > ctx.draft.head.sequence_id:
        raise Refused("bad_base", f"base {base} lies after the head {ctx.draft.head.sequence_id}")
    audience = writable(ctx, ops)
    merged = _merged(ctx, base, ops)
    patch = [*merged.patch, *record_ops(ctx, merged, audience)]
    before = ctx.draft.state
    if restores is None:
        ctx.emit({"kind": "edit", "outcome": merged.outcome, "base": base, "patch": patch}, audience)
    else:
        ctx.emit(
            {"kind": "edit", "outcome": merged.outcome, "base": base, "patch": patch, "restores": restores},
            audience,
        )
    _check_story(ctx, before, merged.patch)
    return merged.outcome


def _check_story(ctx: Context, before: State, patch: Sequence[Op]) -> None:
    """What people write must be something that the agents can play on with. Raises Refused `bad_value`."""
    roots = frozenset(parse_pointer(op["path"])[0] for op in patch) - RULE_PARTITIONS
    if roots:
        ctx.facts.check_story(before, ctx.draft.state, roots)


def _merged(ctx: Context, base: int, ops: Sequence[Op]) -> Merged:
    """The author's `ops` on top of what was written since `base`. Raises Refused."""
    author, draft = author_of(ctx.author.user_id, ctx.id), ctx.draft
    try:
        return merge_edit(draft.state, draft.index, draft.rules(), base, list(ops), author, draft.next_id)
    except MergeRefused as refused:
        code = refused.code if refused.code in CODES else "bad_value"
        raise Refused(code, refused.message, path=refused.path, current=visible(refused)) from None


def visible(refused: MergeRefused) -> JsonValue:
    """The current value at a refused path: the writer's own view was checked before, so it may be told."""
    return None if refused.current is MISSING else cast(JsonValue, refused.current)


def writable(ctx: Context, ops: Sequence[Op]) -> Audience:
    """The one audience that `ops` write for. Raises Refused."""
    bounds = ctx.facts.bounds
    try:
        check_ops(ops, max_ops=bounds.patch_ops)
        audiences = audience_of_patch(ops)
    except PatchError as error:
        code = error.code if error.code in CODES else "invalid"
        raise Refused(code, error.message, path=error.path) from None
    view = view_of(ctx.draft.state, ctx.author.user_id, ctx.author.is_kernel)
    for op in ops:
        tokens = parse_pointer(op["path"])
        root = tokens[0]
        allowed = (
            sees(view, audience_of_partition(root))
            and root not in RULE_PARTITIONS
            and root in ctx.draft.state
        )
        # A told turn is the rules' entry; people mend its prose.
        is_entry = root == "chronicle" and tokens[2:3] != ("narrative",)
        is_entry = is_entry or (root.startswith("seat:") and tokens[1:2] in (("chronicle",), ("advice",)))
        if not allowed or len(tokens) < 2 or is_record(tokens) or is_entry:
            raise Refused("path_forbidden", f"you may not write {op['path'][:80]!r}", path=op["path"])
    if len(audiences) != 1:
        raise Refused("mixed_audience")
    return audiences[0]


def is_record(tokens: Path) -> bool:
    """Whether a path lies where conflicts and suggestions are kept, which only the rules write."""
    return not set(tokens[:2]).isdisjoint(RECORDS)


def record_ops(ctx: Context, merged: Merged, audience: Audience) -> list[Op]:
    """What a merge set aside, kept in the partition of its audience; the oldest records make room."""
    ops: list[Op] = []
    kinds: tuple[tuple[Literal["conflicts", "suggestions"], Sequence[object]], ...] = (
        ("conflicts", merged.conflicts),
        ("suggestions", merged.suggestions),
    )
    for name, records in kinds:
        if not records:
            continue
        at = records_at(name, audience)
        window = lookup(ctx.draft.state, parse_pointer(at))
        if not isinstance(window, dict):
            window = {}
            # Those of the chronicle stand beside it: its entries are turns.
            if audience == ONLOOKERS and ONLOOKERS not in ctx.draft.state and not ops:
                ops.append(put(f"/{ONLOOKERS}", {}))
            ops.append(put(at, {}))
        keys = [f"{ctx.draft.next_id}-{index}" for index in range(len(records))]
        ops += trimmed(at, window, RECORDS_KEPT, len(keys))
        ops += [
            put(f"{at}/{key}", cast(JsonValue, record)) for key, record in zip(keys, records, strict=True)
        ][-RECORDS_KEPT:]
    return ops


def records_at(name: str, audience: Audience) -> str:
    """Where records of an audience stand: a partition of their own when public, else inside the private
    one."""
    if audience == EVERYONE:
        return f"/{name}"
    return f"/{audience}/{name}" if isinstance(audience, str) else f"/seat:{audience[0]}/{name}"


def settle(ctx: Context, data: Settle) -> None:
    """Take what a conflict record or suggestion keeps aside and put it in place, or drop it."""
    try:
        tokens = parse_pointer(data.record)
    except PatchError as error:
        raise Refused("bad_path", error.message) from None
    record = lookup(ctx.draft.state, tokens)
    audience = audience_of_partition(tokens[0]) if tokens else EVERYONE
    shape = tokens if audience == EVERYONE else tokens[1:]
    view = view_of(ctx.draft.state, ctx.author.user_id, ctx.author.is_kernel)
    if len(shape) != 2 or shape[0] not in RECORDS or not isinstance(record, dict) or not sees(view, audience):
        raise Refused("no_record", f"there is no record at {data.record[:80]!r}")
    gone, patch = drop(data.record), list[Op]()
    if data.take:
        # As an edit made when the record was: what was written since is merged, or kept aside in its turn.
        made_at = record["sequence_id"]
        assert isinstance(made_at, int)
        merged = _merged(ctx, made_at, [_taken(shape[0], record)])
        patch = [*merged.patch, *(op for op in record_ops(ctx, merged, audience) if op != gone)]
    before, patch = ctx.draft.state, [gone, *patch]
    ctx.emit({"kind": "settled", "record": data.record, "taken": data.take, "patch": patch}, audience)
    _check_story(ctx, before, patch)


def _taken(kind: str, record: dict[str, JsonValue]) -> Op:
    """The operation that puts what a record kept aside in place."""
    if kind == "suggestions":
        return cast(Op, record["op"])
    path = str(record["path"])
    return drop(path) if record.get("removal") == "lost" else put(path, record["lost"])


def say(ctx: Context, data: Say) -> None:
    if len(data.text) > ctx.facts.bounds.chat_chars:
        raise Refused("too_large", f"a chat message has at most {ctx.facts.bounds.chat_chars} characters")
    chat = ctx.rules["chat"]
    anchor: dict[str, JsonValue] | None = data.anchor.model_dump(mode="json") if data.anchor else None
    entry: dict[str, JsonValue] = {"user_id": ctx.author.user_id, "text": data.text, "at": ctx.facts.now}
    if anchor:
        entry["anchor"] = anchor
    patch = [
        *trimmed("/chat", chat, CHAT_KEPT),
        put(f"/chat/{ctx.draft.next_id}", entry),
    ]
    if anchor:
        ctx.emit({"kind": "chat", "text": data.text, "anchor": anchor, "patch": patch})
    else:
        ctx.emit({"kind": "chat", "text": data.text, "patch": patch})
