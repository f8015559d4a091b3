"""Two hubs over one store and one exchange, with somebody at each.

Law: nothing but the sockets is made up.
Parts: `until`, `Pair`, `pair`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from server.inside import Inside, Listener

from novel_jupyter.core.views import view_hash
from novel_jupyter.server.bus import Place
from novel_jupyter.server.ports import Store
from novel_jupyter.server.session import Session

QUIET: dict[str, Any] = {"node_beat": 3600.0, "head_check": 3600.0, "presence_grace": 0.0}
"""Nothing is found out by looking: what is seen was told."""


async def until(true: Callable[[], object]) -> None:
    """Let the loop run until it is true; the test's own time limit ends what never comes."""
    while not true():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.001)


class Pair:
    """Alice at one server, bob at another, in one session."""

    def __init__(self, one: Inside, two: Inside, here: Session, there: Session) -> None:
        self.one, self.two, self.here, self.there = one, two, here, there
        self.alice, self.bob = Listener(one, "alice"), Listener(two, "bob")

    def flush(self) -> None:
        self.alice.flush()
        self.bob.flush()

    def heard(self, listener: Listener, kind: str) -> list[dict[str, Any]]:
        listener.flush()
        return listener.heard(kind)

    async def agree(self) -> None:
        """Everybody has the same state at the same head, without a gap."""
        await until(lambda: self.here.live.head == self.there.live.head)
        self.flush()
        for listener, session in ((self.alice, self.here), (self.bob, self.there)):
            assert listener.gaps() == []
            assert listener.view_hash() == view_hash(session.live.room.state, listener.view())
        assert self.here.live.room.state == self.there.live.room.state


@asynccontextmanager
async def pair(
    folder: Path, wrap: Callable[[Store], Store] = lambda store: store, **config: Any
) -> AsyncIterator[Pair]:
    """`wrap` stands between both servers and the store."""
    place = Place()
    async with (
        Inside.open(folder, wrap, place, **{**QUIET, **config}) as one,
        Inside.open(folder, wrap, place, **{**QUIET, **config}) as two,
    ):
        here = await one.session("alice")
        there = await two.hub.session(here.id)
        found = Pair(one, two, here, there)
        await found.alice.join(here)
        await found.bob.join(there)
        await until(lambda: found.here.live.head == found.there.live.head)
        # Who is here is said a moment after the joins, with how far the log is: a test begins after that.
        links = (here.link, there.link)
        await until(lambda: all(link._timer is None and link._saying is None for link in links))
        yield found
