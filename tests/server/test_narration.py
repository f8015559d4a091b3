"""Prose on its way: provisional, in order, joined in a tick, and told to whoever comes late (R44, R87)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from server.test_connection import Client, Socket

from novel_jupyter.core.errors import Refused
from novel_jupyter.core.messages import Chunk
from novel_jupyter.core.views import SEATED
from novel_jupyter.server.frames import unframe
from novel_jupyter.server.narration import MAX_UNITS, Narration, utf16_units
from novel_jupyter.server.subscribers import Subscribers
from novel_jupyter.server.whereabouts import Note


class Stream:
    """A narration and one reader of it."""

    def __init__(self) -> None:
        self.socket = Socket()
        self.client = Client(self.socket)
        subscribers = Subscribers("s1")
        subscribers.add(self.client, "c1", "public")
        self.published: list[Note] = []
        self.narration = Narration("s1", subscribers, 60.0, self.published.append)

    def add(self, offset: int, text: str, turn: int = 1, attempt: int = 1) -> None:
        chunk = Chunk(kind="narration", turn=turn, attempt=attempt, token=9, offset=offset, text=text)
        self.narration.add(chunk)

    def heard(self) -> list[dict[str, Any]]:
        self.client.flush()
        frames = b"".join(f for frames in self.socket.writes for f in frames)
        return [json.loads(payload)["data"] for payload in unframe(frames)]


@pytest.mark.asyncio
async def test_the_first_chunk_leaves_at_once_the_next_as_one_frame_and_repeats_are_passed_over() -> None:
    stream = Stream()
    stream.add(0, "Once ")
    assert [(d["offset"], d["text"]) for d in stream.heard()] == [(0, "Once ")]
    stream.add(5, "upon ")
    stream.add(5, "upon ")
    stream.add(10, "a 🌊")
    stream.add(14, " time")
    assert len(stream.heard()) == 1
    assert stream.narration.provisional() == {"turn": 1, "attempt": 1, "text": "Once upon a 🌊 time"}
    assert [(d["offset"], d["text"]) for d in stream.heard()][1:] == [(5, "upon a 🌊 time")]
    stream.narration.clear()
    assert stream.narration.provisional() is None


@pytest.mark.asyncio
async def test_another_attempt_begins_anew_and_so_does_a_successor() -> None:
    stream = Stream()
    stream.add(0, "first")
    stream.add(0, "second", attempt=2)
    stream.add(6, "!", attempt=2)
    stream.narration.flush()
    stream.add(0, "again", attempt=2)
    stream.narration.flush()
    assert [(d["attempt"], d["offset"], d["text"]) for d in stream.heard()] == [
        (1, 0, "first"),
        (2, 0, "second!"),
        (2, 0, "again"),
    ]
    assert stream.narration.provisional() == {"turn": 1, "attempt": 2, "text": "again"}


@pytest.mark.asyncio
async def test_gaps_and_texts_without_end_are_refused() -> None:
    stream = Stream()
    stream.add(0, "abc")
    with pytest.raises(Refused) as gap:
        stream.add(5, "f")
    assert (gap.value.code, gap.value.extra["expected"]) == ("invalid", 3)
    with pytest.raises(Refused) as late:
        stream.add(3, "x", attempt=2)
    assert late.value.code == "invalid"
    stream = Stream()
    at = 0
    while at + 4000 <= MAX_UNITS:
        stream.add(at, "x" * 4000)
        at += 4000
    with pytest.raises(Refused) as large:
        stream.add(at, "x" * 4000)
    assert large.value.code == "too_large"
    stream.narration.clear()


@pytest.mark.parametrize(("text", "units"), [("", 0), ("abc", 3), ("ü", 1), ("🌊", 2), ("a🌊b", 4)])
def test_positions_are_in_utf16_units(text: str, units: int) -> None:
    assert utf16_units(text) == units


@pytest.mark.asyncio
async def test_a_seats_telling_is_streamed_to_who_reads_that_seat() -> None:
    """R44: to those who are there and to those who come late."""
    sockets = {
        view: Socket() for view in ("public", "all", "seats:mara", "seats:mara,tom", "seats:tom", SEATED)
    }
    clients = {view: Client(socket) for view, socket in sockets.items()}
    subscribers = Subscribers("s1")
    for view, client in clients.items():
        client.id = view
        subscribers.add(client, view, view)
    published: list[Note] = []
    narration = Narration("s1", subscribers, 60.0, published.append)
    told = {None: "Two fought.", "mara": "I heard a blow.", "tom": "I struck."}
    for seat, text in told.items():
        chunk = Chunk(kind="narration", turn=1, attempt=1, token=9, offset=0, text=text, seat=seat)
        narration.add(chunk)
    whose = {"seats:mara": "mara", "seats:mara,tom": "mara", "seats:tom": "tom", "public": None, "all": None}
    for view in whose:
        late = narration.provisional(view)
        assert late is not None
        assert late["text"] == told[whose[view]]
    assert narration.provisional(SEATED) is None
    narration.flush()
    heard: dict[str, list[str]] = {}
    for view, client in clients.items():
        client.flush()
        frames = b"".join(f for frames in sockets[view].writes for f in frames)
        heard[view] = [json.loads(payload)["data"]["text"] for payload in unframe(frames)]
    assert heard == {**{view: [told[seat]] for view, seat in whose.items()}, SEATED: []}
    assert [note.get("seat") for note in published] == [None, "mara", "tom"]
    narration.clear()
    assert narration.provisional("seats:tom") is None
