"""Keys that this process knows, and text without them.

Law: what a provider sends back may quote what it was sent. No text of a model is kept or shown before every
key in the environment, and every key that the model object was given, is out of it.
Parts: `keys_in`, `scrubbed`.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from pydantic import SecretStr

NAME: Final = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|AUTHORIZATION)S?$", re.IGNORECASE)
LEAST: Final = 12
"""Characters of a key; what is shorter would take words out of stories."""
DEPTH, MOST = 6, 4000
"""How deep, and at how many objects, a key is looked for in a model."""
_LEAVES: Final = (str, bytes, int, float, bool, type, type(None))


def keys_in(model: object) -> frozenset[str]:
    """Keys that a model object carries: the library of each provider keeps them somewhere else in it."""
    found = set[str]()
    seen = set[int]()
    waiting = deque([(model, 0)])
    while waiting and len(seen) < MOST:
        thing, depth = waiting.popleft()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        for name, value in _parts(thing):
            if isinstance(value, SecretStr):
                found.add(value.get_secret_value())
            elif isinstance(value, str):
                if NAME.search(name):
                    found.add(value.removeprefix("Bearer "))
            elif depth < DEPTH and not isinstance(value, _LEAVES):
                waiting.append((value, depth + 1))
    return frozenset(key for key in found if len(key) >= LEAST)


def scrubbed(text: str, keys: Collection[str] = ()) -> str:
    """`text` with "…" for every key."""
    known = {value for name, value in os.environ.items() if NAME.search(name) and len(value) >= LEAST}
    # Longest first: a key may begin like another.
    for key in sorted(known.union(keys), key=lambda key: (-len(key), key)):
        text = text.replace(key, "…")
    return text


def _parts(thing: object) -> Iterator[tuple[str, object]]:
    if isinstance(thing, Mapping):
        yield from ((str(name), value) for name, value in thing.items())
    elif isinstance(thing, list | tuple | set | frozenset):
        yield from (("", value) for value in thing)
    elif hasattr(thing, "__dict__"):
        yield from vars(thing).items()
