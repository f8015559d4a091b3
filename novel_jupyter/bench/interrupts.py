"""Ctrl-C and SIGTERM, held back for a moment.

Law: an interrupt between the birth of a process and its being known would leave it behind, so while one is
started the interrupt waits.
Parts: `heard` (for a whole run), `held`.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

HEARD: Final = (signal.SIGINT, signal.SIGTERM)


class _Interrupts:
    depth = 0
    waiting = False

    def hear(self, number: int, frame: FrameType | None) -> None:
        if self.depth:
            self.waiting = True
        else:
            raise KeyboardInterrupt


_STATE = _Interrupts()  # signals are a process's own


@contextmanager
def heard() -> Iterator[None]:
    """Interrupts go through here; only in the main thread, elsewhere there are none."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _STATE.hear) for number in HEARD}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def held() -> Iterator[None]:
    """Raises KeyboardInterrupt at its end if one came meanwhile."""
    _STATE.depth += 1
    try:
        yield
    finally:
        _STATE.depth -= 1
    if not _STATE.depth and _STATE.waiting:
        _STATE.waiting = False
        raise KeyboardInterrupt
