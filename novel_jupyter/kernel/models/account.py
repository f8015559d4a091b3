"""What models may spend and have spent on one task of a turn, and what they said for it.

Law: a call is made only where it fits under every cap, counted at its dearest while it runs and as it was
afterwards. What was answered already is not asked again. Every cost and every fallback is shown at once.
Parts: `Caps`, `Account`, `opened` (the account of whatever runs inside), `current`, `spent_now`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from pydantic import JsonValue

from novel_jupyter.story.turn import Usage

from .exchange import Exchange, Question

WHY: Final[Mapping[str, str]] = {
    "timeout": "the model did not answer in time",
    "malformed": "the model’s answer was not what was asked for",
    "illegal": "the model chose what was not offered",
    "refused": "the model would not answer",
    "truncated": "the model’s answer was cut off",
    "incomplete": "the model left out what happened",
    "withheld": "the model said more than was asked for, and nobody was told it",
    "untrue": "what was told did not happen",
    "failed": "the model could not be reached",
    "denied": "the model’s provider refused the request",
    "budget": "the limit for tokens or cost is reached",
    "unpriced": "there is a limit for cost, and nobody knows this model’s price",
}
"""Word → what people are told."""


class OverBudget(Exception):
    """The call would pass a cap. `word` is one of `WHY`."""

    def __init__(self, word: str = "budget") -> None:
        super().__init__(WHY[word])
        self.word = word


@dataclass(frozen=True, slots=True)
class Caps:
    """Tokens (in and out together) and US dollars; None: no cap. A cap on cost needs a model with a price."""

    turn_tokens: int | None = 150_000
    session_tokens: int | None = 5_000_000
    turn_cost: float | None = None
    session_cost: float | None = None

    @property
    def on_cost(self) -> bool:
        return self.turn_cost is not None or self.session_cost is not None


class Account:
    """`turn` and `session` are what was spent before; `asked` what was answered before, by key.

    `record(key, exchange)` keeps an answer; `show(agent, text)` tells people. Neither may block.
    """

    def __init__(
        self,
        caps: Caps | None = None,
        *,
        turn: Usage | None = None,
        session: Usage | None = None,
        asked: Mapping[str, Mapping[str, Any]] | None = None,
        record: Callable[[str, Exchange], None] | None = None,
        show: Callable[[str, str], None] | None = None,
    ) -> None:
        self.caps = caps or Caps()
        self.before = turn or Usage()
        self.session = session or Usage()
        """Grows with what is paid here."""
        self.agents: dict[str, Usage] = {}
        self.models: dict[str, str] = {}
        self.fallbacks: dict[str, str] = {}
        self._asked = asked or {}
        self._record = record or (lambda key, exchange: None)
        self._show = show or (lambda agent, text: None)
        self._held = Usage()

    @property
    def turn(self) -> Usage:
        """What the turn has cost so far."""
        return sum(self.agents.values(), self.before)

    def spent(self) -> dict[str, JsonValue] | None:
        """`spent` of the wire; None where nobody was paid."""
        if self.session == Usage():
            return None
        return {"turn": _rounded(self.turn), "session": _rounded(self.session)}

    def known(self, question: Question) -> Exchange | None:
        """What was answered to this very question before."""
        raw = self._asked.get(question.key)
        if raw is None:
            return None
        exchange = Exchange.from_json(raw)
        self._count(exchange)
        return exchange

    @contextmanager
    def held(self, dearest: Usage) -> Iterator[None]:
        """Keep room for a call while it runs. Raises OverBudget where there is none."""
        caps, turn, session = self.caps, self.turn + self._held, self.session + self._held
        over = (
            _passes(_tokens(turn + dearest), caps.turn_tokens)
            or _passes(_tokens(session + dearest), caps.session_tokens)
            or _passes((turn + dearest).cost, caps.turn_cost)
            or _passes((session + dearest).cost, caps.session_cost)
        )
        if over:
            raise OverBudget
        self._held += dearest
        try:
            yield
        finally:
            self._held += Usage(-dearest.tokens_in, -dearest.tokens_out, -dearest.cost)

    def pay(self, question: Question, usage: Usage) -> None:
        """A call is over, however it ended."""
        self.session += usage
        self.agents[question.agent] = self.agents.get(question.agent, Usage()) + usage
        self.models[question.agent] = question.model

    def close(self, exchange: Exchange) -> None:
        """A question has its answer, or will have none: keep it and tell what it cost."""
        self._record(exchange.question.key, exchange)
        if exchange.problem is not None:
            self.fell_back(exchange.question.agent, exchange.problem)
        else:
            self._show(exchange.question.agent, self._bill(exchange))

    def fell_back(self, agent: str, word: str) -> None:
        """The offline rules stand in for an agent's model."""
        self.fallbacks[agent] = word
        self._show(agent, f"{WHY.get(word, word)}: the offline rules stand in · turn {told(self.turn)}")

    def signed(self, made_by: Mapping[str, Any]) -> dict[str, JsonValue]:
        """`made_by` of the wire, with what models cost here and where the offline rules stood in."""
        agents: dict[str, JsonValue] = dict(made_by["agents"])
        for agent, usage in self.agents.items():
            own: Any = agents.get(agent) or {}
            agents[agent] = {**own, **_rounded(usage), "model": self.models[agent]}
        for agent, word in self.fallbacks.items():
            line: Any = agents.get(agent) or Usage().to_json()
            agents[agent] = {**line, "fallback": word}
        return {**made_by, "agents": agents, "fallback": bool(made_by["fallback"] or self.fallbacks)}

    def _count(self, exchange: Exchange) -> None:
        """It was paid for by an earlier host: part of the turn's bill, and of the session's already."""
        agent = exchange.question.agent
        self.agents[agent] = self.agents.get(agent, Usage()) + exchange.usage
        self.models[agent] = exchange.question.model
        if exchange.problem is not None:
            self.fell_back(agent, exchange.problem)

    def _bill(self, exchange: Exchange) -> str:
        word = "has told it" if exchange.question.task == "narrate" else "has decided"
        return f"{word}: {told(exchange.usage)} · turn {told(self.turn)} · session {told(self.session)}"


def told(usage: Usage) -> str:
    """`1,234 tokens, $0.0012`."""
    cost = f", ${usage.cost:.4f}" if usage.cost else ""
    return f"{_tokens(usage):,} tokens{cost}"


def _rounded(usage: Usage) -> dict[str, JsonValue]:
    return {**usage.to_json(), "cost": round(usage.cost, 9)}


def _tokens(usage: Usage) -> int:
    return usage.tokens_in + usage.tokens_out


def _passes(value: float, cap: float | None) -> bool:
    return cap is not None and value > cap


_CURRENT: ContextVar[Account | None] = ContextVar("novel_jupyter_account", default=None)


@contextmanager
def opened(account: Account) -> Iterator[Account]:
    """What runs inside, and the tasks that it starts, is put on this account.

    The port hands views to brains, and agents are people's own classes: neither should have to pass money on.
    """
    token = _CURRENT.set(account)
    try:
        yield account
    finally:
        _CURRENT.reset(token)


def current() -> Account | None:
    return _CURRENT.get()


def spent_now() -> dict[str, JsonValue]:
    """What goes with every word about an agent: `spent`, where somebody was paid."""
    account = _CURRENT.get()
    spent = account.spent() if account is not None else None
    return {"spent": spent} if spent is not None else {}
