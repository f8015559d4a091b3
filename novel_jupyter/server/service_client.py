"""A server without sessions: the stories are with a service, and this server vouches for its kernels there.

Law: the token by which the Hub knows this server goes to the service and the Hub alone; a kernel proves
itself to its own server, as everywhere, and is handed a token that is good for that kernel and for a short
time. What a kernel gets can never act as a person.
Parts: `ServiceClient`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Literal
from urllib.parse import urlsplit
from zlib import crc32

import orjson
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse
from tornado.web import HTTPError

from .events_log import Log
from .identity import KernelTokens

SERVER_TOKEN_HEADER: Final = "X-Novel-Server-Token"
"""By which one server knows another; a name of its own, so that nothing takes it for a person's."""
ANSWER_SECONDS: Final = 10.0
LOOK_EVERY: Final = 2.0
"""Seconds between looks at which kernels have stopped."""


class ServiceClient:
    """`urls` are the replicas as this machine reaches them; browsers reach their paths on the Hub's address.

    Raises ValueError for what is no address.
    """

    def __init__(self, urls: Sequence[str], server_token: str, tokens: KernelTokens, log: Log) -> None:
        parts = [urlsplit(url) for url in urls]
        if not all(part.scheme in ("http", "https") and part.netloc for part in parts):
            raise ValueError("NovelApp.service_urls: an address begins with http:// or https://")
        self.urls = [f"{part.scheme}://{part.netloc}{part.path.rstrip('/')}/" for part in parts]
        self.paths = [f"{part.path.rstrip('/')}/" for part in parts]
        self.tokens = tokens
        self._server_token = server_token
        self._log = log
        self._at: dict[str, str] = {}
        """Kernel → the replica that holds its token."""
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._looking = asyncio.get_running_loop().create_task(self._look())

    async def close(self) -> None:
        """The kernels end with their server, and their tokens with them."""
        if self._looking is not None:
            self._looking.cancel()
        await asyncio.gather(*(self._revoke(kernel_id) for kernel_id in list(self._at)))

    async def kernel_token(self, kernel_id: str) -> dict[str, object]:
        """The service's answer for a kernel that proved itself: token, expires_in, user_id, base_url.

        Raises HTTPError 401 where the service does not let it in, 503 where no replica answers.
        """
        # The one that has served it; then the others, which are asked in turn while that one is away.
        first = self._at.get(kernel_id) or self.urls[crc32(kernel_id.encode()) % len(self.urls)]
        for url in sorted(self.urls, key=lambda url: url != first):
            answer = await self._ask("POST", url, kernel_id)
            if answer is None or answer.code >= 500:
                continue
            if answer.code in (401, 403):
                raise HTTPError(401, "the service does not let kernels of this server in")
            if answer.code != 200:
                raise HTTPError(503, f"the service answered HTTP {answer.code}")
            self._at[kernel_id] = url
            granted: dict[str, object] = orjson.loads(answer.body)
            return {**granted, "base_url": url}
        raise HTTPError(503, "the service that keeps the sessions does not answer")

    async def _ask(self, method: Literal["POST", "DELETE"], url: str, kernel_id: str) -> HTTPResponse | None:
        request = HTTPRequest(
            f"{url}novel/api/kernel-grant/{kernel_id}",
            method=method,
            headers={SERVER_TOKEN_HEADER: self._server_token, "Accept": "application/json"},
            body="" if method == "POST" else None,
            connect_timeout=ANSWER_SECONDS,
            request_timeout=ANSWER_SECONDS,
            follow_redirects=False,
        )
        client: Any = AsyncHTTPClient(force_instance=True)
        try:
            return await client.fetch(request, raise_error=False)  # type: ignore[no-any-return]
        except (OSError, HTTPClientError) as error:
            self._log.info("service_unreachable", service=url, why=type(error).__name__)
            return None
        finally:
            client.close()

    async def _revoke(self, kernel_id: str) -> None:
        await self._ask("DELETE", self._at.pop(kernel_id), kernel_id)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            for kernel_id in [k for k in self._at if not self.tokens.runs(k)]:
                await self._revoke(kernel_id)
