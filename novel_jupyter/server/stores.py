"""From one URL to the store and bus it names; the only place that knows which there are.

Law: Redis is an extra and is imported only when a URL asks for it. A URL can hold a password: only
`described` may be shown.
Parts: `Settings`, `open_store`, `described`.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from .bus import Bus, LocalBus
from .ports import Store
from .sqlite_schema import Synchronous
from .store_sqlite import SqliteStore

SQLITE: Final = ("sqlite",)
REDIS: Final = tuple("redis rediss unix redis+cluster rediss+cluster redis+sentinel rediss+sentinel".split())


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """How a store is opened. `keep_entries`: entries kept of each session, 0 for all. `replicas`: how many
    must have an append before it is acknowledged, waited for `wait_timeout` seconds (Redis alone).
    """

    url: str
    synchronous: Synchronous = "FULL"
    keep_entries: int = 0
    replicas: int = 0
    wait_timeout: float = 1.0


def sqlite_path(url: str) -> Path:
    """The file of `sqlite:///relative`, `sqlite:////absolute`, `sqlite:///~/at-home`. Raises ValueError."""
    parts = urlsplit(url)
    path = unquote(parts.path).removeprefix("/")
    if parts.netloc or not path:
        raise ValueError("a SQLite store is sqlite:///<path>, with four slashes for an absolute path")
    return Path(path).expanduser()


def check_url(url: str) -> None:
    """Raises ValueError when no store can be meant, in words that hold nothing of the URL but its scheme."""
    scheme = _scheme(url)
    if scheme in SQLITE:
        sqlite_path(url)
    elif scheme not in REDIS:
        known = ", ".join((*SQLITE, *REDIS))
        other = f", not with {scheme!r}" if scheme else ""
        raise ValueError(f"a store's URL begins with one of {known}, and then ://{other}")


def described(url: str) -> str:
    """The URL without what must not be shown; of one that is wrong only the scheme, if it has one."""
    scheme = _scheme(url)
    if scheme in SQLITE:
        return url
    try:
        from .redis_address import parse

        parsed = parse(url)
    except (ValueError, ImportError):
        return f"{scheme}://…" if scheme else "…"
    return replace(parsed, username=None, password=None).redacted


def _scheme(url: str) -> str:
    """What stands before `://`; nothing where that is no scheme: it might be a password."""
    scheme, there, _ = url.partition("://")
    return scheme.lower() if there and re.fullmatch(r"[A-Za-z][A-Za-z+]*", scheme) else ""


async def open_store(settings: Settings) -> tuple[Store, Bus, list[str]]:
    """The store, its bus, and what the administrator should be warned of.

    Raises ValueError for a URL that names none, ImportError without the extra `redis`, StoreError.
    """
    check_url(settings.url)
    node = secrets.token_hex(8)
    if _scheme(settings.url) in SQLITE:
        bus = LocalBus(node)
        store = await SqliteStore.open(
            sqlite_path(settings.url),
            synchronous=settings.synchronous,
            keep_entries=settings.keep_entries,
            announce=bus.announce,
        )
        return store, bus, []
    try:
        from .bus_redis import RedisBus
        from .store_redis import RedisStore
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "redis":
            raise
        raise ImportError("a Redis store needs the extra: pip install 'novel-jupyter[redis]'") from None
    redis = await RedisStore.open(
        settings.url,
        node=node,
        replicas=settings.replicas,
        wait_timeout=settings.wait_timeout,
        keep_entries=settings.keep_entries,
    )
    try:
        warnings = await redis.link.check()
    except BaseException:
        await redis.close()
        raise
    return redis, RedisBus(redis.link, node), warnings
