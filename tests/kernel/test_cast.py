"""Characters as a notebook holds them: dicts that show themselves, and turns likewise; everything escaped."""

from __future__ import annotations

import json
from typing import Any

import pytest
from IPython.core.formatters import DisplayFormatter
from kernel.hosting import story_of
from kernel.local import LocalServer, kernel
from kernel.test_mirror import EVIL, read

import novel_jupyter as nj
from novel_jupyter.kernel.cast import Character, Characters


def shown(thing: object) -> dict[str, str]:
    """What a notebook's output would hold."""
    formatter: Any = DisplayFormatter()
    data: dict[str, str] = formatter.format(thing)[0]
    return data


@pytest.mark.asyncio
async def test_characters_are_dicts_that_show_themselves() -> None:
    story = await story_of(LocalServer(kernel()))
    raw: Any = story.state["characters"]
    assert story.characters == raw
    mara = story.characters["mara"]
    assert isinstance(mara, dict)
    assert json.loads(json.dumps(mara)) == raw["mara"]
    data = shown(mara)
    assert data["text/plain"].startswith("Mara, inspector of lights, by her papers\nCame on the afternoon")
    page = read(data["text/html"])
    assert {"section", "h4", "p", "code"} == page.tags
    for text in ("Mara", "inspector of lights", "Came on the afternoon boat", "sharp +2", "sly -1"):
        assert text in page.text
    places: Any = story.state["locations"]
    assert places[mara["location"]]["name"] in page.text
    everybody = shown(story.characters)
    assert everybody["text/plain"].count("\n") == 3
    assert read(everybody["text/html"]).text.count("keeper") == 2
    mara["name"] = "Nobody"
    assert story.characters["mara"]["name"] == "Mara"
    await story.close()


def test_a_character_is_shown_whatever_it_lacks() -> None:
    assert shown(Character({}))["text/html"] == "<section><h4></h4></section>"
    hurt = Character({"name": "Bo", "status": "present", "health": 1, "location": "attic"}, "bo")
    assert shown(hurt)["text/plain"] == "Bo\nattic, health 1 of 3"
    assert shown(Character({"name": "Bo", "status": "dead"}))["text/plain"] == "Bo\ndead"
    assert Character({"name": "Bo", "health": 3}) == {"name": "Bo", "health": 3}


def test_what_people_and_stories_wrote_is_no_markup() -> None:
    fields = "name role description status location pronouns".split()
    entry: dict[str, Any] = {**dict.fromkeys(fields, EVIL), "traits": {EVIL: 1}}
    page = read(shown(Character(entry, EVIL))["text/html"])
    assert page.tags == {"section", "h4", "p", "code"}
    assert page.attributes == set()
    assert page.text.count(EVIL) == 6
    page = read(shown(Characters({EVIL: entry}, {EVIL: {"name": EVIL}}))["text/html"])
    assert page.tags == {"table", "thead", "tbody", "tr", "th", "td", "code"}


def test_a_turn_shows_its_prose_and_what_came_of_it() -> None:
    outcome = {"character": EVIL, "action": {"kind": EVIL}, "outcome": EVIL, "reason": EVIL}
    data = shown(nj.Turn(4, 1, "main", 9, "told", f"{EVIL}\n\nAnd then.", [outcome]))
    page = read(data["text/html"])
    assert page.tags == {"section", "h4", "p", "details", "summary", "table", "tr", "td"}
    assert page.attributes == set()
    assert page.text.count(EVIL) == 5
    assert data["text/plain"] == f"Turn 4\n\n{EVIL}\n\nAnd then."
    assert "And then" in data["text/markdown"]
    assert "<script" not in data["text/markdown"]
    untold = shown(nj.Turn(4, 1, "main", 9, "failed", ""))
    assert untold["text/plain"] == "Turn 4\n\n(not told: failed)"
    assert "details" not in untold["text/html"]
