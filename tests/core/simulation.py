"""Servers, clients and a bad network in one thread, for the properties that hold whatever happens.

Law: nothing here decides anything; servers do as the real one does (decide on a draft, append at a known
head, show what was committed), the store keeps its contract (one append per head, every command's key spent
once), and links lose, repeat and reorder what they carry. Time passes only when told.
Parts: `Log` (the store), `Node` (a server), `Link`, `Player` (a client), `World`.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import cast

import orjson
from core.rules import EPOCH, NOON, OPENING, SALT, SESSION
from pydantic import JsonValue

from novel_jupyter.core.draft import ClientKey, Draft, Facts, Past, Result, Results, Room
from novel_jupyter.core.errors import UNDECIDED
from novel_jupyter.core.events import Event, fold
from novel_jupyter.core.history import need
from novel_jupyter.core.incoming import parse
from novel_jupyter.core.merge import WriteIndex
from novel_jupyter.core.messages import ClientMessage, HeadEcho, JoinSession, StateSync
from novel_jupyter.core.model import DEFAULT_SETTINGS, Head, Settings, State
from novel_jupyter.core.opening import open_session
from novel_jupyter.core.outgoing import SyncData, WireEvent
from novel_jupyter.core.policy import Principal
from novel_jupyter.core.room import Command, Reply, client_key, decide, tick
from novel_jupyter.core.times import later
from novel_jupyter.core.views import rules_of, view_of, wire_bytes
from novel_jupyter.kernel.outbound import Outbound
from novel_jupyter.kernel.replica import Replica
from novel_jupyter.server.sync import Ring, answer

Json = dict[str, JsonValue]


@dataclass
class Asked:
    """A command on its way through a node; without a message, what time and presence alone make happen."""

    link: Link | None
    author: Principal
    message: ClientMessage | None
    lost_host: int | None = None


@dataclass
class Log:
    """The store. `decided` is every batch that made it, with its facts, in the order of the log."""

    entries: list[Event] = field(default_factory=list)
    states: list[State] = field(default_factory=lambda: [{}])
    results: dict[ClientKey, Results] = field(default_factory=dict)
    decided: list[tuple[Facts, list[Asked]]] = field(default_factory=list)

    @property
    def head(self) -> Head:
        return Head(EPOCH, len(self.entries), self.entries[-1].hash if self.entries else "")

    def append(self, expected: Head, events: list[Event], results: list[Result]) -> bool:
        """Whether everything was written; if not, nothing was."""
        if expected != self.head or any(self._is_spent(result) for result in results):
            return False
        for event in events:
            self.entries.append(event)
            self.states.append(fold(self.states[-1], [event]))
        for result in results:
            self.results.setdefault((result.principal, result.client_id), Results()).add(result)
        return True

    def _is_spent(self, result: Result) -> bool:
        known = self.results.get((result.principal, result.client_id))
        return known is not None and (result.n in known.kept or result.n <= known.forgotten)


class Node:
    """One server of the session. Several share a log."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.room = empty_room()
        self.ring = Ring(40, 1_000_000)
        self.links: list[Link] = []
        self.queue: list[Asked] = []
        self.pending: tuple[list[Asked], Draft, list[Reply]] | None = None
        self.catch_up()

    def catch_up(self) -> None:
        """Read the log on from where this node stands, and show it."""
        events = self.world.log.entries[self.room.head.sequence_id :]
        self.room = self.room.after(events)
        self._show(events)

    def _show(self, events: list[Event]) -> None:
        self.ring.extend(events)
        for link in self.links:
            view = view_of(self.room.state, link.player.who.user_id, link.player.who.is_kernel)
            if view != link.view:
                self.sync(link, HeadEcho(), None)
            else:
                link.down += [wire_bytes(SESSION, event, view) for event in events]

    def sync(self, link: Link, echo: HeadEcho, id: str | None) -> None:
        who = link.player.who
        self._learn((who.user_id, link.player.outbound.client_id))
        known = self.room.results[who.user_id, link.player.outbound.client_id]
        data = answer(self.room, self.ring, who, echo, known, [], None)
        link.view = str(data["view"])
        frame = {"type": "state_sync", "id": id, "sequence_id": self.room.head.sequence_id, "data": data}
        link.down.append(orjson.dumps(frame))

    def take(self, asked: Asked) -> None:
        """A frame of a client: what needs no decision is answered at once."""
        if isinstance(asked.message, StateSync):
            if asked.link in self.links:
                self.sync(asked.link, asked.message.data, asked.message.id)
        else:
            self.queue.append(asked)

    def prepare(self) -> None:
        """Begin to decide what is queued; one append is in flight at a time."""
        if self.pending is None and self.queue:
            batch = [self.queue.pop(0)]
            while self.queue and not (self._need(batch[-1]) or self._need(self.queue[0])):
                batch.append(self.queue.pop(0))
            self.pending = self._decided(batch)

    def _need(self, asked: Asked) -> bool:
        return asked.message is not None and need(self.room.state, asked.message) is not None

    def _decided(self, batch: list[Asked]) -> tuple[list[Asked], Draft, list[Reply]]:
        for asked in batch:
            if asked.message is not None and asked.message.id and not isinstance(asked.message, JoinSession):
                self._learn(client_key(Command(asked.author, asked.message))[0])
        self.facts = self.world.facts(self._past(batch[0]))
        draft = Draft(self.room)
        return batch, draft, [one(draft, asked, self.facts) for asked in batch]

    def _past(self, asked: Asked) -> Past | None:
        wanted = need(self.room.state, asked.message) if asked.message else None
        if wanted is None:
            return None
        log = self.world.log
        if wanted.event is not None:
            return Past(event=log.entries[wanted.event - 1] if 0 < wanted.event <= len(log.entries) else None)
        at = wanted.state_at or 0
        late = log.entries[at : self.room.head.sequence_id]
        return Past(log.states[at], None, tuple(e.sequence_id for e in late if e.data["kind"] == "edit"))

    def _learn(self, key: ClientKey) -> None:
        if key not in self.room.results:
            self.room.results[key] = copy.deepcopy(self.world.log.results.get(key, Results()))

    def append(self, is_unknown: bool = False) -> None:
        """End the append that is in flight; `is_unknown`: it is done, but this node does not learn so."""
        log = self.world.log
        while self.pending is not None:
            batch, draft, replies = self.pending
            done = not (draft.events or draft.results) or log.append(
                self.room.head, draft.events, draft.results
            )
            if done and (draft.events or draft.results):
                log.decided.append((self.facts, batch))
            if done and not is_unknown:
                self.room = draft.committed()
                self._show(draft.events)
                self._reply(batch, replies)
                self.pending = None
            else:
                is_unknown = False
                self.catch_up()
                self.room.results.clear()
                self.pending = self._decided(batch)

    def _reply(self, batch: list[Asked], replies: list[Reply]) -> None:
        for asked, reply in zip(batch, replies, strict=True):
            link = asked.link
            if link is None or asked.message is None:
                continue
            if isinstance(asked.message, JoinSession) and reply.data["kind"] == "ack":
                if link.is_open and link not in self.links:
                    self.links.append(link)
                self.sync(link, asked.message.data, asked.message.id)
            else:
                frame = {"type": "system_message", "id": reply.id, "sequence_id": reply.sequence_id}
                link.down.append(orjson.dumps({**frame, "data": reply.data}))


@dataclass(eq=False)
class Link:
    """A connection of a player to a node, with what is on its way."""

    player: Player
    node: Node
    up: list[str] = field(default_factory=list)
    down: list[bytes] = field(default_factory=list)
    view: str | None = None
    is_open: bool = True


@dataclass(eq=False)
class Player:
    """A client: a replica, and the commands that wait for their answers. `answers` is what it was told."""

    world: World
    who: Principal
    client_id: str
    replica: Replica = field(default_factory=lambda: Replica(SESSION))
    link: Link | None = None
    answers: dict[str, tuple[int, Json]] = field(default_factory=dict)
    sent: dict[str, Json] = field(default_factory=dict)
    is_out: bool = False
    task: Json | None = None

    def __post_init__(self) -> None:
        self.outbound = Outbound(self.client_id)

    def do(self, type: str, id: str | None = None, /, **data: JsonValue) -> None:
        queued = self.outbound.put(type, data, EPOCH, id)
        if id is None:
            self.sent[queued.id] = data

    def connect(self, node: Node) -> None:
        self.disconnect()
        self.link = Link(self, node)
        join = {"type": "join_session", "session_id": SESSION, "id": f"{self.client_id}:join"}
        self.link.up.append(
            json.dumps({**join, "data": {**self.replica.echo(), "since": self.outbound.since}})
        )

    def disconnect(self) -> None:
        link, self.link = self.link, None
        if link is not None:
            link.is_open = False
            self.world.ghosts.append(link)
            if link in link.node.links:
                link.node.links.remove(link)
            self.outbound.disconnected()

    def flush(self) -> None:
        if self.link is not None and self.replica.head is not None:
            self.link.up += [json.dumps(queued.frame(SESSION)) for queued in self.outbound.due(0.0)]

    def receive(self, frame: bytes) -> None:
        raw = orjson.loads(frame)
        kind = raw["data"]["kind"]
        if raw["type"] == "state_sync":
            self.is_out = False
            took = self.replica.sync(cast(SyncData, raw["data"]), raw["sequence_id"])
            for result in raw["data"].get("results", []):
                self._answered(result["id"], result["sequence_id"], result["data"])
        elif kind in ("ack", "error"):
            if raw["id"] == f"{self.client_id}:join":
                self.is_out = kind == "error"
            else:
                self._answered(raw["id"], raw["sequence_id"], raw["data"])
            return
        else:
            took = self.replica.event(cast(WireEvent, raw))
        if took.step == "gap" and self.link is not None:
            ask = {"type": "state_sync", "session_id": SESSION, "data": self.replica.echo()}
            self.link.up.append(json.dumps(ask))

    def _answered(self, id: str, sequence_id: int, data: Json) -> None:
        if data.get("code") in UNDECIDED:
            self.outbound.undecided(id, 0.0, 0.0)
            return
        self.outbound.settle(id)
        known = self.answers.setdefault(id, (sequence_id, data))
        if not id.startswith("host:"):
            assert known == (sequence_id, data), f"{id} was answered in two ways (R3)"


class World:
    """Everything, and the clock."""

    def __init__(self, creator: Principal, nodes: int, settings: Mapping[str, JsonValue]) -> None:
        self.now = NOON
        self.log = Log()
        self.players: list[Player] = []
        self.ghosts: list[Link] = []
        """Closed connections, of which something may still arrive."""
        draft = open_session(
            SESSION,
            EPOCH,
            SALT,
            "seed",
            OPENING,
            creator,
            cast(Settings, {**DEFAULT_SETTINGS, **settings}),
            Facts(NOON),
        )
        assert self.log.append(Head(EPOCH, 0, ""), draft.events, draft.results)
        self.nodes = [Node(self) for _ in range(nodes)]

    def facts(self, past: Past | None) -> Facts:
        present = frozenset(p.who.user_id for p in self.players if p.link is not None)
        return Facts(self.now, present, past=past)

    def add(self, who: Principal, client_id: str) -> Player:
        player = Player(self, who, client_id)
        self.players.append(player)
        return player

    def wait(self, seconds: float) -> None:
        self.now = later(self.now, seconds)

    def carry(self, random: Random, link: Link, is_lossy: bool) -> None:
        """Carry one frame each way; a lossy link may drop, repeat or reorder it."""
        receive: list[tuple[list[str] | list[bytes], Callable[[str | bytes], None]]] = [
            (link.up, lambda frame: link.node.take(Asked(link, link.player.who, parse(frame)))),
            (link.down, lambda frame: link.player.receive(cast(bytes, frame))),
        ]
        for frames, deliver in receive:
            if not frames:
                continue
            fate = random.random() if is_lossy else 1.0
            frame = frames.pop(random.randrange(len(frames)) if fate < 0.06 else 0)
            if fate < 0.12:
                frames.insert(random.randrange(len(frames) + 1), frame)  # type: ignore[arg-type]
            if not 0.12 <= fate < 0.16:
                deliver(frame)

    def settle(self, random: Random) -> None:
        """The network heals: everybody reconnects, and everything that waits is answered."""
        for player in self.players:
            player.connect(random.choice(self.nodes))
        for _ in range(200):
            for player in self.players:
                link = player.link
                assert link is not None
                player.flush()
                while link.up or link.down:
                    self.carry(random, link, False)
            for node in self.nodes:
                node.prepare()
                node.append()
                node.catch_up()
            if not any(p.link and (p.link.up or p.link.down) for p in self.players) and not any(
                node.queue or node.pending for node in self.nodes
            ):
                known = rules_of(self.log.states[-1])["participants"]
                late = [p for p in self.players if p.is_out and p.who.user_id in known]
                for player in late:
                    player.connect(random.choice(self.nodes))
                if not late and all(p.is_out or not len(p.outbound) for p in self.players):
                    return
                for player in self.players:
                    player.outbound.disconnected()
        raise AssertionError("the network healed, but something is never answered")


def empty_room() -> Room:
    return Room(SESSION, SALT, Head(EPOCH, 0, ""), {}, WriteIndex(), {})


def one(draft: Draft, asked: Asked, facts: Facts) -> Reply:
    if asked.message is None:
        tick(draft, facts, asked.lost_host)
        return Reply(None, draft.head.sequence_id, {"kind": "ack", "outcome": "applied"})
    return decide(draft, Command(asked.author, asked.message), facts)
