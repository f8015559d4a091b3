"""Actions: the wire's shapes."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from novel_jupyter.story.actions import KINDS, dump_action, parse_action
from novel_jupyter.story.adjudicate import JUDGES
from novel_jupyter.story.laws import LAWS


def test_the_example_of_the_wire() -> None:
    action = parse_action({"kind": "search", "target": "cellar"})
    assert dump_action(action) == {"kind": "search", "target": "cellar"}


def test_every_kind_has_laws_and_a_judge() -> None:
    assert set(KINDS) == set(LAWS) == set(JUDGES)
    assert len(KINDS) == 17


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"kind": "fly"},
        {"kind": "move"},
        {"kind": "move", "target": ""},
        {"kind": "move", "target": "x" * 65},
        {"kind": "move", "target": 3},
        {"kind": "move", "target": "hall", "speed": 9},
        {"kind": "free", "text": "x" * 501},
        {"kind": "free", "text": " "},
        {"kind": ["move"]},
        "move",
        None,
    ],
)
def test_what_is_no_action(raw: object) -> None:
    with pytest.raises(ValidationError):
        parse_action(raw)


def test_a_round_trip_changes_nothing() -> None:
    for raw in (
        {"kind": "tell", "target": "ann", "fact": "debt", "quietly": True},
        {"kind": "take", "item": "coin"},
        {"kind": "wait"},
        {"kind": "persuade", "target": "bo", "about": "coin", "text": "Please."},
    ):
        assert dump_action(parse_action(raw)) == raw
