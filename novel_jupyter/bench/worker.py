"""A client process: takes orders from a pipe and runs them on its loop.

Law: between two orders it goes on to read, so that connections stay alive. Garbage collection is off: a pause
here would be told as the server's. When whoever ordered is gone, it ends.
Parts: `work` (the process), `Crowd` (its connections).
"""

from __future__ import annotations

import gc
import resource
import signal
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from time import monotonic_ns

from .dialects import dialect, padding
from .histogram import Histogram
from .loop import Loop, Peer, Tally
from .novel import Stage
from .orders import Came, Come, Counted, Leave, Load, Stream
from .wire import PING, frame, stamp

PROBE_SECONDS = 0.02
SECOND = 1_000_000_000
CHUNKS, BEAT = 20, 0.08
"""Of a turn that is told as our own kernels do it."""


def work(pipe: Connection) -> None:
    """Runs until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.disable()
    crowd, ended = Crowd(), False

    def order() -> None:
        nonlocal ended
        try:
            pipe.send(crowd.obey(pipe.recv()))
        except EOFError:
            ended = True

    crowd.loop.watch(pipe.fileno(), order)
    while not ended:
        crowd.loop.turn(1.0)


class Crowd:
    """The connections of this process, by session. All of a session are in one process."""

    def __init__(self) -> None:
        self.loop = Loop()
        self._groups: list[list[Peer]] = []
        self._stages: list[Stage] = []

    def obey(self, order: object) -> object:
        if isinstance(order, Come):
            return self._come(order)
        if isinstance(order, Load):
            return _Run(self.loop, self._groups, self._stages, order).counted()
        if isinstance(order, Leave):
            for peer in self._all():
                self.loop.close(peer)
            self._groups, self._stages = [], []
            return None
        raise TypeError(type(order).__name__)

    def _all(self) -> list[Peer]:
        return [peer for group in self._groups for peer in group]

    # --- coming

    def _come(self, order: Come) -> Came:
        if order.again:
            for peer in self._all():
                self.loop.close(peer)
                # Where the replica stands by now: nothing came since the last event that was seen.
                if peer.base != peer.memory.get("head", {}).get("sequence_id"):
                    peer.memory.get("head", {}).update(sequence_id=peer.base, hash=None)
            waiting = self._all()
        else:
            speech = dialect(order.place.dialect)
            made = len(self._groups)
            new = [
                [Peer(member, f"{made + n}.{m}", speech) for m, member in enumerate(group)]
                for n, group in enumerate(order.groups)
            ]
            self._groups += new
            waiting = [peer for group in new for peer in group]
        came = self._connect(order, waiting)
        if order.tell and not came.failed:
            return self._tell(order, came)
        return came

    def _connect(self, order: Come, waiting: list[Peer]) -> Came:
        total, latency, failed = len(waiting), Histogram(), list[str]()
        answers: dict[str, int] = {}
        done, under_way, due = 0, 0, dict[int, int]()
        begin = monotonic_ns()
        queue = waiting[::-1]

        def ready(peer: Peer) -> None:
            nonlocal done, under_way
            done, under_way = done + 1, under_way - 1
            latency.add(monotonic_ns() - due[id(peer)])
            kind = str(peer.memory.get("answer", "connected"))
            answers[kind] = answers.get(kind, 0) + 1
            peer.on_lost = lambda peer, why: None
            more()

        def lost(peer: Peer, why: str) -> None:
            nonlocal done, under_way
            done, under_way = done + 1, under_way - 1
            failed.append(f"{peer.member.name}: {why}")
            more()

        def one(moment: int) -> None:
            nonlocal under_way
            peer = queue.pop()
            peer.on_ready, peer.on_lost = ready, lost
            due[id(peer)] = moment
            under_way += 1
            self.loop.open(peer, order.place)

        def more() -> None:
            while order.rate is None and queue and under_way < order.together:
                one(monotonic_ns())

        if order.rate is None:
            more()
        else:
            for n in range(total):
                self.loop.at(begin + int(n * SECOND / order.rate), one)
        self.loop.run(lambda: done >= total, begin + int(order.patience * SECOND))
        if done < total:
            failed.append(f"{total - done} of {total} were not in after {order.patience:g} s")
        return Came(total, latency, (monotonic_ns() - begin) / 1e9, failed[:5], answers)

    def _tell(self, order: Come, came: Came) -> Came:
        ready = 0

        def one_more() -> None:
            nonlocal ready
            ready += 1

        self.loop.tally = Tally()
        for group in self._groups:
            owner = next(peer for peer in group if peer.member.role == "owner")
            host = next(peer for peer in group if peer.member.role == "host")
            self._stages.append(Stage(self.loop, owner, host, one_more))
        end = monotonic_ns() + int(order.patience * SECOND)
        if not self.loop.run(lambda: ready == len(self._stages), end):
            said = self.loop.tally.said[:3]
            missing = f"{len(self._stages) - ready} sessions tell nothing: {said}"
            return Came(came.count, came.latency, came.seconds, [missing], came.answers)
        return came


class _Run:
    """One load, from its first message until everything has arrived."""

    def __init__(self, loop: Loop, groups: list[list[Peer]], stages: Sequence[Stage], load: Load) -> None:
        self._loop, self._load, self._stages = loop, load, stages
        self._groups = groups
        self._tally = loop.tally = Tally()
        self._tally.begin = load.begin + int(load.warm * SECOND)
        self._tally.end = self._tally.begin + int(load.seconds * SECOND)
        self._lag = Histogram()
        self._sent: dict[str, int] = {}
        self._by_session: dict[tuple[int, str], int] = {}
        self._by_peer: dict[tuple[int, str], int] = {}
        self._session_of = {id(peer): n for n, group in enumerate(groups) for peer in group}
        people = [peer for group in groups for peer in group if peer.member.counts]
        count = int(len(people) * load.stalled)
        step = len(people) / count if count else 0.0
        self._stalled = [people[int(n * step)] for n in range(count)]
        for peer in people:
            peer.counts = dict.fromkeys(peer.counts, 0)

    def counted(self) -> Counted:
        loop, load, tally = self._loop, self._load, self._tally
        for peer in self._stalled:
            loop.pause(peer)
        for stream in load.streams:
            self._start(stream)
        probes = [p for group in self._groups for p in group if p.member.counts and p not in self._stalled]
        if probes and load.streams:
            self._probe(probes)
        end = tally.end
        while monotonic_ns() < end:
            loop.turn(0.05)
        listening = self._listening()
        loop.run(lambda: self._is_all(listening), end + int(load.drain * SECOND))
        expected, got, short = self._reckon(listening)
        for peer in self._stalled:
            loop.resume(peer)
        loop.forget_calls()
        kinds = {kind.decode(): histogram for kind, histogram in tally.latency.items() if histogram.count}
        turns = sum(stage.turns for stage in self._stages)
        return Counted(
            self._sent,
            expected,
            got,
            short,
            kinds,
            self._lag,
            tally.frames,
            tally.bytes,
            tally.errors,
            tally.said,
            tally.gone[:5],
            turns,
        )

    # --- sending

    def _start(self, stream: Stream) -> None:
        if stream.kind == "t":
            self._play(stream)
            return
        senders = self._senders(stream.who)
        if not senders or stream.rate <= 0:
            return
        period, n = SECOND / stream.rate, 0

        def send(due: int) -> None:
            nonlocal n
            peer = senders[n % len(senders)]
            n += 1
            self._say(peer, stream, due)
            following = self._load.begin + int(n * period)
            if following < self._tally.end:
                self._loop.at(following, send)

        self._loop.at(self._load.begin, send)

    def _senders(self, who: str) -> list[Peer]:
        """In turn over the sessions, so that load is even."""
        chosen: list[list[Peer]] = []
        for group in self._groups:
            people = [p for p in group if p.member.counts and p not in self._stalled]
            hosts = [p for p in group if not p.member.counts]
            chosen.append(hosts if who == "host" else people[:1] if who == "one" else people)
        most = max(map(len, chosen), default=0)
        return [group[n] for n in range(most) for group in chosen if n < len(group)]

    def _say(self, peer: Peer, stream: Stream, due: int) -> None:
        kind = stream.kind
        self._loop.send(peer, peer.dialect.message(peer, kind, stamp(kind, due), stream.size))
        self._lag.add(monotonic_ns() - due)
        self._sent[kind] = self._sent.get(kind, 0) + 1
        session = self._session_of[id(peer)]
        self._by_session[(session, kind)] = self._by_session.get((session, kind), 0) + 1
        if peer.member.counts and not peer.dialect.hears_itself:
            self._by_peer[(id(peer), kind)] = self._by_peer.get((id(peer), kind), 0) + 1

    def _play(self, stream: Stream) -> None:
        """Each session plays turns, one after the other, `rate` a second of all sessions together."""
        count = len(self._stages)
        if not count or stream.rate <= 0:
            return
        hosts = self._senders("host")
        piece = Stream("r", "host", 0.0, stream.size)

        def tell(n: int) -> Callable[[], None]:
            def begin() -> None:
                start = monotonic_ns()
                for m in range(CHUNKS):
                    self._loop.at(start + int(m * BEAT * SECOND), lambda due: self._say(hosts[n], piece, due))
                text = padding(CHUNKS * 60).decode()
                self._loop.at(start + int(CHUNKS * BEAT * SECOND), lambda due: self._stages[n].commit(text))

            return begin

        def turn(n: int) -> Callable[[int], None]:
            def go(due: int) -> None:
                self._stages[n].turn()
                following = due + int(count / stream.rate * SECOND)
                if following < self._tally.end - int(CHUNKS * BEAT * SECOND):
                    self._loop.at(following, turn(n))

            return go

        for n, stage in enumerate(self._stages):
            stage.play(tell(n))
            # What was being told since the beginning is over first.
            stage.commit("The keeper waits.")
            self._loop.at(self._load.begin + int((0.2 + n / stream.rate) * SECOND), turn(n))

    def _probe(self, peers: Sequence[Peer]) -> None:
        n, step = 0, int(PROBE_SECONDS * SECOND)

        def ping(due: int) -> None:
            nonlocal n
            peer = peers[n % len(peers)]
            n += 1
            self._loop.send(peer, frame(stamp("p", due), PING))
            if due + step < self._tally.end:
                self._loop.at(due + step, ping)

        self._loop.at(self._tally.begin, ping)

    # --- counting

    def _listening(self) -> list[tuple[int, Peer]]:
        stalled = {id(peer) for peer in self._stalled}
        return [
            (n, peer)
            for n, group in enumerate(self._groups)
            for peer in group
            if peer.member.counts and id(peer) not in stalled
        ]

    def _due_to(self, session: int, peer: Peer, kind: str) -> int:
        return self._by_session.get((session, kind), 0) - self._by_peer.get((id(peer), kind), 0)

    def _is_all(self, listening: Sequence[tuple[int, Peer]]) -> bool:
        kinds = self._exact()
        return all(
            peer.counts[kind.encode()] >= self._due_to(n, peer, kind)
            for n, peer in listening
            for kind in kinds
        )

    def _exact(self) -> list[str]:
        speech = self._groups[0][0].dialect if self._groups else None
        return [kind for kind in self._sent if speech and speech.is_exact(kind)]

    def _reckon(self, listening: Sequence[tuple[int, Peer]]) -> tuple[dict[str, int], dict[str, int], int]:
        expected = {k: sum(self._due_to(n, p, k) for n, p in listening) for k in self._sent}
        got = {k: sum(p.counts[k.encode()] for _, p in listening) for k in self._sent}
        kinds = self._exact()
        short = sum(any(p.counts[k.encode()] != self._due_to(n, p, k) for k in kinds) for n, p in listening)
        return expected, got, short
