"""How far apart rounds begin: at once where there is time to spare, further the less there is."""

from __future__ import annotations

import asyncio

import pytest

from novel_jupyter.server.pace import Gate, Pace


class Machine:
    """`now` and `spent` are seconds; `rounds` runs some, of which each computes for `work` of `every`."""

    def __init__(self) -> None:
        self.now = self.spent = 0.0
        self.pace = Pace(0.00025, 0.04, lambda: self.now, lambda: self.spent)

    def rounds(self, count: int, work: float, every: float) -> float:
        """Seconds between the last one and the next."""
        for _ in range(count):
            self.now += every
            self.spent += work
            self.pace.begin()
        return self.pace.due - self.now


def test_a_round_is_due_at_once_after_a_pause() -> None:
    machine = Machine()
    assert machine.pace.due <= machine.now
    assert machine.rounds(1, 0.0, 10.0) == pytest.approx(0.00025)


@pytest.mark.parametrize(
    ("load", "apart"),
    [(0.0, 0.00025), (0.5, 0.001), (0.75, 0.004), (0.9, 0.025), (0.93, 0.04), (1.0, 0.04), (1.8, 0.04)],
)
def test_rounds_are_the_further_apart_the_less_time_there_is_to_spare(load: float, apart: float) -> None:
    assert Machine().rounds(1000, 0.005 * load, 0.005) == pytest.approx(apart, rel=0.01)


def test_one_busy_moment_is_no_load_and_a_load_passes() -> None:
    machine = Machine()
    assert machine.rounds(1, 0.002, 0.002) < 0.0003
    assert machine.rounds(500, 0.002, 0.002) == pytest.approx(0.04)
    assert machine.rounds(1, 0.0, 0.2) == pytest.approx(0.00025)


def test_two_rounds_at_the_same_moment_are_no_fault_and_without_a_pace_the_next_is_always_due() -> None:
    machine = Machine()
    machine.rounds(3, 0.0, 0.0)
    assert Machine().rounds(2, 0.0, 0.0) == pytest.approx(0.00025)
    free = Pace(0.0, clock=lambda: 5.0, spent=lambda: 1.0)
    free.begin()
    assert free.due == 5.0


def test_without_a_pace_also_a_full_load_waits_for_nothing() -> None:
    moments = iter([0.0, 1.0, 2.0, 3.0])
    free = Pace(0.0, clock=lambda: next(moments), spent=iter([0.0, 1.0, 2.0, 3.0]).__next__)
    for now in (1.0, 2.0, 3.0):
        free.begin()
        assert free.due == now


async def passed(gate: Gate, count: int) -> list[int]:
    """Waits at the gate `count` times over; who got through is in the list."""
    through: list[int] = []

    async def one(n: int) -> None:
        await gate.wait()
        through.append(n)

    for n in range(count):
        asyncio.get_running_loop().create_task(one(n))
    await asyncio.sleep(0)
    return through


@pytest.mark.asyncio
async def test_nobody_waits_at_an_open_gate_and_everybody_while_a_round_is_on_its_way() -> None:
    gate = Gate(Pace(0.0))
    assert await passed(gate, 3) == [0, 1, 2]
    gate.shut()
    through = await passed(gate, 3)
    assert through == []
    gate.done()
    await asyncio.sleep(0)
    assert through == [0, 1, 2]


@pytest.mark.asyncio
async def test_a_gate_opens_no_sooner_than_the_next_round_is_due() -> None:
    loop = asyncio.get_running_loop()
    gate = Gate(Pace(0.05, 0.05))
    gate.shut()
    gate.done()  # the first is due at once
    began = loop.time()
    gate.shut()
    gate.done()
    await gate.wait()
    assert loop.time() - began >= 0.049


@pytest.mark.asyncio
async def test_rounds_for_which_nobody_waited_put_nobody_off() -> None:
    """Others' rounds may follow each other without a pause: the gate opens between two of them, when due."""
    loop = asyncio.get_running_loop()
    gate = Gate(Pace(0.02, 0.02))
    gate.shut()
    gate.done()
    began = loop.time()
    waiting = None
    while waiting is None or not waiting.done():
        gate.shut()
        waiting = waiting or loop.create_task(gate.wait())
        await asyncio.sleep(0)
        gate.done()
        await asyncio.sleep(0)
        assert loop.time() - began < 10.0


@pytest.mark.asyncio
async def test_at_the_end_nobody_is_kept_waiting() -> None:
    gate = Gate(Pace(60.0, 60.0))
    gate.shut()
    gate.done()
    gate.shut()
    gate.done()
    through = await passed(gate, 1)
    gate.end()
    await asyncio.sleep(0)
    assert through == [0]
