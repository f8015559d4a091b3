"""Who is at the other end: people by Jupyter's identity provider, kernels by their connection file.

Law: a kernel is its own principal and never a person. It proves itself once with the HMAC key that only it
and its server hold and gets a short-lived token of ours, bound to that kernel and worth nothing once the
kernel is gone. Nothing in a frame or a URL says who somebody is.
Parts: `person`, `KernelTokens` (issue, verify, revoke), `IdentityMixin` for handlers.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from jupyter_server.auth import User
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import ensure_async
from tornado.web import HTTPError

from novel_jupyter.core.limits import TokenBucket
from novel_jupyter.core.policy import Principal

if TYPE_CHECKING:
    from .hub import Hub

TOKEN_HEADER = "X-Novel-Token"
RESERVED = ("kernel:", "person:")
CLOCK_SKEW = 60.0
"""Seconds by which a kernel's clock may differ; nonces are remembered for twice as long."""
NONCES_KEPT = 10_000


def person(user: User) -> Principal:
    """The principal of a logged-in user. A name that could be taken for something else is marked as a
    person's.
    """
    name = user.username
    plain = not name.startswith(RESERVED) and name not in ("host", "server")
    return Principal(name if plain else f"person:{name}", user.display_name or user.name or name)


@dataclass(frozen=True, slots=True, repr=False)
class _Grant:
    kernel_id: str
    expires: float


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
        self._nonces: dict[str, float] = {}
        self._bucket = TokenBucket(rate=50.0, burst=200.0)
        self._guesses = TokenBucket(rate=5.0, burst=50.0)

    def issue(self, claim: Mapping[str, object]) -> tuple[str, float, Principal]:
        """(token, seconds it lasts, principal) for a proven claim. Raises HTTPError 400, 403 or 429."""
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
        good = same and key is not None and abs(now - ts) <= CLOCK_SKEW
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
        token = secrets.token_urlsafe(32)
        self._grants[token] = _Grant(kernel_id, now + self._lifetime)
        return token, self._lifetime, kernel(kernel_id)

    def _forget(self, now: float) -> None:
        for nonce in [nonce for nonce, until in self._nonces.items() if until < now]:
            del self._nonces[nonce]
        for token in [
            t for t, g in self._grants.items() if g.expires < now or self._key_of(g.kernel_id) is None
        ]:
            del self._grants[token]

    def verify(self, token: str) -> tuple[Principal, float] | None:
        """(principal, moment of expiry), or None for a token that is unknown, over, or whose kernel has
        stopped.
        """
        grant = self._grants.get(token)
        if grant is None or grant.expires < self._clock() or self._key_of(grant.kernel_id) is None:
            self._grants.pop(token, None)
            return None
        return kernel(grant.kernel_id), grant.expires

    def is_running(self, principal: Principal) -> bool:
        """Whether a kernel's process is still this server's."""
        return self._key_of(principal.user_id.removeprefix("kernel:")) is not None


def kernel(kernel_id: str) -> Principal:
    return Principal(f"kernel:{kernel_id}", f"kernel {kernel_id[:8]}", "kernel")


class IdentityMixin(JupyterHandler):
    """Finds the principal of a request: a kernel by its token header, else the person Jupyter knows."""

    @property
    def hub(self) -> Hub:
        """Raises HTTPError 503 while the server starts or drains."""
        hub: Hub | None = self.settings.get("novel_jupyter")
        if hub is None:
            raise HTTPError(503, "the story sessions are starting or stopping; try again")
        return hub

    def kernel_grant(self) -> tuple[Principal, float] | None:
        """The kernel that sent this request. Raises HTTPError 403 for a token that is not good."""
        token = self.request.headers.get(TOKEN_HEADER)
        if token is None:
            return None
        grant = self.hub.tokens.verify(token)
        if grant is None:
            raise HTTPError(403, "the kernel's token is not good")
        return grant

    async def principal(self, action: str) -> tuple[Principal, float | None]:
        """(who, moment at which the login ends or None). Raises HTTPError 403 for a stranger, or if not
        authorized.
        """
        grant = self.kernel_grant()
        if grant:
            return grant
        user = self.current_user
        if user is None:
            raise HTTPError(403, "log in first")
        if not await ensure_async(self.authorizer.is_authorized(self, user, action, "novel_jupyter")):
            raise HTTPError(403, "you are not authorized to use novel_jupyter here")
        return person(user), None

    def check_xsrf_cookie(self) -> None:
        """No page of another site can send our header, so a request with it needs no cookie to compare."""
        if self.request.headers.get(TOKEN_HEADER) is None:
            super().check_xsrf_cookie()
