"""Nothing is stuck and nothing taken: full states can be left, closed sessions are closed, settling keeps."""

from __future__ import annotations

from core.rules import ALICE, BOB, CAROL, K1, K2, MALLORY, drop, put, seated

from novel_jupyter.core.hosting import host_task
from novel_jupyter.core.limits import Bounds
from novel_jupyter.core.merge import STRATEGIES, Clash
from novel_jupyter.core.policy import standing_of


def test_a_full_state_refuses_content_and_nothing_else() -> None:
    """R73: the host can fail the turn, people can join and leave, and what makes it smaller goes through."""
    table = seated()
    table.bounds = Bounds(state_bytes=20_000)
    table.lock()
    for n, size in enumerate((8000, 4000, 2000, 1000, 500, 200, 100, 50, 20, 10)):
        table.edit(CAROL, put(f"/notes/n{n}", "x" * size))
    refused = table.edit(CAROL, put("/notes/more", "x" * 5000))
    assert refused.data["code"] == "state_full"
    result = {"turn": 1, "attempt": 1, "token": table.token}
    table.ok(K1, "turn_failed", code="refused", **result)
    table.ok(MALLORY, "join_session")
    table.ok(ALICE, "cancel")
    table.bounds = Bounds(state_bytes=1000)
    shrunk = table.edit(CAROL, drop("/notes/n0"))
    assert shrunk.data["kind"] == "ack"


def test_a_kernel_that_nobody_let_in_is_as_a_stranger_would_be() -> None:
    """R6, R7: where people need to be let in, so do kernels; an admitted one is in."""
    closed = seated()
    closed.ok(ALICE, "set_settings", default_role="none")
    assert standing_of(closed.state, K2) == "stranger"
    assert closed.send(K2, "join_session").data["code"] == "forbidden"
    assert closed.edit(K2, put("/scene/mood", "theirs")).data["code"] == "forbidden"
    assert standing_of(closed.state, K1) == "host"
    watching = seated()
    watching.ok(ALICE, "set_settings", default_role="spectator")
    assert watching.edit(K2, put("/scene/mood", "theirs")).data["code"] == "forbidden"
    assert standing_of(seated().state, K2) == "kernel"


def test_settling_loses_nothing_that_was_written_since() -> None:
    """R13, R16: what a record keeps is put in place as an edit of its own time."""
    table = seated()
    table.edit(BOB, put("/scene/text", "one two three four five"))
    base = table.head
    table.send(BOB, "edit", id="a:1", base=base, patch=[put("/scene/text", "one TWO three four five")])
    table.send(CAROL, "edit", id="b:1", base=base, patch=[put("/scene/text", "one 2 three four FIVE")])
    text = str(table.at("/scene/text"))
    table.edit(ALICE, put("/scene/text", text + " and more by Alice"))
    (key,) = table.rules["conflicts"]
    table.ok(BOB, "settle", record=f"/conflicts/{key}", take=True)
    assert "and more by Alice" in str(table.at("/scene/text"))


def test_a_scalar_that_gives_way_in_settling_is_kept_in_its_turn() -> None:
    table = seated()
    base = table.head
    table.send(BOB, "edit", id="a:1", base=base, patch=[put("/scene/mood", "bob's")])
    table.send(CAROL, "edit", id="b:1", base=base, patch=[put("/scene/mood", "carol's")])
    (key,) = table.rules["conflicts"]
    table.edit(ALICE, put("/scene/mood", "alice's"))
    table.ok(BOB, "settle", record=f"/conflicts/{key}", take=True)
    assert table.at("/scene/mood") == "bob's"
    assert [record["lost"] for record in table.rules["conflicts"].values()] == ["alice's"]  # type: ignore[index,call-overload]


def test_agents_do_not_settle_what_was_kept_from_them() -> None:
    """R15"""
    table = seated()
    base = table.head
    table.edit(BOB, put("/scene/mood", "bob's"))
    table.edit(K2, put("/scene/mood", "the kernel's"), base=base)
    (key,) = table.rules["suggestions"]
    table.no("forbidden", K2, "settle", record=f"/suggestions/{key}", take=True)
    table.no("forbidden", K1, "settle", record=f"/suggestions/{key}", take=True)
    table.ok(CAROL, "settle", record=f"/suggestions/{key}", take=True)
    assert table.at("/scene/mood") == "the kernel's"


def test_long_lists_unite_in_one_pass() -> None:
    """Of 40,000 elements a union that compares each with each would not end within the test's time."""
    mine, theirs = list(range(40_000)), list(range(20_000, 60_000))
    united = STRATEGIES["union"].resolve(Clash(("scene", "tags"), [], [*mine], [*theirs])).value
    assert united == list(range(60_000))


def test_a_turn_archived_in_the_middle_waits_and_is_asked_for_again() -> None:
    table = seated()
    table.lock()
    assert host_task(table.state, "seed") is not None
    table.ok(ALICE, "archive")
    assert host_task(table.state, "seed") is None
    table.ok(ALICE, "unarchive")
    assert host_task(table.state, "seed") is not None
