"""Who is asking: the login of a kernel and of a person, and the REST calls made with it.

Law: a kernel proves itself with the HMAC key of its own connection file and then uses the short-lived token
that it got for it; it never uses the server's token, though it could see it. A person's script keeps the
cookie of its first answer, so that it stays one user. Secrets are in no repr, log or exception.
Parts: `Login` (the port), `KernelLogin`, `PersonLogin`, `call` (one REST request).
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from collections.abc import Mapping
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from typing import Final, Literal, Protocol, cast
from urllib.parse import urlsplit

import orjson
from pydantic import JsonValue
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse

from .errors import CommandRefused, LoginRefused, NovelError, Unreachable

TOKEN_HEADER: Final = "X-Novel-Token"
REQUEST_SECONDS: Final = 30.0
RENEW_AT: Final = 0.8
"""The part of its life after which a token is renewed."""


class Login(Protocol):
    """A server and a credential for it."""

    @property
    def base_url(self) -> str:
        """Ends with a slash."""

    async def headers(self, *, fresh: bool = False) -> dict[str, str]:
        """The headers that identify the caller; `fresh`: the old ones were not taken. Raises NovelError."""

    def renew_in(self) -> float | None:
        """Seconds until the credential should be renewed; None: never."""

    async def renewal(self) -> str | None:
        """A fresh token for an open connection, or None if it needs none. Raises NovelError."""


class KernelLogin:
    """A kernel, known by its connection file. `key` is that file's HMAC key.

    It asks at home, at the server that started it. Where a service keeps the sessions in that server's stead,
    the answer says where, and `base_url` is that from then on.
    """

    def __init__(self, base_url: str, kernel_id: str, key: bytes) -> None:
        self.base_url = self._home = _with_slash(base_url)
        self.kernel_id = kernel_id
        self._key = key
        self._token = ""
        self._renew_at = 0.0
        self._lock = asyncio.Lock()

    def __repr__(self) -> str:
        return f"KernelLogin({self.base_url!r}, {self.kernel_id!r})"

    async def headers(self, *, fresh: bool = False) -> dict[str, str]:
        async with self._lock:
            if fresh or time.monotonic() >= self._renew_at:
                await self._obtain()
            return {TOKEN_HEADER: self._token}

    def renew_in(self) -> float | None:
        return max(0.0, self._renew_at - time.monotonic())

    async def renewal(self) -> str | None:
        return (await self.headers(fresh=True))[TOKEN_HEADER]

    async def _obtain(self) -> None:
        ts, nonce = int(time.time()), secrets.token_hex(16)
        said = f"novel_jupyter:{self.kernel_id}:{ts}:{nonce}".encode()
        proof = hmac.new(self._key, said, sha256).hexdigest()
        claim: dict[str, JsonValue] = {
            "kernel_id": self.kernel_id,
            "ts": ts,
            "nonce": nonce,
            "hmac": proof,
        }
        response = await _fetch(self._home, "POST", "novel/api/kernel-token", {}, claim)
        if response.code == 404:
            raise LoginRefused(f"the server at {self._home} does not have novel_jupyter enabled")
        if response.code == 401:
            raise LoginRefused(
                f"the service behind {self._home} does not let its kernels in: whoever runs the Hub can"
            )
        if response.code == 403:
            raise LoginRefused(
                f"the server at {self._home} does not know kernel {self.kernel_id}: "
                "it takes only kernels that it runs"
            )
        granted = cast(dict[str, JsonValue], _answer(self._home, response))
        self.base_url = _with_slash(str(granted.get("base_url") or self._home))
        self._token = str(granted["token"])
        self._renew_at = time.monotonic() + RENEW_AT * float(cast(float, granted["expires_in"]))


class PersonLogin:
    """A person's script: Jupyter's token, or headers of one's own (such as a cookie)."""

    def __init__(
        self, base_url: str, token: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        self.base_url = _with_slash(base_url)
        self._token = token
        self._headers = dict(headers or {})
        self._cookies: dict[str, str] | None = None
        self._lock = asyncio.Lock()

    def __repr__(self) -> str:
        return f"PersonLogin({self.base_url!r})"

    async def headers(self, *, fresh: bool = False) -> dict[str, str]:
        if self._token is None:
            return self._with_xsrf(dict(self._headers))
        async with self._lock:
            authorized = {**self._headers, "Authorization": f"token {self._token}"}
            if self._cookies is None:
                # With a plain token each request is a new anonymous user, unless it brings this cookie.
                response = await _fetch(self.base_url, "GET", "api/me", authorized)
                if response.code in (401, 403):
                    raise LoginRefused(f"the server at {self.base_url} does not take this token")
                _answer(self.base_url, response)
                self._cookies = _cookies(response)
            if self._cookies:
                authorized["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
            return authorized

    def renew_in(self) -> float | None:
        return None

    async def renewal(self) -> str | None:
        return None

    def _with_xsrf(self, headers: dict[str, str]) -> dict[str, str]:
        """A request that brings a cookie repeats its `_xsrf` in a header, as a page would."""
        try:
            cookies = SimpleCookie(headers.get("Cookie", ""))
        except CookieError:
            return headers
        if "_xsrf" in cookies:
            headers.setdefault("X-XSRFToken", cookies["_xsrf"].value)
        return headers


async def call(
    login: Login,
    method: Literal["GET", "POST"],
    path: str,
    body: Mapping[str, JsonValue] | None = None,
) -> JsonValue:
    """One REST request below `base_url`, and its JSON. Raises CommandRefused, LoginRefused, Unreachable."""
    headers = await login.headers()  # which may find out where to ask
    response = await _fetch(login.base_url, method, path, headers, body)
    if response.code in (401, 403) and login.renew_in() is not None:
        headers = await login.headers(fresh=True)
        response = await _fetch(login.base_url, method, path, headers, body)
    return _answer(login.base_url, response)


async def _fetch(
    base_url: str,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: Mapping[str, JsonValue] | None = None,
) -> HTTPResponse:
    request = HTTPRequest(
        base_url + path,
        method=method,
        headers={"Accept": "application/json", "Content-Type": "application/json", **headers},
        body=orjson.dumps(body or {}) if method == "POST" else None,
        request_timeout=REQUEST_SECONDS,
        connect_timeout=REQUEST_SECONDS,
        follow_redirects=False,
    )
    # An instance of one's own: the shared one belongs to whoever configured it first.
    client = AsyncHTTPClient(force_instance=True)
    try:
        return await client.fetch(request, raise_error=False)
    except (OSError, HTTPClientError) as error:
        raise Unreachable(base_url, describe(error)) from None
    finally:
        client.close()


def _answer(base_url: str, response: HTTPResponse) -> JsonValue:
    if response.code == 599:
        raise Unreachable(base_url, describe(response.error) if response.error else "no answer")
    if 300 <= response.code < 400:
        raise LoginRefused(f"the server at {base_url} asks for a login")
    try:
        data = cast(JsonValue, orjson.loads(response.body or b"null"))
    except orjson.JSONDecodeError:
        data = None
    if response.code < 400:
        return data
    if isinstance(data, dict) and isinstance(data.get("code"), str):
        more = {key: value for key, value in data.items() if key not in ("code", "message")}
        raise CommandRefused(str(data["code"]), str(data.get("message", "")), more)
    if response.code in (401, 403):
        raise LoginRefused(f"the server at {base_url} refused the request ({response.code})")
    if response.code in (502, 503, 504):
        raise Unreachable(base_url, f"HTTP {response.code}")
    raise NovelError(
        f"the server at {base_url} answered HTTP {response.code} {response.reason or ''}".rstrip()
    )


def describe(error: BaseException) -> str:
    """What went wrong, without anything of the request in it."""
    if isinstance(error, HTTPClientError):
        return f"HTTP {error.code}" if error.code != 599 else "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return type(error).__name__


def _cookies(response: HTTPResponse) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in response.headers.get_list("Set-Cookie"):
        name, equals, rest = line.partition("=")
        if equals:
            found[name.strip()] = rest.partition(";")[0].strip()
    return found


def _with_slash(url: str) -> str:
    """`url` without its query, ending with a slash. Raises ValueError for what is no http address."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError(f"an address begins with http:// or https://, not {url[:20]!r}")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/"
