"""The queue of commands: order, bounds, and that nothing is lost or sent under another number.

Law: pure, so time is a number here.
Parts: order and windows, losses, undecided answers, histories, a property over all of it.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novel_jupyter.kernel.outbound import TRIES, Outbound, QueueFull


def ids(queue: Outbound, now: float = 0.0) -> list[str]:
    return [queued.id for queued in queue.due(now)]


def test_numbers_go_up_and_nothing_is_due_twice() -> None:
    queue = Outbound("c")
    for text in "ab":
        queue.put("story_update", {"text": text}, "e1")
    assert ids(queue) == ["c:1", "c:2"]
    assert ids(queue) == []
    queue.put("story_update", {}, "e1")
    assert ids(queue) == ["c:3"]


def test_a_frame_carries_the_history_it_was_made_in() -> None:
    queue = Outbound("c")
    early = queue.put("agent_action", {"kind": "ready"}, None)
    assert "epoch" not in early.frame("s")
    assert queue.in_history("e1") == []
    assert early.frame("s") == {
        "type": "agent_action",
        "session_id": "s",
        "id": "c:1",
        "data": {"kind": "ready"},
        "epoch": "e1",
    }


def test_the_window_bounds_what_is_under_way() -> None:
    queue = Outbound("c", window=2)
    for _ in range(4):
        queue.put("t", {}, None)
    assert ids(queue) == ["c:1", "c:2"]
    queue.settle("c:2")
    assert ids(queue) == ["c:3"]


def test_a_full_queue_refuses_and_loses_nothing() -> None:
    queue = Outbound("c", limit=2)
    queue.put("t", {}, None)
    queue.put("t", {}, None, id="host:1.1:1")
    with pytest.raises(QueueFull):
        queue.put("t", {}, None)
    queue.put("t", {"newer": True}, None, id="host:1.1:1")
    assert [queued.data for queued in queue.due(0)] == [{}, {"newer": True}]


def test_after_a_loss_everything_goes_again_in_order() -> None:
    queue = Outbound("c")
    for _ in range(3):
        queue.put("t", {}, None)
    ids(queue)
    queue.settle("c:2")
    queue.disconnected()
    assert ids(queue) == ["c:1", "c:3"]
    assert queue.settle("c:2") is None


def test_since_is_the_lowest_number_without_an_answer() -> None:
    queue = Outbound("c")
    assert queue.since == 1
    queue.put("t", {}, None, id="host:1.1:1")
    for _ in range(2):
        queue.put("t", {}, None)
    queue.settle("c:1")
    assert queue.since == 2
    queue.settle("c:2")
    assert queue.since == 3


def test_patience_that_was_asked_for_is_had() -> None:
    queue = Outbound("c")
    queue.put("t", {}, None)
    ids(queue)
    assert queue.undecided("c:1", 10.0, 2.0)
    queue.put("t", {}, None)
    assert ids(queue, 11.9) == []
    assert ids(queue, 12.0) == ["c:1", "c:2"]


def test_without_a_word_on_time_the_waits_grow() -> None:
    queue = Outbound("c")
    queue.put("t", {}, None)
    waits = []
    for _ in range(10):
        ids(queue, queue.held_until)
        before = queue.held_until
        assert queue.undecided("c:1", before, None)
        waits.append(queue.held_until - before)
    assert waits[:3] == [0.25, 0.5, 1.0]
    assert waits[-1] == 15.0


def test_impatience_ends() -> None:
    queue = Outbound("c")
    queue.put("t", {}, None)
    answers = [queue.undecided("c:1", 0.0, 0.0, patient=False) for _ in range(TRIES)]
    assert answers == [True] * (TRIES - 1) + [False]
    assert queue.undecided("c:99", 0.0, None)


def test_another_history_takes_the_commands_of_the_old_one() -> None:
    queue = Outbound("c")
    queue.put("t", {}, "e1")
    queue.put("t", {}, None)
    assert [queued.id for queued in queue.in_history("e2")] == ["c:1"]
    assert [queued.epoch for queued in queue.due(0)] == ["e2"]
    assert [queued.id for queued in queue.drop_all()] == ["c:2"]
    assert len(queue) == 0


STEPS = st.lists(
    st.one_of(
        st.just(("put", 0)),
        st.just(("loss", 0)),
        st.tuples(st.sampled_from(["settle", "undecided"]), st.integers(0, 20)),
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_happens_each_command_is_settled_once_and_kept_until_then(
    steps: list[tuple[str, int]],
) -> None:
    queue, now = Outbound("c", window=4), 0.0
    made: list[str] = []
    settled: set[str] = set()
    for step, which in steps:
        now += 20.0
        if step == "put":
            made.append(queue.put("t", {}, None).id)
        elif step == "loss":
            queue.disconnected()
        elif made and step == "settle":
            id = made[which % len(made)]
            assert (queue.settle(id) is not None) == (id not in settled)
            settled.add(id)
        elif made:
            queue.undecided(made[which % len(made)], now, None)
        due = ids(queue, now)
        assert due == sorted(due, key=lambda id: int(id[2:]))
        assert not settled & set(due)
        assert len(queue) == len(made) - len(settled)
    queue.disconnected()
    rest: list[str] = []
    while found := ids(queue, now + 20):
        rest += found
        for id in found:
            queue.settle(id)
    assert rest == [id for id in made if id not in settled]
