"""What tests, demonstrations and load runs share: identities with names, and real servers that end with their
starter.

Law: nothing here is a simulation. A server is a process of its own on a free loopback port with folders of
its own; only processes that were started here are ended here. The identities are for such servers alone:
whoever has a token is that person, so no deployment should use them.
Parts: `NamedIdentities`, `ServerProcess`.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from jupyter_server.auth import IdentityProvider, User
from tornado.web import RequestHandler
from traitlets import Dict

READY = "novel_jupyter event=started"
FAILED = ("novel_jupyter | extension failed", "novel_jupyter | error")
LINES_KEPT = 400


class NamedIdentities(IdentityProvider):
    """Jupyter's identity provider, plus one token for each named person."""

    people = Dict(help="token → user name").tag(config=True)

    async def get_user_token(self, handler: RequestHandler) -> User | None:
        """The person of the request's token, then logged in by cookie; else as Jupyter would have it."""
        token = self.get_token(handler)
        name = self.people.get(token) if token else None
        if name is None:
            found: User | None = await super().get_user_token(handler)
            return found
        return User(username=name, name=name.capitalize(), display_name=name.capitalize())


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ServerProcess:
    """A Jupyter server with the extension, in `root`. A context manager; `kill` and `start` again at will.

    `people` get a token each (`token_of`). `traits` are settings like `NovelApp.lease_timeout`. `data` is
    where sessions are kept, if not in `root`.
    """

    without: tuple[str, ...] = (
        "jupyterlab",
        "jupyter_lsp",
        "jupyter_server_terminals",
        "notebook_shim",
        "notebook",
        "jupyter_server_ydoc",
        "jupyter_server_fileid",
    )
    """Other extensions that are left out, for a quick start."""

    def __init__(
        self,
        root: Path,
        people: Iterable[str] = (),
        traits: Mapping[str, object] | None = None,
        port: int | None = None,
        data: Path | None = None,
    ) -> None:
        self.root = root
        self.data = data or root / "data"
        self.port = port or free_port()
        self.tokens = {name: secrets.token_hex(16) for name in people}
        self.admin_token = secrets.token_hex(16)
        self._traits = dict(traits or {})
        self._process: subprocess.Popen[str] | None = None
        self._lines: list[str] = []
        for folder in (root / "config", root / "runtime", root / "work", self.data):
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("the server was not started")
        return self._process.pid

    @property
    def database(self) -> Path:
        return self.data / "novel_jupyter" / "sessions.db"

    @property
    def log(self) -> str:
        """The latest lines that the server wrote."""
        return "".join(self._lines)

    def token_of(self, name: str) -> str:
        return self.tokens[name]

    def environment(self) -> dict[str, str]:
        """The environment in which the server, and kernels of it, run."""
        hidden = ("JUPYTER", "JPY_", "NOVEL_")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
        return {
            **kept,
            "JUPYTER_CONFIG_DIR": str(self.root / "config"),
            "JUPYTER_DATA_DIR": str(self.data),
            "JUPYTER_RUNTIME_DIR": str(self.root / "runtime"),
            "JUPYTER_PLATFORM_DIRS": "0",
            "IPYTHONDIR": str(self.root / "ipython"),
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }

    def _write_config(self) -> Path:
        settings: dict[str, dict[str, object]] = {
            "ServerApp": {
                "ip": "127.0.0.1",
                "port": self.port,
                "port_retries": 0,
                "open_browser": False,
                "allow_root": True,
                "allow_unauthenticated_access": False,
                "identity_provider_class": "novel_jupyter.testing.NamedIdentities",
                "root_dir": str(self.root / "work"),
                "jpserver_extensions": {"novel_jupyter": True} | dict.fromkeys(self.without, False),
            },
            "NamedIdentities": {"token": self.admin_token, "people": {t: n for n, t in self.tokens.items()}},
        }
        for key, value in self._traits.items():
            section, _, name = key.partition(".")
            settings.setdefault(section, {})[name] = value
        # Tokens go in by a file that only we can read; a command line is open to all on the machine.
        path = self.root / "config" / "jupyter_server_config.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(settings))
        return path

    def start(self, timeout: float = 60.0) -> Self:
        """Start, and return when the extension answers. Raises RuntimeError with the log if it does not."""
        self._write_config()
        # Of this start alone: the follower of an earlier process may still come to its end.
        ready, lines = threading.Event(), list[str]()
        self._lines = lines
        command = [sys.executable, "-m", "jupyter_server"]
        self._process = subprocess.Popen(
            command,
            env=self.environment(),
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        following = (self._process.stderr, lines, ready)
        threading.Thread(target=self._follow, args=following, daemon=True).start()
        if not ready.wait(timeout) or not any(READY in line for line in lines):
            self.kill()
            raise RuntimeError(f"the server did not start:\n{self.log}")
        return self

    @staticmethod
    def _follow(stream: IO[str], lines: list[str], ready: threading.Event) -> None:
        with stream:
            for line in stream:
                lines.append(line)
                del lines[:-LINES_KEPT]
                if READY in line or any(text in line for text in FAILED):
                    ready.set()
        ready.set()

    def kill(self) -> None:
        """SIGKILL: no goodbye, no flush."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM: the server drains."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
