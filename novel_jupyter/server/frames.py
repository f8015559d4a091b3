"""WebSocket frames made once and shared by all who get them.

Law: this is the only module that touches Tornado's private side of a WebSocket. A frame is the finished
bytes of one server-to-client text message (RFC 6455: unmasked, final); many are written with one
`stream.write`. Where the private side is not as expected, or compression is on, the same bytes go through
`write_message`. What has arrived is taken from the socket at once, however many frames it is.
Parts: `frame`, `unframe`, `message`, `Wire` (what a connection writes to), `Protocol` (what it is read by).
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Awaitable, Callable, Iterator, Mapping

from orjson import dumps
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream, StreamClosedError
from tornado.websocket import WebSocketClosedError, WebSocketHandler, WebSocketProtocol13

TEXT_FINAL = 0x81
READ_BYTES = 65536
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


def _arriving(stream: IOStream) -> Awaitable[bytes]:
    """What arrives next, up to READ_BYTES. Raises StreamClosedError.

    `stream.read_bytes` looks first whether something is there, which after a frame hardly ever is. To look in
    vain costs more than to wait for the news, so of an empty stream that is not behind TLS only that is done.
    """
    if type(stream) is not IOStream or stream._read_buffer_size or stream.closed():
        return stream.read_bytes(READ_BYTES, partial=True)
    future = stream._start_read()
    stream._read_bytes, stream._read_partial = READ_BYTES, True
    stream._add_io_state(IOLoop.READ)
    return future


class Protocol(WebSocketProtocol13):
    """Tornado's, but for the reading: that asks the stream for each part of a frame, which costs more than
    all else that is done with a short one.
    """

    _unread = b""
    _at = 0

    async def _read_bytes(self, n: int) -> bytes:
        at, end = self._at, self._at + n
        while len(self._unread) < end:
            more = await _arriving(self.stream)
            self._unread, at, end = self._unread[at:] + more, 0, n
            self._at = 0
        self._at = end
        self._wire_bytes_in += n
        data = self._unread[at:end]
        if end == len(self._unread):
            self._unread, self._at = b"", 0
        return data


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
