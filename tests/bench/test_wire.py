"""Frames: those that are sent are right for any server, and received ones end where they end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER, Protocol

from novel_jupyter.bench.dialects import varint
from novel_jupyter.bench.wire import PONG, STAMP, STAMP_BYTES, frame, stamp, walk, walk_over
from novel_jupyter.server.frames import frame as served

SIZES = st.sampled_from([0, 1, 125, 126, 127, 65_535, 65_536])


@given(SIZES)
def test_what_is_sent_is_read_by_a_strict_server(size: int) -> None:
    server = Protocol(SERVER, max_size=None)
    server.receive_data(frame(b"x" * size))
    (found,) = server.events_received()
    assert isinstance(found, Frame)
    assert (found.opcode, bytes(found.data), found.fin) == (Opcode.TEXT, b"x" * size, True)


@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(0, 2500))
def test_frames_end_where_they_end(payloads: list[bytes], cut: int) -> None:
    data = b"".join(map(served, payloads))
    part = data[:cut]
    end, found = walk(part)
    assert [each.payload for each in found] == payloads[: len(found)]
    assert walk_over(part) == (end, len(found), False)
    again, rest = walk(part[end:] + data[cut:])
    assert [each.payload for each in (*found, *rest)] == payloads
    assert end + again == len(data)


def test_long_and_special_frames_are_seen() -> None:
    long = served(b"y" * 70_000)
    assert walk_over(long + bytes((PONG, 2)) + b"ab") == (len(long) + 4, 2, True)
    assert walk_over(long[:-1]) == (0, 0, False)
    for cut in range(12):
        assert walk_over(long[:cut]) == (0, 0, False)
        assert walk(long[:cut]) == (0, [])


@given(st.integers(0, 10**16 - 1))
def test_a_stamp_is_found_again(moment: int) -> None:
    mark = stamp("r", moment)
    assert len(mark) == STAMP_BYTES
    assert STAMP.findall(b'{"text":"' + mark + b'@@ @@x"}') == [(b"r", b"%016d" % moment)]


@given(st.integers(0, 2**40))
def test_numbers_are_written_as_lib0_does(number: int) -> None:
    found, shift = 0, 0
    for byte in varint(number):
        found |= (byte & 0x7F) << shift
        shift += 7
    assert found == number
