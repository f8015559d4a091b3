"""Who is here and where they point, as another server hears of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from server.inside import Inside, Listener
from server.pairs import pair, until

from novel_jupyter.core.messages import Cursor

pytestmark = pytest.mark.asyncio


async def test_a_leave_is_said_once_though_an_old_row_is_read_after_it(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        carol = Listener(both.one, "carol")
        await carol.join(both.here)
        await until(lambda: "carol" in both.there.whereabouts.users())
        row = both.here.whereabouts.row()
        assert row is not None
        both.bob.flush()
        both.bob.messages.clear()
        both.here.leave(carol.connection)
        await until(lambda: "carol" not in both.there.whereabouts.users())
        both.there.whereabouts.others({both.one.hub.bus.node: row})
        both.there.expire()
        assert "carol" not in both.there.whereabouts.users()
        assert len(both.heard(both.bob, "left")) == 1
        assert both.heard(both.bob, "arrived") == []


async def test_many_long_cursors_hide_nobodys(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        crowd = [Listener(both.one, "mallory", f"m{n}") for n in range(32)]
        for one in crowd:
            await one.join(both.here)
        for one in crowd:
            both.here.cursor(one.connection, Cursor(target="/" + "\U0001f600" * 1000, position=1))
        both.here.cursor(both.alice.connection, Cursor(target="/scene/text", position=7))

        def seen() -> object:
            both.flush()
            return [c for c in both.bob.replica_cursors().values() if c["position"] == 7]

        await until(seen)


async def test_who_leaves_and_comes_again_on_one_socket_is_seen_elsewhere(tmp_path: Path) -> None:
    """Whether or not the server's row was written in between."""
    async with pair(tmp_path) as both:
        carol = Listener(both.one, "carol")

        def is_seen() -> bool:
            return "carol" in both.there.whereabouts.users()

        await carol.join(both.here)
        await until(is_seen)
        both.here.leave(carol.connection)
        await carol.join(both.here)
        await until(lambda: both.here.link._timer is None and both.here.link._saying is None)
        await both.there.link._say()
        assert is_seen()
        both.here.leave(carol.connection)
        await until(lambda: both.here.link._timer is None and both.here.link._saying is None)
        await both.there.link._say()
        assert not is_seen()
        row = f'{{"{carol.connection.id}": ["carol", "Carol", "person"]}}'.encode()
        both.there.whereabouts.others({both.one.hub.bus.node: row})
        assert is_seen(), "its server's row had been without it"


async def test_a_crowd_is_listed_a_few_times_and_not_for_each_who_comes(tmp_path: Path) -> None:
    async with Inside.open(tmp_path, cursor_interval=0.5) as inside:
        session = await inside.session("alice")
        alice = Listener(inside, "alice")
        await alice.join(session)
        for n in range(20):
            await Listener(inside, f"guest{n}").join(session)
            alice.flush()

        def lists() -> list[int]:
            alice.flush()
            return [len(m["data"]["users"]) for m in alice.messages if m["data"].get("kind") == "presence"]

        assert len(lists()) <= 2, "one at once, and perhaps one more if this took so long"
        await until(lambda: lists()[-1] == 21)
        assert len(lists()) <= 4
