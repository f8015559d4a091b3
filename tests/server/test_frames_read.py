"""Reading what arrives: however it is cut up, the same messages come out in the same order."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application
from tornado.websocket import WebSocketHandler, WebSocketProtocol13

from novel_jupyter.server import frames
from novel_jupyter.server.frames import Protocol, Reader, Wire

MOST = 70_000
MASK = b"\x0f\xf0\x55\xaa"
CLOSE = struct.pack(">H", 1000)


def masked(opcode: int, data: bytes = b"", *, final: bool = True) -> bytes:
    size = len(data)
    head = bytes(((0x80 if final else 0) | opcode,))
    if size < 126:
        head += bytes((0x80 | size,))
    elif size < 65_536:
        head += b"\xfe" + struct.pack(">H", size)
    else:
        head += b"\xff" + struct.pack(">Q", size)
    return head + MASK + bytes(byte ^ MASK[at % 4] for at, byte in enumerate(data))


@pytest.fixture(params=["by the reader", "by Tornado alone"])
def reads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the private side of a stream is another one, Tornado reads as it always did."""
    if request.param == "by Tornado alone":
        monkeypatch.setattr(frames, "NEEDED", ("_no_such_attribute",))
    return str(request.param)


class Heard:
    """What the server heard. `gate` is what the answer to a text that begins with "wait" waits for."""

    def __init__(self) -> None:
        self.messages: list[str | bytes] = []
        self.pongs: list[bytes] = []
        self.closed: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self.came = asyncio.Event()
        self.waiting = asyncio.Event()
        self.gate = asyncio.Event()
        self.socket: Socket | None = None


class Socket(WebSocketHandler):
    def initialize(self, heard: Heard) -> None:
        self.heard = heard

    def get_websocket_protocol(self) -> Any:
        protocol = super().get_websocket_protocol()
        assert isinstance(protocol, WebSocketProtocol13)
        protocol.params.max_message_size = MOST
        return Protocol(self, False, protocol.params)

    def open(self, *args: str, **kwargs: str) -> None:
        self.wire = Wire(self)
        self.heard.socket = self

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        if isinstance(message, str) and message.startswith("wait"):
            return self._later(message)
        self.heard.messages.append(message)
        self.heard.came.set()
        if message == "fail":
            raise ValueError("a fault of the handler")
        return None

    def on_pong(self, data: bytes) -> None:
        self.heard.pongs.append(data)
        self.heard.came.set()

    async def _later(self, message: str) -> None:
        self.heard.waiting.set()
        await self.heard.gate.wait()
        self.heard.messages.append(message)

    def on_close(self) -> None:
        self.heard.closed.set_result(self.close_code)

    def log_exception(self, *args: Any) -> None:
        self.heard.messages.append("logged")


@asynccontextmanager
async def speaking() -> AsyncIterator[tuple[Heard, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A server, and a client that is past the handshake."""
    heard = Heard()
    listening, port = bind_unused_port()
    server = HTTPServer(Application([("/", Socket, {"heard": heard})]))
    server.add_sockets([listening])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    try:
        yield heard, reader, writer
    finally:
        writer.close()
        server.stop()
        await asyncio.wait_for(heard.closed, 10)


def reader_of(heard: Heard) -> Reader:
    """What the server reads this client with. It is ours, else Tornado would be all that is tested here."""
    assert heard.socket is not None
    assert isinstance(heard.socket.ws_connection, Protocol)
    assert isinstance(heard.socket.ws_connection._reader, Reader)
    return heard.socket.ws_connection._reader


def _many(random: Random) -> tuple[list[bytes], list[str | bytes], list[bytes]]:
    """Frames of every kind, the messages that are in them, and the pongs."""
    sent: list[bytes] = []
    pongs: list[bytes] = []
    messages: list[str | bytes] = []
    for n in range(60):
        size = random.choice([0, 1, 30, 125, 126, 300, 5_000, 65_535, 65_536, MOST])
        text = f"{n}\u00e4{'x' * size}".encode()[:MOST]
        kind = random.choice(["text", "text", "text", "parts", "binary", "ping", "pong"])
        if kind == "ping":
            sent.append(masked(9, text[:125]))
        elif kind == "pong":
            sent.append(masked(10, text[:125]))
            pongs.append(text[:125])
        elif kind == "binary":
            sent.append(masked(2, text))
            messages.append(text)
        elif kind == "text":
            sent.append(masked(1, text))
            messages.append(text.decode())
        else:
            at = random.randrange(len(text) + 1)
            sent += [masked(1, text[:at], final=False), masked(9, b"between"), masked(0, text[at:])]
            sent.insert(-1, masked(10))
            pongs.append(b"")
            messages.append(text.decode())
    return sent, messages, pongs


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", range(6))
async def test_frames_come_out_however_they_are_cut(seed: int, reads: str) -> None:
    random = Random(seed)
    sent, messages, pongs = _many(random)
    data = b"".join(sent) + masked(8, CLOSE)
    async with speaking() as (heard, _, writer):
        at = 0
        while at < len(data):
            size = random.choice([1, 2, 7, 4_096, 60_000]) if seed else len(data)
            writer.write(data[at : at + size])
            at += size
            await writer.drain()
            await asyncio.sleep(0)
        assert await asyncio.wait_for(heard.closed, 10) == 1000
    assert heard.messages == messages
    assert heard.pongs == pongs


@pytest.mark.asyncio
async def test_the_reader_is_in_use() -> None:
    async with speaking() as (heard, _, writer):
        writer.write(masked(1, b"wait"))
        await asyncio.wait_for(heard.waiting.wait(), 10)
        assert isinstance(reader_of(heard), Reader)
        heard.gate.set()


@pytest.mark.asyncio
async def test_what_comes_while_one_waits_is_handled_after_it() -> None:
    async with speaking() as (heard, _, writer):
        writer.write(b"".join(masked(1, text) for text in (b"a", b"wait", b"b", b"wait 2", b"c")))
        await asyncio.wait_for(heard.waiting.wait(), 10)
        writer.write(masked(1, b"d") + masked(8, CLOSE))
        await writer.drain()
        await asyncio.sleep(0)
        assert heard.messages == ["a"]
        heard.gate.set()
        assert await asyncio.wait_for(heard.closed, 10) == 1000
    assert heard.messages == ["a", "wait", "b", "wait 2", "c", "d"]


@pytest.mark.asyncio
async def test_a_pong_needs_nobody_to_wait_for_it() -> None:
    """It is most of what a quiet connection costs."""
    async with speaking() as (heard, reader, writer):
        writer.write(masked(1, b"here"))
        await asyncio.wait_for(heard.came.wait(), 10)
        assert heard.socket is not None
        heard.socket.wire.ping()
        assert await asyncio.wait_for(reader.readexactly(2), 10) == b"\x89\x00"
        mine = reader_of(heard)
        until = mine._until
        heard.came.clear()
        writer.write(masked(10) + masked(10, b"again"))
        await asyncio.wait_for(heard.came.wait(), 10)
        assert heard.pongs == [b"", b"again"]
        assert mine._until is until, "nothing woke"
        heard.socket.close()
        heard.socket.wire.ping()
        assert await asyncio.wait_for(reader.readexactly(2), 10) == b"\x88\x00", (
            "a close, and nothing after it"
        )


@pytest.mark.asyncio
async def test_a_frame_of_two_bytes_is_not_waited_for_to_grow() -> None:
    """An unmasked ping, which Tornado answers."""
    async with speaking() as (_, reader, writer):
        writer.write(b"\x89\x00")
        assert await asyncio.wait_for(reader.readexactly(2), 10) == b"\x8a\x00"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("wrong", "heard_of_it"),
    [
        (masked(1, b"\xff\xfe"), []),
        (masked(1, b"fail"), ["fail", "logged"]),
        (masked(0, b"of nothing"), []),
        (b"\xf1\x80" + MASK, []),  # reserved bits
        (masked(10, b"x" * 126), []),  # a control frame that is too long
        (masked(1, b"begun", final=False) + masked(1, b"other"), []),
        (b"\x81\xff" + struct.pack(">Q", MOST + 1) + MASK, []),
    ],
)
async def test_what_is_wrong_ends_the_socket_and_nothing_after_it_is_heard(
    wrong: bytes, heard_of_it: list[str]
) -> None:
    async with speaking() as (heard, reader, writer):
        writer.write(masked(1, b"good") + wrong + masked(1, b"after"))
        await asyncio.wait_for(heard.closed, 10)
        await asyncio.wait_for(reader.read(), 10)
    assert heard.messages == ["good", *heard_of_it]


@pytest.mark.asyncio
@pytest.mark.parametrize("last", [b"", masked(1, b"cut off")[:-3], b"\x81", masked(2, b"cut off")[:-3]])
async def test_who_goes_without_a_word_is_noticed(last: bytes) -> None:
    async with speaking() as (heard, _, writer):
        writer.write(masked(1, b"good") + last)
        writer.close()
        assert await asyncio.wait_for(heard.closed, 10) is None
    assert heard.messages == ["good"]
