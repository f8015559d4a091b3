"""The contract of `ports.Store`: histories renamed, begun at a snapshot, or trimmed (S1, S8, S19).

Law: as in `store_contract`, which is what an implementation uses. `opener` makes handles that keep all
entries; `trimming` one to the same medium that keeps KEPT of them.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from server.store_records import EMPTY, Opener, extend, make_append, make_entries, make_info, make_results

from novel_jupyter.core.model import Head
from novel_jupyter.server.ports import (
    SNAPSHOTS_KEPT,
    Append,
    Behind,
    LogTrimmed,
    SessionExists,
    SessionNotFound,
    Snapshot,
    Store,
)

KEPT = 10
NEW = "epoch-2"


class HistoryContract:
    """Subclasses give the fixtures `opener` and `trimming`."""

    # --- epochs

    @pytest.mark.asyncio
    async def test_s1_an_append_may_name_a_new_epoch(self, store: Store) -> None:
        head = await extend(store, EMPTY, 2)
        renamed = replace(head, epoch=NEW)
        assert await store.append(Append("s1", head, epoch=NEW)) == renamed == await store.head("s1")
        assert isinstance(await store.append(Append("s1", head, epoch="epoch-3")), Behind), "only once"
        further = await store.append(replace(make_append(renamed, 1, 1), epoch="epoch-3"))
        assert further == await store.head("s1")
        assert isinstance(further, Head)
        assert (further.epoch, further.sequence_id) == ("epoch-3", 3)
        assert await store.read("s1", 0, 10) == make_entries(EMPTY, 3)

    @pytest.mark.asyncio
    async def test_s8_the_same_history_under_another_epoch_is_no_other(self, store: Store) -> None:
        first = await extend(store, EMPTY, 2)
        second = await extend(store, first, 3)
        renamed = await store.append(Append("s1", second, epoch=NEW))
        assert isinstance(renamed, Head)
        missing = tuple(make_entries(EMPTY, 5)[2:])
        assert await store.append(make_append(first, 1)) == Behind(renamed, missing)
        assert await store.append(make_append(second, 1)) == Behind(renamed)

    @pytest.mark.asyncio
    async def test_s14_a_snapshot_is_of_the_present_epoch(self, store: Store) -> None:
        head = await extend(store, EMPTY, 2)
        renamed = await store.append(Append("s1", head, epoch=NEW))
        assert isinstance(renamed, Head)
        assert await store.put_snapshot("s1", head, b"taken before, kept after")
        assert await store.snapshot("s1") == Snapshot(renamed, b"taken before, kept after")

    # --- floors

    async def _above_a_floor(self, store: Store) -> tuple[Head, Head]:
        """A session `s2` that begins at 50 and goes on to 53: (floor, head)."""
        floor = Head("epoch-1", 50, make_entries(EMPTY, 50)[-1].hash)
        entries = make_entries(floor, 3)
        head = Head("epoch-1", 53, entries[-1].hash)
        await store.create(make_info("s2"), head, entries, make_results(1, 2), Snapshot(floor, b"at 50"))
        return floor, head

    @pytest.mark.asyncio
    async def test_s19_a_log_may_begin_at_a_snapshot(self, store: Store) -> None:
        floor, head = await self._above_a_floor(store)
        assert await store.head("s2") == head
        assert await store.snapshot("s2") == Snapshot(floor, b"at 50")
        assert await store.snapshot("s2", 49) is None
        assert await store.read("s2", 50, 10) == make_entries(floor, 3)
        for after in (0, 49):
            with pytest.raises(LogTrimmed) as trimmed:
                await store.read("s2", after, 10)
            assert trimmed.value.floor == 50
        assert await store.results("s2", "ann", "c1") == make_results(1, 2)
        assert (await extend(store, head, 2, 3, session_id="s2")).sequence_id == 55

    @pytest.mark.asyncio
    async def test_s19_or_have_nothing_but_the_snapshot(self, store: Store) -> None:
        head = Head("epoch-1", 50, "f" * 64)
        await store.create(make_info("s2"), head, snapshot=Snapshot(head, b"all there is"))
        assert await store.read("s2", 50, 10) == []
        assert (await extend(store, head, 1, session_id="s2")).sequence_id == 51
        assert isinstance(await store.append(make_append(head, 1, session_id="s2")), Behind)

    @pytest.mark.asyncio
    async def test_s19_what_lies_below_the_floor_cannot_be_told(self, store: Store) -> None:
        floor, head = await self._above_a_floor(store)
        behind = await store.append(make_append(floor, 1, session_id="s2"))
        assert behind == Behind(head, tuple(make_entries(floor, 3)))
        for below in (EMPTY, Head("epoch-1", 49, make_entries(EMPTY, 49)[-1].hash), replace(floor, hash="f")):
            answer = await store.append(make_append(below, 1, session_id="s2"))
            assert answer == Behind(head, complete=False, diverged=True)
        assert not await store.put_snapshot("s2", EMPTY, b"")

    @pytest.mark.asyncio
    async def test_s19_the_parts_of_a_creation_fit(self, store: Store) -> None:
        floor = Head("epoch-1", 50, make_entries(EMPTY, 50)[-1].hash)
        entries = make_entries(floor, 3)
        head = Head("epoch-1", 53, entries[-1].hash)
        for wrong in (
            (head, entries[1:], Snapshot(floor, b"")),
            (head, (), Snapshot(floor, b"")),
            (replace(head, epoch=NEW), entries, Snapshot(floor, b"")),
            (head, entries, None),
        ):
            with pytest.raises(ValueError):
                await store.create(make_info("s2"), wrong[0], wrong[1], snapshot=wrong[2])
        with pytest.raises(SessionNotFound):
            await store.head("s2")
        with pytest.raises(SessionExists):
            await store.create(make_info(), head, entries, snapshot=Snapshot(floor, b""))
        assert await store.snapshot("s1") is None

    @pytest.mark.asyncio
    async def test_s19_old_entries_go_where_a_snapshot_stands(self, store: Store, trimming: Opener) -> None:
        other, head, heads = await trimming(), EMPTY, [EMPTY]
        for _ in range(30):
            head = await extend(store, head, 1)
            heads.append(head)
        assert await store.put_snapshot("s1", heads[12], b"at 12")
        assert await store.read("s1", 0, 1) == make_entries(EMPTY, 1), "a store that keeps all"
        assert await other.put_snapshot("s1", heads[25], b"at 25")
        with pytest.raises(LogTrimmed) as trimmed:
            await store.read("s1", 11, 1)
        assert trimmed.value.floor == 12, "never past a snapshot, and at least KEPT are there"
        assert await store.read("s1", 12, 100) == make_entries(EMPTY, 30)[12:]
        assert await store.snapshot("s1", 24) == Snapshot(heads[12], b"at 12")
        assert await store.snapshot("s1") == Snapshot(heads[25], b"at 25")
        assert await store.append(make_append(heads[12], 1)) == Behind(
            head, tuple(make_entries(EMPTY, 30)[12:])
        )
        await other.close()

    @pytest.mark.asyncio
    async def test_s19_the_snapshot_at_the_floor_stays(self, store: Store) -> None:
        floor, head = await self._above_a_floor(store)
        for _ in range(SNAPSHOTS_KEPT * 2):
            head = await extend(store, head, 1, session_id="s2")
            await store.put_snapshot("s2", head, b"")
        assert await store.snapshot("s2", 50) == Snapshot(floor, b"at 50")

    # --- clients

    @pytest.mark.asyncio
    async def test_s5_clients_are_listed_the_longest_unused_first(self, store: Store, opener: Opener) -> None:
        head = EMPTY
        for client in ("c1", "c2", "c3", "c1"):
            n = len(await store.results("s1", "ann", client)) + 1
            head = await extend_as(store, head, client, n)
        assert await store.clients("s1") == [("ann", "c2"), ("ann", "c3"), ("ann", "c1")]


async def extend_as(store: Store, after: Head, client: str, n: int) -> Head:
    head = await store.append(make_append(after, 1, n, client=client))
    assert isinstance(head, Head)
    return head
