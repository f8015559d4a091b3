"""What the server may send: `SERVER` takes each shape of the contract, and nothing besides.

Law: each frame here is written as a client would see it; each is also spoilt once, to see that it is noticed.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from novel_jupyter.core.errors import CODES, Refused
from novel_jupyter.core.events import KINDS, Event, encode
from novel_jupyter.core.hosting import host_task
from novel_jupyter.core.outgoing import SERVER
from novel_jupyter.core.views import ALL, PUBLIC, wire_bytes

ANN = {"user_id": "ann", "name": "Ann", "kind": "person"}
TAIL: dict[str, Any] = {
    "epoch": "e1",
    "hash": "ab",
    "view": "public",
    "presence": [{**ANN, "connections": 1}, {**ANN, "connections": 0, "doing": "thinking"}],
    "provisional": None,
    "high_water": 3,
    "results": [
        {"id": "c1:3", "sequence_id": 9, "data": {"kind": "ack", "outcome": "merged", "sequence_id": 9}}
    ],
}


def event(audience: Any = "everyone", **data: Any) -> Event:
    """A stored event of this kind."""
    body = encode("s1", 7, "ann", "2026-01-01T00:00:00.000Z", "c1:2", audience, data)  # type: ignore[arg-type]
    return Event(7, "ann", "2026-01-01T00:00:00.000Z", "c1:2", audience, data, body, "f" * 32)  # type: ignore[arg-type]


FRAMES: dict[str, dict[str, Any]] = {
    "welcome": {
        "type": "system_message",
        "session_id": None,
        "data": {
            "kind": "welcome",
            "connection_id": "k1",
            "user": ANN,
            "limits": {"frame_bytes": 65536},
            "heartbeat": 20.0,
            "protocol": "novel.v1.json",
            "version": "0.1.0",
        },
    },
    "ack": {
        "type": "system_message",
        "session_id": "s1",
        "sequence_id": 4,
        "id": "c1:1",
        "data": {"kind": "ack", "outcome": "applied"},
    },
    "error": {
        "type": "system_message",
        "id": None,
        "data": Refused("rate", retry_after=0.5, anything=["more"]).data(),
    },
    "pong": {"type": "system_message", "data": {"kind": "pong"}},
    "drain": {"type": "system_message", "data": {"kind": "drain", "reconnect_after": 1.5}},
    "presence": {
        "type": "system_message",
        "session_id": "s1",
        "data": {"kind": "presence", "users": TAIL["presence"]},
    },
    "progress": {
        "type": "system_message",
        "session_id": "s1",
        "data": {"kind": "progress", "agent": "mara", "text": "is deciding", "turn": 1, "attempt": 0},
    },
    "arrived": {"type": "join_session", "session_id": "s1", "data": {"kind": "arrived", "user": ANN}},
    "left": {"type": "leave_session", "session_id": "s1", "data": {"kind": "left", "user": ANN}},
    "cursors": {
        "type": "user_cursor",
        "session_id": "s1",
        "data": {
            "cursors": [
                {
                    "user_id": "ann",
                    "connection_id": "k1",
                    "target": "/scene/mood",
                    "position": 1,
                    "selection": [1, 4],
                    "typing": True,
                },
                {"user_id": "bob", "connection_id": "k2", "target": None},
            ]
        },
    },
    "narration": {
        "type": "story_update",
        "session_id": "s1",
        "sequence_id": None,
        "data": {"kind": "narration", "turn": 1, "attempt": 0, "offset": 12, "text": " and"},
    },
    "full_sync": {
        "type": "state_sync",
        "sequence_id": 9,
        "data": {"kind": "full_sync", "state": {"scene": {}}, **TAIL},
    },
    "conflict": {
        "type": "state_sync",
        "sequence_id": 9,
        "data": {"kind": "conflict", "reason": "epoch", "state": {}, **TAIL},
    },
    "up_to_date": {
        "type": "state_sync",
        "sequence_id": 9,
        "data": {
            "kind": "up_to_date",
            **{key: value for key, value in TAIL.items() if key not in ("high_water", "results")},
        },
    },
    "delta": {
        "type": "state_sync",
        "sequence_id": 9,
        "data": {
            "kind": "delta",
            "events": [
                json.loads(wire_bytes("s1", event(kind="withdrawn", turn=1, character="mara"), PUBLIC)),
                json.loads(wire_bytes("s1", event("sealed", kind="dealt", why="turn"), ALL)),
            ],
            **TAIL,
        },
    },
}


@pytest.mark.parametrize("name", FRAMES)
def test_each_frame_of_the_contract_is_taken(name: str) -> None:
    SERVER.validate_json(json.dumps(FRAMES[name]))


@pytest.mark.parametrize("name", FRAMES)
def test_an_unknown_field_is_a_fault(name: str) -> None:
    frame = FRAMES[name]
    with pytest.raises(ValidationError):
        SERVER.validate_json(json.dumps({**frame, "surprise": 1}))
    if name != "error":  # an error carries what its code needs
        with pytest.raises(ValidationError):
            SERVER.validate_json(json.dumps({**frame, "data": {**frame["data"], "surprise": 1}}))


@pytest.mark.parametrize("name", FRAMES)
def test_a_missing_field_is_a_fault(name: str) -> None:
    frame = FRAMES[name]
    optional = {"high_water", "results", "retry_after", "anything"}
    for field in set(frame["data"]) - optional:
        data = {key: value for key, value in frame["data"].items() if key != field}
        with pytest.raises(ValidationError):
            SERVER.validate_json(json.dumps({**frame, "data": data}))


@pytest.mark.parametrize("code", CODES)
def test_every_refusal_can_be_sent(code: str) -> None:
    SERVER.validate_json(json.dumps({"type": "system_message", "id": "c1:1", "data": Refused(code).data()}))


def test_a_code_that_nobody_knows_is_a_fault() -> None:
    data = {**Refused("rate").data(), "code": "made_up"}
    with pytest.raises(ValidationError, match="no such error code"):
        SERVER.validate_json(json.dumps({"type": "system_message", "data": data}))


def test_an_event_is_taken_as_it_is_stored_and_as_a_placeholder() -> None:
    stored = event(
        ["mara"], kind="chat", text="hush", patch=[{"op": "add", "path": "/seat:mara/x", "value": 1}]
    )
    seen: Any = SERVER.validate_json(wire_bytes("s1", stored, "seats:mara"))
    hidden: Any = SERVER.validate_json(wire_bytes("s1", stored, PUBLIC))
    assert "hash" in seen
    assert seen["data"]["kind"] == "chat"
    assert hidden["data"] == {"kind": "hidden"}
    with pytest.raises(ValidationError):
        SERVER.validate_json(
            wire_bytes("s1", event(kind="chat", text="x", patch=[{"op": "move", "path": "/a"}]), ALL)
        )


def test_every_kind_of_event_has_a_shape() -> None:
    for kind in KINDS:
        with pytest.raises(ValidationError) as caught:
            SERVER.validate_json(wire_bytes("s1", event(kind=kind, surprise=1), ALL))
        assert "surprise" in str(caught.value), kind


def _state(phase: str) -> dict[str, Any]:
    proposal = {
        "character": "mara",
        "action": {"kind": "wait"},
        "user_id": "ann",
        "ready": True,
        "at": "",
        "order": 3,
    }
    return {
        "session": {"settings": {"turn_policy": "round"}},
        "host": {"holder": "kernel:1", "token": 5, "admitted": {}},
        "turn": {
            "number": 2,
            "attempt": 1,
            "branch": "main",
            "phase": phase,
            "node": 8,
            "retelling": False,
            "locked": {"base": 7, "proposals": {"mara": proposal}, "agents": ["tom"]},
        },
        "turns": {
            "8": {"number": 2, "attempt": 1, "branch": "main", "parent": 0, "narration": "pending", "end": 0}
        },
        "sealed": {"seed": "x", "outcomes": []},
    }


@pytest.mark.parametrize("phase", ["resolving", "narrating"])
def test_what_a_host_is_asked_is_taken(phase: str) -> None:
    task = host_task(_state(phase), "seed")
    assert task is not None
    SERVER.validate_json(json.dumps({"type": "agent_action", "session_id": "s1", "data": task}))
    with pytest.raises(ValidationError):
        SERVER.validate_json(json.dumps({"type": "agent_action", "data": {**task, "surprise": 1}}))


@pytest.mark.parametrize(
    "text", ["null", "[]", '"x"', "{}", '{"type":"dance"}', '{"type":"pong"}', '{"hash":"x"}']
)
def test_what_is_no_frame_is_a_fault(text: str) -> None:
    with pytest.raises(ValidationError):
        SERVER.validate_json(text)
