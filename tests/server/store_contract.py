"""The contract of `ports.Store` as a suite: implementations subclass `StoreContract` and give it a medium.

Law: each test quotes the rule that it holds (S1 to S18), and uses nothing but the port.
Parts: makers of records, `StoreContract`, and a program (`python store_contract.py module:function target …`)
that appends until it is stopped, for tests that need several processes or kill one.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import reduce
from hashlib import sha256
from itertools import pairwise
from typing import Any, TypeAlias

import pytest
import pytest_asyncio

from novel_jupyter.core.model import Head
from novel_jupyter.server.ports import (
    BEHIND_ENTRIES,
    CLIENTS_KEPT,
    READ_BYTES,
    RESULTS_KEPT,
    SNAPSHOTS_KEPT,
    Append,
    Behind,
    Entry,
    Result,
    SessionExists,
    SessionInfo,
    SessionNotFound,
    Snapshot,
    Store,
    StoreClosed,
)

Opener: TypeAlias = Callable[[], Awaitable[Store]]
"""Opens one more handle to the test's own, fresh medium."""

EMPTY = Head("epoch-1", 0, "")


def make_info(
    session_id: str = "s1", *, at: str = "2026-01-01T00:00:00.000Z", users: str = "ann"
) -> SessionInfo:
    members = tuple((user, "player") for user in users.split())
    return SessionInfo(session_id, "lighthouse", "Título ☾", "open", members, at, at, False, b"\x00salt\xff")


def make_entries(after: Head, count: int, body: bytes = b'{"n":1}') -> list[Entry]:
    entries: list[Entry] = []
    hash = after.hash
    for sequence_id in range(after.sequence_id + 1, after.sequence_id + count + 1):
        hash = sha256(hash.encode() + body).hexdigest()
        entries.append(Entry(sequence_id, hash, body))
    return entries


def make_results(*numbers: int, client: str = "c1", principal: str = "ann") -> list[Result]:
    return [Result(principal, client, n, f"digest-{n}", b'{"ack":%d}' % n) for n in numbers]


def make_append(
    after: Head, count: int = 1, *numbers: int, session_id: str = "s1", client: str = "c1"
) -> Append:
    return Append(session_id, after, make_entries(after, count), make_results(*numbers, client=client))


async def extend(store: Store, after: Head, count: int = 1, *numbers: int, session_id: str = "s1") -> Head:
    """Append and expect that it succeeds."""
    head = await store.append(make_append(after, count, *numbers, session_id=session_id))
    assert isinstance(head, Head)
    return head


class StoreContract:
    """Subclasses give the fixture `opener`."""

    @pytest_asyncio.fixture
    async def store(self, opener: Opener) -> AsyncIterator[Store]:
        store = await opener()
        await store.create(make_info(), EMPTY)
        yield store
        await store.close()

    # --- the log

    @pytest.mark.asyncio
    async def test_s1_a_log_grows_without_gaps(self, store: Store) -> None:
        first = await extend(store, EMPTY, 3)
        second = await extend(store, first, 2)
        assert second == await store.head("s1") == replace(second, epoch="epoch-1", sequence_id=5)
        entries = await store.read("s1", 0, 100)
        assert [entry.sequence_id for entry in entries] == [1, 2, 3, 4, 5]
        assert entries == make_entries(EMPTY, 5)

    @pytest.mark.asyncio
    @pytest.mark.parametrize("wrong", [0, 2, 3, -1])
    async def test_s1_entries_that_do_not_follow_are_refused(self, store: Store, wrong: int) -> None:
        first, second = make_entries(EMPTY, 2)
        with pytest.raises(ValueError):
            await store.append(
                Append("s1", EMPTY, [first, replace(second, sequence_id=wrong)] if wrong != 2 else [second])
            )
        assert await store.head("s1") == EMPTY

    @pytest.mark.asyncio
    async def test_s2_all_three_fields_of_the_head_must_agree(self, store: Store) -> None:
        head = await extend(store, EMPTY, 2)
        for wrong in (replace(head, epoch="epoch-2"), replace(head, hash="f" * 64), EMPTY):
            assert isinstance(await store.append(make_append(wrong, 1)), Behind)
        ahead = replace(head, sequence_id=3)
        assert isinstance(await store.append(make_append(ahead, 1)), Behind)
        assert await store.head("s1") == head
        assert isinstance(await store.append(make_append(head, 1)), Head)

    @pytest.mark.asyncio
    async def test_s3_everything_is_written_together(self, store: Store) -> None:
        info = replace(make_info(users="ann ben"), title="Later", last_activity="2026-01-02T00:00:00.000Z")
        append = replace(make_append(EMPTY, 2, 1, 2), info=info)
        assert await store.append(append) == append.head
        assert await store.read("s1", 0, 10) == append.entries
        assert await store.results("s1", "ann", "c1") == append.results
        assert await store.info("s1") == info

    @pytest.mark.asyncio
    async def test_s3_behind_writes_nothing(self, store: Store) -> None:
        head = await extend(store, EMPTY, 2)
        info = replace(make_info(), title="never")
        assert isinstance(await store.append(replace(make_append(EMPTY, 1, 7), info=info)), Behind)
        assert await store.head("s1") == head
        assert await store.results("s1", "ann", "c1") == []
        assert await store.info("s1") == make_info()

    @pytest.mark.asyncio
    async def test_s3_refusals_are_results_without_entries(self, store: Store) -> None:
        assert await extend(store, EMPTY, 0, 1) == EMPTY
        assert await store.results("s1", "ann", "c1") == make_results(1)

    @pytest.mark.asyncio
    async def test_s3_an_append_may_change_the_listing_alone(self, store: Store) -> None:
        info = replace(make_info(), archived=True, status="archived")
        assert await store.append(Append("s1", EMPTY, info=info)) == EMPTY
        assert await store.info("s1") == info

    # --- results

    @pytest.mark.asyncio
    async def test_s4_a_key_is_spent_once(self, store: Store) -> None:
        head = await extend(store, EMPTY, 1, 1, 2)
        behind = await store.append(make_append(head, 1, 2, 3))
        assert behind == Behind(head, spent=(("ann", "c1", 2),))
        assert await store.head("s1") == head
        assert await store.results("s1", "ann", "c1") == make_results(1, 2)

    @pytest.mark.asyncio
    async def test_s4_a_key_is_session_principal_client_and_n(self, store: Store) -> None:
        await store.create(make_info("s2"), EMPTY)
        head = await extend(store, EMPTY, 1, 1)
        head = await extend(store, head, 1, 2)
        for other in (make_results(1, client="c2"), make_results(1, principal="ben"), make_results(3)):
            got = await store.append(Append("s1", head, (), other))
            assert got == head
        await extend(store, EMPTY, 1, 1, session_id="s2")
        assert await store.results("s1", "ben", "c1") == make_results(1, principal="ben")
        assert await store.results("s1", "ben", "c2") == []

    @pytest.mark.asyncio
    async def test_s4_of_two_decisions_on_one_command_one_is_kept(self, store: Store) -> None:
        """Results alone do not move the head, so the head alone cannot tell the two apart."""
        refusals = [Append("s1", EMPTY, (), make_results(1)) for _ in range(2)]
        got = await asyncio.gather(*(store.append(refusal) for refusal in refusals))
        assert sorted(map(type, got), key=str) == sorted([Head, Behind], key=str)

    @pytest.mark.asyncio
    async def test_s4_the_same_key_twice_in_one_append_is_refused(self, store: Store) -> None:
        for numbers in ((1, 1), (0,), (-1,), (2**53 + 1,)):
            with pytest.raises(ValueError):
                await store.append(make_append(EMPTY, 1, *numbers))

    @pytest.mark.asyncio
    async def test_s5_the_last_results_of_a_client_are_kept(self, store: Store) -> None:
        head, n = EMPTY, 0
        for _ in range(6):
            head = await extend(store, head, 1, *range(n + 1, n + 301))
            n += 300
        kept = await store.results("s1", "ann", "c1")
        assert [result.n for result in kept] == list(range(n - RESULTS_KEPT + 1, n + 1))
        behind = await store.append(make_append(head, 1, 1))
        assert behind == Behind(head, spent=(("ann", "c1", 1),)), "forgotten numbers stay spent (S4)"

    @pytest.mark.asyncio
    async def test_s5_the_least_recently_used_clients_are_forgotten(self, store: Store) -> None:
        half = CLIENTS_KEPT // 2
        clients = [f"c{i}" for i in range(CLIENTS_KEPT + 1)]
        for part in (clients[:half], clients[half:-1]):
            results = [make_results(1, client=client)[0] for client in part]
            assert await store.append(Append("s1", EMPTY, (), results)) == EMPTY
        await store.append(
            Append("s1", EMPTY, (), [r for c in clients[:half] for r in make_results(2, client=c)])
        )
        await store.append(Append("s1", EMPTY, (), make_results(1, client=clients[-1])))
        assert await store.results("s1", "ann", "c0") == make_results(1, 2, client="c0")
        assert await store.results("s1", "ann", clients[-1]) != []
        known = [await store.results("s1", "ann", client) for client in clients[half:-1:97]]
        assert sum(not results for results in known) <= 1
        rest = [await store.results("s1", "ann", client) for client in (clients[half], clients[-2])]
        assert sum(not results for results in rest) == 1, "one client of the oldest append had to go"

    # --- durability, concurrency

    @pytest.mark.asyncio
    async def test_s6_another_handle_sees_what_was_acknowledged(self, store: Store, opener: Opener) -> None:
        other = await opener()
        head = await extend(store, EMPTY, 3, 1)
        assert await other.head("s1") == head
        head = await extend(other, head, 1, 2)
        await other.close()
        assert await store.head("s1") == head
        assert await store.results("s1", "ann", "c1") == make_results(1, 2)

    @pytest.mark.asyncio
    async def test_s6_it_is_there_after_closing(self, store: Store, opener: Opener) -> None:
        head = await extend(store, EMPTY, 3, 1)
        await store.close()
        again = await opener()
        assert await again.head("s1") == head
        assert await again.read("s1", 0, 10) == make_entries(EMPTY, 3)
        assert await again.info("s1") == make_info()
        await again.close()

    @pytest.mark.asyncio
    async def test_s7_one_of_many_wins(self, store: Store, opener: Opener) -> None:
        other = await opener()
        appends = [
            replace(make_append(EMPTY, 2, 1, client=f"c{i}"), entries=make_entries(EMPTY, 2, b"%d" % i))
            for i in range(20)
        ]
        got = await asyncio.gather(
            *((store, other)[i % 2].append(append) for i, append in enumerate(appends))
        )
        winners = [i for i, outcome in enumerate(got) if isinstance(outcome, Head)]
        assert len(winners) == 1
        assert await store.read("s1", 0, 10) == appends[winners[0]].entries
        losers = [outcome for outcome in got if isinstance(outcome, Behind)]
        expected = Behind(appends[winners[0]].head, tuple(appends[winners[0]].entries))
        assert losers == [expected] * 19
        await other.close()

    @pytest.mark.asyncio
    async def test_s7_many_sessions_at_once(self, store: Store) -> None:
        names = [f"many-{i}" for i in range(40)]
        await asyncio.gather(*(store.create(make_info(name), EMPTY) for name in names))

        async def play(name: str) -> Head:
            head = EMPTY
            for n in range(1, 6):
                head = await extend(store, head, 2, n, session_id=name)
            return head

        heads = await asyncio.gather(*map(play, names))
        assert {head.sequence_id for head in heads} == {10}
        for name in names:
            assert await store.read(name, 0, 100) == make_entries(EMPTY, 10)

    @pytest.mark.asyncio
    async def test_s8_behind_brings_what_is_missing(self, store: Store) -> None:
        first = await extend(store, EMPTY, 2)
        second = await extend(store, first, 3)
        behind = await store.append(make_append(first, 1))
        assert behind == Behind(second, tuple(make_entries(EMPTY, 5)[2:]))
        from_the_start = await store.append(make_append(EMPTY, 1))
        assert from_the_start == Behind(second, tuple(make_entries(EMPTY, 5)))

    @pytest.mark.asyncio
    async def test_s8_behind_is_bounded(self, store: Store) -> None:
        head = await extend(store, EMPTY, BEHIND_ENTRIES + 5)
        behind = await store.append(make_append(EMPTY, 1))
        assert isinstance(behind, Behind)
        assert behind.head == head
        assert not behind.complete
        assert not behind.diverged
        assert behind.entries == tuple(make_entries(EMPTY, BEHIND_ENTRIES + 5)[: len(behind.entries)])
        assert 0 < len(behind.entries) <= BEHIND_ENTRIES

    @pytest.mark.asyncio
    async def test_s8_another_history_brings_nothing(self, store: Store) -> None:
        head = await extend(store, EMPTY, 3)
        point = Head("epoch-1", 2, make_entries(EMPTY, 2)[1].hash)
        for wrong in (
            replace(point, epoch="epoch-2"),
            replace(point, hash="f"),
            replace(head, sequence_id=9),
            replace(head, hash="f"),
        ):
            behind = await store.append(make_append(wrong, 1))
            assert behind == Behind(head, complete=False, diverged=True)

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
        for wrong in (replace(head, epoch="e"), replace(head, hash="f"), replace(head, sequence_id=3)):
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


async def extend_with(store: Store, after: Head, body: bytes) -> Head:
    """Append one entry with this body and expect that it succeeds."""
    append = Append("s1", after, make_entries(after, 1, body))
    assert await store.append(append) == append.head
    return append.head


async def append_until_stopped(store: Store, client: str, count: int) -> None:
    """Append `count` commands to s1, each once; say `n sequence_id` on standard output after each answer."""
    head = await store.head("s1")
    done = await store.results("s1", "ann", client)
    n = done[-1].n if done else 0
    while n < count:
        outcome = await store.append(command(client, n + 1, head))
        if isinstance(outcome, Behind):
            head = outcome.head
            continue
        head, n = outcome, n + 1
        sys.stdout.write(f"{n} {head.sequence_id}\n")
        sys.stdout.flush()


def command(client: str, n: int, head: Head) -> Append:
    """One to three entries that name their command."""
    return Append(
        "s1", head, make_entries(head, n % 3 + 1, f"{client}:{n}".encode()), make_results(n, client=client)
    )


async def _main(opener: str, target: str, client: str, count: str) -> None:
    module, _, path = opener.partition(":")
    found: Any = reduce(getattr, path.split("."), importlib.import_module(module))
    open_store: Callable[[str], Awaitable[Store]] = found
    store = await open_store(target)
    try:
        await append_until_stopped(store, client, int(count))
    finally:
        await store.close()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
