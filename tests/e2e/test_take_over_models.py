"""A host that pays for a model dies in the middle of a turn: whoever takes over pays for nothing twice."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from e2e.test_take_over import TRAITS, kernel, rules
from kernel.live import brain_at
from kernel.modelling import Asked, Script
from kernel.provider import COUNTED, Provider
from pydantic_ai.messages import ModelResponse

from novel_jupyter.demo import all_events
from novel_jupyter.kernel.access import PersonLogin
from novel_jupyter.kernel.client import Client
from novel_jupyter.testing import ServerProcess

pytestmark = [pytest.mark.process, pytest.mark.timeout(120), pytest.mark.asyncio]

PEOPLE = 4


class Stalls(Script):
    """Answers everything but one question, until its asker is gone."""

    def __init__(self, at: str) -> None:
        super().__init__()
        self.at = at
        self.stalled = asyncio.Event()

    async def _stall(self) -> None:
        if not self.stalled.is_set():
            self.stalled.set()
            await asyncio.Event().wait()

    async def choose(self, asked: Asked) -> ModelResponse:
        if self.at == asked.who:
            await self._stall()
        return await super().choose(asked)

    async def tell(self, asked: Asked) -> AsyncIterator[str]:
        event = asked.data["events"][0]
        yield f"[{event['id']}] {event['what']}\n"
        if self.at == "telling":
            await self._stall()
        for event in asked.data["events"][1:]:
            yield f"[{event['id']}] {event['what']}\n"


@pytest.mark.parametrize("at", ["Tomas", "telling"])
async def test_what_was_answered_is_never_asked_again(at: str, tmp_path: Path) -> None:
    """R47, R48: the first host is killed while one question is open. Its successor asks that one alone, and
    the bill of the turn has what both paid.
    """
    script, before = Stalls(at), PEOPLE if at == "Tomas" else PEOPLE + 1
    decided: set[str] = set()
    known = asyncio.Event()

    def hear(frame: Mapping[str, Any]) -> None:
        # A host sends its record first: when this is heard, the server has the answer.
        if "has decided" in frame["data"]["text"]:
            decided.add(frame["data"]["agent"])
        if len(decided) == before:
            known.set()

    server = ServerProcess(tmp_path, ["alice"], TRAITS)
    await asyncio.to_thread(server.start)
    try:
        async with (
            Provider.of(script) as provider,
            Client(PersonLogin(server.url, server.token_of("alice"))) as client,
            kernel(server) as (first_id, first),
            kernel(server) as (second_id, second),
        ):
            session = str((await client.create_session("lighthouse", seed="1"))["session_id"])
            alice = await client.join(session)
            for id in (first_id, second_id):
                await alice.admit_host(f"kernel:{id}")
            opening = f"import os, novel_jupyter as nj\n{brain_at(provider)}"
            opening += f"story = await nj.join({session!r}, model=brain)\nprint(os.getpid())"
            pid = int(await first.run(opening))
            await alice.wait_for(lambda s: rules(alice, "host")["holder"] == f"kernel:{first_id}", 20)
            await second.run(opening)
            alice.on("progress", hear)
            await alice.direct("lock")
            await asyncio.wait_for(script.stalled.wait(), 30)
            await asyncio.wait_for(known.wait(), 30)
            os.kill(pid, signal.SIGKILL)
            await asyncio.wait_for(provider.hung_up.wait(), 30)
            await alice.wait_for(lambda s: rules(alice, "turn")["number"] == 2, 60)
            events = await all_events(client, session)
            spent = rules(alice, "session")["spent"]
    finally:
        await asyncio.to_thread(server.stop)
    asked = Counter(each.prompt for each in script.asked)
    assert len(asked) == PEOPLE + 2
    twice = [each for each in script.asked if asked[each.prompt] > 1]
    assert len(twice) == 2
    assert all(("events" in each.data) if at == "telling" else (each.who == at) for each in twice)
    made = {event["data"]["kind"]: event["data"]["made_by"] for event in events if "made_by" in event["data"]}
    agents = {**made["resolved"]["agents"], **made["turn"]["agents"]}
    assert not made["resolved"]["fallback"]
    assert not made["turn"]["fallback"]
    assert [line["tokens_out"] for line in agents.values()] == [COUNTED["completion_tokens"]] * (PEOPLE + 2)
    assert spent["tokens_out"] == (PEOPLE + 2) * COUNTED["completion_tokens"]
    resolved = next(event for event in events if event["data"]["kind"] == "resolved")
    assert resolved["user_id"] == f"kernel:{second_id if at == 'Tomas' else first_id}"
