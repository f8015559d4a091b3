"""A guest's cookie and the rest of Jupyter: JupyterLab, collaboration, terminals, kernels, files (SPEC R101).

Law: what is refused is there and answers its owner, or the test would show nothing. The cookie is sent as an
attacker would: with every request, and as whatever Jupyter takes for a credential.
Parts: where a browser sends the cookie, what it does not open by HTTP, nor by WebSocket.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from server.test_guests import arrive, browser, invite
from server.wire import PATIENCE, create
from websockets.asyncio.client import connect as websocket
from websockets.exceptions import InvalidStatus

from novel_jupyter.testing import ServerProcess

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

READ = (
    *("api/contents", "api/contents/x.ipynb", "api/contents/x.ipynb/checkpoints", "files/x.ipynb"),
    *("view/x.ipynb", "nbconvert/html/x.ipynb", "edit/x.ipynb", "notebooks/x.ipynb", "doc/tree/x.ipynb"),
    *("api/kernels", "api/kernels/KERNEL", "api/kernelspecs", "api/sessions", "api/terminals"),
    *(
        "api/terminals/1",
        "api/me",
        "api/status",
        "api/config/x",
        "lab",
        "lab/tree/x.ipynb",
        "lab/api/settings",
    ),
    *("lab/api/workspaces", "lab/api/translations", "lab/api/listings", "tree", "consoles/x.ipynb"),
    *("terminals/1", "metrics", "lsp/status"),
    *("novel/", "novel/api/sessions", "novel/api/stories", "novel/api/service"),
)
WRITE: tuple[tuple[str, str, object], ...] = (
    ("POST", "api/kernels", {}),
    ("DELETE", "api/kernels/KERNEL", None),
    ("POST", "api/kernels/KERNEL/interrupt", {}),
    ("POST", "api/kernels/KERNEL/restart", {}),
    ("POST", "api/contents", {"type": "notebook"}),
    ("PUT", "api/contents/y.txt", {"type": "file", "format": "text", "content": "x"}),
    ("PATCH", "api/contents/x.ipynb", {"path": "y.ipynb"}),
    ("DELETE", "api/contents/x.ipynb", None),
    ("POST", "api/sessions", {"path": "x", "type": "notebook", "name": "x", "kernel": {"id": "KERNEL"}}),
    ("POST", "api/terminals", {}),
    ("DELETE", "api/terminals/1", None),
    ("PUT", "lab/api/settings/@jupyterlab/apputils-extension:themes", {"raw": "{}"}),
    ("PUT", "lab/api/workspaces/x", {"data": {}, "metadata": {"id": "x"}}),
    ("PUT", "api/collaboration/session/x.ipynb", {"format": "json", "type": "notebook"}),
    ("POST", "api/shutdown", {}),
    ("POST", "novel/api/sessions", {"story": "lighthouse"}),
    ("POST", "novel/api/kernel-grant/KERNEL", {}),
    ("POST", "novel/api/sessions/SESSION/host", {}),
    ("DELETE", "novel/api/sessions/SESSION/host", None),
    ("GET", "novel/api/sessions/SESSION/invites", None),
    ("POST", "novel/api/sessions/SESSION/invites", {"role": "player"}),
    ("DELETE", "novel/api/sessions/SESSION/invites/1", None),
    ("POST", "novel/api/sessions/SESSION/archive", {}),
)
SOCKETS = (
    "api/kernels/KERNEL/channels",
    "terminals/websocket/1",
    "api/events/subscribe",
    "api/collaboration/room/JupyterLab:globalAwareness",
)


class Whole(ServerProcess):
    """A server with all that is installed."""

    without = ()


@dataclass(frozen=True)
class Place:
    """A server with a running kernel, a terminal and a notebook, and a guest's way to it."""

    server: ServerProcess
    admin: httpx.AsyncClient
    guest: httpx.AsyncClient
    session: str
    kernel: str
    cookie: str
    """`name=value`."""

    @property
    def value(self) -> str:
        return self.cookie.partition("=")[2]

    def at(self, path: str) -> str:
        return path.replace("KERNEL", self.kernel).replace("SESSION", self.session)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with Whole(tmp_path_factory.mktemp("whole"), ("alice",)) as found:
        yield found


@asynccontextmanager
async def place(server: ServerProcess) -> AsyncIterator[Place]:
    login = {"Authorization": f"token {server.admin_token}"}
    admin = httpx.AsyncClient(base_url=server.url, headers=login, trust_env=False, timeout=PATIENCE)
    async with admin, browser(server) as guest:
        session = await create(server)
        made = await admin.post("api/kernels", json={})
        assert made.status_code == 201, made.text
        notebook = {"type": "notebook", "format": "json", "content": EMPTY}
        assert (await admin.put("api/contents/x.ipynb", json=notebook)).status_code in (200, 201)
        assert (await admin.post("api/terminals", json={})).status_code == 200
        assert (await arrive(guest, await invite(server, session))).status_code == 201
        cookie = next(c for c in guest.cookies.jar if c.name.startswith("novel-guest-"))
        yield Place(server, admin, guest, session, made.json()["id"], f"{cookie.name}={cookie.value}")
        for terminal in (await admin.get("api/terminals")).json():
            await admin.delete(f"api/terminals/{terminal['name']}")
        for kernel in (await admin.get("api/kernels")).json():
            await admin.delete(f"api/kernels/{kernel['id']}")


EMPTY = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def refused(answer: httpx.Response) -> bool:
    to_login = answer.status_code == 302 and "/login" in answer.headers.get("location", "")
    return answer.status_code in (401, 403) or to_login


async def test_a_browser_sends_it_to_the_stories_alone(whole: ServerProcess) -> None:
    async with place(whole) as here:
        for path in ("api/contents", "lab", "api/kernels", "novelx", "user/alice/novel/api/me"):
            sent = here.guest.build_request("GET", path).headers.get("Cookie", "")
            assert "novel-guest-" not in sent, path
        sent = here.guest.build_request("GET", f"novel/api/sessions/{here.session}/me").headers["Cookie"]
        assert here.cookie in sent


async def test_it_opens_nothing_else_by_http(whole: ServerProcess) -> None:
    async with place(whole) as here:
        headers = {"Cookie": f"{here.cookie}; _xsrf={here.guest.cookies['_xsrf']}"}
        headers["X-XSRFToken"] = here.guest.cookies["_xsrf"]
        attacker = httpx.AsyncClient(base_url=whole.url, headers=headers, trust_env=False, timeout=PATIENCE)
        async with attacker:
            mine = await attacker.get(f"novel/api/sessions/{here.session}/me")
            assert (mine.status_code, mine.json()["guest"]) == (200, True)
            for path in map(here.at, READ):
                answer = await here.admin.get(path)
                assert answer.status_code not in (401, 403, 404), (path, answer.status_code)
                answer = await attacker.get(path)
                assert refused(answer), (path, answer.status_code)
            for method, path, body in WRITE:
                answer = await attacker.request(method, here.at(path), json=body)
                assert refused(answer), (method, path, answer.status_code)
            # Neither is it a token of Jupyter's own.
            for way in ({"Authorization": f"token {here.value}"}, {"Authorization": f"Bearer {here.value}"}):
                assert refused(await attacker.get("api/contents", headers=way))
            assert refused(await attacker.get(f"api/contents?token={here.value}"))
        # And nothing of it happened.
        assert (await here.admin.get(f"api/kernels/{here.kernel}")).status_code == 200
        assert len((await here.admin.get("api/kernels")).json()) == 1
        names = [file["name"] for file in (await here.admin.get("api/contents")).json()["content"]]
        assert names == ["x.ipynb"]


async def test_it_opens_no_other_socket(whole: ServerProcess) -> None:
    async with place(whole) as here:

        async def status(path: str, headers: dict[str, str]) -> int:
            url = f"ws://127.0.0.1:{whole.port}/{here.at(path)}"
            try:
                async with websocket(url, additional_headers=headers, proxy=None, max_size=None):
                    return 101
            except InvalidStatus as refusal:
                return refusal.response.status_code

        # The client follows redirects: 200 is the login page.
        no = (200, 401, 403)
        for path in SOCKETS:
            assert await status(path, {"Authorization": f"token {whole.admin_token}"}) == 101, path
            for headers in (
                {"Cookie": here.cookie},
                {"Authorization": f"token {here.value}"},
                {"Cookie": here.cookie, "Origin": whole.url.rstrip("/")},
            ):
                assert await status(path, headers) in no, path
            assert await status(f"{path}?token={here.value}", {"Cookie": here.cookie}) in no, path
