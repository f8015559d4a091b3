"""An interrupt that comes while something is started waits until it is known."""

from __future__ import annotations

import signal

import pytest

from novel_jupyter.bench.interrupts import heard, held


def _start(done: list[str]) -> None:
    with held():
        with held():
            signal.raise_signal(signal.SIGINT)
            done.append("inner")
        done.append("outer")


def test_it_waits_and_then_comes() -> None:
    before = signal.getsignal(signal.SIGINT)
    done: list[str] = []
    with heard():
        with pytest.raises(KeyboardInterrupt):
            _start(done)
        with held():
            done.append("no second time")
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert done == ["inner", "outer", "no second time"]
    assert signal.getsignal(signal.SIGINT) is before
