"""A host dies in the middle of a turn; another kernel finishes it once; late words are refused."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from novel_jupyter.demo import all_events
from novel_jupyter.kernel.access import PersonLogin
from novel_jupyter.kernel.client import Client
from novel_jupyter.kernel.handle import SessionHandle
from novel_jupyter.kernel_cell import Cell, shut_down_kernel, start_kernel
from novel_jupyter.testing import ServerProcess

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

TRAITS = {"NovelApp.lease_timeout": 0.5, "NovelApp.ping_interval": 0.3, "NovelApp.pong_timeout": 1.0}
STUCK = """
import asyncio, os
import novel_jupyter as nj
from novel_jupyter.story.director import DirectorAgent

class Stuck(DirectorAgent):
    async def run_turn(self, turn, progress=lambda agent, text: None):
        progress("Director", "is stuck")
        await asyncio.sleep(3600)

story = await nj.join({session!r}, director=Stuck())
print(os.getpid())
"""
WELL = "import novel_jupyter as nj\nstory = await nj.join({session!r})"


def rules(handle: SessionHandle, part: str) -> dict[str, Any]:
    return cast(dict[str, Any], handle.state[part])


@asynccontextmanager
async def kernel(server: ServerProcess) -> AsyncIterator[tuple[str, Cell]]:
    kernel_id = await start_kernel(server.url, server.admin_token)
    try:
        async with Cell(server.url, server.admin_token, kernel_id) as cell:
            yield kernel_id, cell
    finally:
        await shut_down_kernel(server.url, server.admin_token, kernel_id)


@pytest.mark.asyncio
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_another_kernel_completes_the_turn_once(tmp_path: Path, how: signal.Signals) -> None:
    """R40, R51, R52: the turn is resolved by the successor, once; the first host's late result is refused."""
    server = ServerProcess(tmp_path, ["alice"], TRAITS)
    await asyncio.to_thread(server.start)
    try:
        async with (
            Client(PersonLogin(server.url, server.token_of("alice"))) as client,
            kernel(server) as (first_id, first),
            kernel(server) as (second_id, second),
        ):
            session = str((await client.create_session("lighthouse", seed="1"))["session_id"])
            alice = await client.join(session)
            await alice.admit_host(f"kernel:{first_id}")
            await alice.admit_host(f"kernel:{second_id}")
            pid = int(await first.run(STUCK.format(session=session)))
            await alice.wait_for(lambda s: rules(alice, "host")["holder"] == f"kernel:{first_id}", 20)
            stale_token = rules(alice, "host")["token"]
            await second.run(WELL.format(session=session))

            stuck = asyncio.Event()
            alice.on("progress", lambda frame: stuck.set())
            await alice.direct("lock")
            await asyncio.wait_for(stuck.wait(), 20)
            assert rules(alice, "turn")["phase"] == "resolving"
            os.kill(pid, how)

            await alice.wait_for(lambda s: rules(alice, "host")["holder"] == f"kernel:{second_id}", 30)
            await alice.wait_for(lambda s: rules(alice, "turn")["number"] == 2, 30)
            head = alice.sequence_id
            if how is signal.SIGSTOP:
                os.kill(pid, signal.SIGCONT)
                late = LATE.format(token=stale_token)
                answer = await first.run(late)
                assert answer.split() == ["stale_lease", "stale_lease"]
            events = await all_events(client, session)
            kinds = Counter(event["data"]["kind"] for event in events)
            assert (kinds["locked"], kinds["resolved"], kinds["turn"]) == (1, 1, 1)
            assert kinds["lease_lost"] >= 1
            by_kind = {event["data"]["kind"]: event for event in events}
            authors = {by_kind["resolved"]["user_id"], by_kind["turn"]["user_id"]}
            assert authors == {f"kernel:{second_id}"}
            assert [event["sequence_id"] for event in events] == list(range(1, len(events) + 1))
            # What came late moved nothing: presence aside, the log stands where the turn left it.
            assert all(event["data"]["kind"] not in ("resolved", "turn") for event in events[head:])
    finally:
        await asyncio.to_thread(server.stop)


LATE = """
from novel_jupyter.kernel.errors import CommandRefused
made_by = {{"engine": "late", "model": None, "fallback": False, "agents": {{}}}}
result = {{
    "kind": "turn_result", "turn": 1, "attempt": 1, "token": {token}, "base": 1, "turn_complete": True,
    "outcomes": [], "changes": [], "made_by": made_by,
}}
for id in ("host:1.1:1", "host:1.1.late:1"):
    try:
        print(await story.handle.command("agent_action", result, id))
    except CommandRefused as refused:
        print(refused.code)
"""
