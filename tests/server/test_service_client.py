"""Kernels of other servers: who vouches for them, for how long, and where their server asks.

Law: clocks and services are made up; no Hub is needed to hold what this server does with a Hub's answers.
Parts: scopes, tokens that were vouched for, a server's client of the service, a server without sessions.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.auth import User
from kernel.scripted import ScriptedServer
from server.wire import connect, rest
from tornado.web import HTTPError, RequestHandler
from websockets.exceptions import InvalidStatus

from novel_jupyter.core.policy import Entry, Principal
from novel_jupyter.server import service_client
from novel_jupyter.server.config import SCOPE_ROLES
from novel_jupyter.server.events_log import Log
from novel_jupyter.server.identity import KernelTokens, entry_of, person
from novel_jupyter.server.service_client import ServiceClient
from novel_jupyter.testing import ServerProcess, free_port

KERNEL = Principal("kernel:alice:k1", "kernel k1 of alice", "kernel", "player")
SECRET = "the token of a server"

# --- scopes


@pytest.mark.parametrize(
    ("scopes", "entry"),
    [
        ([], None),
        (["access:services", "custom:other:play"], None),
        (["custom:novel_jupyter:watch"], "spectator"),
        (["custom:novel_jupyter:watch", "custom:novel_jupyter:direct"], "director"),
        (["custom:novel_jupyter:play", 7, None], "player"),
    ],
)
def test_the_most_that_the_scopes_say_counts(scopes: list[object], entry: Entry | None) -> None:
    assert entry_of(scopes, SCOPE_ROLES) == entry
    assert entry_of(scopes, {**SCOPE_ROLES, "": "none"}) == (entry or "none")


def test_only_a_hub_says_scopes() -> None:
    user = User(username="alice")
    assert person(user, SCOPE_ROLES).joins_as is None
    for odd in (None, "custom:novel_jupyter:direct", {"scopes": ["custom:novel_jupyter:watch"]}):
        vars(user)["hub_user"] = odd
        assert person(user, SCOPE_ROLES).joins_as == ("spectator" if isinstance(odd, dict) else None)


# --- tokens


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.tokens = KernelTokens(lambda kernel_id: None, 600.0, lambda: self.now)


def test_a_vouched_kernel_is_somebody_until_its_time_or_its_servers_word() -> None:
    clock = Clock()
    token = clock.tokens.vouch(KERNEL, 60.0)
    assert clock.tokens.verify(token) == (KERNEL, 1060.0)
    assert clock.tokens.is_running(KERNEL)
    clock.now += 50
    renewed = clock.tokens.vouch(KERNEL, 60.0)
    clock.now += 20
    assert clock.tokens.verify(token) is None
    assert clock.tokens.verify(renewed) == (KERNEL, 1110.0)
    other = Principal("kernel:bob:k1", "", "kernel")
    theirs = clock.tokens.vouch(other, 60.0)
    clock.tokens.revoke(KERNEL)
    assert clock.tokens.verify(renewed) is None
    assert not clock.tokens.is_running(KERNEL)
    assert clock.tokens.verify(theirs)
    assert clock.tokens.is_running(other)


def test_vouched_kernels_have_a_bound_that_time_frees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("novel_jupyter.server.identity.VOUCHED_KEPT", 2)
    clock = Clock()
    for n in range(2):
        clock.tokens.vouch(Principal(f"kernel:alice:{n}", "", "kernel"), 60.0)
    with pytest.raises(HTTPError) as refused:
        clock.tokens.vouch(KERNEL, 60.0)
    assert refused.value.status_code == 429
    clock.tokens.vouch(Principal("kernel:alice:1", "", "kernel"), 60.0)
    clock.now += 61
    monkeypatch.setattr("novel_jupyter.server.identity.VOUCHED_EACH", 1)
    clock.tokens.vouch(KERNEL, 60.0)
    with pytest.raises(HTTPError, match="too many kernels"):
        clock.tokens.vouch(Principal("kernel:alice:k2", "", "kernel"), 60.0)
    clock.tokens.vouch(Principal("kernel:bob:k2", "", "kernel"), 60.0)


# --- a server's client of the service


class Service(ScriptedServer):
    """A replica: who asked what, and the status that it answers with."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.status = 200
        for kernel_id in ("k1", "k2"):
            for method in ("POST", "DELETE"):
                self.rest[method, f"novel/api/kernel-grant/{kernel_id}"] = self._answer

    def _answer(self, handler: RequestHandler) -> None:
        assert handler.request.headers["X-Novel-Server-Token"] == SECRET
        assert "Authorization" not in handler.request.headers
        self.asked.put_nowait((str(handler.request.method), handler.request.path.rpartition("/")[2]))
        handler.set_status(self.status)
        handler.finish({"token": "t", "expires_in": 60.0, "user_id": "kernel:alice:k1"})


@asynccontextmanager
async def replicas(keys: dict[str, bytes]) -> AsyncIterator[tuple[ServiceClient, list[Service]]]:
    found = [Service(), Service()]
    log = Log(logging.getLogger("novel_jupyter.tests"))
    tokens = KernelTokens(keys.get, 600.0)
    client = ServiceClient([service.base_url for service in found], SECRET, tokens, log)
    try:
        yield client, found
    finally:
        await client.close()
        for service in found:
            await service.close()


@pytest.mark.asyncio
async def test_a_replica_that_is_away_is_passed_over_and_one_that_served_is_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with replicas({"k1": b"key"}) as (client, (one, two)):
        first = await client.kernel_token("k1")
        serving, other = (one, two) if first["base_url"] == one.base_url else (two, one)
        assert first == {
            "token": "t",
            "expires_in": 60.0,
            "user_id": "kernel:alice:k1",
            "base_url": serving.base_url,
        }
        assert (await client.kernel_token("k1"))["base_url"] == serving.base_url
        for status in (500, 502, 503):
            serving.status = status
            assert (await client.kernel_token("k1"))["base_url"] == other.base_url
            serving.status, other.status = 200, 503
            assert (await client.kernel_token("k1"))["base_url"] == serving.base_url
            other.status = 200
        await serving.close()
        assert (await client.kernel_token("k1"))["base_url"] == other.base_url
        await other.close()
        with pytest.raises(HTTPError) as away:
            await client.kernel_token("k1")
        assert away.value.status_code == 503
    assert SECRET not in caplog.text


@pytest.mark.asyncio
@pytest.mark.parametrize(("status", "told"), [(401, 401), (403, 401), (404, 503), (302, 503)])
async def test_a_refusal_is_an_answer(status: int, told: int) -> None:
    async with replicas({"k1": b"key"}) as (client, services):
        for service in services:
            service.status = status
        with pytest.raises(HTTPError) as refused:
            await client.kernel_token("k1")
        assert refused.value.status_code == told
        assert SECRET not in str(refused.value)
        assert sum(service.asked.qsize() for service in services) == 1, "another replica would say the same"


@pytest.mark.asyncio
async def test_a_kernel_that_stopped_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_client, "LOOK_EVERY", 0.01)
    keys = {"k1": b"key", "k2": b"key"}
    async with replicas(keys) as (client, services):
        client.start()
        at = {s.base_url: s for s in services}
        serving = {k: at[str((await client.kernel_token(k))["base_url"])] for k in keys}
        for kernel_id in keys:
            assert await serving[kernel_id].asked.get() == ("POST", kernel_id)
        del keys["k1"]
        assert await asyncio.wait_for(serving["k1"].asked.get(), 10) == ("DELETE", "k1")
        await client.close()
        assert await asyncio.wait_for(serving["k2"].asked.get(), 10) == ("DELETE", "k2")


@pytest.mark.parametrize("url", ["hub:1/services/novel", "ftp://hub/", "", "//hub/x"])
def test_an_address_is_an_address(url: str) -> None:
    tokens = KernelTokens(lambda kernel_id: None, 600.0)
    with pytest.raises(ValueError, match="service_urls"):
        ServiceClient([url], SECRET, tokens, Log(logging.getLogger("novel_jupyter.tests")))


# --- a whole server


@pytest.mark.process
@pytest.mark.asyncio
async def test_a_server_without_sessions_says_where_they_are(tmp_path: Path) -> None:
    urls = [f"http://127.0.0.1:{free_port()}/services/novel{n}" for n in ("", "-2")]
    with ServerProcess(tmp_path, ["alice"], {"NovelApp.service_urls": urls}) as server:
        async with rest(server, "alice") as http, rest(server) as stranger:
            said = await http.get("service")
            assert said.json() == {"service_urls": ["/services/novel/", "/services/novel-2/"]}
            assert (await stranger.get("service")).status_code in (302, 403)
            for method, path in (("GET", "sessions"), ("POST", "sessions"), ("GET", "stories")):
                answer = await http.request(
                    method, path, json={"story": "lighthouse"} if method == "POST" else None
                )
                assert (answer.status_code, answer.json()["code"]) == (421, "elsewhere")
                assert "/services/novel/ or /services/novel-2/" in answer.json()["message"]
            # A kernel's proof is looked at before anybody is asked.
            claim: dict[str, Any] = {"kernel_id": "k", "ts": time.time(), "nonce": secrets.token_hex(16)}
            for wrong, status in ((claim, 400), ({**claim, "hmac": "0" * 64}, 403)):
                assert (await stranger.post("kernel-token", json=wrong)).status_code == status
            assert (await stranger.post("kernel-grant/k")).status_code == 421
        with pytest.raises(InvalidStatus) as refused:
            async with connect(server, "alice"):
                pass
        assert refused.value.response.status_code == 421
        assert not server.database.exists()


@pytest.mark.process
@pytest.mark.asyncio
async def test_a_plain_server_takes_no_kernels_of_others(server: ServerProcess) -> None:
    async with rest(server, None, {"X-Novel-Server-Token": server.admin_token}) as http:
        for method in ("POST", "DELETE"):
            answer = await http.request(method, "kernel-grant/k1")
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    async with rest(server, "alice") as http:
        assert (await http.get("service")).json() == {"service_urls": []}
