"""Cases that every language of the protocol must agree on, with what the rules in Python make of them.

Law: inputs stand here, answers come from `novel_jupyter.core`. No clock, no chance: always the same cases.
Parts: canonical JSON and hashes, patches, `vectors`.
"""

from __future__ import annotations

from typing import Any, Final

from novel_jupyter.core.canonical import CanonicalError, canonical, state_hash
from novel_jupyter.core.patch import PatchError, apply_patch

VALUES: Final[list[Any]] = [
    None,
    True,
    False,
    0,
    -0.0,
    1,
    1.0,
    -1.5,
    0.1,
    1e-7,
    1e-6,
    123456.789,
    1e20,
    1e21,
    1.7976931348623157e308,
    5e-324,
    333333333.3333333,
    2**53 - 1,
    -(2**53 - 1),
    "",
    'a"b\\c/\b\f\n\r\t\u0000\u001f\u007f',
    "\u20ac \u00f6 \u05d3 \U0001f600",
    [],
    {},
    [1, [2, {"a": []}], "x"],
    {"b": 1, "a": 2, "A": 3, "10": 4, "9": 5, "": 6},
    {"\u20ac": 1, "\r": 2, "\ufb33": 3, "\U0001f600": 4, "\u0080": 5, "\u00f6": 6},
    {"__proto__": 1, "constructor": {"prototype": None}},
]
WITHOUT_CANONICAL_FORM: Final[list[Any]] = ["\ud800", "a\udc00b", {"\ud83d": 1}, ["\udfff\ud83d"]]

DOC: Final[dict[str, Any]] = {
    "scene": {"mood": "calm", "props": ["lamp", "rope"], "light": 2, "none": None},
    "notes": {"n1": {"text": "a", "order": "a0"}, "n2": {"text": "b", "order": "a1"}},
    "a/b": {"c~d": 1, "\u00e9": {"\U0001f600": True}},
}
PATCHES: Final[list[list[dict[str, Any]]]] = [
    [],
    [{"op": "add", "path": "/scene/wind", "value": {"from": "west"}}],
    [{"op": "add", "path": "/scene/mood", "value": "tense"}],
    [{"op": "replace", "path": "/scene/none", "value": [1, 2]}],
    [{"op": "remove", "path": "/notes/n1"}, {"op": "add", "path": "/notes/n3", "value": {}}],
    [
        {"op": "add", "path": "/x", "value": {"y": {}}},
        {"op": "add", "path": "/x/y/z", "value": 1},
        {"op": "test", "path": "/x/y", "value": {"z": 1.0}},
        {"op": "remove", "path": "/x/y/z"},
    ],
    [{"op": "replace", "path": "/a~1b/c~0d", "value": 2}],
    [{"op": "remove", "path": "/a~1b/\u00e9/\U0001f600"}],
    [{"op": "test", "path": "/scene/props", "value": ["lamp", "rope"]}],
    [
        {
            "op": "test",
            "path": "/scene",
            "value": {"light": 2, "mood": "calm", "none": None, "props": ["lamp", "rope"]},
        }
    ],
    [
        {"op": "add", "path": "/scene/toString", "value": 1},
        {"op": "replace", "path": "/scene/toString", "value": 2},
    ],
    # refused
    [{"op": "test", "path": "/scene/light", "value": True}],
    [{"op": "test", "path": "/scene/mood", "value": "Calm"}],
    [{"op": "test", "path": "/scene/none", "value": False}],
    [{"op": "test", "path": "/scene/props", "value": ["rope", "lamp"]}],
    [{"op": "test", "path": "/scene/props", "value": {"0": "lamp", "1": "rope"}}],
    [{"op": "add", "path": "/scene/mood", "value": 1}, {"op": "test", "path": "/scene/mood", "value": 2}],
    [{"op": "replace", "path": "/scene/absent", "value": 1}],
    [{"op": "remove", "path": "/absent"}],
    [{"op": "add", "path": "/absent/deep", "value": 1}],
    [{"op": "add", "path": "/scene/mood/deep", "value": 1}],
    [{"op": "add", "path": "/scene/none/deep", "value": 1}],
    [{"op": "add", "path": "/scene/props/0", "value": 1}],
    [{"op": "add", "path": "/scene/props/-", "value": 1}],
    [{"op": "remove", "path": "/scene/props/0/x"}],
    [{"op": "replace", "path": "/scene/toString", "value": 1}],
    [{"op": "remove", "path": "/hasOwnProperty"}],
    [{"op": "add", "path": "/toString/x", "value": 1}],
    [{"op": "add", "path": "", "value": {}}],
    [{"op": "add", "path": "scene", "value": 1}],
    [{"op": "add", "path": "/", "value": 1}],
    [{"op": "add", "path": "/scene//x", "value": 1}],
    [{"op": "add", "path": "/scene/~2", "value": 1}],
    [{"op": "add", "path": "/scene/~", "value": 1}],
    [{"op": "add", "path": "/__proto__/polluted", "value": 1}],
    [{"op": "add", "path": "/scene/__proto__", "value": 1}],
    [{"op": "add", "path": "/scene/constructor/prototype/x", "value": 1}],
    [{"op": "remove", "path": "/scene/prototype"}],
    [{"op": "add", "path": "/scene/x"}],
    [{"op": "test", "path": "/scene/mood"}],
    [{"op": "move", "path": "/scene/mood", "from": "/scene/light"}],
    [{"op": "add", "path": "/x" + "/a" * 15, "value": 1}],
    [{"op": "add", "path": "/x" + "/a" * 16, "value": 1}],
    [{"op": "add", "path": "/" + "a" * 1023, "value": 1}],
    [{"op": "add", "path": "/" + "a" * 1024, "value": 1}],
    [{"op": "add", "path": "/" + "\U0001f600" * 1023, "value": 1}],
]


def _canonical_cases() -> list[dict[str, Any]]:
    return [{"value": v, "canonical": canonical(v).decode(), "sha256": state_hash(v)} for v in VALUES]


def _has_no_form(value: object) -> bool:
    try:
        canonical(value)
    except CanonicalError:
        return True
    return False


def _patch_case(ops: list[dict[str, Any]]) -> dict[str, Any]:
    try:
        return {"ops": ops, "result": apply_patch(DOC, ops)}  # type: ignore[arg-type]  # some are wrong on purpose
    except PatchError as error:
        return {"ops": ops, "error": error.code, "index": error.op_index}


def vectors() -> dict[str, Any]:
    """`canonical` [{value, canonical, sha256}], `no_canonical_form` [value], `patch` {doc, cases}."""
    return {
        "canonical": _canonical_cases(),
        "no_canonical_form": [value for value in WITHOUT_CANONICAL_FORM if _has_no_form(value)],
        "patch": {"doc": DOC, "cases": [_patch_case(ops) for ops in PATCHES]},
    }
