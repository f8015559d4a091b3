"""People and agents write the same story (SPEC R10-R17)."""

from __future__ import annotations

import pytest
from core.rules import (
    ALICE,
    BOB,
    CAROL,
    DAN,
    EVE,
    K1,
    K2,
    Table,
    change,
    drop,
    everybody,
    playing,
    put,
    seated,
)
from pydantic import JsonValue

from novel_jupyter.core.editing import CHAT_KEPT, RECORDS_KEPT
from novel_jupyter.core.limits import Bounds


def replace(path: str, value: JsonValue) -> dict[str, JsonValue]:
    return {"op": "replace", "path": path, "value": value}


def expect(path: str, value: JsonValue) -> dict[str, JsonValue]:
    return {"op": "test", "path": path, "value": value}


# --- where one may write ----------------------


@pytest.mark.parametrize(
    "path",
    [
        "/session/title",
        "/participants/bob/role",
        "/seats/mara/owner",
        "/turn/phase",
        "/host/holder",
        "/turns/1",
        "/branches/x",
        "/conflicts/1-0",
        "/suggestions/1-0",
        "/chat/1",
        "/sealed/seed",
        "/seat:tom/secret",
        "/seat:mara/conflicts/1-0",
        "/seat:mara/suggestions",
        "/scene/conflicts",
        "/seat:ghost/secret",
        "/director/plan",
        "/nowhere/x",
        "/scene",
        "/scene2",
        "/seat:mara",
    ],
)
def test_nobody_but_the_rules_writes_there(path: str) -> None:
    """R10: and what one does not see answers like what is not there."""
    table = seated()
    before = table.state
    reply = table.edit(BOB, put(path, "mine"))
    assert (reply.data["code"], reply.data["path"]) == ("path_forbidden", path)
    assert table.edit(BOB, expect(path, "mine")).data["code"] == "path_forbidden"
    assert table.state is before


def test_each_writes_where_they_see() -> None:
    """R10, R4"""
    table = seated().join(DAN)
    table.ok(ALICE, "set_role", target="dan", role="director")
    for who, path, audience in (
        (BOB, "/seat:mara/secret", ["mara"]),
        (CAROL, "/seat:tom/secret", ["tom"]),
        (DAN, "/director/plan", "director"),
        (EVE, "/scene/mood", None),
        (K1, "/seat:mara/beliefs/x", ["mara"]),
        (K2, "/scene/mood", "everyone"),
    ):
        reply = table.edit(who, put(path, "new"))
        if audience is None:
            assert reply.data["code"] == "forbidden"
        else:
            assert (reply.data["outcome"], table.log[-1].audience) == ("applied", audience)
    table.edit(K2, put("/seat:mara/beliefs/x", "not admitted"))
    assert table.last.data["code"] == "path_forbidden"


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ([put("/scene/mood", 1), put("/seat:mara/secret", 1)], "mixed_audience"),
        ([put("scene/mood", 1)], "bad_path"),
        ([put("/scene/__proto__", 1)], "bad_path"),
        ([put("/scene//x", 1)], "bad_path"),
        ([put("/scene/~2", 1)], "bad_path"),
        ([put("", {})], "bad_path"),
        ([put("/scene/x", 2**53)], "bad_value"),
        ([put("/scene/x", {"constructor": {}})], "bad_value"),
        ([{"op": "add", "path": "/scene/x"}], "invalid"),
        ([replace("/scene/nothing", 1)], "missing_path"),
        ([drop("/scene/nothing")], "missing_path"),
        ([put("/notes/a/b", 1)], "missing_path"),
        ([put("/scene/tags/0", "x")], "positional"),
        ([expect("/scene/mood", "merry"), put("/scene/mood", "grim")], "test_failed"),
        ([put("/notes/x", 1)] * 300, "too_large"),
    ],
)
def test_patches_that_are_refused_whole(patch: list[dict[str, JsonValue]], code: str) -> None:
    """R10, R11"""
    table = seated()
    before = table.state
    assert table.edit(BOB, put("/notes/first", 1), *patch).data["code"] == code
    assert table.state is before


def test_a_base_lies_in_the_past() -> None:
    """R10"""
    table = playing()
    assert table.edit(BOB, put("/scene/mood", "x"), base=table.head + 1).data["code"] == "bad_base"


def test_the_bound_on_operations_is_the_servers() -> None:
    """R89"""
    table = Table(bounds=Bounds(patch_ops=2)).join(BOB)
    assert table.edit(BOB, *[put("/notes/x", n) for n in range(3)]).data["code"] == "too_large"
    assert table.edit(BOB, *[put("/notes/x", n) for n in range(2)]).data["outcome"] == "applied"


# --- what comes of an edit --------------------


def test_applied_merged_conflicted_suggested_and_refused() -> None:
    """R11, R12, R13, R15"""
    table = playing()
    base = table.head
    assert table.edit(BOB, put("/scene/mood", "merry"), base=base).data["outcome"] == "applied"
    assert table.edit(CAROL, put("/notes/x", 1), base=base).data["outcome"] == "applied"
    assert table.edit(CAROL, put("/scene/mood", "grim"), base=base).data["outcome"] == "conflicted"
    assert table.at("/scene/mood") == "grim", "latest wins"
    (record,) = table.rules["conflicts"].values()
    assert isinstance(record, dict)
    assert (record["kept"], record["lost"], record["kept_by"], record["lost_by"], record["base"]) == (
        "grim",
        "merry",
        "carol",
        "bob",
        base,
    )
    assert table.edit(BOB, put("/clocks/storm/value", 4), base=base).data["outcome"] == "applied"
    assert table.edit(CAROL, put("/clocks/storm/value", 3), base=base).data["outcome"] == "merged"
    assert table.at("/clocks/storm/value") == 1 + 3 + 2
    assert table.edit(K1, put("/scene/mood", "calm"), base=base).data["outcome"] == "suggested"
    assert table.at("/scene/mood") == "grim"
    table.edit(BOB, put("/scene/guarded", "night"), base=base)
    stale = table.edit(CAROL, put("/scene/guarded", "dawn"), base=base)
    assert (stale.data["code"], stale.data["current"], stale.data["path"]) == (
        "stale_base",
        "night",
        "/scene/guarded",
    )


def test_one_does_not_conflict_with_ones_own_edits() -> None:
    """R11: a client has seen what it sent."""
    table = playing()
    base = table.head
    for mood in ("a", "b", "c"):
        assert table.edit(BOB, put("/scene/mood", mood), base=base).data["outcome"] == "applied"
    assert table.send(BOB, "edit", "other-tab:1", base=base, patch=[put("/scene/mood", "d")]).data[
        "outcome"
    ] in ("conflicted", "merged")


def test_records_of_a_private_edit_are_private() -> None:
    """R13, R5"""
    table = seated()
    base = table.head
    table.edit(BOB, put("/seat:mara/secret", "one"))
    table.edit(K1, put("/seat:mara/secret", "two"), base=base)
    assert table.log[-1].audience == ["mara"]
    assert table.rules["suggestions"] == {}
    suggestions = table.at("/seat:mara/suggestions")
    assert isinstance(suggestions, dict)
    (key,) = suggestions
    table.no("no_record", CAROL, "settle", record=f"/seat:mara/suggestions/{key}", take=True)
    table.ok(BOB, "settle", record=f"/seat:mara/suggestions/{key}", take=True)
    assert (table.at("/seat:mara/secret"), table.log[-1].audience) == ("two", ["mara"])


def test_the_latest_records_stand_in_the_state_and_all_in_the_log() -> None:
    """R13"""
    table = playing()
    base = table.head
    table.edit(BOB, put("/scene/mood", "first"))
    for n in range(RECORDS_KEPT + 5):
        who = (CAROL, BOB)[n % 2]
        assert table.edit(who, put("/scene/mood", f"{n}"), base=base).data["outcome"] == "conflicted"
    assert len(table.rules["conflicts"]) == RECORDS_KEPT
    lost = [
        op["value"]["lost"]  # type: ignore[index,call-overload]
        for event in table.log
        for op in event.patch
        if op["op"] == "add" and op["path"].startswith("/conflicts/")
    ]
    assert lost == ["first", *(f"{n}" for n in range(RECORDS_KEPT + 4))]
    ops = [put(f"/notes/n{n}", 1) for n in range(100)]
    base = table.head
    table.edit(BOB, *ops)
    table.edit(CAROL, *[put(f"/notes/n{n}", 2) for n in range(100)], base=base)
    assert len(table.rules["conflicts"]) == RECORDS_KEPT


# --- settling ---------------------------------


def conflicted() -> tuple[Table, str]:
    table = playing()
    base = table.head
    table.edit(BOB, put("/scene/mood", "merry"))
    table.edit(CAROL, put("/scene/mood", "grim"), base=base)
    (key,) = table.rules["conflicts"]
    return table, f"/conflicts/{key}"


@pytest.mark.parametrize(("take", "mood"), [(True, "merry"), (False, "grim")])
def test_a_record_is_settled_once(take: bool, mood: str) -> None:
    """R16"""
    table, record = conflicted()
    table.ok(BOB, "settle", record=record, take=take)
    assert (table.at("/scene/mood"), table.rules["conflicts"]) == (mood, {})
    assert table.newest("settled").data["taken"] is take  # type: ignore[typeddict-item]
    table.no("no_record", CAROL, "settle", record=record, take=take)


def test_a_lost_removal_is_settled_by_removing() -> None:
    """R16"""
    table = playing()
    table.edit(BOB, put("/notes/x", "here"))
    base = table.head
    table.edit(BOB, drop("/notes/x"))
    table.edit(CAROL, put("/notes/x", "still here"), base=base)
    assert table.at("/notes/x") == "still here"
    (key,) = table.rules["conflicts"]
    table.ok(BOB, "settle", record=f"/conflicts/{key}", take=True)
    assert "x" not in table.state["notes"]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ("/conflicts/1-0", "no_record"),
        ("/conflicts", "no_record"),
        ("", "no_record"),
        ("/scene/mood", "no_record"),
        ("/session/settings", "no_record"),
        ("/sealed/outcomes", "no_record"),
        ("/chat/1", "no_record"),
        ("/conflicts/1-0/lost", "no_record"),
        ("conflicts", "bad_path"),
        ("/conflicts/__proto__", "bad_path"),
    ],
)
def test_what_is_no_record(record: str, code: str) -> None:
    """R16"""
    table, _ = conflicted()
    table.no(code, BOB, "settle", record=record, take=True)


def test_a_record_whose_place_is_gone_can_still_be_dropped() -> None:
    """R16"""
    table = playing()
    table.edit(BOB, put("/notes/x", {"y": 1}))
    base = table.head
    table.edit(BOB, put("/notes/x/y", 2))
    table.edit(CAROL, put("/notes/x/y", 3), base=base)
    table.edit(BOB, drop("/notes/x"))
    (key,) = table.rules["conflicts"]
    table.no("missing_path", BOB, "settle", record=f"/conflicts/{key}", take=True)
    table.ok(BOB, "settle", record=f"/conflicts/{key}", take=False)


def test_a_forged_record_writes_nothing() -> None:
    """R10, R16: what looks like a record, where people and hosts may write, is none."""
    forged: JsonValue = {"path": "/turn/phase", "lost": "ended", "op": put("/turn/phase", "ended")}
    table = playing()
    table.lock()
    for wrong in (
        change(put("/scene/conflicts", {"1-0": forged})),
        change(put("/seat:mara", {"conflicts": {"1-0": forged}}), audience=["mara"]),
    ):
        table.no("path_forbidden", K1, "turn_result", **table.result(changes=[wrong]))


# --- chat -------------------------------------


def test_chat_is_of_the_log_and_its_latest_of_the_state() -> None:
    """R17"""
    table = everybody()
    anchor: dict[str, JsonValue] = {
        "target": "/scene/text",
        "position": 3,
        "selection": [3, 9],
        "typing": False,
    }
    table.ok(EVE, "chat", text="from the gallery", anchor=anchor)
    assert table.newest("chat").data["anchor"] == anchor  # type: ignore[typeddict-item]
    for n in range(CHAT_KEPT):
        table.ok(K2, "chat", text=f"{n}")
    chat = table.rules["chat"]
    assert [entry["text"] for entry in chat.values()] == [f"{n}" for n in range(CHAT_KEPT)]  # type: ignore[index,call-overload]
    assert table.kinds().count("chat") == CHAT_KEPT + 1
    table.no("too_large", BOB, "chat", text="x" * 2001)
