"""Pictures of a story: well-formed, in words too, and true to what they are given.

Law: an XML parser reads them; nothing is compared with a stored picture.
Parts: whole pictures, the curve, relations, deeds.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from kernel.hosting import story_of
from kernel.local import LocalServer, kernel, person

from novel_jupyter.kernel.plot import PANELS, draw
from novel_jupyter.kernel.rows import COLUMNS, Row
from novel_jupyter.kernel.svg import Picture

SVG = "{http://www.w3.org/2000/svg}"
NASTY = '<script>"&'


def row(turn: int, character: str = "ann", **more: Any) -> Row:
    given = {"turn": turn, "attempt": 1, "character": character, "action": "ask", "outcome": "success"}
    return dict.fromkeys(COLUMNS) | given | {"reason": "", "by": "agent", "dramatic": False} | more


def state(turns: int, **more: Any) -> dict[str, Any]:
    return {
        "characters": {"ann": {"name": "Ann"}, "bo": {"name": "Bo"}},
        "turn": {"parent": turns, "node": 0},
        "turns": {str(n): {"number": n} for n in range(1, turns + 1)},
        **more,
    }


def read(picture: Picture) -> ET.Element:
    return ET.fromstring(picture.svg)


def words(picture: Picture) -> list[str]:
    return [element.text or "" for element in read(picture).iter(f"{SVG}text")]


def told(picture: Picture) -> str:
    return read(picture).findtext(f"{SVG}desc") or ""


# --- whole pictures


@pytest.mark.asyncio
async def test_a_played_story_is_drawn_for_eyes_and_for_ears(tmp_path: Path) -> None:
    story = await story_of(LocalServer(kernel()))
    for _ in range(3):
        await story.turn()
    whole = story.plot()
    root = read(whole)
    assert root.get("role") == "img"
    labels = str(root.get("aria-labelledby")).split()
    ids = {element.get("id") for element in root.iter() if element.get("id")}
    assert set(labels) == ids
    assert (root.findtext(f"{SVG}title") or "").split("; ") == ["Tension", "Relations", "Who acted when"]
    assert {"Tension", "Relations", "Who acted when", "Mara", "Ines"} <= set(words(whole))
    assert "turn 3:" in told(whole)
    assert "Mara to " in told(whole)
    whole.save(tmp_path / "story.svg")
    assert ET.parse(tmp_path / "story.svg").getroot().tag == f"{SVG}svg"
    assert whole._repr_svg_() in whole._repr_html_()
    for which in PANELS:
        assert len(story.plot(which).svg) < len(whole.svg)
    with pytest.raises(ValueError, match="no plot 'mood'; expected one of tension, relations, acts"):
        story.plot("mood")
    await story.close()


@pytest.mark.asyncio
async def test_a_view_that_shows_no_feelings_has_no_picture_of_them() -> None:
    server = LocalServer(person("ana"))
    ana = await server.join(person("ana"))
    await ana.admit_host("kernel:k1")
    story, other = await story_of(server), await story_of(server, "k9")
    await story.turn()
    await other.load()
    assert "Nobody’s feelings" in told(other.plot("relations"))
    assert "No resolved turn whose tension" in told(other.plot("tension"))
    assert "Mara: 1 " in told(other.plot("acts"))
    await story.close()
    await other.close()


def test_nothing_yet_is_said_in_words() -> None:
    picture = draw([], state(0))
    assert "Nobody has done anything" in told(picture)
    assert read(picture).get("width") == "720"


def test_names_and_reasons_are_text() -> None:
    here = state(1, **{"seat:ann": {"relations": {"bo": 1}}})
    here["characters"] = {"ann": {"name": NASTY}, "bo": {"name": "Bo"}}
    picture = draw([row(1, reason=NASTY, tension=3, act=NASTY)], here)
    assert NASTY in words(picture)
    assert not [element for element in read(picture).iter() if "script" in element.tag]


# --- the curve


def points(picture: Picture) -> list[tuple[float, float]]:
    line = next(read(picture).iter(f"{SVG}polyline"))
    pairs = [pair.split(",") for pair in str(line.get("points")).split()]
    return [(float(x), float(y)) for x, y in pairs]


def test_the_curve_rises_with_the_tension_of_the_turns_that_count() -> None:
    rows = [row(n, tension=tension, act="setup") for n, tension in ((1, 10), (2, 30), (3, 90))]
    rows += [row(2, attempt=2, tension=50, act="crisis")]
    xs, ys = zip(*points(draw(rows, state(2), "tension")), strict=True)
    assert len(xs) == 2  # the third was undone
    assert xs[0] < xs[1]
    assert ys[0] > ys[1]
    assert told(draw(rows, state(2), "tension")) == "Tension. turn 1: 10 (setup), turn 2: 50 (crisis)"


@pytest.mark.parametrize("turns", [1, 2, 12, 60])
def test_the_curve_and_its_labels_stay_inside(turns: int) -> None:
    acts = ("setup", "complication", "crisis", "climax")
    rows = [row(n, tension=100 * n // turns, act=acts[min(n - 1, 3)]) for n in range(1, turns + 1)]
    picture = draw(rows, state(turns), "tension")
    assert all(0 <= x <= 720 and 0 <= y <= 200 for x, y in points(picture))
    numbers = [element for element in read(picture).iter(f"{SVG}text") if element.text == str(turns)]
    assert all(float(str(element.get("x"))) < 720 for element in numbers)
    numbered = [float(str(e.get("x"))) for e in read(picture).iter(f"{SVG}text") if e.get("y") == "148.0"]
    assert all(later - one >= 20 for one, later in pairwise(numbered))


# --- relations


def test_each_feeling_is_an_arrow_with_its_number() -> None:
    here = state(1, **{"seat:ann": {"relations": {"bo": 2}}, "seat:bo": {"relations": {"ann": -3}}})
    picture = draw([], here, "relations")
    assert {"+2", "-3", "Ann", "Bo"} <= set(words(picture))
    assert told(picture) == "Relations. Ann to Bo +2, Bo to Ann -3"
    dashed = [p for p in read(picture).iter(f"{SVG}path") if p.get("stroke-dasharray")]
    assert len(dashed) == 1


# --- deeds


def test_a_deed_is_a_cell_that_says_who_played_and_what_came_of_it() -> None:
    rows = [
        row(1, "ann", action="threaten", dramatic=True, event="e1"),
        row(1, "ann", action="tell", event="e2"),
        row(1, "bo", action="wait", by="player"),
        row(2, "ann", action="move", by="understudy"),
        row(2, "bo", action="take", outcome="refused", reason="It is gone."),
        row(2, "director", action="clock", by="director"),
    ]
    picture = draw(rows, state(2), "acts")
    assert told(picture) == "Who acted when. Ann: 1 threaten, 2 move. Bo: 1 wait, 2 take."
    cells = [group for group in read(picture).iter(f"{SVG}g") if group.find(f"{SVG}title") is not None]
    titles = [cell.findtext(f"{SVG}title") for cell in cells]
    assert "Bo, turn 2: take, refused. It is gone." in titles
    assert len(cells) == 4
    filled = [cell.find(f"{SVG}rect").get("fill") for cell in cells]  # type: ignore[union-attr]
    assert filled.count("none") == 3


def test_long_plays_make_wide_pictures_and_cells_do_not_touch() -> None:
    rows = [row(n, who) for n in range(1, 41) for who in ("ann", "bo")]
    picture = draw(rows, state(40), "acts")
    assert float(str(read(picture).get("width"))) > 2000
    spots = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)"', picture.svg)
    assert len(spots) == len(set(spots)) == 80
