"""What a player's socket carries: what the character witnessed, and not a sentence more (R5, R44).

Law: a real server and a real kernel whose agents tell the story; the log as its host sees it says who
witnessed what, and everything that ever reached the player is held against it.
Parts: `Seen`, the play (`_play`), and the one test over it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from server.wire import Wire, connect, rest

from novel_jupyter.kernel_cell import Cell, shut_down_kernel, start_kernel
from novel_jupyter.testing import ServerProcess

pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]

TURNS = 6
Log = list[dict[str, Any]]


async def _value(cell: Cell, expression: str, folder: Path) -> Any:
    """The value of an expression in the kernel, by way of a file."""
    path = folder / "value.json"
    await cell.run(f"_said = {expression}\nimport json; open({str(path)!r}, 'w').write(json.dumps(_said))")
    return json.loads(path.read_text())


def _witnessed(log: Log) -> dict[int, dict[str, bool]]:
    """Turn → each outcome, whomever it is for → whether Mara witnessed it."""
    seen: dict[int, dict[str, bool]] = {}
    turn = 0
    # What is dealt comes after the public part, in the same append.
    for event in log:
        data = event["data"]
        turn = data["turn"] if data["kind"] == "resolved" else turn
        for outcome in data.get("outcomes", []):
            mine = event["audience"] == "everyone" or "mara" in event["audience"]
            mine = mine and ("witnesses" not in outcome or "mara" in outcome["witnesses"])
            seen.setdefault(turn, {})[outcome["id"]] = mine
    return seen


def _prose(log: Log) -> dict[str, bool]:
    """Each sentence told to anybody, and each reason → whether Mara witnessed all that it tells."""
    seen = _witnessed(log)
    told: dict[str, bool] = {}
    turn = 0
    for data in (event["data"] for event in log):
        turn = data["turn"] if data["kind"] in ("resolved", "turn") else turn
        about = [(outcome["reason"], [outcome["id"]]) for outcome in data.get("outcomes", [])]
        about += [(sentence["text"], sentence["events"]) for sentence in data.get("sentences", [])]
        for text, events in about:
            mine = all(seen[data.get("turn", turn)][id] for id in events)
            told[text] = told.get(text, False) or mine
    return {text: mine for text, mine in told.items() if text}


def _cited(events: Log) -> set[tuple[int, str]]:
    """(turn, event) of all that a reader's part of the log cites or holds."""
    cited: set[tuple[int, str]] = set()
    turn = 0
    for data in (event["data"] for event in events):
        turn = data["turn"] if data["kind"] in ("resolved", "turn") else turn
        ids = [outcome["id"] for outcome in data.get("outcomes", [])]
        ids += [id for sentence in data.get("sentences", []) for id in sentence["events"]]
        cited |= {(data.get("turn", turn), id) for id in ids}
    return cited


def _streamed(wire: Wire) -> str:
    """What was streamed to a socket, put together."""
    return "".join(
        frame["data"]["text"] for frame in wire.seen(lambda m: m["data"].get("kind") == "narration")
    )


def _came(wire: Wire) -> str:
    """All that a socket carried: what was streamed to it, and its frames."""
    frames = [json.loads(text) for text in wire.raw]
    return _streamed(wire) + "\n" + json.dumps(frames, ensure_ascii=False).replace('\\"', '"')


async def _files(server: ServerProcess, name: str, session: str) -> str:
    """All that REST gives: the log, the state, and the exports."""
    paths = ("events?after=0&limit=500", "state", "export.md", "export.html", "export.json")
    async with rest(server, name) as http:
        answers = [await http.get(f"sessions/{session}/{path}") for path in paths]
    assert [answer.status_code for answer in answers] == [200] * len(paths)
    texts = [
        json.dumps(answer.json(), ensure_ascii=False).replace('\\"', '"')
        if answer.headers["content-type"].startswith("application/json")
        else answer.text
        for answer in answers
    ]
    return "\n".join(texts)


def _told_here(prose: dict[str, bool], text: str, mine: bool) -> list[str]:
    return [sentence for sentence, seen in prose.items() if seen is mine and sentence in text]


@pytest.mark.asyncio
async def test_a_player_is_told_what_the_character_witnessed_and_no_more(
    server: ServerProcess, tmp_path: Path
) -> None:
    kernel_id = await start_kernel(server.url, server.admin_token)
    try:
        async with (
            Cell(server.url, server.admin_token, kernel_id) as cell,
            connect(server, "alice") as alice,
            connect(server, "bob", client="b1") as bob,
        ):
            await cell.run("import novel_jupyter as nj")
            await cell.run('story = await nj.open("lighthouse", seed="pov")')
            session = str(await _value(cell, "story.session_id", tmp_path))
            await alice.join(session)
            await alice.rule(session, "claim_session")
            assert (await alice.act(session, "claim", character="mara"))["kind"] == "ack"
            await bob.join(session)
            for _ in range(TURNS):
                wait = {"kind": "wait"}
                await alice.act(session, "propose", character="mara", action=wait)
                await cell.run("await story.turn()")
            await cell.run("await story.retell()")
            turn = f"lambda s: s['turn']['phase'] == 'collect' and s['turn']['number'] == {TURNS + 1}"
            await cell.run(f"await story.handle.wait_for({turn}, 30)")
            log: Log = await _value(cell, "await story.history()", tmp_path)
            await alice.reach(session, log[-1]["sequence_id"])
            await bob.reach(session, log[-1]["sequence_id"])
            # Who comes back reads it again: from the snapshot, and from the log.
            async with connect(server, "alice", client="c2") as again:
                await again.join(session)
                later = _came(again)
            mine, public = _came(alice), _came(bob)
            files, public_files = await _files(server, "alice", session), await _files(server, "bob", session)
            async with rest(server, "alice") as http:
                page = await http.get(f"sessions/{session}/events?after=0&limit=500")
            reading = [*alice.sessions[session].events, *page.json()["events"]]
            onlookers = bob.sessions[session].events
            gaps = alice.sessions[session].gaps
            async with rest(server, "alice") as http:
                state = (await http.get(f"sessions/{session}/state")).json()
            same = state["hash"] == alice.sessions[session].state_hash()
    finally:
        await shut_down_kernel(server.url, server.admin_token, kernel_id)

    prose = _prose(log)
    open_prose = set(_prose([event for event in log if event["audience"] == "everyone"]))
    hidden = [text for text, seen in prose.items() if not seen]
    assert len(hidden) > 20, "something happened out of her sight"
    assert sum(event["data"]["kind"] == "turn" for event in log) == TURNS + 1
    for text in (mine, later, files):
        assert _told_here(prose, text, mine=False) == []
    seen = _witnessed(log)
    assert _cited(reading)
    assert [(turn, id) for turn, id in _cited(reading) if not seen[turn][id]] == []
    # The onlooker read all that is public of it, so the test knows what a leak looks like.
    assert len([1 for turn, id in _cited(onlookers) if not seen[turn][id]]) > 10
    assert _told_here(prose, public, mine=False) == [text for text in hidden if text in open_prose]
    assert len(open_prose & set(hidden)) > 20
    assert len(_told_here(prose, public_files, mine=False)) > 10
    # And she was told her own.
    told = [event for event in log if event["data"].get("why") == "telling" and event["audience"] == ["mara"]]
    hers = [event["data"]["narrative"] for event in told]
    assert len(hers) == TURNS + 1
    assert all(text.split("\n\n")[0] in mine for text in hers)
    assert _streamed(alice) == "".join(hers)
    assert _streamed(bob) == "".join(e["data"]["narrative"] for e in log if e["data"]["kind"] == "turn")
    assert "witnesses" not in mine + public + files + public_files
    assert not gaps
    assert same
