"""Views on the wire: what one may not see never reaches one's socket, file or error (SPEC R5).

Law: secrets are searched for in the raw bytes of everything that somebody got, not in what a client makes of
them. Every view is gapless, and its hash is the server's.
Parts: two players and a spectator on a real server; batches that change views in their middle.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from server.inside import Inside, Listener
from server.wire import Wire, connect, create, rest

from novel_jupyter.core.views import view_hash
from novel_jupyter.testing import ServerProcess

MARK = "Only-Mara-may-read-this"


def texts_of(value: Any) -> Iterator[str]:
    """Every text in a JSON value that is long enough to be found by chance nowhere else."""
    if isinstance(value, dict):
        for child in value.values():
            yield from texts_of(child)
    elif isinstance(value, list):
        for child in value:
            yield from texts_of(child)
    elif isinstance(value, str) and len(value) > 12:
        yield value


async def _all_by_rest(server: ServerProcess, name: str, session: str) -> tuple[str, dict[str, Any]]:
    """Everything that REST tells `name` about a session, as text; and the state's answer."""
    async with rest(server, name) as http:
        paths = ("", "/state", "/events", "/export.md", "/export.json", "/export.html")
        answers = [await http.get(f"sessions/{session}{path}") for path in paths]
        assert [answer.status_code for answer in answers] == [200] * len(paths)
        return "\n".join(answer.text for answer in answers), answers[1].json()


async def _hashes_agree(server: ServerProcess, session: str, wires: dict[str, Wire]) -> None:
    head = max(wire.sessions[session].sequence_id for wire in wires.values())
    for name, wire in wires.items():
        replica = await wire.reach(session, head)
        assert replica.gaps == []
        _, state = await _all_by_rest(server, name, session)
        assert state["head"] == replica.head
        assert (state["view"], state["hash"]) == (replica.view, replica.state_hash())
        assert state["state"] == replica.state


@pytest.mark.process
@pytest.mark.asyncio
async def test_secrets_of_a_seat_stay_with_its_owner(server: ServerProcess) -> None:
    session = await create(server)
    async with (
        connect(server, "alice") as alice,
        connect(server, "bob", "b1") as bob,
        connect(server, "carol", "k1") as carol,
    ):
        wires = {"alice": alice, "bob": bob, "carol": carol}
        for wire in wires.values():
            await wire.join(session)
        assert (await alice.act(session, "claim", character="mara"))["kind"] == "ack"
        assert (await bob.act(session, "claim", character="tomas"))["kind"] == "ack"
        await alice.until(lambda: alice.sessions[session].view == "seats:mara")
        await bob.until(lambda: bob.sessions[session].view == "seats:tomas")
        made = alice.sessions[session].state["seat:mara"]
        written = await alice.edit(session, "/seat:mara/mine", MARK)
        assert written["outcome"] == "applied", written
        late = await alice.edit(session, "/seat:mara/mine", "again", base=written["sequence_id"] - 1)
        assert late["kind"] == "ack"

        # What is hidden is a number and nothing else.
        hidden = await bob.expect(lambda m: m["sequence_id"] == written["sequence_id"])
        assert hidden["data"] == {"kind": "hidden"}
        assert (hidden["id"], hidden["user_id"], hidden["timestamp"]) == (None, None, None)

        # A refusal tells no more than that.
        for path in ("/seat:mara/mine", "/seat:mara/nothing", "/seat:nobody/x"):
            refused = await bob.edit(session, path, "guess")
            assert (refused["code"], set(refused["data"])) == (
                "path_forbidden",
                {"kind", "level", "code", "message", "path"},
            )
        await carol.send("user_cursor", session, {"target": "/scene/mood", "position": 1})
        await alice.send("user_cursor", session, {"target": "/seat:mara/mine", "position": 3})
        await alice.expect(lambda m: m["type"] == "user_cursor" and "seat:mara" in json.dumps(m["data"]))
        await _hashes_agree(server, session, wires)

        secrets = {MARK, *texts_of(made)} - set(texts_of(bob.sessions[session].state))
        assert len(secrets) >= 2
        for name, wire in (("bob", bob), ("carol", carol)):
            told, _ = await _all_by_rest(server, name, session)
            got = "\n".join([*wire.raw, told])
            # As JSON writes it, and as a page does.
            for secret in secrets:
                assert json.dumps(secret)[1:-1] not in got
                assert secret not in got
            assert "/seat:mara/mine" not in "\n".join(
                line for line in wire.raw if "path_forbidden" not in line
            )
        mine, _ = await _all_by_rest(server, "alice", session)
        assert MARK in mine


@pytest.mark.process
@pytest.mark.asyncio
async def test_a_change_of_view_comes_with_the_whole_state(server: ServerProcess) -> None:
    """R5, R9: claim, release, a director's seat, a grant to see all, and back."""
    session = await create(server)
    async with connect(server, "alice") as alice, connect(server, "bob", "b1") as bob:
        await alice.join(session)
        await bob.join(session)
        replica = bob.sessions[session]
        seen = [replica.view]

        async def moves(view: str) -> None:
            sync = await bob.expect(lambda m: m["type"] == "state_sync" and m["id"] is None)
            assert sync["data"]["kind"] == "full_sync"
            assert sync["data"]["view"] == view
            assert set(sync["data"]["state"]) == {p for p in sync["data"]["state"] if _visible(p, view)}
            seen.append(view)
            await _hashes_agree(server, session, {"alice": alice, "bob": bob})

        await bob.act(session, "claim", character="mara")
        await moves("seats:mara")
        await bob.act(session, "claim", character="ines")
        await moves("seats:ines,mara")
        await alice.act(session, "release", character="ines")
        await moves("seats:mara")
        await alice.rule(session, "set_role", target="bob", role="director")
        await moves("seats:director")
        await alice.rule(session, "grant_view", target="bob", sees_all=True)
        await moves("all")
        assert "sealed" not in replica.state
        await alice.rule(session, "set_role", target="bob", role="spectator")
        await alice.rule(session, "grant_view", target="bob", sees_all=False)
        await moves("public")
        assert seen == [
            "public",
            "seats:mara",
            "seats:ines,mara",
            "seats:mara",
            "seats:director",
            "all",
            "public",
        ]
        # Whoever saw all may look, not play.
        await alice.rule(session, "set_role", target="bob", role="player")
        assert (await bob.act(session, "claim", character="mara"))["code"] == "sees_all"


def _visible(partition: str, view: str) -> bool:
    if partition == "sealed":
        return False
    if view == "all":
        return True
    seats = view.removeprefix("seats:").split(",")
    if partition.startswith("seat:"):
        return partition[5:] in seats
    return partition != "director" or "director" in seats


@pytest.mark.asyncio
async def test_a_batch_that_changes_a_view_shows_nothing_after_the_change_in_the_old_one(
    tmp_path: Path,
) -> None:
    """One append carries many decisions: the reader who lost a seat in it sees no later secret of it."""
    async with Inside.open(tmp_path) as inside:
        session = await inside.session("alice")
        alice, bob = Listener(inside, "alice"), Listener(inside, "bob")
        await alice.join(session)
        await bob.join(session)
        await bob.ask(session, "agent_action", {"kind": "claim", "character": "mara"})
        assert bob.view() == "seats:mara"
        # All in one batch: bob leaves the seat, alice takes it and writes in it.
        told = len(bob.messages)
        await inside.at_once(
            session,
            (bob, "agent_action", {"kind": "release", "character": "mara"}),
            (alice, "agent_action", {"kind": "claim", "character": "mara"}),
            (alice, "story_update", inside.edit(session, "/seat:mara/mine", MARK)),
            (bob, "story_update", {"kind": "chat", "text": "goodbye"}),
        )
        assert MARK not in json.dumps(bob.messages[told:])
        assert MARK in json.dumps(alice.messages)
        for listener in (alice, bob):
            assert listener.gaps() == []
            assert listener.view_hash() == view_hash(session.live.room.state, listener.view())
        assert (alice.view(), bob.view()) == ("seats:mara", "public")


@pytest.mark.asyncio
async def test_bytes_are_made_once_for_each_view(tmp_path: Path) -> None:
    """R80."""
    async with Inside.open(tmp_path) as inside:
        session = await inside.session("alice")
        listeners = [Listener(inside, name) for name in ("alice", "bob", "carol")]
        for listener in listeners:
            await listener.join(session)
        await listeners[0].ask(session, "story_update", {"kind": "chat", "text": "shared"})
        for listener in listeners:
            listener.flush()
        frames = [next(f for f in listener.frames if b"shared" in f) for listener in listeners]
        assert frames[0] is frames[1] is frames[2]
