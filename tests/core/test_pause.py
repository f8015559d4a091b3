"""Pausing: between turns at once, in mid-turn when the turn ends (SPEC R39)."""

from __future__ import annotations

import pytest
from core.rules import ALICE, BOB, CAROL, K1, NOON, SEARCH, seated

from novel_jupyter.core.room import next_deadline
from novel_jupyter.core.times import later


def test_a_pause_between_turns_holds_everything() -> None:
    """R39"""
    table = seated(collect_timeout=30)
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    table.ok(ALICE, "pause")
    assert table.phase == "paused"
    for kind in ("propose", "withdraw", "ready"):
        more = {"action": SEARCH} if kind == "propose" else {}
        table.no("phase", BOB, kind, character="mara", **more)
    table.no("phase", ALICE, "pause")
    table.no("phase", ALICE, "lock")
    table.wait(100)
    assert table.phase == "paused"
    table.ok(ALICE, "resume")
    assert table.phase == "collect"
    assert list(table.rules["turn"]["proposals"]) == ["mara"]
    assert table.rules["turn"]["deadline"] == later(NOON, 130), "the timer starts anew"
    table.no("phase", ALICE, "resume")


@pytest.mark.parametrize("phase", ["locked", "resolving", "narrating"])
def test_a_pause_in_mid_turn_takes_effect_when_the_turn_ends(phase: str) -> None:
    """R39"""
    table = seated(collect_timeout=30)
    if phase == "locked":
        table.ok(K1, "release_lease")
    table.lock()
    if phase == "narrating":
        table.resolve()
    table.ok(ALICE, "pause")
    assert table.phase == phase
    table.ok(CAROL, "propose", character="tom", action=SEARCH)
    if phase == "locked":
        table.ok(K1, "request_lease")
    if phase != "narrating":
        table.resolve()
    table.tell()
    assert (table.phase, table.rules["turn"]["number"]) == ("paused", 2)
    assert next_deadline(table.state) is None
    assert table.wait(100) == []
    table.ok(ALICE, "resume")
    assert (table.phase, table.rules["turn"]["deadline"]) == ("collect", later(NOON, 130))


def test_a_pause_in_mid_turn_can_be_taken_back() -> None:
    """R39"""
    table = seated()
    table.lock()
    table.ok(ALICE, "pause")
    table.ok(ALICE, "resume")
    table.resolve()
    table.tell()
    assert table.phase == "collect"


def test_a_pause_of_the_lobby_of_a_review_and_of_a_failure() -> None:
    """R39"""
    table = seated(review=True)
    table.ok(ALICE, "pause")
    table.ok(ALICE, "resume")
    assert table.phase == "lobby"
    table.turn()
    table.ok(ALICE, "pause")
    table.ok(ALICE, "resume")
    assert table.phase == "review"
    table.ok(ALICE, "accept")
    table.lock()
    table.ok(K1, "turn_failed", turn=2, attempt=1, token=table.token, code="broken")
    table.ok(ALICE, "pause")
    table.ok(ALICE, "resume")
    assert table.phase == "failed"


def test_a_pause_asked_for_twice_is_one_pause() -> None:
    """R39: asked for in mid-turn and again in the review, one word resumes."""
    table = seated(review=True)
    table.lock()
    table.ok(ALICE, "pause")
    table.resolve()
    table.tell()
    assert table.phase == "review"
    table.ok(ALICE, "pause")
    assert table.phase == "paused"
    table.ok(ALICE, "resume")
    assert (table.phase, table.rules["turn"]["pause_next"]) == ("review", False)
