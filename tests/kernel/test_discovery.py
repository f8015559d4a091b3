"""Where a kernel finds its server, what it says when it finds none, and that secrets stay where they are.

Law: a made-up runtime directory stands in for the machine's.
Parts: finding, not finding, the kernel's and the person's login, secrets.
"""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest
from kernel.scripted import ScriptedServer
from tornado.web import RequestHandler

from novel_jupyter.kernel.access import KernelLogin, PersonLogin, call
from novel_jupyter.kernel.discovery import Surroundings, find
from novel_jupyter.kernel.errors import LoginRefused, NoServer

KERNEL_KEY = "key-of-the-connection-file"
SERVER_TOKEN = "token-of-the-server"


def around(tmp_path: Path, *, kernel: bool = True, **environ: str) -> Surroundings:
    (tmp_path / "jpserver-77.json").write_text(
        json.dumps({"url": "http://127.0.0.1:8888/lab/", "token": SERVER_TOKEN, "pid": 77})
    )
    (tmp_path / "jpserver-78.json").write_text(json.dumps({"url": "http+unix://sock", "token": SERVER_TOKEN}))
    file = tmp_path / "kernel-4f1c.json"
    file.write_text(json.dumps({"key": KERNEL_KEY, "shell_port": 1}))
    return Surroundings({"JUPYTER_TOKEN": SERVER_TOKEN, **environ}, tmp_path, file if kernel else None)


# --- finding


def test_a_kernel_finds_its_server_by_its_parent(tmp_path: Path) -> None:
    login = find(around=around(tmp_path, JPY_PARENT_PID="77"))
    assert isinstance(login, KernelLogin)
    assert (login.base_url, login.kernel_id) == ("http://127.0.0.1:8888/lab/", "4f1c")


def test_a_kernel_on_a_hub_finds_its_server_by_the_service(tmp_path: Path) -> None:
    login = find(
        around=around(tmp_path, JPY_PARENT_PID="5", JUPYTERHUB_SERVICE_URL="http://0.0.0.0:8081/user/ana/")
    )
    assert login.base_url == "http://127.0.0.1:8081/user/ana/"


def test_what_the_caller_says_comes_first(tmp_path: Path) -> None:
    here = around(tmp_path, JPY_PARENT_PID="77")
    login = find("http://elsewhere:9/", around=here)
    assert isinstance(login, KernelLogin)
    assert login.base_url == "http://elsewhere:9/"
    person = find("http://elsewhere:9/base?token=abc", around=here)
    assert isinstance(person, PersonLogin)
    assert person.base_url == "http://elsewhere:9/base/"
    assert isinstance(find("http://elsewhere:9", headers={"Cookie": "a=b"}, around=here), PersonLogin)


# --- not finding


@pytest.mark.parametrize(
    ("kernel", "environ", "tried"),
    [
        (False, {}, "not a Jupyter kernel"),
        (True, {}, "JPY_PARENT_PID: not set"),
        (True, {"JPY_PARENT_PID": "5"}, "jpserver-5.json"),
        (True, {"JPY_PARENT_PID": "78"}, "no address that a socket can reach"),
        (True, {"JPY_PARENT_PID": "77x"}, "JPY_PARENT_PID: not set"),
    ],
)
def test_no_server_says_what_was_tried(
    tmp_path: Path, kernel: bool, environ: dict[str, str], tried: str
) -> None:
    with pytest.raises(NoServer, match="pass url=") as caught:
        find(around=around(tmp_path, kernel=kernel, **environ))
    assert tried in str(caught.value)
    assert any(tried in step for step in caught.value.tried)
    assert SERVER_TOKEN not in str(caught.value)


def test_a_kernel_without_an_id_or_a_key_is_no_kernel_of_a_server(tmp_path: Path) -> None:
    here = around(tmp_path, JPY_PARENT_PID="77")
    odd = tmp_path / "console.json"
    odd.write_text("{}")
    with pytest.raises(NoServer, match="no kernel id in its name"):
        find(around=Surroundings(here.environ, here.runtime, odd))
    broken = tmp_path / "kernel-9.json"
    for text in ("{", "[]", '{"key": ""}'):
        broken.write_text(text)
        with pytest.raises(NoServer, match="cannot be read, or has no key"):
            find(around=Surroundings(here.environ, here.runtime, broken))


def test_a_token_needs_an_address(tmp_path: Path) -> None:
    with pytest.raises(NoServer, match="pass url="):
        find(token="abc", around=around(tmp_path))


@pytest.mark.parametrize("url", ["localhost:8888", "ftp://x/", "http://"])
def test_an_address_is_an_address(tmp_path: Path, url: str) -> None:
    with pytest.raises(ValueError, match="http"):
        find(url, token="abc", around=around(tmp_path))


# --- the logins


def grants(claims: list[dict[str, Any]], lifetime: float = 600.0) -> Callable[[RequestHandler], None]:
    def answer(handler: RequestHandler) -> None:
        claims.append(orjson.loads(handler.request.body))
        assert "Authorization" not in handler.request.headers
        token = f"novel-{len(claims)}"
        handler.finish({"token": token, "expires_in": lifetime, "user_id": "kernel:4f1c"})

    return answer


@pytest.mark.asyncio
async def test_a_kernel_proves_itself_with_its_key(
    server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    claims: list[dict[str, Any]] = []
    server.rest["POST", "novel/api/kernel-token"] = grants(claims)
    login = KernelLogin(server.base_url, "4f1c", KERNEL_KEY.encode())
    assert await login.headers() == {"X-Novel-Token": "novel-1"}
    assert await login.headers() == {"X-Novel-Token": "novel-1"}
    assert await login.headers(fresh=True) == {"X-Novel-Token": "novel-2"}
    assert await login.renewal() == "novel-3"
    renew_in = login.renew_in()
    assert renew_in is not None
    assert 470 < renew_in <= 480
    said = f"novel_jupyter:4f1c:{claims[0]['ts']}:{claims[0]['nonce']}".encode()
    assert claims[0]["hmac"] == hmac.new(KERNEL_KEY.encode(), said, sha256).hexdigest()
    assert len({claim["nonce"] for claim in claims}) == 3
    assert len(claims[0]["nonce"]) >= 32
    for secret in (KERNEL_KEY, "novel-1"):
        assert secret not in repr(login)
        assert secret not in caplog.text


@pytest.mark.asyncio
async def test_a_short_lived_token_is_asked_for_again(server: ScriptedServer) -> None:
    claims: list[dict[str, Any]] = []
    server.rest["POST", "novel/api/kernel-token"] = grants(claims, lifetime=0.0)
    login = KernelLogin(server.base_url, "4f1c", KERNEL_KEY.encode())
    await login.headers()
    assert await login.headers() == {"X-Novel-Token": "novel-2"}


@pytest.mark.asyncio
@pytest.mark.parametrize(("status", "words"), [(403, "takes only kernels that it runs"), (404, "enabled")])
async def test_a_kernel_that_is_not_known_is_told_so(server: ScriptedServer, status: int, words: str) -> None:
    server.rest["POST", "novel/api/kernel-token"] = lambda handler: handler.set_status(status)
    with pytest.raises(LoginRefused, match=words) as caught:
        await KernelLogin(server.base_url, "4f1c", KERNEL_KEY.encode()).headers()
    assert KERNEL_KEY not in str(caught.value)


@pytest.mark.asyncio
async def test_a_token_that_the_server_forgot_is_replaced(server: ScriptedServer) -> None:
    claims: list[dict[str, Any]] = []
    server.rest["POST", "novel/api/kernel-token"] = grants(claims)

    def sessions(handler: RequestHandler) -> None:
        if handler.request.headers["X-Novel-Token"] == "novel-1":
            handler.set_status(403)
        else:
            handler.finish({"sessions": []})

    server.rest["GET", "novel/api/sessions"] = sessions
    login = KernelLogin(server.base_url, "4f1c", KERNEL_KEY.encode())
    assert await call(login, "GET", "novel/api/sessions") == {"sessions": []}
    assert len(claims) == 2


@pytest.mark.asyncio
async def test_a_person_stays_one_user_by_the_first_cookie(server: ScriptedServer) -> None:
    seen: list[tuple[str | None, str | None]] = []

    def me(handler: RequestHandler) -> None:
        seen.append((handler.request.headers.get("Authorization"), handler.request.headers.get("Cookie")))
        handler.set_cookie("username-lab", "ana")
        handler.set_cookie("_xsrf", "x1")
        handler.finish({"identity": {"username": "ana"}})

    server.rest["GET", "api/me"] = me
    login = PersonLogin(server.base_url, "abc")
    headers = await login.headers()
    assert headers["Authorization"] == "token abc"
    assert sorted(headers["Cookie"].split("; ")) == ["_xsrf=x1", "username-lab=ana"]
    assert await login.headers(fresh=True) == headers
    assert seen == [("token abc", None)]
    assert "abc" not in repr(login)


@pytest.mark.asyncio
async def test_a_wrong_token_is_refused_in_words(server: ScriptedServer) -> None:
    server.rest["GET", "api/me"] = lambda handler: handler.set_status(403)
    with pytest.raises(LoginRefused, match="does not take this token") as caught:
        await PersonLogin(server.base_url, "abc-secret").headers()
    assert "abc-secret" not in str(caught.value)


@pytest.mark.asyncio
async def test_a_cookie_of_ones_own_repeats_its_xsrf() -> None:
    login = PersonLogin("http://x/", headers={"Cookie": "username-x=ana; _xsrf=x1"})
    assert (await login.headers())["X-XSRFToken"] == "x1"


@pytest.mark.asyncio
async def test_where_a_service_keeps_the_sessions_the_servers_answer_says_where(
    server: ScriptedServer,
) -> None:
    service = ScriptedServer()
    try:

        def granted(handler: RequestHandler) -> None:
            answer = {"token": "novel-1", "expires_in": 600.0, "user_id": "kernel:ana:4f1c"}
            handler.finish({**answer, "base_url": f"{service.base_url}services/novel"})

        server.rest["POST", "novel/api/kernel-token"] = granted
        sessions = "services/novel/novel/api/sessions"
        service.rest["GET", sessions] = lambda handler: handler.finish({"sessions": []})
        login = KernelLogin(server.base_url, "4f1c", KERNEL_KEY.encode())
        assert login.base_url == server.base_url
        assert await call(login, "GET", "novel/api/sessions") == {"sessions": []}
        assert login.base_url == f"{service.base_url}services/novel/"
        # It goes on asking its own server, wherever that sent it.
        assert await login.renewal() == "novel-1"
        server.rest["POST", "novel/api/kernel-token"] = lambda handler: handler.set_status(401)
        with pytest.raises(LoginRefused, match="does not let its kernels in"):
            await login.renewal()
    finally:
        await service.close()
