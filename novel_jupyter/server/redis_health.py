"""What a Redis should be like for a store, asked of every primary.

Law: only asked, never changed; what may not be asked is said, and is no failure.
Parts: `Primary` (what one says of itself), `inspect`, `check` (what to warn the user of).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .ports import StoreUnavailable
from .redis_places import parse_info
from .redis_wire import Address

if TYPE_CHECKING:
    from .redis_link import RedisLink

OLDEST_REDIS: Final = (7, 0)
OLDEST_VALKEY: Final = (8, 0)
_SETTINGS: Final = ("maxmemory-policy", "appendonly", "appendfsync", "save", "min-replicas-to-write")


@dataclass(frozen=True, slots=True)
class Primary:
    """`settings` lacks what may not be asked, and `version` is empty then; `replicas` counts those online."""

    address: Address
    product: str
    version: tuple[int, ...]
    settings: dict[str, str]
    replicas: int
    used_memory: int
    max_memory: int
    cluster_state: str | None

    @property
    def name(self) -> str:
        return f"{self.address.host}:{self.address.port}" if self.address.port else self.address.host


async def inspect(link: RedisLink) -> list[Primary]:
    """Raises StoreUnavailable."""
    return list(await asyncio.gather(*(_inspect(link, primary) for primary in link.primaries)))


async def _inspect(link: RedisLink, address: Address) -> Primary:
    try:
        info = parse_info(await link.ask(address, "INFO"))
    except StoreUnavailable as error:
        if "permission" not in str(error):
            raise
        info = {}
    settings: dict[str, str] = {}
    for setting in _SETTINGS:
        try:
            answer = await link.ask(address, "CONFIG", "GET", setting)
        except StoreUnavailable:
            continue  # Managed servers forbid it, and so may an ACL.
        pairs = zip(answer[::2], answer[1::2], strict=True)
        settings |= {name.decode(): value.decode() for name, value in pairs}
    if "maxmemory_policy" in info:
        settings.setdefault("maxmemory-policy", info["maxmemory_policy"])
    state = None
    if link.address.kind == "cluster":
        state = parse_info(await link.ask(address, "CLUSTER", "INFO")).get("cluster_state")
    online = [value for name, value in info.items() if name.startswith("slave") and "state=online" in value]
    valkey = "valkey_version" in info
    version = "valkey_version" if valkey else "redis_version"
    return Primary(
        address,
        "Valkey" if valkey else "Redis",
        tuple(int(part) for part in info.get(version, "").split(".") if part.isdecimal()),
        settings,
        len(online),
        int(info.get("used_memory", 0)),
        int(info.get("maxmemory", 0)),
        state,
    )


async def check(link: RedisLink) -> list[str]:
    """What to warn the user of. Raises StoreUnavailable."""
    return [
        f"{found.product} at {found.name}: {warning}"
        for found in await inspect(link)
        for warning in _warnings(found, link.replicas)
    ]


def _warnings(found: Primary, replicas: int) -> list[str]:
    warnings: list[str] = []
    if not found.version:
        return [
            "INFO is forbidden to this user, so nobody checked its version and maxmemory-policy (noeviction)"
        ]
    oldest = OLDEST_VALKEY if found.product == "Valkey" else OLDEST_REDIS
    if found.version < oldest:
        wanted = ".".join(map(str, oldest))
        warnings.append(f"version {'.'.join(map(str, found.version))} is older than {wanted}")
    policy = found.settings.get("maxmemory-policy")
    if policy is None:
        warnings.append("maxmemory-policy may not be asked; it has to be noeviction")
    elif policy != "noeviction":
        warnings.append(f"maxmemory-policy is {policy}: with anything but noeviction, stories may vanish")
    appends, saves = found.settings.get("appendonly"), found.settings.get("save")
    if appends == "no" and not saves:
        warnings.append("nothing is written to disk (appendonly no): a restart loses every story")
    elif appends == "no":
        warnings.append("appendonly is no: a crash loses everything since the last snapshot of the server")
    if found.replicas < replicas:
        warnings.append(
            f"of the {replicas} replicas that have to confirm {found.replicas} are online: nothing will be"
        )
    if found.cluster_state not in (None, "ok"):
        warnings.append(f"the state of the Cluster is {found.cluster_state!r}")
    return warnings
