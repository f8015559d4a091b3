"""The turn machine up to the lock (SPEC R30-R39)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from core.rules import ALICE, BOB, CAROL, DAN, EVE, K1, K2, NOON, SEARCH, Table, playing, put, seated
from pydantic import JsonValue

from novel_jupyter.core.errors import Refused
from novel_jupyter.core.room import next_deadline
from novel_jupyter.core.times import later

ASK: dict[str, JsonValue] = {"kind": "ask", "target": "keeper"}


def proposals(table: Table) -> dict[str, str]:
    return {c: str((p["action"] or {})["kind"]) for c, p in table.rules["turn"]["proposals"].items()}


def locked(table: Table) -> dict[str, str]:
    frozen = table.rules["turn"]["locked"]
    return {c: str((p["action"] or {})["kind"]) for c, p in frozen["proposals"].items()} if frozen else {}


# --- proposing --------------------------------


def test_the_first_proposal_or_a_start_opens_the_lobby() -> None:
    """R30"""
    table = playing()
    assert table.phase == "lobby"
    events = table.ok(BOB, "propose", character="mara", action=SEARCH)
    assert [event.data["kind"] for event in events] == ["claimed", "opened", "proposed"]
    assert table.last.sequence_id == events[-1].sequence_id
    other = playing()
    other.ok(ALICE, "start")
    assert other.phase == "collect"
    other.no("phase", ALICE, "start")


def test_a_proposal_changes_until_the_lock_and_then_is_not_ready() -> None:
    """R31"""
    table = seated()
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    order = table.rules["turn"]["proposals"]["mara"]["order"]
    table.ok(BOB, "ready", character="mara")
    assert table.ok(BOB, "ready", character="mara") == []
    table.ok(BOB, "propose", character="mara", action=ASK)
    assert proposals(table) == {"mara": "ask"}
    proposal = table.rules["turn"]["proposals"]["mara"]
    assert (proposal["ready"], proposal["order"]) == (False, order)
    table.ok(BOB, "withdraw", character="mara")
    assert proposals(table) == {}


def test_what_cannot_be_proposed() -> None:
    """R21, R31"""

    def check(action: Mapping[str, JsonValue]) -> None:
        if action.get("kind") == "fly":
            raise Refused("bad_action", "nobody can fly")

    table = Table(check_action=check).join(BOB, CAROL, DAN, EVE)
    table.ok(ALICE, "set_role", target="dan", role="director")
    table.ok(ALICE, "set_role", target="eve", role="spectator")
    table.ok(CAROL, "claim", character="tom")
    table.no("unknown_character", BOB, "propose", character="nobody", action=SEARCH)
    table.no("bad_action", BOB, "propose", character="mara", action={"kind": "fly"})
    table.no("bad_action", BOB, "propose", character="mara", action={"kind": "x", "n": 2**60})
    table.no("bad_action", BOB, "propose", character="mara", action={"kind": "x", "__proto__": {}})
    assert table.rules["seats"]["mara"]["owner"] is None, "a refused proposal takes no seat"
    table.no("not_your_seat", BOB, "propose", character="tom", action=SEARCH)
    table.no("seat_taken", BOB, "propose", character="keeper", action=SEARCH)
    table.no("sees_all", DAN, "propose", character="mara", action=SEARCH)
    table.no("forbidden", EVE, "propose", character="mara", action=SEARCH)
    table.no("no_proposal", BOB, "withdraw", character="mara")
    table.no("no_proposal", BOB, "ready", character="mara")
    table.no("unknown_character", BOB, "ready", character="nobody")
    table.ok(CAROL, "propose", character="tom", action=SEARCH)
    table.no("not_your_seat", BOB, "withdraw", character="tom")
    table.no("not_your_seat", BOB, "ready", character="tom")


@pytest.mark.parametrize("phase", ["locked", "resolving", "narrating", "review", "failed"])
def test_proposals_during_a_turn_wait_for_the_next(phase: str) -> None:
    """R32"""
    table = seated(review=True, collect_timeout=60)
    token = table.token
    if phase == "locked":
        table.ok(K1, "release_lease")
    table.lock()
    if phase == "failed":
        table.ok(K1, "turn_failed", id="host:1.1:1", turn=1, attempt=1, token=token, code="broken")
    if phase in ("narrating", "review"):
        table.resolve()
    if phase == "review":
        table.tell()
    assert table.phase == phase
    table.ok(CAROL, "propose", character="tom", action=ASK)
    table.ok(CAROL, "ready", character="tom")
    table.ok(BOB, "propose", character="mara", action=ASK)
    assert table.phase == phase
    assert table.at("/turn/deadline") is None, "the timer starts with the next turn"
    table.no("phase", BOB, "vote", character="mara")
    if phase in ("locked", "resolving", "failed"):
        table.ok(ALICE, "cancel")
    else:
        if phase == "narrating":
            table.tell()
        table.ok(ALICE, "accept")
    assert table.phase == "collect"
    assert proposals(table) == {"mara": "ask", "tom": "ask"}
    assert table.rules["turn"]["deadline"] == later(NOON, 60)


# --- the three policies -----------------------


def test_a_round_locks_when_every_present_owner_is_ready() -> None:
    """R34"""
    table = seated()
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    table.ok(BOB, "ready", character="mara")
    assert table.phase == "collect"
    table.ok(CAROL, "propose", character="tom", action=ASK)
    events = table.ok(CAROL, "ready", character="tom")
    assert [event.data["kind"] for event in events] == ["ready", "locked"]
    assert table.last.sequence_id == events[0].sequence_id, "the lock is the server's, by rule (R72)"
    assert events[1].user_id is None
    assert locked(table) == {"mara": "search", "tom": "ask"}
    assert table.rules["turn"]["locked"] == {
        "base": events[1].sequence_id,
        "proposals": table.rules["turn"]["locked"]["proposals"],  # type: ignore[index]
        "agents": ["keeper"],
    }
    assert events[1].data["why"] == "ready"  # type: ignore[typeddict-item]


def test_a_round_does_not_wait_for_who_is_absent() -> None:
    """R34"""
    table = seated()
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    table.ok(BOB, "ready", character="mara")
    events = table.gone(CAROL)
    assert [event.data["kind"] for event in events] == ["away", "locked"]
    assert table.rules["turn"]["locked"]["agents"] == ["keeper"], "not yet an understudy"  # type: ignore[index]


def test_a_round_locks_at_its_deadline_once() -> None:
    """R36: whoever fires it."""
    table = seated(collect_timeout=30)
    assert next_deadline(table.state) is None
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    assert table.rules["turn"]["deadline"] == next_deadline(table.state) == later(NOON, 30)
    table.wait(10)
    table.ok(CAROL, "propose", character="tom", action=SEARCH)
    assert table.rules["turn"]["deadline"] == later(NOON, 30), "the first proposal started it"
    assert table.wait(19) == []
    events = table.wait(1)
    assert [event.data["kind"] for event in events] == ["locked"]
    assert table.newest("locked").data["why"] == "deadline"  # type: ignore[typeddict-item]
    assert table.tick() == []
    assert table.at("/turn/deadline") is None


def test_a_deadline_goes_with_the_last_proposal() -> None:
    """R36"""
    table = seated(collect_timeout=30)
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    table.ok(CAROL, "propose", character="tom", action=SEARCH)
    table.ok(BOB, "withdraw", character="mara")
    assert table.at("/turn/deadline") is not None
    table.ok(CAROL, "release", character="tom")
    assert table.at("/turn/deadline") is None
    table.wait(60)
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    assert table.rules["turn"]["deadline"] == later(NOON, 90)
    table.ok(ALICE, "cancel")
    assert table.at("/turn/deadline") is None


def test_a_director_locks_at_any_time_even_nothing() -> None:
    """R34, R38: then the agents play alone."""
    table = playing()
    (opened, lock) = table.ok(ALICE, "lock")
    assert (opened.data["kind"], lock.data["kind"]) == ("opened", "locked")
    assert table.rules["turn"]["locked"]["agents"] == ["keeper", "mara", "tom"]  # type: ignore[index]
    table.no("phase", ALICE, "lock")


def test_a_present_owner_who_proposed_nothing_does_nothing() -> None:
    """R38"""
    table = seated()
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    table.ok(ALICE, "lock")
    assert locked(table) == {"mara": "search"}
    assert table.rules["turn"]["locked"]["agents"] == ["keeper"]  # type: ignore[index]


def test_immediate_locks_what_comes_and_the_others_queue_in_order() -> None:
    """R33, R38"""
    table = seated(turn_policy="immediate")
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    assert table.phase == "resolving"
    assert locked(table) == {"mara": "search"}
    assert table.rules["turn"]["locked"]["agents"] == ["keeper"]  # type: ignore[index]
    table.ok(CAROL, "propose", character="tom", action=ASK)
    table.ok(BOB, "propose", character="mara", action=ASK)
    table.ok(CAROL, "propose", character="tom", action=SEARCH)
    table.resolve()
    table.tell()
    assert (table.phase, locked(table), proposals(table)) == ("resolving", {"tom": "search"}, {"mara": "ask"})
    table.resolve()
    table.tell()
    assert (locked(table), proposals(table)) == ({"mara": "ask"}, {})
    assert table.rules["turn"]["number"] == 3


def test_immediate_cancelled_does_not_lock_the_same_again() -> None:
    """R46: a cancel that started the same attempt again would cancel nothing."""
    table = seated(turn_policy="immediate")
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    table.ok(CAROL, "propose", character="tom", action=ASK)
    table.ok(ALICE, "cancel")
    assert locked(table) == {"tom": "ask"}, "the next in the queue"
    table.ok(ALICE, "cancel")
    assert (table.phase, locked(table), proposals(table)) == ("collect", {}, {})


def test_a_vote_locks_the_winner_when_every_present_voter_has_voted() -> None:
    """R35"""
    table = seated(turn_policy="vote")
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    table.no("no_proposal", BOB, "vote", character="tom")
    table.ok(CAROL, "propose", character="tom", action=ASK)
    table.ok(BOB, "vote", character="mara")
    table.ok(BOB, "vote", character="tom")
    table.ok(CAROL, "vote", character="mara")
    assert table.phase == "collect"
    events = table.ok(ALICE, "vote", character="tom")
    assert [event.data["kind"] for event in events] == ["voted", "locked"]
    assert (locked(table), proposals(table)) == ({"tom": "ask"}, {}), "the others are dropped"
    assert table.rules["turn"]["votes"] == {}
    assert table.rules["turn"]["locked"]["agents"] == ["keeper"]  # type: ignore[index]


def test_of_equal_votes_the_earliest_proposal_wins() -> None:
    """R35"""
    table = seated(turn_policy="vote", collect_timeout=30)
    table.ok(CAROL, "propose", character="tom", action=ASK)
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    table.ok(BOB, "vote", character="mara")
    table.ok(CAROL, "vote", character="tom")
    table.wait(30)
    assert locked(table) == {"tom": "ask"}


def test_a_vote_on_a_directors_word_and_without_votes() -> None:
    """R35"""
    table = seated(turn_policy="vote")
    table.ok(CAROL, "propose", character="tom", action=ASK)
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    table.ok(BOB, "vote", character="mara")
    table.ok(ALICE, "lock")
    assert locked(table) == {"mara": "search"}


def test_who_leaves_is_not_waited_for_in_a_vote_and_spectators_do_not_vote() -> None:
    """R35"""
    table = seated(turn_policy="vote").join(EVE)
    table.ok(ALICE, "set_role", target="eve", role="spectator")
    table.no("forbidden", EVE, "vote", character="mara")
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    table.ok(BOB, "vote", character="mara")
    table.ok(ALICE, "vote", character="mara")
    assert table.phase == "collect"
    table.gone(CAROL)
    assert locked(table) == {"mara": "search"}


def test_there_is_no_vote_in_other_policies() -> None:
    """R35"""
    table = seated()
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    table.no("phase", BOB, "vote", character="mara")


def test_a_withdrawn_proposal_takes_its_votes_along() -> None:
    """R24, R35"""
    table = seated(turn_policy="vote")
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    table.ok(CAROL, "propose", character="tom", action=SEARCH)
    table.ok(CAROL, "vote", character="mara")
    table.ok(BOB, "withdraw", character="mara")
    assert table.rules["turn"]["votes"] == {}
    table.ok(ALICE, "lock")
    assert locked(table) == {"tom": "search"}


# --- locking ----------------------------------


def test_without_a_host_what_is_locked_waits() -> None:
    """R37, R52"""
    table = Table().join(BOB)
    table.lock()
    assert table.phase == "locked"
    table.host()
    assert table.phase == "resolving"


def test_attempts_count_from_1_for_each_turn_and_never_repeat() -> None:
    """R37: on every branch, because ids of hosts name turn and attempt alone."""
    table = seated()
    seen = set()

    def attempt() -> tuple[int, int]:
        turn = table.rules["turn"]
        assert (turn["number"], turn["attempt"]) not in seen
        seen.add((turn["number"], turn["attempt"]))
        return turn["number"], turn["attempt"]

    table.lock()
    assert attempt() == (1, 1)
    table.ok(ALICE, "cancel")
    table.ok(ALICE, "lock")
    assert attempt() == (1, 2)
    first = table.resolve()
    table.tell()
    table.lock()
    assert attempt() == (2, 1)
    table.resolve()
    table.tell()
    table.ok(ALICE, "branch", name="other", at=first)
    table.lock()
    assert attempt() == (2, 2)
    table.resolve()
    table.tell()
    table.ok(ALICE, "undo", to=0)
    table.lock()
    assert attempt() == (1, 3)


def test_attempts_do_not_repeat_after_very_many_turns() -> None:
    """R37: what is forgotten counts on from the highest that was forgotten."""
    table = playing()
    for _ in range(70):
        table.ok(ALICE, "lock")
        table.resolve()
        table.tell()
    assert len(table.rules["turn"]["attempts"]) <= 65
    table.ok(ALICE, "lock")
    assert table.rules["turn"]["attempt"] == 1
    table.resolve()
    table.tell()
    table.ok(ALICE, "undo", to=0)
    table.ok(ALICE, "lock")
    assert (table.rules["turn"]["number"], table.rules["turn"]["attempt"]) == (1, 2)
    table.resolve()


def test_an_ended_story_takes_no_turns() -> None:
    """R30"""
    table = seated()
    table.lock()
    table.resolve(ended={"ending": "storm", "title": "The Storm", "reason": "it came"})
    table.tell()
    assert table.phase == "ended"
    table.no("ended", BOB, "propose", character="mara", action=SEARCH)
    for kind in ("pause", "lock", "start", "cancel", "accept", "resume"):
        table.no("phase", ALICE, kind)
    table.ok(BOB, "chat", text="well played")
    assert table.edit(BOB, put("/notes/end", "it was the butler")).data["outcome"] == "applied"


def test_kernels_propose_for_free_seats_and_take_none() -> None:
    """R21"""
    table = seated()
    table.ok(BOB, "release", character="mara")
    table.ok(K2, "propose", character="mara", action=SEARCH)
    table.ok(K1, "propose", character="keeper", action=ASK)
    assert table.rules["seats"]["mara"]["owner"] is None
    table.no("not_your_seat", K2, "propose", character="tom", action=SEARCH)
    table.ok(CAROL, "propose", character="tom", action=SEARCH)
    table.ok(CAROL, "ready", character="tom")
    assert set(locked(table)) == {"mara", "tom", "keeper"}
