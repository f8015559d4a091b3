"""Who somebody is: people by Jupyter's login, kernels by the key that only they and their server hold.

Law: what a frame or a body says of its sender counts for nothing. A kernel is never a person, and is nobody
at all once its process has ended.
Parts: proofs and tokens with a clock of their own; real kernels of a real server.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.auth import User
from server.wire import connect, create, rest
from tornado.web import HTTPError
from websockets.exceptions import InvalidStatus

from novel_jupyter.server.identity import CLOCK_SKEW, KernelTokens, person
from novel_jupyter.testing import ServerProcess

KEY = b"the key of a connection file"


def claim(
    kernel_id: str = "k1", key: bytes = KEY, ts: Any = 1000, nonce: str | None = None
) -> dict[str, Any]:
    nonce = secrets.token_hex(16) if nonce is None else nonce
    said = f"novel_jupyter:{kernel_id}:{ts}:{nonce}".encode("utf8", "surrogatepass")
    return {"kernel_id": kernel_id, "ts": ts, "nonce": nonce, "hmac": hmac.new(key, said, sha256).hexdigest()}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.keys: dict[str, bytes] = {"k1": KEY, "k2": b"another"}
        self.tokens = KernelTokens(self.keys.get, 600.0, lambda: self.now)

    def refusal(self, said: dict[str, Any]) -> int:
        with pytest.raises(HTTPError) as error:
            self.tokens.issue(said)
        return error.value.status_code


def test_a_proof_is_good_once() -> None:
    clock = Clock()
    said = claim()
    token, lifetime, principal = clock.tokens.issue(said)
    assert (principal.user_id, principal.kind, lifetime) == ("kernel:k1", "kernel", 600.0)
    assert clock.tokens.verify(token) == (principal, 1600.0)
    assert clock.refusal(said) == 403
    assert clock.tokens.issue(claim())[0] != token


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"hmac": "0" * 64}, 403),
        ({"hmac": ""}, 403),
        ({"hmac": "ü" * 64}, 403),
        ({"kernel_id": "k2"}, 403),
        ({"kernel_id": "nobody"}, 403),
        ({"kernel_id": "k1:1000"}, 403),
        ({"ts": 1001}, 403),
        ({"ts": float("nan")}, 400),
        ({"ts": float("inf")}, 400),
        ({"ts": 10**400}, 400),
        ({"ts": -1}, 400),
        ({"nonce": "b" * 32}, 403),
        ({"kernel_id": "\ud800"}, 403),
        ({"nonce": "\ud800" * 32}, 403),
        ({"nonce": "short"}, 400),
        ({"nonce": "a" * 129}, 400),
        ({"nonce": 7}, 400),
        ({"ts": "1000"}, 400),
        ({"ts": True}, 400),
        ({"ts": None}, 400),
        ({"kernel_id": None}, 400),
        ({"hmac": None}, 400),
    ],
)
def test_a_wrong_proof_is_refused_whatever_is_wrong_with_it(change: dict[str, Any], status: int) -> None:
    clock = Clock()
    assert clock.refusal({**claim(), **change}) == status
    if "ts" in change:  # rightly signed
        assert status != 400 or clock.refusal(claim(**change)) == 400
    assert clock.refusal(claim(key=b"")) == 403


def test_a_proof_is_good_for_a_minute_and_its_nonce_is_remembered_for_longer() -> None:
    clock = Clock()
    assert clock.refusal(claim(ts=1000 - CLOCK_SKEW - 1)) == 403
    assert clock.refusal(claim(ts=1000 + CLOCK_SKEW + 1)) == 403
    early = claim(ts=1000 + CLOCK_SKEW)
    clock.tokens.issue(early)
    clock.now = 1000 + 2 * CLOCK_SKEW
    assert clock.refusal(early) == 403


def test_a_token_ends_with_its_time_or_its_kernel() -> None:
    clock = Clock()
    token, _, principal = clock.tokens.issue(claim())
    other, _, _ = clock.tokens.issue(claim("k2", b"another"))
    clock.now += 599
    assert clock.tokens.verify(token)
    clock.now += 2
    assert clock.tokens.verify(token) is None
    fresh, _, _ = clock.tokens.issue(claim(ts=clock.now))
    assert clock.tokens.is_running(principal)
    del clock.keys["k1"]
    assert clock.tokens.verify(fresh) is None
    assert not clock.tokens.is_running(principal)
    assert clock.tokens.verify(other) is None
    assert clock.tokens.verify("") is None
    # A kernel that comes back under the same id has to prove itself anew.
    clock.keys["k1"] = KEY
    assert clock.tokens.verify(fresh) is None


def test_asking_without_end_is_slowed_down() -> None:
    clock = Clock()
    statuses = [clock.refusal({**claim(), "hmac": "0"}) for _ in range(60)]
    assert set(statuses) == {403, 429}
    assert clock.tokens.issue(claim()), "guessing keeps no kernel out"


def test_people_are_never_taken_for_something_else() -> None:
    assert person(User(username="alice", display_name="Alice A.")).name == "Alice A."
    for name in ("kernel:k1", "person:x", "host", "server"):
        found = person(User(username=name))
        assert (found.user_id, found.kind) == (f"person:{name}", "person")


# --- real kernels


@asynccontextmanager
async def kernel(server: ServerProcess) -> AsyncIterator[str]:
    """A running kernel of the server; its id."""
    async with rest(server, "alice") as http:
        answer = await http.post(f"{server.url}api/kernels", json={"name": "python3"}, timeout=60)
        assert answer.status_code == 201, answer.text
        kernel_id = str(answer.json()["id"])
        try:
            yield kernel_id
        finally:
            await http.delete(f"{server.url}api/kernels/{kernel_id}")


def key_of(server: ServerProcess, kernel_id: str) -> bytes:
    (path,) = Path(server.root).glob(f"runtime/kernel-{kernel_id}.json")
    return str(json.loads(path.read_text())["key"]).encode()


async def token_of(server: ServerProcess, kernel_id: str) -> str:
    async with rest(server) as http:
        answer = await http.post(
            "kernel-token", json=claim(kernel_id, key_of(server, kernel_id), int(time.time()))
        )
    assert answer.status_code == 200, answer.text
    assert answer.json()["user_id"] == f"kernel:{kernel_id}"
    return str(answer.json()["token"])


@pytest.mark.process
@pytest.mark.asyncio
async def test_a_kernel_is_a_kernel_and_nothing_more(server: ServerProcess) -> None:
    session = await create(server)
    async with kernel(server) as kernel_id:
        me = f"kernel:{kernel_id}"
        key, now = key_of(server, kernel_id), int(time.time())
        good = claim(kernel_id, key, now)
        async with rest(server) as http:
            for wrong in (
                {**good, "hmac": "0" * 64},
                claim(kernel_id, key, now - 3600),
                claim("0" * 8, key, now),
                claim(kernel_id, b"guess", now),
            ):
                refused = await http.post("kernel-token", json=wrong)
                assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
            assert (await http.post("kernel-token", json=good)).status_code == 200
            assert (await http.post("kernel-token", json=good)).status_code == 403
            for body in (b"", b"{", b"[]", b'"x"', b'{"ts":1e999}', b"\xff"):
                answer = await http.post("kernel-token", content=body)
                assert answer.status_code == 400, (body, answer.text)
        login = {"X-Novel-Token": await token_of(server, kernel_id)}
        async with (
            connect(server, None, "host1", headers=login) as host,
            connect(server, "alice") as alice,
            rest(server, None, login) as http,
        ):
            await alice.join(session)
            assert (await host.join(session))["view"] == "public"
            assert session not in [s["session_id"] for s in (await http.get("sessions")).json()["sessions"]]
            assert me not in alice.sessions[session].state["participants"]
            # Nothing of what takes a person, whatever it says of itself.
            for kind, data in (("claim", {"character": "mara"}), ("vote", {"character": "mara"})):
                assert (await host.act(session, kind, **data))["code"] == "forbidden", kind
            rules: list[tuple[str, dict[str, Any]]] = [
                ("set_role", {"target": "alice", "role": None}),
                ("admit_host", {"kernel": me}),
                ("grant_view", {"target": "alice", "sees_all": True}),
                ("claim_session", {}),
                ("archive", {}),
            ]
            for kind, more in rules:
                assert (await host.rule(session, kind, **more))["code"] == "forbidden", kind
            forged = await host.ask(
                "story_update", session, {"kind": "chat", "text": "I am alice"}, user_id="alice"
            )
            assert forged["kind"] == "ack"
            event = await alice.expect(lambda m: m["data"].get("text") == "I am alice")
            assert event["user_id"] == me
            assert (await http.post(f"sessions/{session}/archive")).status_code == 403

            # Hosting takes an admission.
            assert (await host.act(session, "request_lease"))["code"] == "not_admitted"
            assert (await alice.rule(session, "admit_host", kernel=me))["kind"] == "ack"
            await host.until(lambda: host.sessions[session].view == "all")
            lease = await host.act(session, "request_lease")
            assert lease["kind"] == "ack"
            await alice.reach(session, lease["sequence_id"])
            holder = alice.sessions[session].state["host"]
            assert (holder["holder"], holder["token"]) == (me, lease["sequence_id"])
            # What it streams is fenced.
            chunk = {"kind": "narration", "turn": 1, "attempt": 1, "token": 1, "offset": 0, "text": "x"}
            await host.send("story_update", session, chunk)
            assert (await host.expect(lambda m: m["data"]["kind"] == "error"))["data"][
                "code"
            ] == "stale_lease"
            fresh = await token_of(server, kernel_id)
            assert (await host.rule(session, "token", token=fresh))["kind"] == "ack"
            assert (await host.rule(session, "token", token="guess"))["code"] == "forbidden"
            assert (await alice.rule(session, "token", token=fresh))["code"] == "forbidden"


@pytest.mark.process
@pytest.mark.asyncio
async def test_a_kernel_that_stopped_is_nobody(server: ServerProcess) -> None:
    session = await create(server)
    async with kernel(server) as kernel_id:
        login = {"X-Novel-Token": await token_of(server, kernel_id)}
        async with connect(server, None, "host1", headers=login) as host, rest(server, "alice") as http:
            await host.join(session)
            stopped = await http.delete(f"{server.url}api/kernels/{kernel_id}")
            assert stopped.status_code == 204
            assert await host.closed() == 4503
            async with rest(server, None, login) as late:
                answer = await late.get("sessions")
                assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
            with pytest.raises(InvalidStatus) as refused:
                async with connect(server, None, headers=login):
                    pass
            assert refused.value.response.status_code == 403


@pytest.mark.process
@pytest.mark.asyncio
async def test_a_session_that_a_kernel_made_belongs_to_the_first_who_claims_it(server: ServerProcess) -> None:
    """R8. And `%%act` works on free seats and those that were granted."""
    async with kernel(server) as kernel_id:
        me = f"kernel:{kernel_id}"
        login = {"X-Novel-Token": await token_of(server, kernel_id)}
        async with (
            rest(server, None, login) as http,
            connect(server, None, "k1", headers=login) as host,
            connect(server, "bob", "b1") as bob,
            connect(server, "carol", "c1") as carol,
        ):
            made = await http.post("sessions", json={"story": "lighthouse"})
            assert made.status_code == 201
            session = made.json()["session_id"]
            assert session in [s["session_id"] for s in (await http.get("sessions")).json()["sessions"]]
            assert (await host.join(session))["view"] == "all"
            await bob.join(session)
            await carol.join(session)
            claims = await asyncio.gather(
                bob.rule(session, "claim_session"), carol.rule(session, "claim_session")
            )
            assert sorted(answer["kind"] for answer in claims) == ["ack", "error"]
            state = (await host.reach(session, max(c["sequence_id"] or 0 for c in claims))).state
            owner = state["session"]["owner"]
            assert owner == ("bob" if claims[0]["kind"] == "ack" else "carol")

            wait = {"kind": "wait"}
            assert (await bob.act(session, "claim", character="mara"))["kind"] == "ack"
            refused = await host.act(session, "propose", character="mara", action=wait)
            assert refused["code"] == "not_your_seat"
            await bob.act(session, "delegate", character="mara", kernel=me)
            assert (await host.act(session, "propose", character="mara", action=wait))["kind"] == "ack"
            assert (await host.act(session, "propose", character="ines", action=wait))["kind"] == "ack"
            proposals = (await bob.reach(session, host.sessions[session].sequence_id)).state["turn"][
                "proposals"
            ]
            assert {c: p["user_id"] for c, p in proposals.items()} == {"mara": me, "ines": me}
