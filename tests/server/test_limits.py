"""Too much of anything gets its code, and who is within the limits is not slowed down (SPEC R3, R73, R89).

Law: what was turned away for being too early is not used up.
Parts: rates, numbers and sizes on a server with small limits; abuse; the window of commands in flight.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from server.wire import connect, create, politely, two

from novel_jupyter.testing import ServerProcess

pytestmark = [pytest.mark.process]


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    traits = {
        "commands_per_second": 5,
        "commands_burst": 6,
        "frames_per_second": 1000,
        "frames_burst": 300,
        "max_sessions_per_connection": 2,
        "max_connections_per_user": 3,
        "max_participants": 3,
        "max_chat_chars": 10,
        "max_state_bytes": 64 * 1024,
    }
    found = ServerProcess(
        tmp_path_factory.mktemp("strict"),
        ("alice", "bob", "carol", "dave"),
        {f"NovelApp.{name}": value for name, value in traits.items()},
    )
    with found:
        yield found


@pytest.mark.asyncio
async def test_too_fast_is_told_when_and_uses_nothing_up(strict: ServerProcess) -> None:
    async with two(strict) as (session, alice, bob):
        ids = [alice.next_id() for _ in range(9)]
        for n, id in enumerate(ids):
            await alice.send("story_update", session, {"kind": "chat", "text": f"t{n}"}, id=id)
        answers = {id: await alice.answer(id) for id in ids}
        refused = {id: m for id, m in answers.items() if m["kind"] == "error"}
        assert refused
        assert {m["code"] for m in refused.values()} == {"rate"}
        assert all(0 < m["retry_after"] <= 1 for m in refused.values())
        # The others are not slowed down, and the refused say it again under the same ids.
        assert (await bob.chat(session, "me"))["kind"] == "ack"
        for n, id in enumerate(ids):
            answer = await politely(alice, session, f"t{n}", id)
            assert answer["kind"] == "ack"
        await bob.reach(session, alice.sessions[session].sequence_id)
        texts = [m["data"]["text"] for m in bob.seen(lambda m: m["data"].get("kind") == "chat")]
        assert sorted(text for text in texts if text != "me") == [f"t{n}" for n in range(9)]


@pytest.mark.asyncio
async def test_limits_of_sessions_connections_people_texts_and_states(strict: ServerProcess) -> None:
    async with two(strict) as (session, _, bob):
        second, third = await create(strict), await create(strict)
        assert (await bob.join(second))["kind"] == "full_sync"
        assert (await bob.join(third))["code"] == "too_many"
        again = await bob.join(session, **bob.sessions[session].head, view="public")
        assert again["kind"] == "up_to_date", "a session that one is in takes no further room"
        await bob.ask("leave_session", second, {})
        assert (await bob.join(third))["kind"] == "full_sync"

        async with (
            connect(strict, "alice", client="a2"),
            connect(strict, "alice", client="a3"),
            connect(strict, "alice", client="a4", welcome=False) as fourth,
        ):
            error = await fourth.expect(lambda m: m["data"]["kind"] == "error")
            assert error["data"]["code"] == "too_many"
            assert await fourth.closed() == 4006

        async with connect(strict, "carol", "k1") as carol, connect(strict, "dave", "d1") as dave:
            assert (await carol.join(session))["kind"] == "full_sync"
            assert (await dave.join(session))["code"] == "session_full"
            assert (await carol.chat(session, "x" * 11))["code"] == "too_large"
            filled = [(await carol.edit(session, f"/notes/n{n}", "x" * 40_000)) for n in range(2)]
            assert [answer.get("code") for answer in filled] == [None, "state_full"]
            assert (await carol.edit(session, "/notes/n0", ""))["kind"] == "ack", "one can make room again"


@pytest.mark.asyncio
async def test_abuse_closes_the_abuser(strict: ServerProcess) -> None:
    """R89: 200 refusals in a row."""
    async with two(strict) as (_, _, _), connect(strict, "bob", client="bad") as bad:
        for _ in range(200):
            await bad.socket.send("{")
        assert await bad.closed() == 4006
        assert len(bad.seen(lambda m: m["data"].get("code") == "bad_json")) == 200


@pytest.mark.asyncio
async def test_a_window_of_commands_in_flight_is_bounded(tmp_path: Path) -> None:
    """What waits for its answer is bounded, and what is turned away is not used up."""
    with ServerProcess(tmp_path, ("alice",), {"NovelApp.max_in_flight": 2}) as narrow:
        session = await create(narrow)
        async with connect(narrow) as alice:
            await alice.join(session)
            ids = [alice.next_id() for _ in range(60)]
            await asyncio.gather(
                *(alice.send("story_update", session, {"kind": "chat", "text": id}, id=id) for id in ids)
            )
            answers = {id: await alice.answer(id) for id in ids}
            codes = {m.get("code") for m in answers.values()}
            assert codes == {None, "in_flight"}
            for id, answer in answers.items():
                if answer["kind"] == "error":
                    assert answer["retry_after"] > 0
                    again = await alice.ask("story_update", session, {"kind": "chat", "text": id}, id=id)
                    assert again["kind"] == "ack"
            said = alice.seen(lambda m: m["data"].get("kind") == "chat")
            assert sorted(m["id"] for m in said) == sorted(ids)
