"""The first state: partitions, audiences, secrets where they belong."""

from __future__ import annotations

import json
from typing import Any, cast

from story.playing import SMALL

from novel_jupyter.core.events import audience_of_partition
from novel_jupyter.core.merge import STRATEGIES, MergeRules
from novel_jupyter.core.model import RULE_PARTITIONS
from novel_jupyter.core.patch import check_value
from novel_jupyter.story.loader import bundled, load_bundled, load_story
from novel_jupyter.story.world import STORY_PARTITIONS, initial_state, misfit, seat_of, stage_of, strategies


def test_partitions_are_the_storys_own() -> None:
    for name in bundled():
        story = load_bundled(name)
        state = initial_state(story)
        assert not set(state) & RULE_PARTITIONS
        assert set(STORY_PARTITIONS) <= set(state)
        assert {part for part in state if part.startswith("seat:")} == {
            f"seat:{id}" for id in story.characters
        }
        for part in state.values():
            check_value(part)
        assert b"." not in b"".join(str(n).encode() for n in _numbers(state))


def _numbers(value: object) -> list[float]:
    if isinstance(value, dict):
        return [n for child in value.values() for n in _numbers(child)]
    if isinstance(value, list):
        return [n for child in value for n in _numbers(child)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


def test_secrets_stand_in_no_public_partition() -> None:
    story = load_bundled("lighthouse")
    state = initial_state(story)
    public = json.dumps(
        {name: part for name, part in state.items() if audience_of_partition(name) == "everyone"},
        ensure_ascii=False,
    )
    for fact in story.facts.values():
        assert (fact.text in public) == (fact.known_by == "everyone")
    for id, item in story.items.items():
        assert (id in stage_of(state)["items"]) == (not item.hidden), id
    for character in story.characters.values():
        for goal in character.goals.values():
            assert goal.text not in public


def test_a_seat_knows_what_its_character_knows() -> None:
    state = initial_state(load_story(SMALL, "small.yaml"))
    assert set(seat_of(state, "ann")["beliefs"]) == {"debt", "sky"}
    assert set(seat_of(state, "bo")["beliefs"]) == {"sky"}
    assert seat_of(state, "ann")["seen"]["coin"]["holder"] == "bo"
    assert "ring" not in seat_of(state, "ann")["seen"]
    assert "ring" in stage_of(state)["director"]["items"]


def test_strategies_are_ones_that_merging_knows() -> None:
    rules = MergeRules.for_story(dict(strategies(load_bundled("lighthouse"))))
    assert rules.strategy_for(("seat:mara", "notes")) is STRATEGIES["merge_text"]
    assert rules.strategy_for(("items", "logbook", "holder")) is STRATEGIES["reject_stale"]
    assert rules.strategy_for(("scene", "mood")) is STRATEGIES["latest_wins"]


def test_what_people_write_must_be_playable() -> None:
    before = initial_state(load_bundled("lighthouse"))
    for partition, path, value in (
        ("scene", ("location",), 5),
        ("characters", ("mara", "traits"), "none"),
        ("items", ("new_thing",), {}),
        ("seat:mara", ("beliefs",), []),
    ):
        after = cast(dict[str, Any], json.loads(json.dumps(before)))
        at = after[partition]
        for token in path[:-1]:
            at = at[token]
        at[path[-1]] = value
        assert str(misfit(before, after, partition)).startswith(f"/{partition}/"), (partition, path)
    removed = cast(dict[str, Any], json.loads(json.dumps(before)))
    del removed["characters"]["mara"]
    assert misfit(before, removed, "characters")
    mood = cast(dict[str, Any], json.loads(json.dumps(before)))
    mood["scene"]["mood"] = "merry"
    mood["notes"]["anything"] = [{"goes": 1}]
    assert misfit(before, mood, "scene") is None
    assert misfit(before, mood, "notes") is None
    assert all(misfit(before, before, partition) is None for partition in before)
