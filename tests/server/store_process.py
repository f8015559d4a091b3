"""A program that appends until it is stopped, for tests that need several processes or kill one.

`python store_process.py module:function target client count`: the function opens the store at the target.
Parts: the program; for tests, `start_process`, `parse` (what it said) and `check_log`.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import reduce
from pathlib import Path
from typing import Any

from server.store_records import EMPTY, command, make_entries

from novel_jupyter.core.model import Head
from novel_jupyter.server.ports import RESULTS_KEPT, Behind, Store


async def append_until_stopped(store: Store, client: str, count: int) -> None:
    """Append `count` commands to s1, each once; say `n sequence_id` on standard output after each answer."""
    head = await store.head("s1")
    done = await store.results("s1", "ann", client)
    n = done[-1].n if done else 0
    while n < count:
        outcome = await store.append(command(client, n + 1, head))
        if isinstance(outcome, Behind):
            head = outcome.head
            continue
        head, n = outcome, n + 1
        sys.stdout.write(f"{n} {head.sequence_id}\n")
        sys.stdout.flush()


async def _main(opener: str, target: str, client: str, count: str) -> None:
    module, _, path = opener.partition(":")
    found: Any = reduce(getattr, path.split("."), importlib.import_module(module))
    open_store: Callable[[str], Awaitable[Store]] = found
    store = await open_store(target)
    try:
        await append_until_stopped(store, client, int(count))
    finally:
        await store.close()


def start_process(opener: str, target: str, client: str, count: int) -> subprocess.Popen[str]:
    """Begin the program. `opener` is `module:function`."""
    return subprocess.Popen(
        [sys.executable, __file__, opener, target, client, str(count)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )


async def check_log(store: Store, acknowledged: dict[str, dict[int, int]]) -> None:
    """Gapless, chained, every command whole and once, and everything that was acknowledged at its place."""
    head, position, ends = EMPTY, 0, dict[str, int]()
    while page := await store.read("s1", position, 1000):
        for entry in page:
            position += 1
            assert entry.sequence_id == position
            (due,) = make_entries(head, 1, entry.body)
            assert entry == due
            head = Head(EMPTY.epoch, position, entry.hash)
            ends[entry.body.decode()] = position
    assert await store.head("s1") == head
    total = 0
    for client, answers in acknowledged.items():
        written = sorted(int(name.partition(":")[2]) for name in ends if name.startswith(f"{client}:"))
        assert written == list(range(1, len(written) + 1))
        kept = [result.n for result in await store.results("s1", "ann", client)]
        assert kept == written[-RESULTS_KEPT:], "entries and results went together"
        for n, sequence_id in answers.items():
            assert ends[f"{client}:{n}"] == sequence_id
        total += sum(n % 3 + 1 for n in written)
    assert total == position, "every command is whole and once"


def parse(output: str, *, first_whole: bool = True) -> dict[int, int]:
    """Answers that were said. The first and the last line may be cut."""
    lines = output.splitlines(keepends=True)
    whole = [line for line in (lines if first_whole else lines[2:]) if line.endswith("\n")]
    return {int(n): int(sequence_id) for n, sequence_id in (line.split() for line in whole)}


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
