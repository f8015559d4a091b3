"""When the collector looks: after enough have left, and not for what stays."""

from __future__ import annotations

import gc
import weakref

from novel_jupyter.server.collector import LEAST, SHARE, Sweep


class Node:
    other: Node | None = None


def test_it_looks_when_enough_have_left() -> None:
    sweep = Sweep()
    for _ in range(LEAST - 1):
        sweep.left()
    assert not sweep.every(0)
    sweep.left()
    assert sweep.every(0)
    assert not sweep.every(0)  # counted anew


def test_the_more_are_here_the_more_must_have_left() -> None:
    sweep, here = Sweep(), 8 * LEAST
    for _ in range(int(SHARE * here) - 1):
        sweep.left()
        assert not sweep.every(here)
    sweep.left()
    assert sweep.every(here)


def test_old_circles_of_who_left_are_freed() -> None:
    one, other = Node(), Node()
    one.other, other.other = other, one
    gc.collect()  # old now: looks at the young do not see them
    gone = weakref.ref(one)
    del one, other
    gc.collect(0)
    assert gone() is not None
    sweep = Sweep()
    for _ in range(LEAST):
        sweep.left()
    assert sweep.every(0)
    assert gone() is None
