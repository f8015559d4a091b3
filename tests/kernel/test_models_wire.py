"""Models over the wire: OpenAI's chat completions by real HTTP and server-sent events on loopback.

Law: only loopback; whatever waits, waits for an event.
Parts: whole turns, what goes wrong on the way, hanging up, keys.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from kernel.hosting import SECONDS, hosting, reached
from kernel.local import LocalServer, kernel, person
from kernel.modelling import (
    PRICE,
    Asked,
    Failing,
    Held,
    Illegal,
    Malformed,
    Refusing,
    Script,
    Truncated,
    turn_of,
)
from kernel.provider import COUNTED, Provider, Status
from pydantic_ai import models
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from novel_jupyter.kernel.models.account import Account, opened
from novel_jupyter.kernel.models.brain import ModelBrain
from novel_jupyter.kernel.models.chosen import VARIABLE, brain_of
from novel_jupyter.kernel.models.exchange import Exchange
from novel_jupyter.story.chronicler import ChroniclerAgent
from novel_jupyter.story.director import DirectorAgent
from novel_jupyter.story.turn import Narrative, TurnOutcome

SENTINEL = "sk-sentinel-4f9a1c77e2b84d10"
NAME = "openai-chat:scripted"


@pytest.fixture(autouse=True)
def _loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Requests may be made: the only address that is known is the provider's."""
    monkeypatch.setenv("OPENAI_API_KEY", SENTINEL)
    with models.override_allow_model_requests(True):
        yield


def brain_at(provider: Provider, monkeypatch: pytest.MonkeyPatch, **options: Any) -> ModelBrain:
    monkeypatch.setenv("OPENAI_BASE_URL", provider.url)
    return ModelBrain(NAME, price=PRICE, **options)


async def played(brain: ModelBrain) -> tuple[TurnOutcome, Narrative, Account, dict[str, Exchange]]:
    kept: dict[str, Exchange] = {}
    account = Account(record=kept.__setitem__)
    with opened(account):
        outcome = await DirectorAgent(brain).run_turn(turn_of())
        narrative = await ChroniclerAgent(brain).narrate(outcome.record)
    return outcome, narrative, account, kept


@pytest.mark.asyncio
async def test_a_turn_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """Named by one string; decisions have a closed schema, prose is streamed, and the provider's count is
    what it cost.
    """
    script = Script()
    async with Provider.of(script) as provider:
        _, narrative, account, kept = await played(brain_at(provider, monkeypatch))
    assert account.fallbacks == {}
    assert set(provider.keys) == {SENTINEL}
    calls = len(turn_of().agents) + 2
    assert len(provider.bodies) == len(kept) == calls
    assert account.turn.tokens_in == calls * COUNTED["prompt_tokens"]
    assert account.turn.cost == pytest.approx(calls * (1000 * PRICE[0] + 100 * PRICE[1]) / 1e6)
    *decisions, telling = provider.bodies
    for body in decisions:
        parameters = body["tools"][0]["function"]["parameters"]
        assert parameters["additionalProperties"] is False
        assert parameters["properties"]["choice"].get("enum") or parameters["properties"]["choice"]["const"]
        assert body.get("max_completion_tokens", body.get("max_tokens")) == 2000
    assert telling["stream"]
    assert "tools" not in telling
    assert len(provider.sent) > len(narrative.sentences)


@pytest.mark.asyncio
async def test_a_host_is_configured_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    server = LocalServer(kernel())
    async with Provider.of(Script()) as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", provider.url)
        monkeypatch.setenv(VARIABLE, NAME)
        host = await hosting(server, server.line(kernel()), brain=brain_of())
        await host.handle.direct("lock")
        await reached(host.handle, "collect", 2)
        assert len(provider.bodies) > 2
    told: Any = next(event.data for event in server.events if event.data["kind"] == "turn")
    assert told["made_by"]["model"] == NAME
    assert not told["made_by"]["fallback"]


class Quota(Script):
    status, text = 429, "slow down"

    async def choose(self, asked: Asked) -> ModelResponse:
        raise Status(self.status, self.text)

    async def tell(self, asked: Asked) -> AsyncIterator[str]:
        for _ in asked.prompt:
            raise Status(self.status, self.text)
        yield ""


class Broken(Quota):
    status, text = 500, "no"


class Stranger(Quota):
    status, text = 401, "the key {key} is wrong"


@pytest.mark.parametrize(
    "kind, decided, told, tellings",
    [
        (Illegal, "illegal", "malformed", 2),
        (Malformed, "malformed", "malformed", 2),
        (Truncated, "truncated", "truncated", 1),
        (Refusing, "refused", "malformed", 2),
        (Failing, "failed", "failed", 1),
        (Broken, "failed", "failed", 2),
        (Stranger, "denied", "denied", 1),
    ],
)
@pytest.mark.asyncio
async def test_what_goes_wrong_over_http(
    kind: type[Script], decided: str, told: str, tellings: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One retry where it may help, then the very turn that the offline storyteller plays, labelled."""
    script = kind()
    async with Provider.of(script) as provider:
        outcome, narrative, account, kept = await played(brain_at(provider, monkeypatch))
    offline = await DirectorAgent().run_turn(turn_of())
    assert outcome.events == offline.events
    words = dict(account.fallbacks)
    assert words.pop("Chronicler") == told
    assert set(words.values()) == {decided}
    asked = 1 if decided == "denied" else 2
    assert len(script.asked) == asked * (len(turn_of().agents) + 1) + tellings
    assert outcome.made_by.fallback
    assert narrative.made_by.fallback
    assert {id for sentence in narrative.sentences for id in sentence.events} == {
        event.id for event in offline.record.events if event.beats
    }
    assert all(exchange.problem for exchange in kept.values())


class Thinking(Script):
    """Never decides."""

    async def choose(self, asked: Asked) -> ModelResponse:
        self.streaming.set()
        await asyncio.Event().wait()
        raise AssertionError("nobody waits that long")


@pytest.mark.parametrize("kind", [Held, Thinking])
@pytest.mark.asyncio
async def test_cancelling_hangs_up_on_the_provider(
    kind: type[Script], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a person's screen; the provider sees its client go, in the middle of an answer."""
    server = LocalServer(person("ana"))
    ana = await server.join(person("ana"))
    await ana.admit_host("kernel:k1")
    script = kind()
    heard = asyncio.Event()
    ana.on("narration", lambda frame: heard.set())
    async with Provider.of(script) as provider:
        brain = brain_at(provider, monkeypatch)
        await hosting(server, server.line(kernel()), brain=brain)
        await ana.direct("lock")
        await asyncio.wait_for(script.streaming.wait(), SECONDS)
        if kind is Held:
            await asyncio.wait_for(heard.wait(), SECONDS)
        await ana.direct("cancel")
        await asyncio.wait_for(provider.hung_up.wait(), SECONDS)
        if kind is Held:
            await asyncio.wait_for(script.closed.wait(), SECONDS)
    await reached(ana, "collect", 2 if kind is Held else 1)
    assert ("resolved" in server.kinds()) == (kind is Held)


@pytest.mark.asyncio
async def test_a_provider_that_takes_too_long_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Provider.of(Held()) as provider:
        _, narrative, account, _ = await played(brain_at(provider, monkeypatch, timeout=0.5))
        await asyncio.wait_for(provider.hung_up.wait(), SECONDS)
    assert account.fallbacks == {"Chronicler": "timeout"}
    assert narrative.made_by.fallback
    first, *rest = narrative.sentences
    assert (first.fallback, {sentence.fallback for sentence in rest}) == (False, {True})


# --- keys


def said(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


class Echo(Script):
    """Says back what it was sent, in every place where an answer has text."""

    async def choose(self, asked: Asked) -> ModelResponse:
        if asked.who == "Director":
            return ModelResponse([TextPart(f"your key is {SENTINEL}")])
        good = await super().choose(asked)
        call = good.tool_calls[0]
        return ModelResponse([type(call)(call.tool_name, {"choice": asked.options[0], "why": SENTINEL})])

    async def tell(self, asked: Asked) -> AsyncIterator[str]:
        for event in asked.data["events"]:
            yield f"[{event['id']}] {event['what']} {SENTINEL[:9]}"
            yield f"{SENTINEL[9:]}.\n"


@pytest.mark.parametrize("kind", [Echo, Stranger])
@pytest.mark.parametrize("given", [True, False])
@pytest.mark.asyncio
async def test_no_key_gets_out(
    kind: type[Script],
    given: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither of the environment's keys nor of one that only the model object has: not in the log of the
    session, sealed records included, nor in a frame, an export, a logger, or what a notebook would show.
    """
    server = LocalServer(kernel())
    line = server.line(kernel())
    async with Provider.of(kind()) as provider:
        if given:
            monkeypatch.delenv("OPENAI_API_KEY")
            model = OpenAIChatModel(
                "scripted", provider=OpenAIProvider(base_url=provider.url, api_key=SENTINEL)
            )
            brain = ModelBrain(model, price=PRICE)
        else:
            brain = brain_at(provider, monkeypatch)
        with caplog.at_level(logging.DEBUG):
            host = await hosting(server, line, brain=brain)
            await host.handle.direct("lock")
            await reached(host.handle, "collect", 2)
        assert set(provider.keys) == {SENTINEL}
    sealed = [event for event in server.events if event.audience == "sealed"]
    assert any('"replies"' in said(event.data) for event in sealed)
    printed = capsys.readouterr()
    shown = [
        *(said(event.data) for event in server.events),
        said(server.room.state),
        *(said(frame) for frame in line.sent),
        caplog.text,
        *(repr(record.__dict__) for record in caplog.records),
        printed.out + printed.err,
        repr((brain, vars(brain), host, brain.account)),
    ]
    assert [text for text in shown if SENTINEL in text] == []
    assert any("…" in text for text in shown) == (kind is Echo)
