"""The log as a table: flat rows with equal columns, back to the beginning, in one's own view.

Law: sessions are played by the real agents under the real rules; bills are put in by hand where the offline
storyteller has none.
Parts: rows, loading, showing.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from kernel.hosting import story_of
from kernel.local import LocalServer, kernel, person

from novel_jupyter.kernel import logbook
from novel_jupyter.kernel.errors import CommandRefused
from novel_jupyter.kernel.logbook import Log
from novel_jupyter.kernel.rows import COLUMNS, Row, is_dramatic, rows_of
from novel_jupyter.kernel.story import Story

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def story() -> AsyncIterator[Story]:
    found = await story_of(LocalServer(kernel()))
    yield found
    await found.close()


def event(number: int, data: dict[str, Any], *, id: str | None = None, audience: Any = "everyone") -> Any:
    return {
        "sequence_id": number,
        "timestamp": "2026-01-01T00:00:00.000Z",
        "user_id": "ana",
        "id": id,
        "audience": audience,
        "data": data,
    }


def deed(id: str, character: str, kind: str, *tags: str, outcome: str = "success") -> dict[str, Any]:
    return {
        "id": id,
        "character": character,
        "action": {"kind": kind, "target": "ben"},
        "outcome": outcome,
        "reason": "it was so",
        "by": "agent",
        "facts": {"tags": list(tags)},
    }


# --- rows


async def test_a_turn_makes_rows_of_equal_columns(story: Story) -> None:
    await story.act("mara", "search kitchen")
    turn = await story.turn()
    await story.say("well told")
    rows = list(story.log)
    assert {tuple(row) for row in rows} == {COLUMNS}
    assert all(not isinstance(value, list | dict) for row in rows for value in row.values())
    deeds = [row for row in rows if row["kind"] == "resolved"]
    assert {row["character"] for row in deeds} >= set(story.characters)
    (mara,) = [row for row in deeds if row["character"] == "mara"]
    assert (mara["turn"], mara["attempt"], mara["branch"], mara["act"]) == (1, 1, "main", "setup")
    assert (mara["action"], mara["target"], mara["by"]) == ("search", "kitchen", "player")
    assert mara["engine"] == "offline"
    assert mara["tension"] == story.state["director"]["tension"]  # type: ignore[index,call-overload]
    told = [row["text"] for row in rows if row["kind"] == "turn"]
    assert "".join(told).replace(" ", "") == turn.narrative.replace("\n\n", "").replace(" ", "")
    assert (rows[-1]["kind"], rows[-1]["text"]) == ("chat", "well told")


async def test_each_bill_stands_on_one_row() -> None:
    agents = {
        "Director": {"tokens_in": 5, "tokens_out": 1, "cost": 0.5, "agent": "Mine"},
        "Mara": {"tokens_in": 7, "tokens_out": 2, "cost": 0.25, "model": "m2"},
    }
    data = {
        "kind": "resolved",
        "turn": 3,
        "attempt": 2,
        "outcomes": [deed("e1", "director", "scene"), deed("e2", "mara", "ask"), deed("e3", "mara", "tell")],
        "made_by": {"engine": "pydantic-ai", "model": "m1", "fallback": False, "agents": agents},
    }
    rows = rows_of([event(9, data)], {"mara": "Mara"})
    assert [(row["tokens"], row["cost"], row["model"]) for row in rows] == [
        (6, 0.5, "m1"),
        (9, 0.25, "m2"),
        (None, None, "m1"),
    ]
    assert rows[0]["agent"] == "Mine"
    assert {(row["turn"], row["attempt"]) for row in rows} == {(3, 2)}


async def test_what_belongs_to_one_turn_has_its_number_and_the_tension_after_it() -> None:
    bill: dict[str, Any] = {"engine": "offline", "model": None, "fallback": False, "agents": {}}
    deeds = {"kind": "resolved", "turn": 1, "attempt": 1, "outcomes": [deed("e1", "ana", "ask")]}
    secret = {"kind": "dealt", "why": "turn", "outcomes": [deed("e2", "ana", "tell")]}
    tension = [{"op": "replace", "path": "/director/tension", "value": 40}]
    told = {"kind": "turn", "turn": 1, "attempt": 1, "sentences": [{"text": "So.", "events": ["e1", "e2"]}]}
    number = [{"op": "add", "path": "/turn", "value": {"number": 2, "attempt": 1, "branch": "main"}}]
    rows = rows_of(
        [
            event(1, {**deeds, "made_by": bill}, id="h:1"),
            event(2, {**secret, "patch": tension}, id="h:1", audience=["ana"]),
            event(3, {**told, "made_by": bill, "patch": number}, id="h:2"),
            event(4, {"kind": "chat", "text": "hm"}, id="c:1"),
        ]
    )
    assert [row["tension"] for row in rows] == [40, 40, 40, 40]
    assert [row["turn"] for row in rows] == [1, 1, 1, 2]
    assert rows[1]["audience"] == "ana"
    assert rows[2]["event"] == "e1,e2"


async def test_what_is_dramatic_can_be_told_from_the_log() -> None:
    assert is_dramatic(deed("e", "ana", "threaten"))
    assert is_dramatic(deed("e", "ana", "search", "found:ring"))
    assert not is_dramatic(deed("e", "ana", "threaten", outcome="refused"))
    assert not is_dramatic(deed("e", "ana", "ask", "held:ring:ana"))
    assert not is_dramatic(deed("e", "director", "clock", "died:ben"))


# --- loading


async def test_it_reaches_back_to_the_beginning_of_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logbook, "PAGE", 7)
    server = LocalServer(kernel())
    first = await story_of(server)
    await first.turn()
    late = await story_of(server, "k1")
    assert len(late.log) == 0
    log = await late.load()
    assert log is late.log
    assert log[0]["kind"] == "created"
    assert log[0]["sequence_id"] == 1
    assert log.begins_at == 0
    seen = {row["sequence_id"] for row in log}
    hidden = {e.sequence_id for e in server.events if e.audience == "sealed"}
    assert seen == set(range(1, len(server.events) + 1)) - hidden
    before = len(log)
    await late.say("more")
    assert len(await late.load()) == before + 1
    await first.close()
    await late.close()


async def test_a_kernel_loads_what_it_may_see_and_more_once_it_was_admitted() -> None:
    server = LocalServer(person("ana"))
    ana = await server.join(person("ana"))
    await ana.admit_host("kernel:k1")
    story, other = await story_of(server, "k1"), await story_of(server, "k3")
    await story.turn()
    await other.load()
    assert {row["audience"] for row in other.log} <= {"everyone", "onlookers"}
    assert all(row["tension"] is None for row in other.log)
    await ana.admit_host("kernel:k3")
    await other.handle.wait_for(lambda _: other.handle.replica.view == "all", 20)
    await other.load()
    assert {"director", "mara"} <= {row["audience"] for row in other.log}
    await story.close()
    await other.close()


async def test_it_begins_where_the_server_still_keeps_events() -> None:
    async def history(after: int, limit: int) -> list[dict[str, Any]]:
        if after < 50:
            raise CommandRefused("trimmed", "gone", {"floor": 50})
        return [event(n, {"kind": "chat", "text": str(n)}) for n in range(after + 1, 54)]

    log = Log()
    await log.load(history, "all")
    assert [row["text"] for row in log] == ["51", "52", "53"]
    assert log.begins_at == 50
    assert "3 rows since event 51" in repr(log)

    async def refused(after: int, limit: int) -> list[dict[str, Any]]:
        raise CommandRefused("forbidden", "not yours")

    with pytest.raises(CommandRefused, match="forbidden"):
        await Log().load(refused, "all")


async def test_its_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logbook, "KEPT", 20)
    monkeypatch.setattr(logbook, "PAGE", 5)
    log = Log()
    for n in range(1, 101):
        log.add(event(n, {"kind": "chat", "text": str(n)}))
        assert len(log) <= 25
    assert log[-1]["text"] == "100"
    assert log[0]["sequence_id"] == log.begins_at + 1


# --- showing


async def test_pandas_takes_it_as_it_is(story: Story) -> None:
    await story.turn()
    pd: Any = importlib.import_module("pandas")
    frame = pd.DataFrame(story.log)
    assert list(frame.columns) == list(COLUMNS)
    assert len(frame) == len(story.log)
    by = frame[frame.kind == "resolved"].groupby("character").size()
    assert by["mara"] == 1
    assert frame["cost"].sum() == 0.0
    records: list[Row] = frame.astype(object).where(frame.notna(), None).to_dict("records")
    assert records == list(story.log)


async def test_it_is_a_sequence(story: Story) -> None:
    await story.turn()
    assert story.log[-2:] == list(story.log)[-2:]
    assert story.log[0] in story.log
    assert story.log.columns == COLUMNS
    assert story.log.events[0]["sequence_id"] == story.log[0]["sequence_id"]


async def test_what_it_shows_is_escaped_and_short(story: Story) -> None:
    await story.say("<script>alert(1)</script>" + "x" * 500)
    shown = story.log._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "x" * 120 not in shown
    assert "await story.load()" in shown
    await story.load()
    assert "await story.load()" not in story.log._repr_html_()
    assert 'scope="col"' in shown
