"""The connections to a Redis, whatever kind it is: nothing else knows whether it is one, a Cluster, or moves.

Law: the number of connections is that of the primaries (twice, where replicas have to confirm), however
many sessions there are. Who asks gets the answer, or StoreUnavailable: with `unknown=False` only when it is
certain that nothing was done. What certainly was not done is asked again, wherever it belongs by then, until
`timeout` is over; so is what does no harm when it is done twice. Bounded: how many ask at once, and how much;
the others wait. No text of an error has a password.
Parts: `RedisLink`. The pipelines are in `redis_lane`, where the primaries are in `redis_places`, URLs in
`redis_address`, what a doctor asks in `redis_health`.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MovedError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    TryAgainError,
)

from .ports import StoreUnavailable, Unreadable
from .redis_address import RedisAddress, parse
from .redis_health import Primary, check, inspect
from .redis_lane import Call, Lane, Lost, TooFew
from .redis_places import Dialer, Places
from .redis_room import Room
from .redis_wire import Address, Script

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

log = logging.getLogger(__name__)

_PASSING: Final = (BusyLoadingError, ClusterDownError, ReadOnlyError, TryAgainError)
"""Refusals that a moment later may be none. A server gives them before a script does anything."""
_PASSING_WORDS: Final = ("BUSY", "MASTERDOWN")
_REFUSED_WORDS: Final = frozenset("OOM NOREPLICAS MISCONF NOAUTH NOPERM WRONGPASS CROSSSLOT".split())
"""Refusals that stay. They too come before a script's first write."""


class RedisLink:
    """Made by `open`; belongs to the event loop in which that ran. `generation` counts what is known to have
    changed in where the primaries are.
    """

    def __init__(
        self,
        address: RedisAddress,
        *,
        replicas: int = 0,
        wait_timeout: float = 1.0,
        timeout: float = 2.0,
        room: int = 4096,
        room_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        self.address, self.replicas, self.timeout = address, replicas, timeout
        self._wait_timeout = wait_timeout
        self._dialer = Dialer(address, timeout)
        self._places = Places(self._dialer, self._moved)
        self._room = Room(room, room_bytes)
        self._lanes: dict[tuple[Address, bool], Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    @classmethod
    async def open(
        cls,
        address: RedisAddress | str,
        *,
        replicas: int = 0,
        wait_timeout: float = 1.0,
        timeout: float = 2.0,
        room: int = 4096,
        room_bytes: int = 64 * 1024 * 1024,
    ) -> RedisLink:
        """Find the primaries and reach one. `replicas`: how many of each primary must confirm what is asked
        `durable`, within `wait_timeout` seconds; `timeout`: how long a server may be silent, and how long
        what was not done is tried again; `room`, `room_bytes`: what may wait for an answer.
        Raises ValueError (the URL), StoreUnavailable.
        """
        if isinstance(address, str):
            address = parse(address)
        bounds = {"room": room, "room_bytes": room_bytes}
        link = cls(address, replicas=replicas, wait_timeout=wait_timeout, timeout=timeout, **bounds)
        try:
            await link._places.look()
            await link.ask(link.primaries[0], "PING")
        except BaseException:
            await link.close()
            raise
        return link

    # --- asking

    async def script(
        self,
        script: Script,
        keys: Sequence[str],
        args: Sequence[str | bytes | int],
        *,
        durable: bool = False,
        idempotent: bool = False,
    ) -> Any:
        """The script's answer. All keys are of one slot. `durable`: not before the replicas have it, if there
        are any to wait for; `idempotent`: to run it twice does no harm. Raises StoreUnavailable, StoreClosed.
        """
        call = Call(key_slot(keys[0].encode()), (len(keys), *keys, *args), script)
        return await self._ask(call, durable=durable, idempotent=idempotent)

    async def command(
        self, name: str, key: str, *args: str | bytes | int, durable: bool = False, idempotent: bool = False
    ) -> Any:
        """The answer to one command whose first argument is its key. As `script`."""
        call = Call(key_slot(key.encode()), (name, key, *args))
        return await self._ask(call, durable=durable, idempotent=idempotent)

    async def ask(self, primary: Address, *command: str | int) -> Any:
        """The answer of this primary to a command without a key. Raises StoreUnavailable, StoreClosed."""
        return await self._ask(Call(0, command), idempotent=True, at=primary)

    def publish(self, channel: str, payload: bytes) -> None:
        """SPUBLISH, best effort, in the order of the calls. Never raises: what cannot be sent is lost."""
        call = Call(key_slot(channel.encode()), ("SPUBLISH", channel, payload))
        place = self._places.known(call.slot)
        if place is not None and not self._closed:
            self._lane(place, False).publish(call)

    def _unpublished(self, call: Call, reason: Exception) -> None:
        if isinstance(reason, MovedError):
            self._places.moved(call.slot, self._told(reason))
        elif not self._closed:
            self._start(self._look_quietly())

    async def _ask(
        self, call: Call, *, durable: bool = False, idempotent: bool = False, at: Address | None = None
    ) -> Any:
        await self._room.enter(call.size)
        try:
            return await self._deliver(call, durable and self.replicas > 0, idempotent, at)
        finally:
            self._room.leave(call.size)

    async def _deliver(self, call: Call, durable: bool, idempotent: bool, at: Address | None) -> Any:
        now = asyncio.get_running_loop().time
        deadline, tries = now() + self.timeout, 0
        place, redirected = at, None
        while True:
            begun = now()
            try:
                place = at or redirected or await self._places.find(call.slot)
                call.asking = redirected is not None
                return await self._lane(place, durable).ask(call)
            except AskError as error:  # MovedError is one
                if self.address.kind != "cluster":
                    wanted = "this Redis is part of a Cluster: write redis+cluster://"
                    raise StoreUnavailable(wanted, unknown=False) from error
                redirected = self._told(error, place)
                if isinstance(error, MovedError):
                    self._places.moved(call.slot, redirected)
                    redirected = None
                failed, look = StoreUnavailable(f"the slot moves: {error}", unknown=False), tries > 0
            except NoScriptError:
                failed, look = StoreUnavailable("the server forgets its scripts", unknown=False), False
            except TooFew as error:
                raise StoreUnavailable(str(error), unknown=True) from error
            except StoreUnavailable as error:
                failed, look, redirected = error, True, None
            except Lost as error:
                failed, look, redirected = StoreUnavailable(str(error), unknown=error.sent), True, None
                if isinstance(error.reason, AuthenticationError):
                    raise failed from error
                if error.sent and not idempotent:
                    self._start(self._look_quietly(begun))
                    raise failed from error
            except RedisError as error:
                failed, look, redirected = self._refused(error), True, None
            tries += 1
            if now() >= deadline:
                raise failed
            if look and at is None:
                await self._look_quietly(begun)
            if tries > 2:
                await asyncio.sleep(random.uniform(0.5, 1.0) * min(0.1, 0.01 * 2 ** min(tries, 8)))

    def _refused(self, error: RedisError) -> StoreUnavailable:
        """What may be asked again; what may not is raised."""
        text = str(error)
        word = text.split(" ", 1)[0]
        if isinstance(error, _PASSING) or word in _PASSING_WORDS:
            return StoreUnavailable(f"{type(error).__name__}: {text}", unknown=False)
        if word == "DAMAGED":  # as the scripts say it of one session
            raise Unreadable(text) from error
        known = word in _REFUSED_WORDS or type(error).__name__ != "ResponseError"
        if not known:
            log.error("a script failed: %s", text)
        # A script that fails half-way leaves what it did.
        raise StoreUnavailable(text, unknown=not known) from error

    @staticmethod
    def _told(error: AskError, by: Address | None = None) -> Address:
        # No host means: the one that you asked.
        return Address(error.host or (by.host if by else "127.0.0.1"), error.port)

    # --- places

    @property
    def primaries(self) -> list[Address]:
        return self._places.primaries

    @property
    def generation(self) -> int:
        return self._places.generation

    async def locate(self, key: str, *, again: bool = False) -> Address:
        """Where the primary of this key (or channel) is, as far as is known; `again` finds out anew.
        Raises StoreUnavailable.
        """
        if again:
            await self._places.look()
        return await self._places.find(key_slot(key.encode()))

    def dial(self, address: Address) -> AbstractConnection:
        """A connection (RESP2) with our credentials, not connected yet. It is the caller's: to close, too."""
        return self._dialer.dial(address)

    async def _look_quietly(self, since: float | None = None) -> None:
        try:
            await self._places.look(since)
        except StoreUnavailable as error:
            log.debug("the primaries cannot be found: %s", error)

    def _moved(self) -> None:
        current = set(self.primaries)
        for place, durable in [key for key in self._lanes if key[0] not in current]:
            self._retire(self._lanes.pop((place, durable)))

    # --- what a doctor asks

    async def inspect(self) -> list[Primary]:
        """What every primary says of itself. Raises StoreUnavailable."""
        return await inspect(self)

    async def check(self) -> list[str]:
        """What to warn the user of. Raises StoreUnavailable."""
        return await check(self)

    # --- lanes

    async def ready(self, key: str) -> None:
        """Return when what is asked now about `key`, to be durable, would leave at once."""
        place = self._places.known(key_slot(key.encode()))
        lane = self._lanes.get((place, self.replicas > 0)) if place is not None else None
        if lane is not None:
            await lane.ready()

    @property
    def connections(self) -> int:
        return sum(lane.connected for lane in self._lanes.values())

    @property
    def pipelines(self) -> int:
        """How many were sent so far on the present connections."""
        return sum(lane.pipelines for lane in self._lanes.values())

    def _lane(self, place: Address, durable: bool) -> Lane:
        lane = self._lanes.get((place, durable))
        if lane is None or lane.task.done():
            lane = self._lanes[place, durable] = Lane(
                partial(self._dialer.ready, place),
                self._unpublished,
                timeout=self.timeout,
                replicas=self.replicas if durable else 0,
                wait_timeout=self._wait_timeout,
            )
        return lane

    def _retire(self, lane: Lane) -> None:
        lane.finish()
        self._keep(lane.task)

    def _start(self, work: Any) -> None:
        self._keep(asyncio.get_running_loop().create_task(work))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Finish what was asked, then refuse everything. Closing twice is fine."""
        self._closed = True
        await self._room.close()
        for key in list(self._lanes):
            self._retire(self._lanes.pop(key))
        await self._places.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
