"""The contract of `ports.Store`, first half: the log, the results, durability, concurrency (S1 to S8, S21).

Law: as in `store_contract`, which is what an implementation uses.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from server.store_records import EMPTY, Opener, extend, make_append, make_entries, make_info, make_results

from novel_jupyter.core.model import Head
from novel_jupyter.server.ports import (
    BEHIND_ENTRIES,
    CLIENTS_KEPT,
    RESULTS_KEPT,
    Append,
    Behind,
    Store,
)


class LogContract:
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
            replace(point, hash="f"),
            replace(head, sequence_id=9),
            replace(head, hash="f"),
        ):
            behind = await store.append(make_append(wrong, 1))
            assert behind == Behind(head, complete=False, diverged=True)

    # --- when to decide

    @pytest.mark.asyncio
    async def test_s21_ready_returns_while_others_write(self, store: Store) -> None:
        for n in range(20):
            await store.create(make_info(f"r{n}"), EMPTY)

        async def write(n: int) -> None:
            head = EMPTY
            for _ in range(5):
                await store.ready(f"r{n}")
                entries = [make_entries(EMPTY, head.sequence_id + 1)[-1]]
                outcome = await store.append(Append(f"r{n}", head, entries))
                assert isinstance(outcome, Head)
                head = outcome

        async with asyncio.timeout(30):
            await asyncio.gather(*(write(n) for n in range(20)))
        assert [(await store.head(f"r{n}")).sequence_id for n in range(20)] == [5] * 20

    @pytest.mark.asyncio
    async def test_s21_ready_holds_nobody_up_once_the_store_is_closed(self, opener: Opener) -> None:
        store = await opener()
        await store.create(make_info(), EMPTY)
        writing = asyncio.create_task(store.append(make_append(EMPTY, 1)))
        await asyncio.sleep(0)
        closing = asyncio.create_task(store.close())
        async with asyncio.timeout(30):
            await store.ready("s1")
            assert isinstance(await writing, Head)
            await closing
            await store.ready("s1")
