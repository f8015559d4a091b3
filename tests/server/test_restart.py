"""A server that ends, politely or not, and comes back: nothing acknowledged is lost, and time goes on.

Law: the process is really ended, in the middle of commands; what counts is what the log says afterwards.
Parts: SIGTERM, SIGKILL, what waited for time to pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from server.wire import Message, Wire, connect, create, rest
from websockets.exceptions import ConnectionClosed

from novel_jupyter.testing import ServerProcess

pytestmark = [pytest.mark.process]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    traits = {
        "presence_grace": 0.2,
        "commands_per_second": 5000,
        "commands_burst": 5000,
        "max_in_flight": 500,
    }
    named = {f"NovelApp.{name}": value for name, value in traits.items()}
    with ServerProcess(tmp_path, ("alice", "bob"), named) as found:
        yield found


async def _talk(wire: Wire, session: str, end: asyncio.Event) -> dict[str, Message]:
    """Say things until the connection ends; what was acknowledged, by id. `end` is set with the hundredth."""
    acks: dict[str, Message] = {}

    async def listen() -> None:
        while True:
            message = await wire.expect(lambda m: m["id"] and m["data"]["kind"] in ("ack", "error"))
            assert message["data"]["kind"] == "ack" or message["data"]["code"] == "unavailable"
            if message["data"]["kind"] == "ack":
                acks[message["id"]] = message
            if len(acks) == 100:
                end.set()

    async def speak() -> None:
        for n in range(20_000):
            id = wire.next_id()
            await wire.send("story_update", session, {"kind": "chat", "text": f"{id} {n}"}, id=id)
            if n % 50 == 0:
                await wire.alive()

    both = [asyncio.create_task(listen()), asyncio.create_task(speak())]
    try:
        await asyncio.wait(both, return_when=asyncio.ALL_COMPLETED)
    finally:
        for task in both:
            task.cancel()
            if (error := task.exception()) is not None:
                assert isinstance(error, AssertionError | ConnectionClosed), error
    end.set()
    return acks


async def _log(server: ServerProcess, session: str) -> list[Message]:
    events: list[Message] = []
    async with rest(server, "alice") as http:
        while True:
            after = events[-1]["sequence_id"] if events else 0
            answer = await http.get(f"sessions/{session}/events", params={"after": after, "limit": 500})
            if not (page := answer.json()["events"]):
                return events
            events += page


async def _ends_and_comes_back(server: ServerProcess, kill: bool) -> None:
    session = await create(server)
    async with connect(server, "alice") as alice, connect(server, "bob", "b1") as bob:
        await alice.join(session)
        await bob.join(session)
        enough = asyncio.Event()
        talking = asyncio.create_task(_talk(alice, session, enough))
        await enough.wait()
        await asyncio.to_thread(server.kill if kill else server.stop)
        acks = await talking
        assert len(acks) >= 100
        assert await bob.closed() == await alice.closed() == (1006 if kill else 4001)
        drains = bob.seen(lambda m: m["data"]["kind"] == "drain")
        assert [m["data"] for m in drains] == ([] if kill else [{"kind": "drain", "reconnect_after": 1.0}])
        replica = bob.sessions[session]
        events = {e["sequence_id"]: e for e in replica.events}
    await asyncio.to_thread(server.start)
    log = await _log(server, session)
    assert [event["sequence_id"] for event in log] == list(range(1, len(log) + 1))
    said = [event["id"] for event in log if event["data"]["kind"] == "chat"]
    assert len(said) == len(set(said))
    for id, ack in acks.items():
        assert log[ack["sequence_id"] - 1]["id"] == id
    # What was shown was committed, the same to the byte.
    for number, event in events.items():
        assert log[number - 1] == event
    # The old client goes on where it was, and what it sends again is not done twice.
    async with connect(server, "alice") as alice, connect(server, "bob", "b1") as bob:
        bob.sessions[session] = replica
        answer = await bob.join(session, **replica.head)
        assert answer["kind"] in ("up_to_date", "delta", "full_sync")
        answer = await alice.join(session)
        kept = {entry["id"]: entry for entry in answer["results"]}
        assert all(kept[id]["sequence_id"] == ack["sequence_id"] for id, ack in acks.items())
        id, first = next(iter(acks.items()))
        again = await alice.ask("story_update", session, {"kind": "chat", "text": f"{id} 0"}, id=id)
        assert (again["kind"], again["sequence_id"]) == ("ack", first["sequence_id"])
        last = await alice.chat(session, "we are back")
        await bob.reach(session, last["sequence_id"])
        assert last["sequence_id"] == replica.sequence_id
        assert replica.gaps == []
        async with rest(server, "bob") as http:
            state = (await http.get(f"sessions/{session}/state")).json()
        assert state["hash"] == alice.sessions[session].state_hash() == replica.state_hash()


@pytest.mark.asyncio
async def test_a_server_that_is_asked_to_stop_drains(server: ServerProcess) -> None:
    """Everybody is told, what was taken is finished, 4001; nothing acknowledged is lost."""
    await _ends_and_comes_back(server, kill=False)


@pytest.mark.asyncio
async def test_a_server_that_is_killed_has_kept_what_it_acknowledged(server: ServerProcess) -> None:
    """R2."""
    await _ends_and_comes_back(server, kill=True)


@pytest.mark.asyncio
async def test_deadlines_and_understudies_outlive_their_server(server: ServerProcess) -> None:
    """R22, R36: both are state, so the next process fires them; each once."""
    settings = {"collect_timeout": 0.2, "understudy_after": 0.2}
    session = await create(server, settings=settings)
    async with connect(server, "alice") as alice, connect(server, "bob", "b1") as bob:
        await alice.join(session)
        await bob.join(session)
        await alice.rule(session, "set_settings", collect_timeout=86400.0)
        await bob.act(session, "claim", character="tomas")
        await alice.act(session, "propose", character="mara", action={"kind": "wait"})
        assert alice.sessions[session].state["turn"]["deadline"]
        # Half a second is over when the server is back, so this is set as late as can be.
        await alice.rule(session, "set_settings", collect_timeout=0.2)
        await alice.act(session, "withdraw", character="mara")
        ack = await alice.act(session, "propose", character="mara", action={"kind": "wait"})
        assert ack["kind"] == "ack"
        await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    async with connect(server, "alice", "a2") as alice:
        await alice.join(session)
        await alice.until(lambda: alice.sessions[session].state["turn"]["phase"] == "locked")
        await alice.until(lambda: "away_until" in alice.sessions[session].state["seats"]["tomas"])
        log = await _log(server, session)
        locked = [event["data"] for event in log if event["data"]["kind"] == "locked"]
        assert [data["why"] for data in locked] == ["deadline"]
        # In mid-turn nobody takes over; between turns the understudy does.
        await alice.rule(session, "set_settings", collect_timeout=0.0)
        await alice.act(session, "cancel")
        await alice.until(lambda: alice.sessions[session].state["seats"]["tomas"]["understudy"])
        async with connect(server, "bob", "b2") as bob:
            await bob.join(session)
            await alice.until(lambda: not alice.sessions[session].state["seats"]["tomas"]["understudy"])
        log = await _log(server, session)
        kinds = [e["data"]["kind"] for e in log if e["data"].get("character") == "tomas"]
        assert kinds[:4] == ["claimed", "away", "understudy", "back"]
