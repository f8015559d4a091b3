"""The bus of a store in Redis: sharded channels for what is said, one hash a session for who is here.

Law: the contract is B1 to B9 of `bus`. What is said of a session goes over the session's own channel, in the
slot of its log, so that the script which appends announces too (B2), and so does the one that changes a row
(B4). Time is the server's (TIME), whatever the nodes believe.
Parts: `RedisBus`, and its scripts. Listening is in `redis_channels`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from .bus import NOTE_BYTES, Announcement, Listener, Node, Row
from .ports import StoreClosed, StoreError
from .redis_channels import Channels
from .redis_wire import CHANGED, NODES, Link, Script, channel, decode, encode_change, encode_note, key, origin

log = logging.getLogger(__name__)

LISTEN_TIMEOUT: Final = 5.0

# A row is "<expires> <sequence_id> <people>", joined: Lua's "%s" ends at a zero byte. The key outlives its
# rows: who looks late must still see that somebody vanished (B4), but nobody looks an hour later.
_NOW: Final = "local t = redis.call('TIME')\nlocal now = t[1] * 1000 + math.floor(t[2] / 1000)\n"

HERE: Final = Script(
    _NOW
    + """
local node, ttl, people, read = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local answer, changed, mine, last = {}, false, nil, 0
local rows = redis.call('HGETALL', KEYS[1])
for i = 1, #rows, 2 do
  local expires, sequence_id, said = rows[i + 1]:match('^(%d+) (%d+) (.*)$')
  expires = tonumber(expires)
  if rows[i] == node then
    mine = said
  elseif expires <= now then
    redis.call('HDEL', KEYS[1], rows[i])
    changed = true
  else
    answer[#answer + 1], answer[#answer + 2], answer[#answer + 3] = rows[i], said, sequence_id
    last = math.max(last, expires)
  end
end
if ttl > 0 then
  local head = string.format('%d %s ', now + ttl, read)
  redis.call('HSET', KEYS[1], node, head .. people)
  answer[#answer + 1], answer[#answer + 2], answer[#answer + 3] = node, people, read
  last = math.max(last, now + ttl)
  changed = changed or mine ~= people
elseif mine then
  redis.call('HDEL', KEYS[1], node)
  changed = true
end
if last > 0 then redis.call('PEXPIREAT', KEYS[1], string.format('%d', last + 3600000)) end
if changed then redis.call('SPUBLISH', ARGV[5], ARGV[6]) end
return answer
"""
)

# Those who beat: "<expires> <at> <about>".
NODES_HERE: Final = Script(
    _NOW
    + """
if ARGV[1] then
  local ttl = tonumber(ARGV[2])
  if ttl > 0 then
    redis.call('HSET', KEYS[1], ARGV[1], string.format('%d %d ', now + ttl, now) .. ARGV[3])
  else
    redis.call('HDEL', KEYS[1], ARGV[1])
  end
end
local answer = {}
local rows = redis.call('HGETALL', KEYS[1])
for i = 1, #rows, 2 do
  local expires, at, about = rows[i + 1]:match('^(%d+) (%d+) (.*)$')
  if tonumber(expires) <= now then
    redis.call('HDEL', KEYS[1], rows[i])
  else
    answer[#answer + 1], answer[#answer + 2], answer[#answer + 3] = rows[i], about, now - tonumber(at)
  end
end
return answer
"""
)


class RedisBus:
    """A `Bus`. Belongs to the event loop in which it was made; whoever made the link closes it, later."""

    def __init__(self, link: Link, node: str) -> None:
        self.node = node
        self._link = link
        self._own = origin(node)
        self._listeners: dict[str, Listener] = {}
        self._channels = Channels(link, self._heard, self._relinked)
        self._closed = False

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed("the bus is closed")

    @property
    def is_alone(self) -> bool:
        return False  # others may be just starting, and nobody knows of them yet

    @property
    def connections(self) -> int:
        """Those on which it listens."""
        return self._channels.connections

    async def listen(self, session_id: str, listener: Listener) -> None:
        self._check_open()
        name = channel(session_id)
        self._listeners[session_id] = listener
        try:
            await self._channels.add(name, LISTEN_TIMEOUT)
        except BaseException:
            if self._listeners.get(session_id) is listener:
                del self._listeners[session_id]
            raise

    async def unlisten(self, session_id: str) -> None:
        if self._listeners.pop(session_id, None) is None:
            return
        self._channels.remove(channel(session_id))
        # Where the medium is away the row goes by itself.
        with suppress(StoreError):
            await self._say(session_id, None, 0.0)

    def publish(self, session_id: str, note: bytes) -> None:
        if len(note) > NOTE_BYTES:
            raise ValueError(f"a note has at most {NOTE_BYTES} bytes")
        if not self._closed:
            self._link.publish(channel(session_id), encode_note(self.node, note))

    async def here(self, session_id: str, row: Row | None, ttl: float) -> Mapping[str, Row]:
        self._check_open()
        return await self._say(session_id, row, ttl)

    async def _say(self, session_id: str, row: Row | None, ttl: float) -> dict[str, Row]:
        people, read = (row.people, row.sequence_id) if row else (b"", 0)
        lifetime = max(1, round(ttl * 1000)) if row else 0
        args: list[str | bytes | int] = [self.node, lifetime, people, read]
        args += [channel(session_id), encode_change(self.node)]
        answer = await self._link.script(HERE, [key(session_id, "here")], args, idempotent=True)
        return {node.decode(): Row(said, int(at)) for node, said, at in _threes(answer)}

    async def beat(self, about: bytes, ttl: float) -> None:
        self._check_open()
        await self._link.script(NODES_HERE, [NODES], [self.node, round(ttl * 1000), about], idempotent=True)

    async def nodes(self) -> list[Node]:
        self._check_open()
        answer = await self._link.script(NODES_HERE, [NODES], [], idempotent=True)
        return sorted(
            (Node(node.decode(), about, age / 1000) for node, about, age in _threes(answer)),
            key=lambda node: node.node_id,
        )

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._channels.close()
        farewells = [self._say(session_id, None, 0.0) for session_id in self._listeners]
        self._listeners.clear()
        goodbye = self._link.script(NODES_HERE, [NODES], [self.node, 0, b""])
        for outcome in await asyncio.gather(*farewells, goodbye, return_exceptions=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, StoreError):
                raise outcome

    # --- what the channels say

    def _heard(self, name: str, payload: bytes) -> None:
        if payload.startswith(self._own):
            return
        listener = self._listeners.get(_session(name))
        if listener is None:
            return
        try:
            node, news = decode(payload)
        except ValueError as error:
            # What it carries may be lost (the law of the port), and so may what nobody can read.
            log.warning("%s: %s", name, error)
            return
        try:
            if news is CHANGED:
                listener.changed()
            elif isinstance(news, Announcement):
                listener.announced(news)
            else:
                listener.noted(node, news)
        except Exception:
            # A bug up there must not end the listening of every other session.
            log.exception("a listener of %s failed", name)

    def _relinked(self, name: str) -> None:
        if listener := self._listeners.get(_session(name)):
            try:
                listener.relinked()
            except Exception:
                log.exception("a listener of %s failed", name)


def _session(name: str) -> str:
    return name[name.index("{") + 1 : name.index("}")]


def _threes(answer: list[Any]) -> zip[tuple[Any, Any, Any]]:
    return zip(answer[::3], answer[1::3], answer[2::3], strict=True)
