"""Who is at the other end: people by Jupyter's identity provider, kernels by their connection file.

Law: a kernel is its own principal and never a person. It proves itself once with the HMAC key that only it
and its server hold and gets a short-lived token of ours, bound to that kernel and worth nothing once the
kernel is gone. A kernel of another server gets one when that server vouches for it, for a short time, under
the name of its person. Nothing in a frame or a URL says who somebody is.
Parts: `person`, `entry_of` (what scopes let somebody in as), `KernelTokens` (prove, issue, vouch, verify,
revoke), `IdentityMixin` for handlers.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from jupyter_server.auth import User
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import ensure_async
from tornado.web import HTTPError

from novel_jupyter.core.limits import TokenBucket
from novel_jupyter.core.policy import GUEST, Entry, Principal, person_of

if TYPE_CHECKING:
    from .hub import Hub
    from .service_client import ServiceClient

HUB_SLOT: Final = "novel_jupyter_hub"
CLIENT_SLOT: Final = "novel_jupyter_client"
"""Where the application's settings hold the hub of a server, or the client of one that has none."""
TOKEN_HEADER = "X-Novel-Token"
RESERVED = ("kernel:", "person:", GUEST)
CLOCK_SKEW = 60.0
"""Seconds by which a kernel's clock may differ; nonces are remembered for twice as long."""
NONCES_KEPT = 10_000
VOUCHED_KEPT, VOUCHED_EACH = 20_000, 64
"""Kernels of other servers, in all and of one person."""


ENTRIES: Final[tuple[Entry, ...]] = ("director", "player", "spectator", "none")
NO_ROLES: Final[Mapping[str, Entry]] = MappingProxyType({})


def person_id(name: str) -> str:
    """The id of a user of this name. One that could be taken for something else is marked as a person's."""
    plain = not name.startswith(RESERVED) and name not in ("host", "server")
    return name if plain else f"person:{name}"


def person(user: User, roles: Mapping[str, Entry] = NO_ROLES) -> Principal:
    """The principal of a logged-in user. `roles`: scope of a JupyterHub → what it lets somebody in as."""
    shown, hub_user = user.display_name or user.name or user.username, getattr(user, "hub_user", None)
    scopes = hub_user.get("scopes", ()) if isinstance(hub_user, Mapping) else ()
    return Principal(person_id(user.username), shown, joins_as=entry_of(scopes, roles))


def entry_of(scopes: Iterable[object], roles: Mapping[str, Entry]) -> Entry | None:
    """The most that these scopes let somebody in as; without any of them what `roles` has for ""."""
    held = {roles[scope] for scope in scopes if isinstance(scope, str) and scope in roles}
    return next((entry for entry in ENTRIES if entry in held), roles.get(""))


@dataclass(frozen=True, slots=True, repr=False)
class _Grant:
    principal: Principal
    expires: float
    kernel_id: str | None
    """The kernel of this server whose end is the token's end; None for another server's."""


class KernelTokens:
    """Tokens of kernels. `key_of` gives a running kernel's HMAC key, None for a kernel that this server does
    not run.
    """

    def __init__(
        self, key_of: Callable[[str], bytes | None], lifetime: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._key_of = key_of
        self._lifetime = lifetime
        self._clock = clock
        self._grants: dict[str, _Grant] = {}
        self._vouched: dict[str, float] = {}
        """Kernels of other servers, with the moment until which their server vouches for them."""
        self._nonces: dict[str, float] = {}
        self._bucket = TokenBucket(rate=50.0, burst=200.0)
        self._guesses = TokenBucket(rate=5.0, burst=50.0)

    def issue(self, claim: Mapping[str, object]) -> tuple[str, float, Principal]:
        """(token, seconds it lasts, principal) for a proven claim. Raises HTTPError 400, 403 or 429."""
        kernel_id = self.prove(claim)
        principal = kernel(kernel_id)
        return self._grant(principal, self._lifetime, kernel_id), self._lifetime, principal

    def prove(self, claim: Mapping[str, object]) -> str:
        """The id of the kernel that makes this claim. Raises HTTPError 400, 403 or 429."""
        now = self._clock()
        kernel_id, ts, nonce, proof = (claim.get(key) for key in ("kernel_id", "ts", "nonce", "hmac"))
        if not (isinstance(kernel_id, str) and isinstance(nonce, str) and isinstance(proof, str)):
            raise HTTPError(400, "kernel_id, nonce and hmac are texts")
        if not isinstance(ts, int | float) or isinstance(ts, bool) or not 0 <= ts < 2**53:
            raise HTTPError(400, "ts is a time in seconds")
        if not 32 <= len(nonce) <= 128:
            raise HTTPError(400, "nonce has 32 to 128 characters")
        key = self._key_of(kernel_id)
        # JSON can bring texts that are no Unicode; they are as wrong as any other.
        said = f"novel_jupyter:{kernel_id}:{ts}:{nonce}".encode(errors="backslashreplace")
        expected = hmac.new(key or secrets.token_bytes(32), said, sha256).hexdigest()
        # One answer for every way to be wrong, so that nobody learns which kernels there are.
        same = hmac.compare_digest(expected.encode(), proof.encode(errors="backslashreplace"))
        # A colon would part the name of a person from that of a kernel.
        good = same and key is not None and abs(now - ts) <= CLOCK_SKEW and ":" not in kernel_id
        if not good or nonce in self._nonces:
            # A measure of its own, so that strangers who guess cannot keep kernels out.
            if self._guesses.take(now) > 0:
                raise HTTPError(429, "too many proofs that are not good")
            raise HTTPError(403, "this proof is not good")
        if self._bucket.take(now) > 0:
            raise HTTPError(429, "too many kernels ask at once")
        self._forget(now)
        if len(self._nonces) >= NONCES_KEPT:
            raise HTTPError(429, "too many kernels ask at once")
        self._nonces[nonce] = now + 2 * CLOCK_SKEW
        return kernel_id

    def vouch(self, principal: Principal, lifetime: float) -> str:
        """A token for a kernel of another server, which was found to be of this person. Raises HTTPError
        429.
        """
        now = self._clock()
        self._forget(now)
        if principal.user_id not in self._vouched:
            person = person_of(principal.user_id)
            of_one = sum(person_of(name) == person for name in self._vouched)
            if of_one >= VOUCHED_EACH or len(self._vouched) >= VOUCHED_KEPT:
                raise HTTPError(429, "too many kernels of other servers")
        self._vouched[principal.user_id] = now + lifetime
        return self._grant(principal, lifetime, None)

    def revoke(self, principal: Principal) -> None:
        """Take back what was vouched for: its tokens are worth nothing from now on."""
        self._vouched.pop(principal.user_id, None)
        for token in [t for t, g in self._grants.items() if g.principal.user_id == principal.user_id]:
            del self._grants[token]

    def _grant(self, principal: Principal, lifetime: float, kernel_id: str | None) -> str:
        token = secrets.token_urlsafe(32)
        self._grants[token] = _Grant(principal, self._clock() + lifetime, kernel_id)
        return token

    def _over(self, grant: _Grant, now: float) -> bool:
        return grant.expires < now or (grant.kernel_id is not None and self._key_of(grant.kernel_id) is None)

    def _forget(self, now: float) -> None:
        for nonce in [nonce for nonce, until in self._nonces.items() if until < now]:
            del self._nonces[nonce]
        for name in [name for name, until in self._vouched.items() if until < now]:
            del self._vouched[name]
        for token in [t for t, g in self._grants.items() if self._over(g, now)]:
            del self._grants[token]

    def verify(self, token: str) -> tuple[Principal, float] | None:
        """(principal, moment of expiry), or None for a token that is unknown, over, or whose kernel has
        stopped.
        """
        grant = self._grants.get(token)
        if grant is None or self._over(grant, self._clock()):
            self._grants.pop(token, None)
            return None
        return grant.principal, grant.expires

    def is_running(self, principal: Principal) -> bool:
        """Whether a kernel's process is still this server's, or another server still vouches for it."""
        if person_of(principal.user_id) is not None:
            # What was not renewed in time ends with its token (4004); what was taken back, at once.
            return principal.user_id in self._vouched
        return self.runs(principal.user_id.removeprefix("kernel:"))

    def runs(self, kernel_id: str) -> bool:
        return self._key_of(kernel_id) is not None


def kernel(kernel_id: str) -> Principal:
    return Principal(f"kernel:{kernel_id}", f"kernel {kernel_id[:8]}", "kernel")


class IdentityMixin(JupyterHandler):
    """Finds the principal of a request: a kernel by its token header, else the person Jupyter knows."""

    @property
    def hub(self) -> Hub:
        """Raises HTTPError 503 while the server starts or drains, 421 where it has no sessions of its own."""
        hub: Hub | None = self.settings.get(HUB_SLOT)
        if self.client_of is not None:
            raise HTTPError(421, f"the story sessions are kept by {' or '.join(self.client_of.paths)}")
        if hub is None:
            raise HTTPError(503, "the story sessions are starting or stopping; try again")
        return hub

    @property
    def client_of(self) -> ServiceClient | None:
        """The service that keeps the sessions in this server's stead, if one does."""
        found: ServiceClient | None = self.settings.get(CLIENT_SLOT)
        return found

    def kernel_grant(self) -> tuple[Principal, float] | None:
        """The kernel that sent this request. Raises HTTPError 403 for a token that is not good."""
        token = self.request.headers.get(TOKEN_HEADER)
        if token is None:
            return None
        grant = self.hub.tokens.verify(token)
        if grant is None:
            raise HTTPError(403, "the kernel's token is not good")
        return grant

    async def principal(self, action: str, session_id: str | None = None) -> tuple[Principal, float | None]:
        """(who, moment at which the login ends or None). Raises HTTPError 403 for a stranger, or if not
        authorized. Guests are known in their own session alone: `session_id`.
        """
        grant = self.kernel_grant()
        if grant:
            return grant
        user = self.current_user
        if user is None:
            guest = await self.hub.guests.by_cookie(self, session_id) if session_id else None
            if guest is None:
                raise HTTPError(403, "log in first")
            return guest
        if not await ensure_async(self.authorizer.is_authorized(self, user, action, "novel_jupyter")):
            raise HTTPError(403, "you are not authorized to use novel_jupyter here")
        return person(user, self.hub.config.scope_roles), None

    def check_xsrf_cookie(self) -> None:
        """No page of another site can send our header, so a request with it needs no cookie to compare."""
        if self.request.headers.get(TOKEN_HEADER) is None:
            super().check_xsrf_cookie()
