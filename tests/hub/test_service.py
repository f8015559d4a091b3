"""The service keeps stories and does nothing else: nobody runs code, reads files or opens terminals there.

Law: the paths are those of a Jupyter server with everything that may be loaded into it. Whoever may use the
service is refused all the same.
"""

from __future__ import annotations

import pytest
from hub.browser import SERVICE, Browser, refused_socket
from hub.hub import HubProcess
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

pytestmark = pytest.mark.process

CHANNELS = "api/kernels/00000000-0000-0000-0000-000000000000/channels"
REFUSED = [
    ("GET", "api/kernels"),
    ("POST", "api/kernels"),
    ("GET", CHANNELS),
    ("GET", "api/kernelspecs"),
    ("GET", "kernelspecs/python3/logo-64x64.png"),
    ("GET", "api/sessions"),
    ("POST", "api/sessions"),
    ("GET", "api/contents"),
    ("PUT", "api/contents/x.txt"),
    ("POST", "api/contents/x/checkpoints"),
    ("GET", "files/x.txt"),
    ("GET", "view/x.txt"),
    ("GET", "nbconvert/html/x.ipynb"),
    ("POST", "nbconvert/html"),
    ("GET", "api/nbconvert"),
    ("GET", "api/terminals"),
    ("POST", "api/terminals"),
    ("GET", "terminals/1"),
    ("POST", "api/shutdown"),
    ("GET", "api/status"),
    ("GET", "api/config/x"),
    ("PUT", "api/config/x"),
    ("POST", "api/events"),
    ("GET", "api/spec.yaml"),
    ("GET", "lab"),
    ("GET", "lab/api/settings"),
    ("GET", "tree"),
    ("GET", "edit/x.txt"),
    ("GET", "proxy/1"),
]
SOCKETS = [
    CHANNELS,
    "api/events/subscribe",
    "terminals/websocket/1",
    "lsp/ws/x",
]


@pytest.mark.asyncio
async def test_the_service_does_nothing_but_stories(hub: HubProcess) -> None:
    async with Browser(hub, "alice") as alice:
        await alice.visit()
        me = await alice.call("GET", "api/me")
        assert (me.status_code, me.json()["identity"]["username"]) == (200, "alice")
        assert (await alice.call("GET", "novel/api/stories")).status_code == 200
        # Numbers without names, for whoever may use the service.
        assert "alice" not in (await alice.call("GET", "metrics")).text
        statuses = {}
        for method, path in REFUSED:
            answer = await alice.call(method, path, follow_redirects=False)
            statuses[method, path] = answer.status_code
        for path in SOCKETS:
            url = f"ws://127.0.0.1:{hub.port}/{SERVICE}{path}"
            with pytest.raises(InvalidStatus) as refused:
                async with connect(url, additional_headers={"Cookie": alice.cookies()}, proxy=None):
                    pass
            statuses["WS", path] = refused.value.response.status_code
        assert {key: s for key, s in statuses.items() if s not in (403, 404)} == {}


@pytest.mark.asyncio
async def test_who_may_not_use_it_is_not_let_in(hub: HubProcess) -> None:
    async with Browser(hub, "stranger") as stranger:
        page = await stranger.visit()
        assert (page.status_code, "logged in" in page.text) == (403, False)
        assert (await stranger.call("GET", "novel/api/stories")).status_code == 403
        assert await refused_socket(hub, SERVICE, {"Cookie": stranger.cookies()}) == 403
        assert await refused_socket(hub, SERVICE, {}) == 403


@pytest.mark.asyncio
async def test_a_login_leads_back_and_nowhere_else(hub: HubProcess) -> None:
    async with Browser(hub, "bob") as bob:
        await bob.visit()
        for wanted, status in {
            "/services/novel/novel/api/stories": 302,
            "/user/bob/lab?x=1#y": 302,
            "//evil.example/": 200,
            "/\\evil.example/": 200,
            "https://evil.example/": 200,
            "javascript:alert(1)": 200,
            "/a\\b": 200,
            "": 200,
        }.items():
            answer = await bob.http.get(
                f"{SERVICE}novel/login", params={"next": wanted}, follow_redirects=False
            )
            assert answer.status_code == status, wanted
            assert answer.headers.get("Location") == (wanted if status == 302 else None)
