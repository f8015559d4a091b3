"""Commands on their way to a room, and those that a fork of histories lost: they are decided again.

Law: what was acknowledged and lost is asked again under its own id until somebody can decide it; only a
decision ends that.
Parts: `Asked`, `Again`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from novel_jupyter.core.errors import UNDECIDED
from novel_jupyter.core.messages import ClientMessage
from novel_jupyter.core.policy import Principal
from novel_jupyter.core.room import Reply

from .journal import Made

AGAIN_SECONDS = 1.0
"""After which what could not be decided is asked once more."""


@dataclass(slots=True)
class Asked:
    """A command on its way. `done` is called once, after the commit, in the order of the log."""

    author: Principal
    message: ClientMessage | None
    done: Callable[[Reply], None]
    lost_host: int | None = None


class Again:
    """`ask` puts a command into the room's queue; `told` hears the decision on what was lost."""

    def __init__(self, ask: Callable[[Asked], None], told: Callable[[Made, Reply], None]) -> None:
        self._ask, self._told = ask, told
        self._waiting: list[Made] = []
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False

    def of(self, made: Made) -> Asked:
        """The command, to be decided in whatever history stands now."""
        message = made.message.model_copy(update={"epoch": None})
        return Asked(made.author, message, partial(self._decided, made))

    def _decided(self, made: Made, reply: Reply) -> None:
        if reply.data.get("code") not in UNDECIDED:
            self._told(made, reply)
        elif not self._stopped:
            self._waiting.append(made)
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._go)

    def _go(self) -> None:
        self._timer = None
        waiting, self._waiting = self._waiting, []
        for made in waiting:
            self._ask(self.of(made))

    def stop(self) -> None:
        """The room ends: nothing is asked any more, and the circle of the two is cut."""
        self._stopped = True
        self._ask, self._told = lambda asked: None, lambda made, reply: None
        if self._timer is not None:
            self._timer.cancel()
