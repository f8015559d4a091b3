"""The outbox against a plain model of its law: bounds, order, and what is never lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from novel_jupyter.core.outbox import Outbox

MAX_BYTES, MAX_FRAMES = 60, 6


class OutboxMachine(RuleBasedStateMachine):
    """Each frame is unique, so that the model can say which one is where."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox(max_bytes=MAX_BYTES, max_frames=MAX_FRAMES)
        self.queue: list[tuple[str, bytes]] = []
        self.ephemera: dict[str, bytes] = {}
        self.lost = False
        self.count = 0

    def frame(self, size: int) -> bytes:
        self.count += 1
        return b"%04d" % self.count + b"." * size

    def waiting(self, kind: str) -> list[bytes]:
        return [frame for of, frame in self.queue if of == kind]

    def make_room(self) -> None:
        durable = self.waiting("durable")
        while self.ephemera and (
            sum(map(len, durable)) + sum(map(len, self.ephemera.values())) > MAX_BYTES
            or len(durable) + len(self.ephemera) > MAX_FRAMES
        ):
            del self.ephemera[next(iter(self.ephemera))]

    @rule(size=st.integers(0, 30))
    def push_control(self, size: int) -> None:
        frame = self.frame(size)
        self.outbox.push_control(frame)
        self.queue.append(("control", frame))

    @rule(size=st.integers(0, 20) | st.just(100))
    def push(self, size: int) -> None:
        frame = self.frame(size)
        self.outbox.push(frame)
        if self.lost:
            return
        durable = [*self.waiting("durable"), frame]
        if sum(map(len, durable)) > MAX_BYTES or len(durable) > MAX_FRAMES:
            self.queue = [item for item in self.queue if item[0] == "control"]
            self.ephemera.clear()
            self.lost = True
        else:
            self.queue.append(("durable", frame))
            self.make_room()

    @rule(key=st.sampled_from("abcdefgh"), size=st.integers(0, 20) | st.just(100))
    def push_ephemeral(self, key: str, size: int) -> None:
        frame = self.frame(size)
        self.outbox.push_ephemeral(key, frame)
        if not self.lost:
            self.ephemera.pop(key, None)
            self.ephemera[key] = frame
            self.make_room()

    @rule(limit=st.integers(0, 100))
    def drain(self, limit: int) -> None:
        due = [frame for _, frame in self.queue] + list(self.ephemera.values())
        got = self.outbox.drain(limit)
        assert got == due[: len(got)], "control and durable in arrival order, ephemera after them"
        assert all(mine is theirs for mine, theirs in zip(got, due, strict=False)), "the very same bytes"
        assert len(got) >= min(1, len(due))
        assert len(got) == 1 or sum(map(len, got)) <= limit or not got
        if len(got) < len(due):
            assert sum(map(len, due[: len(got) + 1])) > limit, "no less than fits"
        taken = max(0, len(got) - len(self.queue))
        self.queue = self.queue[len(got) :]
        for key in list(self.ephemera)[:taken]:
            del self.ephemera[key]

    @rule()
    def resynced(self) -> None:
        self.outbox.resynced()
        self.lost = False

    @invariant()
    def agrees(self) -> None:
        assert self.outbox.needs_resync == self.lost
        assert len(self.outbox) == len(self.queue) + len(self.ephemera)
        backlog = [*self.waiting("durable"), *self.ephemera.values()]
        assert self.outbox.backlog_bytes == sum(map(len, backlog)) <= MAX_BYTES
        assert len(backlog) <= MAX_FRAMES
        assert self.outbox.has_more == bool(self.queue or self.ephemera or self.lost)

    def teardown(self) -> None:
        self.outbox.close()
        assert len(self.outbox) == self.outbox.backlog_bytes == 0


TestOutbox = OutboxMachine.TestCase


def test_a_backlog_is_thrown_away_whole_and_once() -> None:
    outbox = Outbox(max_bytes=1000, max_frames=3)
    outbox.push(b"1")
    outbox.push_control(b"ack")
    outbox.push_ephemeral("cursor", b"c")
    outbox.push(b"2")
    lost = []
    for frame in (b"3", b"4", b"5"):
        outbox.push(frame)
        lost.append(outbox.needs_resync)
    assert lost == [False, True, True]
    assert outbox.drain(1000) == [b"ack"]
    assert outbox.has_more, "there is the resync to answer with"
    outbox.resynced()
    outbox.push_control(b"state_sync")
    outbox.push(b"6")
    assert outbox.drain(1000) == [b"state_sync", b"6"]
    assert not outbox.has_more


def test_ephemera_go_first_and_the_last_value_wins() -> None:
    outbox = Outbox(max_bytes=1000, max_frames=3)
    outbox.push_ephemeral("arrived/ann", b"arrived")
    outbox.push_ephemeral("left/ann", b"left")
    outbox.push_ephemeral("arrived/ann", b"arrived again")
    assert outbox.drain(1000) == [b"left", b"arrived again"], "what was said last is heard last"
    outbox.push_ephemeral("a", b"a")
    for frame in (b"1", b"2", b"3"):
        outbox.push(frame)
    assert not outbox.needs_resync
    assert outbox.drain(1000) == [b"1", b"2", b"3"]


def test_control_is_never_dropped() -> None:
    outbox = Outbox(max_bytes=1, max_frames=1)
    frames = [b"ack %d" % n for n in range(100)]
    for frame in frames:
        outbox.push_control(frame)
        outbox.push(b"too much")
    assert outbox.drain(10_000) == frames


def test_a_closed_outbox_takes_nothing() -> None:
    outbox = Outbox(max_bytes=10, max_frames=10)
    outbox.push(b"1")
    outbox.close()
    outbox.push(b"2")
    outbox.push_control(b"3")
    outbox.push_ephemeral("k", b"4")
    assert outbox.drain(100) == []
    assert not outbox.has_more
    assert outbox.stalled_for(5.0) == 0.0


def test_a_reader_that_does_not_read_is_found() -> None:
    outbox = Outbox(max_bytes=100, max_frames=10)
    assert outbox.stalled_for(0.0) == 0.0
    outbox.push(b"1")
    outbox.push(b"2")
    assert outbox.stalled_for(10.0) == 0.0
    assert outbox.stalled_for(14.0) == 4.0
    assert outbox.stalled_for(12.0) == 2.0, "a clock that went back"
    assert outbox.stalled_for(3.0) == 0.0
    assert outbox.drain(1) == [b"1"]
    assert outbox.stalled_for(9.0) == 0.0, "something left"
    assert outbox.stalled_for(11.0) == 2.0
    outbox.drain(1)
    assert outbox.stalled_for(20.0) == 0.0


@given(st.integers(-3, 0), st.integers(1, 3))
def test_bounds_are_positive(bad: int, good: int) -> None:
    for max_bytes, max_frames in ((bad, good), (good, bad)):
        with pytest.raises(ValueError):
            Outbox(max_bytes=max_bytes, max_frames=max_frames)
