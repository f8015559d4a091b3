"""The wire as documents: JSON Schema, AsyncAPI, and the tables of SPEC.md.

Law: everything here is read off the models and tables of the rules, so that no document can say anything
else. Equal models give equal documents. Nothing is written here: `scripts/generate_protocol.py` does that.
Parts: `protocol_schema`, `asyncapi`, `render_tables`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from pydantic import JsonValue, TypeAdapter

from novel_jupyter import __version__

from .errors import CLOSE, CODES, UNDECIDED
from .events import KINDS, EventData
from .messages import ActionCommand, ClientMessage, StoryCommand, SystemCommand
from .model import ROLES, RuleState
from .outgoing import SUBPROTOCOL, ErrorCode, ServerMessage, TurnRequest, WireEvent
from .policy import MAY, Standing

Json: TypeAlias = dict[str, Any]
"""A JSON document whose shape is a standard's, not ours."""

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_ROOTS: Final[Mapping[str, TypeAdapter[Any]]] = {
    "ClientMessage": TypeAdapter(ClientMessage),
    "ServerMessage": TypeAdapter(ServerMessage),
    "ActionCommand": TypeAdapter(ActionCommand),
    "StoryCommand": TypeAdapter(StoryCommand),
    "SystemCommand": TypeAdapter(SystemCommand),
    "WireEvent": TypeAdapter(WireEvent),
    "EventData": TypeAdapter(EventData),
    "TurnRequest": TypeAdapter(TurnRequest),
    "ErrorCode": TypeAdapter(ErrorCode),
    "RuleState": TypeAdapter(RuleState),
    "JsonValue": TypeAdapter(JsonValue),
}
"""What gets a name of its own in the documents, besides every model."""

STANDINGS: Final[tuple[Standing, ...]] = (*ROLES, "kernel", "host")


def protocol_schema() -> Json:
    """JSON Schema 2020-12 of everything on the wire, by name in `$defs`.

    `ClientMessage` and `ServerMessage` are the unions; `x-constants` holds the values that a client needs.
    """
    found, shared = TypeAdapter.json_schemas(
        [(name, "validation", adapter) for name, adapter in _ROOTS.items()], title="novel_jupyter protocol"
    )
    defs: Json = dict(shared["$defs"])
    for (name, _), schema in found.items():
        if schema != {"$ref": f"#/$defs/{name}"}:
            defs[name] = schema
    _hide_sealed(defs["RuleState"])
    defs["ErrorReply"]["properties"]["code"] = {"$ref": "#/$defs/ErrorCode"}
    return {
        "$schema": DIALECT,
        "title": "novel_jupyter protocol",
        "description": f"What clients and servers send over the WebSocket subprotocol {SUBPROTOCOL}.",
        "x-constants": {
            "SUBPROTOCOL": SUBPROTOCOL,
            "ERROR_CODES": dict(CODES),
            "UNDECIDED_CODES": sorted(UNDECIDED),
            "CLOSE_CODES": {str(code): meaning for code, meaning in sorted(CLOSE.items())},
            "MAY": {kind: list(who) for kind, who in sorted(MAY.items())},
        },
        "$defs": dict(sorted(defs.items())),
    }


def _hide_sealed(rules: Json) -> None:
    """No client ever sees the sealed partition."""
    del rules["properties"]["sealed"]
    rules["required"].remove("sealed")


def asyncapi() -> Json:
    """The same as an AsyncAPI 3.0 document: one channel, what is sent and received over it."""
    defs = protocol_schema()["$defs"]
    schemas = {name: _moved(schema) for name, schema in defs.items()}
    incoming = _members(defs, "ClientMessage")
    outgoing = _members(defs, "ServerMessage")
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "novel_jupyter",
            "version": __version__,
            "description": "One WebSocket for any number of story sessions. Times are RFC 3339 in UTC.",
            "license": {"name": "BSD-3-Clause"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "socket": {
                "address": "novel/api/ws",
                "description": f"Below the server's base URL, with the subprotocol {SUBPROTOCOL}.",
                "messages": {
                    name: {"$ref": f"#/components/messages/{name}"} for name in (*incoming, *outgoing)
                },
                "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
            }
        },
        "operations": {
            "fromClient": _operation("receive", incoming),
            "toClient": _operation("send", outgoing),
        },
        "components": {
            "messages": {
                name: {
                    "name": name,
                    "title": name,
                    **({"summary": first} if (first := _first_line(defs[name])) else {}),
                    "payload": {"$ref": f"#/components/schemas/{name}"},
                }
                for name in (*incoming, *outgoing)
            },
            "schemas": schemas,
        },
    }


def _operation(action: str, messages: Iterable[str]) -> Json:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/socket"},
        "messages": [{"$ref": f"#/channels/socket/messages/{name}"} for name in messages],
    }


def _members(defs: Json, union: str) -> list[str]:
    return [_ref_name(member["$ref"]) for member in defs[union]["oneOf"]]


def _ref_name(ref: str) -> str:
    return ref.rpartition("/")[2]


def _moved(schema: Any) -> Any:
    """A schema whose references point into an AsyncAPI document."""
    if isinstance(schema, dict):
        return {key: _moved(value) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_moved(value) for value in schema]
    if isinstance(schema, str) and schema.startswith("#/$defs/"):
        return f"#/components/schemas/{_ref_name(schema)}"
    return schema


def _first_line(schema: Json) -> str:
    return str(schema.get("description", "")).partition("\n")[0]


# --- tables -------------------------------------------------------------------------------------------------


def render_tables() -> dict[str, str]:
    """Marker → markdown table.

    For `client-messages`, `server-messages`, `events` (each of which may also carry a `patch`),
    `permissions`, `error-codes` and `close-codes`.
    """
    defs = protocol_schema()["$defs"]
    return {
        "client-messages": _table(("type", "kind", "data", "who may send"), _client_rows(defs)),
        "server-messages": _table(("type", "kind", "data"), _server_rows(defs)),
        "events": _table(("type", "kind", "data"), _event_rows(defs)),
        "permissions": _table(
            ("command", *STANDINGS),
            ((f"`{kind}`", *("✓" if who in MAY[kind] else "" for who in STANDINGS)) for kind in MAY),
        ),
        "error-codes": _table(
            ("code", "meaning", "the same id again"),
            ((f"`{code}`", text, "later" if code in UNDECIDED else "") for code, text in CODES.items()),
        ),
        "close-codes": _table(
            ("code", "meaning", "reconnect"),
            ((str(code), text, "yes" if code < 4500 else "no") for code, text in sorted(CLOSE.items())),
        ),
    }


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head)]
    lines.append(["---"] * len(lines[0]))
    lines += [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _client_rows(defs: Json) -> Iterable[tuple[str, ...]]:
    for envelope in _members(defs, "ClientMessage"):
        type_name = _type_of(defs[envelope])
        for kind, data in _kinds(defs, defs[envelope]["properties"]["data"]):
            who = MAY.get(kind or type_name)
            yield (
                f"`{type_name}`",
                f"`{kind}`" if kind else "",
                _fields(data),
                ", ".join(who) if who else "whoever may see the session",
            )


def _server_rows(defs: Json) -> Iterable[tuple[str, ...]]:
    for envelope in _members(defs, "ServerMessage"):
        if envelope == "LoggedEvent":
            continue
        for kind, data in _kinds(defs, defs[envelope]["properties"]["data"]):
            yield f"`{_type_of(defs[envelope])}`", f"`{kind}`" if kind else "", _fields(data)


def _event_rows(defs: Json) -> Iterable[tuple[str, ...]]:
    for kind, data in _kinds(defs, defs["EventData"]):
        yield f"`{KINDS[kind]}`", f"`{kind}`", _fields(data, besides=("kind", "patch"))


def _type_of(envelope: Json) -> str:
    return str(envelope["properties"]["type"]["const"])


def _kinds(defs: Json, data: Json) -> Iterable[tuple[str, Json]]:
    """(kind, schema) of every member of the union that `data` is; the kind is "" where there is only one."""
    for option in data.get("oneOf", [data]):
        schema = defs[_ref_name(option["$ref"])] if "$ref" in option else option
        tag = schema["properties"].get("kind", {}) if "properties" in schema else {}
        for kind in tag.get("enum", [tag.get("const", "")]):
            yield kind, schema


def _fields(schema: Json, besides: tuple[str, ...] = ("kind",)) -> str:
    """The fields, each with its type; `?` marks what may be absent."""
    required = set(schema.get("required", ()))
    return ", ".join(
        f"`{name}{'' if name in required else '?'}`: {_words(sub)}"
        for name, sub in schema.get("properties", {}).items()
        if name not in besides
    )


_WORDS: Final = {"integer": "int", "number": "number", "string": "text", "boolean": "bool", "null": "null"}


def _words(schema: Json) -> str:
    """A type in a few characters."""
    if "$ref" in schema:
        return _ref_name(schema["$ref"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        values = schema["enum"]
        return " or ".join(f"`{value}`" for value in values) if len(values) <= 6 else "one of a list"
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(_words(option) for option in schema[several]))
    if schema.get("type") == "array":
        return f"list of {_words(schema['items'])}" if "items" in schema else "pair"
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties")
        return f"map of {_words(inner)}" if isinstance(inner, dict) and inner else "object"
    return _WORDS.get(str(schema.get("type")), "JSON")
