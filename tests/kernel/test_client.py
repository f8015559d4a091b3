"""The client against a scripted server: joins, commands, lost connections, and every way to be refused.

Law: a command is decided once however often the connection goes; waiting is on what happened, not on time.
Parts: joining and reading, commands, losses, ends, REST.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from kernel.scripted import SESSION, Json, Peer, PlainLogin, ScriptedServer, event, joins, put, synced
from tornado.web import RequestHandler

from novel_jupyter.kernel.client import Client
from novel_jupyter.kernel.connection import Backoff
from novel_jupyter.kernel.errors import (
    CommandRefused,
    ConnectionStopped,
    EventsLost,
    LoginRefused,
    NovelError,
    Unreachable,
)
from novel_jupyter.kernel.handle import SessionHandle
from novel_jupyter.kernel.listeners import EventStream

pytestmark = pytest.mark.asyncio

STATE: Json = {"scene": {"mood": "calm"}, "turn": {"phase": "lobby"}}


async def joined(server: ScriptedServer, client: Client, number: int = 5) -> tuple[SessionHandle, Peer]:
    server.answers["join_session"] = joins(STATE, number)
    await client.connect()
    peer = await server.next_peer()
    handle = await client.join(SESSION)
    await peer.next("join_session")
    return handle, peer


def edit_event(number: int, mood: str) -> Json:
    return event(number, [put("/scene/mood", mood)], base=0, outcome="applied")


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
    assert asked["data"] == {"epoch": "e1", "sequence_id": 5, "hash": "h5", "since": 1}
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


# --- losses


async def test_a_lost_connection_is_repaired_and_the_command_sent_again(
    server: ScriptedServer, client: Client
) -> None:
    handle, peer = await joined(server, client)
    asking = asyncio.create_task(handle.edit([put("/scene/mood", "tense")]))
    first = await peer.next()
    peer.cut()
    later = asyncio.create_task(handle.chat("while away"))

    def rejoin(peer: Peer, frame: Json) -> None:
        data = synced("delta", 6, events=[edit_event(6, "grim")])
        peer.say("state_sync", data, session_id=SESSION, id=frame["id"], sequence_id=6)

    server.answers["join_session"] = rejoin
    peer = await server.next_peer()
    join = await peer.next("join_session")
    assert join["data"] == {"epoch": "e1", "sequence_id": 5, "hash": "h5", "since": 1}
    again = await peer.next()
    assert again == first
    said = await peer.next()
    assert said["data"]["text"] == "while away"
    peer.ack(said, 6)
    await later
    peer.ack(again, 6)
    await asking
    assert handle.state["scene"] == {"mood": "grim"}


async def test_a_result_in_the_sync_settles_what_was_decided(server: ScriptedServer, client: Client) -> None:
    handle, peer = await joined(server, client)
    done = asyncio.create_task(handle.chat("one"))
    refused = asyncio.create_task(handle.chat("two"))
    ids = [(await peer.next())["id"], (await peer.next())["id"]]
    error = {"kind": "error", "level": "error", "code": "forbidden", "message": "no"}
    results = [
        {"id": ids[0], "sequence_id": 6, "data": {"kind": "ack", "outcome": "applied"}},
        {"id": ids[1], "sequence_id": 6, "data": error},
    ]
    server.answers["join_session"] = joins(STATE, 6, results=results, high_water=2)
    peer.cut()
    assert (await done).sequence_id == 6
    with pytest.raises(CommandRefused, match="forbidden"):
        await refused
    peer = await server.next_peer()
    await peer.next("join_session")
    assert handle.waiting == 0


async def test_repeated_frames_change_nothing(server: ScriptedServer, client: Client) -> None:
    handle, peer = await joined(server, client)
    asking = asyncio.create_task(handle.chat("one"))
    frame = await peer.next()
    for _ in range(3):
        peer.send(edit_event(6, "tense"))
        peer.ack(frame, 6)
    await asking
    peer.send(edit_event(7, "grim"))
    await handle.wait_for(lambda _: handle.sequence_id == 7, 5)
    assert handle.state["scene"] == {"mood": "grim"}
    assert not any(f["type"] == "state_sync" for f in server.all_heard)


async def test_another_history_refuses_the_commands_of_the_old_one(
    server: ScriptedServer, client: Client
) -> None:
    handle, peer = await joined(server, client)
    asking = asyncio.create_task(handle.chat("one"))
    await peer.next()
    server.answers["join_session"] = joins({"scene": {}}, 2, epoch="e2")
    peer.cut()
    with pytest.raises(CommandRefused, match="stale_epoch"):
        await asking
    assert handle.state == {"scene": {}}


async def test_a_draining_server_is_left_in_peace_for_a_while(server: ScriptedServer, client: Client) -> None:
    handle, peer = await joined(server, client)
    began = asyncio.get_running_loop().time()
    peer.say("system_message", {"kind": "drain", "reconnect_after": 0.2})
    peer.close(4001)
    await server.next_peer()
    assert asyncio.get_running_loop().time() - began >= 0.2
    await handle.wait_for(lambda _: handle.joined, 5)


async def test_an_expired_token_is_renewed(server: ScriptedServer, client: Client) -> None:
    login = client.login
    assert isinstance(login, PlainLogin)
    _, peer = await joined(server, client)
    peer.close(4004)
    await server.next_peer()
    assert login.asked == [False, True]


async def test_a_token_is_renewed_before_it_ends(server: ScriptedServer, client: Client) -> None:
    login = client.login
    assert isinstance(login, PlainLogin)
    login.renew_after = 0.01
    await client.connect()
    peer = await server.next_peer()
    frame = await peer.next("system_message")
    assert frame["data"] == {"kind": "token", "token": "renewed"}


async def test_a_server_that_is_not_there_yet_is_waited_for(server: ScriptedServer, client: Client) -> None:
    server.refuse = [503, 502, 404]
    await client.connect(timeout=10)
    assert server.handshakes == 4


async def test_a_session_that_the_server_forgot_is_joined_again(
    server: ScriptedServer, client: Client
) -> None:
    handle, peer = await joined(server, client)
    asking = asyncio.create_task(handle.chat("one"))
    first = await peer.next()
    peer.error(first, "not_joined")
    await peer.next("join_session")
    again = await peer.next("story_update")
    assert again["id"] == first["id"]
    peer.ack(again, 5)
    await asking


# --- ends


@pytest.mark.parametrize("code", [4501, 4503, 4508, 4510])
async def test_a_final_close_ends_everything_with_its_reason(
    server: ScriptedServer, client: Client, code: int
) -> None:
    handle, peer = await joined(server, client)
    asking = asyncio.create_task(handle.chat("one"))
    waiting = asyncio.create_task(handle.wait_for(lambda _: False))
    reading = asyncio.create_task(anext(handle.events()))
    await peer.next()
    peer.close(code)
    for task in (asking, waiting, reading):
        with pytest.raises(ConnectionStopped) as caught:
            await task
        assert caught.value.code == code
    with pytest.raises(ConnectionStopped):
        await handle.chat("two")
    with pytest.raises(ConnectionStopped):
        await client.join("other")
    assert server.handshakes == 1


async def test_being_removed_ends_the_session_alone(server: ScriptedServer, client: Client) -> None:
    handle, peer = await joined(server, client)
    server.answers["join_session"] = lambda peer, frame: peer.error(frame, "forbidden")
    peer.error({}, "forbidden")
    with pytest.raises(CommandRefused, match="forbidden"):
        await handle.wait_for(lambda _: False, 5)
    assert client.online


async def test_a_refused_login_ends_with_clear_words(server: ScriptedServer, client: Client) -> None:
    server.refuse = [403, 403]
    with pytest.raises(ConnectionStopped, match="refused the login"):
        await client.connect()


async def test_no_server_is_said_after_the_timeout() -> None:
    client = Client(PlainLogin("http://127.0.0.1:9/"), backoff=Backoff(base=0.001, cap=0.01))
    with pytest.raises(Unreachable, match="connection refused"):
        await client.connect(timeout=0.2)


async def test_a_server_without_a_welcome_is_said_too(server: ScriptedServer, client: Client) -> None:
    server.welcomes = False
    with pytest.raises(Unreachable):
        await client.connect(timeout=0.2)


async def test_leaving_says_goodbye(server: ScriptedServer, client: Client) -> None:
    handle, peer = await joined(server, client)
    stream = handle.events()
    client.leave(handle)
    assert (await peer.next())["type"] == "leave_session"
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    with pytest.raises(ConnectionStopped, match="left"):
        await handle.chat("too late")


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
