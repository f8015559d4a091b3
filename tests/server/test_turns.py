"""Whose turn it is to append: asked for after losses, given for a while, and never between equals."""

from __future__ import annotations

import asyncio
import time

import pytest

from novel_jupyter.server.turns import LONGEST, LOSSES, Turns


def test_one_asks_after_some_losses_and_sooner_the_next_time() -> None:
    turns = Turns()
    asked = [turns.lost(0.1) for _ in range(LOSSES)]
    assert asked[:-1] == [0.0] * (LOSSES - 1)
    assert 0.2 < asked[-1] <= LONGEST
    turns.won()
    assert turns.lost(0.1) > 0
    turns.won()
    turns.won()
    assert turns.lost(0.1) == 0.0
    assert turns.lost(1e9) <= LONGEST


@pytest.mark.asyncio
async def test_who_is_asked_waits_until_the_other_has_appended() -> None:
    turns = Turns()
    await turns.come()
    turns.give(LONGEST)
    waiting = asyncio.create_task(turns.come())
    await asyncio.sleep(0)
    assert not waiting.done()
    turns.over()
    await waiting
    await turns.come()


@pytest.mark.asyncio
async def test_waiting_ends_by_itself_and_has_a_bound() -> None:
    turns = Turns()
    for seconds in (0.0, -5.0, 0.001):
        turns.give(seconds)
        await turns.come()
    began = time.monotonic()
    turns.give(1e9)
    await turns.come()
    assert time.monotonic() - began < 10 * LONGEST


@pytest.mark.asyncio
async def test_two_that_lose_do_not_wait_for_each_other() -> None:
    turns = Turns()
    for _ in range(LOSSES):
        turns.lost(0.1)
    turns.give(LONGEST)
    await asyncio.wait_for(turns.come(), LONGEST / 2)
