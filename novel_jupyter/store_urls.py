"""The stores that a command is about: where their URLs come from, and how they are opened for a while.

Law: a URL can hold a password. It need not stand on a command line, which everybody on the machine can read,
and is never printed as it is.
Parts: `FROM_ENVIRONMENT`, `NotAStore`, `CannotOpen`, `url_of`, `default_url`, `is_missing`, `opened`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from jupyter_core.paths import jupyter_data_dir

from .server.bus import Bus
from .server.ports import Store, StoreError
from .server.stores import SQLITE, Settings, check_url, described, open_store, sqlite_path

VARIABLE: Final = "NOVEL_JUPYTER_STORE"
FROM_ENVIRONMENT: Final = "env"
"""`env` is the URL in NOVEL_JUPYTER_STORE, `env:NAME` the one in NAME."""


class NotAStore(Exception):
    """There is no such store; the words are for whoever typed it, and hold no password."""


class CannotOpen(NotAStore):
    """There may be one, but it does not answer, or is not ours."""


def url_of(said: str, environ: Mapping[str, str] | None = None) -> str:
    """The URL that an argument names. Raises NotAStore."""
    environ = os.environ if environ is None else environ
    url = said
    if said == FROM_ENVIRONMENT or said.startswith(f"{FROM_ENVIRONMENT}:"):
        name = said.partition(":")[2] or VARIABLE
        url = environ.get(name, "")
        if not url:
            raise NotAStore(f"the environment has no {name}")
    try:
        check_url(url)
    except ValueError as error:
        raise NotAStore(str(error)) from None
    return url


def default_url(environ: Mapping[str, str] | None = None) -> str:
    """The store that a server without any settings uses here."""
    environ = os.environ if environ is None else environ
    return environ.get(VARIABLE) or f"sqlite:///{Path(jupyter_data_dir()) / 'novel_jupyter' / 'sessions.db'}"


def is_missing(url: str) -> bool:
    """Whether the URL is that of a file which nobody made yet."""
    return url.partition(":")[0] in SQLITE and not sqlite_path(url).exists()


@asynccontextmanager
async def opened(url: str, *, make: bool = False) -> AsyncIterator[tuple[Store, Bus, list[str]]]:
    """The store, its bus and its warnings. `make`: a file that is not there is made. Raises NotAStore."""
    if not make and is_missing(url):
        raise NotAStore(f"there is no file for {described(url)}")
    try:
        store, bus, warnings = await open_store(Settings(url))
    except (ValueError, ImportError) as error:
        raise NotAStore(f"{described(url)} cannot be opened: {error}") from None
    except (StoreError, OSError) as error:
        raise CannotOpen(f"{described(url)} cannot be opened: {error}") from None
    try:
        yield store, bus, warnings
    finally:
        await bus.close()
        await store.close()
