"""What a medium says of itself: a SQLite file, or every primary of a Redis.

Law: only asked, never changed, and for a bounded time. A warning says in plain words what is wrong and what
to do about it.
Parts: `Medium`, `look_at_file`, `look_at_redis`.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

if TYPE_CHECKING:
    from .server.redis_health import Primary

CHECK_SECONDS: Final = 20.0
STEPS: Final = 1_000
"""Instructions of SQLite between looks at the clock."""
LEAST_FREE: Final = 0.05
MOST_USED: Final = 0.9


@dataclass(slots=True)
class Medium:
    """`facts` are for the report; each warning stands for itself."""

    facts: dict[str, JsonValue] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def look_at_file(path: Path, seconds: float = CHECK_SECONDS) -> Medium:
    """Blocks for up to about `seconds`."""
    wal = path.with_name(path.name + "-wal")
    disk = shutil.disk_usage(path.parent)
    mode = path.stat().st_mode & 0o777
    verdict = _quick_check(path, seconds)
    found = Medium(
        {
            "kind": "sqlite",
            "bytes": path.stat().st_size,
            "wal_bytes": wal.stat().st_size if wal.exists() else 0,
            "disk_free": disk.free,
            "quick_check": verdict,
        }
    )
    if verdict == "not finished":
        found.facts["quick_check"] = f"not finished in {seconds:.0f} s, nothing found by then"
    elif verdict != "ok":
        found.warnings.append(
            f"the file is damaged ({verdict}): stop its servers and put back a copy, or save what can be "
            "read with `novel-jupyter migrate` into a new one"
        )
    if disk.free < LEAST_FREE * disk.total:
        found.warnings.append(
            f"only {_bytes(disk.free)} are free on its disk: make room before writes begin to fail"
        )
    if mode & 0o077:
        found.warnings.append(f"others on this machine may open the file (mode {mode:o}): chmod 600 it")
    return found


def _quick_check(path: Path, seconds: float) -> str:
    deadline = time.monotonic() + seconds
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        connection.set_progress_handler(lambda: int(time.monotonic() > deadline), STEPS)
        rows = connection.execute("PRAGMA quick_check(3)").fetchall()
        return "; ".join(str(row[0]) for row in rows)
    except sqlite3.OperationalError as error:
        return "not finished" if "interrupted" in str(error) else str(error)
    except sqlite3.DatabaseError as error:
        return str(error)
    finally:
        connection.close()


def look_at_redis(primaries: Iterable[Primary]) -> Medium:
    """The warnings of the store's own check come with the store; here are those that only grow with time."""
    found = Medium({"kind": "redis"})
    shown: list[JsonValue] = []
    for primary in primaries:
        settings = primary.settings
        shown.append(
            {
                "address": primary.name,
                "product": primary.product,
                "version": ".".join(map(str, primary.version)),
                "replicas": primary.replicas,
                "used_memory": primary.used_memory,
                "max_memory": primary.max_memory,
                "cluster_state": primary.cluster_state,
                "eviction": settings.get("maxmemory-policy"),
                "appendonly": settings.get("appendonly"),
                "appendfsync": settings.get("appendfsync"),
            }
        )
        if primary.max_memory and primary.used_memory > MOST_USED * primary.max_memory:
            found.warnings.append(
                f"{primary.name} uses {_bytes(primary.used_memory)} of {_bytes(primary.max_memory)}: give it "
                "more memory, or set NovelApp.keep_entries, before writes begin to fail"
            )
        if primary.replicas == 0 and primary.cluster_state is not None:
            found.warnings.append(
                f"{primary.name} has no replica online: when it is lost, so are its stories until it is back"
            )
    found.facts["primaries"] = shown
    return found


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
