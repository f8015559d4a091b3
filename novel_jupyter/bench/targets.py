"""The servers that are measured: ours as it ships, and what one would pick instead.

Law: each is a real process on loopback, on the cores of servers, and ends with the run. What a load needs
beyond the defaults is raised and said (`RAISED`): rates and numbers of connections, nothing that makes it
faster.
Parts: `Target` (the port), `Ours`, `Reference`, `REFERENCES`, `missing`.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self

from novel_jupyter.kernel.access import TOKEN_HEADER, KernelLogin
from novel_jupyter.testing import ServerProcess, free_port

from .interrupts import held
from .loop import Member, Place
from .machine import Split, pin
from .person import BenchError

RAISED: Final[Mapping[str, object]] = {
    "commands_per_second": 1e6,
    "commands_burst": 1e6,
    "frames_per_second": 1e6,
    "frames_burst": 1e6,
    "creates_per_second": 1e6,
    "creates_burst": 1e6,
    "max_in_flight": 10_000,
    "max_connections_per_user": 100_000,
    "max_sessions": 100_000,
    "idle_timeout": 3600.0,
    "kernel_token_lifetime": 86_400.0,
}
START_SECONDS: Final = 30.0


class Target(Protocol):
    """A server. `guarantee`: what holds of a message that it delivered."""

    name: str
    guarantee: str
    beside: tuple[int, ...]
    """Processes that belong to it: a store."""

    @property
    def place(self) -> Place: ...
    @property
    def pid(self) -> int: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def groups(self, sessions: int, people: int, host: bool) -> list[list[Member]]:
        """New sessions with so many people, and `host` beside them who only sends."""
        ...


class Ours:
    """A Jupyter server with the extension, and one kernel of it that hosts."""

    guarantee = "relayed prose; edits durable"
    beside: tuple[int, ...] = ()

    def __init__(
        self,
        root: Path,
        split: Split,
        name: str = "novel_jupyter",
        people: int = 1000,
        traits: Mapping[str, object] | None = None,
    ) -> None:
        self.name = name
        self._split = split
        self._names = [f"p{n}" for n in range(people)]
        named = {f"NovelApp.{key}": value for key, value in {**RAISED, **(traits or {})}.items()}
        self.server = ServerProcess(root, self._names, named)
        self._kernel: str | None = None
        self._login: KernelLogin | None = None
        self._used = 0

    @property
    def place(self) -> Place:
        return Place("127.0.0.1", self.server.port, "novel")

    @property
    def pid(self) -> int:
        return self.server.pid

    def start(self) -> None:
        with held():
            self.server.start()
        pin(self.pid, self._split.servers)

    def stop(self) -> None:
        self.server.stop()

    def restart(self) -> None:
        """A crash, and a new process of the same data. Kernels are gone with the old one."""
        self.server.kill()
        self._kernel = None
        self.start()

    def call(self, method: str, path: str, body: object = None, token: str | None = None) -> object:
        """One request. Raises BenchError."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        try:
            return self._ask(connection, method, path, body, token or self.server.admin_token)
        finally:
            connection.close()

    @staticmethod
    def _ask(
        connection: http.client.HTTPConnection, method: str, path: str, body: object, token: str
    ) -> object:
        headers = {"Authorization": f"token {token}", "Content-Type": "application/json"}
        connection.request(method, "/" + path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise BenchError(f"{method} {path.partition('?')[0]}: HTTP {answer.status}")
        return json.loads(text) if text else None

    def counter(self, name: str) -> float:
        """One of the server's own counters, over all its labels. Raises BenchError."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        try:
            headers = {"Authorization": f"token {self.server.admin_token}"}
            connection.request("GET", "/metrics", headers=headers)
            lines = connection.getresponse().read().decode().splitlines()
        finally:
            connection.close()
        found = [line for line in lines if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(float(line.rpartition(" ")[2]) for line in found)

    def token(self, name: str) -> str:
        return self.server.token_of(name)

    def groups(
        self,
        sessions: int,
        people: int,
        host: bool,
        settings: Mapping[str, object] | None = None,
    ) -> list[list[Member]]:
        """Everybody is a person of their own, as far as names go."""
        found: list[list[Member]] = []
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        body: dict[str, object] = {"story": "lighthouse"} | ({"settings": settings} if settings else {})
        try:
            for _ in range(sessions):
                names = [self._names[(self._used + n) % len(self._names)] for n in range(people)]
                self._used += people
                made = self._ask(connection, "POST", "novel/api/sessions", body, self.token(names[0]))
                assert isinstance(made, dict)
                found.append(self.members(str(made["session_id"]), names, host))
        finally:
            connection.close()
        return found

    def members(self, session: str, names: Sequence[str], host: bool) -> list[Member]:
        """The first of `names` is the owner."""
        group = [
            Member(
                session, name, "", {"Authorization": f"token {self.token(name)}"}, "person" if n else "owner"
            )
            for n, name in enumerate(names)
        ]
        if host:
            kernel, token = self._host()
            group.append(Member(session, f"kernel:{kernel}", "", {TOKEN_HEADER: token}, "host"))
        return group

    def _host(self) -> tuple[str, str]:
        """A real kernel of this server and its token, as it would get it itself."""
        import asyncio

        if self._kernel is None:
            made = self.call("POST", "api/kernels", {"name": "python3"})
            assert isinstance(made, dict)
            self._kernel = str(made["id"])
            path = self.server.root / "runtime" / f"kernel-{self._kernel}.json"
            key = str(json.loads(path.read_text())["key"]).encode()
            self._login = KernelLogin(self.server.url, self._kernel, key)
        assert self._login is not None
        return self._kernel, asyncio.run(self._login.headers())[TOKEN_HEADER]


@dataclass(frozen=True, slots=True)
class Kind:
    """A reference: its module, its dialect, the packages that it needs, and what it is."""

    module: str
    dialect: str
    needs: tuple[str, ...]
    title: str


REFERENCES: Final[Mapping[str, Kind]] = {
    "tornado": Kind("tornado", "plain", ("tornado",), "Tornado write_message (floor)"),
    "raw": Kind("raw", "plain", (), "raw asyncio, pre-framed (ceiling)"),
    "seed": Kind("seed", "seed", ("fastapi", "uvicorn", "websockets"), "WebSocketManager, FastAPI/uvicorn"),
    "socketio": Kind("socketio", "socketio", ("socketio", "uvicorn", "websockets"), "python-socketio"),
    "yjs": Kind("yjs", "yjs", ("pycrdt.websocket", "uvicorn", "websockets"), "pycrdt-websocket"),
    "channels": Kind(
        "channels", "plain", ("channels", "django", "uvicorn", "websockets"), "Django Channels, in memory"
    ),
}


def missing(name: str) -> list[str]:
    """The packages of a reference that are not installed (extra `bench`)."""
    found: list[str] = []
    for package in REFERENCES[name].needs:
        try:
            there = importlib.util.find_spec(package) is not None
        except ModuleNotFoundError:
            there = False
        if not there:
            found.append(package)
    return found


class Reference:
    """One of `REFERENCES`, in a process of its own."""

    guarantee = "relayed, nothing stored, nobody checked"
    beside: tuple[int, ...] = ()

    def __init__(self, name: str, split: Split) -> None:
        self.name = name
        self._kind = REFERENCES[name]
        self._split = split
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0

    @property
    def place(self) -> Place:
        return Place("127.0.0.1", self._port, self._kind.dialect)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Raises BenchError when it does not listen in time."""
        command = [sys.executable, "-m", f"novel_jupyter.bench.refs.{self._kind.module}", str(self._port)]
        with held():
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        end = time.monotonic() + START_SECONDS
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise BenchError(f"the reference {self.name} did not start")
            time.sleep(0.02)  # a process says by no event that it listens
        pin(self.pid, self._split.servers)

    def _listens(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            connection.connect()
        except OSError:
            return False
        finally:
            connection.close()
        return True

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdin is not None:
                self._process.stdin.close()

    def groups(self, sessions: int, people: int, host: bool) -> list[list[Member]]:
        found: list[list[Member]] = []
        for _ in range(sessions):
            self._made += 1
            session = f"{self._made:032x}"
            yjs = self._kind.dialect == "yjs"
            names = [*(f"p{n}" for n in range(people)), *(["host"] if host else [])]
            found.append(
                [
                    Member(
                        session,
                        name,
                        f"/{session}" if yjs else f"/ws/{session}/{name}",
                        role="host" if name == "host" else "person",
                    )
                    for name in names
                ]
            )
        return found

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop()
