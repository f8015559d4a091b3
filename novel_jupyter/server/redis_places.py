"""Where the primaries are: of one Redis, behind Sentinels, in a Cluster.

Law: what is known may be old, and who finds that out says so; of many who do, one asks. `generation` changes
with every change. Connections made here live for one question.
Parts: `Dialer` (connections with our credentials), `Places`.
"""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_right
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import RedisError, ResponseError

from .ports import StoreUnavailable
from .redis_address import RedisAddress
from .redis_wire import Address

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

SLOTS: Final = 16384
PAUSE: Final = 0.05
"""Seconds between two looks, however many ask for one."""


class Dialer:
    """Makes connections, and makes them ready, within `timeout` seconds each."""

    def __init__(self, address: RedisAddress, timeout: float) -> None:
        self.address, self.timeout = address, timeout

    def dial(self, to: Address, *, sentinel: bool = False) -> AbstractConnection:
        """Not connected yet. It is the caller's: to close, too."""
        about = self.address
        settings: dict[str, Any] = {
            "username": about.sentinel_username if sentinel else about.username,
            "password": about.sentinel_password if sentinel else about.password,
            "db": 0 if sentinel else about.db,
            "protocol": 2,  # Plain lists, whatever the server; HELLO is one more thing to forbid.
            "socket_timeout": None,
            "socket_connect_timeout": self.timeout,
            "driver_info": None,
        }
        if not to.port:
            return UnixDomainSocketConnection(path=to.host, **settings)
        if about.tls:
            return SSLConnection(host=to.host, port=to.port, **settings | dict(about.tls_options))
        return Connection(host=to.host, port=to.port, **settings)

    async def ready(self, to: Address) -> AbstractConnection:
        """Connected, and to a primary as far as that may be asked. Raises RedisError, OSError."""
        connection = self.dial(to)
        try:
            async with asyncio.timeout(self.timeout):
                await connection.connect()
                if self.address.kind != "cluster":  # where a replica says MOVED
                    await self._check_role(connection)
        except BaseException:
            with suppress(RedisError, OSError):
                await connection.disconnect(nowait=True)
            raise
        return connection

    @staticmethod
    async def _check_role(connection: AbstractConnection) -> None:
        await connection.send_command("ROLE", check_health=False)
        try:
            role = await connection.read_response()
        except ResponseError:
            return  # Not everybody may ask.
        if role[0] != b"master":
            raise RedisError("the server is a replica")

    async def question(self, to: Address, *command: str, sentinel: bool = False) -> Any:
        """The answer to one command, on a connection of its own. Raises RedisError, OSError."""
        connection = self.dial(to, sentinel=sentinel)
        try:
            async with asyncio.timeout(self.timeout):
                await connection.connect()
                await connection.send_command(*command, check_health=False)
                return await connection.read_response()
        finally:
            with suppress(RedisError, OSError):
                await connection.disconnect(nowait=True)


class Places:
    """Which primary serves which slot. `changed` is called after every change."""

    def __init__(self, dialer: Dialer, changed: Callable[[], None] = lambda: None) -> None:
        self._dialer, self._changed = dialer, changed
        self._starts: list[int] = []
        self._ranges: list[tuple[int, Address]] = []
        self._others: frozenset[Address] = frozenset()
        self._looking: asyncio.Task[None] | None = None
        self._looked = 0.0
        self._closed = False
        self.generation = 0

    @property
    def primaries(self) -> list[Address]:
        return sorted({place for _, place in self._ranges}, key=lambda place: (place.host, place.port))

    def known(self, slot: int) -> Address | None:
        """The primary of the slot, as far as is known."""
        index = bisect_right(self._starts, slot) - 1
        if index < 0 or slot > self._ranges[index][0]:
            return None
        return self._ranges[index][1]

    def moved(self, slot: int, to: Address) -> None:
        """A primary said so of one slot."""
        rows = [(start, *row) for start, row in zip(self._starts, self._ranges, strict=True)]
        cut: list[tuple[int, int, Address]] = [(slot, slot, to)]
        for first, last, place in rows:
            cut += [
                (a, b, place)
                for a, b in ((first, min(last, slot - 1)), (max(first, slot + 1), last))
                if a <= b
            ]
        self._take(cut)

    async def find(self, slot: int) -> Address:
        """Raises StoreUnavailable."""
        place = self.known(slot)
        if place is None:
            await self.look()
            place = self.known(slot)
        if place is None:
            raise StoreUnavailable("nobody serves this part of the Cluster", unknown=False)
        return place

    async def look(self, since: float | None = None) -> None:
        """Find out anew, unless that was done after `since` (the loop's time). Raises StoreUnavailable."""
        if self._closed:
            raise StoreUnavailable("the connections are closed", unknown=False)
        if self._looking is None:
            if since is not None and self._looked > since:
                return
            self._looking = asyncio.get_running_loop().create_task(self._look())
            self._looking.add_done_callback(self._done)
        await asyncio.shield(self._looking)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._looking = None
        if not task.cancelled():
            task.exception()  # Read, so that asyncio does not complain where nobody waits.

    async def close(self) -> None:
        self._closed = True
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _look(self) -> None:
        now = asyncio.get_running_loop().time
        await asyncio.sleep(max(0.0, self._looked + PAUSE - now()))
        about = self._dialer.address
        try:
            if about.kind == "one":
                self._take([(0, SLOTS - 1, about.nodes[0])])
            elif about.kind == "sentinel":
                self._take([(0, SLOTS - 1, await self._ask_sentinels())])
            else:
                await self._ask_cluster()
        finally:
            self._looked = now()

    def _take(self, rows: list[tuple[int, int, Address]]) -> None:
        rows.sort(key=lambda row: row[0])
        starts, ranges = [first for first, _, _ in rows], [(last, place) for _, last, place in rows]
        if (starts, ranges) != (self._starts, self._ranges):
            self._starts, self._ranges = starts, ranges
            self.generation += 1
            self._changed()

    async def _ask_sentinels(self) -> Address:
        about, reason = self._dialer.address, "none of them knows it"
        for node in about.nodes:
            command = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", about.service)
            try:
                answer = await self._dialer.question(node, *command, sentinel=True)
            except (RedisError, OSError) as error:
                reason = str(error) or "no answer"
                continue
            if answer:
                return Address(answer[0].decode(), int(answer[1]))
        raise StoreUnavailable(
            f"the Sentinels do not tell where {about.service!r} is: {reason}", unknown=False
        )

    async def _ask_cluster(self) -> None:
        # Whoever answers first is believed, so the order changes from look to look: one that was cut off
        # tells what was. Where the URL points to comes last, since it may be a name that leads anywhere.
        seeds = self._dialer.address.nodes
        known = [*{*self.primaries, *self._others} - {*seeds}]
        reason = "no answer"
        for node in [*random.sample(known, len(known)), *random.sample(seeds, len(seeds))]:
            try:
                rows, others = _slots(await self._dialer.question(node, "CLUSTER", "SLOTS"), node)
            except (RedisError, OSError) as error:
                reason = str(error) or "no answer"
                continue
            if rows:
                self._others = frozenset(others)
                self._take(rows)
                return
            reason = "no primary is known there"
        raise StoreUnavailable(f"the Cluster does not tell where its slots are: {reason}", unknown=False)


def _slots(answer: Any, asked: Address) -> tuple[list[tuple[int, int, Address]], set[Address]]:
    """(first, last, primary) of each range, and the replicas, from CLUSTER SLOTS."""
    rows: list[tuple[int, int, Address]] = []
    others: set[Address] = set()

    def place(told: Any) -> Address:
        # No name means: where you found me.
        return Address(told[0].decode() if told[0] else asked.host, int(told[1]))

    for first, last, primary, *replicas in answer:
        rows.append((int(first), int(last), place(primary)))
        others.update(map(place, replicas))
    return rows, others


def parse_info(text: bytes) -> Mapping[str, str]:
    """The lines of an INFO or CLUSTER INFO."""
    lines = (line.partition(":") for line in text.decode("utf-8", "replace").splitlines())
    return {name: value for name, colon, value in lines if colon}
