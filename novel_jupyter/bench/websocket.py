"""A WebSocket client that costs next to nothing, so that what is measured is the server.

Law: RFC 6455 as far as a load generator needs it: text frames, pings, closes, no extensions. Frames are
masked with zeros, which is allowed and free. Not for the product's own client.
Parts: `Socket`.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable
from urllib.parse import urlsplit

PATH = "novel/api/ws"
SUBPROTOCOL = "novel.v1.json"


class Socket(asyncio.Protocol):
    """`taken` gets each text frame; `lost` the reason when the connection ends. Made by `open`."""

    def __init__(self, taken: Callable[[bytes], None], lost: Callable[[str], None]) -> None:
        self._taken, self._lost = taken, lost
        self._buffer = bytearray()
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._open = False
        self._message = b""
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(
        cls, base_url: str, token: str, taken: Callable[[bytes], None], lost: Callable[[str], None]
    ) -> Socket:
        """Raises OSError, ConnectionError."""
        parts = urlsplit(base_url)
        loop = asyncio.get_running_loop()
        place = (parts.hostname or "127.0.0.1", parts.port or 80)
        _, socket = await loop.create_connection(lambda: cls(taken, lost), *place)
        key = base64.b64encode(os.urandom(16)).decode()
        head = (
            f"GET {parts.path}{PATH} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\nAuthorization: token {token}\r\n\r\n"
        )
        assert socket._transport is not None
        socket._transport.write(head.encode())
        await socket._ready
        return socket

    def send(self, text: bytes) -> None:
        self._frame(0x81, text)

    def close(self) -> None:
        self._lost = lambda why: None
        if self._transport is not None:
            self._transport.close()

    def _frame(self, first: int, payload: bytes) -> None:
        size = len(payload)
        if size < 126:
            head = bytes((first, 0x80 | size))
        elif size < 65536:
            head = bytes((first, 0xFE)) + size.to_bytes(2, "big")
        else:
            head = bytes((first, 0xFF)) + size.to_bytes(8, "big")
        if self._transport is not None:
            self._transport.write(head + b"\0\0\0\0" + payload)

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if not self._ready.done():
            self._ready.set_exception(ConnectionError("the connection ended before it was open"))
        else:
            self._lost("the connection was lost")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._open and not self._opened():
            return
        at = 0
        while (end := self._next(at)) is not None:
            at = end
        del self._buffer[:at]

    def _opened(self) -> bool:
        head, found, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        if not found:
            return False
        status = head.split(b"\r\n", 1)[0].decode("latin-1")
        if " 101 " not in f"{status} ":
            self._ready.set_exception(ConnectionError(f"the server answered {status}"))
            return False
        self._open, self._buffer = True, bytearray(rest)
        self._ready.set_result(None)
        return True

    def _next(self, at: int) -> int | None:
        """Take the frame at `at`; where it ends, or None if it is not whole yet."""
        buffer, size = self._buffer, len(self._buffer)
        if size - at < 2:
            return None
        first, length, start = buffer[at], buffer[at + 1] & 0x7F, at + 2
        if length >= 126:
            wide = 2 if length == 126 else 8
            if size - start < wide:
                return None
            length, start = int.from_bytes(buffer[start : start + wide], "big"), start + wide
        end = start + length
        if end > size:
            return None
        payload = bytes(buffer[start:end])
        opcode = first & 0x0F
        if opcode == 8:
            self._lost(f"closed with {int.from_bytes(payload[:2], 'big')}")
        elif opcode == 9:
            self._frame(0x8A, payload)
        elif opcode in (0, 1):
            self._message += payload
            if first & 0x80:
                message, self._message = self._message, b""
                self._taken(message)
        return end
