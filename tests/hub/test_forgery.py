"""What alice has (her server's token, her cookies, her kernels) does not make her bob, nor her kernel alice.

Law: each attempt is made against the real thing, and each is refused with the code that its sender is told.
Whatever gets through is written down under the name of who sent it.
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hub.browser import SERVICE, Browser, Kernel, plain_socket, refused_socket
from hub.hub import PATIENCE, HubProcess

pytestmark = pytest.mark.process

LOGIN = """
from novel_jupyter.kernel.discovery import find
login = find()
headers = await login.headers()
"""
SESSIONS = SERVICE + "novel/api/sessions"
NEW = {"story": "lighthouse"}
CLAIM = """
import hmac, secrets, time
from hashlib import sha256
from novel_jupyter.kernel.discovery import find
login = find()
ts, nonce = int(time.time()), secrets.token_hex(16)
said = f"novel_jupyter:{login.kernel_id}:{ts}:{nonce}".encode()
proof = hmac.new(login._key, said, sha256).hexdigest()
claim = {"kernel_id": login.kernel_id, "ts": ts, "nonce": nonce, "hmac": proof}
"""


async def server_token(kernel: Kernel) -> str:
    """What code in a kernel finds in its environment."""
    return str(await kernel.run("import os", "os.environ['JUPYTERHUB_API_TOKEN']"))


async def kernel_token(kernel: Kernel) -> str:
    headers, base_url = await kernel.run(LOGIN, "headers, login.base_url")
    assert base_url.endswith("/services/novel/")
    return str(headers["X-Novel-Token"])


async def status(hub: HubProcess, method: str, path: str, headers: dict[str, str], **more: Any) -> int:
    """The status of a request without any cookie but those in `headers`."""
    async with httpx.AsyncClient(base_url=hub.url, trust_env=False, timeout=PATIENCE) as http:
        return (await http.request(method, path, headers=headers, **more)).status_code


@pytest.mark.asyncio
async def test_a_servers_token_is_no_person(servers: HubProcess) -> None:
    async with Browser(servers, "alice") as alice, alice.kernel() as kernel:
        await alice.visit()
        token = await server_token(kernel)
        bearer = {"Authorization": f"token {token}"}
        tries = {
            "header": bearer,
            "bearer": {"Authorization": f"Bearer {token}"},
            "cookie": {"Cookie": f"service-novel={token}"},
            "hub cookie": {"Cookie": f"jupyterhub-session-id={token}; jupyterhub-hub-login={token}"},
            "kernel's header": {"X-Novel-Token": token},
        }
        for how, headers in tries.items():
            assert await status(servers, "GET", SESSIONS, headers) == 403, how
            assert await status(servers, "POST", SESSIONS, headers, json=NEW) == 403, how
            assert await refused_socket(servers, SERVICE, headers) == 403, how
        assert await refused_socket(servers, SERVICE, {}, {"token": token}) == 403
        # It makes no other tokens, asks for nobody's, and opens nobody's server.
        for path in ("alice/tokens", "bob/tokens", "bob/server"):
            assert await status(servers, "POST", f"hub/api/users/{path}", bearer, json={}) in (403, 404), path
        assert await status(servers, "GET", "hub/api/users/bob", bearer) in (403, 404)
        assert await status(servers, "GET", "user/bob/api/kernels", bearer) == 403
        assert await status(servers, "GET", "user/bob/novel/api/service", bearer) == 403


@pytest.mark.asyncio
async def test_a_persons_cookie_is_that_person_whatever_is_said(servers: HubProcess) -> None:
    async with Browser(servers, "alice") as alice, Browser(servers, "bob") as bob:
        await alice.visit()
        await bob.visit()
        session = await bob.begin()
        cookie = {"Cookie": alice.cookies()}
        names = {"user": "bob", "user_id": "bob", "username": "bob"}
        async with (
            bob.socket() as his,
            plain_socket(servers, SERVICE, {**cookie, "X-Forwarded-User": "bob"}, "a1", names) as hers,
        ):
            await his.join(session)
            await hers.join(session)
            said = await hers.ask(
                "story_update", session, {"kind": "chat", "text": "I am bob"}, user_id="bob"
            )
            assert said["kind"] == "ack"
            event = await his.expect(lambda m: m["data"].get("text") == "I am bob")
            assert event["user_id"] == "alice"
            rules: dict[str, dict[str, Any]] = {
                "set_role": {"target": "alice", "role": "owner"},
                "grant_view": {"target": "alice", "sees_all": True},
                "admit_host": {"kernel": "kernel:alice:1"},
                "archive": {},
                "claim_session": {},
            }
            for kind, data in rules.items():
                assert (await hers.rule(session, kind, **data))["code"] == "forbidden", kind
        assert (await alice.call("POST", f"novel/api/sessions/{session}/archive")).status_code == 403
        # A cookie of the service is none of the Hub, nor of anybody's server.
        (value,) = [c.value for c in alice.http.cookies.jar if c.name == "service-novel"]
        for name in ("jupyterhub-user-bob", "jupyterhub-hub-login"):
            forged = {"Cookie": f"{name}={value}"}
            assert await status(servers, "GET", "user/bob/api/kernels", forged) == 403, name
            assert await status(servers, "GET", "hub/api/user", forged) == 403, name
        assert (await alice.http.get("user/bob/api/kernels")).status_code == 403


@pytest.mark.asyncio
async def test_a_kernel_is_no_person(servers: HubProcess) -> None:
    async with Browser(servers, "alice") as alice, alice.kernel() as kernel, Browser(servers, "bob") as bob:
        await alice.visit()
        await bob.visit()
        token, me = await kernel_token(kernel), f"kernel:alice:{kernel.id}"
        for how in (
            {"Authorization": f"token {token}"},
            {"Cookie": f"service-novel={token}"},
            {"X-Novel-Server-Token": token},
        ):
            assert await status(servers, "GET", SESSIONS, how) == 403, how
            assert await status(servers, "POST", SERVICE + "novel/api/kernel-grant/1", how) == 403, how
            assert await refused_socket(servers, SERVICE, how) == 403, how
        headers = {"X-Novel-Token": token}
        hers, his = await alice.begin(), await bob.begin()
        async with plain_socket(servers, SERVICE, headers) as host, alice.socket() as person:
            await person.join(hers)
            for session in (hers, his):
                # With the id it may what a kernel may that nobody admitted, even in alice's own session.
                await host.join(session)
                for kind, data in (("claim", {"character": "mara"}), ("vote", {"character": "mara"})):
                    assert (await host.act(session, kind, **data))["code"] == "forbidden"
                assert (await host.act(session, "request_lease"))["code"] == "not_admitted"
                for kind, more in (("admit_host", {"kernel": me}), ("claim_session", {}), ("archive", {})):
                    assert (await host.rule(session, kind, **more))["code"] == "forbidden"
            said = await host.ask("story_update", hers, {"kind": "chat", "text": "Alice!"}, user_id="alice")
            assert said["kind"] == "ack"
            event = await person.expect(lambda m: m["data"].get("text") == "Alice!")
            assert event["user_id"] == me
        # Nor can a page that has alice's cookie be more than the kernel, once it brings the kernel's token.
        answer = await alice.http.post(f"{SERVICE}novel/api/sessions/{hers}/archive", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.asyncio
async def test_a_kernel_of_alice_is_none_of_bobs(servers: HubProcess) -> None:
    async with (
        Browser(servers, "alice") as alice,
        alice.kernel() as kernel,
        Browser(servers, "bob") as bob,
        bob.kernel() as his,
    ):
        grant = SERVICE + "novel/api/kernel-grant/"
        token = {"X-Novel-Server-Token": await server_token(kernel)}
        names = {"user": "bob", "user_id": f"kernel:bob:{his.id}"}
        answer = await alice.http.post(f"{grant}{his.id}", headers=token, params=names, json=names)
        assert answer.json()["user_id"] == f"kernel:alice:{his.id}", "the name is of the token's user"
        for id in ("bob:1", "..%2Fbob", "", "bob%3A1", "x" * 65):
            # What is no path of ours leads to a login.
            assert await status(servers, "POST", grant + id, token) in (302, 403, 404), id
        assert await status(servers, "POST", grant + his.id, {"X-Novel-Server-Token": "guess"}) == 403
        assert await status(servers, "POST", grant + his.id, {}) == 403
        # Her kernel's proof is worth nothing at his server, and his are known by its key alone.
        claim = await kernel.run(CLAIM, "claim")
        for said in (claim, {**claim, "kernel_id": his.id}):
            assert await status(servers, "POST", "user/bob/novel/api/kernel-token", {}, json=said) == 403
        assert await status(servers, "POST", "user/alice/novel/api/kernel-token", {}, json=claim) == 200
        # His open socket takes no token of hers, and she cannot take his back.
        theirs, mine = await kernel_token(his), await kernel_token(kernel)
        async with plain_socket(servers, SERVICE, {"X-Novel-Token": theirs}) as socket:
            assert (await socket.rule("", "token", token=mine))["code"] == "forbidden"
            assert await status(servers, "DELETE", f"{grant}{his.id}", token) == 200
            await socket.alive()
            assert await status(servers, "GET", SESSIONS, {"X-Novel-Token": theirs}) == 200


@pytest.mark.asyncio
async def test_a_page_of_another_site_gets_nothing_with_her_cookies(servers: HubProcess) -> None:
    async with Browser(servers, "alice") as alice:
        await alice.visit()
        cookie = {"Cookie": alice.cookies()}
        for origin in ("http://evil.example", "null", f"http://127.0.0.1:{servers.hub_port}"):
            assert await refused_socket(servers, SERVICE, {**cookie, "Origin": origin}) == 403, origin
        assert await status(servers, "POST", SESSIONS, cookie, json=NEW) == 403
        assert await status(servers, "POST", SESSIONS, {**cookie, "X-XSRFToken": "guess"}, json=NEW) == 403
        fetched = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "cross-site"}
        assert await status(servers, "GET", SESSIONS, {**cookie, **fetched}) == 403
        assert await refused_socket(servers, SERVICE, cookie) == 101
