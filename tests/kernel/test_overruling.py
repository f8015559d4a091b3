"""What a director put in a player's place, played by the agents: it happens, and says whose choice it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from kernel.hosting import SECONDS, hosting, reached
from kernel.local import LocalServer, kernel, person
from pydantic import JsonValue

from novel_jupyter.kernel.errors import CommandRefused
from novel_jupyter.kernel.handle import SessionHandle
from novel_jupyter.story.director import DirectorAgent
from novel_jupyter.story.session import Session
from novel_jupyter.story.turn import ActionResult

pytestmark = pytest.mark.asyncio
WAIT: dict[str, JsonValue] = {"kind": "wait"}
SEARCH: dict[str, JsonValue] = {"kind": "search"}


async def _table(**settings: JsonValue) -> tuple[LocalServer, SessionHandle, SessionHandle]:
    """Ana owns the session, Bo plays Ines in it."""
    server = LocalServer(person("ana"), **settings)
    ana, bo = await server.join(person("ana")), await server.join(person("bo"))
    await ana.admit_host("kernel:k1")
    await bo.claim("ines")
    return server, ana, bo


def _deeds(server: LocalServer) -> dict[str, tuple[str, str]]:
    """Who did what in the turn that was resolved last, and whose choice it was."""
    resolved: Any = next(event.data for event in reversed(server.events) if event.data["kind"] == "resolved")
    return {o["character"]: (o["action"]["kind"], o["by"]) for o in resolved["outcomes"]}


async def test_what_was_overruled_happens_and_is_the_directors_choice() -> None:
    """R66, R67"""
    server, ana, bo = await _table()
    host = await hosting(server, server.line(kernel()))
    await bo.propose("ines", SEARCH)
    await ana.overrule("ines", WAIT, "She is asleep.")
    with pytest.raises(CommandRefused) as refused:
        await bo.withdraw("ines")
    assert refused.value.code == "overruled"
    turn: Any = bo.state["turn"]
    assert turn["proposals"]["ines"]["overruled"] == {"by": "ana", "reason": "She is asleep."}
    await ana.direct("lock")
    await reached(bo, "collect", 2)
    assert _deeds(server)["ines"] == ("wait", "director")
    await bo.propose("ines", SEARCH)
    await ana.direct("lock")
    await reached(bo, "collect", 3)
    assert _deeds(server)["ines"] == ("search", "player")
    await host.stop()


async def test_who_is_struck_out_does_nothing() -> None:
    """R68"""
    server, ana, bo = await _table()
    host = await hosting(server, server.line(kernel()))
    await bo.propose("ines", SEARCH)
    await ana.overrule("ines", None, "She is asleep.")
    await ana.direct("lock")
    await reached(bo, "collect", 2)
    assert "ines" not in _deeds(server)
    await host.stop()


async def test_a_kernel_overrules_nobody() -> None:
    """R6, R66"""
    server, _, bo = await _table()
    host = await hosting(server, server.line(kernel()))
    await bo.propose("ines", SEARCH)
    with pytest.raises(CommandRefused) as refused:
        await host.handle.overrule("ines", None, "I say so.")
    assert refused.value.code == "forbidden"
    await host.stop()


async def test_in_immediate_what_was_overruled_is_no_users_action() -> None:
    """R33, R68"""
    asked: list[str] = []

    class Watching(DirectorAgent):
        async def process_user_action(
            self, session: Session, user: str, action: Mapping[str, JsonValue]
        ) -> ActionResult:
            asked.append(user)
            return await super().process_user_action(session, user, action)

    server, ana, bo = await _table(turn_policy="immediate")
    await ana.propose("mara", WAIT)  # nobody hosts yet: it is locked, and what comes after it waits
    await bo.propose("ines", SEARCH)
    await ana.overrule("ines", WAIT, "She is asleep.")
    host = await hosting(server, server.line(kernel()), director=Watching())
    await reached(bo, "collect", 3)
    assert asked == ["ana"]
    assert _deeds(server)["ines"] == ("wait", "director")
    await bo.propose("ines", SEARCH)
    await reached(bo, "collect", 4)
    assert asked == ["ana", "bo"]
    await host.stop()


async def test_what_a_director_says_freely_is_not_read_to_the_player() -> None:
    """R67: it is not theirs to take as another action."""
    server, ana, bo = await _table()
    await bo.propose("ines", SEARCH)
    await ana.overrule("ines", {"kind": "free", "text": "go to the cellar"}, "She sleepwalks.")
    await ana.propose("mara", {"kind": "free", "text": "hide behind the stove"})
    line = server.line(kernel())
    host = await hosting(server, line)
    await ana.wait_for(lambda state: "reading" in _part(state, "seat:mara"), SECONDS)
    assert [frame["data"]["patch"][0]["path"] for frame in line.sent if "patch" in frame["data"]] == [
        "/seat:mara/reading"
    ]
    await host.stop()


def _part(state: Mapping[str, JsonValue], name: str) -> dict[str, JsonValue]:
    found = state.get(name)
    return found if isinstance(found, dict) else {}
