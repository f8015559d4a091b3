"""How each server is spoken to: the handshake, how one comes in, and the messages of a load.

Law: every dialect sends and is sent messages of the same size, as far as its envelope leaves room; what a
server adds to a message is taken off before. The stamp stands in the message as plain text.
Parts: `Dialect`, `Plain`, `Seed`, `SocketIO`, `Yjs`; `Novel` is in `novel`; `dialect`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from .loop import Loop, Member, Peer
from .wire import BINARY, STAMP_BYTES, frame

PAD: Final = b"the lamp turns, and the rain goes on against the glass of the tower; "


def padding(size: int) -> bytes:
    """Text of so many bytes; none for less than one."""
    return (PAD * (max(0, size) // len(PAD) + 1))[: max(0, size)]


class Dialect:
    """`hears_itself`: the sender gets its own message, too. Raw relays leave every method as it is."""

    hears_itself = False

    def path(self, member: Member) -> str:
        return member.path

    def headers(self, member: Member) -> Mapping[str, str]:
        return {}

    def begin(self, loop: Loop, peer: Peer) -> None:
        """The socket is open: come in, and then `loop.become_ready`."""
        loop.become_ready(peer)

    def passing(self, loop: Loop, peer: Peer, data: bytes) -> None:
        """Every piece that was received under load, whole frames."""

    def text(self, peer: Peer, kind: str, size: int) -> tuple[bytes, bytes]:
        """What stands before and after the stamp in a message's payload."""
        raise NotImplementedError

    def message(self, peer: Peer, kind: str, mark: bytes, size: int) -> bytes:
        """A finished frame."""
        parts = peer.templates.get((kind, size))
        if parts is None:
            before, after = self.text(peer, kind, size)
            whole = frame(before + b"\0" * STAMP_BYTES + after)
            cut = len(whole) - len(after) - STAMP_BYTES
            parts = peer.templates[(kind, size)] = (whole[:cut], after)
        return parts[0] + mark + parts[1]

    def is_exact(self, kind: str) -> bool:
        """Whether every message of this kind has to reach everybody once."""
        return True


class Plain(Dialect):
    """A relay that passes on what it gets. The message is that of our own narration."""

    def text(self, peer: Peer, kind: str, size: int) -> tuple[bytes, bytes]:
        before = (
            f'{{"type":"story_update","session_id":"{peer.member.session}","user_id":null,"timestamp":null,'
            '"sequence_id":null,"id":null,"data":{"kind":"narration","turn":1,"attempt":1,"offset":10000,'
            '"text":"'
        ).encode()
        return before, padding(size - len(before) - STAMP_BYTES - 3) + b'"}}'


class Seed(Dialect):
    """The manager of the seed: it reads JSON, and writes JSON of its own making."""

    def text(self, peer: Peer, kind: str, size: int) -> tuple[bytes, bytes]:
        said = {"type": "user_cursor", "user_id": peer.member.name, "position": ""}
        delivered = len(json.dumps({**said, "timestamp": "2026-01-01T00:00:00.000000"}))
        return b'{"type":"user_cursor","position":"', padding(size - delivered - STAMP_BYTES) + b'"}'


class SocketIO(Dialect):
    """Engine.IO 4 over its WebSocket transport, and Socket.IO 5 within it."""

    def path(self, member: Member) -> str:
        return "/socket.io/?EIO=4&transport=websocket"

    def begin(self, loop: Loop, peer: Peer) -> None:
        peer.listen = lambda peer, payload: self._hear(loop, peer, payload)

    def _hear(self, loop: Loop, peer: Peer, payload: bytes) -> None:
        if payload[:1] == b"0":
            loop.send(peer, frame(b"40"))
        elif payload[:2] == b"40":
            loop.send(peer, frame(b'420["join","%s"]' % peer.member.session.encode()))
        elif payload[:3] == b"430":
            peer.listen = None
            loop.become_ready(peer)

    def passing(self, loop: Loop, peer: Peer, data: bytes) -> None:
        if b"\x81\x012" in data:  # its own ping, a text
            loop.send(peer, frame(b"3"))

    def text(self, peer: Peer, kind: str, size: int) -> tuple[bytes, bytes]:
        before = b'42["say",{"text":"'
        return before, padding(size - len(before) - STAMP_BYTES - 3) + b'"}]'


class Yjs(Dialect):
    """Awareness of Yjs: what y-websocket servers relay and do not keep."""

    hears_itself = True

    def begin(self, loop: Loop, peer: Peer) -> None:
        def hear(peer: Peer, payload: bytes) -> None:
            if payload[:1] == b"\0":  # the server's own state vector: we are in
                peer.listen = None
                loop.become_ready(peer)

        peer.listen = hear

    def message(self, peer: Peer, kind: str, mark: bytes, size: int) -> bytes:
        peer.at += 1
        state = b'{"text":"' + mark
        head = b"\x01" + varint(1 + peer.fd) + varint(2_100_000 + peer.at)
        room = size - len(head) - 5 - len(state) - 2
        state += padding(room) + b'"}'
        update = head + varint(len(state)) + state
        return frame(b"\x01" + varint(len(update)) + update, BINARY)


def varint(number: int) -> bytes:
    """As lib0 writes it: seven bits a byte, the lowest first."""
    found = bytearray()
    while number > 0x7F:
        found.append(0x80 | (number & 0x7F))
        number >>= 7
    found.append(number)
    return bytes(found)


def dialect(name: str) -> Dialect:
    """Raises KeyError."""
    from .novel import Novel

    known = {"plain": Plain, "seed": Seed, "socketio": SocketIO, "yjs": Yjs, "novel": Novel}
    return known[name]()
