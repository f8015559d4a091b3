"""WebSocket frames as the harness's clients need them: finished ones to send, and where received ones end.

Law: RFC 6455 without extensions. Clients mask with zeros, which is allowed and free. Nothing here looks into
a payload but for the stamps, which carry the moment at which a message was due.
Parts: `frame`, `handshake`, `stamp`, `STAMP`, `walk`.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
STAMP: Final = re.compile(rb"@@([a-z])(\d{16})")
STAMP_BYTES: Final = 19


def stamp(kind: str, moment: int) -> bytes:
    """A mark of what kind of message this is and when it was due (`monotonic_ns`): one clock for all
    processes of a machine.
    """
    return b"@@%s%016d" % (kind.encode(), moment)


def frame(payload: bytes, first: int = TEXT) -> bytes:
    """One final frame of a client."""
    size = len(payload)
    if size < 126:
        head = bytes((first, 0x80 | size))
    elif size < 65536:
        head = bytes((first, 0xFE)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, 0xFF)) + size.to_bytes(8, "big")
    return head + b"\0\0\0\0" + payload


def handshake(path: str, host: str, headers: Mapping[str, str]) -> bytes:
    """The request that opens a WebSocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Frame(NamedTuple):
    first: int
    payload: bytes


def walk(data: bytes) -> tuple[int, list[Frame]]:
    """Where the last whole frame of `data` ends, and those frames, as a server sent them."""
    at, size, found = 0, len(data), list[Frame]()
    while size - at >= 2:
        length, head = data[at + 1] & 0x7F, 2
        if length == 126:
            length, head = int.from_bytes(data[at + 2 : at + 4], "big"), 4
        elif length == 127:
            length, head = int.from_bytes(data[at + 2 : at + 10], "big"), 10
        if at + head > size or at + head + length > size:
            break
        found.append(Frame(data[at], data[at + head : at + head + length]))
        at += head + length
    return at, found


def walk_over(data: bytes) -> tuple[int, int, bool]:
    """Where the last whole frame ends, how many there are, and whether any is no plain message: the same
    walk where nobody needs the payloads.
    """
    at, size, count, special = 0, len(data), 0, False
    while size - at >= 2:
        length = data[at + 1]
        if length < 126:
            end = at + 2 + length
        elif length == 126:
            if size - at < 4:
                break
            end = at + 4 + (data[at + 2] << 8) + data[at + 3]
        else:
            if size - at < 10:
                break
            end = at + 10 + int.from_bytes(data[at + 2 : at + 10], "big")
        if end > size:
            break
        if data[at] & 0x08:
            special = True
        count += 1
        at = end
    return at, count, special
