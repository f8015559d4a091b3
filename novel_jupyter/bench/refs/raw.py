"""Sockets of asyncio, and one finished frame written to each of the others: the ceiling of this machine.

Law: as little of RFC 6455 as the harness's clients need (they mask with zeros and send whole frames). For
measuring only.
"""

from __future__ import annotations

import asyncio
import base64
import sys
from hashlib import sha1

from novel_jupyter.bench.refs.ending import end_with_starter
from novel_jupyter.server.frames import frame

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
ROOMS: dict[str, set[Member]] = {}


class Member(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.rest = b""
        self.room = ""

    def connection_lost(self, error: Exception | None) -> None:
        ROOMS.get(self.room, set()).discard(self)

    def data_received(self, data: bytes) -> None:
        data, self.rest = self.rest + data, b""
        if not self.room:
            data = self._greet(data)
        at = 0
        while len(data) - at >= 6:
            length, head = data[at + 1] & 0x7F, 6
            if length == 126:
                length, head = (data[at + 2] << 8) + data[at + 3], 8
            end = at + head + length
            if end > len(data):
                break
            self._take(data[at], data[at + head : end])
            at = end
        self.rest = data[at:]

    def _greet(self, data: bytes) -> bytes:
        head, found, rest = data.partition(b"\r\n\r\n")
        if not found:
            self.rest = data
            return b""
        key = next(line[19:] for line in head.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key: "))
        accept = base64.b64encode(sha1(key + MAGIC, usedforsecurity=False).digest())
        self.room = head.split(b" ")[1].split(b"/")[2].decode()
        ROOMS.setdefault(self.room, set()).add(self)
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        return rest

    def _take(self, first: int, payload: bytes) -> None:
        if first == 0x81:
            finished = frame(payload)
            for member in ROOMS[self.room]:
                if member is not self:
                    member.transport.write(finished)
        elif first == 0x89:
            self.transport.write(bytes((0x8A, len(payload))) + payload)


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Member, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    end_with_starter()
    asyncio.run(main(int(sys.argv[1])))
