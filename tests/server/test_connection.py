"""One client's way out: one outbox, one flush a tick, a bound on what it does not read (R80-R83)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from server.inside import principal

from novel_jupyter.server.config import Config
from novel_jupyter.server.connection import ANSWER_BYTES, Connection, Flusher

SMALL = replace(Config(), tick=0.001, outbox_bytes=65536, outbox_frames=16)


class Socket:
    """A socket that takes one write and is busy until it is told that the write has left."""

    def __init__(self, keeps_up: bool = True) -> None:
        self.keeps_up = keeps_up
        self.writes: list[list[bytes]] = []
        self.gone = False
        self.written = asyncio.Event()
        self._done: Callable[[], None] | None = None

    @property
    def busy(self) -> bool:
        return self._done is not None

    def write(self, frames: list[bytes], done: Callable[[], None]) -> bool:
        if self.gone:
            return False
        self.writes.append(frames)
        self.written.set()
        if not self.keeps_up:
            self._done = done
        return True

    def left(self) -> None:
        done, self._done = self._done, None
        assert done
        done()


class Client(Connection):
    def __init__(self, socket: Socket, config: Config = SMALL) -> None:
        self.codes: list[int] = []
        self.resyncs = 0
        self.flusher = Flusher(config.tick)
        super().__init__("c", principal("bob"), None, socket, self._note, config, self.flusher)
        self.on_resync = self._resync

    def _note(self, code: int, reason: str) -> None:
        self.codes.append(code)

    def _resync(self) -> None:
        self.resyncs += 1
        self.control(b"state")


@pytest.mark.asyncio
async def test_everything_of_a_tick_leaves_in_one_write() -> None:
    socket = Socket()
    client = Client(socket)
    for n in range(3):
        client.durable(b"%d" % n)
        client.ephemeral("cursor", b"at %d" % n)
    client.control(b"ack")
    assert socket.writes == []
    await socket.written.wait()
    assert socket.writes == [[b"0", b"1", b"2", b"ack", b"at 2"]]
    client.flush()
    assert len(socket.writes) == 1


@pytest.mark.asyncio
async def test_a_backlog_is_thrown_away_for_one_state_and_acks_stay() -> None:
    socket = Socket(keeps_up=False)
    client = Client(socket)
    client.durable(b"first")
    client.flush()
    client.control(b"ack")
    for _ in range(20):
        client.durable(b"x" * 10_000)
    client.flush()
    assert socket.writes == [[b"first"]], "it still has earlier bytes to send"
    assert client.stalled_for(0.0) == 0.0
    assert client.stalled_for(5.0) == 5.0
    socket.left()
    client.flush()
    assert socket.writes[1:] == [[b"ack", b"state"]]
    assert client.resyncs == 1
    client.durable(b"next")
    socket.left()
    client.flush()
    assert socket.writes[2:] == [[b"next"]]
    assert client.stalled_for(9.0) == 0.0


@pytest.mark.asyncio
async def test_who_does_not_read_is_not_read_from() -> None:
    socket = Socket(keeps_up=False)
    client = Client(socket)
    client.control(b"one")
    client.flush()
    await client.room()
    client.control(b"x" * (ANSWER_BYTES + 1))
    waiting = asyncio.create_task(client.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    assert client.choked
    # A change of its view meanwhile adds no further state to the pile: one comes when there is room.
    client.resync_later()
    client.durable(b"of the old view's time")
    client.ephemeral("cursor", b"too")
    socket.left()
    client.flush()
    await waiting
    assert (client.choked, client.resyncs) == (False, 0)
    socket.left()
    client.flush()
    assert client.resyncs == 1
    assert socket.writes[-1] == [b"state"]
    # And whoever is gone keeps nobody waiting.
    client.control(b"x" * (ANSWER_BYTES + 1))
    waiting = asyncio.create_task(client.room())
    await asyncio.sleep(0)
    client.gone()
    await waiting


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("code", "flushed"), [(4001, True), (4503, True), (4508, True), (4002, False), (4005, False)]
)
async def test_a_close_happens_once_and_says_its_last_words_where_they_can_be_heard(
    code: int, flushed: bool
) -> None:
    socket = Socket()
    client = Client(socket)
    client.control(b"last words")
    client.close(code)
    client.close(4001)
    client.durable(b"ignored")
    client.flush()
    assert client.codes == [code]
    assert socket.writes == ([[b"last words"]] if flushed else [])


@pytest.mark.asyncio
async def test_a_socket_that_is_gone_is_closed() -> None:
    socket = Socket()
    client = Client(socket)
    socket.gone = True
    client.control(b"x")
    client.flush()
    assert (client.codes, client.closed) == ([4005], True)


@pytest.mark.asyncio
async def test_what_comes_after_a_pause_leaves_at_once_and_what_follows_waits_for_the_tick() -> None:
    socket = Socket()
    client = Client(socket, replace(SMALL, tick=0.2))
    loop = asyncio.get_running_loop()
    began = loop.time()
    client.durable(b"first")
    await socket.written.wait()
    socket.written.clear()
    assert loop.time() - began < 0.2
    for n in range(3):
        client.durable(b"%d" % n)
        await asyncio.sleep(0)
    assert len(socket.writes) == 1
    await socket.written.wait()
    assert loop.time() - began >= 0.2
    assert socket.writes == [[b"first"], [b"0", b"1", b"2"]]


@pytest.mark.asyncio
async def test_who_was_quiet_does_not_wait_for_the_tick_of_others() -> None:
    flusher = Flusher(0.2)
    sockets = Socket(), Socket()
    busy, quiet = (Client(socket) for socket in sockets)
    busy._flusher = quiet._flusher = flusher
    quiet.id = "quiet"
    loop = asyncio.get_running_loop()
    began = loop.time()
    busy.durable(b"first")
    await sockets[0].written.wait()
    busy.durable(b"second")
    quiet.durable(b"first")
    await sockets[1].written.wait()
    assert loop.time() - began < 0.2
    assert sockets[0].writes == [[b"first"]]
    flusher.stop()


@pytest.mark.asyncio
async def test_a_flusher_that_was_stopped_writes_nothing_more() -> None:
    socket = Socket()
    client = Client(socket, SMALL)
    client.durable(b"first")
    client.flusher.stop()
    await asyncio.sleep(0)
    assert socket.writes == []
