"""The plain page over a real server (SPEC R100-R102): nothing foreign let in, and a guest's whole way.

Parts: the document, its files, what a character may try, a guest from the link to the socket, hostile texts.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from server.test_guests import guest_socket, invite, ticket, token_of
from server.wire import PATIENCE, connect, create, rest

from novel_jupyter.server.page import FILES, document
from novel_jupyter.testing import ServerProcess

pytestmark = [pytest.mark.process, pytest.mark.asyncio]
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


@asynccontextmanager
async def visitor(server: ServerProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=PATIENCE) as http:
        yield http


async def test_the_page_is_the_same_for_every_id_and_lets_in_nothing_foreign(server: ServerProcess) -> None:
    session = await create(server)
    async with visitor(server) as http:
        real, made_up = await http.get(f"novel/s/{session}"), await http.get(f"novel/s/{'0' * 32}")
        assert real.status_code == made_up.status_code == 200
        assert real.text.replace(session, "") == made_up.text.replace("0" * 32, "")
        policy = real.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert real.headers["x-content-type-options"] == "nosniff"
        assert real.headers["referrer-policy"] == "no-referrer"
        assert not re.search(r"<script(?![^>]* src=)|\son\w+=|style=", real.text)
        for path in ("novel/s/abc", f"novel/s/{session.upper()}x", f"novel/s/{session}/x"):
            assert (await http.get(path)).status_code in (302, 403, 404), path
        lobby = await http.get("novel/")
        assert lobby.status_code == 302
        assert "login" in lobby.headers["location"]
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
        mine = await http.get("novel/", headers={"Authorization": f"token {server.token_of('alice')}"})
        assert mine.status_code == 200


async def test_files_are_ours_alone_and_kept_by_their_version(tmp_path: Path, server: ServerProcess) -> None:
    for name in ("page.js", "page.css", "novel.css"):
        (tmp_path / name).write_text("1")
    first = document("/", "", tmp_path)
    (tmp_path / "page.js").write_text("2")
    assert document("/", "", tmp_path) != first
    (tmp_path / "page.js").unlink()
    assert "make face" in document("/", "", tmp_path)
    async with visitor(server) as http:
        for path in (
            "../server/app.py",
            "%2e%2e/server/app.py",
            ".hidden",
            "server/app.py",
            "nothing.js",
            "",
        ):
            assert (await http.get(f"novel/static/{path}")).status_code in (302, 403, 404), path
        if not (FILES / "page.js").is_file():
            pytest.skip("the page's files are not built here: `make face`")
        kept = await http.get("novel/static/page.js?v=1")
        assert "javascript" in kept.headers["content-type"]
        assert "max-age=31536000" in kept.headers["cache-control"]
        assert kept.headers["x-content-type-options"] == "nosniff"


async def test_what_is_in_the_document_is_escaped(tmp_path: Path) -> None:
    for name in ("page.js", "page.css", "novel.css"):
        (tmp_path / name).write_text("1")
    text = document(f"/{HOSTILE}/", HOSTILE, tmp_path)
    assert "<script>" not in text
    assert "<img" not in text


async def test_what_a_character_may_try_is_told_to_its_player_and_from_outside_to_who_directs(
    server: ServerProcess,
) -> None:
    session = await create(server)
    async with (
        connect(server, "alice") as alice,
        connect(server, "bob") as bob,
        connect(server, "dave") as dave,
    ):
        for person in (alice, bob, dave):
            await person.join(session)
        await bob.act(session, "claim", character="mara")
        async with rest(server, "bob") as http:
            answer = await http.get(f"sessions/{session}/actions?character=mara")
            found = answer.json()["actions"]
            assert {entry["kind"] for entry in found} >= {"move", "search"}
            said = await bob.act(session, "propose", character="mara", action=found[0]["action"])
            assert said["data"]["kind"] == "ack"
            unknown = await http.get(f"sessions/{session}/actions?character=nobody")
            assert (unknown.status_code, unknown.json()["code"]) == (400, "unknown_character")
        async with rest(server, "alice") as http:
            outside = (await http.get(f"sessions/{session}/actions?character=mara")).json()["actions"]
            assert {entry["kind"] for entry in outside} >= {"move", "search"}
            assert {entry["words"] for entry in outside} < {entry["words"] for entry in found}
            said = await alice.act(
                session, "overrule", character="mara", action=outside[0]["action"], reason="so it must be"
            )
            assert said["data"]["kind"] == "ack"
        async with rest(server, "dave") as http:
            answer = await http.get(f"sessions/{session}/actions?character=mara")
            assert (answer.status_code, answer.json()["code"]) == (400, "not_your_seat")
        async with rest(server, "carol") as http:
            assert (await http.get(f"sessions/{session}/actions?character=mara")).status_code == 404


async def test_a_guest_s_way_from_the_link_to_the_socket(server: ServerProcess) -> None:
    session = await create(server)
    made = await invite(server, session)
    async with visitor(server) as http:
        link = urlsplit(made["path"])
        page = await http.get(link.path)
        assert page.status_code == 200
        assert (await http.get(f"novel/api/sessions/{session}/me")).status_code == 403
        body = {"token": token_of(made), "name": HOSTILE[:60]}
        assert (await http.post("novel/api/guests", json=body)).status_code == 403, "without the XSRF header"
        http.headers["X-XSRFToken"] = http.cookies["_xsrf"]
        came = await http.post("novel/api/guests", json=body)
        assert came.status_code == 201, came.text
        assert (await http.get(f"novel/api/sessions/{session}/me")).json()["guest"] is True
        async with guest_socket(server, await ticket(http, session)) as guest:
            await guest.join(session)
            await guest.act(session, "claim", character="ines")
            answer = await http.get(f"novel/api/sessions/{session}/actions?character=ines")
            assert answer.json()["actions"]


async def test_what_people_write_comes_back_in_no_document_as_markup(server: ServerProcess) -> None:
    session = await create(server)
    async with connect(server, "alice") as alice:
        await alice.join(session)
        await alice.chat(session, HOSTILE)
        for path in ("/notes/scene", "/characters/mara/description", "/scene/text"):
            await alice.edit(session, path, HOSTILE)
        async with rest(server, "alice") as http:
            exported = await http.get(f"sessions/{session}/export.html")
            page = await http.get(f"../s/{session}")
        for text in (exported.text, page.text):
            assert "<script>alert" not in text
            assert "<img src=x" not in text
        assert HOSTILE in alice.sessions[session].state["notes"]["scene"]
