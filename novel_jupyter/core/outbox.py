"""What waits to be sent to one connection, bounded.

Law: one slow reader costs a bounded amount of memory and never a wrong picture. There are three classes of
frames. `control` (acks, errors, state_syncs) is never dropped; the window of commands in flight bounds it.
`durable` (committed events) arrives whole or not at all: when it passes its bound, all of it is thrown away
and `needs_resync` says that one state_sync has to stand in for it. `ephemeral` is kept by key, the last value
wins, and it is what goes first when room is short.

Frames are immutable and shared between outboxes; nothing here copies or joins them. Every operation takes
constant time for each frame that it moves, but that pointers of what stays behind move up, all at once.
Control and durable frames leave in the order in which they came; ephemera follow once nothing durable waits.
"""

from __future__ import annotations


class Outbox:
    """Durable and ephemeral frames together never exceed `max_bytes` and `max_frames`."""

    __slots__ = (
        "_arrived",
        "_closed",
        "_controls",
        "_durable",
        "_durable_bytes",
        "_ephemera",
        "_ephemeral_bytes",
        "_left",
        "_lost",
        "_max_bytes",
        "_max_frames",
        "_moved",
        "_queue",
        "_stuck_since",
    )

    def __init__(self, *, max_bytes: int, max_frames: int) -> None:
        if max_bytes < 1 or max_frames < 1:
            raise ValueError("the bounds are at least 1")
        self._max_bytes = max_bytes
        self._max_frames = max_frames
        # Lists: most outboxes are empty most of the time, and an empty deque takes 0.6 KB.
        self._queue: list[bytes] = []
        # Which frames are control: their numbers, as frames are counted when they come and when they leave.
        # So a durable frame, the most frequent by far, costs no object of its own.
        self._controls: list[int] = []
        self._arrived = 0
        self._left = 0
        self._durable = 0
        self._durable_bytes = 0
        self._ephemera: dict[str, bytes] = {}
        self._ephemeral_bytes = 0
        self._lost = False
        self._closed = False
        self._moved = False
        self._stuck_since: float | None = None

    @property
    def needs_resync(self) -> bool:
        """The durable backlog was thrown away. Until `resynced`, only control is taken."""
        return self._lost

    @property
    def has_more(self) -> bool:
        """Whether there is anything to do at the next flush."""
        return bool(self._queue or self._ephemera or self._lost)

    @property
    def backlog_bytes(self) -> int:
        """Bytes of the durable and ephemeral frames that wait."""
        return self._durable_bytes + self._ephemeral_bytes

    def __len__(self) -> int:
        """Frames that wait, of every class."""
        return len(self._queue) + len(self._ephemera)

    def push_control(self, frame: bytes) -> None:
        """Add a frame that is never dropped."""
        if not self._closed:
            self._controls.append(self._arrived)
            self._arrived += 1
            self._queue.append(frame)

    def push(self, frame: bytes) -> None:
        """Add a committed event. Beyond the bounds ephemera go, then the whole durable backlog and this."""
        if self._closed or self._lost:
            return
        if self._durable_bytes + len(frame) > self._max_bytes or self._durable >= self._max_frames:
            self._lose()
            return
        self._queue.append(frame)
        self._arrived += 1
        self._durable += 1
        self._durable_bytes += len(frame)
        if self._ephemera:
            self._make_room()

    def push_ephemeral(self, key: str, frame: bytes) -> None:
        """Add or replace the frame of `key`. Beyond the bounds the oldest ephemera go, at last this one."""
        if self._closed or self._lost:
            return
        earlier = self._ephemera.pop(key, None)  # and not in place: what was said last is heard last
        if earlier is not None:
            self._ephemeral_bytes -= len(earlier)
        self._ephemera[key] = frame
        self._ephemeral_bytes += len(frame)
        self._make_room()

    def drain(self, max_bytes: int) -> list[bytes]:
        """Take frames of about `max_bytes` at most; at least one if any waits."""
        queue, controls = self._queue, self._controls
        if queue and not controls and self._durable_bytes <= max_bytes and not self._ephemera:
            frames, self._queue = queue, []  # what most flushes are
            self._left += len(frames)
            self._durable = self._durable_bytes = 0
            self._moved = True
            return frames
        count = size = 0
        for frame in queue:
            if count and size + len(frame) > max_bytes:
                break
            if controls and controls[0] == self._left + count:
                del controls[0]
            else:
                self._durable -= 1
                self._durable_bytes -= len(frame)
            count += 1
            size += len(frame)
        frames = queue[:count]
        del queue[:count]
        self._left += count
        if not queue:
            while self._ephemera:
                key = next(iter(self._ephemera))
                frame = self._ephemera[key]
                if frames and size + len(frame) > max_bytes:
                    break
                del self._ephemera[key]
                self._ephemeral_bytes -= len(frame)
                size += len(frame)
                frames.append(frame)
        if frames:
            self._moved = True
        return frames

    def resynced(self) -> None:
        """The owner answers with the whole state, so events may follow again."""
        self._lost = False

    def stalled_for(self, now: float) -> float:
        """Seconds for which frames have waited and none has left, as seen by the calls of this method."""
        if self._moved or not self.has_more:
            self._moved = False
            self._stuck_since = None
        if not self.has_more:
            return 0.0
        if self._stuck_since is None or now < self._stuck_since:
            self._stuck_since = now
        return now - self._stuck_since

    def close(self) -> None:
        """Drop everything; later frames are ignored."""
        self._closed = True
        self._lost = False
        self._queue.clear()
        self._controls.clear()
        self._left = self._arrived
        self._durable = self._durable_bytes = 0
        self._drop_ephemera()

    def _lose(self) -> None:
        """Keep the control frames alone."""
        kept = [self._queue[number - self._left] for number in self._controls]
        self._queue = kept
        self._left = self._arrived - len(kept)
        self._controls = list(range(self._left, self._arrived))
        self._durable = self._durable_bytes = 0
        self._drop_ephemera()
        self._lost = True

    def _make_room(self) -> None:
        ephemera = self._ephemera
        while ephemera and (
            self._durable_bytes + self._ephemeral_bytes > self._max_bytes
            or self._durable + len(ephemera) > self._max_frames
        ):
            self._ephemeral_bytes -= len(ephemera.pop(next(iter(ephemera))))

    def _drop_ephemera(self) -> None:
        self._ephemera.clear()
        self._ephemeral_bytes = 0
