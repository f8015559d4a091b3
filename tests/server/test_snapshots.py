"""When a fold is kept: not sooner than asked for, not everybody's at once, and while others go on."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any
from zlib import decompress

import pytest
from orjson import dumps, loads

from novel_jupyter.core.draft import Room
from novel_jupyter.core.merge import Author, WriteIndex
from novel_jupyter.core.model import Head
from novel_jupyter.core.patch import Op
from novel_jupyter.server import archive
from novel_jupyter.server.events_log import Log
from novel_jupyter.server.snapshots import Snapshots

EVERY = 100
PERSON = Author("ada", False, "tab")


class Kept:
    """A store that keeps snapshots and nothing else."""

    def __init__(self) -> None:
        self.at: list[int] = []
        self.bodies: list[bytes] = []

    async def put_snapshot(self, session_id: str, head: Head, body: bytes) -> bool:
        self.at.append(head.sequence_id)
        self.bodies.append(body)
        return True


def a_room(at: int = 0) -> Room:
    return Room("s", b"salt", Head("e", at, f"h{at}"), {"notes": {}}, WriteIndex(), {})


async def played(store: Any, events: int) -> None:
    """One session, event by event."""
    room = a_room()
    snapshots = Snapshots(store, EVERY, Log(logging.getLogger("novel_jupyter.tests")), room)
    for at in range(1, events + 1):
        snapshots.maybe(replace(room, head=Head("e", at, f"h{at}")))
        await snapshots.settled()


@pytest.mark.asyncio
async def test_a_snapshot_comes_not_sooner_than_asked_for_and_not_much_later() -> None:
    store = Kept()
    await played(store, 3000)
    between = [one - other for one, other in zip(store.at, [0, *store.at], strict=False)]
    assert all(EVERY <= distance <= 1.5 * EVERY for distance in between), between
    assert 3000 / (1.5 * EVERY) - 1 <= len(store.at) <= 3000 / EVERY


@pytest.mark.asyncio
async def test_sessions_that_go_in_step_are_not_kept_in_one_moment() -> None:
    firsts = list[int]()
    for _ in range(60):
        store = Kept()
        await played(store, EVERY + EVERY // 2)
        firsts.append(store.at[0])
    assert max(map(firsts.count, firsts)) <= 12, "of 60, over the 50 events in which it may come"


@pytest.mark.asyncio
async def test_others_have_their_turn_while_a_large_fold_is_made() -> None:
    index, text = WriteIndex(), "word " * 40
    for at in range(1, 1001):
        op: Op = {"op": "replace", "path": f"/notes/n{at % 50}", "value": f"{at}"}
        index = index.record(at, [op], {"notes": {f"n{at % 50}": f"{at} {text}"}}, PERSON)
    store, room = Kept(), replace(a_room(1000), index=index, state={"notes": {"long": text * 2000}})
    turns = 0

    async def other() -> None:
        nonlocal turns
        while not store.bodies:
            turns += 1
            await asyncio.sleep(0)

    await asyncio.gather(other(), archive.snapshot(store, room))  # type: ignore[arg-type]
    whole = loads(decompress(store.bodies[0]))
    assert whole == {"state": room.state, "size": 0, "index": loads(b"".join(index.dumped()))}
    size = len(dumps(whole))
    assert turns >= 0.8 * size / archive.SLICE > 20
    assert len(store.bodies[0]) < size / 5
