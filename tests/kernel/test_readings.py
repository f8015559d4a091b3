"""Words of a player's own are read for that player alone, before anything is locked."""

from __future__ import annotations

from typing import Any

import pytest
from kernel.hosting import SECONDS, hosting, reached
from kernel.local import LocalServer, kernel, person

from novel_jupyter.kernel.handle import SessionHandle

pytestmark = pytest.mark.asyncio


def _reading(handle: SessionHandle) -> dict[str, Any]:
    seat: Any = handle.state.get("seat:mara", {})
    found: dict[str, Any] = seat.get("reading", {})
    return found


async def _read(handle: SessionHandle, text: str) -> dict[str, Any]:
    await handle.propose("mara", {"kind": "free", "text": text})
    await handle.wait_for(lambda _: _reading(handle).get("text") == text, SECONDS)
    return _reading(handle)


async def test_a_player_is_told_what_their_words_may_mean_and_chooses() -> None:
    server = LocalServer(person("ana"))
    ana = await server.join(person("ana"))
    bo = await server.join(person("bo"))
    await ana.admit_host("kernel:k1")
    host = await hosting(server, server.line(kernel()))
    await ana.claim("mara")

    reading = await _read(ana, "sneek down to the celler")
    assert [each["phrase"] for each in reading["candidates"]] == ["go to the cellar"]
    assert not reading["sure"]
    # Nothing was done: the proposal is as it was written, and nobody else sees what was made of it.
    turn: Any = ana.state["turn"]
    assert turn["proposals"]["mara"]["action"] == {"kind": "free", "text": "sneek down to the celler"}
    assert "seat:mara" not in bo.state

    again = await _read(ana, "go to the lamp room")
    assert again["candidates"] == []
    assert "locked" in again["instead"]

    await ana.propose("mara", reading["candidates"][0]["action"])
    await ana.ready("mara")
    await reached(ana, "collect", 2)
    place: Any = ana.state["seat:mara"]
    assert place["location"] == "cellar"
    await host.stop()


async def test_words_are_read_once_and_others_words_not_at_all() -> None:
    server = LocalServer(person("ana"))
    ana = await server.join(person("ana"))
    await ana.admit_host("kernel:k1")
    line = server.line(kernel())
    host = await hosting(server, line)
    await ana.claim("mara")
    await _read(ana, "take the knife")
    await ana.propose("mara", {"kind": "search"})
    await ana.chat("hello")
    await _read(ana, "hide behind the stove")
    edits = [frame for frame in line.sent if "patch" in frame["data"]]
    assert [edit["data"]["patch"][0]["value"]["text"] for edit in edits] == [
        "take the knife",
        "hide behind the stove",
    ]
    await host.stop()
