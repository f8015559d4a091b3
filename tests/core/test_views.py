"""What one may see (SPEC R4, R5)."""

from __future__ import annotations

import json

import pytest
from core.rules import ALICE, BOB, CAROL, DAN, K1, SESSION, Table, everybody, put, seated

from novel_jupyter.core.canonical import chain
from novel_jupyter.core.events import Event, audience_of_partition, encode
from novel_jupyter.core.model import Audience
from novel_jupyter.core.views import SEATED, project_state, sees, view_hash, view_of, view_since, wire_bytes

SEES: dict[str, list[Audience]] = {
    "public": ["everyone"],
    "seats:mara": ["everyone", ["mara"], ["mara", "tom"]],
    "seats:mara,tom": ["everyone", ["mara"], ["tom"], ["mara", "tom"]],
    "seats:director": ["everyone", "director"],
    "all": ["everyone", "director", ["mara"], ["tom"], ["mara", "tom"]],
}
AUDIENCES: list[Audience] = ["everyone", "director", "sealed", ["mara"], ["tom"], ["mara", "tom"]]


@pytest.mark.parametrize("view", SEES)
def test_who_sees_which_audience(view: str) -> None:
    """R4, R5"""
    assert [audience for audience in AUDIENCES if sees(view, audience)] == [
        audience for audience in AUDIENCES if audience in SEES[view]
    ]


def test_the_audience_of_a_partition_is_told_from_its_name() -> None:
    """R4"""
    names = ("seat:mara", "director", "sealed", "scene", "seats", "conflicts")
    assert [audience_of_partition(name) for name in names] == [
        ["mara"],
        "director",
        "sealed",
        *["everyone"] * 3,
    ]


def test_the_view_of_each_standing() -> None:
    """R5"""
    table = everybody()
    table.ok(BOB, "claim", character="tom")
    table.ok(BOB, "claim", character="mara")
    views = {user: view_of(table.state, user) for user in ("alice", "bob", "dan", "eve", "nobody")}
    assert views == {
        "alice": "public",
        "bob": "seats:mara,tom",
        "dan": "seats:director",
        "eve": "public",
        "nobody": "public",
    }
    assert view_of(table.state, K1.user_id, True) == "all"
    assert view_of(table.state, "kernel:unknown", True) == "public"
    assert view_of(table.state, K1.user_id) == "public", "a person with a kernel's name is no kernel"
    table.ok(ALICE, "grant_view", target="alice", sees_all=True)
    assert view_of(table.state, "alice") == "all"
    assert view_since(table.state, "nobody") == 0


def test_the_kernel_of_somebody_who_plays_is_no_way_round_the_cut() -> None:
    """R5, R44"""
    table, kernel = everybody(), "kernel:bob:k9"
    assert view_of(table.state, kernel, True) == "public"
    table.ok(BOB, "claim", character="mara")
    claimed = view_since(table.state, "bob")
    assert view_of(table.state, kernel, True) == SEATED
    assert view_since(table.state, kernel, True) == claimed > 0
    others = ("kernel:dan:k9", "kernel:eve:k9", "kernel:k9")
    assert [view_of(table.state, other, True) for other in others] == ["public"] * 3
    shown = project_state(table.state, SEATED)
    assert {audience_of_partition(name) for name in shown} == {"everyone"}
    assert not any(sees(SEATED, audience) for audience in ("onlookers", "director", "sealed", ["mara"], [""]))
    table.ok(ALICE, "admit_host", kernel=kernel)
    assert view_of(table.state, kernel, True) == "all"
    table.ok(ALICE, "admit_host", kernel=kernel, admitted=False)
    table.ok(BOB, "release", character="mara")
    assert view_of(table.state, kernel, True) == "public"
    assert view_since(table.state, kernel, True) > claimed


def test_a_state_in_a_view_has_its_partitions_and_one_hash() -> None:
    """R5, R92"""
    table = seated()
    assert set(project_state(table.state, "all")) == set(table.state) - {"sealed"}
    mara = project_state(table.state, "seats:mara")
    assert {name for name in mara if audience_of_partition(name) != "everyone"} == {"seat:mara"}
    before = {view: view_hash(table.state, view) for view in SEES}
    table.edit(BOB, put("/seat:mara/secret", "another"))
    after = {view: view_hash(table.state, view) for view in SEES}
    assert {view for view in SEES if before[view] != after[view]} == {"seats:mara", "seats:mara,tom", "all"}


def test_an_unseen_event_is_a_placeholder_that_tells_its_number_alone() -> None:
    """R5: neither author, time, id, kind nor size."""
    table = seated()
    table.edit(BOB, put("/seat:mara/secret", "short"))
    table.edit(BOB, put("/seat:mara/secret", "long " * 200))
    first, second = table.log[-2:]
    shown = [json.loads(wire_bytes(SESSION, event, "seats:tom")) for event in (first, second)]
    for event, frame in zip((first, second), shown, strict=True):
        assert frame == {
            "type": "system_message",
            "session_id": SESSION,
            "user_id": None,
            "timestamp": None,
            "sequence_id": event.sequence_id,
            "id": None,
            "audience": "hidden",
            "data": {"kind": "hidden"},
            "hash": event.hash,
        }


def test_an_event_that_is_seen_is_its_stored_bytes_and_the_hash() -> None:
    """R5, R85: the same for all who see it."""
    table = Table().join(CAROL)
    table.ok(CAROL, "chat", text='quotes " and ümläuts }')
    event = table.log[-1]
    frames = {wire_bytes(SESSION, event, view) for view in SEES}
    assert len(frames) == 1
    frame = json.loads(frames.pop())
    assert frame.pop("hash") == event.hash
    assert frame == json.loads(event.body)


def test_the_chains_hash_confirms_no_guess() -> None:
    """R5: it is keyed with a secret of the session."""
    table = seated()
    previous = table.room.head.hash
    table.edit(BOB, put("/seat:mara/secret", "the vault"))
    event = table.log[-1]
    assert chain(previous, event.body, table.room.salt) == event.hash
    assert chain(previous, event.body, b"a guess of the salt") != event.hash


def test_refusals_obey_the_view() -> None:
    """R5, R10: of a hidden path one learns no more than of one that does not exist."""
    table = seated().join(DAN)
    answers = []
    for path in ("/seat:mara/secret", "/seat:mara/nothing", "/seat:ghost/secret"):
        reply = table.send(CAROL, "edit", base=0, patch=[{"op": "test", "path": path, "value": "the key"}])
        answers.append({key: value for key, value in reply.data.items() if key not in ("path", "message")})
    assert answers[0] == answers[1] == answers[2]
    records = [
        table.no("no_record", CAROL, "settle", record=f"/seat:mara/{name}/1-0", take=False)
        for name in ("conflicts", "x")
    ]
    assert len({str(record.data["code"]) for record in records}) == 1


def test_events_are_encoded_once() -> None:
    """R1: what is stored is what is broadcast."""
    table = Table()
    event: Event = table.log[0]
    again = encode(
        SESSION, event.sequence_id, event.user_id, event.timestamp, event.id, event.audience, event.data
    )
    assert again == event.body
