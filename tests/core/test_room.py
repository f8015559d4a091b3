"""What happens to a command: ids, repeats, refusals, the size of the state, time (SPEC R1-R3, R70-R79)."""

from __future__ import annotations

import pytest
from core.rules import (
    ALICE,
    BOB,
    CAROL,
    EPOCH,
    K1,
    K2,
    SEARCH,
    Table,
    change,
    message,
    playing,
    put,
    seated,
)
from pydantic import JsonValue

from novel_jupyter.core import room as rules
from novel_jupyter.core.draft import KEPT_RESULTS, Context, Draft
from novel_jupyter.core.errors import UNDECIDED, Refused
from novel_jupyter.core.events import fold
from novel_jupyter.core.limits import Bounds
from novel_jupyter.core.messages import OnCharacter
from novel_jupyter.core.room import Command, decide, is_command, next_deadline


def chat(table: Table, id: str | None, text: str = "hello", epoch: str | None = None) -> dict[str, JsonValue]:
    return table.send(BOB, "chat", id=id or "", epoch=epoch, text=text).data


# --- ids --------------------------------------


def test_the_same_command_has_the_same_answer_and_happens_once() -> None:
    """R3"""
    table = Table().join(BOB)
    first = table.send(BOB, "chat", id="c1:1", text="hello")
    table.ok(ALICE, "start")
    again = table.send(BOB, "chat", id="c1:1", text="hello")
    assert (again.sequence_id, again.data, again.repeated) == (first.sequence_id, first.data, True)
    assert table.kinds().count("chat") == 1


def test_the_same_id_with_other_content_is_id_reused() -> None:
    """R3"""
    table = Table().join(BOB)
    chat(table, "c1:1")
    head = table.head
    assert chat(table, "c1:1", "something else")["code"] == "id_reused"
    assert chat(table, "c1:1")["kind"] == "ack", "the first answer stands"
    table.no("id_reused", BOB, "claim", id="c1:1", character="mara")
    assert table.head == head


def test_a_number_belongs_to_its_principal() -> None:
    """R3: nobody can spend another's."""
    table = Table().join(BOB)
    table.ok(ALICE, "chat", id="c1:1", text="mine")
    assert chat(table, "c1:1")["kind"] == "ack"


def test_a_refusal_uses_the_number_up_and_is_repeated() -> None:
    """R3"""
    table = seated()
    table.no("phase", ALICE, "accept", id="c1:1")
    head = table.head
    assert table.send(ALICE, "accept", id="c1:1").repeated
    assert table.last.data["code"] == "phase"
    table.no("id_reused", ALICE, "start", id="c1:1")
    assert table.head == head
    table.no("not_your_seat", BOB, "propose", id="b:7", character="tom", action=SEARCH)
    table.ok(CAROL, "release", character="tom")
    table.no("not_your_seat", BOB, "propose", id="b:7", character="tom", action=SEARCH)


@pytest.mark.parametrize("code", sorted(UNDECIDED))
def test_what_decided_nothing_leaves_the_number_free(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """R3: `rate` and its like."""

    def busy(ctx: Context, data: OnCharacter) -> None:
        raise Refused(code)

    table = Table().join(BOB)
    with monkeypatch.context() as patch:
        patch.setattr(rules, "HANDLERS", {**rules.HANDLERS, "claim": busy})
        assert table.send(BOB, "claim", id="c1:1", character="mara").data["code"] == code
    table.ok(BOB, "claim", id="c1:1", character="mara")


@pytest.mark.parametrize("id", ["", "c1", "c1:0", "c1:01", "c1:-1", "c1:x", ":1", "a b:1", "c1:1 ", "é:1"])
def test_what_is_no_id(id: str) -> None:
    """R3"""
    table = Table().join(BOB)
    assert chat(table, id or None)["code"] == "bad_id"


def test_a_command_needs_an_id() -> None:
    """R3"""
    table = Table().join(BOB)
    sent = message("chat", text="hello")
    reply = decide(Draft(table.room), Command(BOB, sent), table.facts())
    assert reply.data["code"] == "id_required"


def test_numbers_that_were_skipped_can_be_used_until_they_are_below_what_is_kept() -> None:
    """R3: 1,024 results for each client."""
    table = Table().join(BOB)
    for n in range(3, KEPT_RESULTS + 3):
        chat(table, f"c1:{n}")
    assert chat(table, "c1:3")["kind"] == "ack"
    assert chat(table, "c1:1")["code"] == "id_expired"
    assert chat(table, f"c1:{KEPT_RESULTS + 9}")["kind"] == "ack"
    assert chat(table, f"c1:{KEPT_RESULTS + 5}")["kind"] == "ack", "skipped, and above the lowest kept"
    for n in (3, 4):
        assert chat(table, f"c1:{n}")["code"] == "id_expired", "its answer had to make room"
    assert chat(table, "c1:5")["kind"] == "ack"
    assert chat(table, "c2:1")["kind"] == "ack", "another client counts for itself"


def test_a_command_of_another_history_is_refused() -> None:
    """R3"""
    table = Table().join(BOB)
    assert chat(table, "c1:1", epoch="e0")["code"] == "stale_epoch"
    assert table.last.data["epoch"] == EPOCH
    assert chat(table, "c1:2", epoch=EPOCH)["kind"] == "ack"


def test_an_answer_stands_within_the_batch_that_decides_it() -> None:
    """R3, R76: a repeat may come before the append is done."""
    table = Table().join(BOB)
    draft = Draft(table.room)
    sent = Command(BOB, message("chat", "c1:1", text="hello"))
    first, again = (decide(draft, sent, table.facts()) for _ in range(2))
    assert (again.repeated, again.data, again.sequence_id) == (True, first.data, first.sequence_id)
    assert len(draft.events) == len(draft.results) == 1
    other = Command(BOB, message("chat", "c1:1", text="other"))
    assert decide(draft, other, table.facts()).data["code"] == "id_reused"


# --- ids of hosts -----------------------------


def test_ids_of_hosts_are_for_kernels_and_their_steps() -> None:
    """R3: nobody else can use them up."""
    table = playing()
    table.lock()
    table.no("bad_id", BOB, "chat", id="host:1.1:1", text="mine")
    table.no("bad_id", K2, "chat", id="host:1.1:1", text="mine")
    table.resolve()


def test_a_successor_repeats_the_ids_and_nothing_happens_twice() -> None:
    """R3, R40, R51"""
    table = playing()
    table.lock()
    first = table.result()
    sent = table.post(K1, "turn_result", first, "host:1.1:1")
    assert sent.data["kind"] == "ack"
    assert table.post(K1, "turn_result", first, "host:1.1:1").repeated
    table.tick(lost_host=table.token)
    table.host(K2)
    again = table.post(K1, "turn_result", first, "host:1.1:1")
    assert (again.repeated, again.sequence_id) == (True, sent.sequence_id)
    table.no("id_reused", K2, "turn_result", id="host:1.1:1", **{**first, "token": table.token})
    assert table.kinds().count("resolved") == 1


def test_a_stale_host_is_told_so_and_uses_no_number_up() -> None:
    """R3, R40: its late result must not stand in its successor's way."""
    table = playing()
    table.lock()
    late = table.result(changes=[change(put("/scene/mood", "stale"))])
    table.tick(lost_host=table.token)
    table.host(K2)
    table.no("stale_lease", K1, "turn_result", id="host:1.1:1", **late)
    table.ok(K2, "turn_result", id="host:1.1:1", **table.result())
    table.no("stale_lease", K1, "turn_result", id="host:1.1:1", **late)
    assert table.at("/scene/mood") == "calm"


def test_a_host_may_mend_a_result_that_was_refused() -> None:
    """R3: a refusal uses no number of hosts up."""
    table = playing()
    table.lock()
    wrong = table.result(changes=[change(put("/turn/phase", "ended"))])
    table.no("path_forbidden", K1, "turn_result", id="host:1.1:1", **wrong)
    table.ok(K1, "turn_result", id="host:1.1:1", **table.result())


# --- whole or not at all ----------------------


def test_a_refusal_changes_nothing_whatever_was_done_before_it() -> None:
    """R70: also what was already emitted for the same command."""
    table = Table(bounds=Bounds(state_bytes=4000)).join(BOB)
    before = table.state
    table.no("state_full", BOB, "propose", character="mara", action={"kind": "say", "text": "x" * 4000})
    assert table.state is before
    assert table.rules["seats"]["mara"]["owner"] is None


def test_the_size_of_the_state_is_bounded_and_measured_anew_when_it_matters() -> None:
    """R73"""
    table = Table(bounds=Bounds(state_bytes=6000)).join(BOB)
    for n in range(60):
        table.ok(BOB, "edit", base=table.head, patch=[put("/notes/x", f"{n}" * 100)])
    assert table.room.size <= 6000
    table.no("state_full", BOB, "edit", base=table.head, patch=[put("/notes/y", "y" * 6000)])
    table.ok(BOB, "edit", base=table.head, patch=[put("/notes/x", "small")])
    reached = table.room
    assert fold({}, table.log) == reached.state


def test_the_machine_moves_in_the_same_append() -> None:
    """R71, R72"""
    table = seated(turn_policy="immediate")
    events = table.ok(BOB, "propose", character="mara", action=SEARCH)
    assert [event.data["kind"] for event in events] == ["opened", "proposed", "locked"]
    assert table.last.sequence_id == events[1].sequence_id
    assert [event.id for event in events] == ["c-bob:2", "c-bob:2", None]


def test_commands_are_what_can_change_the_log() -> None:
    assert is_command(message("chat", "c1:1", text="hello"))
    assert not is_command(message("join_session"))
    assert not is_command(message("narration", turn=1, attempt=1, token=1, offset=0, text="x"))


# --- time -------------------------------------


def test_after_a_tick_nothing_is_due() -> None:
    """R36, R22: whoever waits for `next_deadline` does not wait in vain, nor for ever at once."""
    table = seated(collect_timeout=30, understudy_after=20)
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    table.gone(CAROL)
    for _ in range(4):
        due = next_deadline(table.state)
        if due is None:
            break
        assert due > table.now
        table.now = due
        assert table.tick(), "something was due"
    assert next_deadline(table.state) is None
    table.ok(ALICE, "archive")
    assert next_deadline(table.state) is None


def test_an_archived_session_waits_for_nothing() -> None:
    """R28, R79"""
    table = seated(collect_timeout=30)
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    table.ok(ALICE, "archive")
    assert next_deadline(table.state) is None


def test_a_tick_says_that_a_host_is_gone_only_with_its_token() -> None:
    """R52"""
    table = playing()
    assert table.tick(lost_host=table.token - 1) == []
    (event,) = table.tick(lost_host=table.token)
    assert event.data["kind"] == "lease_lost"
    assert table.tick(lost_host=table.token) == []
