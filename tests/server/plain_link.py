"""The simplest link that a bus in Redis can have: one client, nothing batched, nothing tried twice.

Law: it does what `redis_wire.Link` says and nothing cleverer, so that a test of the bus tests the bus.
Parts: `PlainLink`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from novel_jupyter import testing_redis, testing_redis_cluster
from novel_jupyter.server.ports import StoreUnavailable
from novel_jupyter.server.redis_wire import Address, Script

PATIENCE = 1.0


class PlainLink:
    def __init__(self, medium: testing_redis.RedisServer | testing_redis_cluster.RedisCluster) -> None:
        self._client: Any
        if isinstance(medium, testing_redis_cluster.RedisCluster):
            nodes = [ClusterNode("127.0.0.1", server.port) for server in medium.servers]
            self._client = RedisCluster(
                startup_nodes=nodes, socket_timeout=PATIENCE, retry=Retry(NoBackoff(), 1)
            )
        else:
            once = Retry(NoBackoff(), 0)
            self._client = Redis(port=medium.port, socket_timeout=PATIENCE, retry=once)
        self._said: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self._saying = asyncio.get_running_loop().create_task(self._say())

    async def _say(self) -> None:
        while True:
            channel, payload = await self._said.get()
            with suppress(RedisError):
                await self._client.execute_command("SPUBLISH", channel, payload)

    async def script(self, script: Script, keys: Sequence[str], args: Sequence[str | bytes | int]) -> Any:
        try:
            return await self._client.eval(script.text, len(keys), *keys, *args)
        except RedisError as error:
            raise StoreUnavailable(str(error), unknown=True) from error

    def publish(self, channel: str, payload: bytes) -> None:
        self._said.put_nowait((channel, payload))

    async def locate(self, key: str, *, again: bool = False) -> Address:
        if isinstance(self._client, Redis):
            pool = self._client.connection_pool.connection_kwargs
            return Address("127.0.0.1", pool["port"])
        try:
            if again:
                await self._client.aclose()
            await self._client.initialize()
            node = self._client.get_node_from_key(key)
        except RedisError as error:
            raise StoreUnavailable(str(error), unknown=True) from error
        return Address(node.host, int(node.port))

    def dial(self, address: Address) -> Connection:
        return Connection(host=address.host, port=address.port, protocol=2, socket_timeout=PATIENCE)

    async def close(self) -> None:
        self._saying.cancel()
        await self._client.aclose()
