"""What a client may send, and what is said to what it may not (SPEC R3, R89)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from core.rules import MADE_BY, SESSION, message, outcome
from hypothesis import given
from hypothesis import strategies as st

from novel_jupyter.core.errors import CLOSE, CODES, UNDECIDED, Refused, may_reconnect
from novel_jupyter.core.incoming import CommandId, digest, parse
from novel_jupyter.core.messages import Edit, HeadEcho, JoinSession, Propose, StoryUpdate

GOOD: list[dict[str, Any]] = [
    {"type": "join_session"},
    {"type": "join_session", "data": {"epoch": None, "sequence_id": None}},
    {"type": "join_session", "data": {"epoch": "e", "sequence_id": 4, "hash": "h", "since": 2}},
    {"type": "leave_session"},
    {"type": "state_sync"},
    {"type": "story_update", "data": {"base": 4, "patch": [{"op": "add", "path": "/a", "value": None}]}},
    {"type": "story_update", "data": {"kind": "chat", "text": "x", "anchor": {"target": "/scene"}}},
    {"type": "agent_action", "data": {"kind": "propose", "character": "mara", "action": {"kind": "wait"}}},
    {"type": "agent_action", "data": {"kind": "ready", "character": "mara"}},
    {"type": "agent_action", "data": {"kind": "undo"}},
    {"type": "user_cursor", "data": {"target": "/a", "position": 12, "selection": [5, 12], "typing": True}},
    {"type": "system_message", "data": {"kind": "ping"}},
    {"type": "system_message", "data": {"kind": "set_settings", "collect_timeout": 30}},
]
BAD: list[tuple[str, str]] = [
    ("", "bad_json"),
    ("{", "bad_json"),
    ("[]", "bad_json"),
    ("null", "bad_json"),
    ('"text"', "bad_json"),
    ('{"type":"join_session"} x', "bad_json"),
    ("{}", "unknown_type"),
    ('{"type":"shutdown"}', "unknown_type"),
    ('{"type":7}', "unknown_type"),
    ('{"type":["join_session"]}', "unknown_type"),
    ('{"type":"agent_action"}', "invalid"),
    ('{"type":"agent_action","data":{}}', "invalid"),
    ('{"type":"agent_action","data":{"kind":"fly"}}', "invalid"),
    ('{"type":"agent_action","data":{"kind":"claim","character":"Mara"}}', "invalid"),
    ('{"type":"agent_action","data":{"kind":"claim","character":"mara","as":"bob"}}', "invalid"),
    ('{"type":"agent_action","data":{"kind":"propose","character":"mara","action":[]}}', "invalid"),
    ('{"type":"agent_action","data":{"kind":"undo","to":-1}}', "invalid"),
    ('{"type":"agent_action","data":{"kind":"undo","to":"1"}}', "invalid"),
    ('{"type":"agent_action","data":{"kind":"undo","to":1.5}}', "invalid"),
    ('{"type":"agent_action","data":{"kind":"branch","name":"../x"}}', "invalid"),
    ('{"type":"story_update","data":{"base":1,"patch":[]}}', "invalid"),
    ('{"type":"story_update","data":{"base":1,"patch":[{"op":"move","path":"/a","from":"/b"}]}}', "invalid"),
    (
        '{"type":"story_update","data":{"base":9007199254740992,"patch":[{"op":"remove","path":"/a"}]}}',
        "invalid",
    ),
    ('{"type":"story_update","data":{"kind":["edit"],"base":1}}', "invalid"),
    ('{"type":"story_update","data":[1]}', "invalid"),
    ('{"type":"story_update","data":{"kind":"chat","text":""}}', "invalid"),
    ('{"type":"system_message","data":{"kind":"set_role","target":"bob","role":"king"}}', "invalid"),
    ('{"type":"system_message","data":{"kind":"set_settings","collect_timeout":-1}}', "invalid"),
    ('{"type":"system_message","data":{"kind":"set_settings","review":"yes"}}', "invalid"),
    ('{"type":"join_session","id":5}', "invalid"),
    ('{"type":"join_session","extra":1}', "invalid"),
    ('{"type":"join_session","session_id":"%s"}' % ("x" * 65), "invalid"),
]


def refused(text: str | bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        parse(text)
    return caught.value


@pytest.mark.parametrize("frame", GOOD, ids=lambda frame: str(frame)[:60])
def test_good_frames(frame: dict[str, Any]) -> None:
    assert parse(json.dumps(frame)).type == frame["type"]
    assert parse(json.dumps(frame).encode()).type == frame["type"]


@pytest.mark.parametrize(("text", "code"), BAD)
def test_bad_frames_get_a_code_and_never_more(text: str, code: str) -> None:
    """R89"""
    assert refused(text).code == code


def test_a_refusal_carries_what_could_be_read() -> None:
    """R89: the id, so that the sender knows which frame it was."""
    data = {"kind": "claim", "character": 7}
    found = refused(json.dumps({"type": "agent_action", "session_id": "s", "id": "c1:4", "data": data}))
    assert (found.extra["id"], found.extra["session_id"]) == ("c1:4", "s")
    assert "character" in str(found.extra["field"])
    assert "character" in found.message
    assert "id" not in refused('{"type":"agent_action","id":7}').extra
    assert "id" not in refused('{"type":"nothing","id":"%s"}' % ("x" * 500)).extra


def test_what_only_the_server_stamps_is_read_past() -> None:
    """R1, R6: names in payloads mean nothing."""
    frame = {"type": "join_session", "user_id": "root", "timestamp": {"x": 1}, "sequence_id": -5}
    parsed = parse(json.dumps(frame))
    assert isinstance(parsed, JoinSession)
    assert parsed.data == HeadEcho()


def test_an_edit_needs_no_kind() -> None:
    plain = parse('{"type":"story_update","data":{"base":4,"patch":[{"op":"remove","path":"/a/b"}]}}')
    named = message("edit", base=4, patch=[{"op": "remove", "path": "/a/b"}])
    assert isinstance(plain, StoryUpdate)
    assert isinstance(plain.data, Edit)
    assert digest(plain) == digest(named)


def test_a_digest_is_of_the_content_alone() -> None:
    """R3: whatever the envelope and its spaces."""

    def propose(action: object, **envelope: object) -> str:
        data = {"kind": "propose", "character": "mara", "action": action}
        return digest(parse(json.dumps({"type": "agent_action", "data": data, **envelope}, indent=2)))

    first = propose({"kind": "wait"}, session_id=SESSION, id="c1:1")
    assert first == propose({"kind": "wait"}, session_id=SESSION, id="c1:2", epoch="e9", user_id="x")
    assert first != propose({"kind": "hide"})
    claim = {"type": "agent_action", "data": {"kind": "claim", "character": "mara"}}
    release = {"type": "agent_action", "data": {"kind": "release", "character": "mara"}}
    assert digest(parse(json.dumps(claim))) != digest(parse(json.dumps(release)))


def test_a_host_result_is_bounded() -> None:
    """R89"""
    data = {
        "kind": "turn_result",
        "turn": 1,
        "attempt": 1,
        "token": 1,
        "base": 1,
        "outcomes": [outcome(f"e{n}", "mara") for n in range(65)],
        "changes": [],
        "turn_complete": True,
        "made_by": MADE_BY,
    }
    assert refused(json.dumps({"type": "agent_action", "data": data})).code == "invalid"
    data["outcomes"] = [{**outcome("e1", "mara"), "outcome": "triumph"}]
    assert refused(json.dumps({"type": "agent_action", "data": data})).code == "invalid"


def test_ids_are_a_client_and_a_number() -> None:
    """R3"""
    parsed = CommandId.parse("host:3.1:2")
    assert (parsed.client_id, parsed.n, str(parsed)) == ("host:3.1", 2, "host:3.1:2")
    assert CommandId.parse("c1:999999999999999").n == 10**15 - 1
    for wrong in ("c1:9999999999999999", "c1:١", "c1:1\n", "x" * 101 + ":1"):
        with pytest.raises(Refused):
            CommandId.parse(wrong)


def test_codes_and_close_codes() -> None:
    assert set(CODES) >= UNDECIDED
    assert {code for code in CLOSE if not may_reconnect(code)} == {4501, 4503, 4508, 4509, 4510}
    with pytest.raises(ValueError, match="unknown error code"):
        Refused("no_such_code")
    data = Refused("rate", retry_after=2.5).data()
    assert (data["kind"], data["level"], data["code"], data["retry_after"]) == ("error", "error", "rate", 2.5)


def code_of(text: str) -> str | None:
    try:
        parse(text)
    except Refused as found:
        return found.code if len(found.message) < 500 else "a message that is too long"
    return None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(["type", "data", "id", "kind", "session_id", "patch", "base", "action", "epoch"])
types = st.sampled_from(["join_session", "agent_action", "story_update", "system_message", "user_cursor"])


@given(st.one_of(st.text(), json_values.map(json.dumps)))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    """R89"""
    assert code_of(text) in (None, "bad_json", "unknown_type", "invalid")


@given(
    types, st.dictionaries(fields, json_values, max_size=5), st.dictionaries(fields, json_values, max_size=4)
)
def test_no_shape_does_more_than_be_refused(
    type: str, envelope: dict[str, object], data: dict[str, object]
) -> None:
    """R89"""
    assert code_of(json.dumps({"data": data, **envelope, "type": type})) in (None, "bad_json", "invalid")


def test_proposals_keep_their_action_as_it_came() -> None:
    sent = message("propose", character="mara", action={"b": 1, "a": [1.5, None, {"x": "ü"}]})
    assert isinstance(sent.data, Propose)
    assert list(sent.data.action) == ["b", "a"]
