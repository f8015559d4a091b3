"""What a host's result changes, on top of what people wrote while the agents thought (SPEC R15, R41).

Law: an agent never overwrites what a person wrote after the agent looked, and one operation that no longer
fits does not lose the others: it becomes a suggestion. A host writes story partitions, each for the audience
that it names.
Parts: `merge_changes`, `check_audience`.
"""

from __future__ import annotations

from .draft import Context
from .editing import RECORDS, is_record, record_ops
from .errors import Refused
from .events import audience_of_partition
from .merge import Author, ConflictRecord, Merged, MergeRefused, Suggestion, merge_edit
from .messages import Change
from .model import DIRECTOR, EVERYONE, RULE_PARTITIONS, Audience, State
from .patch import Op, PatchError, apply_patch, check_ops, parse_pointer

Patches = list[tuple[Audience, list[Op]]]


def merge_changes(ctx: Context, changes: list[Change], base: int) -> tuple[Patches, int]:
    """The patch for each audience, and how many public operations became suggestions. Raises Refused.

    Changes for one audience build on each other, and their records are numbered together.
    """
    wanted: dict[str, tuple[Audience, list[Op]]] = {}
    for change in changes:
        check_audience(ctx, change.audience)
        _story_only(change)
        wanted.setdefault(repr(change.audience), (change.audience, []))[1].extend(change.patch)
    patches: Patches = []
    suggested = 0
    for audience, ops in wanted.values():
        patch, held_back = _merged(ctx, audience, ops, base)
        if audience == EVERYONE:  # how much was held back of a secret is one too
            suggested += held_back
        patches.append((audience, patch))
    return patches, suggested


def _merged(ctx: Context, audience: Audience, ops: list[Op], base: int) -> tuple[list[Op], int]:
    """One audience's changes on top of what people wrote since `base`; how many became suggestions."""
    draft, author = ctx.draft, Author(ctx.author.user_id, True)
    try:
        merged = merge_edit(draft.state, draft.index, draft.rules(), base, ops, author, draft.next_id)
    except MergeRefused:
        merged = _one_by_one(ctx, ops, base)
    return [*merged.patch, *record_ops(ctx, merged, audience)], len(merged.suggestions)


def _one_by_one(ctx: Context, ops: list[Op], base: int) -> Merged:
    """A change of which something no longer fits: what fits goes in, the rest becomes suggestions."""
    draft, author = ctx.draft, Author(ctx.author.user_id, True)
    state: State = draft.state
    patch: list[Op] = []
    conflicts: list[ConflictRecord] = []
    suggestions: list[Suggestion] = []
    for op in ops:
        try:
            merged = merge_edit(state, draft.index, draft.rules(), base, [op], author, draft.next_id)
        except MergeRefused:
            if op["op"] != "test":
                suggestions.append(
                    {
                        "path": op["path"],
                        "op": op,
                        "current": None,
                        "suggested_by": author.user_id,
                        "kept_by": None,
                        "base": base,
                        "sequence_id": draft.next_id,
                    }
                )
            continue
        state = apply_patch(state, merged.patch)
        patch += merged.patch
        conflicts += merged.conflicts
        suggestions += merged.suggestions
    return Merged("suggested", patch, conflicts, suggestions)


def check_audience(ctx: Context, audience: Audience) -> None:
    """Raises Refused `invalid` unless `audience` is one that a host may address: everyone, the director,
    seats.
    """
    if isinstance(audience, str):
        good = audience in (EVERYONE, DIRECTOR)
    else:
        good = (
            bool(audience) and audience == sorted(set(audience)) and set(audience) <= set(ctx.rules["seats"])
        )
    if not good:
        raise Refused("invalid", "audience: 'everyone', 'director', or sorted names of seats")


def _story_only(change: Change) -> None:
    try:
        check_ops(change.patch)
    except PatchError as error:
        raise Refused("bad_path", error.message) from None
    for op in change.patch:
        tokens = parse_pointer(op["path"])
        root = tokens[0]
        whole = op.get("value") if len(tokens) == 1 else None
        brings_records = isinstance(whole, dict) and not whole.keys().isdisjoint(RECORDS)
        is_ours = root in RULE_PARTITIONS or root == "chronicle" or is_record(tokens) or brings_records
        if is_ours or audience_of_partition(root) != change.audience:
            raise Refused(
                "path_forbidden", f"a change for {change.audience} does not write {op['path'][:80]!r}"
            )
