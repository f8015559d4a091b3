"""A model behind the engine's port.

Law: asks at most twice, and then says in one word why it has no answer: the offline rules stand in. Every
question is put on the account of the task that it is asked for, and answered from there if it was asked
before.
Parts: `ModelBrain`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from novel_jupyter.story.brain import BrainError, Decision, Frame, PersonaView, StageView
from novel_jupyter.story.checker import Checker
from novel_jupyter.story.turn import DIRECTOR, Sentence, TurnRecord, Usage

from . import prompts
from .account import WHY, Account, Caps, OverBudget, current
from .calls import CallFailed, Line, line_of
from .exchange import Exchange, Question
from .replies import Lines

if TYPE_CHECKING:
    from pydantic_ai.models import Model

ATTEMPTS: Final = 2
STAGE, TELLER = "Director", "Chronicler"


class ModelBrain:
    """`model` is `provider:model`, or a model object of pydantic-ai.

    `timeout`: seconds a call may take; `max_tokens`: of one answer; `price`: US dollars for a million tokens
    in and out, where the price list does not know the model. `caps` hold where no host keeps an account.
    Raises ImportError without the extra, ValueError for a model that cannot be made.
    """

    engine = "pydantic-ai"

    def __init__(
        self,
        model: str | Model,
        *,
        timeout: float = 45.0,
        max_tokens: int = 2000,
        price: tuple[float, float] | None = None,
        caps: Caps | None = None,
    ) -> None:
        self._line: Line = line_of(model, timeout, max_tokens, price)
        self.model: str | None = self._line.name
        self.account = Account(caps)
        """What was spent outside of any host's turn."""

    async def decide(self, view: PersonaView) -> Decision:
        """One of `view.options`. Raises BrainError."""
        options = {f"a{n}": action for n, action in enumerate(view.options, 1)}
        prompt = prompts.to_decide(view, options)
        found = await self._choose(view.name, "decide", prompts.DECIDE, prompt, tuple(options))
        choice, why = _answer(found)
        return Decision(options[choice], (why,) if why else (), found.usage)

    async def frame(self, view: StageView) -> tuple[Frame, Usage]:
        """One of `view.frames`. Raises BrainError."""
        if len(view.frames) == 1:
            return view.frames[0], Usage()
        options = {f"f{n}": frame for n, frame in enumerate(view.frames, 1)}
        found = await self._choose(STAGE, "frame", prompts.FRAME, prompts.to_frame(view), tuple(options))
        return options[_answer(found)[0]], found.usage

    async def narrate(self, record: TurnRecord) -> AsyncIterator[Sentence]:
        """The sentences of a turn as they come, each citing the events it tells. Raises BrainError.

        What is not true is noted, not kept back: the chronicler puts other words in its place.
        """
        account = self._account()
        asked = self._question(TELLER, "narrate", prompts.telling(record), prompts.to_tell(record))
        exchange, lines = Exchange(asked), Lines({event.id for event in record.events})
        if (known := account.known(asked)) is not None:
            for sentence in (*lines.add(str(known.answer or "")), *lines.end()):
                yield sentence
            _raise(known)
            return
        prompt, checker, is_true = asked.prompt, Checker(record), True
        for attempt in range(ATTEMPTS):
            lines = Lines({event.id for event in record.events})
            exchange.problem = None
            prose = self._line.tell(asked, prompt)
            try:
                self._price_known(account)
                with account.held(self._line.dearest(asked)):
                    try:
                        async with aclosing(prose.deltas()) as deltas:
                            async for text in deltas:
                                for sentence in lines.add(text):
                                    is_true = is_true and checker.problem(sentence) is None
                                    yield self._clean(sentence)
                    finally:
                        account.pay(asked, prose.usage)
                        exchange.usage += prose.usage
            except OverBudget as over:
                exchange.problem = over.word
                break
            except CallFailed as failed:
                exchange.problem = failed.word
            if prose.said:
                exchange.replies.append(prose.said)
            for sentence in lines.end():
                is_true = is_true and checker.problem(sentence) is None
                yield self._clean(sentence)
            exchange.answer = prose.said or None
            if exchange.problem is None:
                exchange.problem = _lack(record, lines)
            if exchange.problem is None and not is_true:
                exchange.problem = "untrue"
            if exchange.problem is None or lines.told or exchange.problem == "denied":
                break
            prompt = prompts.again(asked.prompt, WHY[exchange.problem]) if attempt == 0 else prompt
        account.close(exchange)
        _raise(exchange)

    async def _choose(
        self, agent: str, task: str, system: str, prompt: str, options: tuple[str, ...]
    ) -> Exchange:
        account, asked = self._account(), self._question(agent, task, system, prompt, options)
        if (known := account.known(asked)) is not None:
            _raise(known)
            return known
        exchange = Exchange(asked)
        for _ in range(ATTEMPTS):
            try:
                self._price_known(account)
                with account.held(self._line.dearest(asked)):
                    found = await self._one(account, exchange, prompt)
            except OverBudget as over:
                exchange.problem = over.word
                break
            except CallFailed as failed:
                exchange.problem = failed.word
                if failed.is_final:
                    break
                prompt = prompts.again(asked.prompt, WHY[failed.word])
            else:
                exchange.answer, exchange.problem = {**found}, None
                break
        account.close(exchange)
        _raise(exchange)
        return exchange

    async def _one(self, account: Account, exchange: Exchange, prompt: str) -> dict[str, str]:
        """One call, paid however it ends. Raises CallFailed."""
        asked, usage = exchange.question, self._line.dearest(exchange.question)
        # Cancelled in the middle: nobody will ever tell what it cost, so the dearest is what it was.
        try:
            found = await self._line.choose(asked, prompt)
            usage = found.usage
        except CallFailed as failed:
            usage = failed.usage
            if failed.said:
                exchange.replies.append(failed.said)
            raise
        finally:
            account.pay(asked, usage)
            exchange.usage += usage
        exchange.replies.append(found.said)
        return {"choice": found.choice, "why": found.why}

    def _clean(self, sentence: Sentence) -> Sentence:
        return replace(sentence, text=self._line.scrub(sentence.text))

    def _account(self) -> Account:
        return current() or self.account

    def _price_known(self, account: Account) -> None:
        if account.caps.on_cost and not self._line.has_price:
            raise OverBudget("unpriced")

    def _question(
        self, agent: str, task: str, system: str, prompt: str, options: tuple[str, ...] = ()
    ) -> Question:
        return Question(agent, task, self._line.name, system, prompt, options)


def _answer(exchange: Exchange) -> tuple[str, str]:
    answer = exchange.answer
    assert isinstance(answer, dict)
    return str(answer["choice"]), str(answer["why"])


def _raise(exchange: Exchange) -> None:
    """Raises BrainError where there is no answer, or not all of it."""
    if exchange.problem is not None:
        why = WHY.get(exchange.problem, exchange.problem)
        raise BrainError(f"{exchange.question.agent}: {why}", exchange.usage)


def _lack(record: TurnRecord, lines: Lines) -> str | None:
    """What a telling that came to its end lacks: what people did must be told."""
    if not lines.told:
        return "malformed"
    if lines.unfinished:
        return "truncated"
    deeds = {
        event.id
        for event in record.events
        if event.beats and event.character != DIRECTOR and event.outcome != "refused"
    }
    if not deeds <= lines.told:
        return "incomplete"
    return "withheld" if lines.withheld else None
