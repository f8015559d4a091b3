"""The client against a scripted server: joins, events, commands, refusals.

Law: a command is decided once however often the connection goes; waiting is on what happened, not on time.
Parts: joining and reading, commands, REST.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from kernel.scripted import (
    SESSION,
    STATE,
    Json,
    Peer,
    PlainLogin,
    ScriptedServer,
    edit_event,
    event,
    joined,
    joins,
    put,
    synced,
)
from tornado.web import RequestHandler

from novel_jupyter.kernel.client import Client
from novel_jupyter.kernel.errors import (
    CommandRefused,
    ConnectionStopped,
    EventsLost,
    LoginRefused,
    NovelError,
)
from novel_jupyter.kernel.listeners import EventStream

pytestmark = pytest.mark.asyncio

# --- joining and reading


async def test_joining_gives_the_state(server: ScriptedServer, client: Client) -> None:
    handle, _ = await joined(server, client)
    assert client.user["user_id"] == "ana"
    assert handle.state == STATE
    assert handle.sequence_id == 5
    assert await client.join(SESSION) is handle


async def test_events_reach_the_replica_and_every_kind_of_listener(
    server: ScriptedServer, client: Client
) -> None:
    handle, peer = await joined(server, client)
    seen: list[Any] = []
    handle.on("edit", lambda frame: seen.append(frame["data"]["patch"]))
    off = handle.on("event", seen.append)
    handle.on("edit", lambda frame: 1 / 0)  # a listener's fault is its own
    stream = handle.events()
    peer.send(edit_event(6, "tense"))
    assert (await anext(stream))["sequence_id"] == 6
    assert await handle.wait_for(lambda s: s["scene"] == {"mood": "tense"}, 5)
    assert len(seen) == 2
    off()
    peer.send(
        {
            "type": "system_message",
            "session_id": SESSION,
            "sequence_id": 7,
            "data": {"kind": "hidden"},
            "hash": "h7",
        }
    )
    peer.send(edit_event(8, "calm"))
    assert (await anext(stream))["sequence_id"] == 8
    assert len(seen) == 3


async def test_a_gap_is_asked_for_once_and_repaired(server: ScriptedServer, client: Client) -> None:
    handle, peer = await joined(server, client)
    peer.send(edit_event(7, "tense"))
    peer.send(edit_event(8, "grim"))
    asked = await peer.next("state_sync")
    assert asked["data"] == {"epoch": "e1", "sequence_id": 5, "hash": "h5", "view": "public", "since": 1}
    missed = [edit_event(6, "odd"), edit_event(7, "tense"), edit_event(8, "grim")]
    data = synced("delta", 8, events=missed)
    peer.say("state_sync", data, session_id=SESSION, id=asked["id"], sequence_id=8)
    await handle.wait_for(lambda s: handle.sequence_id == 8, 5)
    assert handle.state["scene"] == {"mood": "grim"}
    assert [f["type"] for f in server.all_heard] == ["join_session", "state_sync"]


async def test_what_is_live_reaches_the_replica(server: ScriptedServer, client: Client) -> None:
    handle, peer = await joined(server, client)
    ana = {"user_id": "ana", "name": "Ana", "kind": "person", "connections": 1}
    peer.say("system_message", {"kind": "presence", "users": [ana]}, session_id=SESSION)
    peer.say(
        "user_cursor",
        {"cursors": [{"user_id": "ben", "connection_id": "c9", "target": "/scene"}]},
        session_id=SESSION,
    )
    progress = {"kind": "progress", "agent": "Mara", "text": "decides", "turn": 1, "attempt": 1}
    peer.say("system_message", progress, session_id=SESSION)
    said = asyncio.Event()
    handle.on("narration", lambda _: said.set())
    chunk = {"kind": "narration", "turn": 1, "attempt": 1, "offset": 0, "text": "It rains."}
    peer.say("story_update", chunk, session_id=SESSION)
    await asyncio.wait_for(said.wait(), 5)
    assert list(handle.replica.presence) == ["ana"]
    assert list(handle.replica.cursors) == ["c9"]
    assert handle.replica.progress["Mara"]["text"] == "decides"
    assert handle.replica.provisional == {"turn": 1, "attempt": 1, "text": "It rains."}
    peer.send(event(6, [], "turn"))
    await handle.wait_for(lambda _: handle.sequence_id == 6, 5)
    assert handle.replica.provisional is None


async def test_a_refused_join_says_why(server: ScriptedServer, client: Client) -> None:
    server.answers["join_session"] = lambda peer, frame: peer.error(frame, "no_session")
    await client.connect()
    with pytest.raises(CommandRefused, match="no_session"):
        await client.join(SESSION)


async def test_an_undecided_join_is_tried_again(server: ScriptedServer, client: Client) -> None:
    def later(peer: Peer, frame: Json) -> None:
        server.answers["join_session"] = joins(STATE, 5)
        peer.error(frame, "unavailable", retry_after=0.001)

    server.answers["join_session"] = later
    await client.connect()
    assert (await client.join(SESSION, timeout=5)).sequence_id == 5


async def test_a_slow_reader_of_events_is_told() -> None:
    stream = EventStream(limit=2)
    for number in range(3):
        stream.put({"n": number})
    with pytest.raises(EventsLost):
        await anext(stream)


# --- commands


async def test_a_command_returns_when_its_event_is_here(server: ScriptedServer, client: Client) -> None:
    handle, peer = await joined(server, client)
    asking = asyncio.create_task(handle.edit([put("/scene/mood", "tense")]))
    frame = await peer.next("story_update")
    assert frame["data"] == {"base": 5, "patch": [put("/scene/mood", "tense")]}
    assert frame["id"] == f"{handle.client_id}:1"
    assert frame["epoch"] == "e1"
    peer.ack(frame, 6)
    peer.say("system_message", {"kind": "pong"}, session_id=SESSION)
    pong = asyncio.Event()
    handle.on("pong", lambda _: pong.set())
    await asyncio.wait_for(pong.wait(), 5)
    assert not asking.done()
    peer.send(edit_event(6, "tense"))
    ack = await asking
    assert (ack.outcome, ack.sequence_id) == ("applied", 6)
    assert handle.state["scene"] == {"mood": "tense"}


async def test_a_refusal_is_an_exception_and_the_session_goes_on(
    server: ScriptedServer, client: Client
) -> None:
    handle, peer = await joined(server, client)
    asking = asyncio.create_task(handle.claim("mara"))
    peer.error(await peer.next(), "seat_taken", owner="ben")
    with pytest.raises(CommandRefused) as caught:
        await asking
    assert caught.value.code == "seat_taken"
    assert caught.value.extra["owner"] == "ben"
    asking = asyncio.create_task(handle.chat("hello"))
    peer.ack(await peer.next(), 5)
    assert (await asking).sequence_id == 5


async def test_a_rate_error_is_waited_out_with_the_same_id(server: ScriptedServer, client: Client) -> None:
    handle, peer = await joined(server, client)
    asking = asyncio.create_task(handle.chat("hello"))
    first = await peer.next()
    peer.error(first, "rate", retry_after=0.01)
    again = await peer.next()
    assert again == first
    peer.ack(again, 5)
    await asking


async def test_a_server_that_fails_at_a_command_is_not_asked_for_ever(
    server: ScriptedServer, client: Client
) -> None:
    handle, _ = await joined(server, client)

    def fail(peer: Peer, frame: Json) -> bool:
        peer.error(frame, "internal", retry_after=0.001)
        return True

    server.answers["story_update"] = fail
    with pytest.raises(CommandRefused, match="internal"):
        await handle.chat("hello")


async def test_commands_of_one_moment_go_out_in_order(server: ScriptedServer, client: Client) -> None:
    handle, peer = await joined(server, client)
    asking = [asyncio.create_task(handle.chat(str(n))) for n in range(50)]
    heard = []
    for n in range(50):
        frame = await peer.next()
        heard.append(frame["data"]["text"])
        peer.ack(frame, 5)
        assert frame["id"].endswith(f":{n + 1}")
    await asyncio.gather(*asking)
    assert heard == [str(n) for n in range(50)]


async def test_what_the_server_could_not_even_answer_is_refused_here(
    server: ScriptedServer, client: Client
) -> None:
    handle, peer = await joined(server, client)
    with pytest.raises(CommandRefused, match="too_large"):
        await handle.chat("x" * 5000)
    deep: Any = "end"
    for _ in range(40):
        deep = [deep]
    with pytest.raises(CommandRefused, match="too_deep"):
        await handle.edit([put("/scene/mood", deep)])
    asking = asyncio.create_task(handle.chat("short"))
    peer.ack(await peer.next(), 5)
    await asking


async def test_a_full_queue_refuses(server: ScriptedServer, client: Client) -> None:
    small = Client(PlainLogin(server.base_url), queue_limit=2)
    try:
        handle, _ = await joined(server, small)
        waiting = [asyncio.create_task(handle.chat(str(n))) for n in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(CommandRefused, match="in_flight"):
            await handle.chat("one too many")
    finally:
        await small.close()
    assert all(
        isinstance(e, ConnectionStopped) for e in await asyncio.gather(*waiting, return_exceptions=True)
    )


# --- REST


async def test_rest_calls(server: ScriptedServer, client: Client) -> None:
    bodies: list[Json] = []

    def create(handler: RequestHandler) -> None:
        bodies.append(orjson.loads(handler.request.body))
        handler.set_status(201)
        handler.finish({"session_id": SESSION, "title": "T"})

    def refuse(handler: RequestHandler) -> None:
        handler.set_status(400)
        handler.finish({"code": "invalid", "message": "line 3: no such trait", "line": 3})

    server.rest["POST", "novel/api/sessions"] = create
    server.rest["GET", "novel/api/stories"] = lambda h: h.finish({"stories": [{"name": "lighthouse"}]})
    created = await client.create_session("lighthouse", settings={"review": True}, seed="7")
    assert created["session_id"] == SESSION
    assert bodies == [{"settings": {"review": True}, "story": "lighthouse", "seed": "7"}]
    assert await client.stories() == [{"name": "lighthouse"}]
    server.rest["POST", "novel/api/sessions"] = refuse
    with pytest.raises(CommandRefused, match="line 3") as caught:
        await client.create_session(text="title: x")
    assert caught.value.extra == {"line": 3}
    with pytest.raises(NovelError, match="404"):
        await client.sessions()
    server.rest["GET", "novel/api/sessions"] = lambda h: h.set_status(403)
    with pytest.raises(LoginRefused):
        await client.sessions()
    server.rest["GET", "novel/api/sessions"] = lambda h: h.redirect("/login")
    with pytest.raises(LoginRefused, match="asks for a login"):
        await client.sessions()
