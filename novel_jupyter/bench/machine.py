"""The machine: which cores whom, what processes use, and what there is.

Law: looked at through /proc, so Linux only; nothing is guessed where it does not tell.
Parts: `Split`, `pin`, `Usage`, `usage`, `busy`, `described`, `fsync_seconds`.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import clock_gettime, monotonic
from typing import Final

TICKS: Final = float(os.sysconf("SC_CLK_TCK"))
PAGE: Final = os.sysconf("SC_PAGE_SIZE")
PACKAGES: Final = (
    *("tornado", "jupyter_server", "orjson", "pydantic", "uvicorn", "websockets", "fastapi"),
    *("python-socketio", "pycrdt", "pycrdt-websocket", "channels", "django", "redis"),
)
MOST_WORKERS: Final = 4


@dataclass(frozen=True, slots=True)
class Split:
    """The cores of servers and those of clients; the same where there is one."""

    servers: frozenset[int]
    clients: frozenset[int]

    @staticmethod
    def of_this_machine() -> Split:
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) == 1:
            return Split(frozenset(cores), frozenset(cores))
        half = max(1, len(cores) // 2)
        return Split(frozenset(cores[:half]), frozenset(cores[half:]))

    @property
    def workers(self) -> int:
        """Client processes: one for each core of theirs, within reason."""
        return min(len(self.clients), MOST_WORKERS)

    def __str__(self) -> str:
        if self.servers == self.clients:
            return "one core for servers and clients: the figures are of both together"
        return f"servers on core(s) {_list(self.servers)}, clients on core(s) {_list(self.clients)}"


def _list(cores: Iterable[int]) -> str:
    return ",".join(map(str, sorted(cores)))


def pin(pid: int, cores: frozenset[int]) -> None:
    """Keep a process, with the threads that it has, on these cores."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), cores)


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds since the start of a process, and resident bytes now."""

    cpu: float
    memory: int


def usage(pid: int) -> Usage:
    """Of one process with its threads. Raises OSError when it is gone."""
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    # Its CPU clock (clock_getcpuclockid), which is finer than the ticks of /proc.
    return Usage(clock_gettime((~pid << 3) | 2), resident * PAGE)


def busy() -> float:
    """CPU seconds that anybody used on this machine since it started."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _, _, irq, softirq, steal = map(int, fields[:8])
    return (user + nice + system + irq + softirq + steal) / TICKS


@dataclass(frozen=True, slots=True)
class Machine:
    model: str
    cores: int
    memory_gb: float
    system: str
    python: str
    pinned: str
    load: float
    """The load average of the last minute, before the run."""
    packages: dict[str, str]

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def described(split: Split) -> Machine:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    found: dict[str, str] = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    memory = os.sysconf("SC_PHYS_PAGES") * PAGE / 1e9
    return Machine(
        models[0] if models else platform.processor(),
        len(os.sched_getaffinity(0)),
        round(memory, 1),
        f"{platform.system()} {platform.release()}",
        platform.python_version(),
        str(split),
        round(os.getloadavg()[0], 2),
        found,
    )


def fsync_seconds(folder: Path, count: int = 50) -> list[float]:
    """How long this disk takes to keep one page for good, smallest first."""
    path, found = folder / "fsync", list[float]()
    handle = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        for n in range(count):
            began = monotonic()
            os.pwrite(handle, bytes(4096), n * 4096)
            os.fdatasync(handle)
            found.append(monotonic() - began)
    finally:
        os.close(handle)
        path.unlink()
    return sorted(found)
