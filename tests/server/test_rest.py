"""REST: stories, sessions, history, exports, the archive; its errors, and what keeps other sites out.

Law: the same identity, policy and view as on the socket; every error is JSON with a code.
Parts: what one does with it, what it refuses, cookies and XSRF, stories that cannot be read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources

import httpx
import pytest
from server.wire import connect, create, rest

from novel_jupyter.core.canonical import state_hash
from novel_jupyter.story.loader import load_bundled
from novel_jupyter.testing import ServerProcess

pytestmark = [pytest.mark.process]

NASTY = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that offers one more story, and one that cannot be read."""
    folder = tmp_path_factory.mktemp("stories")
    text = resources.files("novel_jupyter.story").joinpath("stories/lighthouse.yaml").read_text("utf8")
    nasty = text.replace("title: The Keeper’s Log", f'title: "{NASTY}"').replace(
        "id: lighthouse", "id: nasty"
    )
    (folder / "nasty.yaml").write_text(nasty, "utf8")
    (folder / "broken.yaml").write_text(
        "id: broken\ntitle: Broken\npremise: x\nlocations:\n  room: {nam: room}\n"
    )
    traits = {"NovelApp.story_folders": [str(folder)]}
    root = tmp_path_factory.mktemp("rest")
    with ServerProcess(root, ("alice", "bob"), traits) as found:
        yield found


@pytest.mark.asyncio
async def test_a_session_from_its_creation_to_the_archive(server: ServerProcess) -> None:
    async with rest(server, "alice") as http:
        names = [story["name"] for story in (await http.get("stories")).json()["stories"]]
        assert "lighthouse" in names
        answer = await http.post(
            "sessions", json={"story": "lighthouse", "settings": {"turn_policy": "vote"}, "seed": "7"}
        )
        assert answer.status_code == 201
        made = answer.json()
        assert (made["story"], made["settings"]["turn_policy"]) == ("lighthouse", "vote")
        session = made["session_id"]
        listed = (await http.get("sessions")).json()["sessions"][0]
        assert (listed["session_id"], listed["status"], listed["members"]) == (session, "open", 1)

        info = (await http.get(f"sessions/{session}")).json()
        state = (await http.get(f"sessions/{session}/state")).json()
        assert state["hash"] == state_hash(state["state"])
        assert state["head"] == info["head"]
        assert "seed" not in state["state"]["session"]
        events = (await http.get(f"sessions/{session}/events")).json()
        assert [e["sequence_id"] for e in events["events"]] == list(range(1, info["sequence_id"] + 1))
        page = (await http.get(f"sessions/{session}/events", params={"after": 2, "limit": 3})).json()
        assert page["events"] == events["events"][2:5]

        async with connect(server, "alice") as alice:
            await alice.join(session)
            assert (await http.post(f"sessions/{session}/archive")).json()["status"] == "archived"
            await alice.expect(lambda m: m["data"].get("kind") == "status")
            assert (await alice.chat(session, "too late"))["code"] == "archived"
            assert (await http.get("sessions")).json()["sessions"][0]["status"] == "archived"
            async with rest(server, "bob") as other:
                assert (await other.post(f"sessions/{session}/unarchive")).status_code == 404
            async with connect(server, "bob", "b1") as bob:
                await bob.join(session)
                assert (await bob.chat(session, "may I")).get("code") == "archived"
            assert (await http.post(f"sessions/{session}/unarchive")).json()["status"] == "open"
            assert (await alice.chat(session, "in time"))["kind"] == "ack"


@pytest.mark.asyncio
async def test_the_listing_counts_people_and_no_kernels(server: ServerProcess) -> None:
    session = await create(server)
    """R99"""
    async with connect(server, "alice") as alice, connect(server, "bob", "b1") as bob:
        await alice.join(session)
        await bob.join(session)
        assert (await alice.rule(session, "admit_host", kernel="kernel:k1"))["kind"] == "ack"
        async with rest(server, "alice") as http:
            listed = (await http.get("sessions")).json()["sessions"][0]
        assert (listed["session_id"], listed["members"]) == (session, 2)


@pytest.mark.asyncio
async def test_exports_are_files_of_the_readers_view(stories: ServerProcess) -> None:
    async with rest(stories, "alice") as http:
        made = await http.post("sessions", json={"story": "nasty"})
        assert made.status_code == 201, made.text
        session = made.json()["session_id"]
        async with connect(stories, "alice") as alice:
            await alice.join(session)
            await alice.chat(session, NASTY)
        page = await http.get(f"sessions/{session}/export.html")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "<script" not in page.text
        assert "&lt;script&gt;" in page.text
        assert page.headers["content-disposition"] == f'attachment; filename="story-{session[:8]}.html"'
        text = await http.get(f"sessions/{session}/export.md")
        assert text.headers["content-type"] == "text/markdown; charset=utf-8"
        assert text.text.startswith("# ")
        log = (await http.get(f"sessions/{session}/export.json")).json()
        assert (log["session_id"], log["view"]) == (session, "public")
        events = (await http.get(f"sessions/{session}/events", params={"limit": 500})).json()["events"]
        assert log["events"] == events
        for form in ("pdf", "exe", "json/../md"):
            assert (await http.get(f"sessions/{session}/export.{form}")).status_code == 404


WRONG: list[tuple[object, int, str]] = [
    ({}, 400, "invalid"),
    ({"story": "lighthouse", "text": "id: x"}, 400, "invalid"),
    ({"story": 7}, 400, "invalid"),
    ({"story": "lighthouse", "owner": "bob"}, 400, "invalid"),
    ({"story": "lighthouse", "settings": {"turn_policy": "chaos"}}, 400, "invalid"),
    ({"story": "lighthouse", "settings": {"kind": "archive"}}, 400, "invalid"),
    ({"story": "lighthouse", "settings": {"collect_timeout": -1}}, 400, "invalid"),
    ({"story": "lighthouse", "settings": []}, 400, "invalid"),
    ({"story": "lighthouse", "seed": ""}, 400, "invalid"),
    ({"story": "no-such-story"}, 400, "bad_story"),
    ({"story": "../../etc/passwd"}, 400, "bad_story"),
    ({"story": "nasty\0"}, 400, "bad_story"),
    ({"text": "[1, 2"}, 400, "bad_story"),
    ({"text": "\ud800"}, 400, "invalid"),
    ({"text": "a: &a [*a]"}, 400, "bad_story"),
    ({"text": "{" * 5000}, 400, "bad_story"),
    ({"text": "x" * 300_000}, 400, "invalid"),
    ([], 400, "invalid"),
    ("text", 400, "invalid"),
]


@pytest.mark.asyncio
async def test_wrong_requests_get_their_code(stories: ServerProcess) -> None:
    async with rest(stories, "alice") as http:
        for body, status, code in WRONG:
            answer = await http.post("sessions", content=json.dumps(body))
            assert (answer.status_code, answer.json().get("code")) == (status, code), (
                str(body)[:60],
                answer.text,
            )
        for raw in (b"{", b"\xff\xfe", b'{"story":"lighthouse","settings":{"collect_timeout":NaN}}'):
            answer = await http.post("sessions", content=raw)
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), raw
        assert (await http.post("sessions", content=b" " * 3_000_000)).status_code == 413
        session = await create(stories, "alice")
        for query in ("after=-1", "after=x", "limit=1e9", "after=" + "9" * 40, "after=%00"):
            answer = await http.get(f"sessions/{session}/events?{query}")
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), query
        assert (await http.get("sessions", params={"cursor": "made up"})).status_code == 400
        for path in (f"sessions/{'0' * 32}", f"sessions/{'0' * 32}/state", f"sessions/{'0' * 32}/export.md"):
            answer = await http.get(path)
            assert (answer.status_code, answer.json()["code"]) == (404, "no_session")
        assert (await http.delete(f"sessions/{session}")).status_code == 405
        # Nothing of all that came into being.
        assert len((await http.get("sessions")).json()["sessions"]) == 1 + await _exported(http)


async def _exported(http: httpx.AsyncClient) -> int:
    """Sessions of the story that another test made."""
    listed = (await http.get("sessions")).json()["sessions"]
    return sum(entry["story"] == "nasty" for entry in listed)


@pytest.mark.asyncio
async def test_a_story_with_a_mistake_names_file_line_and_what_was_expected(stories: ServerProcess) -> None:
    async with rest(stories, "alice") as http:
        listed = {story["name"]: story for story in (await http.get("stories")).json()["stories"]}
        assert listed["nasty"]["title"] == NASTY
        assert listed["broken"]["error"].startswith("broken.yaml, line ")
        answer = await http.post("sessions", json={"story": "broken"})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_story")
        assert "broken.yaml, line 5, column " in answer.json()["message"]
        assert "name" in answer.json()["message"]
        text = "id: x\ntitle: X\npremise: y\ncharacters: {ann: {name: [1]}}\n"
        told = (await http.post("sessions", json={"text": text})).json()["message"]
        assert "story.yaml, line 4, column" in told


@pytest.mark.asyncio
async def test_pages_of_the_listing_join_up(stories: ServerProcess) -> None:
    made = [await create(stories, "bob") for _ in range(5)]
    async with rest(stories, "bob") as http:
        found: list[str] = []
        cursor = None
        while True:
            params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
            page = (await http.get("sessions", params=params)).json()
            found += [entry["session_id"] for entry in page["sessions"]]
            if not (cursor := page["cursor"]):
                break
        assert sorted(found) == sorted(made)


@pytest.mark.asyncio
async def test_strangers_and_other_sites_stay_out(server: ServerProcess) -> None:
    """No login; a login cookie without the XSRF token, which only our own pages can send along."""
    paths = ("stories", "sessions", f"sessions/{'0' * 32}", f"sessions/{'0' * 32}/export.md")
    async with rest(server) as http:
        for path in paths:
            answer = await http.get(path)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), path
        assert (await http.post("sessions", json={"story": "lighthouse"})).status_code == 403
        await http.get(f"{server.url}login", params={"token": server.admin_token})
        await http.get(f"{server.url}tree")
        xsrf = http.cookies.get("_xsrf")
        body = {"story": "lighthouse"}
        assert (await http.post("sessions", json=body)).status_code == 403, "a cookie alone will not do"
        if xsrf is None:
            page = await http.get(f"{server.url}api/me")
            xsrf = page.cookies.get("_xsrf") or http.cookies.get("_xsrf")
        assert xsrf
        good = await http.post("sessions", json=body, headers={"X-XSRFToken": xsrf})
        assert good.status_code == 201, good.text
        session = good.json()["session_id"]
        assert (await http.post(f"sessions/{session}/archive")).status_code == 403
        archived = await http.post(f"sessions/{session}/archive", headers={"X-XSRFToken": xsrf})
        assert archived.status_code == 200
        # The kernel's header opens no side door.
        forged = await http.post("sessions", json=body, headers={"X-Novel-Token": "x"})
        assert forged.status_code == 403


def test_the_bundled_story_can_be_read() -> None:
    assert load_bundled("lighthouse").id == "lighthouse"
