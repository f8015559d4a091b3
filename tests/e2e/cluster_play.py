"""A story played over three servers and a Redis Cluster, while one server and one primary are killed.

Law: everything is real. Ada is at the first server and moves when it is killed, ben is at the second, the
kernel that hosts is at the third. Both also talk without a pause, so that commands are in flight whenever
something dies. When it is killed is drawn from the seed: a turn, and a phase of it.
Parts: `Report` (what came of it, with everything that a proof compares), `play`.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from novel_jupyter.demo import all_events
from novel_jupyter.kernel.access import PersonLogin
from novel_jupyter.kernel.client import Client
from novel_jupyter.kernel.errors import CommandRefused
from novel_jupyter.kernel.handle import SessionHandle
from novel_jupyter.kernel_cell import Cell, shut_down_kernel, start_kernel
from novel_jupyter.scripted import choose_action, seats_to_play
from novel_jupyter.server.redis_wire import key
from novel_jupyter.testing import ServerProcess
from novel_jupyter.testing_redis import RedisServer
from novel_jupyter.testing_redis_cluster import RedisCluster

PEOPLE = ("ada", "ben")
PHASES = ("collect", "resolving", "narrating")
HOST_CODE = """
import novel_jupyter as nj
story = await nj.join({session_id!r}, pace=2500)
"""
PATIENCE = 120.0
LAG = 25
RECOVERED = re.compile(r"event=recovered session=\w+ how=(\S+) events=(\d+) lost=(\d+)")


@dataclass
class Report:
    """`said`: mark → the sequence_id under which it was acknowledged. `recovered`: (how, events, lost).

    `epochs`: at the beginning and at the end.
    """

    seed: int
    killed: list[str] = field(default_factory=list)
    said: dict[str, int] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    told_lost: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    hashes: set[str] = field(default_factory=set)
    turns: int = 0
    ended: bool = False
    epochs: set[str] = field(default_factory=set)
    recovered: list[tuple[str, int, int]] = field(default_factory=list)
    seconds: float = 0.0

    def prove(self) -> None:
        """Gapless, acknowledged = present exactly once, one hash, each turn completed once."""
        assert self.ended
        assert [event["sequence_id"] for event in self.events] == list(range(1, len(self.events) + 1))
        assert len(self.hashes) == 1, self.hashes
        ids = Counter(event["id"] for event in self.events if event["data"]["kind"] == "chat")
        assert all(count == 1 for count in ids.values())
        texts = Counter(str(e["data"]["text"]) for e in self.events if e["data"]["kind"] == "chat")
        missing = self.said.keys() - texts.keys()
        assert len(missing) <= self.told_lost, f"lost, and nobody was told: {missing}"
        assert all(count == 1 for count in texts.values()), "nothing stands twice"
        resolved = Counter(e["data"]["turn"] for e in self.events if e["data"]["kind"] == "resolved")
        told = Counter(e["data"]["turn"] for e in self.events if e["data"]["kind"] == "turn")
        assert self.turns >= 5
        once = Counter(range(1, self.turns + 1))
        assert resolved == once, resolved - once or once - resolved
        assert told == once, told - once or once - told

    def line(self) -> str:
        how = (
            ", ".join(f"{how} {events}/{lost}" for how, events, lost in self.recovered)
            or "nothing to recover"
        )
        words = (
            f"{len(self.said)} acknowledged words, refused {dict(self.refused)}, told lost {self.told_lost}"
        )
        played = f"{self.turns} turns, {len(self.events)} events, {words}"
        return f"seed {self.seed}: killed {' and '.join(self.killed)}; {played}; {how}; {self.seconds:.0f} s"


def servers_of(folder: Path, cluster: RedisCluster, traits: Mapping[str, object]) -> list[ServerProcess]:
    """Three servers with the same people and one store, not started."""
    told = {"NovelApp.store": cluster.url, **traits}
    return [ServerProcess(folder / f"server{n}", PEOPLE, told) for n in range(3)]


class Play:
    """One run."""

    def __init__(self, seed: int, cluster: RedisCluster, servers: list[ServerProcess], lagging: bool) -> None:
        self.report = Report(seed)
        self._lagging = lagging
        self._behind: list[RedisServer] = []
        self._said = asyncio.Event()
        self._dice = random.Random(seed)
        self._cluster = cluster
        self._servers = servers
        self._over = asyncio.Event()

    async def run(self) -> Report:
        first, second, third = self._servers
        began = asyncio.get_running_loop().time()
        clients = [
            Client([PersonLogin(s.url, s.token_of("ada")) for s in (first, second)]),
            Client([PersonLogin(s.url, s.token_of("ben")) for s in (second, first)]),
        ]
        for client in clients:
            await client.connect()
        made = await clients[0].create_session("lighthouse", settings={"turn_policy": "round"}, seed="7")
        session_id = str(made["session_id"])
        ada, ben = [await client.join(session_id) for client in clients]
        assert ada.replica.head is not None
        self.report.epochs.add(ada.replica.head.epoch)
        ada.on("error", self._heard_error)
        ben.on("error", self._heard_error)
        kernel_id = await start_kernel(third.url, third.admin_token)
        await ada.admit_host(f"kernel:{kernel_id}")
        async with Cell(third.url, third.admin_token, kernel_id) as cell:
            await cell.run(HOST_CODE.format(session_id=session_id))
            await ada.wait_for(lambda state: _part(state, "host")["holder"], PATIENCE)
            for (name, handle), seats in zip(
                (("ada", ada), ("ben", ben)), seats_to_play(ada.state, 2), strict=True
            ):
                await handle.claim(seats[0])
                assert _part(handle.state, "seats")[seats[0]]["owner"] == name
            tasks = [asyncio.create_task(self._play(h, n)) for n, h in (("ada", ada), ("ben", ben))]
            tasks += [asyncio.create_task(self._talk(h, n)) for n, h in (("ada", ada), ("ben", ben))]
            tasks += [
                asyncio.create_task(self._kill_server(ben)),
                asyncio.create_task(self._kill_primary(ben)),
            ]
            try:
                async with asyncio.timeout(PATIENCE):
                    for task in asyncio.as_completed(tasks):
                        await task
            except TimeoutError:
                raise AssertionError(f"stuck: {self._stuck([ada, ben])}") from None
        await shut_down_kernel(third.url, third.admin_token, kernel_id)
        await self._compare(clients, [ada, ben])
        for client in clients:
            await client.close()
        self.report.seconds = asyncio.get_running_loop().time() - began
        for server in self._servers:
            for how, events, lost in RECOVERED.findall(server.log):
                self.report.recovered.append((how, int(events), int(lost)))
        return self.report

    def _stuck(self, handles: list[SessionHandle]) -> str:
        """Where everything stands, for whoever has to find out why."""
        stands = [f"{h.replica.head} {_part(h.state, 'turn')}" for h in handles]
        logs = ["\n".join(server.log.splitlines()[-8:]) for server in self._servers]
        return "\n".join([*stands, repr(self.report.killed), *logs])

    def _heard_error(self, frame: Mapping[str, Any]) -> None:
        if frame["data"]["code"] == "lost":
            self.report.told_lost += 1

    async def _play(self, handle: SessionHandle, name: str) -> None:
        """Propose and be ready for one's character, until the story ends."""
        while not self._over.is_set():
            turn = _part(handle.state, "turn")
            if turn["phase"] == "ended":
                self._over.set()
                return
            mine = [c for c, seat in _part(handle.state, "seats").items() if seat["owner"] == name]
            waiting = [c for c in mine if not turn["proposals"].get(c, {}).get("ready")]
            if turn["phase"] in ("lobby", "collect") and waiting:
                for character in waiting:
                    await self._act(handle, character, int(turn["number"]))
            before = (turn["number"], turn["phase"], len(waiting))
            await handle.wait_for(lambda state, before=before: self._moved(state, name, before), PATIENCE)  # type: ignore[misc]

    def _moved(self, state: Mapping[str, Any], name: str, before: tuple[object, ...]) -> bool:
        turn = _part(state, "turn")
        mine = [c for c, seat in _part(state, "seats").items() if seat["owner"] == name]
        waiting = [c for c in mine if not turn["proposals"].get(c, {}).get("ready")]
        return (turn["number"], turn["phase"], len(waiting)) != before or turn["phase"] == "ended"

    async def _act(self, handle: SessionHandle, character: str, number: int) -> None:
        action = choose_action(handle.state, character, "7", number) or {"kind": "wait"}
        try:
            await handle.propose(character, action)
            await handle.ready(character)
        except CommandRefused as refused:
            self.report.refused[refused.code] += 1

    async def _talk(self, handle: SessionHandle, name: str) -> None:
        """Words without a pause, a few at a time, until the story is over."""

        async def words(lane: int) -> None:
            n = 0
            while not self._over.is_set():
                n += 1
                mark = f"{name}.{lane}.{n}"
                try:
                    ack = await handle.chat(mark)
                except CommandRefused as refused:
                    self.report.refused[refused.code] += 1
                else:
                    self.report.said[mark] = ack.sequence_id
                    self._said.set()

        await asyncio.gather(*(words(lane) for lane in range(3)))

    def _moment(self) -> tuple[Callable[[Mapping[str, Any]], bool], str]:
        turn, phase = self._dice.randrange(2, 6), self._dice.choice(PHASES)

        def there(state: Mapping[str, Any]) -> bool:
            now = _part(state, "turn")
            number = int(now["number"])
            return bool(
                now["phase"] == "ended" or number > turn or (number == turn and now["phase"] == phase)
            )

        return there, f"in turn {turn}, {phase}"

    async def _kill_server(self, seen_by: SessionHandle) -> None:
        there, when = self._moment()
        await seen_by.wait_for(there, PATIENCE)
        self.report.killed.append(f"ada's server {when}")
        await asyncio.to_thread(self._servers[0].kill)

    async def _kill_primary(self, seen_by: SessionHandle) -> None:
        there, when = self._moment()
        await seen_by.wait_for(there, PATIENCE)
        self.report.killed.append(f"the session's primary {when}")
        meta = key(seen_by.session_id, "meta")
        primary = await asyncio.to_thread(self._cluster.primary_of, meta)
        if self._lagging:
            await self._let_lag(primary)
        await asyncio.to_thread(self._cluster.kill, primary)
        for server in self._behind:
            await asyncio.to_thread(self._cluster.start, server)
        # With its replica alone nothing can be confirmed: it comes back, as the replica of its successor.
        await asyncio.to_thread(self._cluster.wait_failover, meta, primary)
        await asyncio.to_thread(self._cluster.start, primary)

    async def _let_lag(self, primary: RedisServer) -> None:
        """End the primary's replica, and let the primary acknowledge some words that only it has."""
        for server in self._cluster.running:
            role = await asyncio.to_thread(server.ask, "ROLE")
            if role[0] == b"slave" and int(role[2]) == primary.port:
                await asyncio.to_thread(self._cluster.kill, server)
                self._behind.append(server)
        before = len(self.report.said)
        while len(self.report.said) < before + LAG and not self._over.is_set():
            self._said.clear()
            await self._said.wait()
        self.report.killed.append(f"(its replica {len(self.report.said) - before} words behind)")

    async def _compare(self, clients: list[Client], handles: list[SessionHandle]) -> None:
        report = self.report
        last = max(handle.sequence_id for handle in handles)
        for handle in handles:
            await handle.wait_for(lambda state, handle=handle: handle.sequence_id >= last, PATIENCE)  # type: ignore[misc]
        report.events = await all_events(clients[1], handles[0].session_id)
        public = [e for e in report.events if e["data"]["kind"] != "hidden"]
        assert public
        for client, handle in zip(clients, handles, strict=True):
            path = f"sessions/{handle.session_id}/state"
            about = cast("dict[str, Any]", await client.get(path))
            head = handle.replica.head
            assert head is not None
            assert [head.epoch, head.sequence_id, head.hash] == list(about["head"].values())
            assert handle.replica.state_hash() == about["hash"], "each sees what the servers see for it"
            report.hashes.add(head.hash)
            report.epochs.add(head.epoch)
        report.ended = _part(handles[0].state, "turn")["phase"] == "ended"
        report.turns = sum(e["data"]["kind"] == "turn" for e in report.events)


def _part(state: Mapping[str, Any], name: str) -> dict[str, Any]:
    return cast("dict[str, Any]", state[name])


def play(folder: Path, seed: int, traits: Mapping[str, object], *, lagging: bool = False) -> Report:
    """One play on a fresh Cluster of three primaries with a replica each.

    `lagging`: the replica that takes over lacks the last words that were acknowledged.
    """
    with RedisCluster(folder / "redis", 3, 1) as cluster, ExitStack() as stack:
        servers = [stack.enter_context(server) for server in servers_of(folder, cluster, traits)]
        return asyncio.run(Play(seed, cluster, servers, lagging).run())
