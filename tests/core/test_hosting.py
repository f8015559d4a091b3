"""Who runs the agents: admission, the lease, its token, and what is asked of the holder (SPEC R50-R54)."""

from __future__ import annotations

from core.rules import (
    ALICE,
    BOB,
    DAN,
    K1,
    K2,
    SEARCH,
    Table,
    change,
    everybody,
    outcome,
    playing,
    put,
    seated,
)
from pydantic import JsonValue

from novel_jupyter.core.hosting import HOSTS_KEPT, host_task
from novel_jupyter.core.policy import standing_of
from novel_jupyter.core.telling import turn_seed
from novel_jupyter.core.views import view_of, view_since


def task(table: Table) -> dict[str, JsonValue] | None:
    return host_task(table.state, turn_seed(table.state))


def test_only_admitted_kernels_get_the_lease() -> None:
    """R50"""
    table = Table().join(BOB)
    table.no("not_admitted", K1, "request_lease")
    table.no("forbidden", BOB, "admit_host", kernel=K1.user_id)
    table.no("forbidden", K1, "admit_host", kernel=K1.user_id)
    table.no("invalid", ALICE, "admit_host", kernel="bob")
    (event,) = table.ok(ALICE, "admit_host", kernel=K1.user_id)
    assert table.ok(ALICE, "admit_host", kernel=K1.user_id) == []
    assert standing_of(table.state, K1) == "host"
    assert view_of(table.state, K1.user_id, True) == "all"
    assert view_since(table.state, K1.user_id, True) == event.sequence_id
    table.ok(K1, "request_lease")
    assert table.rules["host"]["holder"] == K1.user_id


def test_a_director_admits_hosts_too_up_to_a_bound() -> None:
    """R50"""
    table = everybody()
    for n in range(HOSTS_KEPT - 1):
        table.ok(DAN, "admit_host", kernel=f"kernel:n{n}")
    table.no("too_many", DAN, "admit_host", kernel="kernel:one-more")
    table.ok(DAN, "admit_host", kernel="kernel:n0", admitted=False)
    table.ok(DAN, "admit_host", kernel="kernel:one-more")


def test_one_kernel_holds_the_lease_and_its_token_is_the_grant() -> None:
    """R50, R51"""
    table = playing()
    table.ok(ALICE, "admit_host", kernel=K2.user_id)
    assert table.no("lease_held", K2, "request_lease").data["holder"] == K1.user_id
    first = table.token
    (again,) = table.ok(K1, "request_lease")
    assert table.token == again.sequence_id > first
    assert table.ok(K2, "release_lease") == [], "it holds nothing"
    table.ok(K1, "release_lease")
    assert table.rules["host"]["holder"] is None
    table.ok(K2, "request_lease")
    assert table.rules["host"]["holder"] == K2.user_id


def test_an_old_token_of_the_same_holder_is_stale() -> None:
    """R40, R51: asked again, it is granted anew."""
    table = playing()
    table.lock()
    old = table.result()
    table.ok(K1, "request_lease")
    assert table.phase == "resolving"
    table.no("stale_lease", K1, "turn_result", **old)
    table.ok(K1, "turn_result", **{**old, "token": table.token})


def test_a_lost_lease_leaves_the_turn_to_a_successor() -> None:
    """R52"""
    table = playing()
    table.lock()
    attempt = table.rules["turn"]["attempt"]
    table.tick(lost_host=table.token)
    assert (table.phase, task(table)) == ("locked", None)
    table.host(K2)
    asked = task(table)
    assert asked is not None
    assert (table.phase, asked["task"], asked["attempt"]) == ("resolving", "resolve", attempt)
    table.resolve(K2, outcomes=[outcome("e1", "mara")], records=["r"])
    table.tick(lost_host=table.token)
    assert (table.phase, task(table)) == ("narrating", None)
    table.ok(K1, "request_lease")
    asked = task(table)
    assert asked is not None
    assert (asked["task"], asked["token"], asked["records"]) == ("narrate", table.token, ["r"])
    table.tell()


def test_a_kernel_that_is_no_longer_admitted_loses_its_lease() -> None:
    """R52"""
    table = playing()
    table.lock()
    late = table.result()
    events = table.ok(ALICE, "admit_host", kernel=K1.user_id, admitted=False)
    assert [event.data["kind"] for event in events] == ["lease_lost", "host"]
    assert table.ok(ALICE, "admit_host", kernel=K1.user_id, admitted=False) == []
    assert (table.phase, view_of(table.state, K1.user_id, True)) == ("locked", "public")
    table.no("stale_lease", K1, "turn_result", **late)
    table.no("not_admitted", K1, "request_lease")


def test_what_the_holder_should_do_follows_from_the_state() -> None:
    """R53: nothing between turns; then to resolve; then to tell."""
    table = seated()
    assert task(table) is None
    table.lock()
    seed = turn_seed(table.state)
    assert task(table) == {
        "kind": "turn_request",
        "task": "resolve",
        "turn": 1,
        "attempt": 1,
        "branch": "main",
        "token": table.token,
        "policy": "round",
        "seed": seed,
        "base": table.newest("locked").sequence_id,
        "proposals": {"mara": {"action": SEARCH, "user_id": "bob"}},
        "agents": ["keeper"],
    }
    private = outcome("e2", "mara", ["mara"])
    node = table.resolve(outcomes=[outcome("e1", "mara"), private], records=["r"])
    asked = task(table)
    assert asked is not None
    assert {key: asked[key] for key in ("task", "turn", "attempt", "node", "retelling", "ended")} == {
        "task": "narrate",
        "turn": 1,
        "attempt": 1,
        "node": node,
        "retelling": False,
        "ended": None,
    }
    assert asked["outcomes"] == [outcome("e1", "mara"), private], "a successor knows the private ones too"
    table.tell()
    assert task(table) is None


def test_a_retelling_asks_for_the_turn_that_is_retold() -> None:
    """R53, R64: also while the turn that collects has outcomes that were not yet told."""
    table = seated()
    table.lock()
    first = table.resolve(outcomes=[outcome("first", "mara")])
    table.tell()
    table.lock()
    table.resolve(outcomes=[outcome("second", "mara")], turn_complete=False)
    table.ok(ALICE, "retell", node=first)
    asked = task(table)
    assert asked is not None
    assert (asked["turn"], asked["attempt"], asked["node"], asked["retelling"]) == (1, 1, first, True)
    assert asked["outcomes"] == [outcome("first", "mara")]
    table.tell("Again.")
    table.lock()
    table.resolve(outcomes=[outcome("third", "mara")])
    asked = task(table)
    assert asked is not None
    assert asked["outcomes"] == [outcome("second", "mara"), outcome("third", "mara")]


def test_the_fence_is_checked_where_the_append_happens() -> None:
    """R54: a lease that is lost in the same batch is lost."""
    table = playing()
    table.lock()
    late = table.result(changes=[change(put("/scene/mood", "late"))])
    table.ok(K1, "release_lease")
    table.no("stale_lease", K1, "turn_result", **late)
