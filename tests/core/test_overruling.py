"""A director's word in the place of a player's (SPEC R66-R68)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from core.rules import ALICE, BOB, CAROL, DAN, EVE, K1, SEARCH, Table, seated
from pydantic import JsonValue

from novel_jupyter.core.errors import Refused
from novel_jupyter.core.hosting import host_task
from novel_jupyter.core.views import project_state

WAIT: dict[str, JsonValue] = {"kind": "wait"}
WHY = "Tom is asleep by now."


def proposed(**settings: JsonValue) -> Table:
    """Bob is mara, Carol is tom, Dan directs, Eve looks on; mara and tom have proposed to search."""
    table = seated(**settings).join(DAN, EVE)
    table.ok(ALICE, "set_role", target="dan", role="director")
    table.ok(ALICE, "set_role", target="eve", role="spectator")
    for who, character in ((BOB, "mara"), (CAROL, "tom")):
        table.ok(who, "propose", character=character, action=SEARCH)
    return table


def overrule(
    table: Table, character: str = "tom", action: dict[str, JsonValue] | None = WAIT, why: str = WHY
) -> None:
    table.ok(DAN, "overrule", character=character, action=action, reason=why)


def actions(table: Table) -> dict[str, JsonValue]:
    return {c: p["action"] for c, p in table.rules["turn"]["proposals"].items()}


# --- saying it ----------------------------------------------------------------------------------------------


def test_another_action_takes_the_place_of_a_proposal_and_says_by_whom_and_why() -> None:
    """R66"""
    table = proposed()
    table.ok(CAROL, "ready", character="tom")
    before = table.rules["turn"]["proposals"]["tom"]
    overrule(table)
    proposal = table.rules["turn"]["proposals"]["tom"]
    assert proposal == {
        **before,
        "action": WAIT,
        "ready": False,
        "at": table.now,
        "overruled": {"by": "dan", "reason": WHY},
    }
    event = table.newest("overruled")
    assert (event.user_id, event.audience, event.data["kind"]) == ("dan", "everyone", "overruled")
    assert {key: event.data.get(key) for key in ("turn", "character", "action", "reason")} == {
        "turn": 1,
        "character": "tom",
        "action": WAIT,
        "reason": WHY,
    }
    assert table.newest("proposed").data.get("action") == SEARCH, "what was proposed stands in the log"


@pytest.mark.parametrize("view", ["public", "seats:mara", "seats:tom", "seats:director", "all"])
def test_everybody_reads_the_reason(view: str) -> None:
    """R5, R66: a proposal is public, and so is the word against it."""
    table = proposed()
    overrule(table)
    turn = project_state(table.state, view)["turn"]
    assert turn["proposals"]["tom"]["overruled"] == {"by": "dan", "reason": WHY}  # type: ignore[index, call-overload]


def test_what_cannot_be_overruled() -> None:
    """R6, R66"""

    def check(action: Mapping[str, JsonValue]) -> None:
        if action.get("kind") == "fly":
            raise Refused("bad_action", "nobody can fly")

    table = Table(check_action=check).join(BOB, CAROL, EVE)
    table.ok(ALICE, "set_role", target="eve", role="spectator")
    table.host()
    table.no("no_proposal", ALICE, "overrule", character="mara", action=WAIT, reason=WHY)
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    for nobody in (BOB, CAROL, EVE, K1):
        table.no("forbidden", nobody, "overrule", character="mara", action=None, reason=WHY)
    table.no("unknown_character", ALICE, "overrule", character="nobody", action=None, reason=WHY)
    table.no("no_proposal", ALICE, "overrule", character="tom", action=None, reason=WHY)
    bad: tuple[dict[str, JsonValue], ...] = (
        {"kind": "fly"},
        {"kind": "x", "n": 2**60},
        {"kind": "x", "__proto__": {}},
    )
    for action in bad:
        table.no("bad_action", ALICE, "overrule", character="mara", action=action, reason=WHY)
    assert table.rules["turn"]["proposals"]["mara"]["action"] == SEARCH
    table.ok(ALICE, "pause")
    table.no("phase", ALICE, "overrule", character="mara", action=WAIT, reason=WHY)


@pytest.mark.parametrize("reason", ["", "   ", "\n\t \u3000", "x" * 501])
def test_a_reason_is_said_and_bounded(reason: str) -> None:
    """R66"""
    table = proposed()
    with pytest.raises(Refused) as refused:
        table.send(DAN, "overrule", character="tom", action=WAIT, reason=reason)
    assert refused.value.code == "invalid"
    assert "reason" in refused.value.message


def test_the_same_command_overrules_once() -> None:
    """R3, R66"""
    table = proposed()
    first = table.send(DAN, "overrule", id="d:1", character="tom", action=WAIT, reason=WHY)
    head = table.head
    again = table.send(DAN, "overrule", id="d:1", character="tom", action=WAIT, reason=WHY)
    assert (again.repeated, again.sequence_id, table.head) == (True, first.sequence_id, head)
    other = table.send(DAN, "overrule", id="d:1", character="tom", action=None, reason=WHY)
    assert other.data["code"] == "id_reused"


# --- standing -----------------------------------------------------------------------------------------------


def test_what_was_overruled_is_the_directors_alone() -> None:
    """R67: nobody gets round it by proposing, withdrawing, or leaving the seat and taking it again."""
    table = proposed()
    overrule(table)
    table.no("overruled", CAROL, "propose", character="tom", action=SEARCH)
    table.no("overruled", CAROL, "withdraw", character="tom")
    table.ok(CAROL, "release", character="tom")
    assert actions(table)["tom"] == WAIT
    table.ok(CAROL, "claim", character="tom")
    table.no("overruled", CAROL, "propose", character="tom", action=SEARCH)
    table.ok(ALICE, "set_role", target="carol", role=None)
    assert actions(table)["tom"] == WAIT


def test_whoever_directs_takes_it_back_or_says_it_otherwise() -> None:
    """R67"""
    table = proposed()
    overrule(table)
    table.ok(ALICE, "overrule", character="tom", action=None, reason="He is not here.")
    assert table.rules["turn"]["proposals"]["tom"].get("overruled") == {
        "by": "alice",
        "reason": "He is not here.",
    }
    table.ok(DAN, "withdraw", character="tom")
    assert list(actions(table)) == ["mara"]
    table.ok(CAROL, "propose", character="tom", action=SEARCH)
    assert "overruled" not in table.rules["turn"]["proposals"]["tom"]
    table.no("not_your_seat", DAN, "withdraw", character="tom")


def test_the_owner_of_the_seat_says_ready_to_it_and_the_turn_goes_on() -> None:
    """R34, R67"""
    table = proposed()
    table.ok(BOB, "ready", character="mara")
    overrule(table)
    assert table.phase == "collect"
    table.ok(CAROL, "ready", character="tom")
    assert table.phase == "resolving"
    task = host_task(table.state, "seed")
    assert task is not None
    assert task["proposals"] == {
        "mara": {"action": SEARCH, "user_id": "bob"},
        "tom": {"action": WAIT, "user_id": "carol", "overruled": True},
    }


def test_what_is_locked_is_cancelled_first_and_what_waits_can_be_overruled() -> None:
    """R32, R67"""
    table = proposed()
    table.ok(DAN, "lock")
    table.no("no_proposal", DAN, "overrule", character="tom", action=WAIT, reason=WHY)
    table.ok(CAROL, "propose", character="tom", action=SEARCH)
    overrule(table)
    table.resolve()
    table.tell()
    assert (table.rules["turn"]["number"], actions(table)) == (2, {"tom": WAIT})
    table.no("overruled", CAROL, "propose", character="tom", action=SEARCH)
    table.ok(DAN, "lock")
    table.resolve()
    table.tell()
    table.ok(CAROL, "propose", character="tom", action=SEARCH)


@pytest.mark.parametrize("action", [WAIT, None])
def test_it_comes_again_with_cancel_and_reroll_and_goes_with_undo(
    action: dict[str, JsonValue] | None,
) -> None:
    """R46, R61, R63, R67"""
    table = proposed()
    overrule(table, action=action)
    table.ok(DAN, "lock")
    table.ok(CAROL, "release", character="tom")
    table.ok(DAN, "cancel")
    assert actions(table) == {"mara": SEARCH, "tom": action}
    table.ok(CAROL, "claim", character="tom")
    table.no("overruled", CAROL, "propose", character="tom", action=SEARCH)
    table.ok(DAN, "lock")
    before = host_task(table.state, "seed")
    table.resolve()
    table.tell()
    table.ok(DAN, "reroll")
    again = host_task(table.state, "seed")
    assert before is not None
    assert again is not None
    assert again["proposals"] == before["proposals"]
    assert again["agents"] == before["agents"]
    table.resolve()
    table.tell()
    table.ok(DAN, "undo")
    assert actions(table) == {}
    table.ok(CAROL, "propose", character="tom", action=SEARCH)


# --- struck out ---------------------------------------------------------------------------------------------


def test_who_is_struck_out_does_nothing_and_no_agent_plays_them() -> None:
    """R38, R68"""
    table = proposed()
    overrule(table, action=None)
    table.ok(CAROL, "release", character="tom")
    table.ok(DAN, "lock")
    task = host_task(table.state, "seed")
    assert task is not None
    assert task["proposals"] == {"mara": {"action": SEARCH, "user_id": "bob"}}
    assert task["agents"] == ["keeper"]


def test_votes_for_what_was_overruled_are_taken_back() -> None:
    """R35, R66, R68"""
    table = proposed(turn_policy="vote")
    table.ok(BOB, "vote", character="tom")
    table.ok(CAROL, "vote", character="tom")
    overrule(table)
    assert table.rules["turn"]["votes"] == {}
    table.ok(BOB, "vote", character="tom")
    overrule(table, action=None)
    assert table.rules["turn"]["votes"] == {}
    table.no("no_proposal", BOB, "vote", character="tom")
    table.ok(DAN, "lock")
    locked = table.rules["turn"]["locked"]
    assert locked
    assert list(locked["proposals"]) == ["mara"]


@pytest.mark.parametrize("policy", ["round", "vote"])
@pytest.mark.parametrize("way", ["deadline", "director"])
def test_where_everything_is_struck_out_the_agents_play_alone(policy: str, way: str) -> None:
    """R35, R36, R68"""
    table = proposed(turn_policy=policy, collect_timeout=30)
    overrule(table, "tom", None)
    overrule(table, "mara", None)
    assert table.phase == "collect"
    table.ok(DAN, "lock") if way == "director" else table.wait(31)
    assert table.newest("locked").data.get("why") == way
    task = host_task(table.state, "seed")
    assert task is not None
    assert (task["proposals"], task["agents"]) == ({}, ["keeper"])
    table.resolve()
    table.tell()
    assert (table.rules["turn"]["number"], actions(table)) == (2, {})


def test_in_immediate_what_waits_is_overruled_and_what_is_struck_out_is_gone() -> None:
    """R33, R68"""
    table = seated(turn_policy="immediate")
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    table.ok(CAROL, "propose", character="tom", action=SEARCH)
    table.ok(ALICE, "overrule", character="tom", action=None, reason=WHY)
    assert actions(table) == {}
    table.ok(CAROL, "propose", character="tom", action=SEARCH)
    table.ok(ALICE, "overrule", character="tom", action=WAIT, reason=WHY)
    table.resolve()
    table.tell()
    task = host_task(table.state, "seed")
    assert task is not None
    assert task["proposals"] == {"tom": {"action": WAIT, "user_id": "carol", "overruled": True}}


def test_a_change_to_immediate_passes_over_what_was_struck_out() -> None:
    """R27, R68"""
    table = proposed()
    overrule(table, "mara", None)
    table.ok(DAN, "set_settings", turn_policy="immediate")
    locked = table.rules["turn"]["locked"]
    assert locked
    assert list(locked["proposals"]) == ["tom"]
    assert actions(table) == {}, "its turn is this one"
