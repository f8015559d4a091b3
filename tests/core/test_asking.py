"""What models answered is kept, handed on, and paid for once (SPEC R47-R49)."""

from __future__ import annotations

import pytest
from core.rules import ALICE, K1, K2, Table, seated
from pydantic import JsonValue

from novel_jupyter.core.asking import EXCHANGES_KEPT, handed_over
from novel_jupyter.core.events import fold

EXCHANGE: dict[str, JsonValue] = {"request": {"prompt": "what now?"}, "answer": {"choice": "a1"}}
SPENT: JsonValue = {"tokens_in": 10, "tokens_out": 5, "cost": 0.25}
KEY = "0123456789abcdef"


def ask(table: Table, key: str = KEY, **other: JsonValue) -> dict[str, JsonValue]:
    turn = table.rules["turn"]
    about: dict[str, JsonValue] = {"turn": turn["number"], "attempt": turn["attempt"], "token": table.token}
    return {**about, "key": key, "exchange": EXCHANGE, "spent": SPENT, **other}


def test_an_answer_is_sealed_and_handed_to_a_successor() -> None:
    """R47, R48: nobody sees it, whoever hosts next is given it."""
    table = seated().lock()
    before = table.head
    (event,) = table.ok(K1, "asked", **ask(table))
    assert (event.data["kind"], event.audience) == ("record", "sealed")
    table.ok(ALICE, "admit_host", kernel=K2.user_id)
    table.tick(lost_host=table.token)
    table.ok(K2, "request_lease")
    assert handed_over(table.state) == {"asked": {KEY: EXCHANGE}, "spent": SPENT}
    assert fold({}, table.log) == table.state
    assert table.kinds(before).count("record") == 1


def test_the_same_question_is_kept_once() -> None:
    """R47, R49: a repeat costs nothing."""
    table = seated().lock()
    table.ok(K1, "asked", **ask(table))
    assert table.ok(K1, "asked", **ask(table, exchange={"answer": "another"})) == []
    assert handed_over(table.state) == {"asked": {KEY: EXCHANGE}, "spent": SPENT}


def test_only_the_holder_of_the_lease_for_what_is_under_way() -> None:
    """R40, R47"""
    table = seated()
    table.no("stale_turn", K1, "asked", **ask(table))
    table.lock()
    table.no("stale_lease", K1, "asked", **ask(table, token=1))
    table.no("stale_lease", K2, "asked", **ask(table))
    table.no("stale_turn", K1, "asked", **ask(table, attempt=7))
    table.no("bad_value", K1, "asked", **ask(table, exchange={"n": 2**60}))


def test_they_are_bounded() -> None:
    """R47"""
    table = seated().lock()
    for n in range(EXCHANGES_KEPT):
        table.ok(K1, "asked", **ask(table, f"{n:08x}"))
    table.no("too_many", K1, "asked", **ask(table, "ffffffff"))


def test_telling_and_every_retelling_ask_anew() -> None:
    """R48, R49: what was spent stays."""
    table = seated().lock()
    table.ok(K1, "asked", **ask(table))
    table.resolve()
    assert handed_over(table.state)["asked"] == {}
    table.ok(K1, "asked", **ask(table))
    table.tell()
    for _ in range(2):
        table.ok(ALICE, "retell")
        assert handed_over(table.state)["asked"] == {}
        table.ok(K1, "asked", **ask(table, turn=1))
        assert handed_over(table.state)["asked"] == {KEY: EXCHANGE}
        table.tell("In other words.")
    assert handed_over(table.state)["spent"] == {"tokens_in": 40, "tokens_out": 20, "cost": 1.0}


def test_no_undo_takes_back_what_was_spent() -> None:
    """R48, R49: the attempt after it asks anew."""
    table = seated()
    table.turn()
    table.lock()
    table.ok(K1, "asked", **ask(table))
    table.resolve()
    table.tell()
    table.ok(ALICE, "reroll")
    assert handed_over(table.state) == {"asked": {}, "spent": SPENT}
    table.ok(K1, "asked", **ask(table))
    table.ok(ALICE, "cancel")
    table.ok(ALICE, "undo")
    assert handed_over(table.state)["spent"] == {"tokens_in": 20, "tokens_out": 10, "cost": 0.5}


@pytest.mark.parametrize("end", ["resolve", "fail", "cancel"])
def test_everybody_reads_what_it_cost(end: str) -> None:
    """R49: with the event that ends the work, whatever came of it; and nothing where nothing was spent."""
    table = seated().lock()
    assert "spent" not in table.rules["session"]
    table.ok(K1, "asked", **ask(table))
    assert "spent" not in table.rules["session"]
    before = table.head
    if end == "resolve":
        table.resolve()
    elif end == "fail":
        table.ok(K1, "turn_failed", turn=1, attempt=1, token=table.token, code="agent")
    else:
        table.ok(ALICE, "cancel")
    assert table.rules["session"].get("spent") == SPENT
    (bill,) = [event for event in table.log[before:] if "/session/spent" in str(event.data)]
    assert bill.audience == "everyone"


def test_a_story_without_models_has_no_bill() -> None:
    table = seated().lock()
    table.resolve()
    table.tell()
    assert "spent" not in table.rules["session"]
