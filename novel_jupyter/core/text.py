"""Three-way merge of short text, word by word.

Law: changes that do not overlap both survive. Where they overlap, `ours` (what the server already has) stays
and the other's words are handed back as a `Hunk`, so nothing vanishes unseen. Two equal changes are one. The
result depends on the three texts alone.
Parts: `merge_text`, `changes` (the difference it stands on), and the bounded search for what texts share.

Decided: insertions at one point both stay, ours first, unless one only continues the other (typing goes on
while an edit is under way), which then counts once. Changes that merely touch do not overlap. Words, runs of
white space and single marks are the units, so that two people's letters never mix inside a word; scripts
without spaces between words go by character.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

MAX_STEPS: Final = 300_000
"""Work that finding the changes between two texts may take (some 0.1 s); beyond, they count as one change."""

_SPACELESS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"  # kana, Han, Hangul
_TOKEN = re.compile(rf"[{_SPACELESS}]|[^\W{_SPACELESS}]+|\s+|[^\w\s]")


class Change(NamedTuple):
    """`base[start:end]` (tokens) became `tokens`; an insertion has `start == end`."""

    start: int
    end: int
    tokens: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hunk:
    """Words that lost: for the same stretch of `base`, `ours` stands in the result and `theirs` does not.

    `position` is where `ours` begins, in UTF-16 code units from the start of the merged text.
    """

    position: int
    base: str
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class TextMerge:
    """The merged text and what did not get into it, from start to end."""

    text: str
    conflicts: tuple[Hunk, ...]


def merge_text(base: str, ours: str, theirs: str) -> TextMerge:
    """Bring both sides' changes of `base` together."""
    if ours == theirs or base == theirs:
        return TextMerge(ours, ())
    if base == ours:
        return TextMerge(theirs, ())
    tokens = tokenize(base)
    pieces: list[str] = []
    conflicts: list[Hunk] = []
    at = units = measured = 0
    for mine, other in _clusters(changes(tokens, tokenize(ours)), changes(tokens, tokenize(theirs))):
        start = min(change.start for change in (*mine, *other))
        end = max(change.end for change in (*mine, *other))
        pieces.append("".join(tokens[at:start]))
        at = end
        before = "".join(tokens[start:end])
        kept, offered = _rewrite(tokens, start, end, mine), _rewrite(tokens, start, end, other)
        if not other or kept == offered or _continues(before, offered, kept):
            pieces.append(kept)
        elif not mine or _continues(before, kept, offered):
            pieces.append(offered)
        elif start == end:
            pieces.append(kept + offered)
        else:
            units += _utf16_length(pieces[measured:])
            measured = len(pieces)
            conflicts.append(Hunk(units, before, kept, offered))
            pieces.append(kept)
    pieces.append("".join(tokens[at:]))
    return TextMerge("".join(pieces), tuple(conflicts))


def tokenize(text: str) -> list[str]:
    """The text in words, runs of white space and single marks; joined, they are the text."""
    return _TOKEN.findall(text)


def _clusters(left: Iterable[Change], right: Iterable[Change]) -> Iterator[tuple[list[Change], list[Change]]]:
    """Both sides' changes in order, those together that overlap, directly or through one another."""
    ordered = sorted([(c.start, c.end, 0, c) for c in left] + [(c.start, c.end, 1, c) for c in right])
    sides: tuple[list[Change], list[Change]] = [], []
    for _, _, side, change in ordered:
        # A side's own changes are apart, so whatever overlaps the cluster overlaps the other side's last one.
        opposite = sides[1 - side]
        if not (opposite and _overlap(change, opposite[-1])):
            if sides[0] or sides[1]:
                yield sides
            sides = [], []
        sides[side].append(change)
    if sides[0] or sides[1]:
        yield sides


def _overlap(a: Change, b: Change) -> bool:
    if a.start == a.end and b.start == b.end:
        return a.start == b.start
    return a.start < b.end and b.start < a.end


def _rewrite(tokens: Sequence[str], start: int, end: int, cluster: Sequence[Change]) -> str:
    parts: list[str] = []
    for change in cluster:
        parts.extend(tokens[start : change.start])
        parts.extend(change.tokens)
        start = change.end
    parts.extend(tokens[start:end])
    return "".join(parts)


def _continues(before: str, less: str, more: str) -> bool:
    """Whether all three grow out of one another at the end, so that `more` has everything that `less` has."""
    return less.startswith(before) and more.startswith(less)


def _utf16_length(pieces: Sequence[str]) -> int:
    return sum(len(piece.encode("utf-16-le", "surrogatepass")) for piece in pieces) // 2


def changes(old: Sequence[str], new: Sequence[str]) -> list[Change]:
    """Few changes that lead from `old` to `new`, in order, with something unchanged between any two.

    Beyond MAX_STEPS of work, what is left to compare counts as one change.
    """
    found: list[Change] = []
    x = y = 0
    for match_x, match_y in [*_matches(old, new), (len(old), len(new))]:
        if (x, y) != (match_x, match_y):
            found.append(Change(x, match_x, tuple(new[y:match_y])))
        x, y = match_x + 1, match_y + 1
    return _slide(old, found)


def _slide(old: Sequence[str], found: Sequence[Change]) -> list[Change]:
    """Move each pure insertion or deletion as far to the end as the text allows.

    "a b" → "a x b" inserts " x" or "x "; both sides must mean the same place, or equal changes count twice.
    """
    slid: list[Change] = []
    barrier = len(old) + 1  # a change stays apart from the next one
    for start, end, tokens in reversed(found):
        if start == end:
            while end < min(len(old), barrier - 1) and old[end] == tokens[0]:
                tokens = (*tokens[1:], tokens[0])
                end += 1
            start = end
        elif not tokens:
            while end < min(len(old), barrier - 1) and old[end] == old[start]:
                start, end = start + 1, end + 1
        slid.append(Change(start, end, tokens))
        barrier = start
    return slid[::-1]


def _matches(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Places (in old, in new) of what both share, in order: of the words, then of the marks between them.

    Marks and spaces are all alike; compared together with the words, they would decide which words match.
    """
    work = _Work()
    old_words = [i for i, token in enumerate(old) if _is_word(token)]
    new_words = [i for i, token in enumerate(new) if _is_word(token)]
    words = _common([old[i] for i in old_words], [new[i] for i in new_words], work)
    found: list[tuple[int, int]] = []
    x = y = 0
    for end_x, end_y in [*((old_words[i], new_words[j]) for i, j in words), (len(old), len(new))]:
        found += [(x + i, y + j) for i, j in _common(old[x:end_x], new[y:end_y], work)]
        found.append((end_x, end_y))
        x, y = end_x + 1, end_y + 1
    return found[:-1]


def _is_word(token: str) -> bool:
    return token[:1].isalnum() or token[:1] == "_"


def _common(a: Sequence[str], b: Sequence[str], work: _Work) -> list[tuple[int, int]]:
    """Places of a longest common subsequence; when the work is used up, of what both share at their ends."""
    head, limit = 0, min(len(a), len(b))
    while head < limit and a[head] == b[head]:
        head += 1
    tail = 0
    while tail < limit - head and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    inner = _myers(a[head : len(a) - tail], b[head : len(b) - tail], work)
    return [
        *((i, i) for i in range(head)),
        *((head + i, head + j) for i, j in inner),
        *((len(a) - i, len(b) - i) for i in range(tail, 0, -1)),
    ]


class _Work:
    """What comparing two texts may still cost."""

    def __init__(self) -> None:
        self.left = MAX_STEPS


def _myers(a: Sequence[str], b: Sequence[str], work: _Work) -> list[tuple[int, int]]:
    """Myers' greedy difference. `difflib` takes cubic time on texts that repeat themselves; this gives up."""
    if not a or not b or set(a).isdisjoint(b):
        return []
    reach = {1: 0}  # diagonal x - y → furthest x reached on it
    history: list[dict[int, int]] = []
    for distance in range(len(a) + len(b) + 1):
        history.append(dict(reach))
        work.left -= distance
        if work.left < 0:
            break
        for diagonal in range(-distance, distance + 1, 2):
            down = _is_down(reach, diagonal, distance)
            start = x = reach[diagonal + 1] if down else reach[diagonal - 1] + 1
            y = x - diagonal
            while x < len(a) and y < len(b) and a[x] == b[y]:
                x, y = x + 1, y + 1
            work.left -= 1 + x - start
            reach[diagonal] = x
            if x >= len(a) and y >= len(b):
                return _walk_back(history, len(a), len(b))
    return []


def _is_down(reach: dict[int, int], diagonal: int, distance: int) -> bool:
    """Whether the way to `diagonal` leads furthest by an insertion (from above), not by a deletion."""
    return diagonal == -distance or (diagonal != distance and reach[diagonal - 1] < reach[diagonal + 1])


def _walk_back(history: Sequence[dict[int, int]], x: int, y: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for distance in range(len(history) - 1, -1, -1):
        reach, diagonal = history[distance], x - y
        down = _is_down(reach, diagonal, distance)
        landed = reach[diagonal + 1] if down else reach[diagonal - 1] + 1
        found += [(i, i - diagonal) for i in range(x - 1, landed - 1, -1)]
        x, y = (landed, landed - diagonal - 1) if down else (landed - 1, landed - diagonal)
    return found[::-1]
