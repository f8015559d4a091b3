"""Who belongs, as what; settings; the archive (SPEC R7, R9, R20, R25-R28)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core.rules import (
    ALICE,
    BOB,
    CAROL,
    DAN,
    EVE,
    K1,
    MALLORY,
    SEARCH,
    Table,
    everybody,
    playing,
    put,
    seated,
)

from novel_jupyter.core.limits import Bounds
from novel_jupyter.core.policy import Entry, Principal, person_of, standing_of
from novel_jupyter.core.views import view_of


def role_of(table: Table, user: str) -> str | None:
    found = table.rules["participants"].get(user)
    return found["role"] if found else None


def test_whoever_joins_gets_the_default_role_once() -> None:
    """R7"""
    table = Table(settings={"default_role": "spectator"}).join(BOB)
    assert role_of(table, "bob") == "spectator"
    head = table.head
    table.join(BOB)
    assert table.head == head
    table.send(K1, "join_session")
    assert table.head == head, "a kernel is no participant"


def test_joining_is_refused_when_closed_full_or_removed() -> None:
    """R7"""
    closed = Table(settings={"default_role": "none"})
    closed.no("forbidden", BOB, "join_session")
    full = Table(bounds=Bounds(participants=2)).join(BOB)
    full.no("session_full", CAROL, "join_session")
    table = Table().join(BOB)
    table.ok(ALICE, "set_role", target="bob", role=None)
    table.no("forbidden", BOB, "join_session")
    table.no("forbidden", BOB, "chat", text="still here")
    table.ok(ALICE, "set_role", target="bob", role="player")
    table.ok(BOB, "chat", text="thanks")
    assert table.rules["session"]["removed"] == {}


def test_there_is_always_an_owner() -> None:
    """R9"""
    table = Table().join(BOB)
    for role in ("player", "director", "spectator", None):
        table.no("forbidden", ALICE, "set_role", target="alice", role=role)
    table.ok(ALICE, "set_role", target="bob", role="owner")
    table.ok(ALICE, "set_role", target="alice", role="player")
    table.no("forbidden", ALICE, "set_role", target="bob", role="player")
    assert role_of(table, "bob") == "owner"


def test_who_was_never_here_has_no_role_to_change() -> None:
    """R25"""
    table = Table().join(BOB)
    table.no("no_participant", ALICE, "set_role", target="nobody", role="player")
    table.no("no_participant", ALICE, "set_role", target="nobody", role=None)
    table.no("no_participant", ALICE, "grant_view", target="nobody", sees_all=True)
    table.no("forbidden", BOB, "set_role", target="bob", role="owner")
    assert table.ok(ALICE, "set_role", target="bob", role="player") == []


@pytest.mark.parametrize("role", ["director", "spectator", None])
def test_a_role_without_a_seat_frees_the_seat_its_proposal_and_the_votes(role: str | None) -> None:
    """R24, R26"""
    table = seated(turn_policy="vote", collect_timeout=30)
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    table.ok(BOB, "vote", character="mara")
    table.ok(CAROL, "vote", character="mara")
    table.ok(ALICE, "set_role", target="bob", role=role)
    turn = table.rules["turn"]
    assert table.rules["seats"]["mara"]["owner"] is None
    assert (turn["proposals"], turn["votes"], turn["deadline"]) == ({}, {}, None)
    assert view_of(table.state, "bob") == ("seats:director" if role == "director" else "public")


def test_who_loses_two_seats_at_once_leaves_no_timer_behind() -> None:
    """R24, R36"""
    table = playing(collect_timeout=30)
    for character in ("mara", "tom"):
        table.ok(BOB, "propose", character=character, action=SEARCH)
    table.ok(ALICE, "set_role", target="bob", role=None)
    assert table.rules["turn"]["proposals"] == {}
    assert table.at("/turn/deadline") is None


def test_a_vote_for_ones_own_freed_seat_is_taken_back_once() -> None:
    """R24"""
    table = playing(turn_policy="vote")
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    table.ok(CAROL, "propose", character="tom", action=SEARCH)
    table.ok(BOB, "vote", character="tom")
    table.ok(ALICE, "set_role", target="bob", role="spectator")
    assert table.rules["turn"]["votes"] == {}
    assert list(table.rules["turn"]["proposals"]) == ["tom"]


def test_granted_views_exclude_seats_both_ways_and_for_ever() -> None:
    """R20"""
    table = Table().join(BOB, CAROL)
    table.ok(BOB, "claim", character="mara")
    table.no("sees_all", ALICE, "grant_view", target="bob", sees_all=True)
    table.ok(ALICE, "grant_view", target="carol", sees_all=True)
    assert view_of(table.state, "carol") == "all"
    assert table.ok(ALICE, "grant_view", target="carol", sees_all=True) == []
    table.no("sees_all", CAROL, "claim", character="tom")
    table.no("sees_all", CAROL, "propose", character="tom", action=SEARCH)
    table.ok(ALICE, "grant_view", target="carol", sees_all=False)
    assert view_of(table.state, "carol") == "public"
    table.no("sees_all", CAROL, "claim", character="tom")


def test_who_directed_or_peeked_and_was_removed_does_not_play_after_coming_back() -> None:
    """R20: nobody peeks and then plays."""
    table = Table().join(BOB, CAROL, DAN)
    table.ok(ALICE, "grant_view", target="bob", sees_all=True)
    table.ok(ALICE, "set_role", target="carol", role="director")
    for name in ("bob", "carol"):
        table.ok(ALICE, "set_role", target=name, role=None)
        table.ok(ALICE, "set_role", target=name, role="player")
    table.no("sees_all", BOB, "claim", character="mara")
    table.no("sees_all", CAROL, "claim", character="mara")
    table.ok(ALICE, "set_role", target="dan", role=None)
    table.ok(ALICE, "set_role", target="dan", role="director")
    table.ok(ALICE, "set_role", target="dan", role="player")
    table.no("sees_all", DAN, "claim", character="mara")


def test_a_change_of_view_says_since_when() -> None:
    """R5, R9"""
    table = Table().join(BOB)
    for kind, data in (
        ("set_role", {"target": "bob", "role": "director"}),
        ("grant_view", {"target": "bob", "sees_all": True}),
    ):
        (event,) = table.ok(ALICE, kind, **data)
        assert table.rules["participants"]["bob"]["view_since"] == event.sequence_id


def test_settings_hold_from_their_event_on() -> None:
    """R27"""
    table = playing(turn_policy="vote", collect_timeout=30)
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    table.ok(BOB, "vote", character="mara")
    table.ok(ALICE, "set_settings", collect_timeout=0)
    assert table.at("/turn/deadline") is None
    assert table.rules["session"]["settings"]["collect_timeout"] is None
    table.ok(ALICE, "set_settings", turn_policy="round", review=True)
    assert table.rules["turn"]["votes"] == {}
    table.no("invalid", ALICE, "set_settings")
    table.no("forbidden", BOB, "set_settings", review=False)


def test_directors_and_admitted_kernels_set_settings_but_no_roles() -> None:
    """R25"""
    table = everybody()
    table.ok(DAN, "set_settings", review=True)
    table.ok(K1, "set_settings", review=False)
    for who in (DAN, K1, EVE):
        table.no("forbidden", who, "set_role", target="bob", role="spectator")
        table.no("forbidden", who, "grant_view", target="bob", sees_all=True)
        table.no("forbidden", who, "archive")


def test_an_archived_session_stands_still() -> None:
    """R28"""
    table = seated(collect_timeout=5, understudy_after=1)
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    table.ok(ALICE, "archive")
    assert table.ok(ALICE, "set_role", target="carol", role="spectator")
    table.ok(ALICE, "unarchive")
    table.ok(ALICE, "archive")
    head = table.head
    for who, kind, data in (
        (BOB, "chat", {"text": "hello?"}),
        (ALICE, "lock", {}),
        (K1, "request_lease", {}),
        (BOB, "edit", {"base": head, "patch": [put("/scene/mood", "grim")]}),
        (ALICE, "archive", {}),
    ):
        table.no("archived", who, kind, **data)
    table.gone(BOB)
    table.wait(100)
    assert table.head == head
    table.join(MALLORY)
    assert "locked" not in table.kinds(head), "the machine stands still whatever else happens"
    table.ok(ALICE, "unarchive")
    assert table.rules["session"]["status"] == "open"
    assert "locked" in table.kinds(head)


def test_an_ended_story_is_ended_when_it_leaves_the_archive() -> None:
    """R28"""
    table = playing()
    table.lock()
    table.resolve(ended={"ending": "storm", "title": "The Storm", "reason": "it came"})
    table.tell()
    assert table.rules["session"]["status"] == "ended"
    table.ok(ALICE, "archive")
    table.ok(ALICE, "unarchive")
    assert table.rules["session"]["status"] == "ended"


# --- what the deployment says of a person


@pytest.mark.parametrize(
    ("default_role", "joins_as", "role"),
    [
        ("player", None, "player"),
        ("player", "director", "director"),
        ("player", "player", "player"),
        ("player", "spectator", "spectator"),
        ("player", "none", None),
        ("spectator", None, "spectator"),
        ("spectator", "director", "director"),
        ("spectator", "player", "spectator"),
        ("spectator", "none", None),
        ("none", None, None),
        ("none", "director", None),
        ("none", "player", None),
    ],
)
def test_what_the_deployment_says_meets_what_the_session_says(
    default_role: str, joins_as: Entry | None, role: str | None
) -> None:
    """R7"""
    table = Table(settings={"default_role": default_role})
    bob, his_kernel = replace(BOB, joins_as=joins_as), Principal("kernel:bob:k9", "k", "kernel", joins_as)
    if role is None:
        table.no("forbidden", bob, "join_session")
        table.no("forbidden", his_kernel, "join_session")
        return
    table.join(bob)
    assert role_of(table, "bob") == role
    assert standing_of(table.state, his_kernel) == ("spectator" if role == "spectator" else "kernel")
    assert table.rules["participants"]["bob"].get("has_peeked", False) is (role == "director")
    if joins_as == "spectator":
        table.ok(ALICE, "set_role", target="bob", role="player")
        table.ok(bob, "claim", character="mara")


def test_a_kernel_may_no_more_than_its_person() -> None:
    """R6, R7"""
    table = Table(settings={"default_role": "player"}).join(BOB)
    kernel = Principal("kernel:bob:k9", "k", "kernel")
    table.send(kernel, "join_session")
    assert standing_of(table.state, kernel) == "kernel"
    table.ok(ALICE, "set_role", target="bob", role="spectator")
    assert standing_of(table.state, kernel) == "spectator"
    table.ok(ALICE, "admit_host", kernel=kernel.user_id)
    table.ok(kernel, "request_lease")
    assert standing_of(table.state, kernel) == "host"
    table.ok(ALICE, "set_role", target="bob", role=None)
    assert standing_of(table.state, kernel) == "stranger"
    assert (table.rules["host"]["admitted"], table.rules["host"]["holder"]) == ({}, None)
    assert view_of(table.state, kernel.user_id, is_kernel=True) == "public"
    table.no("forbidden", kernel, "join_session")
    assert standing_of(table.state, replace(kernel, user_id="kernel:bobby:k9")) == "kernel"
    assert standing_of(table.state, K1) == "kernel", "of whom nobody knows whose it is"


def test_what_a_known_persons_kernel_made_is_that_persons_to_claim() -> None:
    """R8"""
    table = Table(creator=Principal("kernel:bob:k9", "k", "kernel")).join(ALICE, BOB)
    assert table.rules["session"].get("reserved_for") == "bob"
    table.no("forbidden", ALICE, "claim_session")
    table.no("forbidden", replace(BOB, joins_as="spectator"), "claim_session")
    table.ok(BOB, "claim_session")
    assert (table.rules["session"]["owner"], role_of(table, "bob")) == ("bob", "owner")
    assert table.at("/host/admitted") == {"kernel:bob:k9": 1}


def test_a_name_says_whose_kernel_it_is() -> None:
    """R6: names of kernels have no colon, so whatever a user is called, the last one parts them."""
    names = {"kernel:bob:k9": "bob", "kernel:person:kernel:x:k9": "person:kernel:x", "kernel:k9": None}
    assert {name: person_of(name) for name in names} == names
    assert person_of("bob") is None
    assert person_of("person:kernel:bob:k9") is None
