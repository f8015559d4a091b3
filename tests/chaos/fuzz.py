"""Frames that are nearly right, and frames that are nothing at all.

Law: the JSON Schema of the wire says how a right frame looks, so a new message is fuzzed from the day it is
there. Most frames are made right, with words that mean something in the session, and then damaged in one to
three places; the rest is what no schema can say. Everything comes from one generator.
Parts: `Fuzz`.
"""

from __future__ import annotations

import json
import random
import re
from contextlib import suppress
from typing import Any, Final, TypeAlias

from novel_jupyter.core.messages import CLIENT

Json: TypeAlias = Any
Text: TypeAlias = str | bytes

SCHEMA: Final[dict[str, Json]] = CLIENT.json_schema()
PATHS: Final = (
    *("/notes/scene", "/notes/fuzz", "/notes", "/scene/mood", "/facts", "/items/key/where", "/clocks", ""),
    *(
        "/seats/mara/owner",
        "/participants/ada/role",
        "/sealed/seed",
        "/director",
        "/seat:mara/goals",
        "/turn",
    ),
    *(
        "/notes/~",
        "/notes/~2",
        "/notes/a~1b",
        "notes",
        "/notes/" + "x" * 1200,
        "/notes/\ud800",
        "/__proto__/x",
    ),
    *(
        "/chronicle/1",
        "/onlookers/x",
        "/conflicts/1-0",
        "/host/holder",
        "/session/settings",
        "/-",
        "/notes/-",
    ),
)
WORDS: Final = (
    *("mara", "tomas", "ada", "fuzzer", "nobody", "kernel:1", "main", "", " ", "public", "seats:mara", "all"),
    *("wait", "search", "cellar", "x" * 2001, "x" * 5000, "é\u0301😀\u202e", "\u0000", "\ud83d", "</script>"),
    *("<!--", "'; DROP TABLE entries;--", "{{7*7}}", "../../etc", "%00", "\n\r\t", "ﬃ", "0", "-1", "NaN"),
)
NUMBERS: Final = (
    *(0, 1, -1, 2, 7, 64, 1024, 2**31, 2**53 - 1, 2**53, -(2**53), 2**63, 2**64, 10**400, 0.5, -0.0, 1e308),
    *(1e-320, True, False),
)
OTHER: Final[tuple[Json, ...]] = (None, True, 0, -1, 1.5, "", "x", [], {}, [[]], {"a": {}}, [None] * 50)
RAW: Final[tuple[Text, ...]] = (
    *("", " ", "null", "[]", "{}", '"x"', "1", "{", "}", "[" * 41, "[" * 100_000, '{"a":' * 5000, "\x00"),
    *('{"type":"user_cursor","type":"story_update"}', '{"type":NaN}', '{"type":1e999}', "\ufeff{}", "tru"),
    *('{"type":"state_sync","data":{},"sequence_id":1e400}', '{"type":"\\ud800"}', '{"type":"\\u0000"}'),
    *('{"' + "k" * 100_000 + '":1}', '{"type":"story_update","data":{"kind":"chat","text":"\\udc00"}}'),
    *(
        b"",
        b"\x00\xff",
        b'{"type":"state_sync"}',
        "9" * 5000,
        "-" + "9" * 5000,
        '"' + "\\" * 9999,
        '{"a":1,}',
    ),
)

IDS: Final = re.compile(r'"id": ?"((?:[^"\\]|\\.)*)"')


class Fuzz:
    """`frame()` is the next one. Ids are told in `ids`; `sessions` are those that it speaks of."""

    def __init__(self, rng: random.Random, sessions: list[str], frame_bytes: int) -> None:
        self._rng = rng
        self._sessions = sessions
        self._most = frame_bytes
        self._number = 0
        self.ids: set[str] = set()

    def frame(self) -> Text:
        text = self._frame()
        if isinstance(text, str):
            for id in IDS.findall(text):
                with suppress(ValueError):
                    self.ids.add(json.loads(f'"{id}"'))
        return text

    def _frame(self) -> Text:
        kind = self._rng.random()
        if kind < 0.12:
            return self._raw()
        frame = self._right()
        if kind > 0.45:
            for _ in range(self._rng.randint(1, 3)):
                frame = self._damaged(frame)
        text = _dumps(frame)
        return text if len(text) <= self._most * 2 else self._frame()

    def _raw(self) -> Text:
        rng = self._rng
        match rng.randrange(6):
            case 0:
                return "".join(
                    chr(rng.choice((rng.randrange(128), rng.randrange(0xD7FF)))) for _ in range(40)
                )
            case 1:
                text = _dumps(self._right())
                return text[: rng.randrange(len(text))]
            case 2:
                text = _dumps(self._right())
                at = rng.randrange(len(text))
                return text[:at] + rng.choice('{}[]",:\\0-e.') + text[at + 1 :]
            case 3 if rng.random() < 0.05:
                return json.dumps({"type": "story_update", "data": {"text": "x" * self._most}})
            case _:
                return rng.choice(RAW)

    # --- right

    def _right(self) -> dict[str, Json]:
        frame: dict[str, Json] = self._of(SCHEMA, "")
        frame["session_id"] = self._rng.choice(self._sessions)
        if self._rng.random() < 0.9 or "id" not in frame:
            self._number += self._rng.random() < 0.95  # now and then a number is used again
            frame["id"] = f"fz:{max(1, self._number)}"
        if self._rng.random() < 0.9:
            frame.pop("epoch", None)
        return frame

    def _of(self, schema: dict[str, Json], name: str) -> Json:
        rng = self._rng
        if "$ref" in schema:
            ref = schema["$ref"].rpartition("/")[2]
            return self._any(2) if ref == "JsonValue" else self._of(SCHEMA["$defs"][ref], name)
        for union in ("oneOf", "anyOf"):
            if union in schema:
                return self._of(rng.choice(schema[union]), name)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return rng.choice(schema["enum"])
        match schema.get("type"):
            case "object":
                return self._object(schema)
            case "array":
                return self._array(schema, name)
            case "string":
                return self._string(schema, name)
            case "integer" | "number":
                return rng.choice((0, 1, 2, 3, rng.randrange(100), schema.get("maximum", 5)))
            case "boolean":
                return rng.random() < 0.5
            case "null":
                return None
            case _:
                return self._any(2)

    def _object(self, schema: dict[str, Json]) -> dict[str, Json]:
        required = set(schema.get("required", ()))
        found = {
            name: self._of(of, name)
            for name, of in schema.get("properties", {}).items()
            if name in required or self._rng.random() < 0.5
        }
        more = schema.get("additionalProperties")
        if more:
            for _ in range(self._rng.randrange(3)):
                found[self._rng.choice(WORDS[:12])] = self._of({} if more is True else more, "")
        return found

    def _array(self, schema: dict[str, Json], name: str) -> list[Json]:
        if "prefixItems" in schema:
            return [self._of(item, name) for item in schema["prefixItems"]]
        least = schema.get("minItems", 0)
        return [self._of(schema.get("items", {}), name) for _ in range(least + self._rng.randrange(3))]

    def _string(self, schema: dict[str, Json], name: str) -> str:
        rng = self._rng
        if name in ("path", "target", "from", "record"):
            return rng.choice(PATHS)
        if name == "op":
            return rng.choice(("add", "remove", "replace", "test"))
        if name in ("character", "agent"):
            return rng.choice(("mara", "tomas", "nobody"))
        if name == "kernel":
            return f"kernel:{rng.randrange(20)}"
        if "pattern" in schema:
            return rng.choice(("a1b2c3d4e5f6a7b8", "main", "guest:" + "a" * 32, "some_word"))
        return rng.choice(WORDS)[: schema.get("maxLength", 5000)]

    def _any(self, deep: int) -> Json:
        rng = self._rng
        if deep and rng.random() < 0.3:
            return {rng.choice(("kind", "target", "text", "what")): self._any(deep - 1)}
        return rng.choice((rng.choice(WORDS), rng.choice(NUMBERS), rng.choice(OTHER), {"kind": "wait"}))

    # --- damaged

    def _damaged(self, value: Json, many: bool = False) -> Json:
        """The value with one thing wrong, somewhere in it. `many`: it will be there many times."""
        rng = self._rng
        if isinstance(value, dict) and value and rng.random() < 0.85:
            key = rng.choice(list(value))
            match rng.randrange(8):
                case 0:
                    return {k: v for k, v in value.items() if k != key}
                case 1:
                    return {**value, rng.choice(WORDS): rng.choice(OTHER)}
                case 2 if rng.random() < 0.3:
                    return {**value, key: _nested(rng.choice((5, 38, 39, 60)))}
                case _:
                    return {**value, key: self._damaged(value[key], many)}
        if isinstance(value, list) and value and rng.random() < 0.7:
            at = rng.randrange(len(value))
            times = 60 if rng.random() < 0.2 and not many else 1
            return [*value[:at], self._damaged(value[at], many=True), *value[at + 1 :]] * times
        return rng.choice((*OTHER, rng.choice(NUMBERS), rng.choice(WORDS), rng.choice(PATHS), self._any(2)))


def _nested(deep: int) -> Json:
    value: Json = 1
    for _ in range(deep):
        value = [value]
    return value


def _dumps(frame: Json) -> str:
    # Python's own: NaN, lone surrogates (as escapes) and endless integers travel.
    return json.dumps(frame)
