"""Ending an attempt before its commit (SPEC R46)."""

from __future__ import annotations

import pytest
from core.rules import ALICE, BOB, CAROL, K1, NOON, SEARCH, seated
from pydantic import JsonValue

from novel_jupyter.core.times import later


@pytest.mark.parametrize("phase", ["locked", "resolving", "failed"])
def test_cancel_opens_the_locked_proposals_again(phase: str) -> None:
    """R46: where the character has no newer one; a timer starts anew."""
    table = seated(collect_timeout=30)
    if phase == "locked":
        table.ok(K1, "release_lease")
    table.ok(CAROL, "propose", character="tom", action=SEARCH)
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    table.ok(BOB, "ready", character="mara")
    table.ok(ALICE, "lock")
    if phase == "failed":
        table.ok(K1, "turn_failed", turn=1, attempt=1, token=table.token, code="broken")
        assert table.rules["turn"]["error"] == "broken"
    newer: dict[str, JsonValue] = {"kind": "hide"}
    table.ok(CAROL, "propose", character="tom", action=newer)
    table.wait(100)
    table.ok(ALICE, "cancel")
    turn = table.rules["turn"]
    assert (turn["phase"], turn["locked"], turn["error"], turn["number"]) == ("collect", None, None, 1)
    assert {c: p["action"] for c, p in turn["proposals"].items()} == {"tom": newer, "mara": SEARCH}
    assert not turn["proposals"]["mara"]["ready"]
    assert turn["deadline"] == later(NOON, 130)


def test_cancel_opens_no_proposal_of_who_left_the_seat() -> None:
    """R24, R46"""
    table = seated()
    table.lock()
    table.ok(BOB, "release", character="mara")
    table.ok(ALICE, "cancel")
    assert table.rules["turn"]["proposals"] == {}


def test_cancel_while_collecting_drops_what_is_proposed() -> None:
    """R46"""
    table = seated(turn_policy="vote", collect_timeout=30)
    table.no("phase", ALICE, "cancel")
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    table.ok(BOB, "vote", character="mara")
    table.ok(ALICE, "cancel")
    turn = table.rules["turn"]
    assert (turn["proposals"], turn["votes"], turn["deadline"]) == ({}, {}, None)
    table.no("phase", ALICE, "cancel")


def test_a_result_that_comes_after_the_cancel_is_refused() -> None:
    """R40, R46"""
    table = seated().lock()
    result = table.result()
    table.ok(ALICE, "cancel")
    table.no("phase", K1, "turn_result", **result)
    table.ok(ALICE, "lock")
    table.no("stale_turn", K1, "turn_result", **result)
    table.resolve()
