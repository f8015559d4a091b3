"""A person's browser, as far as a Hub sees it: cookies by their paths, redirects, the page's XSRF token.

Law: it has no credential but what the Hub and its servers gave it for this person's password.
Parts: `Browser` (pages, REST, sockets, cells in a kernel), `refused_socket`.
"""

from __future__ import annotations

import ast
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import httpx
from hub.hub import PASSWORD, PATIENCE, HubProcess
from server.wire import PROTOCOL, Wire
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

SERVICE = "services/novel/"


class Browser:
    """`async with Browser(hub, "alice") as alice`: logged in at the Hub."""

    def __init__(self, hub: HubProcess, name: str) -> None:
        self.hub = hub
        self.name = name
        self.http = httpx.AsyncClient(
            base_url=hub.url, follow_redirects=True, trust_env=False, timeout=PATIENCE
        )

    @property
    def home(self) -> str:
        return f"user/{self.name}/"

    async def __aenter__(self) -> Browser:
        page = await self.http.get("hub/login")
        fields = {"username": self.name, "password": PASSWORD, "_xsrf": self.xsrf("hub/")}
        # The page that a login leads to starts a server; what is wanted here is the cookie alone.
        answer = await self.http.post("hub/login?next=%2Fhub%2Ftoken", data=fields)
        assert (page.status_code, answer.status_code) == (200, 200), answer.text
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    def xsrf(self, at: str) -> str:
        """The XSRF token that a page at this path would read."""
        paths = {c.path: c.value for c in self.http.cookies.jar if c.name == "_xsrf"}
        return next((paths[path] or "" for path in (f"/{at}", "/") if path in paths), "")

    async def visit(self, at: str = SERVICE) -> httpx.Response:
        """Open a page of the service, or of another server, and log in there by the Hub."""
        return await self.http.get(f"{at}novel/login")

    async def call(self, method: str, path: str, at: str = SERVICE, **more: Any) -> httpx.Response:
        """What a page at `at` fetches."""
        headers = {"X-XSRFToken": self.xsrf(at), "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
        return await self.http.request(method, at + path, headers=headers, **more)

    def cookies(self, at: str = SERVICE) -> str:
        """The Cookie header that goes to this path."""
        return str(self.http.build_request("GET", at + "novel/api/ws").headers.get("Cookie", ""))

    @asynccontextmanager
    async def socket(
        self, at: str = SERVICE, client: str | None = None, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Wire]:
        """A page's socket at the service, welcomed."""
        async with plain_socket(
            self.hub, at, {"Cookie": self.cookies(at), **(headers or {})}, client or f"{self.name}1"
        ) as wire:
            yield wire

    async def begin(self, **body: object) -> str:
        """A new session of the bundled story; its id."""
        answer = await self.call("POST", "novel/api/sessions", json={"story": "lighthouse", **body})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["session_id"])

    @asynccontextmanager
    async def kernel(self) -> AsyncIterator[Kernel]:
        """A kernel on this person's own server, which runs."""
        await self.visit(self.home)
        answer = await self.call("POST", "api/kernels", self.home, json={"name": "python3"})
        assert answer.status_code == 201, answer.text
        id = str(answer.json()["id"])
        url = f"ws://127.0.0.1:{self.hub.port}/{self.home}api/kernels/{id}/channels"
        headers = {"Cookie": self.cookies(self.home), "Sec-Fetch-Mode": "websocket"}
        async with connect(url, additional_headers=headers, proxy=None, max_size=None) as socket:
            yield Kernel(id, socket)
        await self.call("DELETE", f"api/kernels/{id}", self.home)


class Kernel:
    """A kernel of somebody's server, with a notebook's channels."""

    def __init__(self, id: str, socket: Any) -> None:
        self.id = id
        self._socket = socket

    async def run(self, code: str, value: str = "None") -> Any:
        """Run a cell and return the value of an expression, of plain data, that is computed after it.

        Raises AssertionError with the cell's traceback if it failed.
        """
        id = secrets.token_hex(8)
        header = {"msg_id": id, "msg_type": "execute_request", "username": "", "session": "s"}
        content = {"code": code, "silent": False, "allow_stdin": False, "user_expressions": {"v": value}}
        request = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        await self._socket.send(json.dumps({**request, "channel": "shell"}))
        async for text in self._socket:
            message = json.loads(text)
            if message["parent_header"].get("msg_id") == id and message["msg_type"] == "execute_reply":
                content = message["content"]
                assert content["status"] == "ok", "\n".join(content.get("traceback", []))
                found = content["user_expressions"]["v"]
                assert found["status"] == "ok", "\n".join(found.get("traceback", []))
                return ast.literal_eval(found["data"]["text/plain"])
        raise AssertionError("the kernel's channels were closed")


@asynccontextmanager
async def plain_socket(
    hub: HubProcess,
    at: str,
    headers: Mapping[str, str],
    client: str = "c1",
    query: Mapping[str, str] | None = None,
) -> AsyncIterator[Wire]:
    """A socket with these headers and no other credential. Raises InvalidStatus when refused."""
    sent = {"Sec-Fetch-Mode": "websocket", **headers}
    origin = sent.pop("Origin", hub.url.rstrip("/"))
    url = f"ws://127.0.0.1:{hub.port}/{at}novel/api/ws"
    async with connect(
        url + (f"?{urlencode(query)}" if query else ""),
        subprotocols=[Subprotocol(PROTOCOL)],
        additional_headers=sent,
        origin=Origin(origin),
        proxy=None,
        max_size=None,
        max_queue=None,
        compression=None,
        close_timeout=5,
    ) as socket:
        wire = Wire(socket, client)
        try:
            await wire.expect(lambda m: m["data"]["kind"] == "welcome")
            yield wire
        finally:
            await wire.close()


async def refused_socket(
    hub: HubProcess, at: str, headers: Mapping[str, str], query: Mapping[str, str] | None = None
) -> int:
    """The HTTP status with which a handshake is refused; 101 if it is not."""
    try:
        async with plain_socket(hub, at, headers, query=query):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code
