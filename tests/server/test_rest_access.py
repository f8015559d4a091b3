"""Asking the Hub whose token it is: a whole class at once, and strangers who make tokens up."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from tornado.web import HTTPError

from novel_jupyter.server import rest_access
from novel_jupyter.server.rest_access import HUB_ASKED_AT_ONCE, HubAsking

pytestmark = pytest.mark.asyncio


class Hub:
    """Knows every token that begins with a `t`, and answers one question after another."""

    def __init__(self) -> None:
        self.asked = self.now = self.most = 0
        self.away = False

    async def user_for_token(self, token: str, use_cache: bool, sync: bool) -> dict[str, Any] | None:
        assert (use_cache, sync) == (False, False)
        self.asked += 1
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        if self.away:
            raise HTTPError(502, "no")
        return {"name": token} if token.startswith("t") else None


async def outcomes(asking: HubAsking, hub: Hub, tokens: list[str]) -> Counter[Any]:
    async def one(token: str) -> Any:
        try:
            return (await asking.user_of(hub, token) or {"name": None})["name"] is not None
        except HTTPError as error:
            return error.status_code

    return Counter(await asyncio.gather(*map(one, tokens)))


async def test_a_class_that_begins_at_once_is_let_in() -> None:
    asking, hub = HubAsking(), Hub()
    assert await outcomes(asking, hub, [f"t{n}" for n in range(300)]) == {True: 300}
    assert hub.most <= HUB_ASKED_AT_ONCE


async def test_tokens_that_are_made_up_are_soon_not_asked_about() -> None:
    asking, hub = HubAsking(), Hub()
    assert await outcomes(asking, hub, ["t1"]) == {True: 1}
    found = await outcomes(asking, hub, [f"made up {n}" for n in range(900)])
    assert found[429] + found[False] == 900
    assert found[False] < 50 + 2 * HUB_ASKED_AT_ONCE + 20
    assert await outcomes(asking, hub, ["t2"]) == {429: 1}, "nobody is known before the Hub was asked"
    assert await outcomes(asking, hub, ["t1"]) == {True: 1}, "whom the Hub knows is not kept waiting"


async def test_who_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_access, "HUB_WAITING", 20)
    asking, hub = HubAsking(), Hub()
    assert await outcomes(asking, hub, [f"t{n}" for n in range(50)]) == {True: 20, 429: 30}
    assert await outcomes(asking, hub, [f"t{n}" for n in range(20)]) == {True: 20}
    assert await outcomes(asking, hub, ["t0"] * 50) == {True: 20, 429: 30}


async def test_a_hub_that_is_away_is_no_ones_fault() -> None:
    asking, hub = HubAsking(), Hub()
    hub.away = True
    assert await outcomes(asking, hub, [f"t{n}" for n in range(200)]) == {503: 200}
    hub.away = False
    assert await outcomes(asking, hub, [f"t{n}" for n in range(200)]) == {True: 200}
