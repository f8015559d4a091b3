"""Lost connections, draining and forgetful servers, and every way in which it can end for good.

Law: a command is decided once however often the connection goes; waiting is on what happened, not on time.
Parts: losses, ends.
"""

from __future__ import annotations

import asyncio

import pytest
from kernel.scripted import (
    SESSION,
    STATE,
    Json,
    Peer,
    PlainLogin,
    ScriptedServer,
    edit_event,
    joined,
    joins,
    put,
    synced,
)

from novel_jupyter.kernel.client import Client
from novel_jupyter.kernel.connection import Backoff
from novel_jupyter.kernel.errors import (
    CommandRefused,
    ConnectionStopped,
    Unreachable,
)

pytestmark = pytest.mark.asyncio

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
    assert join["data"] == {"epoch": "e1", "sequence_id": 5, "hash": "h5", "view": "public", "since": 1}
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


async def test_what_stands_in_the_new_history_is_not_refused_with_the_old_one(
    server: ScriptedServer, client: Client
) -> None:
    """The ack was lost with the socket, and the epoch changed meanwhile: the join's answer brings the ack."""
    handle, peer = await joined(server, client)
    stands = asyncio.create_task(handle.chat("one"))
    stale = asyncio.create_task(handle.chat("two"))
    id = (await peer.next())["id"]
    results = [{"id": id, "sequence_id": 2, "data": {"kind": "ack", "outcome": "applied"}}]
    server.answers["join_session"] = joins({"scene": {}}, 2, epoch="e2", results=results, high_water=1)
    peer.cut()
    assert (await stands).sequence_id == 2
    with pytest.raises(CommandRefused, match="stale_epoch"):
        await stale
    assert handle.waiting == 0


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


async def test_an_acknowledged_command_of_a_lost_history_is_said_to_be_lost(
    server: ScriptedServer, client: Client
) -> None:
    handle, peer = await joined(server, client)
    asking = asyncio.create_task(handle.chat("one"))
    peer.ack(await peer.next(), 6)
    server.answers["join_session"] = joins({"scene": {}}, 2, epoch="e2")
    peer.cut()
    with pytest.raises(CommandRefused, match="stale_epoch"):
        await asking


async def test_a_strange_answer_to_the_login_is_survived(server: ScriptedServer) -> None:
    class Strange(PlainLogin):
        async def headers(self, *, fresh: bool = False) -> dict[str, str]:
            if not self.asked:
                self.asked.append(fresh)
                raise KeyError("token")
            return await super().headers(fresh=fresh)

    async with Client(Strange(server.base_url), backoff=Backoff(base=0.001, cap=0.002)) as client:
        assert client.online


async def test_one_who_gives_up_joining_leaves_the_others_alone(
    server: ScriptedServer, client: Client
) -> None:
    await client.connect()
    peer = await server.next_peer()
    patient = asyncio.create_task(client.join(SESSION))
    with pytest.raises(TimeoutError):
        await client.join(SESSION, timeout=0.01)
    frame = await peer.next("join_session")
    joins(STATE, 5)(peer, frame)
    assert (await patient).sequence_id == 5
    with pytest.raises(TimeoutError):
        await client.join("other", timeout=0.01)
    assert [f["session_id"] for f in server.all_heard] == [SESSION, "other"]


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
    with pytest.raises(ConnectionStopped):
        await anext(handle.events())
    with pytest.raises(ConnectionStopped, match="left"):
        await handle.chat("too late")
