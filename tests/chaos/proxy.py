"""A line between people and their server on which the weather is bad.

Law: a proxy of TCP that knows WebSocket frames. What it forwards is well formed, whatever it did to it; a
`cut` alone ends in the middle of a frame, and is the end of that connection. What a truncated frame said is
lost for good, which no network does that goes on: its connection ends soon after.
Parts: `Weather` (how likely is what), `Frame`, `read_frame`, `Proxy`.
"""

from __future__ import annotations

import asyncio
import os
import random
import struct
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

HELD: Final = 0.03
"""Seconds after which a frame that was held back goes out though no other has overtaken it."""
SOON: Final = 0.1
"""Seconds that a connection lives on after one of its frames was truncated."""
CONTROL: Final = 8
"""Opcodes from here on are pings, pongs and closes: they pass untouched."""


@dataclass(frozen=True, slots=True)
class Weather:
    """Chances for each frame, in each direction. `delay` is up to so many seconds, for `delayed`."""

    duplicated: float = 0.0
    reordered: float = 0.0
    delayed: float = 0.0
    truncated: float = 0.0
    cut: float = 0.0
    delay: float = 0.05


CALM: Final = Weather()


@dataclass(frozen=True, slots=True)
class Frame:
    first: int
    """FIN, reserved bits and opcode, as they came."""
    payload: bytes

    @property
    def is_control(self) -> bool:
        return self.first & 0x0F >= CONTROL

    def encode(self, masked: bool) -> bytes:
        size, flag = len(self.payload), 0x80 if masked else 0
        if size < 126:
            head = struct.pack("!BB", self.first, flag | size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", self.first, flag | 126, size)
        else:
            head = struct.pack("!BBQ", self.first, flag | 127, size)
        if not masked:
            return head + self.payload
        mask = os.urandom(4)
        return head + mask + _masked(self.payload, mask)


def _masked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


async def read_frame(reader: asyncio.StreamReader) -> Frame:
    """Raises IncompleteReadError at the end."""
    first, second = await reader.readexactly(2)
    size = second & 0x7F
    if size == 126:
        (size,) = struct.unpack("!H", await reader.readexactly(2))
    elif size == 127:
        (size,) = struct.unpack("!Q", await reader.readexactly(8))
    mask = await reader.readexactly(4) if second & 0x80 else b""
    payload = await reader.readexactly(size)
    return Frame(first, _masked(payload, mask) if mask else payload)


class Proxy:
    """Forwards a free port on loopback to `to`. `did` counts what it did to frames."""

    def __init__(self, to: int, seed: object, weather: Weather = CALM) -> None:
        self.weather = weather
        self.did: Counter[str] = Counter()
        self.port = 0
        self._to = to
        self._rng = random.Random(f"{seed}/weather")
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._open = asyncio.Event()
        self._open.set()

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
        self.cut_all()

    def swallow(self) -> None:
        """From now on nothing is read or written any more, and nobody is told: half-open, on both sides."""
        self._open.clear()

    def heal(self) -> None:
        """New connections go through; the old ones end."""
        self.cut_all()
        self._open.set()

    def cut_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, away = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, away}
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            away.write(head)
            if b"upgrade: websocket" not in head.lower():
                self._start(self._raw(reader, away))
                self._start(self._raw(there, writer))
                return
            answer = await there.readuntil(b"\r\n\r\n")
            writer.write(answer)
            if answer.startswith(b"HTTP/1.1 101"):
                self._start(self._frames(reader, away, writer, masked=True))
                self._start(self._frames(there, writer, away, masked=False))
                return
        self._end(writer, away)

    def _start(self, pump: asyncio._CoroutineLike[None]) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(pump)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _end(self, *writers: asyncio.StreamWriter) -> None:
        for writer in writers:
            writer.transport.abort()
            self._writers.discard(writer)

    async def _raw(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        sink.close()
        self._writers.discard(sink)

    async def _frames(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        back: asyncio.StreamWriter,
        masked: bool,
    ) -> None:
        coming: asyncio.Queue[Frame | None] = asyncio.Queue(64)
        reading = asyncio.create_task(self._read(source, coming))
        try:
            await self._through(coming, sink, back, masked)
        except OSError:
            pass
        finally:
            reading.cancel()
            self._end(sink, back)

    async def _read(self, source: asyncio.StreamReader, coming: asyncio.Queue[Frame | None]) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                frame = await read_frame(source)
                await self._open.wait()
                await coming.put(frame)
        await coming.put(None)

    async def _through(
        self,
        coming: asyncio.Queue[Frame | None],
        sink: asyncio.StreamWriter,
        back: asyncio.StreamWriter,
        masked: bool,
    ) -> None:
        held: Frame | None = None
        while True:
            frame: Frame | None = None
            try:
                frame = await asyncio.wait_for(coming.get(), HELD if held else None)
            except TimeoutError:
                pass
            else:
                if frame is None:
                    return
                weather, rng = self.weather, self._rng
                if not frame.is_control:
                    self.did["frames"] += 1
                    if self._happens("cut", weather.cut):
                        whole = frame.encode(masked)
                        sink.write(whole[: rng.randrange(1, len(whole))])
                        await sink.drain()
                        sink.close()  # what was written goes out before the end
                        back.transport.abort()
                        return
                    if self._happens("truncated", weather.truncated):
                        frame = Frame(frame.first, frame.payload[: rng.randrange(len(frame.payload))])
                        asyncio.get_running_loop().call_later(SOON, self._end, sink, back)
                    if self._happens("delayed", weather.delayed):
                        await asyncio.sleep(rng.uniform(0, weather.delay))
                    if self._happens("duplicated", weather.duplicated):
                        sink.write(frame.encode(masked))
                    if held is None and self._happens("reordered", weather.reordered):
                        held = frame
                        continue
                sink.write(frame.encode(masked))
            if held is not None:
                sink.write(held.encode(masked))
                held = None
            await sink.drain()

    def _happens(self, what: str, chance: float) -> bool:
        happens = chance > 0 and self._rng.random() < chance
        self.did[what] += happens
        return happens
