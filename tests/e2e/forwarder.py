"""A line to a server on this machine that can be cut, healed and slow.

Law: bytes go through as they came. A cut line swallows what is said and answers nothing, as a network does
that lost its way; nobody is told that it ended.
Parts: `Forwarder`.
"""

from __future__ import annotations

import asyncio
from typing import Self


class Forwarder:
    """Forwards `port` on loopback to `to`. `delay`: seconds in each direction."""

    def __init__(self, to: int, delay: float = 0.0) -> None:
        self._to = to
        self._delay = delay
        self._open = asyncio.Event()
        self._open.set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._cut_off: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *ended: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._cut_off:
            writer.transport.abort()

    def cut(self) -> None:
        """From now on nothing arrives, in either direction."""
        self._open.clear()

    def heal(self) -> None:
        """New connections go through; those of before the cut are gone."""
        self._open.set()
        for writer in self._cut_off:
            writer.transport.abort()
        self._cut_off.clear()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, away = await asyncio.open_connection("127.0.0.1", self._to)
        for source, sink in ((reader, away), (there, writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                if not self._open.is_set():
                    self._cut_off.add(sink)
                    continue
                if self._delay:
                    await asyncio.sleep(self._delay)
                if sink not in self._cut_off:
                    sink.write(data)
                    await sink.drain()
        except ConnectionError:
            pass
        finally:
            sink.close()
