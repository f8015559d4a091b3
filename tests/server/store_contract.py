"""The contract of `ports.Store` as a suite: implementations subclass `StoreContract` and give it a medium.

Law: each test quotes the rule that it holds (S1 to S22), and uses nothing but the port.
Parts: `LogContract` (S1 to S8 and S21, in `store_contract_log`), `HistoryContract` (epochs and floors, in
`store_contract_history`) and here sessions, cancelling and closing, reading, snapshots, the listing (S9 to
S18 and S22, but S12, S17 and S20, which each medium tests in its own way).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from server.store_contract_history import HistoryContract
from server.store_contract_log import LogContract
from server.store_records import (
    EMPTY,
    Opener,
    extend,
    extend_with,
    make_append,
    make_entries,
    make_info,
    make_results,
)

from novel_jupyter.core.model import Head
from novel_jupyter.server.ports import (
    READ_BYTES,
    SNAPSHOTS_KEPT,
    Append,
    Entry,
    Result,
    SessionExists,
    SessionInfo,
    SessionNotFound,
    Snapshot,
    Store,
    StoreClosed,
)


class StoreContract(LogContract, HistoryContract):
    """Subclasses give the fixture `opener`."""

    # --- sessions

    @pytest.mark.asyncio
    async def test_s9_creation(self, store: Store) -> None:
        entries, results = make_entries(EMPTY, 2), make_results(1)
        head = Head("epoch-1", 2, entries[1].hash)
        await store.create(make_info("s2"), head, entries, results)
        assert await store.head("s2") == head
        assert await store.read("s2", 0, 10) == entries
        assert await store.results("s2", "ann", "c1") == results
        await extend(store, head, 1, 2, session_id="s2")

    @pytest.mark.asyncio
    async def test_s9_an_id_is_taken_once(self, store: Store) -> None:
        head = await extend(store, EMPTY, 1)
        with pytest.raises(SessionExists):
            await store.create(replace(make_info(), title="mine now"), EMPTY, (), make_results(1))
        assert (await store.info("s1"), await store.head("s1")) == (make_info(), head)
        assert await store.results("s1", "ann", "c1") == []

    @pytest.mark.asyncio
    async def test_s9_entries_of_a_creation_end_in_its_head(self, store: Store) -> None:
        entries = make_entries(EMPTY, 2)
        for head in (EMPTY, replace(EMPTY, sequence_id=2), Head("epoch-1", 3, entries[1].hash)):
            with pytest.raises(ValueError):
                await store.create(make_info("s2"), head, entries)
        with pytest.raises(ValueError):
            await store.create(make_info("s2"), replace(EMPTY, sequence_id=1))
        with pytest.raises(SessionNotFound):
            await store.info("s2")

    @pytest.mark.asyncio
    async def test_s9_unknown_sessions(self, store: Store) -> None:
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: store.info("s9"),
            lambda: store.head("s9"),
            lambda: store.append(make_append(EMPTY, 1, 1, session_id="s9")),
            lambda: store.read("s9", 0, 1),
            lambda: store.results("s9", "ann", "c1"),
            lambda: store.clients("s9"),
            lambda: store.put_snapshot("s9", EMPTY, b""),
            lambda: store.snapshot("s9"),
            lambda: store.delete("s9"),
        ]
        for call in calls:
            with pytest.raises(SessionNotFound):
                await call()

    @pytest.mark.asyncio
    async def test_s9_salt_and_time_of_creation_stay(self, store: Store) -> None:
        info = replace(make_info(), salt=b"other", created_at="1999-01-01T00:00:00.000Z", title="New")
        await store.append(Append("s1", EMPTY, info=info))
        assert await store.info("s1") == replace(make_info(), title="New")

    @pytest.mark.asyncio
    async def test_s9_listing_data_of_another_session_are_refused(self, store: Store) -> None:
        with pytest.raises(ValueError):
            await store.append(Append("s1", EMPTY, info=make_info("s2")))

    # --- cancelling and closing

    @pytest.mark.asyncio
    @pytest.mark.parametrize("ticks", range(6))
    async def test_s10_cancelling_leaves_all_or_nothing(self, store: Store, ticks: int) -> None:
        task = asyncio.ensure_future(store.append(make_append(EMPTY, 3, 1)))
        for _ in range(ticks):
            await asyncio.sleep(0.0002)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        # One more write by the same way is behind the cancelled one, if that is still on its way.
        await store.create(make_info("s2"), EMPTY)
        head = await store.head("s1")
        results = await store.results("s1", "ann", "c1")
        assert (head, results) in [(EMPTY, []), (make_append(EMPTY, 3).head, make_results(1))]
        await extend(store, head, 1, 2)

    @pytest.mark.asyncio
    async def test_s22_a_write_by_somebody_else_is_seen(self, store: Store, opener: Opener) -> None:
        before = await store.foreign()
        if before is None:
            return  # a store that cannot tell never does
        head = await extend(store, EMPTY)
        await store.put_snapshot("s1", head, b"{}")
        assert await store.foreign() == before
        other = await opener()
        await extend(other, head, 1, 1)
        assert await store.foreign() != before
        theirs = await other.foreign()
        await other.delete("s1")
        assert await other.foreign() == theirs
        await other.close()

    @pytest.mark.asyncio
    async def test_s11_closing_finishes_what_was_accepted(self, store: Store, opener: Opener) -> None:
        names = [f"last-{i}" for i in range(30)]
        await asyncio.gather(*(store.create(make_info(name), EMPTY) for name in names))
        tasks = [
            asyncio.ensure_future(store.append(make_append(EMPTY, 1, session_id=name))) for name in names
        ]
        await asyncio.sleep(0)
        await store.close()
        assert {type(outcome) for outcome in await asyncio.gather(*tasks)} == {Head}
        await store.close()
        for call in (store.head("s1"), store.append(make_append(EMPTY)), store.sessions()):
            with pytest.raises(StoreClosed):
                await call
        again = await opener()
        assert [(await again.head(name)).sequence_id for name in names] == [1] * 30
        await again.close()

    # --- reading

    @pytest.mark.asyncio
    async def test_s13_pages(self, store: Store) -> None:
        await extend(store, EMPTY, 10)
        entries = make_entries(EMPTY, 10)
        assert await store.read("s1", 0, 4) == entries[:4]
        assert await store.read("s1", 4, 4) == entries[4:8]
        assert await store.read("s1", 8, 4) == entries[8:]
        assert await store.read("s1", 10, 4) == await store.read("s1", 99, 4) == []
        for after, limit in ((-1, 1), (0, 0)):
            with pytest.raises(ValueError):
                await store.read("s1", after, limit)

    @pytest.mark.asyncio
    async def test_s13_bytes_are_bounded(self, store: Store) -> None:
        head = EMPTY
        for _ in range(5):
            head = await extend_with(store, head, b"x" * (READ_BYTES // 4))
        head = await extend_with(store, head, b"x" * (READ_BYTES * 2))
        seen: list[Entry] = []
        sizes: list[int] = []
        while page := await store.read("s1", len(seen), 100):
            sizes.append(sum(len(entry.body) for entry in page))
            seen += page
        assert len(seen) == 6
        assert max(sizes[:-1]) <= READ_BYTES * 3.25, "no more than the bound and one entry"
        assert len(sizes) > 1

    @pytest.mark.asyncio
    @pytest.mark.parametrize(
        "body", [b"", b"\x00", bytes(range(256)), "☾ é 𝄞".encode(), b"'\"\\", b"x" * 100_000]
    )
    async def test_s18_bodies_come_back_as_they_went_in(self, store: Store, body: bytes) -> None:
        result = Result("ünï ☾", 'c"\\1', 1, "d", body)
        append = Append("s1", EMPTY, make_entries(EMPTY, 3, body), [result])
        assert await store.append(append) == append.head
        assert await store.read("s1", 0, 10) == append.entries
        assert await store.results("s1", "ünï ☾", 'c"\\1') == [result]
        await store.put_snapshot("s1", append.head, body)
        assert await store.snapshot("s1") == Snapshot(append.head, body)

    # --- snapshots

    @pytest.mark.asyncio
    async def test_s14_the_newest_at_or_before(self, store: Store) -> None:
        assert await store.snapshot("s1") is None
        heads = [EMPTY]
        for _ in range(3):
            heads.append(await extend(store, heads[-1], 2))
        for head in heads[:3]:
            assert await store.put_snapshot("s1", head, b"at %d" % head.sequence_id)
        assert await store.snapshot("s1") == Snapshot(heads[2], b"at 4")
        assert await store.snapshot("s1", 3) == Snapshot(heads[1], b"at 2")
        assert await store.snapshot("s1", 1) == Snapshot(EMPTY, b"at 0")
        assert await store.put_snapshot("s1", heads[1], b"again")
        assert await store.snapshot("s1", 2) == Snapshot(heads[1], b"again")

    @pytest.mark.asyncio
    async def test_s14_a_snapshot_of_another_history_is_not_kept(self, store: Store) -> None:
        head = await extend(store, EMPTY, 2)
        for wrong in (replace(head, hash="f"), replace(head, sequence_id=3)):
            assert not await store.put_snapshot("s1", wrong, b"")
        assert await store.snapshot("s1") is None

    @pytest.mark.asyncio
    async def test_s14_snapshots_are_bounded_and_spread(self, store: Store) -> None:
        head = EMPTY
        for _ in range(SNAPSHOTS_KEPT * 3):
            head = await extend(store, head, 1)
            assert await store.put_snapshot("s1", head, b"")
            newest = await store.snapshot("s1")
            assert newest is not None
            assert newest.head == head
        points = set[int]()
        for at in range(head.sequence_id + 1):
            snapshot = await store.snapshot("s1", at)
            if snapshot is not None:
                points.add(snapshot.head.sequence_id)
        assert SNAPSHOTS_KEPT // 2 <= len(points) <= SNAPSHOTS_KEPT
        assert max(b - a for a, b in pairwise(sorted({0, *points}))) <= 12

    # --- the listing

    @pytest.mark.asyncio
    async def test_s15_newest_first_in_pages(self, store: Store) -> None:
        for i in range(7):
            users = "ann ben" if i % 2 else "ann cy"
            await store.create(
                make_info(f"p{i}", at=f"2026-02-0{i // 2 + 1}T00:00:00.000Z", users=users), EMPTY
            )
        everything = await self._list(store, None, 3)
        assert len(everything) == 8
        times = [info.last_activity for info in everything]
        assert times == sorted(times, reverse=True)
        assert {info.session_id for info in everything} == {"s1", *(f"p{i}" for i in range(7))}
        assert await self._list(store, None, 100) == everything
        assert {info.session_id for info in await self._list(store, "ben", 1)} == {"p1", "p3", "p5"}
        assert await self._list(store, "nobody", 5) == []

    @pytest.mark.asyncio
    async def test_s15_activity_and_members_move_with_the_session(self, store: Store) -> None:
        await store.create(make_info("s2", at="2026-02-01T00:00:00.000Z"), EMPTY)
        info = replace(make_info(users="ben"), last_activity="2026-03-01T00:00:00.000Z")
        await store.append(Append("s1", EMPTY, info=info))
        assert [i.session_id for i in await self._list(store, None, 5)] == ["s1", "s2"]
        assert [i.session_id for i in await self._list(store, "ann", 5)] == ["s2"]
        assert [i.session_id for i in await self._list(store, "ben", 5)] == ["s1"]

    @pytest.mark.asyncio
    @pytest.mark.parametrize("cursor", ["", "nonsense", "é", "e30=", "WzEsMl0="])
    async def test_s15_a_foreign_cursor_is_refused(self, store: Store, cursor: str) -> None:
        with pytest.raises(ValueError):
            await store.sessions(cursor=cursor)
        with pytest.raises(ValueError):
            await store.sessions(limit=0)

    async def _list(self, store: Store, member: str | None, limit: int) -> list[SessionInfo]:
        listed: list[SessionInfo] = []
        cursor: str | None = None
        while True:
            page = await store.sessions(member, limit, cursor)
            assert len(page.sessions) <= limit
            listed += page.sessions
            cursor = page.cursor
            if cursor is None:
                return listed

    @pytest.mark.asyncio
    async def test_s16_deleting(self, store: Store) -> None:
        head = await extend(store, EMPTY, 3, 1)
        await store.put_snapshot("s1", head, b"old")
        await store.delete("s1")
        assert (await store.sessions()).sessions == ()
        with pytest.raises(SessionNotFound):
            await store.append(make_append(head, 1))
        await store.create(make_info(), replace(EMPTY, epoch="epoch-2"))
        assert await store.read("s1", 0, 10) == []
        assert await store.results("s1", "ann", "c1") == []
        assert await store.snapshot("s1") is None
