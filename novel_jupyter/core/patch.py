"""JSON patches: the only way in which a state changes.

Law: a patch applies whole or not at all, never touches its input, and copies only along the paths that it
writes, so what did not change stays the very same object. Arrays are values: they are replaced whole, never
edited by position.
Parts: `JsonValue`, `Op`, JSON Pointer (RFC 6901) with bounds, `check_ops` for patches that come from outside,
`apply_patch`, `diff`, and the questions that merging asks (`touched`, `overlaps`, `lookup`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, Literal, NotRequired, TypeAlias

from pydantic import JsonValue as JsonValue  # its validator is strict: no coercion between JSON types
from typing_extensions import TypedDict  # pydantic refuses typing.TypedDict before Python 3.12

Path: TypeAlias = tuple[str, ...]
"""The tokens of a JSON Pointer, unescaped. `()` is the document."""

MAX_POINTER_CHARS: Final = 1024
MAX_POINTER_DEPTH: Final = 16
MAX_VALUE_DEPTH: Final = 32
MAX_OPS: Final = 512
SAFE_INTEGER: Final = 2**53 - 1
FORBIDDEN_TOKENS: Final = frozenset({"", "__proto__", "constructor", "prototype"})
"""Keys that mean something else than a key in JavaScript, or that a pointer cannot show."""

PatchCode: TypeAlias = Literal[
    "bad_path", "invalid", "bad_value", "missing_path", "positional", "test_failed", "too_large"
]


class Op(TypedDict):
    """One RFC 6902 operation. `value` is required by every op but `remove`."""

    op: Literal["add", "remove", "replace", "test"]
    path: str
    value: NotRequired[JsonValue]


class PatchError(ValueError):
    """A patch that cannot be read or applied: why (`code`), where, by which op (or None)."""

    def __init__(self, code: PatchCode, path: str, message: str, op_index: int | None = None) -> None:
        super().__init__(f"{message} (at {path!r})")
        self.code: PatchCode = code
        self.path = path
        self.message = message
        self.op_index = op_index


class _Missing:
    """The type of `MISSING`: no value, where null is a value."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
Missing: TypeAlias = _Missing

_BAD_ESCAPE = re.compile(r"~(?![01])")


@lru_cache(maxsize=4096)
def parse_pointer(pointer: str) -> Path:
    """The tokens of an RFC 6901 pointer; `""` is the document, `()`. Raises PatchError `bad_path`."""
    if pointer == "":
        return ()
    if len(pointer) > MAX_POINTER_CHARS:
        raise PatchError("bad_path", pointer[:64] + "…", f"a path has at most {MAX_POINTER_CHARS} characters")
    if pointer[0] != "/":
        raise PatchError("bad_path", pointer, "a path begins with '/'")
    if "~" in pointer:
        if _BAD_ESCAPE.search(pointer):
            raise PatchError("bad_path", pointer, "'~' is written '~0' and '/' is written '~1'")
        tokens = tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/"))
    else:
        tokens = tuple(pointer[1:].split("/"))
    if len(tokens) > MAX_POINTER_DEPTH:
        raise PatchError("bad_path", pointer, f"a path has at most {MAX_POINTER_DEPTH} parts")
    if not FORBIDDEN_TOKENS.isdisjoint(tokens):
        raise PatchError("bad_path", pointer, "a part of the path is empty or reserved")
    return tokens


def format_pointer(tokens: Iterable[str]) -> str:
    """The RFC 6901 pointer of `tokens`. Raises PatchError `bad_path` where `parse_pointer` would."""
    parts = tuple(tokens)
    pointer = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
    if len(pointer) > MAX_POINTER_CHARS or len(parts) > MAX_POINTER_DEPTH:
        raise PatchError("bad_path", pointer[:64] + "…", "the path is too long or too deep")
    if not FORBIDDEN_TOKENS.isdisjoint(parts):
        raise PatchError("bad_path", pointer, "a part of the path is empty or reserved")
    return pointer


def op_value(op: Op, index: int | None = None) -> JsonValue:
    """The value of an add, replace or test. Raises PatchError `invalid` if it has none."""
    try:
        return op["value"]
    except KeyError:
        raise PatchError("invalid", op["path"], f"{op['op']!r} needs a value", index) from None


def _target(op: Op, index: int) -> Path:
    try:
        path = parse_pointer(op["path"])
    except PatchError as error:
        raise PatchError(error.code, error.path, error.message, index) from None
    if not path:
        raise PatchError("bad_path", "", "the document itself cannot be written or tested", index)
    return path


def check_value(value: JsonValue, path: str = "", op_index: int | None = None) -> None:
    """Refuse what a state must not hold.

    Raises PatchError `bad_value` (numbers beyond ±(2^53-1), lone surrogates, keys that are empty or
    reserved) or `too_large` (nested deeper than MAX_VALUE_DEPTH).
    """
    waiting: list[tuple[JsonValue, int]] = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        if isinstance(item, str):
            if not _encodable(item):
                raise PatchError("bad_value", path, "text with a lone surrogate", op_index)
        elif isinstance(item, bool) or item is None:
            continue
        elif isinstance(item, (int, float)):
            # Floats too: JavaScript writes 6e16 as an integer, so it would come back as one. NaN fails too.
            if not -SAFE_INTEGER <= item <= SAFE_INTEGER:
                raise PatchError("bad_value", path, "numbers lie within ±(2^53-1)", op_index)
        elif depth >= MAX_VALUE_DEPTH:
            raise PatchError("too_large", path, f"values nest at most {MAX_VALUE_DEPTH} deep", op_index)
        elif isinstance(item, list):
            waiting.extend((child, depth + 1) for child in item)
        else:
            for key, child in item.items():
                if key in FORBIDDEN_TOKENS or not _encodable(key):
                    raise PatchError("bad_value", path, "a key in the value is empty or reserved", op_index)
                waiting.append((child, depth + 1))


def _encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_ops(ops: Sequence[Op], *, max_ops: int = MAX_OPS) -> None:
    """Everything that can be said against a patch without the document. Raises PatchError.

    For patches from outside, not for stored ones: bounds may shrink, and what is in the log must still apply.
    """
    if len(ops) > max_ops:
        raise PatchError("too_large", "", f"a patch has at most {max_ops} operations")
    for index, op in enumerate(ops):
        path = _target(op, index)
        if not all(map(_encodable, path)):
            raise PatchError("bad_path", "", "a path with a lone surrogate", index)
        if op["op"] in ("add", "replace", "test"):
            check_value(op_value(op, index), op["path"], index)
        elif op["op"] != "remove":
            raise PatchError("invalid", op["path"], f"{op['op']!r} is not an operation here", index)


def same(a: JsonValue | Missing, b: JsonValue | Missing, *, exact: bool = True) -> bool:
    """Equality of JSON values, where true is not 1. `exact` also tells 1 from 1.0; JavaScript does not."""
    if a is b:
        return True
    if isinstance(a, dict):
        return (
            isinstance(b, dict)
            and len(a) == len(b)
            and all(key in b and same(child, b[key], exact=exact) for key, child in a.items())
        )
    if isinstance(a, list):
        return (
            isinstance(b, list)
            and len(a) == len(b)
            and all(same(x, y, exact=exact) for x, y in zip(a, b, strict=True))
        )
    if type(a) is not type(b) and (exact or isinstance(a, bool) or isinstance(b, bool)):
        return False
    return a == b


def apply_patch(doc: Mapping[str, JsonValue], ops: Iterable[Op]) -> dict[str, JsonValue]:
    """The document after `ops`, in order. `add` on an existing key replaces (RFC 6902).

    Raises PatchError, and then nothing happened: `bad_path`, `invalid`, `missing_path`, `positional`,
    `test_failed`.
    """
    root: dict[str, JsonValue] = dict(doc)
    # Dicts made here, which may be written in place; kept alive so that no id is used twice.
    own: dict[int, dict[str, JsonValue]] = {id(root): root}
    for index, op in enumerate(ops):
        path = _target(op, index)
        kind = op["op"]
        parent = root
        for token in path[:-1]:
            child = parent.get(token, MISSING)
            if not isinstance(child, dict):
                raise _no_way(child, op["path"], index)
            if kind != "test" and id(child) not in own:
                child = dict(child)
                own[id(child)] = child
                parent[token] = child
            parent = child
        key = path[-1]
        if kind == "add":
            parent[key] = op_value(op, index)
        elif key not in parent:
            raise PatchError("missing_path", op["path"], "there is nothing here", index)
        elif kind == "replace":
            parent[key] = op_value(op, index)
        elif kind == "remove":
            del parent[key]
        elif kind == "test":
            if not same(parent[key], op_value(op, index), exact=False):
                raise PatchError("test_failed", op["path"], "the value here is another", index)
        else:
            raise PatchError("invalid", op["path"], f"{kind!r} is not an operation here", index)
    return root


def _no_way(found: JsonValue | Missing, path: str, index: int) -> PatchError:
    if isinstance(found, list):
        return PatchError("positional", path, "arrays are replaced whole, not edited by position", index)
    return PatchError("missing_path", path, "the path leads through something that is not an object", index)


def lookup(doc: Mapping[str, JsonValue], path: Path) -> JsonValue | Missing:
    """The value at `path`, or MISSING, also where the path would walk into an array or a scalar."""
    if not path:
        return dict(doc)
    node: JsonValue | Missing = doc.get(path[0], MISSING)
    for token in path[1:]:
        if not isinstance(node, dict):
            return MISSING
        node = node.get(token, MISSING)
    return node


def diff(old: Mapping[str, JsonValue], new: Mapping[str, JsonValue]) -> list[Op]:
    """The smallest patch by object keys, keys in sorted order: `apply_patch(old, diff(old, new)) == new`.

    A key that no pointer can name has its parent replaced whole; in the document itself it is `bad_path`.
    """
    ops: list[Op] = []
    if not _diff(old, new, (), ops):
        raise PatchError("bad_path", "", "a top-level key cannot be named by a path")
    return ops


def _diff(old: Mapping[str, JsonValue], new: Mapping[str, JsonValue], at: Path, ops: list[Op]) -> bool:
    """Append the ops, or append none and say that some key here cannot be named."""
    start = len(ops)
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key, MISSING), new.get(key, MISSING)
        if before is after:
            continue
        path = (*at, key)
        if isinstance(before, dict) and isinstance(after, dict):
            if _diff(before, after, path, ops):
                continue
        elif same(before, after):
            continue
        try:
            pointer = format_pointer(path)
        except PatchError:
            del ops[start:]
            return False
        if isinstance(after, _Missing):
            ops.append({"op": "remove", "path": pointer})
        elif isinstance(before, _Missing):
            ops.append({"op": "add", "path": pointer, "value": after})
        else:
            ops.append({"op": "replace", "path": pointer, "value": after})
    return True


def touched(ops: Iterable[Op]) -> list[Path]:
    """The paths that `ops` write, in order, each once. A `test` writes nothing."""
    return list(dict.fromkeys(parse_pointer(op["path"]) for op in ops if op["op"] != "test"))


def overlaps(a: Path, b: Path) -> bool:
    """Whether one path is the other or an ancestor of it: writing one then changes what the other shows."""
    return a[: len(b)] == b[: len(a)]
