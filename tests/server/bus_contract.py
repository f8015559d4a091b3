"""The contract of `bus.Bus` as a suite: implementations subclass `BusContract` and give it a medium.

Law: each test quotes the rule that it holds (B1 to B9), and uses nothing but the port. What was said is
waited for, never a time; that nothing more was said is known from a later note, since notes keep their order.
B5, B7 and a medium that is away are tested where there is a medium (`test_bus_redis`).
Parts: `Ear` (a listener that remembers), `Opener`, `BusContract`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias

import pytest
from server.store_records import make_entries, make_results

from novel_jupyter.core.model import Head
from novel_jupyter.server.bus import NOTE_BYTES, Announcement, Bus, Row
from novel_jupyter.server.ports import StoreClosed

Opener: TypeAlias = Callable[[str], Awaitable[Bus]]
"""Opens one more bus, of this node, on the test's own medium. The fixture closes them."""

LONG = 60.0
SHORT = 0.15
PATIENCE = 20.0


class Announcer(Protocol):
    async def __call__(self, bus: Bus, session_id: str, announcement: Announcement) -> None:
        """What the store of that bus's medium does after an append."""


class Ear:
    """A listener that remembers everything in order."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self._news = asyncio.Event()

    def _add(self, what: object) -> None:
        self.heard.append(what)
        self._news.set()

    def announced(self, announcement: Announcement) -> None:
        self._add(announcement)

    def noted(self, node: str, note: bytes) -> None:
        self._add((node, note))

    def changed(self) -> None:
        self._add("changed")

    def relinked(self) -> None:
        self._add("relinked")

    @property
    def changes(self) -> int:
        return self.heard.count("changed")

    async def until(self, *what: object) -> None:
        """Return when all of these were heard."""
        await self.until_true(lambda: all(item in self.heard for item in what))

    async def until_true(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not holds():
                self._news.clear()
                await self._news.wait()


async def listening(buses: Sequence[Bus], session_id: str) -> list[Ear]:
    ears = [Ear() for _ in buses]
    for bus, ear in zip(buses, ears, strict=True):
        await bus.listen(session_id, ear)
    return ears


async def until_gone(bus: Bus, session_id: str, node: str) -> None:
    """Look until the row of `node` is away."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if node not in await bus.here(session_id, Row(b"[]", 0), LONG):
                return
            await asyncio.sleep(0.01)


class BusContract:
    """Subclasses give the fixtures `opener` and `announce`, and may be run many times on one medium."""

    @pytest.fixture
    def sid(self, request: pytest.FixtureRequest) -> str:
        """A session of this test's own."""
        return f"s{abs(hash(request.node.nodeid)):x}"

    # --- notes and announcements

    @pytest.mark.asyncio
    async def test_b1_notes_reach_all_others_in_order(self, opener: Opener, sid: str) -> None:
        a, b, c = [await opener(node) for node in "abc"]
        ears = await listening([a, b, c], sid)
        for i in range(200):
            a.publish(sid, b"from a %d" % i)
            b.publish(sid, b"from b %d" % i)
        said_by_a = [("a", b"from a %d" % i) for i in range(200)]
        said_by_b = [("b", b"from b %d" % i) for i in range(200)]
        await asyncio.gather(
            ears[0].until(said_by_b[-1]),
            ears[1].until(said_by_a[-1]),
            ears[2].until(said_by_a[-1], said_by_b[-1]),
        )
        assert (ears[0].heard, ears[1].heard) == (said_by_b, said_by_a)
        assert [note for note in ears[2].heard if note in said_by_a] == said_by_a
        assert [note for note in ears[2].heard if note in said_by_b] == said_by_b
        assert len(ears[2].heard) == 400

    @pytest.mark.asyncio
    async def test_b1_sessions_do_not_hear_each_other(self, opener: Opener, sid: str) -> None:
        a, b = await opener("a"), await opener("b")
        one, two = [(await listening([b], f"{sid}-{number}"))[0] for number in (1, 2)]
        for number in (1, 2):
            a.publish(f"{sid}-{number}", b"for %d" % number)
        a.publish(f"{sid}-3", b"for nobody")
        await one.until(("a", b"for 1"))
        await two.until(("a", b"for 2"))
        assert (len(one.heard), len(two.heard)) == (1, 1)

    @pytest.mark.asyncio
    @pytest.mark.parametrize("note", [b"", b"\x00\n\r\n", bytes(range(256)), b"x" * NOTE_BYTES])
    async def test_b1_notes_come_as_they_were_said(self, opener: Opener, sid: str, note: bytes) -> None:
        a, b = await opener("a"), await opener("b ☾")
        [ear] = await listening([a], sid)
        b.publish(sid, note)
        await ear.until(("b ☾", note))

    @pytest.mark.asyncio
    async def test_b1_nothing_is_heard_after_unlisten_and_all_after_listen(
        self, opener: Opener, sid: str
    ) -> None:
        a, b, c = [await opener(node) for node in "abc"]
        first, witness = await listening([b, c], sid)
        await b.unlisten(sid)
        await b.unlisten(sid)
        await b.unlisten("unknown")
        a.publish(sid, b"one")
        await witness.until(("a", b"one"))
        for _ in range(5):
            await listening([b], sid)
            await b.unlisten(sid)
        [again] = await listening([b], sid)
        a.publish(sid, b"two")
        await again.until(("a", b"two"))
        assert again.heard == [("a", b"two")]
        assert first.heard == []

    @pytest.mark.asyncio
    async def test_b2_an_append_is_announced_to_the_others(
        self, opener: Opener, announce: Announcer, sid: str
    ) -> None:
        a, b = await opener("a"), await opener("b")
        mine, ear = await listening([a, b], sid)
        start = Head("epoch-1", 7, "f00")
        entries = make_entries(start, 3, "é\n☾".encode())
        told = Announcement(
            Head("epoch-1", 10, entries[-1].hash), tuple(entries), tuple(make_results(1, 2, client="ünï\n"))
        )
        await announce(a, sid, told)
        await announce(a, sid, Announcement(told.head))
        await ear.until(Announcement(told.head))
        assert ear.heard == [told, Announcement(told.head)]
        assert mine.heard == []

    @pytest.mark.asyncio
    async def test_b7_notes_are_bounded(self, opener: Opener, sid: str) -> None:
        bus = await opener("a")
        with pytest.raises(ValueError):
            bus.publish(sid, b"x" * (NOTE_BYTES + 1))

    # --- who is here

    @pytest.mark.asyncio
    async def test_b3_everybody_sees_all_rows(self, opener: Opener, sid: str) -> None:
        a, b = await opener("a"), await opener("b")
        row, other = Row(b'{"ann": "\xc3\xa9 \x00\n"}', 2**53), Row(b"", 0)
        assert await a.here(sid, None, LONG) == {}
        assert await a.here(sid, row, LONG) == {"a": row}
        assert await b.here(sid, other, LONG) == {"a": row, "b": other}
        assert await a.here(sid, other, LONG) == {"a": other, "b": other}
        assert await a.here(sid, None, LONG) == {"b": other}
        assert await b.here(f"{sid}-2", None, LONG) == {}

    @pytest.mark.asyncio
    async def test_b3_a_row_lives_while_it_is_said(self, opener: Opener, sid: str) -> None:
        a, b, c = [await opener(node) for node in "abc"]
        await c.here(sid, Row(b"gone soon", 1), SHORT)
        await b.here(sid, Row(b"b", 1), SHORT)
        await b.here(sid, Row(b"b", 2), LONG)
        await until_gone(a, sid, "c")
        assert set(await a.here(sid, None, LONG)) == {"b"}

    @pytest.mark.asyncio
    async def test_b3_unlisten_takes_the_row_away(self, opener: Opener, sid: str) -> None:
        a, b = await opener("a"), await opener("b")
        ear, _ = await listening([a, b], sid)
        await b.here(sid, Row(b"b", 1), LONG)
        await b.unlisten(sid)
        await ear.until_true(lambda: ear.changes == 2)
        assert await a.here(sid, None, LONG) == {}

    @pytest.mark.asyncio
    async def test_b4_only_what_differs_is_told(self, opener: Opener, sid: str) -> None:
        a, b = await opener("a"), await opener("b")
        mine, ear = await listening([a, b], sid)
        for row in (None, Row(b"x", 1), Row(b"x", 1), Row(b"x", 2), Row(b"y", 2), None, None, Row(b"", 0)):
            await a.here(sid, row, LONG)
        a.publish(sid, b"end")
        await ear.until(("a", b"end"))
        assert ear.changes == 4, "appeared, said otherwise, left, appeared"
        assert mine.heard == []

    @pytest.mark.asyncio
    async def test_b4_an_expiry_is_told_once(self, opener: Opener, sid: str) -> None:
        a, b, d, gone = [await opener(node) for node in ("a", "b", "d", "gone")]
        await gone.here(sid, Row(b"x", 1), SHORT)
        for bus in (a, b):
            await bus.here(sid, Row(b"[]", 0), LONG)
        ears = await listening([a, b, d], sid)
        looks = [until_gone(bus, sid, "gone") for bus in (a, b) for _ in range(10)]
        await asyncio.gather(*looks)
        gone.publish(sid, b"end")
        for ear in ears:
            await ear.until(("gone", b"end"))
        assert ears[2].changes == 1
        assert ears[0].changes + ears[1].changes == 1, "whoever took it away knows it already"

    @pytest.mark.asyncio
    async def test_b4_who_looks_last_is_told_by_the_answer(self, opener: Opener, sid: str) -> None:
        a, gone = await opener("a"), await opener("gone")
        await gone.here(sid, Row(b"x", 1), SHORT)
        await until_gone(a, sid, "gone")
        assert await a.here(sid, Row(b"[]", 0), LONG) == {"a": Row(b"[]", 0)}

    # --- the nodes

    @pytest.mark.asyncio
    async def test_b6_nodes_are_known_while_they_beat(self, opener: Opener) -> None:
        a, b, c = [await opener(node) for node in "abc"]
        await c.beat(b"short", SHORT)
        await b.beat(b'{"url": "\xc3\xa9\x00\n"}', LONG)
        await a.beat(b"", LONG)
        async with asyncio.timeout(PATIENCE):
            while True:
                found = await a.nodes()
                if len(found) == 2:
                    break
                await asyncio.sleep(0.01)
        assert [(node.node_id, node.about) for node in found] == [
            ("a", b""),
            ("b", b'{"url": "\xc3\xa9\x00\n"}'),
        ]
        assert all(0 <= node.age < PATIENCE for node in found)
        await b.beat(b"", 0)
        await c.beat(b"again", LONG)
        assert [node.node_id for node in await b.nodes()] == ["a", "c"]

    @pytest.mark.asyncio
    async def test_b9_nobody_is_alone_beside_another(self, opener: Opener) -> None:
        a, b = await opener("a"), await opener("b")
        await a.beat(b"", LONG)
        await b.beat(b"", LONG)
        assert not a.is_alone
        assert not b.is_alone

    # --- closing

    @pytest.mark.asyncio
    async def test_b8_closing(self, opener: Opener, sid: str) -> None:
        a, b = await opener("a"), await opener("b")
        closed, ear = await listening([a, b], sid)
        await a.here(sid, Row(b"a", 1), LONG)
        await a.beat(b"", LONG)
        await a.close()
        await a.close()
        await ear.until_true(lambda: ear.changes == 2)
        b.publish(sid, b"to nobody")
        a.publish(sid, b"lost")
        await a.unlisten(sid)
        for call in (a.listen(sid, closed), a.here(sid, None, LONG), a.beat(b"", LONG), a.nodes()):
            with pytest.raises(StoreClosed):
                await call
        assert await b.here(sid, None, LONG) == {}
        assert await b.nodes() == []
        assert closed.heard == []
