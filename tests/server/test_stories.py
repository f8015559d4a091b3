"""The stories that a server offers, and what it lets pass as an action."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

import pytest
from pydantic import JsonValue

from novel_jupyter.core.errors import Refused
from novel_jupyter.server.stories import Stories
from novel_jupyter.story.loader import StoryError, bundled

TEXT = resources.files("novel_jupyter.story").joinpath("stories/lighthouse.yaml").read_text("utf8")


def test_folders_come_before_what_is_bundled_and_are_read_anew_when_they_change(tmp_path: Path) -> None:
    mine = tmp_path / "lighthouse.yaml"
    stories = Stories([tmp_path, tmp_path / "none"])
    assert stories.names() == bundled()
    assert stories.opening("lighthouse", None).title == "The Keeper’s Log"
    mine.write_text(TEXT.replace("The Keeper’s Log", "Mine"), "utf8")
    assert stories.opening("lighthouse", None).title == "Mine"
    mine.write_text(TEXT.replace("The Keeper’s Log", "Ours"), "utf8")
    os.utime(mine, ns=(1, 1))
    assert stories.opening("lighthouse", None).title == "Ours"
    mine.write_text("id: [", "utf8")
    (entry,) = (entry for entry in stories.listing() if entry["name"] == "lighthouse")
    assert str(entry["error"]).startswith("lighthouse.yaml, line 1")
    with pytest.raises(StoryError):
        stories.opening("lighthouse", None)
    mine.unlink()
    assert stories.opening("lighthouse", None).title == "The Keeper’s Log"


def test_a_file_is_read_once(tmp_path: Path) -> None:
    stories = Stories([tmp_path])
    assert stories._read("lighthouse") is stories._read("lighthouse")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../lighthouse", "/etc/passwd", "a/b", "a\0b", "LIGHTHOUSE", "x" * 64]
)
def test_a_name_is_no_path(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "lighthouse.yaml").write_text(TEXT.replace("id: lighthouse", "id: outside"), "utf8")
    with pytest.raises(StoryError):
        Stories([tmp_path / "in"]).opening(name, None)


def test_an_opening_has_people_and_partitions_of_its_story_alone() -> None:
    opening = Stories([]).opening(None, TEXT)
    assert opening.characters["mara"] == ("Mara", True)
    assert "seat:mara" in opening.partitions
    assert "sealed" not in opening.partitions


@pytest.mark.parametrize(
    ("action", "where"),
    [
        ({"kind": "dance"}, "dance"),
        ({}, "action"),
        ({"kind": "search", "target": 7}, "target"),
        ({"kind": "wait", "n": 1}, "n"),
        ({"kind": ["wait"]}, "action"),
    ],
)
def test_what_is_no_action_is_refused_by_its_field(action: dict[str, JsonValue], where: str) -> None:
    with pytest.raises(Refused) as refused:
        Stories([]).check_action(action)
    assert refused.value.code == "bad_action"
    assert where in refused.value.message


def test_an_action_passes() -> None:
    Stories([]).check_action({"kind": "wait"})
