"""WebSocket frames made once and shared by all who get them.

Law: this is the only module that touches Tornado's private side of a WebSocket. A frame is the finished
bytes of one server-to-client text message (RFC 6455: unmasked, final); many are written with one
`stream.write`. Where the private side is not as expected, or compression is on, the same bytes go through
`write_message`. What has arrived is taken from the socket at once, however many frames it is.
Parts: `frame`, `unframe`, `message`, `Wire` (what a connection writes to), `Protocol` and its `Reader` (what
it is read by).
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from orjson import dumps
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream, StreamClosedError
from tornado.util import _websocket_mask
from tornado.websocket import WebSocketClosedError, WebSocketHandler, WebSocketProtocol13

TEXT_FINAL, PING_FINAL, PONG_FINAL = 0x81, 0x89, 0x8A
PING = bytes((PING_FINAL, 0))
MASKED = 0x80
READ_BYTES = 65536
NEEDED = ("_handle_read", "_start_read", "_add_io_state", "_read_future", "_read_buffer_size")
"""What reading needs of Tornado's stream beyond its public side; without any of it, Tornado reads alone."""
CHUNK_BYTES = 4096
"""What is read at once: Tornado clears a buffer of this size for each read, and most frames are short."""


def frame(payload: bytes) -> bytes:
    """`payload` (UTF-8 JSON) as one unmasked text frame."""
    size = len(payload)
    if size < 126:
        return bytes((TEXT_FINAL, size)) + payload
    if size < 65536:
        return bytes((TEXT_FINAL, 126)) + size.to_bytes(2, "big") + payload
    return bytes((TEXT_FINAL, 127)) + size.to_bytes(8, "big") + payload


def unframe(buffer: bytes) -> Iterator[bytes]:
    """The payloads of frames that `frame` made, however many stand in `buffer`."""
    at = 0
    while at < len(buffer):
        size, head = buffer[at + 1], 2
        if size == 126:
            size, head = int.from_bytes(buffer[at + 2 : at + 4], "big"), 4
        elif size == 127:
            size, head = int.from_bytes(buffer[at + 2 : at + 10], "big"), 10
        yield buffer[at + head : at + head + size]
        at += head + size


def message(
    type: str,
    data: Mapping[str, object],
    *,
    session_id: str | None = None,
    user_id: str | None = None,
    timestamp: str | None = None,
    sequence_id: int | None = None,
    id: str | None = None,
) -> bytes:
    """A frame with the envelope of the design, for everything that is not in the log."""
    return frame(
        dumps(
            {
                "type": type,
                "session_id": session_id,
                "user_id": user_id,
                "timestamp": timestamp,
                "sequence_id": sequence_id,
                "id": id,
                "data": data,
            }
        )
    )


def _send(stream: IOStream, data: bytes) -> bytes | memoryview | None:
    """What is still to be written of `data`; None: all of it has left.

    A third of what `stream.write` costs, which is kept for what does not fit at once. An error is left to
    `stream.write`, which meets it again and closes the stream by the rules.
    """
    if type(stream) is not IOStream or stream.writing() or stream.closed():
        return data
    try:
        sent = stream.socket.send(data)
    except OSError:
        return data
    return None if sent == len(data) else memoryview(data)[sent:]


def _nothing() -> None:
    """What a stream does with news after its end."""


class Protocol(WebSocketProtocol13):
    """Tornado's, but for the reading (see `Reader`)."""

    @property
    def _reader(self) -> Reader | None:
        # Where the stream has it: with one attribute more a protocol's dict shares no keys and takes 1.6 KB.
        found = getattr(getattr(self.stream, "_handle_read", None), "__self__", None)
        return found if isinstance(found, Reader) else None

    async def _receive_frame_loop(self) -> None:
        stream: Any = self.stream
        is_known = all(hasattr(stream, name) for name in NEEDED)
        if type(stream) is IOStream and self._decompressor is None and is_known:
            Reader(self, stream)
        try:
            await super()._receive_frame_loop()
        finally:
            if stream.closed():
                stream._handle_read = _nothing  # else a circle, which only the collector would find

    async def _receive_frame(self) -> None:
        reader = self._reader
        if reader is None or await reader.is_other():
            await super()._receive_frame()

    async def _read_bytes(self, n: int) -> bytes:
        reader = self._reader
        return await (super()._read_bytes(n) if reader is None else reader.read(n))


class Reader:
    """Handles short text frames, and pongs, in the event that brings them. Tornado asks the stream for each
    part of a frame, which costs more than all else that is done with such a one; it still does so for every
    other.
    """

    __slots__ = ("_at", "_handled", "_protocol", "_stream", "_unread", "_until")

    def __init__(self, protocol: Protocol, stream: Any) -> None:
        self._protocol, self._stream = protocol, stream
        self._unread, self._at = b"", 0
        self._handled: Awaitable[None] | None = None
        """What is not done yet with the frame handled last."""
        self._until: Future[None] | None = None
        """Done when something has arrived that is not handled at once."""
        stream._handle_read = self._arrived

    async def is_other(self) -> bool:
        """Handle frames until one is next that is Tornado's, or (then False) one was waited for. Raises
        StreamClosedError.
        """
        if self._handled is None and self._handle_plain():
            await self._until_more()
        if self._handled is None:
            return self._at < len(self._unread)
        handled, self._handled = self._handled, None
        await handled
        return False

    async def read(self, n: int) -> bytes:
        """The next `n` bytes. Raises StreamClosedError."""
        while len(self._unread) < self._at + n:
            self._add(await self._stream.read_bytes(READ_BYTES, partial=True))
        data = self._unread[self._at : self._at + n]
        self._at += n
        self._protocol._wire_bytes_in += n
        if self._at == len(self._unread):
            self._unread, self._at = b"", 0
        return data

    def _add(self, data: bytes) -> None:
        self._unread, self._at = self._unread[self._at :] + data if self._unread else data, 0

    def _handle_plain(self) -> bool:
        """Handle the short text frames and the pongs that are there whole. Whether more of them may come: not
        while one is being handled, nor when something else is next.
        """
        unread, at, end = self._unread, self._at, len(self._unread)
        protocol = self._protocol
        try:
            while at < end:
                kind = unread[at]
                if kind != PONG_FINAL and (
                    kind != TEXT_FINAL or protocol._fragmented_message_buffer is not None
                ):
                    return False
                if end < at + 6:
                    return end < at + 2 or unread[at + 1] >= MASKED
                size, head = unread[at + 1] - MASKED, 6
                if size == 126:
                    size, head = int.from_bytes(unread[at + 2 : at + 4], "big"), 8
                if not 0 <= size <= protocol.params.max_message_size or unread[at + 1] == 0xFF:
                    return False
                if kind == PONG_FINAL and head > 6:
                    return False  # no control frame is so long
                start = at + head
                if end < start + size:
                    return True
                at = start + size
                protocol._wire_bytes_in += head + size
                data = _websocket_mask(unread[start - 4 : start], unread[start:at])
                self._handled = protocol._handle_message(kind & 0xF, data)
                if self._handled is not None:
                    return False
            return True
        finally:
            self._unread, self._at = (unread, at) if at < end else (b"", 0)

    async def _until_more(self) -> None:
        """Return when something has arrived that `_handle_plain` leaves. Raises StreamClosedError."""
        stream = self._stream
        if stream._read_buffer_size or stream.closed():
            self._add(await stream.read_bytes(READ_BYTES, partial=True))
            return
        self._until = stream._start_read()
        stream._add_io_state(IOLoop.READ)
        await self._until

    def _arrived(self) -> None:
        """Something is there to be read. Takes the place of the stream's own way while that waits for it."""
        stream, until = self._stream, self._until
        if until is None or stream._read_future is not until:
            IOStream._handle_read(stream)
            return
        try:
            data = stream.socket.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            stream.close(exc_info=error)
            return
        if not data:
            stream.close()
            return
        self._add(data)
        if not self._handle_plain() and stream._read_future is until:
            stream._read_future = None
            until.set_result(None)


class Wire:
    """The sending side of one WebSocket."""

    def __init__(self, handler: WebSocketHandler) -> None:
        self._handler = handler
        connection = handler.ws_connection
        stream = getattr(connection, "stream", None)
        compressed = getattr(connection, "_compressor", None) is not None
        self._stream: IOStream | None = stream if isinstance(stream, IOStream) and not compressed else None
        if self._stream is not None:
            self._stream.read_chunk_size = CHUNK_BYTES
        self._waiting = False

    @property
    def busy(self) -> bool:
        """Whether earlier bytes still wait for the reader."""
        return self._waiting

    def ping(self) -> None:
        """Ask whether anybody is there; a pong is heard as every frame is."""
        connection = self._handler.ws_connection
        if connection is None or connection.is_closing():
            return
        stream = self._stream
        rest = PING if stream is None else _send(stream, PING)
        if rest is None:
            return
        # Nobody is told when it has left: what `busy` says is about frames.
        with suppress(StreamClosedError, WebSocketClosedError):
            if stream is None or len(rest) == len(PING):
                self._handler.ping()
            else:
                stream.write(rest)

    def write(self, frames: list[bytes], done: Callable[[], None]) -> bool:
        """Write whole frames; False when the socket is gone. `done` is called once they have left, if they
        had
        to wait.
        """
        data = b"".join(frames) if len(frames) > 1 else frames[0]
        future: Future[None] | None = None
        stream = self._stream
        try:
            if stream is not None:
                rest = _send(stream, data)
                if rest is None:
                    return True
                future = stream.write(rest)
                if not stream.writing():
                    # Left at once. An error since then shows as a closed stream, so nobody waits for this
                    # future.
                    future.add_done_callback(lambda done_future: done_future.exception())
                    return True
            else:
                for payload in unframe(data):
                    future = self._handler.write_message(payload.decode())
        except (StreamClosedError, WebSocketClosedError):
            return False
        if future is None:
            return True
        self._waiting = True

        def left(done_future: object) -> None:
            self._waiting = False
            error = getattr(done_future, "exception", lambda: None)()
            if error is None:
                done()

        future.add_done_callback(left)
        return True
