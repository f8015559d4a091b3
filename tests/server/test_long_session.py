"""Joining costs a snapshot and a short tail, not the length of the session (SPEC R84).

Law: both sessions are made by the rules and written by the store, snapshots at a server's distances.
A join is measured from its frame to its answer, in turns with the other session, and the medians compared.
Parts: `fill`; joining what is in memory, and what is not.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
from server.inside import principal
from server.wire import connect, rest

from novel_jupyter.core.draft import Draft, Facts, Room
from novel_jupyter.core.messages import Edit, Say, StoryUpdate
from novel_jupyter.core.model import DEFAULT_SETTINGS
from novel_jupyter.core.opening import open_session
from novel_jupyter.core.room import Command, decide
from novel_jupyter.server import archive
from novel_jupyter.server.ports import SessionInfo
from novel_jupyter.server.store_sqlite import SqliteStore
from novel_jupyter.server.stories import Stories
from novel_jupyter.testing import ServerProcess

LONG, SHORT = 50_250, 50
SNAPSHOT_EVERY = 500
JOINS = 15
NOW = "2026-01-01T00:00:00.000Z"


async def fill(store: SqliteStore, session_id: str, length: int) -> None:
    """A session of `length` events: talk, and edits of a few notes."""
    alice = principal("alice")
    opening = Stories([]).opening("lighthouse", None)
    facts = Facts(NOW)
    draft = open_session(session_id, "epoch", b"s" * 32, "seed", opening, alice, DEFAULT_SETTINGS, facts)
    info = SessionInfo(
        session_id, opening.story, opening.title, "open", (("alice", "owner"),), NOW, NOW, False, b"s" * 32
    )
    append = archive.append_of(draft.room, draft.events, [], None)
    await store.create(info, draft.head, append.entries)
    room: Room = draft.committed()
    while (at := room.head.sequence_id) < length:
        draft = Draft(room)
        for n in range(at + 1, min(at + SNAPSHOT_EVERY, length) + 1):
            data: Say | Edit = Say(kind="chat", text=f"word number {n}")
            if n % 2:
                data = Edit(
                    base=n - 1, patch=[{"op": "add", "path": f"/notes/n{n % 40}", "value": f"note {n}"}]
                )
            message = StoryUpdate(type="story_update", session_id=session_id, id=f"c1:{n}", data=data)
            reply = decide(draft, Command(alice, message), facts)
            assert reply.data["kind"] == "ack", reply
        assert await store.append(archive.append_of(room, draft.events, [], None)) == draft.head
        room = draft.committed()
        room.results.clear()
        if room.head.sequence_id == at + SNAPSHOT_EVERY:
            await archive.snapshot(store, room)
    assert room.head.sequence_id == length


@pytest.mark.process
@pytest.mark.asyncio
async def test_fifty_thousand_events_are_joined_as_fast_as_fifty(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    server = ServerProcess(tmp_path, ("alice", "bob"), {"NovelApp.idle_timeout": 0.0})
    server.database.parent.mkdir(parents=True)
    store = await SqliteStore.open(server.database, synchronous="NORMAL")
    sessions = {SHORT: "0" * 32, LONG: "1" * 32}
    try:
        for length, session in sessions.items():
            await fill(store, session, length)
    finally:
        await store.close()
    with server:
        first = {length: await _join(server, session) for length, session in sessions.items()}
        from_disk = {length: list[float]() for length in sessions}
        in_memory = {length: list[float]() for length in sessions}
        for _ in range(JOINS):
            await _nobody_in_memory(server)
            for length, session in sessions.items():
                from_disk[length].append(await _join(server, session))
        async with connect(server, "alice") as alice:
            for session in sessions.values():
                await alice.join(session)
            for _ in range(JOINS):
                for length, session in sessions.items():
                    in_memory[length].append(await _join(server, session))
    for name, times in (("in memory", in_memory), ("from disk", from_disk)):
        long, short = median(times[LONG]), median(times[SHORT])
        figure(
            f"join {name}: {LONG} events {long * 1e3:.1f} ms, {SHORT} events {short * 1e3:.1f} ms, "
            f"ratio {long / short:.2f} (medians of {JOINS})"
        )
        assert long / short < 3
    figure(f"first join after the start: {first[LONG] * 1e3:.1f} ms and {first[SHORT] * 1e3:.1f} ms")


async def _join(server: ServerProcess, session: str) -> float:
    """Seconds from the frame of a newcomer's join to the state; it has left when this returns."""
    async with connect(server, "bob", client=secrets.token_hex(4)) as bob:
        began = time.perf_counter()
        answer = await bob.join(session)
        took = time.perf_counter() - began
        assert answer["kind"] == "full_sync"
        assert bob.sessions[session].state_hash()
        await bob.ask("leave_session", session, {})
    return took


async def _nobody_in_memory(server: ServerProcess) -> None:
    async with rest(server, "alice") as http:
        while True:
            found = (await http.get(f"{server.url}metrics")).text
            if "\nnovel_jupyter_rooms 0.0\n" in found:
                return
