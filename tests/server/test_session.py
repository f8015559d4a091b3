"""A session with its people: presence, roles that take effect at once, time that passes (R20-R36, R79, R90).

Law: what a person sees of the others is said once and in order: arrived, what they do, left.
Parts: on a real server; then inside, where time is called by hand.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from server.inside import Inside, Listener
from server.wire import Message, connect, create, rest

from novel_jupyter.core.views import rules_of
from novel_jupyter.testing import ServerProcess


def of(message: Message, user: str) -> bool:
    return message["type"] in ("join_session", "leave_session") and message["user_id"] == user


@pytest.mark.process
@pytest.mark.asyncio
async def test_two_tabs_are_one_presence(server: ServerProcess) -> None:
    session = await create(server)
    async with connect(server, "alice") as alice:
        await alice.join(session)
        async with connect(server, "bob", "tab1") as first:
            await first.join(session)
            arrived = await alice.expect(lambda m: of(m, "bob"))
            assert (arrived["type"], arrived["data"]["kind"]) == ("join_session", "arrived")
            assert arrived["data"]["user"] == {"user_id": "bob", "name": "Bob", "kind": "person"}
            async with connect(server, "bob", "tab2") as second:
                answer = await second.join(session)
                assert [(u["user_id"], u["connections"]) for u in answer["presence"]] == [
                    ("alice", 1),
                    ("bob", 2),
                ]
                await alice.expect(
                    lambda m: (
                        m["data"].get("kind") == "presence"
                        and {u["user_id"]: u["connections"] for u in m["data"]["users"]}
                        == {"alice": 1, "bob": 2}
                    )
                )
            await first.chat(session, "one tab is left")
        left = await alice.expect(lambda m: m["type"] == "leave_session")
        assert (left["data"]["kind"], left["data"]["user"]["user_id"]) == ("left", "bob")
        assert len(alice.seen(lambda m: of(m, "bob"))) == 2
        # Who leaves on purpose is gone at once, and the socket stays.
        async with connect(server, "bob", "tab3") as third:
            await third.join(session)
            await alice.expect(lambda m: m["type"] == "join_session")
            assert (await third.ask("leave_session", session, {}))["kind"] == "ack"
            await alice.expect(lambda m: m["type"] == "leave_session")
            await third.alive()


@pytest.mark.process
@pytest.mark.asyncio
async def test_a_newer_connection_of_a_client_takes_the_place_of_the_older(server: ServerProcess) -> None:
    """R90: 4508, and to the others nobody came or went. Another user's client of that name is another."""
    session = await create(server)
    async with connect(server, "alice", "page") as alice, connect(server, "bob", "page") as old:
        await alice.join(session)
        await old.join(session)
        await alice.expect(lambda m: of(m, "bob"))
        async with connect(server, "bob", "page") as new:
            assert (await new.join(session))["kind"] == "full_sync"
            assert await old.closed() == 4508
            await new.chat(session, "me again")
            await alice.expect(lambda m: m["data"].get("text") == "me again")
            assert len(alice.seen(lambda m: of(m, "bob"))) == 1
            async with connect(server, "bob", "another") as other:
                await other.join(session)
                await other.alive()
                await new.alive()
        await alice.alive()


@pytest.mark.process
@pytest.mark.asyncio
async def test_cursors_are_one_map_and_go_with_their_connection(server: ServerProcess) -> None:
    session = await create(server)
    async with connect(server, "alice") as alice:
        await alice.join(session)
        async with connect(server, "bob", "b1") as bob:
            await bob.join(session)
            for position in range(30):
                await bob.send("user_cursor", session, {"target": "/scene/mood", "position": position})
            last = await alice.expect(
                lambda m: m["type"] == "user_cursor" and m["data"]["cursors"][0]["position"] == 29
            )
            (cursor,) = last["data"]["cursors"]
            assert (cursor["user_id"], cursor["target"]) == ("bob", "/scene/mood")
            assert len(alice.seen(lambda m: m["type"] == "user_cursor")) < 30
            async with connect(server, "carol", "k1") as carol:
                await carol.join(session)
                shown = await carol.expect(lambda m: m["type"] == "user_cursor")
                assert shown["data"]["cursors"] == [cursor]
        gone = await alice.expect(
            lambda m: m["type"] == "user_cursor" and m["data"]["cursors"][0]["target"] is None
        )
        assert gone["data"]["cursors"][0]["connection_id"] == cursor["connection_id"]


@pytest.mark.process
@pytest.mark.asyncio
async def test_roles_hold_for_every_message_from_their_event_on(server: ServerProcess) -> None:
    session = await create(server)
    propose = {"kind": "propose", "character": "tomas", "action": {"kind": "wait"}}
    async with connect(server, "alice") as alice, connect(server, "bob", "b1") as bob:
        await alice.join(session)
        await bob.join(session)
        # A player is no director.
        for kind in ("start", "lock", "cancel", "pause", "undo", "reroll"):
            assert (await bob.act(session, kind))["code"] == "forbidden", kind
        for kind, data in (
            ("set_role", {"target": "bob", "role": "owner"}),
            ("grant_view", {"target": "bob", "sees_all": True}),
            ("admit_host", {"kernel": "kernel:x"}),
            ("set_settings", {"review": True}),
            ("archive", {}),
        ):
            assert (await bob.rule(session, kind, **data))["code"] == "forbidden", kind
        assert (await bob.act(session, "request_lease"))["code"] == "forbidden"
        assert (await bob.ask("agent_action", session, propose))["kind"] == "ack"
        # A spectator looks and talks.
        await alice.rule(session, "set_role", target="bob", role="spectator")
        assert (await bob.ask("agent_action", session, propose))["code"] == "forbidden"
        assert (await bob.edit(session, "/notes/x", 1))["code"] == "forbidden"
        assert (await bob.chat(session, "bravo"))["kind"] == "ack"
        await alice.rule(session, "set_role", target="bob", role="director")
        assert (await bob.act(session, "pause"))["kind"] == "ack"
        assert (await bob.rule(session, "archive"))["code"] == "forbidden"
        # There is always an owner.
        assert (await alice.rule(session, "set_role", target="alice", role="player"))["code"] == "forbidden"


@pytest.mark.process
@pytest.mark.asyncio
async def test_who_is_removed_is_out_at_once_and_stays_out(server: ServerProcess) -> None:
    session, other = await create(server), await create(server)
    async with (
        connect(server, "alice") as alice,
        connect(server, "bob", "b1") as bob,
        connect(server, "bob", "b2") as elsewhere,
    ):
        await alice.join(session)
        await bob.join(session)
        await elsewhere.join(session)
        await elsewhere.join(other)
        await alice.rule(session, "set_role", target="bob", role=None)
        assert await bob.closed() == 4503
        await elsewhere.expect(lambda m: m["data"].get("code") == "forbidden")
        # The other session on that socket lives on; this one does not hear of it any more.
        assert (await elsewhere.chat(other, "still here"))["kind"] == "ack"
        assert (await elsewhere.chat(session, "let me in"))["code"] == "not_joined"
        assert (await elsewhere.join(session))["code"] == "forbidden"
        said = await alice.chat(session, "he is gone")
        await elsewhere.alive()
        assert not elsewhere.seen(
            lambda m: m["session_id"] == session and m["sequence_id"] == said["sequence_id"]
        )
        async with rest(server, "bob") as http:
            assert (await http.get(f"sessions/{session}")).status_code == 404
        await alice.rule(session, "set_role", target="bob", role="player")
        assert (await elsewhere.join(session))["kind"] == "full_sync"


@pytest.mark.asyncio
async def test_a_persons_kernels_are_removed_with_the_person(tmp_path: Path) -> None:
    """R7"""
    async with Inside.open(tmp_path) as inside:
        session = await inside.session()
        alice, bob = Listener(inside, "alice"), Listener(inside, "bob")
        his, hers = Listener(inside, "kernel:bob:k1", "k1"), Listener(inside, "kernel:alice:k1", "k2")
        for listener in (alice, bob, his, hers):
            await listener.join(session)
        await inside.at_once(
            session, (alice, "system_message", {"kind": "admit_host", "kernel": "kernel:bob:k1"})
        )
        await inside.at_once(
            session, (alice, "system_message", {"kind": "set_role", "target": "bob", "role": None})
        )
        assert [listener.code for listener in (alice, bob, his, hers)] == [None, 4503, 4503, None]
        assert rules_of(session.live.room.state)["host"]["admitted"] == {}


# --- time, called by hand


@pytest.mark.asyncio
async def test_a_session_stays_while_somebody_needs_it(tmp_path: Path) -> None:
    """R79: a listener, a join under way, a deadline; an archived session has none."""
    async with Inside.open(tmp_path, idle_timeout=0.0, presence_grace=0.0) as inside:
        session = await inside.session("alice", collect_timeout=3600.0)
        assert session.idle_since() is not None
        alice = Listener(inside, "alice")
        await alice.join(session)
        assert session.idle_since() is None
        await session.live.settled()
        wait = {"kind": "propose", "character": "mara", "action": {"kind": "wait"}}
        assert (await alice.ask(session, "agent_action", wait)).data["kind"] == "ack"
        session.leave(alice.connection)
        await session.live.settled()
        assert rules_of(session.live.room.state)["turn"]["deadline"]
        assert session.idle_since() is None, "its deadline must fire"
        await inside.hub._every(time.monotonic())
        assert inside.hub.live(session.id) is session
        await alice.join(session)
        assert (await alice.ask(session, "system_message", {"kind": "archive"})).data["kind"] == "ack"
        session.leave(alice.connection)
        await session.live.settled()
        assert session.idle_since() is not None, "in an archive time changes nothing"
        await inside.hub._every(time.monotonic())
        assert inside.hub.live(session.id) is None
        # It comes back as it was.
        again = await inside.hub.session(session.id)
        assert again is not session
        assert again.live.head == session.live.head
        assert again.live.room.state == session.live.room.state


@pytest.mark.asyncio
async def test_deadlines_absence_and_a_lost_host_follow_from_time(tmp_path: Path) -> None:
    """R22, R23, R36, R52."""
    async with Inside.open(tmp_path, presence_grace=0.0, lease_timeout=0.0) as inside:
        session = await inside.session("alice", collect_timeout=0.001, understudy_after=0.0)
        alice, kernel = Listener(inside, "alice"), Listener(inside, "kernel:k1")
        await alice.join(session)
        await kernel.join(session)
        await alice.ask(session, "system_message", {"kind": "admit_host", "kernel": "kernel:k1"})
        assert (await kernel.ask(session, "agent_action", {"kind": "request_lease"})).data["kind"] == "ack"
        wait = {"kind": "propose", "character": "mara", "action": {"kind": "wait"}}
        await alice.ask(session, "agent_action", wait)
        deadline = rules_of(session.live.room.state)["turn"]["deadline"]
        if deadline is not None:  # else it was so quick that it is over
            while inside.hub.now() < deadline:
                pass
            session.every(time.monotonic())
            await session.live.settled()
        kernel.flush()
        (locked,) = [m for m in alice.messages + kernel.messages if m["data"].get("kind") == "locked"][:1]
        assert locked["data"]["why"] == "deadline"
        assert rules_of(session.live.room.state)["turn"]["phase"] == "resolving"
        (asked,) = kernel.heard("turn_request")
        assert asked["data"]["task"] == "resolve"
        # The host is gone: the lease is lost and the turn waits, locked.
        session.leave(kernel.connection)
        session.every(time.monotonic())
        session.every(time.monotonic() + 1)
        await session.live.settled()
        rules = rules_of(session.live.room.state)
        assert (rules["host"]["holder"], rules["turn"]["phase"]) == (None, "locked")
        # A successor is asked for the same; a holder that comes back is asked again.
        await kernel.join(session)
        await kernel.ask(session, "agent_action", {"kind": "request_lease"})
        await kernel.join(session)
        requests = kernel.heard("turn_request")
        assert [m["data"]["task"] for m in requests] == ["resolve"] * 3
        assert requests[2]["data"] == requests[1]["data"]
        assert requests[1]["data"]["token"] > requests[0]["data"]["token"]


@pytest.mark.asyncio
async def test_an_understudy_plays_for_an_owner_who_is_gone(tmp_path: Path) -> None:
    async with Inside.open(tmp_path, presence_grace=0.0) as inside:
        session = await inside.session("alice", understudy_after=0.0)
        alice, bob = Listener(inside, "alice"), Listener(inside, "bob")
        await alice.join(session)
        await bob.join(session)
        await bob.ask(session, "agent_action", {"kind": "claim", "character": "mara"})
        session.leave(bob.connection)
        for _ in range(3):
            await session.live.settled()
            session.every(time.monotonic())
        seat = rules_of(session.live.room.state)["seats"]["mara"]
        assert (seat["owner"], seat["understudy"]) == ("bob", True)
        await bob.join(session)
        await session.live.settled()
        assert not rules_of(session.live.room.state)["seats"]["mara"]["understudy"]
        alice.flush()
        kinds = [m["data"]["kind"] for m in alice.messages if m["data"].get("character") == "mara"]
        assert kinds == ["claimed", "away", "understudy", "back"]


@pytest.mark.process
@pytest.mark.asyncio
async def test_who_lost_the_connection_is_here_until_the_grace_is_over(server: ServerProcess) -> None:
    """Presence never shows somebody gone of whom `left` was not said."""
    session = await create(server)
    async with connect(server, "alice") as alice:
        await alice.join(session)
        async with connect(server, "bob") as bob:
            await bob.join(session)
            await alice.expect(lambda m: of(m, "bob"))
        async with connect(server, "carol") as carol:
            told = await carol.join(session)
            shown = {user["user_id"]: user["connections"] for user in told["presence"]}
            assert shown.items() >= {"alice": 1, "carol": 1}.items()
            assert shown.get("bob", 0) == 0
            await alice.expect(lambda m: of(m, "bob") and m["data"]["kind"] == "left")
            await alice.expect(
                lambda m: (
                    m["data"].get("kind") == "presence"
                    and {user["user_id"] for user in m["data"]["users"]} == {"alice", "carol"}
                )
            )
