"""Who does not read delays nobody, and costs a bounded amount of memory (SPEC R80-R83).

Law: latencies are compared within one run and memory with what the same load costs when everybody reads, so
that a busy machine changes nothing. The slow client is a plain socket with a tiny buffer that reads nothing.
Parts: `Deaf` (that client), events that it does not take, answers that it asks for and does not take.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import psutil
import pytest
from server.wire import PROTOCOL, Message, Replica, Wire, connect, create, headers_of

from novel_jupyter.testing import ServerProcess

pytestmark = [pytest.mark.process]

BLOCK = 100_000
BLOCKS = 500
"""50 MB that would have been sent."""
MB = 1024 * 1024


class Deaf:
    """A client that says things and reads nothing but the handshake."""

    def __init__(self, server: ServerProcess, name: str) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self._socket.connect(("127.0.0.1", server.port))
        key = b64encode(os.urandom(16)).decode()
        login = headers_of(server, name)["Authorization"]
        self._socket.sendall(
            f"GET /novel/api/ws HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: {login}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: {PROTOCOL}\r\n\r\n".encode()
        )
        assert self._socket.recv(12) == b"HTTP/1.1 101"

    def say(self, type: str, session: str, data: Message, id: str = "d:1") -> bytes:
        """A message as a masked frame (with a mask of zeros)."""
        text = json.dumps({"type": type, "session_id": session, "id": id, "data": data}).encode()
        return struct.pack("!BBH4x", 0x81, 0x80 | 126, len(text)) + text

    def send(self, frames: bytes) -> None:
        self._socket.sendall(frames)

    def keep_sending(self, frames: bytes) -> int:
        """Send until the server takes no more; the bytes it took."""
        self._socket.setblocking(False)
        sent = 0
        try:
            while sent < len(frames):
                sent += self._socket.send(frames[sent : sent + 65536])
        except BlockingIOError:
            pass
        finally:
            self._socket.setblocking(True)
        return sent

    def drain(self, end: bytes) -> int:
        """Read until `end`; how much it was."""
        self._socket.settimeout(20)
        found, size = b"", 0
        while not found.endswith(end):
            data = self._socket.recv(65536)
            assert data, "the connection ended without the end"
            found, size = (found + data)[-len(end) :], size + len(data)
        return size

    def messages(self) -> Iterator[Message]:
        """What was sent to it, at last read."""
        stream = self._socket.makefile("rb")
        while stream.readline().strip():
            pass  # the rest of the handshake
        while head := stream.read(2):
            size = head[1]
            if size >= 126:
                size = int.from_bytes(stream.read(2 if size == 126 else 8), "big")
            text = stream.read(size)
            if head[0] == 0x81:
                yield json.loads(text)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Patient with the deaf for longer than a test takes, unless it says otherwise."""
    traits = {"commands_per_second": 5000, "commands_burst": 5000, "stall_timeout": 100.0}
    named = {f"NovelApp.{name}": value for name, value in traits.items()}
    with ServerProcess(tmp_path_factory.mktemp("slow"), ("alice", "bob", "carol"), named) as found:
        yield found


async def _latencies(alice: Wire, bob: Wire, session: str, count: int) -> list[float]:
    """Seconds from alice's word to bob's screen."""
    found = []
    for n in range(count):
        text = f"{len(alice.raw)}-{n}"
        began = time.perf_counter()
        await alice.send("story_update", session, {"kind": "chat", "text": text}, id=alice.next_id())
        await bob.expect(lambda m, text=text: m["data"].get("text") == text)  # type: ignore[misc]
        found.append(time.perf_counter() - began)
    return found


async def _blocks(alice: Wire, bob: Wire, session: str, count: int) -> None:
    """Edits of BLOCK bytes each, which bob reads."""
    value = "x" * BLOCK
    for _ in range(count // 10):
        ids = [alice.next_id() for _ in range(10)]
        data = {"base": bob.sessions[session].sequence_id, "patch": []}
        data["patch"] = [{"op": "add", "path": "/notes/block", "value": value}]
        for id in ids:
            await alice.send("story_update", session, data, id=id)
        acks = [await alice.answer(id) for id in ids]
        assert {ack["kind"] for ack in acks} == {"ack"}, acks[0]
        await bob.reach(session, acks[-1]["sequence_id"])
        for wire in (alice, bob):
            wire.raw.clear()
            wire.sessions[session].events.clear()


@pytest.mark.asyncio
async def test_a_client_that_stops_reading_delays_nobody_and_costs_no_memory(
    server: ServerProcess, figure: Callable[[str], None]
) -> None:
    session = await create(server)
    process = psutil.Process(server.pid)
    async with connect(server, "alice") as alice, connect(server, "bob", "b1") as bob:
        await alice.join(session)
        await bob.join(session)
        await _blocks(alice, bob, session, 100)
        before = await _latencies(alice, bob, session, 60)
        settled = process.memory_info().rss
        deaf = [Deaf(server, "carol") for _ in range(4)]
        for client in deaf:
            client.send(client.say("join_session", session, {}, id=f"{id(client)}:1"))
        await alice.expect(
            lambda m: (
                m["data"]["kind"] == "presence"
                and [u["connections"] for u in m["data"]["users"] if u["user_id"] == "carol"] == [4]
            )
        )
        most = settled
        for _ in range(10):
            await _blocks(alice, bob, session, BLOCKS // 10)
            most = max(most, process.memory_info().rss)
        during = await _latencies(alice, bob, session, 60)
        for client in deaf:
            client.close()
        await alice.expect(
            lambda m: (
                m["data"]["kind"] == "presence" and "carol" not in [u["user_id"] for u in m["data"]["users"]]
            )
        )
        after = await _latencies(alice, bob, session, 60)
    ratio = median(during) / median(before + after)
    figure(
        f"4 deaf clients, {BLOCK * BLOCKS / 1e6:.0f} MB each: latency x{ratio:.2f} "
        f"({median(during) * 1e3:.1f} ms), memory +{(most - settled) / MB:.1f} MB"
    )
    assert ratio < 2.5
    assert most - settled < 24 * MB


@pytest.mark.asyncio
async def test_answers_that_are_asked_for_and_not_read_are_bounded_too(
    server: ServerProcess, figure: Callable[[str], None]
) -> None:
    """Who does not read is not read from: each of these questions has an answer of half a megabyte."""
    session = await create(server)
    process = psutil.Process(server.pid)
    async with connect(server, "alice") as alice, connect(server, "bob", "b1") as bob:
        await alice.join(session)
        await bob.join(session)
        for n in range(5):
            await alice.edit(session, f"/notes/block{n}", "x" * BLOCK)
        for _ in range(20):
            await bob.sync(session)
        settled = process.memory_info().rss
        deaf = Deaf(server, "carol")
        deaf.send(deaf.say("join_session", session, {}))
        deaf.keep_sending(b"".join(deaf.say("state_sync", session, {}, f"d:{n}") for n in range(2, 400)))
        # Once these were answered, what the deaf one asked has been taken up, or never will be.
        most = settled
        for _ in range(100):
            await bob.alive()
            await bob.chat(session, "and yet it moves")
            most = max(most, process.memory_info().rss)
        deaf.close()
    figure(f"400 unread answers of {5 * BLOCK / 1e6:.1f} MB: memory +{(most - settled) / MB:.1f} MB")
    assert most - settled < 24 * MB


@pytest.mark.asyncio
async def test_who_takes_nothing_for_too_long_is_closed(tmp_path: Path) -> None:
    """R83: 4002, and what it holds is given back."""
    traits = {"NovelApp.stall_timeout": 0.5, "NovelApp.presence_grace": 0}
    with ServerProcess(tmp_path, ("alice", "carol"), traits) as impatient:
        session = await create(impatient)
        async with connect(impatient, "alice") as alice:
            await alice.join(session)
            deaf = Deaf(impatient, "carol")
            deaf.send(deaf.say("join_session", session, {}))
            await alice.expect(lambda m: m["type"] == "join_session")
            for _ in range(80):
                await alice.edit(session, "/notes/block", "x" * BLOCK)
            while "code=4002" not in impatient.log:
                await alice.alive()
            end = bytes((0x88, 10)) + (4002).to_bytes(2, "big") + b"too slow"
            assert await asyncio.to_thread(deaf.drain, end) < 80 * BLOCK / 2
            deaf.close()
            assert impatient.log.count("code=4002") == 1
            await alice.expect(lambda m: m["type"] == "leave_session" and m["user_id"] == "carol")


@pytest.mark.asyncio
async def test_who_reads_slowly_is_resynced_and_ends_with_the_same(tmp_path: Path) -> None:
    """R82: the backlog is thrown away for one state_sync; the replica is whole afterwards."""
    with ServerProcess(tmp_path, ("alice", "carol"), {"NovelApp.outbox_bytes": 65536}) as server:
        session = await create(server)
        async with connect(server, "alice") as alice:
            await alice.join(session)
            deaf = Deaf(server, "carol")
            deaf.send(deaf.say("join_session", session, {}))
            await alice.expect(lambda m: m["type"] == "join_session")
            for _ in range(59):
                await alice.edit(session, "/notes/block", "x" * BLOCK)
            last = await alice.edit(session, "/notes/block", "last")
            replica = Replica()
            for message in deaf.messages():
                if message["session_id"]:
                    replica.take(message)
                if replica.sequence_id >= last["sequence_id"]:
                    break
            deaf.close()
            assert replica.gaps == []
            assert len(replica.events) < 60
            assert replica.state_hash() == alice.sessions[session].state_hash()
