"""A program that appends until it is stopped, for tests that need several processes or kill one.

`python store_process.py module:function target client count`: the function opens the store at the target.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Awaitable, Callable
from functools import reduce
from typing import Any

from server.store_records import command

from novel_jupyter.server.ports import (
    Behind,
    Store,
)


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


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
