"""What an author is given: a file to begin from, the format for editors, and tables of it for people.

Law: the schema is the only source of the format; what is shipped and printed here follows from it.
Parts: `template`, `json_schema`, `SCHEMA_FILE`, `tables`.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any, Final, cast

from pydantic import JsonValue

from .schema import Story

SCHEMA_FILE: Final = "story.schema.json"
"""What new files call the format in their first line, for editors that check YAML by a JSON Schema."""


def template(name: str) -> str:
    """A commented, valid, playable story file whose id is `name`."""
    text = (resources.files(__package__) / "template.yaml").read_text("utf-8")
    return text.replace("my_story", name)


def json_schema() -> dict[str, JsonValue]:
    """The format of story files as JSON Schema (2020-12)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Story.model_json_schema(),
        "title": "A novel_jupyter story",
    }


def schema_text() -> str:
    """`json_schema` as it is kept and printed."""
    return json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n"


def tables() -> str:
    """Every part of the format in Markdown, a table of keys each."""
    schema = cast(dict[str, Any], json_schema())
    parts = {"Story": schema, **schema["$defs"]}
    lines: list[str] = []
    for name in ("Story", *(name for name in _in_order(schema) if name in parts)):
        part = parts[name]
        lines += [f"### {name}", ""]
        if about := part.get("description"):
            lines += [" ".join(about.split()), ""]
        lines += ["| key | value | |", "|---|---|---|"]
        for key, what in part.get("properties", {}).items():
            needed = key in part.get("required", ())
            note = " ".join(str(what.get("description", "")).split())
            default = what.get("default")
            if not needed and default not in (None, [], {}):
                note = f"{note} Default: `{_plain(default)}`.".strip()
            shown = f"`{key}`" if needed else f"`{key}`?"
            lines.append(f"| {shown} | {_type(what)} | {note} |".replace("  ", " "))
        lines.append("")
    return "\n".join(lines)


def _in_order(schema: dict[str, Any]) -> list[str]:
    """The parts as an author meets them: from the top of a file down."""
    found: list[str] = []

    def walk(node: object) -> None:
        if isinstance(node, dict):
            ref = node.get("$ref")
            if isinstance(ref, str):
                name = ref.rsplit("/", 1)[-1]
                if name not in found:
                    found.append(name)
                    walk(schema["$defs"][name])
            for key, value in node.items():
                if key != "$defs":
                    walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(schema)
    return found


def _plain(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).replace('"', "")


def _type(what: dict[str, Any]) -> str:
    """A type in a few words."""
    if "$ref" in what:
        name = what["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if "const" in what:
        return f"`{what['const']}`"
    if "enum" in what:
        return ", ".join(f"`{value}`" for value in what["enum"])
    several = what.get("anyOf") or what.get("oneOf") or what.get("allOf")
    if several:
        return " or ".join(dict.fromkeys(filter(None, map(_type, several))))
    match what.get("type"):
        case "array":
            return f"list of {_type(what['items'])}"
        case "object":
            inner = what.get("additionalProperties")
            if not isinstance(inner, dict):
                inner = next(iter(what.get("patternProperties", {}).values()), {})
            names = what.get("propertyNames", {})
            keys = f" ({_type(names)})" if "enum" in names else ""
            return f"by name{keys}: {_type(inner) or 'anything'}"
        case "integer":
            return f"number {what.get('minimum', '…')} … {what.get('maximum', '…')}"
        case "string":
            return "id" if "pattern" in what else f"text, at most {what.get('maxLength', '…')}"
        case "boolean":
            return "true or false"
        case _:
            return ""
