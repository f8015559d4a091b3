"""When the collector looks: after enough have left, or in a quiet moment, and not for what stays."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from novel_jupyter.server.collector import LATELY, LEAST, MADE, QUIET, SHARE, Sweep


class Node:
    other: Node | None = None


class Times:
    """A process that works for `share` of the time."""

    def __init__(self, share: float) -> None:
        self.share, self.now = share, 0.0

    def clock(self) -> float:
        self.now += 1.0
        return self.now

    def spent(self) -> float:
        return self.now * self.share


def busy() -> Sweep:
    times = Times(1.0)
    return Sweep(times.clock, times.spent)


@pytest.fixture
def still() -> Iterator[None]:
    """The collector does nothing by itself."""
    gc.disable()
    gc.collect()
    yield
    gc.enable()


def test_it_looks_at_everybody_when_enough_have_left() -> None:
    sweep = busy()
    for _ in range(LEAST - 1):
        sweep.left()
    assert sweep.every(0) is None
    sweep.left()
    assert sweep.every(0) == 2
    assert sweep.every(0) is None  # counted anew


def test_the_more_are_here_the_more_must_have_left() -> None:
    sweep, here = busy(), 8 * LEAST
    for _ in range(int(SHARE * here) - 1):
        sweep.left()
        assert sweep.every(here) is None
    sweep.left()
    assert sweep.every(here) == 2


def test_old_circles_of_who_left_are_freed(still: None) -> None:
    one, other = Node(), Node()
    one.other, other.other = other, one
    gc.collect()  # old now: looks at the young do not see them
    gone = weakref.ref(one)
    del one, other
    gc.collect(1)
    assert gone() is not None
    sweep = busy()
    for _ in range(LEAST):
        sweep.left()
    assert sweep.every(0) == 2
    assert gone() is None


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize(("share", "looked"), [(QUIET / 2, 1), (2 * QUIET, None)])
def test_what_was_made_lately_is_looked_at_in_a_quiet_moment(share: float, looked: int | None) -> None:
    times = Times(share)
    sweep = Sweep(times.clock, times.spent)
    assert sweep.every(0) is None  # nothing was made
    for _ in range(MADE):
        gc.collect(0)
    assert sweep.every(0) == looked


@pytest.mark.usefixtures("still")
def test_after_many_quiet_moments_one_is_for_everybody() -> None:
    times = Times(0.0)
    sweep, looks = Sweep(times.clock, times.spent), list[int | None]()
    for _ in range(LATELY + 2):
        for _ in range(MADE):
            gc.collect(0)
        looks.append(sweep.every(0))
    assert looks == [1] * LATELY + [2, 1]
