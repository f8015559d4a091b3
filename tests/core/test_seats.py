"""Who plays whom, who is away, and who stands in (SPEC R20-R24)."""

from __future__ import annotations

from core.rules import ALICE, BOB, CAROL, DAN, K1, K2, NOON, SEARCH, Table, playing, seated

from novel_jupyter.core.model import SeatState
from novel_jupyter.core.room import next_deadline
from novel_jupyter.core.times import later
from novel_jupyter.core.views import view_of, view_since


def seat(table: Table, character: str = "mara") -> SeatState:
    return table.rules["seats"][character]


# --- claim, release, delegate -----------------


def test_a_seat_has_one_owner() -> None:
    """R20"""
    table = Table().join(BOB, CAROL)
    (event,) = table.ok(BOB, "claim", character="mara")
    assert seat(table)["owner"] == "bob"
    assert view_of(table.state, "bob") == "seats:mara"
    assert view_since(table.state, "bob") == event.sequence_id, "its view changed (R5)"
    assert table.ok(BOB, "claim", character="mara") == []
    assert table.no("seat_taken", CAROL, "claim", character="mara").data["owner"] == "bob"
    table.no("seat_taken", CAROL, "claim", character="keeper")
    table.no("unknown_character", CAROL, "claim", character="nobody")
    table.ok(BOB, "claim", character="tom")
    assert view_of(table.state, "bob") == "seats:mara,tom"


def test_who_directs_owns_no_seat() -> None:
    """R20, R26"""
    table = Table().join(DAN)
    table.ok(ALICE, "set_role", target="dan", role="director")
    table.no("sees_all", DAN, "claim", character="mara")
    table.ok(ALICE, "claim", character="mara")


def test_a_seat_is_released_by_its_owner_or_a_director() -> None:
    """R24"""
    table = Table().join(BOB, CAROL)
    table.ok(BOB, "claim", character="mara")
    table.no("not_your_seat", CAROL, "release", character="mara")
    assert table.ok(CAROL, "release", character="tom") == [], "it is free already"
    table.no("unknown_character", CAROL, "release", character="nobody")
    (event,) = table.ok(ALICE, "release", character="mara")
    assert event.data["user"] == "bob"  # type: ignore[typeddict-item]
    assert view_of(table.state, "bob") == "public"
    assert view_since(table.state, "bob") == event.sequence_id


def test_releasing_withdraws_the_open_proposal_and_the_votes_for_it() -> None:
    """R24"""
    table = seated(turn_policy="vote")
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    table.ok(CAROL, "propose", character="tom", action=SEARCH)
    table.ok(ALICE, "vote", character="mara")
    table.ok(CAROL, "vote", character="tom")
    table.ok(BOB, "release", character="mara")
    assert list(table.rules["turn"]["proposals"]) == ["tom"]
    assert table.rules["turn"]["votes"] == {"carol": "tom"}


def test_a_seat_can_be_delegated_to_kernels_until_it_is_released() -> None:
    """R21"""
    table = seated()
    table.no("not_your_seat", K2, "propose", character="mara", action=SEARCH)
    table.no("not_your_seat", CAROL, "delegate", character="mara", kernel=K2.user_id)
    table.no("invalid", BOB, "delegate", character="mara", kernel="carol")
    table.ok(BOB, "delegate", character="mara", kernel=K2.user_id)
    table.ok(K2, "propose", character="mara", action=SEARCH)
    table.ok(K2, "ready", character="mara")
    assert seat(table)["owner"] == "bob"
    table.ok(BOB, "delegate", character="mara", kernel=K2.user_id, granted=False)
    table.no("not_your_seat", K2, "withdraw", character="mara")
    for n in range(12):
        table.ok(BOB, "delegate", character="mara", kernel=f"kernel:{n}")
    assert len(seat(table).get("delegates", [])) == 8
    table.ok(BOB, "release", character="mara")
    assert "delegates" not in seat(table)


def test_a_kernel_takes_no_seat() -> None:
    """R21"""
    table = playing()
    for kind in ("claim", "release", "vote"):
        table.no("forbidden", K1, kind, character="mara")


# --- absence ----------------------------------


def test_the_understudy_plays_after_a_while_and_the_seat_comes_back_between_turns() -> None:
    """R22, R23, R38"""
    table = seated(understudy_after=60)
    (away,) = table.gone(BOB)
    assert (away.data["kind"], away.user_id) == ("away", None)
    assert seat(table).get("away_until") == later(NOON, 60) == next_deadline(table.state)
    assert table.wait(59) == []
    (understudy,) = table.wait(1)
    assert understudy.data["kind"] == "understudy"
    assert seat(table)["understudy"]
    assert next_deadline(table.state) is None
    table.ok(ALICE, "lock")
    assert table.rules["turn"]["locked"]["agents"] == ["keeper", "mara"]  # type: ignore[index]
    assert table.comes(BOB) == [], "not in mid-turn"
    table.resolve()
    before = table.head
    table.tell()
    assert table.kinds(before) == ["turn", "back"]
    assert (seat(table)["understudy"], "away_until" in seat(table)) == (False, False)


def test_who_comes_back_in_time_was_only_away() -> None:
    """R23: at once when no turn is under way, and in mid-turn while the understudy has not begun."""
    table = seated(understudy_after=60)
    table.gone(BOB)
    table.wait(59)
    assert [event.data["kind"] for event in table.comes(BOB)] == ["back"]
    table.ok(ALICE, "lock")
    table.gone(BOB)
    assert [event.data["kind"] for event in table.comes(BOB)] == ["back"]


def test_no_understudy_begins_in_mid_turn() -> None:
    """R22"""
    table = seated(understudy_after=60)
    table.ok(ALICE, "lock")
    table.gone(BOB)
    assert next_deadline(table.state) is None
    assert table.wait(100) == []
    table.resolve()
    before = table.head
    table.tell()
    assert table.kinds(before) == ["turn", "understudy"]


def test_an_understudied_seat_does_not_hold_a_round_up() -> None:
    """R34"""
    table = seated(understudy_after=60)
    table.gone(BOB)
    table.wait(60)
    table.ok(CAROL, "propose", character="tom", action=SEARCH)
    table.ok(CAROL, "ready", character="tom")
    assert table.rules["turn"]["locked"]["agents"] == ["keeper", "mara"]  # type: ignore[index]


def test_who_comes_back_between_turns_is_the_owner_again_at_once() -> None:
    """R23"""
    table = seated(understudy_after=60)
    table.gone(BOB)
    table.wait(60)
    before = table.head
    table.present.add("bob")
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    assert table.kinds(before) == ["opened", "proposed", "back"]


def test_a_seat_that_is_taken_over_was_never_away() -> None:
    """R22, R24"""
    table = seated(understudy_after=60)
    table.gone(BOB)
    table.wait(60)
    table.ok(ALICE, "release", character="mara")
    table.ok(CAROL, "claim", character="mara")
    assert seat(table) == {"name": "Mara", "playable": True, "owner": "carol", "understudy": False}
