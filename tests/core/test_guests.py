"""Invites and guests (SPEC R96-R98)."""

from __future__ import annotations

import pytest
from core.rules import ALICE, BOB, NOON, Table, playing
from pydantic import JsonValue

from novel_jupyter.core.errors import Refused
from novel_jupyter.core.guests import INVITES_KEPT, invite_of, plain_name
from novel_jupyter.core.policy import SERVER, Principal
from novel_jupyter.core.times import later

ZOE, YAN = "guest:" + "0" * 32, "guest:" + "1" * 32


def guest(user: str = ZOE) -> Principal:
    return Principal(user, "Zoe", joins_as="none", only="s1")


def invited(table: Table, **data: JsonValue) -> int:
    """The id of a new invite of alice's."""
    table.ok(ALICE, "invite", **{"role": "player", **data})
    return table.last.sequence_id


def admitted(table: Table, number: int, user: str = ZOE, name: str = "Zoe") -> None:
    table.ok(SERVER, "admit_guest", invite=number, guest=user, name=name)


def test_an_invite_lets_in_as_often_and_long_as_it_says() -> None:
    """R96"""
    table = Table()
    number = invited(table, uses=2, seconds=600)
    entry = table.rules["session"]["invites"][str(number)]
    assert entry == {"role": "player", "left": 2, "until": later(NOON, 600)}
    admitted(table, number)
    table.now = later(NOON, 599)
    admitted(table, number, YAN)
    table.no("no_invite", SERVER, "admit_guest", invite=number, guest="guest:" + "2" * 32, name="x")
    again = invited(table, seconds=60)
    table.now = later(table.now, 60)
    table.no("no_invite", SERVER, "admit_guest", invite=again, guest="guest:" + "2" * 32, name="x")
    table.no("no_invite", SERVER, "admit_guest", invite=1, guest="guest:" + "2" * 32, name="x")


def test_only_the_owner_invites_and_only_the_server_admits() -> None:
    """R96, R97"""
    table = Table().join(BOB)
    table.no("forbidden", BOB, "invite", role="player")
    number = invited(table)
    for who in (ALICE, BOB):
        table.no("forbidden", who, "admit_guest", invite=number, guest=ZOE, name="Zoe")
    table.no("forbidden", BOB, "revoke_invite", invite=number)


def test_a_guest_plays_and_is_shown_as_one() -> None:
    """R97"""
    table = Table()
    admitted(table, invited(table), name="  Zo\u202ee \n the  1st ")
    shown = table.rules["participants"][ZOE]
    assert (shown["name"], shown["role"], shown["guest"]) == ("Zo e the 1st", "player", table.head - 2)
    table.send(guest(), "join_session")
    assert table.last.data["kind"] == "ack"
    table.ok(guest(), "claim", character="mara")
    table.ok(guest(), "chat", text="hello")
    for kind, data in (
        ("invite", {"role": "player"}),
        ("set_role", {"target": "alice", "role": None}),
        ("admit_host", {"kernel": "kernel:k1"}),
        ("claim_session", {}),
        ("lock", {}),
    ):
        table.no("forbidden", guest(), kind, **data)
    table.no("forbidden", ALICE, "set_role", target=ZOE, role="director")
    table.no("forbidden", ALICE, "set_role", target=ZOE, role="owner")
    table.ok(ALICE, "set_role", target=ZOE, role="spectator")


def test_a_stranger_with_a_guests_id_comes_in_by_no_default_role() -> None:
    """R97: the invite is the only door."""
    table = Table(settings={"default_role": "player"})
    table.no("forbidden", guest(), "join_session")


def test_revoking_removes_who_came_by_it_and_nobody_else() -> None:
    """R98"""
    table = playing()
    one, other = invited(table), invited(table)
    admitted(table, one)
    admitted(table, other, YAN)
    table.ok(ALICE, "revoke_invite", invite=one)
    assert ZOE not in table.rules["participants"]
    assert YAN in table.rules["participants"]
    assert all(seat["owner"] != ZOE for seat in table.rules["seats"].values())
    assert table.rules["session"]["removed"] == {}, "there is no way back for a guest that had to be barred"
    table.no("forbidden", guest(), "chat", text="still here")
    table.no("no_invite", ALICE, "revoke_invite", invite=one)
    assert invite_of(table.rules, ZOE) is None
    assert invite_of(table.rules, YAN) is not None
    assert invite_of(table.rules, "alice") is None


def test_invites_are_bounded_and_those_that_are_over_make_room() -> None:
    """R96"""
    table = Table()
    first = invited(table, seconds=60)
    admitted(table, first)
    for _ in range(INVITES_KEPT - 1):
        invited(table)
    table.no("too_many", ALICE, "invite", role="player")
    table.now = later(NOON, 60)
    invited(table)
    assert str(first) not in table.rules["session"]["invites"]
    assert ZOE not in table.rules["participants"]


def test_guests_alone_are_renamed() -> None:
    """R98"""
    table = Table().join(BOB)
    admitted(table, invited(table))
    table.ok(ALICE, "rename", target=ZOE, name="Zoë")
    assert table.rules["participants"][ZOE]["name"] == "Zoë"
    table.no("forbidden", ALICE, "rename", target="bob", name="Robert")
    table.no("no_participant", ALICE, "rename", target="carol", name="x")
    table.no("invalid", ALICE, "rename", target=ZOE, name="\u202e \u200d")
    table.no("forbidden", guest(), "rename", target=ZOE, name="Me")


@pytest.mark.parametrize(
    ("said", "shown"), [(" a\tb ", "a b"), ("👩\u200d🚀", "👩\u200d🚀"), ("می\u200cخواهم", "می\u200cخواهم")]
)
def test_a_name_is_one_line_of_what_can_be_seen(said: str, shown: str) -> None:
    assert plain_name(said) == shown
    with pytest.raises(Refused):
        plain_name("\u2028\u200c")
