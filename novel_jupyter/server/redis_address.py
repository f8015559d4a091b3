"""Where a Redis is, as one URL says it: one server, one that Sentinels watch, or a Cluster.

Law: what is wrong with a URL is said by name, and never with the password in it; no text made from an address
has a password.
Parts: `RedisAddress`, `parse`.

    redis://[user:password@]host[:port][/db]            rediss:// is the same over TLS
    redis+sentinel://[user:password@]host[:port],…/service[/db]
    redis+cluster://[user:password@]host[:port],…
    unix:///path/of/socket[?db=1]                       with user and password as above

Names, passwords and values are percent-decoded. After `?`, for TLS: ssl_ca_certs, ssl_certfile, ssl_keyfile
(files), ssl_cert_reqs (required, optional or none), ssl_check_hostname (true or false); for Sentinels that
have a password of their own: sentinel_user, sentinel_password.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from .redis_wire import Address

Kind: TypeAlias = Literal["one", "sentinel", "cluster"]

_SCHEMES: Final[Mapping[str, tuple[Kind, bool]]] = {
    "redis": ("one", False),
    "rediss": ("one", True),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
    "unix": ("one", False),
}
_PORTS: Final[Mapping[Kind, int]] = {"one": 6379, "sentinel": 26379, "cluster": 6379}
_TLS: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname")
_SENTINEL: Final = ("sentinel_user", "sentinel_password")


@dataclass(frozen=True, slots=True, repr=False)
class RedisAddress:
    """`nodes` are where to ask first: the server itself, the Sentinels, some nodes of the Cluster.

    A socket in the file system is a node with its path for a host and 0 for a port.
    """

    kind: Kind
    nodes: tuple[Address, ...]
    service: str = ""
    db: int = 0
    username: str | None = None
    password: str | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = None
    tls: bool = False
    tls_options: Mapping[str, str | bool] = field(default_factory=dict)

    @property
    def redacted(self) -> str:
        """The URL with *** for what is secret."""
        if self.kind == "one" and not self.nodes[0].port:
            scheme, places = "unix", self.nodes[0].host
        else:
            scheme = ("rediss" if self.tls else "redis") + ("" if self.kind == "one" else f"+{self.kind}")
            places = ",".join(_place(node) for node in self.nodes)
        who = f"{self.username or ''}:***@" if self.password is not None else ""
        where = "".join(f"/{part}" for part in (self.service, self.db) if part)
        return f"{scheme}://{who}{places}{where}"

    def __repr__(self) -> str:
        return f"<RedisAddress {self.redacted}>"


def _place(node: Address) -> str:
    return f"[{node.host}]:{node.port}" if ":" in node.host else f"{node.host}:{node.port}"


def parse(url: str) -> RedisAddress:
    """Raises ValueError, which names what is wrong and nothing that is secret."""
    try:
        split = urlsplit(url)
    except ValueError:
        raise ValueError("this is no URL: between // and the next / stand user:password@ and hosts") from None
    if split.scheme not in _SCHEMES:
        raise ValueError(f"a Redis URL begins with {', '.join(f'{known}://' for known in _SCHEMES)}")
    if "@" in url.removeprefix(f"{split.scheme}://{split.netloc}"):
        raise ValueError("in a password / is written %2F, ? is %3F and # is %23")
    if split.fragment:
        raise ValueError("a Redis URL has no # part")
    kind, tls = _SCHEMES[split.scheme]
    who, _, places = split.netloc.rpartition("@")
    username, colon, password = who.partition(":")
    if who and not (colon and password):
        raise ValueError("before the @ stands user:password or :password")
    options = _options(split, kind, tls)
    address = RedisAddress(
        kind,
        (),
        username=unquote(username) or None,
        password=unquote(password) if who else None,
        sentinel_username=options.get("sentinel_user"),
        sentinel_password=options.get("sentinel_password"),
        tls=tls,
        tls_options=_tls(options),
    )
    if split.scheme == "unix":
        if places or len(split.path) < 2:
            raise ValueError("a socket is written unix:///path/of/socket")
        return replace(address, nodes=(Address(unquote(split.path), 0),), db=_db(options.get("db", "0")))
    nodes = tuple(_node(place, _PORTS[kind]) for place in places.split(","))
    parts = [unquote(part) for part in split.path.split("/")[1:] if part]
    if kind == "sentinel":
        if not parts:
            raise ValueError("after the Sentinels stands the name of the service: redis+sentinel://host/name")
        address, parts = replace(address, service=parts[0]), parts[1:]
    elif kind == "cluster" and parts not in ([], ["0"]):
        raise ValueError("a Cluster has no numbered databases")
    if kind == "one" and len(nodes) != 1:
        raise ValueError("several hosts are a Cluster (redis+cluster://) or Sentinels (redis+sentinel://)")
    if len(parts) > 1:
        raise ValueError("after the host stands at most the number of a database")
    return replace(address, nodes=nodes, db=_db(parts[0] if parts else "0"))


def _options(split: SplitResult, kind: Kind, tls: bool) -> dict[str, str]:
    known = (_TLS if tls else ()) + (_SENTINEL if kind == "sentinel" else ())
    if split.scheme == "unix":
        known = ("db",)
    options = dict(parse_qsl(split.query, keep_blank_values=True))
    for name in options:
        if name not in known:
            also = f"here are known: {', '.join(known)}" if known else "there are none here"
            raise ValueError(f"nobody knows the option {name!r} in a {split.scheme}:// URL; {also}")
    return options


def _tls(options: Mapping[str, str]) -> dict[str, str | bool]:
    found: dict[str, str | bool] = {name: options[name] for name in _TLS if name in options}
    if found.get("ssl_cert_reqs", "required") not in ("required", "optional", "none"):
        raise ValueError("ssl_cert_reqs is required, optional or none")
    if "ssl_check_hostname" in found:
        if found["ssl_check_hostname"] not in ("true", "false"):
            raise ValueError("ssl_check_hostname is true or false")
        found["ssl_check_hostname"] = found["ssl_check_hostname"] == "true"
    elif found.get("ssl_cert_reqs") == "none":
        found["ssl_check_hostname"] = False
    return found


def _node(place: str, port: int) -> Address:
    try:
        split = urlsplit(f"//{place}")
        host, port = split.hostname or "", port if split.port is None else split.port
    except ValueError:
        host = ""
    if not host or not 0 < port < 65536:
        raise ValueError("one of the hosts is no host:port")
    return Address(host, port)


def _db(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("after the host stands the number of a database")
    return int(text)
