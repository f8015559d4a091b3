"""What becomes of a value that two people changed at once: the strategies, and which path has which.

Law: a strategy is a pure function of one clash. What does not get into the result is named in the resolution,
so that nothing is lost unseen; only a refusal (`MergeRefused`) leaves things as they were.
Parts: `Clash` in, `Resolution` out, one function a strategy, the table `STRATEGIES`, and `MergeRules`.

To add one, pass `{**STRATEGIES, "mine": Strategy(resolve)}` to `MergeRules`; there is no registry to change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

from .canonical import canonical
from .frozen import frozen
from .old_values import Recalled, Unknown
from .patch import (
    FORBIDDEN_TOKENS,
    MISSING,
    SAFE_INTEGER,
    JsonValue,
    Missing,
    Path,
    format_pointer,
    same,
)

if TYPE_CHECKING:
    from .text import Hunk

Value: TypeAlias = JsonValue | Missing


class MergeRefused(ValueError):
    """An edit that is refused whole: why (`code`), where (`path`, a pointer), what stands there (`current`).

    Codes: `stale_base`, `append_only`, `bad_base`, `bad_value`, and those of PatchError. `current` is MISSING
    where there is nothing, or nothing to say.
    """

    def __init__(self, code: str, path: str, message: str, current: JsonValue | Missing = MISSING) -> None:
        super().__init__(f"{message} (at {path!r})")
        self.code = code
        self.path = path
        self.message = message
        self.current = current


@frozen
class Clash:
    """One operation on a path that others wrote after its base. MISSING: nothing (`theirs`: a removal)."""

    path: Path
    base: Recalled
    current: Value
    theirs: Value


@frozen
class Loss:
    """`lost` did not get in, `kept` stands instead; `theirs_lost`: it was the late edit that lost.

    `tail` leads from the clash's path to where it happened.
    """

    kept: Value
    lost: Value
    theirs_lost: bool
    tail: Path = ()
    hunks: tuple[Hunk, ...] = ()


@frozen
class Resolution:
    """The value that the path gets (MISSING: none) and what was lost for it."""

    value: Value
    losses: tuple[Loss, ...] = ()


@dataclass(frozen=True, slots=True)
class Strategy:
    """`resolve` decides a clash; it may raise MergeRefused.

    `is_guard`: an operation on an ancestor may not get round it. `always`: asked without a clash, too.
    `is_relative`: what a value means depends on its base, so that equal values are not an equal wish.
    """

    resolve: Callable[[Clash], Resolution]
    is_guard: bool = False
    always: bool = False
    is_relative: bool = False


SHORT_TEXT: Final = 10_000
"""Characters up to which texts are merged word by word: it costs the square of how much they differ."""


def latest_wins(clash: Clash) -> Resolution:
    """The later one in the server's order; what it overwrote is lost."""
    if _equal(clash.current, clash.theirs):
        return Resolution(clash.current)
    return Resolution(clash.theirs, (Loss(clash.theirs, clash.current, theirs_lost=False),))


def earliest_stays(clash: Clash) -> Resolution:
    """What is there stays, for want of knowing what the late author saw; the late value is lost."""
    if _equal(clash.current, clash.theirs):
        return Resolution(clash.current)
    return Resolution(clash.current, (Loss(clash.current, clash.theirs, theirs_lost=True),))


def reject_stale(clash: Clash) -> Resolution:
    """Whoever did not see the current value may not change it."""
    raise MergeRefused(
        "stale_base", format_pointer(clash.path), "the value was changed since your base", clash.current
    )


def add(clash: Clash) -> Resolution:
    """A counter: the step that the late author made counts from the current value. An absent counter is 0."""
    base, current, theirs = (_number_or_none(value) for value in (clash.base, clash.current, clash.theirs))
    if isinstance(clash.base, Unknown):
        return earliest_stays(clash)
    if base is None or current is None or theirs is None or isinstance(clash.theirs, Missing):
        return latest_wins(clash)
    total = current + (theirs - base)
    if not -SAFE_INTEGER <= total <= SAFE_INTEGER:
        raise MergeRefused("bad_value", format_pointer(clash.path), "the counter leaves ±(2^53-1)")
    return Resolution(total)


def union(clash: Clash) -> Resolution:
    """A set, as an array of elements or a map by element: both sides' changes; adding wins over removing."""
    if isinstance(clash.current, list) and isinstance(clash.theirs, list):
        return _union_of_arrays(clash.base, clash.current, clash.theirs)
    if isinstance(clash.current, dict) and isinstance(clash.theirs, dict):
        return _union_of_maps(clash.base, clash.current, clash.theirs)
    if isinstance(clash.theirs, Missing):
        return earliest_stays(clash)
    if isinstance(clash.current, Missing):
        return Resolution(clash.theirs)
    return latest_wins(clash)


def merge_short_text(clash: Clash) -> Resolution:
    """Three-way by words; of words that both changed, the current ones stay and the late ones are lost."""
    base, current, theirs = clash.base, clash.current, clash.theirs
    if not isinstance(current, str) or not isinstance(theirs, str):
        return latest_wins(clash)
    if not isinstance(base, str) or max(len(base), len(current), len(theirs)) > SHORT_TEXT:
        return earliest_stays(clash)
    from .text import merge_text  # loads with the first text: a server's start does not wait for it

    merged = merge_text(base, current, theirs)
    if not merged.conflicts:
        return Resolution(merged.text)
    return Resolution(merged.text, (Loss(merged.text, theirs, theirs_lost=True, hunks=merged.conflicts),))


def append_only(clash: Clash) -> Resolution:
    """New keys may come; what is there is neither changed nor removed."""
    if not isinstance(clash.current, Missing) or isinstance(clash.theirs, Missing):
        raise MergeRefused(
            "append_only", format_pointer(clash.path), "this can only be added to", clash.current
        )
    return Resolution(clash.theirs)


STRATEGIES: Final[Mapping[str, Strategy]] = MappingProxyType(
    {
        "latest_wins": Strategy(latest_wins),
        "reject_stale": Strategy(reject_stale, is_guard=True),
        "add": Strategy(add, is_relative=True),
        "union": Strategy(union),
        "merge_text": Strategy(merge_short_text),
        "append_only": Strategy(append_only, is_guard=True, always=True),
    }
)


def _number_or_none(value: Recalled) -> int | float | None:
    if isinstance(value, Missing):
        return 0
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _equal(a: Recalled, b: Recalled) -> bool:
    if isinstance(a, Unknown) or isinstance(b, Unknown):
        return False
    return same(a, b, exact=False)


def _key(element: JsonValue) -> bytes:
    """Equal for equal JSON values, where 1 is 1.0 as in JavaScript: sets of it keep a union linear."""
    return canonical(element)


def _union_of_arrays(base: Recalled, current: list[JsonValue], theirs: list[JsonValue]) -> Resolution:
    before = {_key(x) for x in base} if isinstance(base, list) else set()
    late = {_key(x): x for x in theirs}
    merged = [x for x in current if (key := _key(x)) in late or key not in before]
    known = before | {_key(x) for x in merged}
    merged += [x for key, x in late.items() if key not in known]
    if isinstance(base, Unknown) and any(_key(x) not in late for x in current):
        # Removed by the late author, or added since? Everything stays, and the late list is kept beside it.
        return Resolution(merged, (Loss(merged, theirs, theirs_lost=True),))
    return Resolution(merged)


def _union_of_maps(
    base: Recalled, current: Mapping[str, JsonValue], theirs: Mapping[str, JsonValue]
) -> Resolution:
    before = base if isinstance(base, dict) else {}
    merged: dict[str, JsonValue] = {}
    losses: list[Loss] = []
    for key in dict.fromkeys((*current, *theirs)):
        old, mine, new = before.get(key, MISSING), current.get(key, MISSING), theirs.get(key, MISSING)
        if _equal(mine, new) or _equal(old, new) or (isinstance(base, Unknown) and isinstance(new, Missing)):
            value = mine
        elif _equal(old, mine) or isinstance(mine, Missing):
            value = new
        elif isinstance(new, Missing):
            losses.append(Loss(mine, new, theirs_lost=True, tail=(key,)))
            value = mine
        else:
            losses.append(Loss(new, mine, theirs_lost=False, tail=(key,)))
            value = new
        if not isinstance(value, Missing):
            merged[key] = value
    if isinstance(base, Unknown) and not current.keys() <= theirs.keys():
        losses.append(Loss(merged, dict(theirs), theirs_lost=True))
    return Resolution(merged, tuple(losses))


@dataclass(frozen=True, slots=True)
class MergeRules:
    """Which path has which strategy: the first pattern that fits, else `latest_wins`.

    A pattern is a pointer in which a part `*` stands for any part, `abc*` for any that begins so, and a final
    `**` for any rest, also none. Raises ValueError for a malformed pattern or an unknown strategy.
    """

    patterns: tuple[tuple[str, str], ...] = ()
    registry: Mapping[str, Strategy] = field(default_factory=lambda: STRATEGIES)
    _parsed: tuple[tuple[Path, Strategy], ...] = field(init=False, default=())
    _by_root: Mapping[str, tuple[tuple[Path, Strategy], ...]] = field(init=False, default_factory=dict)
    _wild: tuple[tuple[Path, Strategy], ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        for pattern, name in self.patterns:
            if name not in self.registry:
                raise ValueError(f"{pattern!r}: no strategy is called {name!r}")
        parsed = tuple((_parse(pattern), self.registry[name]) for pattern, name in self.patterns)
        object.__setattr__(self, "_parsed", parsed)
        wild = tuple(each for each in parsed if each[0][0].endswith("*"))
        roots = {pattern[0] for pattern, _ in parsed}
        by_root = {root: tuple(each for each in parsed if _matches(each[0][0], root)) for root in roots}
        object.__setattr__(self, "_by_root", by_root)
        object.__setattr__(self, "_wild", wild)

    def _near(self, path: Path) -> tuple[tuple[Path, Strategy], ...]:
        """Those of the patterns that can fit `path` or what is below it, in order."""
        return self._by_root.get(path[0], self._wild) if path else self._parsed

    @classmethod
    def for_story(
        cls, strategies: Mapping[str, str], registry: Mapping[str, Strategy] = STRATEGIES
    ) -> MergeRules:
        """Rules from a mapping, which has no order: of two patterns that fit, the more special one holds."""
        ordered = sorted(strategies.items(), key=lambda item: (_specialty(item[0]), item[0]))
        return cls(tuple(ordered), registry)

    def strategy_for(self, path: Path, current_value: Value = MISSING) -> Strategy:
        """The strategy for `path`. `current_value` is for rules that go by kind; these go by path alone."""
        for pattern, strategy in self._near(path):
            if _fits(pattern, path):
                return strategy
        return self.registry.get("latest_wins", STRATEGIES["latest_wins"])

    def guarded_below(self, path: Path, value: Value) -> Iterator[tuple[Path, Strategy]]:
        """Paths below `path` that exist in its `value` and whose strategy is a guard."""
        for pattern, strategy in self._near(path):
            if not strategy.is_guard or len(pattern) <= len(path):
                continue
            if all(_matches(part, token) for part, token in zip(pattern, path, strict=False)):
                for tail in _expand(value, pattern[len(path) :]):
                    below = (*path, *tail)
                    if tail and self.strategy_for(below) is strategy:
                        yield below, strategy


def _parse(pattern: str) -> Path:
    parts = tuple(pattern.replace("~1", "/").replace("~0", "~") for pattern in pattern.split("/")[1:])
    odd = [part for part in parts if "*" in part[:-1] and (part != "**" or "**" in parts[:-1])]
    if odd or not pattern.startswith("/") or not FORBIDDEN_TOKENS.isdisjoint(parts):
        raise ValueError(f"{pattern!r} is not a pattern of paths")
    return parts


def _specialty(pattern: str) -> list[tuple[int, int]]:
    """Sorts the more special pattern first: part by part a name, a beginning (longer first), `*`, `**`."""
    return [
        (3, 0)
        if part == "**"
        else (2, 0)
        if part == "*"
        else (1, -len(part))
        if part.endswith("*")
        else (0, 0)
        for part in pattern.split("/")[1:]
    ]


def _matches(part: str, token: str) -> bool:
    return part == token or (part.endswith("*") and token.startswith(part.rstrip("*")))


def _fits(pattern: Path, path: Path) -> bool:
    if pattern[-1] == "**":
        pattern = pattern[:-1]
        if len(path) < len(pattern):
            return False
    elif len(path) != len(pattern):
        return False
    return all(_matches(part, token) for part, token in zip(pattern, path, strict=False))


def _expand(value: Value, pattern: Path) -> Iterator[Path]:
    """Paths in `value` that fit `pattern`; of a `**` only where it begins, as all deeper is part of it."""
    if not pattern or pattern[0] == "**":
        yield ()
    elif isinstance(value, dict):
        for key, child in value.items():
            if _matches(pattern[0], key):
                yield from ((key, *tail) for tail in _expand(child, pattern[1:]))
