"""Calls to models: the only module that knows pydantic-ai.

Law: one request a call, never repeated by anybody's library; bounded in time and in tokens. Whatever goes
wrong comes out as one word of `account.WHY`, without the provider's words: those may quote a key. However a
stream ends, the provider's end of it is closed.
Parts: `Line` (a model, ready to be called), `Choice`, `Prose`, `CallFailed`; `line_of` makes a line.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, create_model

from novel_jupyter.story.turn import Usage

from .exchange import Question
from .secrets import keys_in, scrubbed

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models import Model, StreamedResponse
    from pydantic_ai.settings import ModelSettings

LEAST_STREAM: Final = 1.0
"""Seconds that a provider gets to take notice that a stream was given up."""


class CallFailed(Exception):
    """`word` of `WHY`; what was said all the same, and what it cost. `is_final`: asking again is no use."""

    def __init__(
        self, word: str, said: str = "", usage: Usage | None = None, *, is_final: bool = False
    ) -> None:
        super().__init__(word)
        self.word, self.said, self.usage, self.is_final = word, said, usage or Usage(), is_final


@dataclass(frozen=True, slots=True)
class Choice:
    choice: str
    why: str
    said: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class Line:
    """`price`: US dollars for a million tokens in and out; None: what the price list says, if it knows."""

    model: Model
    name: str
    seconds: float
    max_tokens: int
    price: tuple[float, float] | None = None
    keys: frozenset[str] = field(default=frozenset(), repr=False)

    def scrub(self, text: str) -> str:
        """Text without any key that this process knows: an endpoint may send back what it was sent."""
        return scrubbed(text, self.keys)

    @property
    def _settings(self) -> ModelSettings:
        # Limits on tokens are looked at after the answer; what bounds it is `max_tokens`.
        return {"max_tokens": self.max_tokens, "timeout": self.seconds, "max_retries": 0}

    def dearest(self, question: Question) -> Usage:
        """What a call can cost at most."""
        return self._priced(question.size, self.max_tokens)

    @property
    def has_price(self) -> bool:
        return self.price is not None or self._list_price(1, 1) is not None

    async def choose(self, question: Question, prompt: str) -> Choice:
        """One of the question's options. Raises CallFailed."""
        from pydantic_ai import Agent, capture_run_messages
        from pydantic_ai.usage import UsageLimits

        one_of: Any = Literal[question.options]
        why: Any = Annotated[str, Field(max_length=400)]
        answer: Any = create_model(
            "Choice", __config__=ConfigDict(extra="forbid"), choice=(one_of, ...), why=(why, "")
        )
        agent: Agent[None, Any] = Agent(
            self.model, output_type=answer, instructions=question.system, retries=0, name="novel"
        )
        with capture_run_messages() as messages:
            try:
                # Entered, so that no connection is left behind: calls at the same time share one client.
                async with asyncio.timeout(self.seconds), self.model:
                    result = await agent.run(
                        prompt, model_settings=self._settings, usage_limits=UsageLimits(request_limit=1)
                    )
            except Exception as error:
                responses = _responses(messages)
                usage = self._cost_of(responses, question, bool(responses) or _may_cost(error))
                word = _word_of_choice(error, responses, question.options)
                raise CallFailed(word, self._said(responses), usage, is_final=word == "denied") from None
        responses = _responses(messages)
        usage = self._cost_of(responses, question, True)
        why = self.scrub(result.output.why)
        return Choice(result.output.choice, why, self._said(responses), usage)

    def tell(self, question: Question, prompt: str) -> Prose:
        """Prose, streamed."""
        return Prose(self, question, prompt)

    def _said(self, responses: list[ModelResponse]) -> str:
        return self.scrub("\n".join(_text(response) for response in responses))

    # --- money

    def _priced(self, tokens_in: int, tokens_out: int) -> Usage:
        if self.price is not None:
            cost = (tokens_in * self.price[0] + tokens_out * self.price[1]) / 1e6
        else:
            cost = self._list_price(tokens_in, tokens_out) or 0.0
        return Usage(tokens_in, tokens_out, round(cost, 9))

    def _list_price(self, tokens_in: int, tokens_out: int) -> float | None:
        from pydantic_ai.messages import ModelResponse
        from pydantic_ai.usage import RequestUsage

        asked = ModelResponse(
            parts=[],
            usage=RequestUsage(input_tokens=tokens_in, output_tokens=tokens_out),
            model_name=self.model.model_name,
            provider_name=self.model.system,
        )
        try:
            return float(asked.cost().total_price)
        except (LookupError, ValueError, AssertionError):
            return None

    def _cost_of(self, responses: list[ModelResponse], question: Question, may_cost: bool) -> Usage:
        """What it cost by the provider's count; where it gave none, by our estimate from above."""
        total = Usage()
        for response in responses:
            usage = response.usage
            if usage.input_tokens or usage.output_tokens:
                total += self._priced(usage.input_tokens, usage.output_tokens)
            else:
                total += self._priced(question.size, len(_text(response).encode()) // 2)
        if may_cost and not responses:
            total += self.dearest(question)
        return total


class Prose:
    """One streamed answer: iterate it once; `said` and `usage` are what it came to, however it ended."""

    def __init__(self, line: Line, question: Question, prompt: str) -> None:
        self._line, self._question, self._prompt = line, question, prompt
        self.said = ""
        self.usage = Usage()

    async def deltas(self) -> AsyncGenerator[str, None]:
        """The text as it comes. Raises CallFailed."""
        from pydantic_ai.direct import model_request_stream
        from pydantic_ai.messages import ModelRequest, UserPromptPart

        line = self._line
        asked = ModelRequest(parts=[UserPromptPart(self._prompt)], instructions=self._question.system)
        until = asyncio.get_running_loop().time() + line.seconds
        stream: StreamedResponse | None = None
        called = model_request_stream(line.model, [asked], model_settings=line._settings)
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with asyncio.timeout_at(until):
                    await stack.enter_async_context(line.model)
                    stream = await stack.enter_async_context(called)
                events = aiter(stream)
                while True:
                    # No timeout may stand open while the reader has the floor.
                    async with asyncio.timeout_at(until):
                        event = await anext(events, None)
                    if event is None:
                        break
                    if text := _delta(event):
                        self.said += text
                        yield text
                if self._cut_off(stream):
                    raise CallFailed("truncated")
                if not self.said.strip() or stream.get().finish_reason == "content_filter":
                    raise CallFailed("refused")
            except (CallFailed, GeneratorExit):
                raise
            except Exception as error:
                raise CallFailed(_word(error), is_final=_word(error) == "denied") from None
            finally:
                self.usage = self._cost(stream)
                self.said = line.scrub(self.said)
                if stream is not None:
                    await _hang_up(stream)

    def _cost(self, stream: StreamedResponse | None) -> Usage:
        """By the provider's count once the stream is through; else by what was asked and came."""
        if stream is not None and (counted := stream.usage).output_tokens and counted.input_tokens:
            return self._line._priced(counted.input_tokens, counted.output_tokens)
        return self._line._priced(self._question.size, len(self.said.encode()) // 2)

    @staticmethod
    def _cut_off(stream: StreamedResponse) -> bool:
        answer = stream.get()
        return answer.finish_reason == "length" or answer.state == "incomplete"


async def _hang_up(stream: StreamedResponse) -> None:
    """Close the provider's end. Models whose library cannot are closed with their connection."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(LEAST_STREAM):
            await stream.cancel()


def _delta(event: object) -> str:
    from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta

    if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
        return event.part.content
    if isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
        return event.delta.content_delta
    return ""


def _responses(messages: list[ModelMessage]) -> list[ModelResponse]:
    return [message for message in messages if message.kind == "response"]


def _text(response: ModelResponse) -> str:
    """What a model said, whichever way it said it."""
    from pydantic_ai.messages import TextPart, ToolCallPart

    said = []
    for part in response.parts:
        if isinstance(part, ToolCallPart):
            said.append(part.args_as_json_str())
        elif isinstance(part, TextPart):
            said.append(part.content)
    return "\n".join(said)


def _word(error: Exception) -> str:
    from pydantic_ai import exceptions as ai

    match error:
        case TimeoutError() | ai.ModelRequestTimeout() | ai.ModelTimeoutError():
            return "timeout"
        case ai.ContentFilterError():
            return "refused"
        case ai.OutputTokenLimitExceeded():
            return "truncated"
        case ai.ModelRequestRejectedError() | ai.ModelQuotaExceededError() | ai.UserError():
            return "denied"
        case ai.UnexpectedModelBehavior():
            return "malformed"
        case _:
            # What a provider's library raises is anybody's guess.
            return "failed"


def _word_of_choice(error: Exception, responses: list[ModelResponse], options: tuple[str, ...]) -> str:
    from pydantic_ai.messages import ToolCallPart

    word = _word(error)
    if word != "malformed" or not responses:
        return word
    if responses[-1].finish_reason == "length":
        return "truncated"
    try:
        # Most models answer by calling a tool; some, as their profile says, with JSON for text.
        given = json.loads(_text(responses[-1]))
    except ValueError:
        called = any(isinstance(part, ToolCallPart) for part in responses[-1].parts)
        return "malformed" if called else "refused"
    chosen = given.get("choice") if isinstance(given, dict) else None
    return "illegal" if isinstance(chosen, str) and chosen not in options else "malformed"


def _may_cost(error: Exception) -> bool:
    """Whether a call that brought nothing may have been charged: it ran until we gave up."""
    return _word(error) == "timeout"


def line_of(model: str | Model, seconds: float, max_tokens: int, price: tuple[float, float] | None) -> Line:
    """A line to `provider:model`, or to a model object of pydantic-ai. Raises ImportError or ValueError."""
    from pydantic_ai.exceptions import UserError
    from pydantic_ai.models import infer_model

    try:
        found = infer_model(model)
    except UserError as error:
        raise ValueError(str(error)) from None
    except TypeError:
        kind = type(model).__name__
        raise ValueError(f"a model is 'provider:model' or a model of pydantic-ai, not a {kind}") from None
    name = model if isinstance(model, str) else f"{model.system}:{model.model_name}"
    return Line(found, name, seconds, max_tokens, price, keys_in(found))
