"""Whether somebody else writes: one question for all sessions, and what nobody knows counts as yes (S22)."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import Any, cast

import pytest

from novel_jupyter.server.config import Config
from novel_jupyter.server.events_log import Log
from novel_jupyter.server.others import EVERY, Others
from novel_jupyter.server.ports import Store, StoreUnavailable

INFINITE = float("inf")


class Told:
    """A store that answers what it was told to."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)

    async def foreign(self) -> object:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def of(store: Told, **config: Any) -> Others:
    log = Log(logging.getLogger("novel_jupyter.tests"))
    return Others(cast(Store, store), replace(Config(), **config), log)


async def ask(others: Others, now: float) -> float:
    others.every(now)
    assert others._asking is not None
    await others._asking
    return others.wrote_at


@pytest.mark.asyncio
async def test_a_change_is_a_write_by_somebody_else() -> None:
    others = of(Told("a", "a", "b", "b"))
    assert others.wrote_at == INFINITE
    before = time.monotonic()
    first = await ask(others, 0.0)
    assert before <= first <= time.monotonic()
    assert await ask(others, 10.0) == first
    third = await ask(others, 20.0)
    assert third > first
    assert await ask(others, 30.0) == third


@pytest.mark.asyncio
@pytest.mark.parametrize("unknown", [None, StoreUnavailable("locked", unknown=False), ValueError("strange")])
async def test_what_nobody_knows_is_one_too(unknown: object) -> None:
    others = of(Told("a", unknown, "a", "a"))
    await ask(others, 0.0)
    assert await ask(others, 10.0) == INFINITE
    again = await ask(others, 20.0)
    assert again < INFINITE  # somebody may have written meanwhile, and the same is only known from now on
    assert await ask(others, 30.0) == again


@pytest.mark.asyncio
async def test_it_asks_one_question_at_a_time_and_not_too_often() -> None:
    store = Told("a", "a")
    others = of(store)
    others.every(0.0)
    others.every(100.0)
    assert others._asking is not None
    await others._asking
    assert store.answers == ["a"]
    others.every(EVERY / 2)
    assert others._asking is None


@pytest.mark.asyncio
async def test_a_question_without_an_answer_holds_no_end_up() -> None:
    class Silent:
        async def foreign(self) -> object:
            return await asyncio.get_running_loop().create_future()

    others = of(cast(Told, Silent()))
    others.every(0.0)
    await asyncio.wait_for(others.close(), 10)
    await others.close()
