"""Frames made once: the bytes of RFC 6455, and a socket that is gone or not as expected."""

from __future__ import annotations

import json
from asyncio import Future, get_running_loop, sleep
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from novel_jupyter.server.frames import Wire, frame, message, unframe


@given(st.lists(st.binary(max_size=300) | st.integers(65_500, 65_600).map(lambda n: b"x" * n), max_size=5))
def test_frames_come_apart_as_they_were_put_together(payloads: list[bytes]) -> None:
    assert list(unframe(b"".join(map(frame, payloads)))) == payloads


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65_535, b"\x81\x7e\xff\xff"),
        (65_536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_the_length_is_written_in_its_shortest_form(size: int, head: bytes) -> None:
    assert frame(b"x" * size) == head + b"x" * size


def test_an_envelope_has_every_field() -> None:
    (text,) = unframe(message("system_message", {"kind": "pong"}, id="c1:1"))
    assert json.loads(text) == {
        "type": "system_message",
        "session_id": None,
        "user_id": None,
        "timestamp": None,
        "sequence_id": None,
        "id": "c1:1",
        "data": {"kind": "pong"},
    }


class Handler:
    """A WebSocket whose private side is not as expected: only `write_message` will do."""

    ws_connection: Any = None

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.futures: list[Future[None]] = []
        self.closed = False

    def ping(self) -> None:
        self.sent.append("ping")

    def write_message(self, text: str) -> Future[None]:
        if self.closed:
            raise WebSocketClosedError
        self.sent.append(text)
        self.futures.append(get_running_loop().create_future())
        return self.futures[-1]


@pytest.mark.asyncio
async def test_without_the_private_side_the_same_bytes_go_as_messages() -> None:
    handler = Handler()
    wire = Wire(cast(WebSocketHandler, handler))
    left: list[bool] = []
    assert wire.write([frame(b"one"), frame(b"two") + frame(b"three")], lambda: left.append(wire.busy))
    assert handler.sent == ["one", "two", "three"]
    assert wire.busy
    for future in handler.futures:
        future.set_result(None)
    await sleep(0)
    assert (wire.busy, left) == (False, [False])
    handler.closed = True
    assert not wire.write([frame(b"four")], lambda: left.append(True))
    assert not wire.busy


def test_without_the_private_side_tornado_pings() -> None:
    handler = Handler()
    wire = Wire(cast(WebSocketHandler, handler))
    wire.ping()
    assert handler.sent == [], "it is gone"
    handler.ws_connection = SimpleNamespace(is_closing=lambda: False)
    wire.ping()
    assert handler.sent == ["ping"]
    handler.ws_connection = SimpleNamespace(is_closing=lambda: True)
    wire.ping()
    assert handler.sent == ["ping"]
