"""The host with the real agents and the real rules: leases, turns, cancels, faults, take-overs.

Law: agents that a test holds back wait on events of the test; nothing sleeps.
Parts: the lease, a turn, cancelling, faults.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from kernel.hosting import SECONDS, HeldDirector, hosting, phase, reached
from kernel.local import LocalServer, kernel, person
from pydantic import JsonValue

from novel_jupyter.kernel.errors import CommandRefused
from novel_jupyter.kernel.host import AgentHost
from novel_jupyter.story.brain import BrainError, Decision, PersonaView
from novel_jupyter.story.chronicler import ChroniclerAgent
from novel_jupyter.story.director import DirectorAgent
from novel_jupyter.story.persona import PersonaAgent
from novel_jupyter.story.session import Session
from novel_jupyter.story.turn import ActionResult, Sentence, TurnInput, TurnOutcome, TurnRecord

pytestmark = pytest.mark.asyncio


# --- the lease


async def test_an_admitted_kernel_takes_the_lease_and_gives_it_back() -> None:
    server = LocalServer(kernel())
    host = await hosting(server, server.line(kernel()))
    await host.stop()
    assert server.kinds()[-2:] == ["lease_granted", "lease_lost"]


async def test_a_kernel_waits_until_it_is_admitted() -> None:
    server = LocalServer(person("ana"))
    ana = await server.join(person("ana"))
    line = server.line(kernel())
    handle = await line.join()
    host = AgentHost(handle, "kernel:k1").start()
    assert handle.replica.view == "public"
    await ana.admit_host("kernel:k1")
    await handle.wait_for(lambda s: host.is_hosting, SECONDS)
    assert handle.replica.view == "all"
    assert [frame["data"]["kind"] for frame in line.sent if "kind" in frame["data"]] == ["request_lease"]


async def test_a_second_kernel_stands_by() -> None:
    server = LocalServer(person("ana"))
    ana = await server.join(person("ana"))
    for name in ("kernel:k1", "kernel:k2"):
        await ana.admit_host(name)
    first = await hosting(server, server.line(kernel("k1")))
    line = server.line(kernel("k2"))
    second = AgentHost(await line.join(), "kernel:k2").start()
    await ana.chat("hello")
    assert not second.is_hosting
    assert line.commits("request_lease") == []
    await first.stop()
    await second.handle.wait_for(lambda s: second.is_hosting, SECONDS)


# --- a turn


async def test_a_round_is_resolved_streamed_and_told_once() -> None:
    server = LocalServer(person("ana"))
    ana = await server.join(person("ana"))
    await ana.admit_host("kernel:k1")
    line = server.line(kernel())
    host = await hosting(server, line)
    chunks: list[str] = []
    doing: set[str] = set()
    ana.on("narration", lambda frame: chunks.append(frame["data"]["text"]))
    ana.on("progress", lambda frame: doing.add(frame["data"]["agent"]))
    await ana.propose("mara", {"kind": "wait"})
    await ana.ready("mara")
    await reached(ana, "collect", 2)
    assert "chronicle" not in ana.state
    mine: Any = ana.state["seat:mara"]
    told: Any = next(iter(mine["chronicle"].values()))
    assert told["narrative"] == "".join(chunks)
    assert {"Director", "Chronicler", "Ines"} <= doing
    kinds = server.kinds()
    assert [kinds.count(kind) for kind in ("locked", "resolved", "turn")] == [1, 1, 1]
    assert [frame["id"] for frame in line.commits("turn_result")] == ["host:1.1:1"]
    assert [frame["id"] for frame in line.commits("narrative")] == ["host:1.1:2"]
    assert ana.replica.provisional is None
    assert host.last_error is None


async def test_the_cells_stay_free_while_a_turn_runs() -> None:
    server = LocalServer(kernel())
    director = HeldDirector()
    host = await hosting(server, server.line(kernel()), director=director)
    await host.handle.direct("lock")
    await asyncio.wait_for(director.began.wait(), SECONDS)
    await host.handle.chat("still here")
    await host.handle.edit([{"op": "replace", "path": "/notes/scene", "value": "remember the lamp"}])
    assert phase(host.handle) == "resolving"
    director.go.set()
    await reached(host.handle, "collect", 2)
    assert host.handle.state["notes"] == {"scene": "remember the lamp"}


async def test_the_agents_see_at_least_the_state_that_was_locked() -> None:
    """The request overtakes the events that it speaks of."""
    server = LocalServer(kernel())
    director = HeldDirector()
    director.go.set()
    host = await hosting(server, server.line(kernel()), director=director)
    await host.handle.direct("lock")
    await reached(host.handle, "collect", 2)
    (turn,) = director.turns
    seen: Any = turn.state["turn"]
    assert seen["phase"] == "resolving"


async def test_another_director_takes_over_with_the_next_turn() -> None:
    server = LocalServer(kernel())
    first, second = HeldDirector(), HeldDirector()
    host = await hosting(server, server.line(kernel()), director=first)
    await host.handle.direct("lock")
    await asyncio.wait_for(first.began.wait(), SECONDS)
    host.director = second
    first.go.set()
    second.go.set()
    await reached(host.handle, "collect", 2)
    assert second.turns == []
    await host.handle.direct("lock")
    await reached(host.handle, "collect", 3)
    assert (len(first.turns), len(second.turns)) == (1, 1)


async def test_a_persona_of_ones_own_decides() -> None:
    asked: list[str] = []

    class Waiting(PersonaAgent):
        async def decide(self, view: PersonaView) -> Decision:
            asked.append(view.id)
            return await super().decide(view)

    server = LocalServer(kernel())
    host = await hosting(server, server.line(kernel()), personas={"ines": Waiting("ines")})
    await host.handle.direct("lock")
    await reached(host.handle, "collect", 2)
    assert asked == ["ines"]


async def test_immediate_adjudicates_one_action_and_a_refusal_leaves_the_turn_open() -> None:
    asked: list[tuple[str, Any]] = []

    class Watching(DirectorAgent):
        async def process_user_action(
            self, session: Session, user: str, action: Mapping[str, JsonValue]
        ) -> ActionResult:
            asked.append((user, dict(action)))
            return await super().process_user_action(session, user, action)

    server = LocalServer(kernel(), turn_policy="immediate")
    host = await hosting(server, server.line(kernel()), director=Watching())
    ana = await server.join(person("ana"))
    await ana.propose("mara", {"kind": "move", "target": "nowhere"})
    await host.handle.wait_for(
        lambda s: "resolved" in server.kinds() and phase(host.handle) == "collect", SECONDS
    )
    turn: Any = ana.state["turn"]
    assert (turn["number"], asked) == (1, [("ana", {"kind": "move", "target": "nowhere"})])
    await ana.propose("mara", {"kind": "wait"})
    await reached(ana, "collect", 2)
    assert server.kinds().count("turn") == 1


async def test_a_retelling_takes_other_words_and_other_ids() -> None:
    server = LocalServer(kernel())
    line = server.line(kernel())
    host = await hosting(server, line)
    await host.handle.direct("lock")
    await reached(host.handle, "collect", 2)
    for _ in range(2):
        await host.handle.retell()
        await reached(host.handle, "collect", 2)
    ids = [frame["id"] for frame in line.commits("narrative")]
    assert len(set(ids)) == 3
    assert all(id.startswith("host:1.1.r") for id in ids[1:])
    texts = {frame["data"]["text"] for frame in line.commits("narrative")}
    assert len(texts) > 1
    assert server.kinds().count("turn") == 3


async def test_a_story_is_played_to_its_end_and_undone() -> None:
    server = LocalServer(kernel())
    host = await hosting(server, server.line(kernel()))
    for number in range(1, 40):
        await host.handle.direct("lock")
        await host.handle.wait_for(
            lambda s, n=number: phase(host.handle) == "ended" or s["turn"]["number"] > n,  # type: ignore[misc]
            SECONDS,
        )
        if phase(host.handle) == "ended":
            break
    assert phase(host.handle) == "ended"
    await host.handle.undo()
    await reached(host.handle, "collect")
    await host.handle.direct("lock")
    await host.handle.wait_for(lambda s: phase(host.handle) in ("collect", "ended"), SECONDS)
    assert host.last_error is None


# --- cancelling


async def test_cancelling_stops_the_agents_at_once() -> None:
    server = LocalServer(kernel())
    director = HeldDirector()
    line = server.line(kernel())
    host = await hosting(server, line, director=director)
    await host.handle.direct("lock")
    await asyncio.wait_for(director.began.wait(), SECONDS)
    await host.handle.direct("cancel")
    await asyncio.wait_for(director.cancelled.wait(), SECONDS)
    assert phase(host.handle) == "collect"
    assert line.commits("turn_result") == line.commits("turn_failed") == []
    director.go.set()
    await host.handle.direct("lock")
    await reached(host.handle, "collect", 2)
    assert [frame["id"] for frame in line.commits("turn_result")] == ["host:1.2:1"]


async def test_cancelling_a_telling_keeps_the_turn() -> None:
    began = asyncio.Event()
    stopped = asyncio.Event()

    class Slow(ChroniclerAgent):
        async def stream(self, record: TurnRecord) -> AsyncIterator[Sentence]:
            yield Sentence("It begins.", (record.events[0].id,))
            began.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                stopped.set()
                raise

    server = LocalServer(kernel())
    line = server.line(kernel())
    host = await hosting(server, line, chronicler=Slow())
    await host.handle.direct("lock")
    await asyncio.wait_for(began.wait(), SECONDS)
    await host.handle.direct("cancel")
    await asyncio.wait_for(stopped.wait(), SECONDS)
    await reached(host.handle, "collect", 2)
    assert "resolved" in server.kinds()
    assert line.commits("narrative") == []


# --- faults


async def test_a_fault_of_an_agent_is_shown_here_and_told_in_one_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(DirectorAgent):
        async def run_turn(self, turn: TurnInput, *args: Any, **kwargs: Any) -> TurnOutcome:
            raise RuntimeError("the api key sk-123 is wrong")

    server = LocalServer(kernel())
    line = server.line(kernel())
    host = await hosting(server, line, director=Broken())
    with caplog.at_level(logging.ERROR, "novel_jupyter"):
        await host.handle.direct("lock")
        await reached(host.handle, "failed")
    assert "sk-123" not in caplog.text
    assert "RuntimeError at " in caplog.text
    assert "sk-123" not in str(line.sent)
    assert isinstance(host.last_error, RuntimeError)
    (failed,) = line.commits("turn_failed")
    assert (failed["id"], failed["data"]["code"]) == ("host:1.1:1", "agent")
    host.director = DirectorAgent()
    await host.handle.direct("reroll")
    await reached(host.handle, "collect", 2)


@pytest.mark.parametrize(
    ("fault", "code"), [(BrainError("no"), "brain"), (KeyError("x"), "missing"), (TimeoutError(), "timeout")]
)
async def test_a_fault_of_the_chronicler_never_undoes_the_turn(
    caplog: pytest.LogCaptureFixture, fault: Exception, code: str
) -> None:
    class Mute(ChroniclerAgent):
        def stream(self, record: TurnRecord) -> AsyncIterator[Sentence]:
            raise fault

    server = LocalServer(kernel())
    line = server.line(kernel())
    host = await hosting(server, line, chronicler=Mute())
    await host.handle.direct("lock")
    await reached(host.handle, "collect", 2)
    assert server.kinds()[-1] == "narration_failed"
    assert [frame["data"]["code"] for frame in line.commits("narration_failed")] == [code]
    host.chronicler = ChroniclerAgent()
    await host.handle.retell()
    await host.handle.wait_for(
        lambda s: "turn" in server.kinds() and phase(host.handle) == "collect", SECONDS
    )
    assert "Mute" not in caplog.text or host.last_error is fault


async def test_a_result_that_the_rules_do_not_take_fails_the_turn_in_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Cheat(DirectorAgent):
        async def run_turn(self, turn: TurnInput, *args: Any, **kwargs: Any) -> TurnOutcome:
            outcome = await super().run_turn(turn, *args, **kwargs)
            bad = [{"op": "add", "path": "/session/owner", "value": "me"}]
            object.__setattr__(outcome.changes[0], "patch", bad)
            return outcome

    server = LocalServer(kernel())
    line = server.line(kernel())
    host = await hosting(server, line, director=Cheat())
    await host.handle.direct("lock")
    await reached(host.handle, "failed")
    assert isinstance(host.last_error, CommandRefused)
    assert host.last_error.code == "path_forbidden"
    assert [frame["id"] for frame in line.commits("turn_failed")] == ["host:1.1:3"]
