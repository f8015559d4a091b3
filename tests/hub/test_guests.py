"""An invite on a JupyterHub: who has no account there comes into one story at the service, and nowhere else.

Law: the guest's browser never logs in at the Hub; all it has is the link.
Parts: the way in, what stays shut, where a link leads that was made at a user's own server.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
import pytest
from hub.browser import SERVICE, Browser, plain_socket, refused_socket
from hub.hub import PATIENCE, HubProcess

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


def stranger(hub: HubProcess) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=hub.url, trust_env=False, timeout=PATIENCE)


async def test_a_guest_needs_no_account_at_the_hub(hub: HubProcess) -> None:
    async with Browser(hub, "alice") as alice, stranger(hub) as http:
        await alice.visit()
        session = await alice.begin()
        path = f"{SERVICE}novel/api/sessions/{session}"
        made = await alice.call("POST", f"novel/api/sessions/{session}/invites", json={"role": "player"})
        assert made.status_code == 201, made.text
        link = urlsplit(made.json()["path"])
        assert link.path == f"/{SERVICE}novel/s/{session}"

        page = await http.get(link.path)
        assert page.status_code == 200
        assert f'data-session-id="{session}"' in page.text
        assert (await http.get(f"{path}/me")).status_code == 403
        headers = {
            "X-XSRFToken": http.cookies["_xsrf"],
            "Sec-Fetch-Mode": "cors",
            "Sec-Fetch-Site": "same-origin",
        }
        body = {"token": link.fragment.removeprefix("invite="), "name": "Zoe"}
        came = await http.post(f"{SERVICE}novel/api/guests", json=body, headers=headers)
        assert came.status_code == 201, came.text
        given = next(c for c in http.cookies.jar if c.name == f"novel-guest-{session}")
        assert given.path == f"/{SERVICE}novel/"
        assert (await http.get(f"{path}/me")).json()["guest"] is True
        # The same cookie, sent everywhere, with the XSRF token of each place.
        cookie = f"{given.name}={given.value}"
        jar = {"Cookie": f"{cookie}; _xsrf={http.cookies['_xsrf']}", **headers}
        async with stranger(hub) as attacker:
            for shut in (
                *("hub/api/user", "hub/api/users", "hub/home", "hub/token", "user/alice/api/contents"),
                *(
                    f"user/alice/novel/api/sessions/{session}/me",
                    f"{SERVICE}api/me",
                    f"{SERVICE}api/contents",
                ),
                *(f"{SERVICE}api/kernels", f"{SERVICE}novel/", f"{SERVICE}novel/api/sessions"),
            ):
                answer = await attacker.get(shut, headers=jar)
                to_login = answer.status_code == 302 and "oauth2/authorize" in answer.headers["location"]
                to_login |= answer.status_code == 302 and "/hub/" in answer.headers["location"]
                # 424: the Hub, for a server that does not run; 421: one that runs, and keeps no sessions.
                assert answer.status_code in (401, 403, 421, 424) or to_login, (shut, answer.status_code)
            begin = await attacker.post(
                f"{SERVICE}novel/api/sessions", json={"story": "lighthouse"}, headers=jar
            )
            assert begin.status_code == 403
        assert await refused_socket(hub, SERVICE, {"Cookie": cookie}) == 403, "not without a ticket"
        answer = await http.post(f"{SERVICE}novel/api/ticket", json={"session_id": session}, headers=headers)
        assert answer.status_code == 200, answer.text
        query = {"ticket": answer.json()["ticket"]}
        async with plain_socket(hub, SERVICE, {}, "g1", query) as zoe, alice.socket() as hers:
            await hers.join(session)
            await zoe.join(session)
            said = await zoe.chat(session, "hello")
            event = await hers.expect(lambda m: m["sequence_id"] == said["sequence_id"] and "hash" in m)
            assert event["user_id"] == came.json()["user_id"]
            await alice.call("DELETE", f"novel/api/sessions/{session}/invites/{made.json()['invite']}")
            assert await zoe.closed() == 4503
        assert (await http.get(f"{path}/me")).status_code == 403


async def test_invites_are_made_where_the_sessions_are(servers: HubProcess) -> None:
    """A user's own server keeps none: it says where to ask, and its page leads there."""
    async with Browser(servers, "alice") as alice, stranger(servers) as http:
        await alice.visit()
        await alice.visit(alice.home)
        session = await alice.begin()
        answer = await alice.call(
            "POST", f"novel/api/sessions/{session}/invites", alice.home, json={"role": "player"}
        )
        assert (answer.status_code, answer.json()["code"]) == (421, "elsewhere")
        led = await http.get(f"{alice.home}novel/s/{session}")
        assert (led.status_code, led.headers["location"]) == (302, f"/{SERVICE}novel/s/{session}")
