"""When a connection is looked at next: seldom where nothing is due, soon where something may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from server.inside import principal

from novel_jupyter.core.policy import Principal
from novel_jupyter.server.config import Config
from novel_jupyter.server.connection import Connection, Flusher
from novel_jupyter.server.looks import PATIENCE, Looks

CONFIG = Config()


class Wire:
    busy = False

    def write(self, frames: list[bytes], done: Any) -> bool:
        return True


def connection(name: str, who: Principal | None = None, expires: float | None = None) -> Connection:
    made = Connection(
        name, who or principal(name), expires, Wire(), lambda code, why: None, CONFIG, Flusher(CONFIG.tick)
    )
    made.last_heard = made.last_ping = 100.0
    return made


def looking(connections: Sequence[Connection]) -> tuple[Looks, dict[str, Connection]]:
    by_id = {each.id: each for each in connections}
    looks = Looks(by_id, CONFIG)
    for each in connections:
        looks.add(each)
    return looks, by_id


def seen(looks: Looks, now: float) -> list[str]:
    return [each.id for each in looks.due(now)]


def test_who_is_quiet_is_looked_at_for_its_ping() -> None:
    quiet = connection("quiet")
    looks, _ = looking([quiet])
    assert seen(looks, 100.0) == ["quiet"]
    assert quiet.look_at == 100.0 + CONFIG.ping_interval
    assert seen(looks, 119.9) == []
    for each in looks.due(120.0):
        each.last_ping = 120.0
    assert quiet.look_at == 140.0
    for each in looks.due(140.0):
        each.last_ping = 140.0
    assert quiet.look_at == 100.0 + CONFIG.pong_timeout, "by then it should have answered"


@pytest.mark.parametrize(
    "who",
    [
        {"who": Principal("ada~k", "Ada", kind="kernel")},
        {"who": Principal("guest:1", "Guest", only="s1")},
        {"expires": 9e9},
    ],
)
def test_who_may_have_to_go_is_looked_at_soon(who: dict[str, Any]) -> None:
    looks, _ = looking([connection("one", **who)])
    assert seen(looks, 100.0) == ["one"]
    assert seen(looks, 100.0 + PATIENCE - 0.1) == []
    assert seen(looks, 100.0 + PATIENCE) == ["one"]


@pytest.mark.asyncio
async def test_who_does_not_take_what_waits_is_looked_at_soon_and_once() -> None:
    stuck = connection("stuck")
    looks, _ = looking([stuck])
    assert seen(looks, 100.0) == ["stuck"]
    stuck.durable(b"news")
    looks.soon(stuck, 101.0)
    looks.soon(stuck, 101.5)
    assert stuck.look_at == 101.0 + PATIENCE
    assert seen(looks, 104.0) == ["stuck"], "the plan before counts no more"
    assert stuck.look_at == 104.0 + PATIENCE, "and again, while it waits"
    stuck.flush()
    assert seen(looks, 106.0) == ["stuck"]
    assert stuck.look_at == 120.0


def test_who_has_gone_is_forgotten() -> None:
    gone, closed, stays = connection("gone"), connection("closed"), connection("stays")
    looks, by_id = looking([gone, closed, stays])
    del by_id["gone"]
    closed.gone()
    assert seen(looks, 100.0) == ["stays"]
    assert seen(looks, 200.0) == ["stays"]


def test_times_that_are_short_are_looked_at_as_often_as_they_need() -> None:
    hasty = Config(stall_timeout=0.4)
    one = connection("one", expires=9e9)
    looks = Looks({"one": one}, hasty)
    looks.add(one)
    assert seen(looks, 100.0) == ["one"]
    assert one.look_at == pytest.approx(100.1)
