"""Commands on their way to a room, and those that a fork of histories lost: they are decided again.

Law: what was acknowledged and lost is asked again under its own id until somebody can decide it; only a
decision ends that. What fails for ever is bounded: after `FAILURES` of the server's own it counts as decided.
Parts: `Asked`, `clients_of`, `Again`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from novel_jupyter.core.draft import ClientKey
from novel_jupyter.core.errors import UNDECIDED, Refused
from novel_jupyter.core.messages import ClientMessage, JoinSession
from novel_jupyter.core.policy import Principal
from novel_jupyter.core.room import Command, Reply, client_key

from .journal import Made

AGAIN_SECONDS = 1.0
"""After which what could not be decided is asked once more."""
FAILURES = 5
"""How often the server may fail at one command (`internal`) before it is given up."""


@dataclass(slots=True)
class Asked:
    """A command on its way. `done` is called once, after the commit, in the order of the log."""

    author: Principal
    message: ClientMessage | None
    done: Callable[[Reply], None]
    lost_host: int | None = None
    known: int | None = None
    """The last event that its author can have known, when it was made in a history that is no more."""
    failures: int = 0
    said: str = ""
    """The message as it came, if it did: what has been JSON need not be written again."""


def clients_of(batch: Iterable[Asked]) -> list[ClientKey]:
    """The clients whose kept results matter for these, each once."""
    keys: dict[ClientKey, None] = {}
    for asked in batch:
        if asked.message is None or isinstance(asked.message, JoinSession):
            continue
        try:
            keys[client_key(Command(asked.author, asked.message))[0]] = None
        except Refused:
            continue  # decide will say so
    return list(keys)


class Again:
    """`ask` puts a command into the room's queue; `told` hears the decision on what was lost."""

    def __init__(self, ask: Callable[[Asked], None], told: Callable[[Made, Reply], None]) -> None:
        self._ask, self._told = ask, told
        self._open: dict[int, Asked] = {}
        self._count = 0
        self._waiting: list[Asked] = []
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False

    def __len__(self) -> int:
        """How many have no decision yet, wherever they are."""
        return len(self._open)

    def of(self, made: Made, common: int) -> Asked:
        """The command, to be decided in whatever history stands now; up to `common` it is its own."""
        message = made.message.model_copy(update={"epoch": None})
        self._count += 1
        known = common if made.known is None else min(made.known, common)
        done = partial(self._decided, self._count, made)
        asked = Asked(made.author, message, done, known=known, said=made.said.decode())
        self._open[self._count] = asked
        return asked

    def forked(self, common: int) -> None:
        """Once more another history: what has no decision yet is of one before it."""
        for asked in self._open.values():
            asked.known = min(common, asked.known or 0)

    def _decided(self, number: int, made: Made, reply: Reply) -> None:
        asked = self._open[number]
        if not self.later(asked, reply):
            del self._open[number]
            self._told(made, reply)

    def later(self, asked: Asked, reply: Reply) -> bool:
        """Have it asked once more in a while, if the reply is no decision; whether it will be."""
        code = reply.data.get("code")
        asked.failures += code == "internal"
        if code not in UNDECIDED or asked.failures >= FAILURES or self._stopped:
            return False
        self._waiting.append(asked)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._go)
        return True

    def _go(self) -> None:
        self._timer = None
        waiting, self._waiting = self._waiting, []
        for asked in waiting:
            self._ask(asked)

    def stop(self) -> int:
        """The room ends: nothing is asked any more, and the circle of the two is cut. Returns how many
        commands that were acknowledged are given up with it.
        """
        given_up = len(self._open)
        self._stopped = True
        self._ask, self._told = lambda asked: None, lambda made, reply: None
        self._open, self._waiting = {}, []
        if self._timer is not None:
            self._timer.cancel()
        return given_up
