"""Merging an edit into what happened since its base.

Law: an edit that is not refused is accounted for whole: each value is in the state, in a conflict record or
in a suggestion. Where nobody else wrote since the base, it applies whole or not at all. Refused, it changes
nothing, and an agent never overwrites what a person wrote after the agent looked.
Parts: `merge_edit`, its answer `Merged`, and the two records. The index of writes, the strategies and the
rules that assign them have their own files and are offered here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NotRequired, TypeAlias

from typing_extensions import TypedDict

from .frozen import frozen
from .merge_index import Author as Author
from .merge_index import Since
from .merge_index import Write as Write
from .merge_index import WriteIndex as WriteIndex
from .merge_strategies import STRATEGIES as STRATEGIES
from .merge_strategies import Clash as Clash
from .merge_strategies import Loss as Loss
from .merge_strategies import MergeRefused as MergeRefused
from .merge_strategies import MergeRules as MergeRules
from .merge_strategies import Resolution as Resolution
from .merge_strategies import Strategy as Strategy
from .model import State
from .old_values import UNKNOWN
from .patch import (
    MISSING,
    JsonValue,
    Missing,
    Op,
    PatchError,
    Path,
    apply_patch,
    format_pointer,
    lookup,
    op_value,
    parse_pointer,
    same,
)

Outcome: TypeAlias = Literal["applied", "merged", "conflicted", "suggested"]


class LostHunk(TypedDict):
    """Words that lost: `kept` stands at `position` (UTF-16 units) of the merged text instead of `lost`."""

    position: int
    base: str
    kept: str
    lost: str


class ConflictRecord(TypedDict):
    """At `path`, `lost` gave way to `kept`. If one is a removal, it is null and `removal` names it."""

    path: str
    kept: JsonValue
    lost: JsonValue
    removal: NotRequired[Literal["kept", "lost"]]
    kept_by: str | None
    lost_by: str | None
    """User ids; null where the writer is forgotten."""
    hunks: NotRequired[list[LostHunk]]
    base: int
    sequence_id: int
    """Of the edit that found the conflict."""


class Suggestion(TypedDict):
    """What an agent would have done to `path`, where a person wrote meanwhile. `op` can be applied later."""

    path: str
    op: Op
    current: JsonValue
    """The value that the person's write left there; null also where there is none."""
    suggested_by: str
    kept_by: str | None
    base: int
    sequence_id: int


@frozen
class Merged:
    """What an edit comes to. `patch` has no `test` and applies on the state that was given."""

    outcome: Outcome
    patch: list[Op]
    conflicts: list[ConflictRecord]
    suggestions: list[Suggestion]


def merge_edit(
    state: State,
    index: WriteIndex,
    rules: MergeRules,
    base: int,
    ops: Sequence[Op],
    author: Author,
    sequence_id: int,
) -> Merged:
    """Decide an edit made against `base` that would become event `sequence_id`.

    `ops` went through `check_ops`, and the author may write there. Raises MergeRefused: `bad_base`,
    `stale_base`, `append_only`, `test_failed`, or what is wrong with the patch itself.
    """
    if not 0 <= base < sequence_id:
        raise MergeRefused("bad_base", "", f"base {base} lies outside the history")
    merge = _Merge(state, index, rules, base, author, sequence_id, dict(state))
    for op in ops:
        try:
            merge.step(op)
        except PatchError as error:
            raise MergeRefused(error.code, error.path, error.message) from None
    return merge.result()


@dataclass
class _Merge:
    state: State
    index: WriteIndex
    rules: MergeRules
    base: int
    author: Author
    sequence_id: int
    working: dict[str, JsonValue]
    patch: list[Op] = field(default_factory=list)
    conflicts: list[ConflictRecord] = field(default_factory=list)
    suggestions: list[Suggestion] = field(default_factory=list)
    has_clashed: bool = False
    taken: list[Path] = field(default_factory=list)
    """Paths that have exactly the value which this edit gave them."""
    aside: list[Path] = field(default_factory=list)
    """Paths where an operation of this edit did not get in; later ones may miss what it would have made."""

    def step(self, op: Op) -> None:
        path = parse_pointer(op["path"])
        if op["op"] == "test":
            self._test(op)
            return
        theirs: JsonValue | Missing = MISSING if op["op"] == "remove" else op_value(op)
        current = lookup(self.working, path)
        strategy = self.rules.strategy_for(path, current)
        since = self._since(path)
        if strategy.always:
            strategy.resolve(Clash(path, UNKNOWN, current, theirs))
        self._respect_guards(path, current, since)
        if since is None:
            self._apply_plainly(op, path, theirs)
            return
        self.has_clashed = True
        if self.author.is_agent and since.by_person:
            if strategy.is_relative or not same(current, theirs, exact=False):
                self._suggest(path, theirs, since)
            return
        resolution = self._resolve(path, strategy, current, theirs)
        for loss in resolution.losses:
            self._note(path, loss, since)
        self._put(path, current, resolution.value)
        (self.taken if same(resolution.value, theirs) else self.aside).append(path)

    def _resolve(
        self, path: Path, strategy: Strategy, current: JsonValue | Missing, theirs: JsonValue | Missing
    ) -> Resolution:
        above = (lookup(self.working, path[:depth]) for depth in range(1, len(path)))
        if any(isinstance(value, list) for value in above):
            raise PatchError("positional", format_pointer(path), "arrays are replaced whole")
        if isinstance(lookup(self.working, path[:-1]), dict) or strategy.is_guard:
            before = self.index.value_at(path, self.base, lookup(self.state, path))
            return strategy.resolve(Clash(path, before, current, theirs))
        # What it would be part of was removed meanwhile.
        if isinstance(theirs, Missing):
            return Resolution(MISSING)
        return Resolution(MISSING, (Loss(MISSING, theirs, theirs_lost=True),))

    def result(self) -> Merged:
        outcome: Outcome = "merged" if self.has_clashed else "applied"
        if self.conflicts:
            outcome = "conflicted"
        if self.suggestions:
            outcome = "suggested"
        return Merged(outcome, self.patch, self.conflicts, self.suggestions)

    def _since(self, path: Path) -> Since | None:
        """What others wrote there since the base; None if nothing, or if this edit itself just wrote it."""
        if any(path[: len(done)] == done for done in self.taken):
            return None
        if self.base < self.index.floor:
            # Forgotten: whatever is there may be a person's and newer than the base.
            return None if lookup(self.state, path) is MISSING else Since(None, None, by_person=True)
        since = self.index.since(path, self.base, self.author)
        return since if since.foreign else None

    def _test(self, op: Op) -> None:
        try:
            apply_patch(self.working, [op])
        except PatchError as error:
            code = "test_failed" if error.code == "missing_path" else error.code
            raise MergeRefused(code, error.path, error.message) from None

    def _respect_guards(self, path: Path, current: JsonValue | Missing, since: Since | None) -> None:
        """What is guarded is not got round by writing the object that it is part of."""
        for below, guard in self.rules.guarded_below(path, current):
            clashes = since and not (self.author.is_agent and since.by_person) and self._since(below)
            if guard.always or clashes:
                guard.resolve(Clash(below, UNKNOWN, lookup(self.working, below), MISSING))

    def _apply_plainly(self, op: Op, path: Path, theirs: JsonValue | Missing) -> None:
        try:
            self.working = apply_patch(self.working, [op])
        except PatchError:
            kept_out = next((each for each in self.aside if path[: len(each)] == each), None)
            if kept_out is None:
                raise
            # It builds on an operation that did not get in, and shares its fate.
            since = self._since(kept_out) or Since(by_person=self.author.is_agent)
            if self.author.is_agent and since.by_person:
                self._suggest(path, theirs, since)
            elif not isinstance(theirs, Missing):
                self._note(path, Loss(MISSING, theirs, theirs_lost=True), since)
            return
        self.patch.append(op)
        self.taken.append(path)

    def _put(self, path: Path, current: JsonValue | Missing, value: JsonValue | Missing) -> None:
        if same(current, value):
            return
        pointer = format_pointer(path)
        if isinstance(value, Missing):
            op: Op = {"op": "remove", "path": pointer}
        else:
            op = {"op": "add" if isinstance(current, Missing) else "replace", "path": pointer, "value": value}
        self.working = apply_patch(self.working, [op])
        self.patch.append(op)

    def _suggest(self, path: Path, theirs: JsonValue | Missing, since: Since) -> None:
        pointer = format_pointer(path)
        self.aside.append(path)
        self.suggestions.append(
            {
                "path": pointer,
                "op": {"op": "remove", "path": pointer}
                if isinstance(theirs, Missing)
                else {"op": "add", "path": pointer, "value": theirs},
                "current": _or_null(lookup(self.working, path)),
                "suggested_by": self.author.user_id,
                "kept_by": since.newest.author.user_id if since.newest else None,
                "base": self.base,
                "sequence_id": self.sequence_id,
            }
        )

    def _note(self, path: Path, loss: Loss, since: Since) -> None:
        newest = since.newest.author if since.newest else None
        if not loss.theirs_lost and newest and newest.is_same_client(self.author):
            return  # who replaces one's own value loses nothing
        other = newest.user_id if newest else None
        record: ConflictRecord = {
            "path": format_pointer((*path, *loss.tail)),
            "kept": _or_null(loss.kept),
            "lost": _or_null(loss.lost),
            "kept_by": other if loss.theirs_lost else self.author.user_id,
            "lost_by": self.author.user_id if loss.theirs_lost else other,
            "base": self.base,
            "sequence_id": self.sequence_id,
        }
        if isinstance(loss.kept, Missing) or isinstance(loss.lost, Missing):
            record["removal"] = "kept" if isinstance(loss.kept, Missing) else "lost"
        if loss.hunks:
            record["hunks"] = [
                {"position": hunk.position, "base": hunk.base, "kept": hunk.ours, "lost": hunk.theirs}
                for hunk in loss.hunks
            ]
        self.conflicts.append(record)


def _or_null(value: JsonValue | Missing) -> JsonValue:
    return None if isinstance(value, Missing) else value
