"""What a character would do is asked and answered in private (SPEC R55-R57)."""

from __future__ import annotations

from typing import Any

from core.rules import ALICE, BOB, EVE, K1, K2, Table, put, seated
from pydantic import JsonValue

from novel_jupyter.core.advice import PER_TURN, wanted
from novel_jupyter.core.asking import handed_over
from novel_jupyter.core.events import fold
from novel_jupyter.core.policy import Principal
from novel_jupyter.core.views import project_state, sees, wire_bytes

SEARCH: JsonValue = {"kind": "search", "target": "cellar"}
FREE: JsonValue = {"tokens_in": 0, "tokens_out": 0, "cost": 0.0}
SPENT: JsonValue = {"tokens_in": 10, "tokens_out": 5, "cost": 0.25}


def mine(table: Table) -> tuple[Principal, str]:
    """A player and their character."""
    owners = {person.user_id: person for person in (ALICE, BOB)}
    return next((owners[s["owner"]], c) for c, s in table.rules["seats"].items() if s["owner"] in owners)


def answer(table: Table, character: str, asked: int = 1, **other: JsonValue) -> dict[str, JsonValue]:
    turn = table.rules["turn"]
    about: dict[str, JsonValue] = {"turn": turn["number"], "attempt": turn["attempt"], "token": table.token}
    said: dict[str, JsonValue] = {"action": SEARCH, "words": "search the cellar", "why": ["it may be there"]}
    return {**about, "character": character, "asked": asked, "spent": FREE, **said, **other}


def entry(table: Table, character: str) -> Any:
    seat: Any = table.state[f"seat:{character}"]
    return seat["advice"]


def test_a_player_asks_and_is_answered_and_nobody_else_hears_of_it() -> None:
    """R55"""
    table = seated()
    me, character = mine(table)
    (asked,) = table.ok(me, "advise", character=character)
    assert wanted(table.state) == [(character, 1)]
    (told,) = table.ok(K1, "advice", **answer(table, character))
    assert wanted(table.state) == []
    said = {"action": SEARCH, "words": "search the cellar", "why": ["it may be there"], "agent": None}
    assert entry(table, character)["answer"] == said
    assert asked.audience == told.audience == [character]
    for view in ("public", "seats:director", "seats:somebody"):
        assert not sees(view, told.audience)
        assert b"cellar" not in wire_bytes("s", told, view)
        assert f"seat:{character}" not in project_state(table.state, view)
    assert fold({}, table.log) == table.state


def test_only_the_seats_player_asks_and_only_the_host_answers() -> None:
    """R55"""
    table = seated()
    me, character = mine(table)
    other = ALICE if me == BOB else BOB
    table.no("not_your_seat", other, "advise", character=character)
    table.no("forbidden", EVE, "advise", character=character)
    table.no("forbidden", K1, "advise", character=character)
    table.no("unknown_character", me, "advise", character="nobody")
    table.ok(me, "advise", character=character)
    table.no("forbidden", other, "advice", **answer(table, character))
    table.no("stale_lease", K2, "advice", **answer(table, character))
    table.no("stale_lease", K1, "advice", **answer(table, character, token=1))
    table.no("unknown_character", K1, "advice", **answer(table, "nobody"))


def test_a_question_is_asked_once_until_it_is_answered_and_only_so_often() -> None:
    """R55"""
    table = seated()
    me, character = mine(table)
    for number in range(1, PER_TURN + 1):
        table.ok(me, "advise", character=character)
        assert table.ok(me, "advise", character=character) == []
        table.no("stale_turn", K1, "advice", **answer(table, character, number + 1))
        table.ok(K1, "advice", **answer(table, character, number))
        table.no("stale_turn", K1, "advice", **answer(table, character, number))
    table.no("too_many", me, "advise", character=character)


def test_there_is_nothing_to_ask_once_the_turn_is_locked() -> None:
    """R55, R56"""
    table = seated()
    me, character = mine(table)
    table.ok(me, "advise", character=character)
    table.lock()
    assert wanted(table.state) == []
    table.no("phase", me, "advise", character=character)
    table.no("stale_turn", K1, "advice", **answer(table, character))


def test_a_successor_answers_what_its_predecessor_did_not() -> None:
    """R56"""
    table = seated()
    me, character = mine(table)
    table.ok(me, "advise", character=character)
    late = answer(table, character)
    table.ok(ALICE, "admit_host", kernel=K2.user_id)
    table.tick(lost_host=table.token)
    table.ok(K2, "request_lease")
    assert wanted(table.state) == [(character, 1)]
    table.no("stale_lease", K1, "advice", **late)
    table.ok(K2, "advice", **answer(table, character, action=None, why=[]))
    assert entry(table, character)["answer"]["action"] is None


def test_nobody_writes_it_by_hand() -> None:
    """R55"""
    table = seated()
    me, character = mine(table)
    table.ok(me, "advise", character=character)
    patch: list[JsonValue] = [put(f"/seat:{character}/advice/asked", 0)]
    table.no("path_forbidden", me, "edit", base=table.head, patch=patch)


def test_what_it_cost_is_added_to_the_sessions_cost_even_when_it_comes_too_late() -> None:
    """R49, R57"""
    table = seated()
    me, character = mine(table)
    table.ok(me, "advise", character=character)
    events = table.ok(K1, "advice", **answer(table, character, spent=SPENT))
    assert [event.audience for event in events] == ["sealed", [character]]
    assert handed_over(table.state)["spent"] == SPENT
    (late,) = table.ok(K1, "advice", **answer(table, character, spent=SPENT))
    assert late.audience == "sealed"
    assert handed_over(table.state)["spent"] == {"tokens_in": 20, "tokens_out": 10, "cost": 0.5}


def test_advice_is_kept_only_as_what_a_log_can_hold() -> None:
    """R55"""
    table = seated()
    me, character = mine(table)
    table.ok(me, "advise", character=character)
    table.no("bad_value", K1, "advice", **answer(table, character, action={"n": 2**60}))
