"""Several servers of one store: which one is tried, and that nobody notices when one is lost.

Law: what was under way is sent again, under its own id, to whichever server is next; waiting is on what
happened, not on time.
Parts: the order, losses, ends, what the server says of its store.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from kernel.scripted import SESSION, STATE, PlainLogin, ScriptedServer, edit_event, joined, joins, synced
from tornado.web import RequestHandler

import novel_jupyter as nj
from novel_jupyter.core.canonical import state_hash
from novel_jupyter.kernel.access import PersonLogin
from novel_jupyter.kernel.addresses import Addresses
from novel_jupyter.kernel.client import Client
from novel_jupyter.kernel.connection import Backoff
from novel_jupyter.kernel.discovery import Surroundings, find
from novel_jupyter.kernel.errors import CommandRefused, ConnectionStopped, Unreachable
from novel_jupyter.testing import ServerProcess

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def other() -> AsyncIterator[ScriptedServer]:
    found = ScriptedServer()
    yield found
    await found.close()


@pytest_asyncio.fixture
async def both(server: ScriptedServer, other: ScriptedServer) -> AsyncIterator[Client]:
    """A client of both servers; not connected yet."""
    logins = [PlainLogin(server.base_url), PlainLogin(other.base_url)]
    found = Client(logins, backoff=Backoff(base=0.001, cap=0.002))
    yield found
    await found.close()


def addresses(count: int) -> Addresses:
    return Addresses([PlainLogin(f"http://s{n}/") for n in range(count)])


# --- the order


async def test_the_next_is_whoever_is_not_held_back() -> None:
    several = addresses(3)
    assert several.next(10.0, elsewhere=False) == 0.0
    assert several.base_url == "http://s0/"
    several.hold(15.0)
    visited = []
    for _ in range(4):
        assert several.next(10.0, elsewhere=True) == 0.0
        visited.append(several.base_url)
    assert visited == [f"http://s{n}/" for n in (1, 2, 1, 2)]
    several.hold(14.0)
    assert several.next(10.0, elsewhere=True) == 0.0
    several.hold(13.0)
    assert several.next(10.0, elsewhere=True) == 3.0  # all are: the soonest
    assert several.base_url == "http://s1/"
    assert [login.base_url for login in several.in_order] == ["http://s1/", "http://s2/", "http://s0/"]


async def test_one_address_is_asked_again() -> None:
    single = addresses(1)
    single.hold(12.0)
    assert single.next(10.0, elsewhere=True) == 2.0
    assert [single.refused(), single.refused()] == [False, True]
    with pytest.raises(ValueError):
        Addresses([])


async def test_a_login_is_given_up_when_all_refused_it() -> None:
    several = addresses(2)
    assert not several.refused()
    assert not several.refused()
    several.next(0.0, elsewhere=True)
    assert not several.refused()
    several.taken()
    assert not several.refused()
    assert several.refused()


async def test_a_list_of_addresses_is_found(tmp_path: Path) -> None:
    nowhere = Surroundings({}, tmp_path, None)
    login = find(["http://a:1/x?token=t", "http://b:2"], around=nowhere)
    assert isinstance(login, Addresses)
    assert [type(each) for each in login.logins] == [PersonLogin, PersonLogin]
    assert [each.base_url for each in login.logins] == ["http://a:1/x/", "http://b:2/"]
    assert "token" not in repr(login)
    assert isinstance(find(["http://a:1"], token="t", around=nowhere), PersonLogin)
    with pytest.raises(ValueError):
        find([], token="t", around=nowhere)


# --- losses


@pytest.mark.parametrize("how", ["cut", "drain", "no_pong"])
async def test_what_was_under_way_is_sent_again_to_the_next_server(
    server: ScriptedServer, other: ScriptedServer, both: Client, how: str
) -> None:
    handle, peer = await joined(server, both)
    asking = asyncio.create_task(handle.chat("one"))
    first = await peer.next("story_update")
    other.answers["join_session"] = joins(STATE, 5)
    if how == "cut":
        peer.cut()
    elif how == "drain":
        peer.say("system_message", {"kind": "drain", "reconnect_after": 3600.0})
        peer.close(4001)
    else:
        peer.close(4005)
    peer = await other.next_peer()
    join = await peer.next("join_session")
    assert join["id"] == f"{handle.client_id}:join"
    assert join["data"]["sequence_id"] == 5
    assert await peer.next("story_update") == first
    peer.send(edit_event(6, "grim"))
    peer.ack(first, 6)
    assert (await asking).sequence_id == 6
    assert both.base_url == other.base_url
    assert server.handshakes == 1


@pytest.mark.parametrize("code", [4002, 4003, 4004, 4006])
async def test_a_close_that_says_nothing_against_the_server_is_answered_there(
    server: ScriptedServer, other: ScriptedServer, both: Client, code: int
) -> None:
    _, peer = await joined(server, both)
    peer.close(code)
    await server.next_peer()
    assert other.handshakes == 0


async def test_it_goes_round_until_one_is_there(
    server: ScriptedServer, other: ScriptedServer, both: Client
) -> None:
    server.refuse, other.refuse = [503, 502], [404, 503]
    await both.connect()
    assert (server.handshakes, other.handshakes) == (3, 2)
    # A drained server is gone back to as soon as the other is lost, if it may be asked by then.
    peer = await server.next_peer()
    peer.say("system_message", {"kind": "drain", "reconnect_after": 0.0})
    peer.close(4001)
    (await other.next_peer()).cut()
    await server.next_peer()


async def test_what_is_only_read_is_asked_of_any_server(
    server: ScriptedServer, other: ScriptedServer, both: Client
) -> None:
    def unavailable(handler: RequestHandler) -> None:
        handler.set_status(503)

    def sessions(handler: RequestHandler) -> None:
        handler.write({"sessions": [{"session_id": SESSION}]})

    server.rest[("GET", "novel/api/sessions")] = unavailable
    server.rest[("POST", "novel/api/sessions")] = unavailable
    other.rest[("GET", "novel/api/sessions")] = sessions
    assert await both.sessions() == [{"session_id": SESSION}]
    other.rest[("GET", "novel/api/sessions")] = unavailable
    with pytest.raises(Unreachable):
        await both.sessions()
    with pytest.raises(Unreachable):  # asked twice it might be made twice
        await both.create_session("lighthouse")


async def test_another_history_at_the_next_server_refuses_what_was_made_in_the_old_one(
    server: ScriptedServer, other: ScriptedServer, both: Client
) -> None:
    handle, peer = await joined(server, both)
    stale = asyncio.create_task(handle.chat("of the old history"))
    await peer.next("story_update")
    conflict = synced("conflict", 2, epoch="e2", state={"scene": {"mood": "other"}})

    def conflicts(peer: Any, frame: Any) -> None:
        peer.say("state_sync", conflict, session_id=SESSION, id=frame["id"], sequence_id=2)

    other.answers["join_session"] = conflicts
    peer.cut()
    peer = await other.next_peer()
    with pytest.raises(CommandRefused, match="stale_epoch"):
        await stale
    assert handle.state == {"scene": {"mood": "other"}}
    assert handle.sequence_id == 2
    fresh = asyncio.create_task(handle.chat("of the new one"))
    said = await peer.next("story_update")
    assert said["epoch"] == "e2"
    peer.ack(said, 2)
    await fresh
    assert handle.waiting == 0


async def test_a_conflict_that_comes_unasked_is_the_same(server: ScriptedServer, client: Client) -> None:
    handle, peer = await joined(server, client)
    stale = asyncio.create_task(handle.chat("of the old history"))
    first = await peer.next("story_update")
    accepted = asyncio.create_task(handle.chat("acknowledged, never shown"))
    peer.ack(await peer.next("story_update"), 9)
    stream = handle.events()
    conflict = synced("conflict", 3, epoch="e2", state={"scene": {}})
    peer.say("state_sync", conflict, session_id=SESSION, id=None, sequence_id=3)
    for task in (stale, accepted):
        with pytest.raises(CommandRefused, match="stale_epoch"):
            await task
    assert (await anext(stream))["type"] == "state_sync"
    assert (handle.sequence_id, handle.joined, handle.waiting) == (3, True, 0)
    peer.error(first, "stale_epoch")  # the server's own word on it comes too late to matter
    peer.send(edit_event(4, "calm"))
    await handle.wait_for(lambda s: s["scene"] == {"mood": "calm"}, 5)


# --- ends


async def test_a_final_close_ends_it_though_there_is_another_server(
    server: ScriptedServer, other: ScriptedServer, both: Client
) -> None:
    handle, peer = await joined(server, both)
    peer.close(4503)
    with pytest.raises(ConnectionStopped):
        await handle.wait_for(lambda _: False)
    assert other.handshakes == 0


async def test_one_server_that_refuses_the_login_is_passed_over(
    server: ScriptedServer, other: ScriptedServer, both: Client
) -> None:
    server.refuse = [403, 403, 403]
    await both.connect()
    assert both.base_url == other.base_url


async def test_all_servers_that_refuse_the_login_end_it(
    server: ScriptedServer, other: ScriptedServer, both: Client
) -> None:
    server.refuse, other.refuse = [403] * 5, [401] * 5
    with pytest.raises(ConnectionStopped, match="refused the login"):
        await both.connect()
    assert (server.handshakes, other.handshakes) == (2, 2)


async def test_a_server_that_takes_one_for_somebody_else_gets_nothing(
    server: ScriptedServer, other: ScriptedServer, both: Client
) -> None:
    other.user_id = "ben"
    handle, peer = await joined(server, both)
    asking = asyncio.create_task(handle.chat("one"))
    await peer.next("story_update")
    peer.cut()
    await other.next_peer()
    peer = await server.next_peer()
    peer.ack(await peer.next("story_update"), 5)
    await asking
    assert other.all_heard == []


# --- what the server says of its store


async def test_whoever_listens_hears_that_the_store_is_away(server: ScriptedServer, client: Client) -> None:
    heard: list[tuple[str, bool]] = []
    handle, peer = await joined(server, client)
    assert client.store_available
    client.on("store", lambda frame: heard.append(("client", frame["data"]["available"])))
    off = handle.on("store", lambda frame: heard.append(("handle", frame["data"]["available"])))
    for available in (False, False, True):
        peer.say("system_message", {"kind": "store", "available": available}, session_id=None)
    peer.send(edit_event(6, "grim"))
    await handle.wait_for(lambda _: handle.sequence_id == 6, 5)
    assert heard == [("client", False), ("handle", False), ("client", True), ("handle", True)]
    assert client.store_available
    off()


async def test_each_server_says_it_anew(server: ScriptedServer, client: Client) -> None:
    online, heard = asyncio.Event(), asyncio.Queue[bool]()
    client.on("online", lambda _: online.set())
    client.on("store", lambda frame: heard.put_nowait(frame["data"]["available"]))
    _, peer = await joined(server, client)
    assert online.is_set()
    peer.say("system_message", {"kind": "store", "available": False})
    assert await asyncio.wait_for(heard.get(), 10) is False
    assert not client.store_available
    peer.cut()
    peer = await server.next_peer()
    assert await asyncio.wait_for(heard.get(), 10) is True
    peer.say("system_message", {"kind": "store", "available": False})
    assert await asyncio.wait_for(heard.get(), 10) is False


async def test_a_command_that_the_store_lost_is_told(
    server: ScriptedServer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    handle, peer = await joined(server, client)
    lost: list[Any] = []
    handle.on("lost", lost.append)
    shown = asyncio.create_task(handle.chat("shown, then lost"))
    first = await peer.next("story_update")
    peer.send(edit_event(6, "grim"))
    peer.ack(first, 6)
    await shown
    peer.error(first, "lost", reason="stale_base")
    unseen = asyncio.create_task(handle.chat("acknowledged, not shown, lost"))
    second = await peer.next("story_update")
    peer.ack(second, 9)
    peer.error(second, "lost", reason="forbidden")
    with pytest.raises(CommandRefused, match="lost"):
        await unseen
    assert [frame["id"] for frame in lost] == [first["id"], second["id"]]
    assert f"lost command {first['id']} (stale_base)" in caplog.text
    assert handle.joined


# --- real servers


@pytest.mark.process
@pytest.mark.timeout(180)
async def test_a_killed_server_is_left_for_the_other_one(tmp_path: Path) -> None:
    traits = {"NovelApp.store": f"sqlite:///{tmp_path / 'sessions.db'}", "NovelApp.head_check": 0.2}
    with (
        ServerProcess(tmp_path / "a", ["ana"], traits) as one,
        ServerProcess(tmp_path / "b", ["ana"], traits) as two,
    ):
        urls = [f"{each.url}?token={each.token_of('ana')}" for each in (one, two)]
        async with await nj.connect(urls) as client:
            handle = await client.join(str((await client.create_session("lighthouse"))["session_id"]))
            await handle.chat("0")
            saying = [asyncio.create_task(handle.chat(str(n))) for n in range(1, 40)]
            await saying[3]
            one.kill()
            await asyncio.gather(*saying)
            assert client.base_url == two.url
            chat: Any = handle.state["chat"]
            assert [entry["text"] for entry in chat.values()] == [str(n) for n in range(40)]
            seen: Any = await client.get(f"sessions/{handle.session_id}/state")
            assert seen["hash"] == state_hash(handle.state)
