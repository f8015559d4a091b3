"""REST, for who comes and from where: credentials of kernels, the service behind a server, a login page.

Law: nothing here believes a name. A kernel proves itself by its connection file's key, and a server by the
token by which the Hub knows it; the Hub says whose that is. No answer holds a credential of anybody else.
Parts: `HubAsking`, one handler for each resource, `HANDLERS`.
"""

from __future__ import annotations

import asyncio
import re
import time
from hashlib import sha256
from typing import Any

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from tornado.web import HTTPError, authenticated

from novel_jupyter.core.limits import TokenBucket
from novel_jupyter.core.policy import Principal

from .identity import entry_of, person_id
from .rest import NovelHandler
from .service_client import SERVER_TOKEN_HEADER

HUB_ASKED_AT_ONCE = 8
HUB_WAITING = 1000
"""Servers that may wait until the Hub can be asked, those that it knows and others each."""
HUB_KNOWN = 5000
"""Servers whose token the Hub knew when it was asked last."""


class KernelTokenHandler(NovelHandler):
    @allow_unauthenticated
    async def post(self) -> None:
        """A token for a kernel that proves itself with its connection file's key: for the service's, if a
        service keeps the sessions.
        """
        claim, service = self.body(), self.client_of
        if service is not None:
            return self.answer(await service.kernel_token(service.tokens.prove(claim)))
        token, lifetime, principal = self.hub.tokens.issue(claim)
        self.answer({"token": token, "expires_in": lifetime, "user_id": principal.user_id})

    def check_xsrf_cookie(self) -> None:
        """No cookie is looked at here: the proof is the credential."""


class HubAsking:
    """Asks the Hub for servers, a few at a time. Strangers with tokens that they made up do not keep those
    waiting whom the Hub has vouched for, and after so many of them every stranger waits.
    """

    def __init__(self) -> None:
        self._known: dict[str, None] = {}
        self._made_up = TokenBucket(rate=5.0, burst=50.0)
        self._gates = {known: asyncio.Semaphore(HUB_ASKED_AT_ONCE) for known in (False, True)}
        self._waiting = {False: 0, True: 0}

    async def user_of(self, auth: Any, token: str) -> dict[str, Any] | None:
        """Whose token it is, or None. Raises HTTPError 429, 503."""
        name = sha256(token.encode()).hexdigest()
        known = name in self._known
        if self._waiting[known] >= HUB_WAITING:
            raise HTTPError(429, "too many servers at once")
        self._waiting[known] += 1
        try:
            async with self._gates[known]:
                if not known and self._made_up.wait(time.monotonic()) > 0:
                    raise HTTPError(429, "too many servers that nobody knows")
                found = await self._ask(auth, token)
        finally:
            self._waiting[known] -= 1
        self._known.pop(name, None)
        if found is None:
            self._made_up.take(time.monotonic())
            return None
        self._known[name] = None
        while len(self._known) > HUB_KNOWN:
            del self._known[next(iter(self._known))]
        return found

    @staticmethod
    async def _ask(auth: Any, token: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] | None = await auth.user_for_token(token, use_cache=False, sync=False)
        except HTTPError:
            raise HTTPError(503, "the Hub does not answer") from None
        return found


class KernelGrantHandler(NovelHandler):
    """Kernels of the Hub's single-user servers. Each server speaks for its own user, as far as the Hub lets
    it: its token must have the scope `NovelApp.kernel_scope`.
    """

    @allow_unauthenticated
    async def post(self, kernel_id: str) -> None:
        """A short-lived token for a kernel of the server that asks."""
        principal, config = await self._vouched(kernel_id), self.hub.config
        # Who loses the right to be here is not renewed: that takes no longer than for a person's socket.
        lifetime = min(config.kernel_token_lifetime, max(config.recheck_interval, 10.0))
        token = self.hub.tokens.vouch(principal, lifetime)
        self.answer({"token": token, "expires_in": lifetime, "user_id": principal.user_id})

    @allow_unauthenticated
    async def delete(self, kernel_id: str) -> None:
        """The kernel has stopped."""
        self.hub.tokens.revoke(await self._vouched(kernel_id))
        self.answer({})

    async def _vouched(self, kernel_id: str) -> Principal:
        """The kernel as one of the user whose server asks. Raises HTTPError 403, or 503 without the Hub."""
        config, auth = self.hub.config, getattr(self.identity_provider, "hub_auth", None)
        token = self.request.headers.get(SERVER_TOKEN_HEADER)
        if auth is None or not token or not token.isascii():
            raise HTTPError(403, "this takes a server of the same Hub")
        user = await self._user_of(auth, token)
        if user is None or user.get("kind") != "user" or config.kernel_scope not in user.get("scopes", ()):
            raise HTTPError(403, "this takes a server of the same Hub, and a user whose kernels may host")
        person = person_id(str(user["name"]))
        entry = entry_of(user["scopes"], config.scope_roles)
        return Principal(
            f"kernel:{person}:{kernel_id}", f"kernel {kernel_id[:8]} of {person}", "kernel", entry
        )

    async def _user_of(self, auth: Any, token: str) -> dict[str, Any] | None:
        """Whose token it is, or None. Raises HTTPError 429, 503."""
        hub: HubAsking = self.settings.setdefault("novel_jupyter_hub_asking", HubAsking())
        return await hub.user_of(auth, token)

    def check_xsrf_cookie(self) -> None:
        """No cookie is looked at here: the server's token is the credential."""


class ServiceHandler(NovelHandler):
    @authenticated
    async def get(self) -> None:
        """Where the sessions of this server are: paths of a service's replicas on the address that the
        browser is at, any of which will do; an empty list where they are here.
        """
        self.answer({"service_urls": self.client_of.paths if self.client_of else []})


class LoginHandler(JupyterHandler):
    """A page that needs a login and leads back: for pages of other servers that want a cookie of this one."""

    @authenticated
    async def get(self) -> None:
        wanted = self.get_argument("next", "")
        # A path on this very host; what a browser would read as another host's is none.
        if re.fullmatch(r"/(?![/\\])[!-\[\]-~]*", wanted):
            self.redirect(wanted)
        else:
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish("You are logged in, and can close this page.\n")


_KERNEL = r"([0-9A-Za-z_-]{1,64})"
HANDLERS: list[tuple[str, type[JupyterHandler]]] = [
    (r"/novel/api/kernel-token", KernelTokenHandler),
    (rf"/novel/api/kernel-grant/{_KERNEL}", KernelGrantHandler),
    (r"/novel/api/service", ServiceHandler),
    (r"/novel/login", LoginHandler),
]
