"""Going back and going elsewhere (SPEC R60-R65)."""

from __future__ import annotations

from typing import cast

import pytest
from core.rules import ALICE, BOB, CAROL, K1, SEARCH, Table, change, message, outcome, playing, put, seated
from pydantic import JsonValue

from novel_jupyter.core.draft import Draft
from novel_jupyter.core.events import Undone
from novel_jupyter.core.history import BRANCHES_KEPT
from novel_jupyter.core.model import RULE_PARTITIONS, State
from novel_jupyter.core.room import Command, decide
from novel_jupyter.core.telling import TURNS_KEPT


def story(state: State) -> dict[str, JsonValue]:
    return {name: part for name, part in state.items() if name not in RULE_PARTITIONS}


def three_turns(**settings: JsonValue) -> tuple[Table, list[int], list[State]]:
    """A table after three turns, their nodes, and the states at their ends (first of all the opening's)."""
    table = seated(**settings)
    nodes, ends = [], [table.states[table.rules["session"]["opening"]]]
    for n in (1, 2, 3):
        table.lock()
        nodes.append(
            table.resolve(
                changes=[
                    change(put("/scene/mood", f"mood {n}")),
                    change(put("/seat:mara/beliefs/n", n), audience=["mara"]),
                    change(put("/director/plan", f"plan {n}"), audience="director"),
                ]
            )
        )
        table.tell(f"Turn {n}.")
        ends.append(table.state)
    return table, nodes, ends


# --- undo -------------------------------------


@pytest.mark.parametrize("back_to", [0, 1, 2])
def test_undo_restores_the_story_as_it_stood(back_to: int) -> None:
    """R60, R61: in every view, while the log goes on."""
    table, nodes, ends = three_turns()
    target = [0, *nodes][back_to]
    before, epoch = table.head, table.room.head.epoch
    table.ok(ALICE, "undo", to=target)
    assert story(table.state) == story(ends[back_to])
    turn = table.rules["turn"]
    assert (turn["phase"], turn["number"], turn["parent"]) == ("collect", back_to + 1, target)
    assert table.rules["branches"]["main"] == target
    assert len(table.rules["turns"]) == 3, "nothing is deleted"
    undone = table.log[before].data
    assert (undone["to"], undone["left"]) == (target, nodes[2])  # type: ignore[typeddict-item]
    assert table.room.head.epoch == epoch
    assert {str(event.audience) for event in table.log[before:]} >= {"everyone", "['mara']", "director"}
    assert table.turn() > nodes[2]


def test_undo_goes_one_turn_back_by_itself_and_can_be_undone() -> None:
    """R61"""
    table, nodes, ends = three_turns()
    table.ok(ALICE, "undo")
    assert story(table.state) == story(ends[2])
    table.ok(ALICE, "undo")
    assert story(table.state) == story(ends[1])
    table.ok(ALICE, "undo", to=nodes[2])
    assert story(table.state) == story(ends[3])
    assert table.rules["turn"]["number"] == 4


def test_chat_roles_seats_and_settings_stay() -> None:
    """R61"""
    table, nodes, _ = three_turns()
    table.ok(CAROL, "chat", text="what a mess")
    table.ok(CAROL, "release", character="tom")
    table.ok(ALICE, "set_role", target="carol", role="spectator")
    table.ok(ALICE, "set_settings", review=True)
    kept = {name: table.state[name] for name in ("chat", "seats", "participants", "session", "host")}
    table.ok(ALICE, "undo", to=nodes[0])
    assert {name: table.state[name] for name in kept} == kept


def test_undone_edits_are_listed_and_can_be_made_again() -> None:
    """R61"""
    table, nodes, _ = three_turns()
    table.edit(BOB, put("/notes/early", "lost?"))
    public = table.last.sequence_id
    table.edit(BOB, put("/seat:mara/secret", "my own"))
    private = table.last.sequence_id
    table.ok(ALICE, "undo", to=nodes[1])
    assert table.at("/notes/early") is not None
    assert cast(Undone, table.newest("undone").data)["edits"] == [public, private]
    assert "early" not in table.state["notes"]  # type: ignore[operator]
    table.ok(CAROL, "restore_edit", sequence_id=public)
    assert table.at("/notes/early") == "lost?"
    assert table.newest("edit").data["restores"] == public  # type: ignore[typeddict-item]
    table.no("no_record", CAROL, "restore_edit", sequence_id=private)
    table.ok(BOB, "restore_edit", sequence_id=private)
    assert table.at("/seat:mara/secret") == "my own"


def test_what_cannot_be_restored() -> None:
    """R61"""
    table = playing()
    table.ok(BOB, "chat", text="hello")
    for wrong in (0, table.head, 99_999):
        table.no("no_record", BOB, "restore_edit", sequence_id=wrong)
    table.edit(BOB, put("/notes/x", {"y": 1}))
    table.edit(CAROL, put("/notes/x/y", 2))
    deep = table.last.sequence_id
    table.edit(BOB, {"op": "remove", "path": "/notes/x"})
    table.no("missing_path", CAROL, "restore_edit", sequence_id=deep)
    base = table.head
    table.edit(BOB, put("/scene/mood", "merry"))
    table.edit(K1, put("/scene/mood", "grim"), base=base)
    assert table.last.data["outcome"] == "suggested"
    table.no("no_record", BOB, "restore_edit", sequence_id=table.last.sequence_id)


def test_prose_that_was_told_again_or_late_stays_with_its_turn() -> None:
    """R61, R64: an undo to a turn does not bring later turns back, nor lose its newer prose."""
    table, nodes, ends = three_turns()
    table.ok(ALICE, "retell", node=nodes[0])
    table.tell("Turn 1, better.")
    table.ok(ALICE, "undo", to=nodes[0])
    assert table.at("/scene/mood") == "mood 1"
    chronicle = table.state["chronicle"]
    assert isinstance(chronicle, dict)
    assert list(chronicle) == [str(nodes[0])]
    assert table.at(f"/chronicle/{nodes[0]}/narrative") == "Turn 1, better."
    table.lock()
    late = table.resolve()
    table.ok(ALICE, "cancel")
    table.ok(ALICE, "retell")
    table.tell("Late.")
    table.turn()
    table.ok(ALICE, "undo", to=late)
    assert table.at(f"/chronicle/{late}/narrative") == "Late."
    assert story(ends[1]) != story(table.state)


def test_records_of_conflicts_do_not_roll_back() -> None:
    """R13, R61: neither public ones nor those of a seat."""
    table, nodes, _ = three_turns()
    for path in ("/scene/mood", "/seat:mara/secret"):
        base = table.head
        table.edit(BOB, put(path, "one"))
        table.send(K1, "edit", base=base, patch=[put(path, "two")])
        assert table.last.data["outcome"] == "suggested"
    table.ok(ALICE, "undo", to=nodes[0])
    assert len(table.rules["suggestions"]) == 1
    assert len(table.at("/seat:mara/suggestions")) == 1  # type: ignore[arg-type]
    assert table.at("/seat:mara/secret") == "the key"


def test_outcomes_that_were_undone_are_not_told() -> None:
    """R43, R61"""
    table, nodes, _ = three_turns()
    table.lock()
    table.resolve(turn_complete=False, outcomes=[outcome("undone", "mara")])
    table.ok(ALICE, "undo", to=nodes[1])
    table.lock()
    table.resolve(outcomes=[outcome("kept", "mara")])
    assert table.rules["sealed"]["outcomes"] == [outcome("kept", "mara")]


@pytest.mark.parametrize("phase", ["locked", "resolving", "narrating"])
def test_nobody_goes_back_in_mid_turn(phase: str) -> None:
    """R60: cancel it first."""
    table, nodes, _ = three_turns()
    if phase == "locked":
        table.ok(K1, "release_lease")
    table.lock()
    if phase == "narrating":
        table.resolve()
    table.no("phase", ALICE, "undo", to=nodes[0])
    table.no("phase", ALICE, "branch", name="other", at=nodes[0])
    table.no("phase", ALICE, "reroll")
    table.no("phase", ALICE, "retell")


def test_there_is_nothing_before_the_opening_and_no_unknown_turn() -> None:
    """R61, R65"""
    table = playing()
    table.no("unknown_turn", ALICE, "undo")
    table.no("unknown_turn", ALICE, "undo", to=99)
    table.no("phase", ALICE, "reroll")
    table.no("phase", ALICE, "retell")
    table.ok(ALICE, "start")
    table.no("unknown_turn", ALICE, "reroll")
    table.no("unknown_turn", ALICE, "retell")
    table.no("unknown_turn", ALICE, "retell", node=7)


def test_without_its_history_nothing_is_gone_back_to() -> None:
    """R60: what the caller could not read is refused, not guessed."""
    table, nodes, _ = three_turns()
    for kind, data in (("undo", {"to": nodes[0]}), ("retell", {}), ("reroll", {})):
        draft = Draft(table.room)
        sent = message(kind, "c9:1", None, **data)
        reply = decide(draft, Command(ALICE, sent), table.facts())
        assert (reply.data["code"], draft.events) == ("unknown_turn", [])


def test_undo_opens_an_ended_story_again() -> None:
    """R61"""
    table, nodes, _ = three_turns()
    table.lock()
    table.resolve(ended={"ending": "storm", "title": "The Storm", "reason": "it came"})
    table.tell()
    table.ok(ALICE, "undo", to=nodes[2])
    assert (table.phase, table.rules["session"]["status"]) == ("collect", "open")
    assert "ending" not in table.rules["session"]
    table.turn()
    assert table.phase == "collect"


def test_only_the_latest_turns_can_be_gone_back_to() -> None:
    """R65"""
    table = playing()
    nodes = []
    for _ in range(TURNS_KEPT + 2):
        table.ok(ALICE, "lock")
        nodes.append(table.resolve(outcomes=[]))
        table.tell("x")
    assert len(table.rules["turns"]) == TURNS_KEPT
    table.no("unknown_turn", ALICE, "undo", to=nodes[1])
    table.ok(ALICE, "undo", to=nodes[2])
    table.ok(ALICE, "undo", to=0)


# --- branches ---------------------------------


def test_a_branch_goes_on_elsewhere_and_its_tip_can_be_come_back_to() -> None:
    """R62"""
    table, nodes, ends = three_turns()
    table.ok(ALICE, "branch", name="other", at=nodes[0])
    assert (table.rules["turn"]["branch"], table.rules["turn"]["number"]) == ("other", 2)
    assert table.rules["branches"] == {"main": nodes[2], "other": nodes[0]}
    assert story(table.state) == story(ends[1])
    tip = table.turn("Otherwise.", put("/scene/mood", "other"))
    assert table.rules["turns"][str(tip)]["branch"] == "other"
    other = story(table.state)
    table.ok(ALICE, "branch", name="main")
    assert story(table.state) == story(ends[3])
    assert (table.rules["turn"]["branch"], table.rules["turn"]["number"]) == ("main", 4)
    table.ok(ALICE, "branch", name="other")
    assert story(table.state) == other


def test_what_is_no_branch() -> None:
    """R62"""
    table, nodes, _ = three_turns()
    table.no("unknown_turn", ALICE, "branch", name="other")
    table.no("unknown_turn", ALICE, "branch", name="other", at=7)
    table.no("name_taken", ALICE, "branch", name="main", at=nodes[0])
    for n in range(BRANCHES_KEPT - 1):
        table.ok(ALICE, "branch", name=f"b{n}", at=0)
    table.no("too_many", ALICE, "branch", name="one-more", at=0)
    table.ok(ALICE, "branch", name="b0")


# --- reroll, retell ---------------------------


def test_reroll_is_a_new_attempt_with_the_same_proposals_from_the_same_state() -> None:
    """R63"""
    table, nodes, ends = three_turns()
    table.ok(CAROL, "propose", character="tom", action=SEARCH)
    table.ok(ALICE, "reroll")
    turn = table.rules["turn"]
    assert (turn["phase"], turn["number"], turn["attempt"], turn["parent"]) == ("resolving", 3, 2, nodes[1])
    assert list(turn["locked"]["proposals"]) == ["mara"]  # type: ignore[index]
    assert story(table.state) == story(ends[2])
    assert list(turn["proposals"]) == ["tom"], "what waits goes on waiting"
    again = table.resolve(changes=[change(put("/scene/mood", "otherwise"))])
    table.tell()
    assert table.rules["turns"][str(again)]["attempt"] == 2
    assert table.rules["turns"][str(again)]["parent"] == nodes[1]
    assert table.at("/scene/mood") == "otherwise"


def test_a_failed_resolution_is_tried_again() -> None:
    """R45, R63"""
    table = seated()
    table.lock()
    table.ok(K1, "turn_failed", turn=1, attempt=1, token=table.token, code="broken")
    table.ok(CAROL, "propose", character="tom", action=SEARCH)
    table.ok(ALICE, "reroll")
    turn = table.rules["turn"]
    assert (turn["phase"], turn["attempt"], turn["error"]) == ("resolving", 2, None)
    assert list(turn["locked"]["proposals"]) == ["mara"]  # type: ignore[index]
    assert list(turn["proposals"]) == ["tom"]
    table.resolve()


def test_a_reroll_of_a_turn_in_parts_keeps_what_its_other_parts_tell() -> None:
    """R43, R63"""
    table = seated()
    table.lock()
    table.resolve(turn_complete=False, outcomes=[outcome("first", "mara")])
    table.lock()
    table.resolve(outcomes=[outcome("second", "mara")])
    table.tell()
    table.ok(ALICE, "reroll")
    table.resolve(outcomes=[outcome("third", "mara")])
    assert table.rules["sealed"]["outcomes"] == [outcome("first", "mara"), outcome("third", "mara")]


@pytest.mark.parametrize("phase", ["collect", "review", "paused", "ended"])
def test_retell_replaces_the_prose_and_nothing_else(phase: str) -> None:
    """R64"""
    table = seated(review=phase == "review")
    table.lock()
    ended: JsonValue = {"ending": "storm", "title": "T", "reason": "r"} if phase == "ended" else None
    node = table.resolve(changes=[change(put("/scene/mood", "tense"))], ended=ended)
    table.tell("First.")
    if phase == "paused":
        table.ok(ALICE, "pause")
    entry, before = table.rules["turns"][str(node)], story(table.state)
    number = table.rules["turn"]["number"]
    table.ok(ALICE, "retell")
    assert table.phase == "narrating"
    table.tell("Second.")
    assert (table.phase, table.rules["turn"]["number"]) == (phase, number)
    assert table.rules["turns"][str(node)] == entry
    assert table.at(f"/chronicle/{node}/narrative") == "Second."
    assert {**story(table.state), "chronicle": before["chronicle"]} == before
    assert table.newest("turn").data["retold"] is True  # type: ignore[typeddict-item]
    if phase == "paused":
        table.ok(ALICE, "resume")
        assert table.phase == "collect"


def test_a_retelling_in_a_paused_review_leads_back_to_the_review() -> None:
    """R39, R64"""
    table = seated(review=True)
    table.turn()
    table.ok(ALICE, "pause")
    table.ok(ALICE, "retell")
    table.tell("Again.")
    assert table.phase == "paused"
    table.ok(ALICE, "resume")
    assert (table.phase, table.rules["turn"]["number"]) == ("review", 1)


@pytest.mark.parametrize("how", ["cancel", "narration_failed", "pause"])
def test_a_retelling_that_ends_early_leaves_the_prose(how: str) -> None:
    """R39, R45, R64"""
    table, nodes, _ = three_turns(collect_timeout=30)
    table.ok(ALICE, "retell", node=nodes[0])
    data: dict[str, JsonValue] = {}
    if how == "narration_failed":
        data = {"turn": 1, "attempt": 1, "token": table.token, "code": "tired"}
    table.ok(K1 if data else ALICE, how, **data)
    if how == "pause":
        table.tell("Better.")
        assert table.phase == "paused"
    else:
        assert table.log[-1].data["turn"] == 1  # type: ignore[typeddict-item]
        assert (table.phase, table.at(f"/chronicle/{nodes[0]}/narrative")) == ("collect", "Turn 1.")
    assert table.rules["turns"][str(nodes[0])]["narration"] == "told"
    assert table.rules["turn"]["number"] == 4
