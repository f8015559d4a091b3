"""What the models of one host have cost: an account for each task, and the sum of all.

Law: what was spent stays spent, whatever became of the turn; an answer goes into the log as it comes, so that
a successor neither asks nor pays again.
Parts: `Billing`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple

from novel_jupyter.story.turn import Usage

from .commands import Ack
from .errors import NovelError
from .handle import SessionHandle
from .models.account import Account, Caps, opened
from .models.exchange import Exchange
from .turns import Request

log = logging.getLogger("novel_jupyter")


class Billing:
    """Of one session, as far as its host knows."""

    def __init__(self, handle: SessionHandle, caps: Caps | None = None) -> None:
        self.caps = caps or Caps()
        self.spent = Usage()
        """What models have cost in this session: cancelled turns too."""
        self._handle = handle
        self._turn: tuple[object, Usage] = (None, Usage())

    @contextmanager
    def of_task(self, request: Request, show: Callable[[str, str], None]) -> Iterator[Account]:
        """The account of a task of a turn. `show(agent, text)` tells people."""

        def record(key: str, exchange: Exchange) -> None:
            data = {"kind": "asked", **request.fence, "key": key, "exchange": exchange.to_json()}
            try:
                answer = self._handle.submit("agent_action", {**data, "spent": exchange.usage.to_json()})
            except NovelError as error:
                log.warning("an answer of a model was not recorded: %s", error)
            else:
                answer.add_done_callback(_noted)

        turn = tuple(request.data[name] for name in ("turn", "attempt", "branch"))
        before = self._turn[1] if self._turn[0] == turn else Usage()
        told = Usage(**request.data.get("spent", {}))
        self.spent = Usage(*map(max, astuple(self.spent), astuple(told)))
        account = Account(
            self.caps,
            turn=before,
            session=self.spent,
            asked=request.data.get("asked"),
            record=record,
            show=show,
        )
        try:
            with self._opened(account):
                yield account
        finally:
            self._turn = (turn, account.turn)

    @contextmanager
    def of_advice(self) -> Iterator[Account]:
        """The account of an advice to one player: under the caps, in nobody's turn, and shown to nobody."""
        with self._opened(Account(self.caps, session=self.spent)) as account:
            yield account

    @contextmanager
    def _opened(self, account: Account) -> Iterator[Account]:
        """Several may be open at once: each adds what it cost."""
        before = account.session
        try:
            with opened(account):
                yield account
        finally:
            self.spent += account.session - before


def _noted(answer: asyncio.Future[Ack]) -> None:
    """A late answer of a model is of no use to the log; but nobody should wonder where it went."""
    if not answer.cancelled() and (error := answer.exception()) is not None:
        log.debug("an answer of a model was not recorded: %s", error)
