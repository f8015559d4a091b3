"""Where is my server, and who am I there?

Law: what the caller says comes first; then what this kernel can know of itself. The server's own token is
never read, though it stands in the same file as its address.
Parts: `Surroundings` (what is looked at, so that tests can make some up), `Where`, `find`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import parse_qs, urlsplit

from .access import KernelLogin, Login, PersonLogin
from .addresses import Addresses
from .errors import NoServer

Where: TypeAlias = str | Sequence[str] | None
"""A server's base address, or those of several servers with one store, or whatever can be found."""

CONNECTION_FILE: Final = re.compile(r"kernel-(.+)\.json")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The environment, Jupyter's runtime directory, and this kernel's connection file (None outside a
    kernel).
    """

    environ: Mapping[str, str] = field(repr=False)
    runtime: Path
    connection_file: Path | None

    @staticmethod
    def real() -> Surroundings:
        from jupyter_core.paths import jupyter_runtime_dir

        return Surroundings(dict(os.environ), Path(jupyter_runtime_dir()), _connection_file())


def _connection_file() -> Path | None:
    """This kernel's connection file, or None where no kernel runs."""
    import sys

    if "ipykernel" not in sys.modules:
        return None  # a running kernel has imported it
    from ipykernel.connect import get_connection_file

    try:
        return Path(get_connection_file())
    except (RuntimeError, OSError):
        return None


def find(
    url: Where = None,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    around: Surroundings | None = None,
) -> Login:
    """The login to use. With `token` or `headers` it is a person's; in a kernel without them, the kernel's
    own.

    `url` is a server's base address, which may carry `?token=`, or a list of them: servers of one store, all
    of which take the same credential, and of which the next is tried when one is lost. Raises NoServer, with
    what was tried.
    """
    around = around or Surroundings.real()
    if url is None or isinstance(url, str):
        return _find(url, token, headers, around)
    shared = token or next(filter(None, map(_token_in, url)), None)
    logins = [_find(address, token or _token_in(address) or shared, headers, around) for address in url]
    return logins[0] if len(logins) == 1 else Addresses(logins)


def _token_in(url: str) -> str | None:
    return next(iter(parse_qs(urlsplit(url).query).get("token", [])), None)


def _find(
    url: str | None, token: str | None, headers: Mapping[str, str] | None, around: Surroundings
) -> Login:
    if url is not None:
        token = token or _token_in(url)
    if token is not None or headers is not None:
        if url is None:
            raise NoServer("A token or headers need the address that they are for: pass url=.", [])
        return PersonLogin(url, token, headers)
    tried: list[str] = []
    kernel = _kernel(around, tried)
    if kernel is None:
        hint = "pass url= and token= (Jupyter's `jupyter server list` shows both)"
        raise NoServer(f"No novel_jupyter server was found: {hint}.", tried)
    address = url or _server(around, tried)
    if address is None:
        raise NoServer("This kernel's server was not found: pass url=.", tried)
    return KernelLogin(address, *kernel)


def _kernel(around: Surroundings, tried: list[str]) -> tuple[str, bytes] | None:
    """(kernel id, HMAC key) of this process."""
    path = around.connection_file
    if path is None:
        tried.append("this process: not a Jupyter kernel")
        return None
    match = CONNECTION_FILE.fullmatch(path.name)
    if match is None:
        tried.append(f"connection file {path.name}: no kernel id in its name; no server started this kernel")
        return None
    found = _read(path)
    key = found.get("key") if found else None
    if not isinstance(key, str) or not key:
        tried.append(f"connection file {path.name}: cannot be read, or has no key")
        return None
    return match[1], key.encode()


def _server(around: Surroundings, tried: list[str]) -> str | None:
    """The address of the server that started this kernel."""
    parent = around.environ.get("JPY_PARENT_PID")
    if parent is None or not parent.isdigit():
        tried.append("JPY_PARENT_PID: not set, so no Jupyter server started this kernel")
    else:
        name = f"jpserver-{parent}.json"
        found = _read(around.runtime / name)
        url = found.get("url") if found else None
        if isinstance(url, str) and url.startswith(("http://", "https://")):
            return _reachable(url)
        why = "not there" if found is None else "has no address that a socket can reach"
        tried.append(f"{name} in {around.runtime}: {why}")
    service = around.environ.get("JUPYTERHUB_SERVICE_URL")
    if service:
        return _reachable(service)
    tried.append("JUPYTERHUB_SERVICE_URL: not set")
    return None


def _read(path: Path) -> dict[str, object] | None:
    try:
        found = json.loads(path.read_text("utf8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _reachable(url: str) -> str:
    """An address that listens everywhere is reached here."""
    return re.sub(r"^(https?://)(?:0\.0\.0\.0|\[::\]|\*)(?=[:/]|$)", r"\g<1>127.0.0.1", url)
