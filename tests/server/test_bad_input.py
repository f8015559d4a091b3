"""Whatever a client sends, it gets a code, and everybody lives on (SPEC R3, R6, R10-R17, R88-R92).

Law: each kind of wrong input stands here once, with the code that it gets. After each, the same socket, the
session and the other person go on as if nothing had been.
Parts: frames that are wrong in themselves, edits that are wrong here, ids, senders.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from server.wire import connect, create, headers_of, rest, two
from websockets.exceptions import ConnectionClosed, InvalidStatus

from novel_jupyter.testing import ServerProcess

pytestmark = [pytest.mark.process]

S = "00000000000000000000000000000000"
"""Stands for the session's id in the frames below."""


def frame(type: str = "story_update", data: object = None, **more: object) -> str:
    return json.dumps({"type": type, "session_id": S, "data": data, **more})


def edit_of(value: str, path: str = "/notes/x") -> str:
    """An edit with `value` as JSON text, so that it can be none."""
    return (
        f'{{"type":"story_update","session_id":"{S}","id":"c1:1",'
        f'"data":{{"base":1,"patch":[{{"op":"add","path":"{path}","value":{value}}}]}}}}'
    )


FRAMES: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "bad_json"),
    "cut off": ('{"type":"join_session"', "bad_json"),
    "no object": ("[1,2]", "bad_json"),
    "a word": ("null", "bad_json"),
    "two objects": ("{}{}", "bad_json"),
    "binary": (b'{"type":"system_message","data":{"kind":"ping"}}', "bad_json"),
    "binary noise": (bytes(range(256)), "bad_json"),
    "no type": ("{}", "unknown_type"),
    "unknown type": (frame("make_coffee", {}), "unknown_type"),
    "type of a wrong type": ('{"type":{"a":1}}', "unknown_type"),
    "type in a list": ('{"type":["ping"]}', "unknown_type"),
    "unknown kind": (frame("agent_action", {"kind": "explode"}), "invalid"),
    "kind of a wrong type": (frame("story_update", {"kind": []}), "invalid"),
    "no data": (frame("agent_action"), "invalid"),
    "data is a list": (frame("agent_action", []), "invalid"),
    "unknown field": (frame("user_cursor", {"target": "/scene", "colour": "red"}), "invalid"),
    "unknown envelope field": (frame("state_sync", {}, admin=True), "invalid"),
    "number as text": (frame(data={"base": "1", "patch": [{"op": "remove", "path": "/a/b"}]}), "invalid"),
    "true as number": (frame(data={"base": True, "patch": [{"op": "remove", "path": "/a/b"}]}), "invalid"),
    "negative base": (frame(data={"base": -1, "patch": [{"op": "remove", "path": "/a/b"}]}), "invalid"),
    "base beyond integers": (
        frame(data={"base": 2**53, "patch": [{"op": "remove", "path": "/a/b"}]}),
        "invalid",
    ),
    "no operation": (frame(data={"base": 1, "patch": []}), "invalid"),
    "an operation of other patches": (
        frame(data={"base": 1, "patch": [{"op": "move", "from": "/a", "path": "/b"}]}),
        "invalid",
    ),
    "an operation that is a word": (frame(data={"base": 1, "patch": ["add"]}), "invalid"),
    "NaN": (edit_of("NaN"), "bad_json"),
    "too large a number": (edit_of("1e999"), "bad_json"),
    "minus infinity": (edit_of("-Infinity"), "bad_json"),
    "a lone surrogate": (edit_of('"\\ud800"'), "bad_json"),
    "a lone surrogate as a key": (edit_of('{"\\udfff":1}'), "bad_json"),
    "a cursor of NaN": (
        f'{{"type":"user_cursor","session_id":"{S}","data":{{"target":"a","position":NaN}}}}',
        "invalid",
    ),
    "a backward selection of text": (frame("user_cursor", {"target": "a", "selection": "12"}), "invalid"),
    "session id of a wrong type": ('{"type":"join_session","session_id":7}', "invalid"),
    "session id without end": (json.dumps({"type": "join_session", "session_id": "a" * 65}), "invalid"),
    "no session": ('{"type":"state_sync"}', "invalid"),
    "no session to join": ('{"type":"join_session"}', "invalid"),
    "id without end": (frame("join_session", {}, id="a" * 129), "invalid"),
    "deep": ("[" * 2000 + "]" * 2000, "too_deep"),
    "deep in a value": (edit_of("[" * 60 + "]" * 60), "too_deep"),
    "too deep for a state": (edit_of("[" * 34 + "]" * 34), "too_large"),
    "open without end": ("[" * 100_000, "too_deep"),
    "large": (edit_of('"' + "x" * 300_000 + '"'), "too_large"),
    "many operations": (
        frame(data={"base": 1, "patch": [{"op": "remove", "path": "/a/b"}] * 300}, id="c1:1"),
        "too_large",
    ),
}


@pytest.mark.asyncio
async def test_wrong_frames_get_their_code_and_close_nothing(server: ServerProcess) -> None:
    """R89: one socket survives all of them, one after the other."""
    async with two(server) as (session, alice, _):
        got: dict[str, str] = {}
        for name, (text, _) in FRAMES.items():
            alice.client = f"c{len(got)}"
            if isinstance(text, str):
                text = text.replace(S, session).replace("c1:1", f"{alice.client}:1")
            await alice.socket.send(text)
            error = await alice.expect(lambda m: m["data"]["kind"] in ("error", "ack"))
            got[name] = error["data"].get("code", "ack")
            await alice.alive()
        assert got == {name: code for name, (_, code) in FRAMES.items()}


@pytest.mark.asyncio
async def test_an_error_names_the_field_the_id_and_the_session(server: ServerProcess) -> None:
    async with two(server) as (session, alice, _):
        error = await alice.ask("story_update", session, {"base": "1", "patch": []})
        assert error["code"] == "invalid"
        assert "base" in error["field"]
        assert error["session_id"] == session
        assert error["level"] == "error"
        assert "1" not in error["message"].split("base")[0]


PATHS: dict[str, tuple[str, str]] = {
    "prototype": ("/notes/__proto__/polluted", "bad_path"),
    "constructor": ("/notes/constructor", "bad_path"),
    "only a prototype": ("/__proto__", "bad_path"),
    "empty part": ("/notes//a", "bad_path"),
    "the document": ("", "bad_path"),
    "no slash": ("notes/a", "bad_path"),
    "bad escape": ("/notes/~2", "bad_path"),
    "long": ("/notes/" + "a" * 2000, "bad_path"),
    "many parts": ("/notes" + "/a" * 40, "bad_path"),
    "a whole partition": ("/notes", "path_forbidden"),
    "a rules' partition": ("/participants/bob/role", "path_forbidden"),
    "the turn": ("/turn/phase", "path_forbidden"),
    "the sealed": ("/sealed/seed", "path_forbidden"),
    "another's seat": ("/seat:tomas/beliefs", "path_forbidden"),
    "no such seat": ("/seat:nobody/beliefs", "path_forbidden"),
    "the director's": ("/director/plan", "path_forbidden"),
    "a new partition": ("/mine/a", "path_forbidden"),
    "records": ("/conflicts/1-1/lost", "path_forbidden"),
    "below nothing": ("/notes/not/there", "missing_path"),
}


@pytest.mark.asyncio
async def test_wrong_paths_get_their_code(server: ServerProcess) -> None:
    """R10: what one may not see and what is not there cannot be told apart."""
    async with two(server) as (session, alice, bob):
        before = bob.sessions[session].sequence_id
        got = {name: (await bob.edit(session, path, 1)).get("code") for name, (path, _) in PATHS.items()}
        assert got == {name: code for name, (_, code) in PATHS.items()}
        for value in ({"__proto__": {"polluted": True}}, {"a": [{"constructor": 1}]}, {"": 1}):
            assert (await bob.edit(session, "/notes/a", value))["code"] == "bad_value"
        assert (await bob.edit(session, "/notes/a", 2**53))["code"] == "bad_value"
        patch: list[dict[str, Any]] = [{"op": "remove", "path": "/notes/none"}]
        assert (await bob.ask("story_update", session, {"base": before, "patch": patch}))[
            "code"
        ] == "missing_path"
        patch = [
            {"op": "add", "path": "/notes/kept", "value": 1},
            {"op": "test", "path": "/notes/kept", "value": 2},
        ]
        assert (await bob.ask("story_update", session, {"base": before, "patch": patch}))[
            "code"
        ] == "test_failed"
        assert (await bob.edit(session, "/notes/a", 1, base=before + 1000))["code"] == "bad_base"
        heard = await alice.chat(session, "nothing of it stands")
        assert heard["sequence_id"] == before + 1
        assert "kept" not in (await bob.reach(session, before + 1)).state["notes"]


@pytest.mark.asyncio
async def test_an_edit_on_a_stale_base_is_merged_and_loses_nothing(server: ServerProcess) -> None:
    """R11-R14."""
    async with two(server) as (session, alice, bob):
        base = bob.sessions[session].sequence_id
        await alice.edit(session, "/scene/mood", "calm")
        late = await bob.edit(session, "/scene/mood", "wild", base=base)
        assert late["outcome"] == "conflicted"
        await bob.reach(session, late["sequence_id"])
        records = bob.sessions[session].state["conflicts"]
        assert "calm" in json.dumps(records)
        assert (await bob.edit(session, "/notes/free", 1, base=0))["outcome"] in ("applied", "conflicted")


@pytest.mark.asyncio
async def test_ids_are_required_well_formed_and_spent_once(server: ServerProcess) -> None:
    """R3."""
    async with two(server) as (session, alice, bob):
        data = {"kind": "chat", "text": "one"}
        await alice.send("story_update", session, data)
        error = await alice.expect(lambda m: m["data"]["kind"] == "error")
        assert error["data"]["code"] == "id_required"
        for bad in ("c1", "c1:0", "c1:-1", "c1:01", ":1", "c 1:1", "c1:1e3", "ç:1", "c1:9999999999999999"):
            assert (await alice.ask("story_update", session, data, id=bad))["code"] == "bad_id", bad
        assert (await alice.ask("story_update", session, data, id="host:1.1:1"))["code"] == "bad_id"

        first = await alice.ask("story_update", session, data, id="mine:1")
        assert await alice.ask("story_update", session, data, id="mine:1") == first
        reused = await alice.ask("story_update", session, {**data, "text": "two"}, id="mine:1")
        assert reused["code"] == "id_reused"
        # Another user's numbers are its own, whatever they are called.
        theirs = await bob.ask("story_update", session, {**data, "text": "three"}, id="mine:1")
        assert theirs["sequence_id"] == first["sequence_id"] + 1
        # A refusal uses the number up; the same question gets the same answer.
        refused = await bob.ask("system_message", session, {"kind": "archive"}, id="mine:2")
        assert refused["code"] == "forbidden"
        assert await bob.ask("system_message", session, {"kind": "archive"}, id="mine:2") == refused
        assert (await bob.ask("story_update", session, data, id="mine:2"))["code"] == "id_reused"
        stale = await alice.ask("story_update", session, data, id="mine:9", epoch="another")
        assert stale["code"] == "stale_epoch"
        texts = [m["data"]["text"] for m in bob.seen(lambda m: m["data"].get("kind") == "chat")]
        assert texts == ["one", "three"]


@pytest.mark.asyncio
async def test_forged_envelopes_are_read_past(server: ServerProcess) -> None:
    """The true author, time and number stand."""
    async with two(server) as (session, alice, bob):
        ack = await bob.ask(
            "story_update",
            session,
            {"kind": "chat", "text": "I am alice"},
            user_id="alice",
            timestamp="1999-01-01T00:00:00.000Z",
            sequence_id=1,
        )
        event = await alice.expect(lambda m: m["data"].get("text") == "I am alice")
        assert event["user_id"] == "bob"
        assert event["sequence_id"] == ack["sequence_id"] > 1
        assert event["timestamp"] > "2020"
        for forged in ({"kind": ["x"]}, 7, None, "kernel:1"):
            await bob.ask("story_update", session, {"kind": "chat", "text": "x"}, user_id=forged)


@pytest.mark.asyncio
async def test_sessions_that_are_not_ones_own(server: ServerProcess) -> None:
    """R88: unknown and foreign sessions; a session one has not joined."""
    async with two(server) as (_, alice, bob):
        assert (await bob.join("0" * 32))["code"] == "no_session"
        assert (await bob.join("../../etc/passwd"))["code"] == "no_session"
        assert (await bob.join("x\u0000y"))["code"] == "no_session"
        foreign = await create(server, "alice", settings={"default_role": "none"})
        assert (await bob.join(foreign))["code"] == "forbidden"
        for type, data in (
            ("story_update", {"kind": "chat", "text": "x"}),
            ("agent_action", {"kind": "start"}),
            ("system_message", {"kind": "archive"}),
            ("state_sync", {}),
            ("user_cursor", {"target": "/scene"}),
            ("leave_session", {}),
        ):
            assert (await bob.ask(type, foreign, data))["code"] == "not_joined", type
            assert (await bob.ask(type, "0" * 32, data))["code"] == "not_joined", type
        async with rest(server, "bob") as http:
            for path in ("", "/state", "/events", "/export.md", "/export.json", "/export.html"):
                answer = await http.get(f"sessions/{foreign}{path}")
                assert (answer.status_code, answer.json()["code"]) == (404, "no_session"), path
            listed = (await http.get("sessions", params={"limit": 200})).json()["sessions"]
            assert foreign not in [entry["session_id"] for entry in listed]
        await alice.join(foreign)
        assert "bob" not in alice.sessions[foreign].state["participants"]


@pytest.mark.asyncio
async def test_handshakes_that_are_refused(server: ServerProcess) -> None:
    """No login, a foreign page with a login cookie, a token that is none, another protocol."""
    async with two(server):
        for headers in (
            {},
            {"Authorization": "token wrong"},
            {"X-Novel-Token": "wrong"},
            {"Cookie": f"username-127-0-0-1-{server.port}=alice"},
            {**headers_of(server, "alice"), "X-Novel-Token": "wrong"},
        ):
            with pytest.raises(InvalidStatus) as refused:
                async with connect(server, None, headers=headers):
                    pass
            assert refused.value.response.status_code == 403, headers
        async with rest(server) as http:
            page = await http.get(f"{server.url}login", params={"token": server.admin_token})
            assert page.status_code in (200, 302)
            cookie = "; ".join(f"{name}={value}" for name, value in http.cookies.items())
        assert "username-" in cookie
        # The cookie is good ...
        async with connect(server, None, headers={"Cookie": cookie}):
            pass
        own = {"Cookie": cookie, "Origin": server.url.rstrip("/")}
        async with connect(server, None, headers=own):
            pass
        # ... but not when a page of somebody else brings it.
        for origin in ("https://evil.example", "null", server.url.replace("127", "128").rstrip("/")):
            with pytest.raises(InvalidStatus) as refused:
                async with connect(server, None, headers={"Cookie": cookie, "Origin": origin}):
                    pass
            assert refused.value.response.status_code == 403, origin
        for subprotocols in ((), ("novel.v0.json",), ("v1.kernel.websocket.jupyter.org",)):
            async with connect(server, "alice", subprotocols=subprotocols, welcome=False) as wire:
                assert await wire.closed() == 4510
                assert wire.raw == []
        async with connect(server, "alice", subprotocols=("novel.v9.json", "novel.v1.json")) as wire:
            await wire.alive()


@pytest.mark.asyncio
async def test_frames_of_absurd_size_close_their_socket_alone(server: ServerProcess) -> None:
    """R89: 4509; and past what the server would even read, its library's own 1009."""
    async with two(server) as (session, _, bob):
        async with connect(server, "bob", client="big") as big:
            await big.join(session)
            await big.socket.send("x" * (4 * 262_144 + 1))
            assert await big.closed() == 4509
        async with connect(server, "bob", client="huge") as huge:
            with suppress(ConnectionClosed):
                await huge.socket.send(b"\0" * (17 * 262_144))
            assert await huge.closed() in (1009, 1006)
        await bob.alive()
