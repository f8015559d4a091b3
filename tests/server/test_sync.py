"""Coming back: a delta as it was broadcast, a full state, or a conflict; never silently partial (R84-R87).

Law: whatever a client says of where it stands, what it holds after the answer has the server's hash.
Parts: the ring of recent events; the answers on a real socket; answers that need a made-up past.
"""

from __future__ import annotations

import gc
import json
from pathlib import Path

import pytest
from server.inside import Inside, Listener
from server.wire import Message, Wire, connect, create, rest

from novel_jupyter.core.events import Event, decode, encode
from novel_jupyter.core.model import EVERYONE
from novel_jupyter.core.views import view_hash
from novel_jupyter.server.sync import DELTA_EVENTS, Ring
from novel_jupyter.testing import ServerProcess

# --- the ring


def event(sequence_id: int, size: int = 1000) -> Event:
    """One whose body has so many bytes."""
    short = encode("s1", sequence_id, "ann", "", None, EVERYONE, {"kind": "chat", "text": ""})
    text = "x" * (size - len(short))
    body = encode("s1", sequence_id, "ann", "", None, EVERYONE, {"kind": "chat", "text": text})
    return decode(body, f"h{sequence_id}")


def test_a_ring_tells_what_it_has_or_that_it_does_not_reach_back() -> None:
    ring = Ring(max_events=5, max_bytes=100_000)
    assert ring.after(0) is None
    assert ring.hash_at(1) is None
    ring.extend(event(n) for n in range(4, 11))
    assert [e.sequence_id for e in ring.after(7) or ()] == [8, 9, 10]
    assert ring.after(5) == [event(n) for n in range(6, 11)]
    assert ring.after(10) == []
    assert [ring.reaches(n) for n in (4, 5, 10)] == [False, True, True]
    assert ring.after(4) is None, "5 was pushed out: not silently partial"
    assert (ring.hash_at(6), ring.hash_at(10), ring.hash_at(5), ring.hash_at(11)) == ("h6", "h10", None, None)


def test_a_ring_is_bounded_in_bytes_too() -> None:
    ring = Ring(max_events=1000, max_bytes=1000)
    ring.extend(event(n, 300) for n in range(1, 9))
    assert [e.sequence_id for e in ring.after(5) or ()] == [6, 7, 8]
    ring.extend([event(9, 5000)])
    assert ring.after(8) is None


def test_what_a_ring_keeps_is_nothing_that_the_collector_looks_at() -> None:
    ring = Ring(max_events=5, max_bytes=10_000)
    ring.extend(event(n) for n in range(1, 6))
    gc.collect()
    assert not any(map(gc.is_tracked, ring._events))


# --- on the wire


def as_broadcast(wire: Wire, after: int) -> list[Message]:
    """The events that came one by one, beyond `after`."""
    return wire.seen(lambda m: "hash" in m and (m["sequence_id"] or 0) > after)


@pytest.mark.process
@pytest.mark.asyncio
async def test_a_delta_is_what_was_broadcast(server: ServerProcess) -> None:
    """R85: for the same view, byte for byte; for a player with a seat, placeholders where they belong."""
    session = await create(server)
    async with connect(server, "alice") as alice, connect(server, "bob", "b1") as bob:
        await alice.join(session)
        await bob.join(session)
        await alice.act(session, "claim", character="mara")
        await alice.until(lambda: alice.sessions[session].view == "seats:mara")
        at = dict((await bob.reach(session, alice.sessions[session].sequence_id)).head)
        for n in range(5):
            await alice.edit(session, "/seat:mara/mine", n)
            await alice.edit(session, "/scene/mood", f"mood {n}")
        last = await alice.chat(session, "that was it")
        await bob.reach(session, last["sequence_id"])
        async with connect(server, "bob", "b2") as again:
            answer = await again.join(session, **at)
            assert answer["kind"] == "delta"
            assert answer["events"] == as_broadcast(bob, at["sequence_id"])
            assert sum(e["data"]["kind"] == "hidden" for e in answer["events"]) == 5
            async with rest(server, "bob") as http:
                page = (
                    await http.get(f"sessions/{session}/events", params={"after": at["sequence_id"]})
                ).json()
            assert page["events"] == answer["events"]
            now = bob.sessions[session].head
            assert (await again.sync(session, **now))["kind"] == "up_to_date"
            assert (await again.sync(session, **at))["kind"] == "delta"
            full = await again.sync(session)
            assert full["kind"] == "full_sync"
            assert again.sessions[session].state_hash() == bob.sessions[session].state_hash()
            assert (full["sequence_id"], full["epoch"], full["hash"]) == tuple(
                now[key] for key in ("sequence_id", "epoch", "hash")
            )


@pytest.mark.process
@pytest.mark.asyncio
async def test_another_history_is_a_conflict_and_gets_the_servers_state(server: ServerProcess) -> None:
    """R86."""
    session = await create(server)
    async with connect(server, "alice") as alice:
        await alice.join(session)
        said = await alice.chat(session, "one")
        replica = await alice.reach(session, said["sequence_id"])
        right = dict(replica.head)
        wrong: list[tuple[str, Message]] = [
            ("epoch", {**right, "epoch": "another"}),
            ("epoch", {**right, "epoch": "another", "sequence_id": 0}),
            ("ahead", {**right, "sequence_id": right["sequence_id"] + 1}),
            ("ahead", {"sequence_id": 2**53 - 1}),
            ("hash", {**right, "hash": "0" * 32}),
            ("hash", {**right, "sequence_id": right["sequence_id"] - 1}),
        ]
        for reason, echo in wrong:
            answer = await alice.sync(session, **echo)
            assert (answer["kind"], answer["reason"]) == ("conflict", reason)
            assert (answer["hash"], answer["sequence_id"]) == (right["hash"], right["sequence_id"])
            assert answer["state"] == replica.state
        assert (await alice.sync(session, **right))["kind"] == "up_to_date"


@pytest.mark.process
@pytest.mark.asyncio
async def test_what_was_acknowledged_unheard_stands_once(server: ServerProcess) -> None:
    """R3: the connection breaks before the ack; the client learns the result, or asks again and gets it."""
    session = await create(server)
    async with connect(server, "bob", "b1") as bob:
        await bob.join(session)
        async with connect(server, "alice", "page") as alice:
            await alice.join(session)
            first = await alice.chat(session, "heard")
            refused = await alice.rule(session, "grant_view", target="nobody", sees_all=True)
            base = alice.sessions[session].sequence_id
            edit = {"base": base, "patch": [{"op": "add", "path": "/notes/n", "value": 1}]}
            await alice.send("story_update", session, edit, id="page:3")
            # The socket is gone before anybody looked at the answer.
            alice.socket.transport.abort()
        done = await bob.expect(lambda m: m["id"] == "page:3")
        async with connect(server, "alice", "page") as alice:
            answer = await alice.join(session, since=2)
            assert answer["high_water"] == 3
            results = {entry["id"]: entry for entry in answer["results"]}
            assert set(results) == {"page:2", "page:3"}
            assert results["page:2"]["data"]["code"] == refused["code"] == "no_participant"
            assert results["page:3"]["data"] == {"kind": "ack", "outcome": "applied"}
            assert results["page:3"]["sequence_id"] == done["sequence_id"]
            again = await alice.ask("story_update", session, edit, id="page:3")
            assert (again["sequence_id"], again["outcome"]) == (done["sequence_id"], "applied")
            repeat = await alice.ask("story_update", session, {"kind": "chat", "text": "heard"}, id="page:1")
            assert repeat["sequence_id"] == first["sequence_id"]
            everything = await alice.join(session)
            assert [entry["id"] for entry in everything["results"]] == ["page:1", "page:2", "page:3"]
        heard = await bob.chat(session, "end")
        await bob.reach(session, heard["sequence_id"])
        assert len(bob.seen(lambda m: m["id"] == "page:3")) == 1
        # Nobody else is told of another's results.
        async with connect(server, "bob", "page") as other:
            answer = await other.join(session)
            assert (answer["high_water"], answer["results"]) == (0, [])


# --- with a past made for it


@pytest.mark.asyncio
async def test_too_much_missed_is_a_full_state(tmp_path: Path) -> None:
    async with Inside.open(tmp_path, ring_events=3000) as inside:
        session = await inside.session("alice")
        alice, bob = Listener(inside, "alice"), Listener(inside, "bob")
        await alice.join(session)
        head = dict(alice.replica().head)
        for wanted, kind in ((DELTA_EVENTS, "delta"), (1, "full_sync")):
            said: list[object] = []
            for n in range(wanted):
                data = {"kind": "chat", "text": f"{kind} {n}"}
                session.live.ask(alice.asked(session, "story_update", data, said.append))
            await session.live.settled()
            assert len(said) == wanted
            answer = await alice.sync(session, **head)
            assert answer["data"]["kind"] == kind
            assert alice.view_hash() == view_hash(session.live.room.state, alice.view())
        await bob.join(session)
        assert bob.view_hash() == view_hash(session.live.room.state, "public")


@pytest.mark.asyncio
async def test_a_replica_of_another_view_gets_a_full_state(tmp_path: Path) -> None:
    """R5: before, and at the very event that changed the view, whose `full_sync` may never have arrived."""
    async with Inside.open(tmp_path) as inside:
        session = await inside.session("alice")
        bob, alice = Listener(inside, "bob"), Listener(inside, "alice")
        await alice.join(session)
        await bob.join(session)
        before = dict(bob.replica().head)
        await bob.ask(session, "agent_action", {"kind": "claim", "character": "mara"})
        changed = next(m for m in bob.messages if m["data"].get("kind") == "claimed")
        for echo in (before, {**before, "sequence_id": changed["sequence_id"], "hash": changed["hash"]}):
            answer = await Listener(inside, "bob", f"late{echo['sequence_id']}").join(session, **echo)
            assert answer["data"]["kind"] == "full_sync"
            assert "seat:mara" in answer["data"]["state"]
        await bob.ask(session, "story_update", {"kind": "chat", "text": "later"})
        assert (await bob.sync(session, **bob.replica().head))["data"]["kind"] == "up_to_date"


@pytest.mark.asyncio
async def test_a_kernel_that_is_admitted_no_more_keeps_nothing_it_saw(tmp_path: Path) -> None:
    async with Inside.open(tmp_path) as inside:
        session = await inside.session("alice")
        alice, kernel = Listener(inside, "alice"), Listener(inside, "kernel:k1")
        await alice.join(session)
        await kernel.join(session)
        assert kernel.view() == "public"
        await alice.ask(session, "system_message", {"kind": "admit_host", "kernel": "kernel:k1"})
        kernel.flush()
        assert kernel.view() == "all"
        head = dict(kernel.replica().head)
        session.leave(kernel.connection)
        gone = {"kind": "admit_host", "kernel": "kernel:k1", "admitted": False}
        await alice.ask(session, "system_message", gone)
        await kernel.join(session, **head)
        assert kernel.view() == "public"
        assert "seat:mara" not in json.dumps(kernel.state())
        assert kernel.view_hash() == view_hash(session.live.room.state, "public")
