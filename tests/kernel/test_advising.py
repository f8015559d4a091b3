"""What a player's character would do: asked over the wire, answered by the host, to that player alone.

Law: rules, story and agents are the real ones; an agent that must not answer yet waits on an event of the
test.
Parts: who is told what, what an agent is given, faults, what a model costs.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from kernel.hosting import SECONDS, hosting, reached, story_of
from kernel.local import LocalServer, kernel, person
from kernel.modelling import Script

from novel_jupyter.core.advice import PER_TURN
from novel_jupyter.kernel.advising import Suggestion
from novel_jupyter.kernel.asking import suggest
from novel_jupyter.kernel.billing import Billing
from novel_jupyter.kernel.errors import CommandRefused, TurnEnded
from novel_jupyter.kernel.handle import SessionHandle
from novel_jupyter.kernel.host import AgentHost
from novel_jupyter.kernel.models.account import Caps
from novel_jupyter.story.actions import dump_action, parse_action
from novel_jupyter.story.brain import Decision, PersonaView
from novel_jupyter.story.persona import PersonaAgent
from novel_jupyter.story.turn import Usage

pytestmark = pytest.mark.asyncio


async def playing(**agents: Any) -> tuple[LocalServer, SessionHandle, AgentHost]:
    """Ana plays mara, and a kernel hosts."""
    server = LocalServer(person("ana"))
    ana = await server.join(person("ana"))
    await ana.admit_host("kernel:k1")
    host = await hosting(server, server.line(kernel()), **agents)
    await ana.claim("mara")
    return server, ana, host


class Held(PersonaAgent):
    """Decides when the test says so."""

    def __init__(self, character: str) -> None:
        super().__init__(character)
        self.began, self.go, self.cancelled = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def decide(self, view: PersonaView) -> Decision:
        self.began.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return await super().decide(view)


# --- who is told what


async def test_a_player_is_told_what_her_character_would_do_and_nobody_else_is() -> None:
    server, ana, host = await playing()
    line = server.line(person("ben"))
    ben = await line.join()
    heard: list[Any] = []
    ben.on("event", heard.append)
    ben.on("progress", heard.append)
    found = await suggest(ana, "mara", SECONDS)
    assert found.character == "mara"
    assert found.action is not None
    assert dump_action(parse_action(found.action)) == found.action
    assert found.why
    assert found.agent is None
    assert found.words
    assert str(found).startswith(f"mara: {found.words} (")
    await ben.claim("ines")
    await ben.wait_for(lambda _: ben.sequence_id == ana.sequence_id, SECONDS)
    assert "seat:mara" not in ben.state
    assert json.dumps(list(found.why)) not in json.dumps([heard, dict(ben.state)])
    assert "advised" not in json.dumps(heard)
    # It is only a suggestion.
    turn: Any = ana.state["turn"]
    assert turn["proposals"] == {}
    await ana.propose("mara", found.action)
    await host.stop()


async def test_a_suggestion_is_asked_for_ones_own_character_and_only_so_often() -> None:
    server, ana, _ = await playing()
    ben = await server.join(person("ben"))
    with pytest.raises(CommandRefused, match="not_your_seat"):
        await suggest(ben, "mara", SECONDS)
    with pytest.raises(CommandRefused, match="unknown_character"):
        await suggest(ana, "nobody", SECONDS)
    for _ in range(PER_TURN):
        await suggest(ana, "mara", SECONDS)
    with pytest.raises(CommandRefused, match="too_many"):
        await suggest(ana, "mara", SECONDS)
    await ana.direct("lock")
    await reached(ana, "collect", 2)
    assert (await suggest(ana, "mara", SECONDS)).action is not None


async def test_the_kernel_that_hosts_asks_its_own_agents_and_leaves_no_trace() -> None:
    server = LocalServer(kernel())
    story = await story_of(server)
    before = len(server.events)
    found = await story.suggest("ines")
    assert found.action is not None
    assert await story.suggest("ines") == found
    with pytest.raises(KeyError, match="'nobody' does not act; there are corwin, ines, mara, tomas"):
        await story.suggest("nobody")
    assert len(server.events) == before
    await story.act("ines", found.action)
    await story.close()


async def test_a_kernel_that_does_not_host_is_told_nothing() -> None:
    server, ana, host = await playing()
    other = await story_of(server, "k9")
    with pytest.raises(CommandRefused, match="forbidden"):
        await other.suggest("mara")
    await host.stop()
    await ana.wait_for(lambda s: s["host"]["holder"] is None, SECONDS)  # type: ignore[index,call-overload]
    with pytest.raises(TurnEnded, match="no kernel hosts"):
        await suggest(ana, "mara", SECONDS)
    await other.close()


async def test_a_successor_answers_what_its_predecessor_did_not() -> None:
    held = Held("mara")
    server, ana, host = await playing(personas={"mara": held})
    await ana.admit_host("kernel:k2")
    asking = asyncio.create_task(suggest(ana, "mara", SECONDS))
    await asyncio.wait_for(held.began.wait(), SECONDS)
    await host.stop()
    assert held.cancelled.is_set()
    await hosting(server, server.line(kernel("k2")))
    assert (await asking).action is not None


# --- what an agent is given


async def test_an_agent_advises_from_what_the_players_own_screen_has() -> None:
    views: list[PersonaView] = []

    class Watching(PersonaAgent):
        async def decide(self, view: PersonaView) -> Decision:
            views.append(view)
            return await super().decide(view)

    server, ana, _ = await playing(personas={"mara": Watching("mara")})
    found = await suggest(ana, "mara", SECONDS)
    (view,) = views
    mine: Any = ana.state["seat:mara"]
    assert view.beliefs == mine["beliefs"]
    assert found.agent == "Watching"
    secret: Any = server.room.state["director"]
    hidden = [fact["text"] for fact in secret["facts"].values() if not fact["public"]]
    unknown = [text for text in hidden if text not in json.dumps(mine["beliefs"], ensure_ascii=False)]
    assert unknown
    assert not [text for text in unknown if text in repr(view)]


async def test_advice_throws_none_of_the_dice_of_the_turn() -> None:
    async def played(asking: bool) -> list[Any]:
        server, ana, _ = await playing()
        if asking:
            await suggest(ana, "mara", SECONDS)
        await ana.direct("lock")
        await reached(ana, "collect", 2)
        resolved: Any = [event.data for event in server.events if event.data["kind"] == "resolved"]
        return [(o["character"], o["action"], o["outcome"]) for o in resolved[0]["outcomes"]]

    assert await played(True) == await played(False)


# --- faults


async def test_an_agent_that_fails_is_no_advice_and_what_it_says_stays_here() -> None:
    class Broken(PersonaAgent):
        async def decide(self, view: PersonaView) -> Decision:
            raise ValueError("sk-secret")

    server, ana, host = await playing(personas={"mara": Broken("mara")})
    found = await suggest(ana, "mara", SECONDS)
    assert found == Suggestion("mara", None)
    assert str(found) == "mara: nobody could say"
    assert isinstance(host.last_error, ValueError)
    assert b"sk-secret" not in b"".join(event.body for event in server.events)
    del host.agents.personas["mara"]
    assert (await suggest(ana, "mara", SECONDS)).action is not None


async def test_a_turn_does_not_wait_for_advice() -> None:
    held = Held("mara")
    server, ana, host = await playing(personas={"mara": held})
    asking = asyncio.create_task(suggest(ana, "mara", SECONDS))
    await asyncio.wait_for(held.began.wait(), SECONDS)
    del host.agents.personas["mara"]
    await ana.direct("lock")
    with pytest.raises(TurnEnded, match="turn 1 went on before"):
        await asking
    await asyncio.wait_for(held.cancelled.wait(), SECONDS)
    await reached(ana, "collect", 2)
    assert [event.data["kind"] for event in server.events].count("advised") == 1


# --- what a model costs


async def test_what_was_spent_on_advice_is_added_to_the_session() -> None:
    class Dear(PersonaAgent):
        """Spends as a model's brain does: on the account that is open."""

        async def decide(self, view: PersonaView) -> Decision:
            from novel_jupyter.kernel.models.account import current
            from novel_jupyter.kernel.models.exchange import Question

            account = current()
            assert account is not None
            account.pay(Question("Mara", "decide", "m", "", "", ("a1",)), Usage(30, 5, 0.5))
            return await super().decide(view)

    server, ana, host = await playing(personas={"mara": Dear("mara")})
    await suggest(ana, "mara", SECONDS)
    assert host.billing.spent == Usage(30, 5, 0.5)
    sealed: Any = server.room.state["sealed"]
    assert sealed["spent"] == {"tokens_in": 30, "tokens_out": 5, "cost": 0.5}
    await suggest(ana, "mara", SECONDS)
    assert host.billing.spent == Usage(60, 10, 1.0)
    assert sealed is not server.room.state["sealed"]


async def test_a_model_advises_under_the_same_caps_as_it_plays() -> None:
    script = Script()
    server, ana, host = await playing(brain=script.brain())
    found = await suggest(ana, "mara", SECONDS)
    (asked,) = script.asked
    assert asked.who == "Mara"
    assert found.why == ("It seemed best.",)
    spent = host.billing.spent
    assert spent.tokens_out > 0
    assert spent.cost > 0
    sealed: Any = server.room.state["sealed"]
    assert sealed["spent"] == spent.to_json()
    # Nothing is left: the offline rules answer, and nothing more is spent.
    host.billing.caps = Caps(session_tokens=spent.tokens_in + spent.tokens_out)
    offline = await suggest(ana, "mara", SECONDS)
    assert offline.action is not None
    assert offline.why[-1] == "the limit for tokens or cost is reached: the offline rules stand in"
    assert len(script.asked) == 1
    assert host.billing.spent == spent


async def test_accounts_that_are_open_at_once_lose_nothing() -> None:
    server = LocalServer(kernel())
    handle = await server.join(kernel())
    billing = Billing(handle)
    from novel_jupyter.kernel.models.exchange import Question

    question = Question("Mara", "decide", "m", "", "", ("a1",))
    with billing.of_advice() as one:
        with billing.of_advice() as other:
            other.pay(question, Usage(1, 2, 0.25))
        one.pay(question, Usage(10, 20, 0.5))
    assert billing.spent == Usage(11, 22, 0.75)
