"""`novel-jupyter bench servers`: what a second server costs and gives, beside one server in the same run.

Law: servers, stores and sockets are real, on loopback, in folders of their own, and end with the run. Every
figure stands beside a reference of the same run; on another machine, compare the ratios.
Parts: `Plan`, `Figures`, `bench_store`, `stores`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from novel_jupyter.server.stores import SQLITE, described
from novel_jupyter.testing import ServerProcess

from .loads import PEOPLE, Appends, Crowd, Spread, appends, crowd, latency

ROUNDS: Final = 3
REFERENCE: Final = "sqlite"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything. `rate` is in commands a second of the whole crowd."""

    edits: int = 300
    writers: int = 64
    window: int = 16
    seconds: float = 4.0
    sessions: int = 100
    people: int = 10
    rate: float = 100.0


QUICK: Final = Plan(edits=20, writers=4, window=4, seconds=0.3, sessions=3, people=4, rate=20.0)


@dataclass(frozen=True, slots=True)
class Place:
    """A store to run on; `pids` are its processes."""

    name: str
    url: str
    pids: tuple[int, ...] = ()

    @property
    def folder(self) -> str:
        """The name as that of a folder."""
        return "".join(c if c.isalnum() else "-" for c in self.name)


@dataclass(frozen=True, slots=True)
class Figures:
    """`one`: everything through one server; `two`: through two. None where two make no sense."""

    store: str
    latency_one: Spread
    latency_two: Spread | None
    appends_one: Appends
    appends_two: Appends | None
    grouped_one: Appends
    grouped_two: Appends | None
    crowd: Crowd
    crowd_servers: int


def _traits(url: str) -> Mapping[str, object]:
    """Nobody is to be slowed down by a limit; that is not what is measured."""
    limits = {
        "commands_per_second": 1e6,
        "commands_burst": 1e6,
        "frames_per_second": 1e6,
        "frames_burst": 1e6,
        "creates_per_second": 1e6,
        "creates_burst": 1e6,
        "max_in_flight": 1000,
        "max_connections_per_user": 10_000,
        "idle_timeout": 3600.0,
        # Servers of one file find each other's writes by looking.
        "head_check": 0.1 if url.startswith(SQLITE) else 5.0,
    }
    return {"NovelApp.store": url} | {f"NovelApp.{name}": value for name, value in limits.items()}


async def bench_store(place: Place, plan: Plan, folder: Path, say: Callable[[str], None]) -> Figures:
    """All loads on one store, through one server and through two. Raises BenchError."""
    several = not place.url.startswith(SQLITE)
    count = 2 if several else 1
    with _servers(place, count, folder / "crowd") as servers:  # of their own: their memory is told
        say(f"{place.name}: {plan.sessions} sessions of {plan.people}")
        many = await crowd(servers, plan.sessions, plan.people, plan.rate, plan.seconds * 2, place.pids)
    with _servers(place, count, folder) as servers:
        alone = servers[:1]
        say(f"{place.name}: latency")
        one: list[float] = []
        two: list[float] = []
        for _ in range(ROUNDS):  # in turn, so that both see the same machine
            one += await latency(servers[0], servers[0], plan.edits // ROUNDS)
            if several:
                two += await latency(servers[0], servers[1], plan.edits // ROUNDS)
        found: list[Appends | None] = []
        for window in (1, plan.window):
            for through in (alone, servers):
                if through is servers and not several:
                    found.append(None)
                    continue
                say(f"{place.name}: appends, window {window}, {len(through)} server(s)")
                found.append(await appends(through, plan.writers, window, plan.seconds, place.pids))
        assert found[0] is not None
        assert found[2] is not None
        return Figures(
            place.name,
            Spread.of(one),
            Spread.of(two) if two else None,
            found[0],
            found[1],
            found[2],
            found[3],
            many,
            len(servers),
        )


@contextmanager
def _servers(place: Place, count: int, folder: Path) -> Iterator[list[ServerProcess]]:
    with ExitStack() as stack:
        roots = [folder / f"{place.folder}-{n}" for n in range(count)]
        yield [stack.enter_context(ServerProcess(root, PEOPLE, _traits(place.url))) for root in roots]


@contextmanager
def stores(urls: Sequence[str], say: Callable[[str], None]) -> Iterator[tuple[Path, list[Place]]]:
    """A folder, and the stores: SQLite as the reference, then those of `urls`, else a Redis and a Cluster."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="novel-bench-")))
        places = [Place(REFERENCE, f"sqlite:///{folder / 'reference.db'}")]
        if urls:
            places += [Place(described(url), url) for url in urls]
        else:
            try:
                places += _own(stack, folder)
            except (ImportError, FileNotFoundError) as error:
                say(f"without Redis ({error}): only SQLite is measured")
        yield folder, places


def _own(stack: ExitStack, folder: Path) -> list[Place]:
    from novel_jupyter.testing_redis import RedisServer
    from novel_jupyter.testing_redis_cluster import RedisCluster

    single = stack.enter_context(RedisServer(folder / "redis"))
    cluster = stack.enter_context(RedisCluster(folder / "cluster", primaries=3))
    return [
        Place("redis", single.url, (single.pid,)),
        Place("cluster", cluster.url, tuple(server.pid for server in cluster.servers)),
    ]
