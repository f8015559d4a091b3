"""What processes use, as the system tells it, and what a server counts itself.

Law: only looked at. Where the system does not tell (no /proc), the figures are 0.
Parts: `Usage`, `usage`, `counter`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tornado.httpclient import AsyncHTTPClient

from novel_jupyter.testing import ServerProcess


@dataclass(frozen=True, slots=True)
class Usage:
    """Memory in MB, and seconds or share of a core: of each server, and of the store's processes together."""

    memory: tuple[float, ...]
    cores: tuple[float, ...]
    store_memory: float
    store_cores: float

    @staticmethod
    def between(before: Usage, after: Usage, seconds: float) -> Usage:
        """The memory at the end, and the shares of a core in between."""
        cores = zip(after.cores, before.cores, strict=True)
        return Usage(
            after.memory,
            tuple(round((later - sooner) / seconds, 2) for later, sooner in cores),
            after.store_memory,
            round((after.store_cores - before.store_cores) / seconds, 2),
        )


def usage(servers: Sequence[int], store: Sequence[int]) -> Usage:
    """Memory and CPU seconds by process ids."""
    return Usage(
        tuple(_memory(pid) for pid in servers),
        tuple(_cpu(pid) for pid in servers),
        round(sum(map(_memory, store)), 1),
        sum(map(_cpu, store)),
    )


def _memory(pid: int) -> float:
    try:
        resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return round(resident * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))


async def counter(server: ServerProcess, name: str) -> float:
    """One of the server's own counters."""
    client = AsyncHTTPClient(force_instance=True)
    try:
        headers = {"Authorization": f"token {server.admin_token}"}
        answer = await client.fetch(f"{server.url}metrics", headers=headers)
    finally:
        client.close()
    lines = answer.body.decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.partition(" ")[0] == name)
