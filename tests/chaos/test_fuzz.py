"""Thousands of frames that are wrong in every way: nobody else notices (SPEC R89).

Law: the neighbours are well behaved, in the same session, on the same server. None of their sockets ends; the
server lives and says nothing of its inside; what changed is what was acknowledged.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import partial
from statistics import quantiles
from typing import Any

import pytest
from chaos.conftest import PEOPLE, Chaos
from chaos.crew import aboard
from chaos.fuzz import Fuzz
from chaos.oracle import check_answers, check_log, check_readers, read_story
from chaos.server import BrokenServer
from server.wire import Message, Wire, connect, create
from websockets.exceptions import ConnectionClosed

pytestmark = [pytest.mark.process, pytest.mark.timeout(1200)]

FRAME_BYTES = 262_144
LOT = 60
"""Frames that are sent before the answers are waited for: fewer than may wait, or make an abuse."""
BY_RIGHT = frozenset({4006, 4503, 4508, 4509, 1002, 1003, 1007, 1009})
"""Codes with which a server may close the fuzzer's socket."""
INSIDE = re.compile(
    r"Traceback|\.py\b|, line \d|\bobject at 0x|\b\w+(?:Error|Exception)\b|pydantic|sqlite|/site-packages"
)
"""What no answer may say."""


class Fuzzer:
    """Sends lots of frames, on as many sockets as it takes."""

    def __init__(self, server: BrokenServer, fuzz: Fuzz, sessions: list[str]) -> None:
        self.server, self.fuzz, self.sessions = server, fuzz, sessions
        self.sent = 0
        self.answers: Counter[str] = Counter()
        self.closes: Counter[int] = Counter()
        self.acknowledged: set[str] = set()
        self.leaks: list[str] = []

    async def run(self, frames: int) -> None:
        while self.sent < frames:
            async with connect(self.server, "fuzzer", "fz") as wire:
                try:
                    while self.sent < frames:
                        for session in self.sessions:  # it may have left, or been put out by itself
                            await wire.send("join_session", session, {}, id="fz:join")
                        for _ in range(LOT):
                            self.sent += 1
                            await wire.socket.send(self.fuzz.frame())
                        await wire.alive()
                        self._hear(wire)
                    await self._answered(wire)
                except (ConnectionClosed, AssertionError):
                    self.closes[await wire.closed()] += 1
                self._hear(wire)

    async def _answered(self, wire: Wire) -> None:
        """Return when every command was answered: a join is decided after what was sent before it."""
        for n, session in enumerate(self.sessions):
            id, code = f"fz:end{n}", "rate"
            while code == "rate":
                await wire.send("join_session", session, {}, id=id)
                code = (await wire.expect(partial(_is, id)))["data"].get("code")

    def _hear(self, wire: Wire) -> None:
        for message in wire._untaken:
            data: dict[str, Any] = message["data"]
            kind = str(data.get("kind"))
            self.answers[str(data.get("code", kind))] += 1
            if message["id"] is not None and (kind == "ack" or message["type"] == "state_sync"):
                self.acknowledged.add(message["id"])
            if kind == "error" and INSIDE.search(str(data)):
                self.leaks.append(str(data))
            for result in data.get("results", ()):
                if result["data"]["kind"] == "ack":
                    self.acknowledged.add(result["id"])
        wire._untaken.clear()
        wire.raw.clear()


def _is(id: str, message: Message) -> bool:
    return bool(message["id"] == id)


@pytest.mark.asyncio
async def test_frames_that_are_wrong(
    lasting: BrokenServer, chaos: Chaos, figure: Callable[[str], None]
) -> None:
    owned: list[str] = []
    rounds = 10 if chaos.is_long else 1
    async with aboard([lasting], PEOPLE, chaos.seed) as (session, crew):
        sessions = [session]
        fuzzer = Fuzzer(lasting, Fuzz(chaos.rng, sessions, FRAME_BYTES), sessions)
        crew.start(1)
        for n in range(rounds):  # each with a session that the fuzzer owns, and may ruin
            sessions[1:] = [await create(lasting, "fuzzer")]
            owned.append(sessions[1])
            await fuzzer.run((n + 1) * (5_000 if chaos.is_long else 3_000))
        await crew.more(20)
        await crew.stop()
        ends = [client._connection.last_problem for client in crew.clients.values()]
        assert crew.lost == 0, f"no neighbour's socket ended: {ends}, {lasting.log}"
        story = await check_readers(lasting.store_url, session, crew)
        check_answers(story, crew)
        ours = {id.rpartition(":")[0] for id in fuzzer.fuzz.ids} | crew.ours
        for log in (story, *[await read_story(lasting.store_url, own) for own in owned]):
            check_log(log, ours)
            unheard = {e.id for e in log.events if e.user_id == "fuzzer" and e.id} - fuzzer.acknowledged
            assert len(unheard) <= LOT * fuzzer.closes.total(), f"done and never acknowledged: {unheard}"
        assert fuzzer.leaks == []
        assert fuzzer.answers["internal"] == 0
        assert "event=failed" not in lasting.log, lasting.log
        assert fuzzer.closes.keys() <= BY_RIGHT, fuzzer.closes
        waits = quantiles(crew.waits, n=100)
        said, closes = dict(fuzzer.answers.most_common(12)), dict(fuzzer.closes)
        figure(
            f"{fuzzer.sent} frames, answers {said}, closes {closes}; "
            f"neighbours: {crew.acknowledged} acknowledged, p50 {waits[49] * 1000:.0f} ms, "
            f"p99 {waits[98] * 1000:.0f} ms"
        )
