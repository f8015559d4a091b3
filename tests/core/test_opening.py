"""How a session begins (SPEC R4, R8)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core.rules import ALICE, BOB, K1, OPENING, SEARCH, Table

from novel_jupyter.core.events import audience_of_partition
from novel_jupyter.core.views import project_state


def test_the_opening_is_one_public_event_and_one_for_each_who_has_secrets() -> None:
    """R8: the seats', the director's and the sealed partition come in events of their own."""
    table = Table()
    assert [event.audience for event in table.log] == ["everyone", ["mara"], ["tom"], "director", "sealed"]
    assert table.kinds() == ["created", "dealt", "dealt", "dealt", "dealt"]
    assert table.rules["session"]["opening"] == table.head
    assert table.rules["participants"]["alice"]["role"] == "owner"
    assert table.rules["sealed"]["seed"] == "seed"


def test_no_view_from_the_first_event_on_shows_a_foreign_secret() -> None:
    """R4, R5"""
    table = Table()
    for state in table.states:
        shown = project_state(state, "seats:mara")
        assert not {"seat:tom", "director", "sealed"} & set(shown)
        assert set(project_state(state, "all")) == set(state) - {"sealed"}
    public = [event for event in table.log if event.audience == "everyone"]
    whose = {str(audience_of_partition(op["path"][1:])) for e in public for op in e.patch}
    assert whose == {"everyone", "onlookers"}


def test_a_session_that_a_kernel_made_belongs_to_who_claims_it_and_admits_that_kernel() -> None:
    """R8"""
    table = Table(creator=K1)
    assert table.at("/session/owner") is None
    assert table.rules["host"]["admitted"] == {K1.user_id: 1}
    table.join(BOB, ALICE)
    table.ok(BOB, "claim_session")
    assert table.rules["session"]["owner"] == "bob"
    assert table.rules["participants"]["bob"]["role"] == "owner"
    table.no("forbidden", ALICE, "claim_session")
    table.no("forbidden", K1, "claim_session")


def test_what_no_session_can_have_is_a_value_error() -> None:
    for wrong in (
        replace(OPENING, partitions={"turn": {}}),
        replace(OPENING, characters={"director": ("The Director", True)}),
        replace(OPENING, characters={"Mara": ("Mara", True)}),
        replace(OPENING, partitions={"seat:ghost": {}}),
    ):
        with pytest.raises(ValueError, match="cannot have"):
            Table(opening=wrong)


def test_settings_of_the_opening_hold() -> None:
    table = Table(settings={"turn_policy": "vote", "collect_timeout": 5.0}).join(BOB)
    table.ok(BOB, "propose", character="mara", action=SEARCH)
    assert table.at("/turn/deadline") is not None
