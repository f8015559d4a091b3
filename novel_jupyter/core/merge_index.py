"""Who wrote what since when: what merging an edit has to know about the log behind its base.

Law: for every base from `floor` on, the index misses no write. It is a value: `record` gives a new index that
shares what did not change, so a tentative decision is dropped by dropping its index.
Parts: `Author`, `Write`, and `WriteIndex`, a tree by path tokens. Each path keeps its last write and the
values it had before its recent writes, from which `value_at` tells what the author of a late edit saw.

Bounds: paths (4,096) and bytes of values (256 KiB); the oldest are forgotten first, and `floor` rises.
Partitions of the rules are left out, because nobody edits them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic_core import to_json

from . import old_values
from .frozen import frozen
from .model import RULE_PARTITIONS, State
from .old_values import UNKNOWN, OldValue, Recalled, Unknown, first_after, size_of
from .patch import MISSING, JsonValue, Missing, Op, Path, format_pointer, lookup, parse_pointer, touched

MAX_PATHS: Final = 4096
MAX_VALUE_BYTES: Final = 256 * 1024
MAX_ONE_VALUE: Final = MAX_VALUE_BYTES // 4


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes. `client` (a client_id) tells a person's tabs apart: it has seen what it sent."""

    user_id: str
    is_agent: bool
    client: str | None = None

    def is_same_client(self, other: Author) -> bool:
        return self.client is not None and (self.user_id, self.client) == (other.user_id, other.client)


@frozen
class Write:
    sequence_id: int
    author: Author


@frozen
class Since:
    """What happened to a path after a base, its ancestors and descendants included.

    `newest` is the newest write by anyone, `foreign` by another client than the asking author's; `by_person`
    says whether any was a person's.
    """

    newest: Write | None = None
    foreign: Write | None = None
    by_person: bool = False


@frozen
class _Node:
    last: Write | None = None
    other: Write | None = None
    """The newest write by another client than that of `last`."""
    person: int = 0
    """The newest write by a person, also at what stood below when this path was written whole."""
    folded: int = 0
    """The newest write below that was forgotten when this path was written whole."""
    past: OldValue | None = None
    children: Mapping[str, _Node] = field(default_factory=dict)
    # Over the whole subtree:
    newest: int = 0
    paths: int = 0
    weight: int = 0

    def foreign(self, author: Author) -> Write | None:
        if self.last and self.last.author.is_same_client(author):
            return self.other
        return self.last

    def walk(self, base: int) -> Iterator[_Node]:
        """The nodes of the subtree that were written after `base`."""
        waiting = [self] if self.newest > base else []
        while waiting:
            node = waiting.pop()
            yield node
            waiting += [child for child in node.children.values() if child.newest > base]


_EMPTY: Final = _Node()


@frozen
class WriteIndex:
    """The recent writes of a session's story. `floor` is the oldest base for which the index can answer."""

    floor: int = 0
    value_floor: int = 0
    """The oldest base for which values are complete; at least `floor`."""
    max_paths: int = MAX_PATHS
    max_bytes: int = MAX_VALUE_BYTES
    ignored: frozenset[str] = RULE_PARTITIONS
    _root: _Node = _EMPTY

    def __len__(self) -> int:
        return self._root.paths

    def record(self, event_seq: int, ops: Iterable[Op], state_before: State, author: Author) -> WriteIndex:
        """The index after an event, which follows the last one in the log; `ops` is its patch."""
        write, root = Write(event_seq, author), self._root
        for path in touched(ops):
            if path[0] not in self.ignored:
                value: Recalled = lookup(state_before, path)
                size = size_of(value)
                if size > MAX_ONE_VALUE:
                    value, size = UNKNOWN, size_of(UNKNOWN)
                root = _written(root, path, write, value, size)
        return self._bounded(root) if root is not self._root else self

    def since(self, path: Path, base: int, author: Author) -> Since:
        """What others, and all, wrote after `base` where a write of `author` to `path` would show."""
        nodes, end = self._along(path)
        seen = [node for node in nodes if node.last and node.last.sequence_id > base]
        if end is not None:
            seen += end.walk(base)
        writes = [node.last for node in seen if node.last]
        foreign = [write for node in seen if (write := node.foreign(author)) and write.sequence_id > base]
        return Since(
            max(writes, key=_sequence_id, default=None),
            max(foreign, key=_sequence_id, default=None),
            any(node.person > base for node in seen),
        )

    def written_after(self, path: Path, base: int) -> Write | None:
        """The newest write after `base` to `path`, an ancestor or a descendant; complete from `floor`."""
        return self.since(path, base, Author("", False)).newest

    def value_at(self, path: Path, base: int, current: JsonValue | Missing) -> Recalled:
        """The value of `path` right after event `base`, where `current` is its value now."""
        nodes, end = self._along(path)
        if base < self.value_floor:
            return UNKNOWN
        first: tuple[int, Recalled] | None = None
        for depth, node in enumerate([*nodes, end or _EMPTY]):
            found = first_after(node.past, base)
            if found and (first is None or found.sequence_id < first[0]):
                value = UNKNOWN if base < node.folded else _inside(found.value, path[depth:])
                first = found.sequence_id, value
        if first is not None:
            return first[1]  # what stands below in the tree was written later still
        if end is None or end.newest <= base:
            return current
        # Only descendants were written: put their old values back.
        rebuilt = dict(current) if isinstance(current, dict) else {}
        for token, child in end.children.items():
            if child.newest > base:
                old = self.value_at((*path, token), base, rebuilt.get(token, MISSING))
                if isinstance(old, Unknown):
                    return UNKNOWN
                if isinstance(old, Missing):
                    rebuilt.pop(token, None)
                else:
                    rebuilt[token] = old
        return rebuilt

    def dumped(self) -> Iterator[bytes]:
        """JSON for a snapshot, in pieces; `from_json` reads it again."""
        yield b'{"floor":%d,"value_floor":%d,"entries":[' % (self.floor, self.value_floor)
        for count, (path, node) in enumerate(_entries(self._root)):
            yield (b"," if count else b"") + to_json(_dumped(path, node))
        yield b"]}"

    @classmethod
    def from_json(cls, data: JsonValue) -> WriteIndex:
        """Raises ValueError if `data` is nothing that `dumped` made."""
        try:
            return cls._loaded(data)
        except (AttributeError, KeyError, TypeError, IndexError) as error:
            raise ValueError("not a write index") from error

    @classmethod
    def _loaded(cls, data: Any) -> WriteIndex:  # Any: every wrong shape ends in from_json's ValueError
        root = _EMPTY
        for pointer, last, other, person, folded, past in data["entries"]:
            node = _Node(
                last=_loaded_write(last),
                other=_loaded_write(other) if other else None,
                person=int(person),
                folded=int(folded),
                past=old_values.from_json(past),
            )
            root = _put(root, parse_pointer(pointer), node)
        return cls(int(data["floor"]), int(data["value_floor"]), _root=_pruned(root, -1, -1))

    def _along(self, path: Path) -> tuple[list[_Node], _Node | None]:
        """The known nodes of the proper ancestors, from the root, and the node of the path itself."""
        nodes: list[_Node] = []
        node: _Node | None = self._root
        for token in path:
            if node is None:
                break
            nodes.append(node)
            node = node.children.get(token)
        return nodes, node

    def _bounded(self, root: _Node) -> WriteIndex:
        """With `root` in the place of its own, less what is beyond the bounds."""
        floor, value_floor = self.floor, self.value_floor
        if root.paths > self.max_paths:
            ages = sorted(node.last.sequence_id for _, node in _entries(root) if node.last)
            floor = ages[root.paths - self.max_paths * 3 // 4 - 1]
            root = _pruned(root, floor, 0)
            value_floor = max(value_floor, floor)
        if root.weight > self.max_bytes:
            surplus = root.weight - self.max_bytes * 3 // 4
            values = (old for _, node in _entries(root) for old in node.past or ())
            for old in sorted(values, key=_sequence_id):
                surplus -= old.size
                value_floor = max(value_floor, old.sequence_id)
                if surplus <= 0:
                    break
            root = _pruned(root, 0, value_floor)
        return WriteIndex(floor, value_floor, self.max_paths, self.max_bytes, self.ignored, root)


def _sequence_id(write: Write | OldValue) -> int:
    return write.sequence_id


def _inside(value: Recalled, rest: Path) -> Recalled:
    if not rest or isinstance(value, Unknown):
        return value
    return lookup(value, rest) if isinstance(value, dict) else MISSING


def _written(node: _Node, path: Path, write: Write, value: Recalled, size: int) -> _Node:
    if path:
        child = node.children.get(path[0], _EMPTY)
        grown = _written(child, path[1:], write, value, size)
        return _Node(
            node.last,
            node.other,
            node.person,
            node.folded,
            node.past,
            {**node.children, path[0]: grown},
            write.sequence_id,
            node.paths + grown.paths - child.paths,
            node.weight + grown.weight - child.weight,
        )
    history = node.past
    weight = node.weight - sum(child.weight for child in node.children.values())
    if history is None or history.sequence_id != write.sequence_id:
        history = OldValue(write.sequence_id, value, size, history)
        weight += size
    below = max((child.newest for child in node.children.values()), default=0)
    return _Node(
        last=write,
        other=_newest_other(node, write),
        person=max(_person(node), 0 if write.author.is_agent else write.sequence_id),
        folded=max(node.folded, below),
        past=history,
        newest=write.sequence_id,
        paths=1,
        weight=weight,
    )


def _newest_other(node: _Node, write: Write) -> Write | None:
    """Of this path and all below: what stood there belongs to the value that is now written whole."""
    found = [foreign for each in node.walk(-1) if (foreign := each.foreign(write.author))]
    return max(found, key=_sequence_id, default=None)


def _person(node: _Node) -> int:
    return max((each.person for each in node.walk(-1)), default=0)


def _put(node: _Node, path: Path, entry: _Node) -> _Node:
    """`entry` at `path`, without the sums."""
    if not path:
        return replace(entry, children=node.children)
    child = _put(node.children.get(path[0], _EMPTY), path[1:], entry)
    return replace(node, children={**node.children, path[0]: child})


def _summed(node: _Node) -> _Node:
    below = node.children.values()
    return replace(
        node,
        newest=max([node.last.sequence_id if node.last else 0, *(child.newest for child in below)]),
        paths=(node.last is not None) + sum(child.paths for child in below),
        weight=sum(old.size for old in node.past or ()) + sum(child.weight for child in below),
    )


def _pruned(node: _Node, floor: int, value_floor: int) -> _Node:
    """Without the paths last written up to `floor` and the values of writes up to `value_floor`."""
    children = {
        token: kept
        for token, child in node.children.items()
        if (kept := _pruned(child, floor, value_floor)).paths
    }
    if node.last and node.last.sequence_id <= floor:
        return _summed(_Node(children=children))
    return _summed(replace(node, children=children, past=old_values.since(node.past, value_floor)))


def _entries(root: _Node) -> Iterator[tuple[Path, _Node]]:
    waiting: list[tuple[Path, _Node]] = [((), root)]
    while waiting:
        path, node = waiting.pop()
        if node.last:
            yield path, node
        waiting += [((*path, token), child) for token, child in node.children.items()]


def _dumped(path: Path, node: _Node) -> JsonValue:
    return [
        format_pointer(path),
        _dumped_write(node.last),
        _dumped_write(node.other),
        node.person,
        node.folded,
        old_values.to_json(node.past),
    ]


def _dumped_write(write: Write | None) -> JsonValue:
    if write is None:
        return None
    return [write.sequence_id, write.author.user_id, write.author.is_agent, write.author.client]


def _loaded_write(data: Any) -> Write:
    seq, user_id, is_agent, client = data
    return Write(int(seq), Author(user_id, is_agent, client))
