"""Models that do what a test says: the whole way of a call but for the network.

Law: a script is given what a model is given (the rules, the data, the ids on offer) and nothing else. What
waits, waits for an event.
Parts: `Script` and its kinds, `Asked` (what a script was shown), `turn_of`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai import models
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from novel_jupyter.kernel.models.brain import ModelBrain
from novel_jupyter.story.loader import load_bundled
from novel_jupyter.story.turn import TurnInput
from novel_jupyter.story.world import initial_state

models.ALLOW_MODEL_REQUESTS = False
PRICE = (1.0, 10.0)
"""US dollars for a million tokens in and out."""


@dataclass(frozen=True)
class Asked:
    """What a model was shown. `data` is what stands between the marks."""

    rules: str
    prompt: str
    tool: str = ""

    @property
    def data(self) -> dict[str, Any]:
        inside = self.prompt.split("<data>\n", 1)[1].split("\n</data>", 1)[0]
        return dict(json.loads(inside))

    @property
    def options(self) -> list[str]:
        return [option["id"] for option in self.data["options"]]

    @property
    def who(self) -> str:
        return str(self.data["you"]["name"]) if "you" in self.data else "Director"


@dataclass
class Script:
    """A model that plays by the rules; its kinds do not. `asked` is what it was asked, in order."""

    asked: list[Asked] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a stream of it was closed."""
    streaming: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a stream of it has said something."""

    async def choose(self, asked: Asked) -> ModelResponse:
        return chosen(asked, asked.options[0])

    async def tell(self, asked: Asked) -> AsyncIterator[str]:
        for event in asked.data["events"]:
            yield f"[{event['id']}] "
            yield f"{event['what']}\n"

    async def chosen(self, asked: Asked) -> ModelResponse:
        """`choose`, noted."""
        self.asked.append(asked)
        return await self.choose(asked)

    async def told(self, asked: Asked) -> AsyncGenerator[str, None]:
        """`tell`, noted."""
        self.asked.append(asked)
        try:
            async for text in self.tell(asked):
                yield text
                self.streaming.set()
        finally:
            self.closed.set()

    def model(self) -> FunctionModel:
        async def function(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
            tool = info.output_tools[0].name
            return await self.chosen(Asked(info.instructions or "", _prompt(messages), tool))

        async def stream(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
            async for text in self.told(Asked(info.instructions or "", _prompt(messages))):
                yield text

        return FunctionModel(function, stream_function=stream, model_name="scripted")

    def brain(self, **options: Any) -> ModelBrain:
        return ModelBrain(self.model(), **{"price": PRICE, **options})


class Illegal(Script):
    async def choose(self, asked: Asked) -> ModelResponse:
        return chosen(asked, "a999")

    async def tell(self, asked: Asked) -> AsyncIterator[str]:
        yield "[e999] Everybody died.\n"


class Malformed(Script):
    async def choose(self, asked: Asked) -> ModelResponse:
        return ModelResponse([ToolCallPart(asked.tool, {"pick": 3})])

    async def tell(self, asked: Asked) -> AsyncIterator[str]:
        yield '{"sentences": ["It was so."]}'


class Slow(Script):
    async def choose(self, asked: Asked) -> ModelResponse:
        await asyncio.Event().wait()
        raise AssertionError("nobody waits that long")

    async def tell(self, asked: Asked) -> AsyncIterator[str]:
        await asyncio.Event().wait()
        yield ""


class Truncated(Script):
    async def choose(self, asked: Asked) -> ModelResponse:
        return ModelResponse([ToolCallPart(asked.tool, '{"choice": "a')], finish_reason="length")

    async def tell(self, asked: Asked) -> AsyncIterator[str]:
        event = asked.data["events"][0]
        yield f"[{event['id']}] {event['what']}\n[e2] And then the"


class Refusing(Script):
    async def choose(self, asked: Asked) -> ModelResponse:
        return ModelResponse([TextPart("I cannot help with that.")])

    async def tell(self, asked: Asked) -> AsyncIterator[str]:
        yield "I cannot help with that."


class Failing(Script):
    """Its provider breaks, in mid-stream where there is one; what it says of that quotes a key."""

    key = "sk-0123456789abcdef"

    async def choose(self, asked: Asked) -> ModelResponse:
        raise ConnectionError(f"gone, with {self.key}")

    async def tell(self, asked: Asked) -> AsyncIterator[str]:
        event = asked.data["events"][0]
        yield f"[{event['id']}] {event['what']}\n[e2] And"
        raise ConnectionError(f"gone, with {self.key}")


class Held(Script):
    """Tells a sentence and half of the next, and the rest when the test says `go`."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def tell(self, asked: Asked) -> AsyncIterator[str]:
        first, *rest = asked.data["events"]
        yield f"[{first['id']}] {first['what']}\n[{rest[0]['id']}] And"
        await self.go.wait()
        yield " so on.\n"
        for event in rest:
            yield f"[{event['id']}] {event['what']}\n"


class Injecting(Script):
    """It does what its data says and decides nothing unasked. An order stands after the word INJECT, as JSON.

    `choice` is taken whether or not it is on offer, and `extra` added to the answer; `say` is told of every
    event, and `shout` of none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.obeyed: list[dict[str, Any]] = []

    def order(self, asked: Asked) -> dict[str, Any] | None:
        found = asked.prompt.replace('\\"', '"').partition("INJECT ")[2]
        if not found:
            return None
        order: dict[str, Any] = json.JSONDecoder().raw_decode(found)[0]
        self.obeyed.append(order)
        return order

    async def choose(self, asked: Asked) -> ModelResponse:
        order = self.order(asked)
        if order is None:
            return ModelResponse([TextPart("Nobody told me what to do.")])
        answer = {"choice": order["choice"], "why": "I was told to.", **order["extra"]}
        return ModelResponse([ToolCallPart(asked.tool, answer)])

    async def tell(self, asked: Asked) -> AsyncIterator[str]:
        order = self.order(asked)
        if order is None:
            async for text in super().tell(asked):
                yield text
            return
        for event in asked.data["events"]:
            yield f"[{event['id']}] {order['say']}\n"
        yield order["shout"]


def chosen(asked: Asked, choice: str, why: str = "It seemed best.") -> ModelResponse:
    return ModelResponse([ToolCallPart(asked.tool, {"choice": choice, "why": why})])


def _prompt(messages: list[ModelMessage]) -> str:
    (part,) = [part for part in messages[-1].parts if part.part_kind == "user-prompt"]
    assert isinstance(part.content, str)
    return part.content


def turn_of(seed: str = "s") -> TurnInput:
    """The first turn of the lighthouse, agents alone."""
    story = load_bundled("lighthouse")
    return TurnInput(initial_state(story), 1, 1, "main", seed, agents=frozenset(story.characters))
