"""Many WebSockets in one process at the least cost: a loop over the system's own readiness list.

Law: where load runs, a received piece costs one read, one walk over frame heads and one search for stamps; no
payload is parsed. A message counts by the moment at which it was due. Bytes that a server does not take wait
here, so that no send ever blocks the clock.
Parts: `Member`, `Place`, `Peer`, `Tally`, `Loop`.
"""

from __future__ import annotations

import heapq
import select
import socket
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic_ns
from typing import Any, Final

from .histogram import Histogram
from .wire import CLOSE, PING, PONG, STAMP, frame, handshake, walk, walk_over

PIECE: Final = 65536
ERROR: Final = b'"kind":"error"'
ERRORS_KEPT: Final = 5
IN, OUT = select.POLLIN, select.POLLOUT


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server listens, and how it speaks (see `dialects`). `buffer`: bytes that the system may keep
    for a client that does not read; 0: as many as it likes.
    """

    host: str
    port: int
    dialect: str
    buffer: int = 0


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in a session. `counts`: what comes here is counted; a host only sends."""

    session: str
    name: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    role: str = "person"

    @property
    def counts(self) -> bool:
        return self.role != "host"


class Tally:
    """What arrived. Only what was due from `begin` to `end` is in the latencies."""

    def __init__(self) -> None:
        self.begin = self.end = 0
        self.latency: dict[bytes, Histogram] = {kind: Histogram() for kind in (b"r", b"e", b"c", b"p")}
        self.frames = self.bytes = self.errors = 0
        self.said: list[str] = []
        self.gone: list[str] = []


class Peer:
    """One connection. `listen` gets every payload while it is set; without it only stamps are looked for.
    `dialect` and `memory` belong to whoever speaks the protocol.
    """

    __slots__ = (
        *("at", "base", "began", "client", "counts", "dialect", "fd", "kept", "listen", "member", "memory"),
        *("on_lost", "on_ready", "opened", "out", "ready", "rest", "sock", "templates", "tracks", "writing"),
    )

    def __init__(self, member: Member, client: str, dialect: Any) -> None:
        self.member, self.client, self.dialect = member, client, dialect
        self.sock: socket.socket | None = None
        self.fd = -1
        self.rest = b""
        self.out: deque[bytes] = deque()
        self.opened = self.ready = self.writing = False
        self.listen: Callable[[Peer, bytes], None] | None = None
        self.on_ready: Callable[[Peer], None] = lambda peer: None
        self.on_lost: Callable[[Peer, str], None] = lambda peer, why: None
        self.began = 0
        self.at = 0  # commands sent
        self.base = 0  # the latest sequence_id seen
        self.tracks = False
        self.counts = {b"r": 0, b"e": 0, b"c": 0, b"p": 0}
        self.templates: dict[tuple[str, int], tuple[bytes, bytes]] = {}
        self.memory: dict[str, Any] = {}
        self.kept: list[bytes] | None = None


class Loop:
    """Calls come at their moment (`at`), bytes when they are there."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._peers: dict[int, Peer] = {}
        self._others: dict[int, Callable[[], None]] = {}
        self._heap: list[tuple[int, int, Callable[[int], None]]] = []
        self._n = 0
        self.tally = Tally()

    def at(self, due: int, call: Callable[[int], None]) -> None:
        """Call with `due` once it is over."""
        self._n += 1
        heapq.heappush(self._heap, (due, self._n, call))

    def forget_calls(self) -> None:
        self._heap.clear()

    def watch(self, fd: int, call: Callable[[], None]) -> None:
        self._others[fd] = call
        self._poll.register(fd, IN)

    # --- connections

    def open(self, peer: Peer, place: Place) -> None:
        """Begin to connect; `peer.on_ready` or `peer.on_lost` tells what came of it."""
        peer.began = monotonic_ns()
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if place.buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, place.buffer)
        sock.connect_ex((place.host, place.port))
        peer.sock, peer.fd, peer.rest, peer.opened, peer.ready = sock, sock.fileno(), b"", False, False
        host = f"{place.host}:{place.port}"
        headers = {**peer.dialect.headers(peer.member), **peer.member.headers}
        peer.out = deque([handshake(peer.dialect.path(peer.member), host, headers)])
        peer.writing = True
        self._peers[peer.fd] = peer
        self._poll.register(peer.fd, IN | OUT)

    def send(self, peer: Peer, data: bytes) -> None:
        if peer.sock is None:
            return
        if peer.out:
            peer.out.append(data)
            return
        try:
            sent = peer.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self.lose(peer, str(error.strerror))
            return
        if sent < len(data):
            peer.out.append(data[sent:])
            peer.writing = True
            self._poll.modify(peer.fd, IN | OUT)

    def become_ready(self, peer: Peer) -> None:
        peer.ready = True
        peer.on_ready(peer)

    def pause(self, peer: Peer) -> None:
        """Read nothing more of it, as a client that hangs."""
        if peer.sock is not None:
            self._poll.modify(peer.fd, 0)

    def resume(self, peer: Peer) -> None:
        if peer.sock is not None:
            self._poll.modify(peer.fd, IN | (OUT if peer.out else 0))

    def close(self, peer: Peer) -> None:
        if peer.sock is not None:
            del self._peers[peer.fd]
            self._poll.unregister(peer.fd)
            peer.sock.close()
            peer.sock, peer.ready = None, False

    def lose(self, peer: Peer, why: str) -> None:
        self.close(peer)
        if len(self.tally.gone) < 1000:
            self.tally.gone.append(why)
        peer.on_lost(peer, why)

    # --- turning

    def run(self, until: Callable[[], bool], deadline: int) -> bool:
        """Turn until it is so, or until the deadline (`monotonic_ns`); whether it is so."""
        while not until():
            if monotonic_ns() >= deadline:
                return False
            self.turn(0.01)
        return True

    def turn(self, patience: float) -> None:
        heap, now = self._heap, monotonic_ns()
        while heap and heap[0][0] <= now:
            due, _, call = heapq.heappop(heap)
            call(due)
        wait = patience
        if heap:
            wait = min(wait, max(0.0, (heap[0][0] - monotonic_ns()) / 1e9))
        peers = self._peers
        for fd, event in self._poll.poll(wait):
            peer = peers.get(fd)
            if peer is None:
                if fd in self._others:
                    self._others[fd]()
            elif event & IN:
                self._read(peer)
                if event & OUT and peer.sock is not None:
                    self._write(peer)
            elif event & OUT:
                self._write(peer)
            elif event:
                self.lose(peer, "the connection was lost")

    def _write(self, peer: Peer) -> None:
        assert peer.sock is not None
        try:
            while peer.out:
                sent = peer.sock.send(peer.out[0])
                if sent < len(peer.out[0]):
                    peer.out[0] = peer.out[0][sent:]
                    return
                peer.out.popleft()
        except BlockingIOError:
            return
        except OSError as error:
            self.lose(peer, str(error.strerror))
            return
        peer.writing = False
        self._poll.modify(peer.fd, IN)

    def _read(self, peer: Peer) -> None:
        assert peer.sock is not None
        try:
            data = peer.sock.recv(PIECE)
        except BlockingIOError:
            return
        except OSError as error:
            self.lose(peer, str(error.strerror))
            return
        if not data:
            self.lose(peer, "the server ended the connection")
            return
        if peer.rest:
            data, peer.rest = peer.rest + data, b""
        if not peer.opened:
            self._open(peer, data)
        elif peer.listen is not None:
            self._hear(peer, data)
        else:
            self._count(peer, data)

    def _count(self, peer: Peer, data: bytes) -> None:
        """The way of nearly everything."""
        end, frames, special = walk_over(data)
        if end != len(data):
            peer.rest, data = data[end:], data[:end]
        tally, now = self.tally, monotonic_ns()
        tally.frames += frames
        tally.bytes += end
        counts, begin, until = peer.counts, tally.begin, tally.end
        for kind, text in STAMP.findall(data) if peer.member.counts else ():
            due = int(text)
            counts[kind] += 1
            if begin <= due < until:
                tally.latency[kind].add(now - due)
        if special:
            self._control(peer, data)
        if ERROR in data:
            tally.errors += data.count(ERROR)
            if len(tally.said) < ERRORS_KEPT:
                tally.said.append(data[:300].decode(errors="replace"))
        peer.dialect.passing(self, peer, data)

    def _hear(self, peer: Peer, data: bytes) -> None:
        end, frames = walk(data)
        peer.rest = data[end:]
        for first, payload in frames:
            if first & 0x08:
                self._special(peer, first, payload)
            elif peer.listen is not None:
                peer.listen(peer, payload)
            if peer.sock is None:
                return

    def _control(self, peer: Peer, data: bytes) -> None:
        for first, payload in walk(data)[1]:
            if first & 0x08 and peer.sock is not None:
                self._special(peer, first, payload)

    def _special(self, peer: Peer, first: int, payload: bytes) -> None:
        if first == PING:
            self.send(peer, frame(payload, PONG))
        elif first == CLOSE:
            self.lose(peer, f"closed with {int.from_bytes(payload[:2], 'big')}")

    def _open(self, peer: Peer, data: bytes) -> None:
        head, found, rest = data.partition(b"\r\n\r\n")
        if not found:
            peer.rest = data
            return
        status = head.split(b"\r\n", 1)[0].decode("latin-1")
        if " 101 " not in f"{status} ":
            self.lose(peer, f"the server answered {status}")
            return
        peer.opened = True
        peer.dialect.begin(self, peer)
        if rest and peer.sock is not None:
            if peer.listen is not None:
                self._hear(peer, rest)
            else:
                self._count(peer, rest)
