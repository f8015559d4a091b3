"""Prose on its way: pace, offsets, and readers who come and go.

Law: what is sent is all of it, in order.
Parts: one test for each promise of `ProseStream`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from novel_jupyter.kernel.streaming import ProseStream

pytestmark = pytest.mark.asyncio

SECONDS = 20.0


def into(sent: list[tuple[int, str]]) -> Callable[[int, str], bool]:
    """Somebody who takes every chunk."""

    def send(offset: int, text: str) -> bool:
        sent.append((offset, text))
        return True

    return send


async def test_prose_keeps_its_pace_and_ends_after_a_word() -> None:
    sent: list[tuple[int, str]] = []
    stream = ProseStream(into(sent), pace=100)
    stream.add("One 🗝 two three four five.")
    await asyncio.wait_for(stream.finish(), SECONDS)
    assert "".join(text for _, text in sent) == "One 🗝 two three four five."
    assert len(sent) > 2
    assert all(text.endswith(" ") for _, text in sent[:-1])
    assert sent[1][0] == len(sent[0][1].encode("utf-16-le")) // 2


async def test_prose_for_nobody_holds_nothing_up() -> None:
    stream = ProseStream(lambda offset, text: False)
    stream.add("Nobody hears.")
    await asyncio.wait_for(stream.finish(), SECONDS)


async def test_prose_begins_again_for_who_missed_it() -> None:
    sent: list[tuple[int, str]] = []
    stream = ProseStream(into(sent))
    stream.add("It rains.")
    stream.rewind()
    await asyncio.wait_for(stream.finish(), SECONDS)
    assert sent == [(0, "It rains."), (0, "It rains.")]


async def test_nothing_is_said_after_the_close() -> None:
    sent: list[tuple[int, str]] = []
    stream = ProseStream(into(sent), pace=50)
    stream.add("A long line of prose that takes its time.")
    stream.close()
    await asyncio.wait_for(stream.finish(), SECONDS)
    assert len(sent) == 1
