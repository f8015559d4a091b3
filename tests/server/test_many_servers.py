"""Two servers have one session open: what one does, the other's people see (SPEC R78, R94; bus B1 to B4).

Law: two hubs over one store and one exchange; nothing but their sockets is made up.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from server.inside import Inside, Listener
from server.pairs import QUIET, Pair, pair, until

from novel_jupyter.core.messages import Chunk, Cursor, Progress
from novel_jupyter.core.views import rules_of


@pytest.mark.asyncio
async def test_an_append_is_seen_at_the_other_server(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        await both.alice.ask(both.here, "story_update", both.one.edit(both.here, "/scene/mood", "tense"))
        await both.bob.ask(both.there, "story_update", {"kind": "chat", "text": "from afar"})
        await both.agree()
        assert [m["data"]["text"] for m in both.heard(both.alice, "chat")] == ["from afar"]
        assert both.bob.state()["scene"]["mood"] == "tense"


@pytest.mark.asyncio
async def test_many_at_once_end_in_one_order(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        said = [
            listener.ask(session, "story_update", {"kind": "chat", "text": f"{listener.client} {n}"})
            for n in range(40)
            for listener, session in ((both.alice, both.here), (both.bob, both.there))
        ]
        replies = await asyncio.gather(*said)
        assert {reply.data["kind"] for reply in replies} == {"ack"}
        assert len({reply.sequence_id for reply in replies}) == 80
        await both.agree()
        texts = [[m["data"]["text"] for m in both.heard(who, "chat")] for who in (both.alice, both.bob)]
        assert texts[0] == texts[1]
        assert len(texts[0]) == len(set(texts[0])) == 80


@pytest.mark.asyncio
async def test_who_is_here_is_here_at_every_server(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:

        def people(listener: Listener) -> dict[str, int]:
            shown = both.heard(listener, "presence")
            return {user["user_id"]: user["connections"] for user in shown[-1]["data"]["users"]}

        await until(lambda: people(both.alice) == people(both.bob) == {"alice": 1, "bob": 1})
        second = Listener(both.two, "alice", "second")
        await second.join(both.there)
        await until(lambda: people(both.alice) == people(both.bob) == {"alice": 2, "bob": 1})
        both.there.leave(second.connection, at_once=True)
        both.here.leave(both.alice.connection, at_once=True)
        await until(lambda: people(both.bob) == {"bob": 1})
        assert [m["data"]["user"]["user_id"] for m in both.heard(both.bob, "left")] == ["alice"]
        assert [m["data"]["user"]["user_id"] for m in both.heard(both.alice, "arrived")] == ["bob"]


@pytest.mark.asyncio
async def test_who_moves_to_another_server_did_not_leave(tmp_path: Path) -> None:
    async with pair(tmp_path, presence_grace=3600.0) as both:
        await until(lambda: both.there.whereabouts.connections("alice") == 1)
        both.one.hub.remove(both.alice.connection)
        await until(lambda: both.there.whereabouts.connections("alice") == 0)
        moved = Listener(both.two, "alice")
        await moved.join(both.there)
        await until(lambda: both.here.whereabouts.connections("alice") == 1)
        for listener in (both.bob, moved):
            assert both.heard(listener, "left") == []
        assert both.there.whereabouts.users() == both.here.whereabouts.users() == {"alice", "bob"}


@pytest.mark.asyncio
async def test_cursors_are_seen_and_go_with_their_owner(tmp_path: Path) -> None:
    async with pair(tmp_path, cursor_interval=0.001) as both:
        await until(lambda: both.there.whereabouts.connections("alice") == 1)

        def cursors() -> dict[str, Any]:
            both.bob.flush()
            return both.bob.replica_cursors()

        both.here.cursor(both.alice.connection, Cursor(target="/scene/notes", position=3, typing=True))
        await until(lambda: [c["position"] for c in cursors().values()] == [3])
        assert [c["user_id"] for c in cursors().values()] == ["alice"]
        both.here.leave(both.alice.connection)
        await until(lambda: cursors() == {})


@pytest.mark.asyncio
async def test_a_private_cursor_is_private_at_every_server(tmp_path: Path) -> None:
    async with pair(tmp_path, cursor_interval=0.001) as both:
        await until(lambda: both.there.whereabouts.connections("alice") == 1)
        await both.alice.ask(both.here, "agent_action", {"kind": "claim", "character": "mara"})
        both.here.cursor(both.alice.connection, Cursor(target="/seat:mara/notes", position=1))
        both.here.cursor(both.alice.connection, Cursor(target="/seat:mara/notes", position=2))
        both.there.cursor(both.bob.connection, Cursor(target="/scene/mood", position=7))

        def shown() -> dict[str, Any]:
            both.flush()
            return both.bob.replica_cursors()

        await until(shown)
        assert {c["user_id"] for c in both.bob.replica_cursors().values()} == {"bob"}


@pytest.mark.asyncio
async def test_a_client_that_comes_back_elsewhere_replaces_itself(tmp_path: Path) -> None:
    """R90, across servers."""
    async with pair(tmp_path) as both:
        again = Listener(both.two, "alice", both.alice.client)
        await again.join(both.there)
        await until(lambda: both.alice.code == 4508)
        another = Listener(both.one, "alice", "another page")
        await another.join(both.here)
        await until(lambda: both.there.whereabouts.connections("alice") == 2)
        assert again.code is None


async def _narrating(both: Pair) -> tuple[Listener, int]:
    """A host at the first server that is about to tell the first turn: its connection and token."""
    host = Listener(both.one, "kernel:k1")
    await host.join(both.here)
    await both.alice.ask(both.here, "system_message", {"kind": "admit_host", "kernel": "kernel:k1"})
    granted = await host.ask(both.here, "agent_action", {"kind": "request_lease"})
    token = granted.sequence_id
    propose = {"kind": "propose", "character": "mara", "action": {"kind": "wait"}}
    await both.alice.ask(both.here, "agent_action", propose)
    await both.alice.ask(both.here, "agent_action", {"kind": "lock"})
    turn = rules_of(both.here.live.room.state)["turn"]
    assert turn["phase"] == "resolving"
    assert turn["locked"] is not None
    result = {
        "kind": "turn_result",
        "turn": turn["number"],
        "attempt": turn["attempt"],
        "token": token,
        "base": turn["locked"]["base"],
        "outcomes": [],
        "changes": [],
        "turn_complete": True,
        "made_by": {"engine": "test", "model": None, "fallback": False, "agents": {}},
    }
    reply = await host.ask(both.here, "agent_action", result)
    assert reply.data["kind"] == "ack", reply
    await until(lambda: rules_of(both.there.live.room.state)["turn"]["phase"] == "narrating")
    return host, token


@pytest.mark.asyncio
async def test_prose_streams_to_every_server_and_to_one_that_comes_late(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        host, token = await _narrating(both)
        for offset, text in ((0, "Mara "), (5, "waits "), (11, "in the rain.")):
            both.here.relay(
                host.connection,
                Chunk(kind="narration", turn=1, attempt=1, token=token, offset=offset, text=text),
            )
        mine = Chunk(kind="narration", turn=1, attempt=1, token=token, offset=0, text="I wait.", seat="mara")
        both.here.relay(host.connection, mine)
        both.here.relay(
            host.connection,
            Progress(kind="progress", turn=1, attempt=1, token=token, agent="chronicler", text="writing"),
        )

        def told(listener: Listener) -> str:
            return "".join(m["data"]["text"] for m in both.heard(listener, "narration"))

        # Who plays Mara is told what she witnessed, and nothing else.
        await until(lambda: told(both.bob) == "Mara waits in the rain." and told(both.alice) == "I wait.")
        await until(lambda: both.heard(both.bob, "progress"))
        async with Inside.open(tmp_path, place=both.one.place, **QUIET) as three:
            late = await three.hub.session(both.here.id)
            await until(lambda: late.narration.provisional() is not None)
            carol = Listener(three, "carol")
            answer = await carol.join(late)
            assert answer["data"]["provisional"]["text"] == "Mara waits in the rain."
            assert told(both.bob) == "Mara waits in the rain.", "it is not told twice"
            await until(lambda: late.narration.provisional("seats:mara") is not None)
            again = Listener(three, "alice", "a2")
            answer = await again.join(late)
            assert answer["data"]["provisional"]["text"] == "I wait."
            assert late.narration.provisional("seats:ines") is None


@pytest.mark.asyncio
async def test_a_host_at_another_server_is_no_lost_host(tmp_path: Path) -> None:
    async with pair(tmp_path, lease_timeout=0.0) as both:
        await _narrating(both)
        await until(lambda: both.there.whereabouts.connections("kernel:k1") == 1)
        for _ in range(3):
            both.there.every(1e9)
        await both.there.live.settled()
        assert rules_of(both.there.live.room.state)["host"]["holder"] == "kernel:k1"


@pytest.mark.asyncio
async def test_a_lost_announcement_is_found_by_looking(tmp_path: Path) -> None:
    """R95: the log is the truth, and it is looked at now and then."""
    async with pair(tmp_path) as both:
        both.two.place.listeners[both.here.id].pop(both.two.hub.bus.node)
        await both.alice.ask(both.here, "story_update", {"kind": "chat", "text": "unheard"})
        assert both.there.live.head != both.here.live.head
        both.there.every(1e9)
        await both.agree()
        assert len(both.heard(both.bob, "chat")) == 1


@pytest.mark.asyncio
async def test_an_announcement_with_a_gap_is_filled_from_the_log(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        listening = both.two.place.listeners[both.here.id]
        heard = listening.pop(both.two.hub.bus.node)
        await both.alice.ask(both.here, "story_update", {"kind": "chat", "text": "unheard"})
        listening[both.two.hub.bus.node] = heard
        await both.alice.ask(both.here, "story_update", {"kind": "chat", "text": "heard"})
        await both.agree()
        assert [m["data"]["text"] for m in both.heard(both.bob, "chat")] == ["unheard", "heard"]


@pytest.mark.asyncio
async def test_a_removed_person_is_out_everywhere(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        await both.alice.ask(both.here, "system_message", {"kind": "set_role", "target": "bob", "role": None})
        await until(lambda: both.bob.code == 4503)


@pytest.mark.asyncio
async def test_notes_that_make_no_sense_change_nothing(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        before = both.bob.view_hash()
        for note in (b"", b"{", b"[]", b'{"k":1}', b'{"k":"cursors"}', b'{"k":"chunk","of":[],"offset":0}'):
            both.there.link.noted("x", note)
        for note in (b'{"k":"of tomorrow"}', b'{"k":"progress","data":{}}', b'{"k":"cursors","cursors":7}'):
            both.there.link.noted("x", note)
        await both.agree()
        assert both.bob.view_hash() == before


@pytest.mark.asyncio
async def test_a_session_that_left_memory_and_came_back_hears_again(tmp_path: Path) -> None:
    async with pair(tmp_path, idle_timeout=0.0) as both:
        both.two.hub.remove(both.bob.connection)
        both.two.hub._drop(both.there)
        again = await both.two.hub.session(both.here.id)
        carol = Listener(both.two, "carol")
        await carol.join(again)
        await both.alice.ask(both.here, "story_update", {"kind": "chat", "text": "still there?"})
        await until(lambda: both.heard(carol, "chat"))
        await until(lambda: "carol" in both.here.whereabouts.users())
