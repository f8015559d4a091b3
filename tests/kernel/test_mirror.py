"""A session in a few kilobytes: bounded whatever the session holds, public whatever the kernel sees, escaped.

Parts: what is in it, what is not, how long it gets, its HTML.
"""

from __future__ import annotations

import json
from copy import deepcopy
from html.parser import HTMLParser
from typing import Any

import orjson
import pytest
from kernel.hosting import story_of
from kernel.local import LocalServer, kernel, person

from novel_jupyter.core.views import ALL
from novel_jupyter.kernel.mirror import MOST, Mirror, as_html, clip, mirror_of, same

AS_OF = "2026-01-01T00:00:00.000Z"
URL = "http://127.0.0.1:8888/novel/s/s1"
EVIL = '<img onerror="a()"><script>b()</script>&\'\u2028'


async def played(turns: int = 2) -> dict[str, Any]:
    """The whole state after some turns, as a kernel that hosts sees it."""
    server = LocalServer(kernel())
    story = await story_of(server)
    ana = await server.join(person("ana"))
    await ana.claim("mara")
    for _ in range(turns):
        await story.turn()
    assert story.handle.replica.view == ALL
    state: Any = deepcopy(dict(story.state))
    await story.close()
    return dict(state)


def texts_in(value: Any) -> set[str]:
    """Every text in a value, keys left out."""
    if isinstance(value, dict):
        return set().union(*map(texts_in, value.values()))
    if isinstance(value, list):
        return set().union(*map(texts_in, value))
    return {value} if isinstance(value, str) else set()


@pytest.mark.asyncio
async def test_it_shows_the_story_so_far() -> None:
    state = await played()
    found = mirror_of(state, {"ana": None}, AS_OF)
    assert (found["title"], found["turn"], found["phase"]) == (state["session"]["title"], 3, "collect")
    assert [turn["number"] for turn in found["turns"]] == [1, 2]
    told = [state["chronicle"][node]["narrative"] for node in sorted(state["turns"], key=int)]
    assert [turn["prose"] for turn in found["turns"]] == told
    assert found["people"] == [{"name": "Ana", "role": "player", "here": True}]
    owners = {seat["character"]: seat["owner"] for seat in found["seats"]}
    assert owners == {"mara": "Ana", "tomas": None, "ines": None, "corwin": None}
    place = state["locations"][state["scene"]["location"]]["name"]
    assert found["scene"]["place"] == place


@pytest.mark.asyncio
async def test_what_only_some_may_know_is_not_in_it() -> None:
    state = await played()
    secret = {
        text
        for name, part in state.items()
        if name.startswith("seat:") or name == "director"
        for text in texts_in(part)
        if len(text) > 20
    }
    public = json.dumps(
        {name: part for name, part in state.items() if ":" not in name and name != "director"}
    )
    secret = {text for text in secret if json.dumps(text)[1:-1] not in public}
    assert len(secret) > 10
    said = json.dumps(mirror_of(state, {}, AS_OF), ensure_ascii=False)
    assert [text for text in secret if text in said] == []
    # A player's own view has no prose for onlookers, and a mirror of it then has none either.
    cut = {name: part for name, part in state.items() if name != "chronicle"}
    assert {turn["prose"] for turn in mirror_of(cut, {}, AS_OF)["turns"]} == {""}


@pytest.mark.asyncio
async def test_it_follows_the_branch_that_is_played() -> None:
    server = LocalServer(kernel())
    story = await story_of(server)
    first = await story.turn()
    undone = await story.turn()
    await story.branch("other", first.node)
    again = await story.turn()
    await story.close()
    found = mirror_of(story.state, {}, AS_OF)
    assert [turn["prose"] for turn in found["turns"]] == [first.narrative, again.narrative]
    assert undone.narrative != again.narrative
    assert found["branch"] == "other"


@pytest.mark.asyncio
@pytest.mark.parametrize("long", ["x" * 50_000, "\u0001" * 50_000, '"' * 50_000, "\U0001f987" * 50_000])
async def test_it_is_bounded_whatever_the_session_holds(long: str) -> None:
    state = await played(1)
    state["session"]["title"] = state["scene"]["text"] = state["scene"]["mood"] = long
    for number in range(500):
        state["participants"][f"p{number}"] = {"name": long, "role": "player"}
        state["seats"][f"c{number}{long[:80]}"] = {"name": long, "owner": f"p{number}", "understudy": True}
    node = str(state["turn"]["parent"])
    state["chronicle"][node]["narrative"] = long
    found = mirror_of(state, {}, AS_OF)
    assert len(orjson.dumps(found)) <= MOST
    assert (found["people_more"], found["seats_more"]) == (477, 480)
    assert found["turns"][0]["prose"].endswith("…")
    assert len(as_html(found, URL)) < 4 * MOST


@pytest.mark.asyncio
async def test_the_latest_turns_are_those_that_are_kept() -> None:
    state = await played(1)
    node = int(state["turn"]["parent"])
    for number in range(2, 60):
        parent, node = node, node + 1
        state["turns"][str(node)] = {"number": number, "parent": parent, "narration": "told"}
        state["chronicle"][str(node)] = {"narrative": f"{number} " + "word " * 300}
    state["turn"]["parent"] = node
    found = mirror_of(state, {}, AS_OF)
    numbers = [turn["number"] for turn in found["turns"]]
    assert numbers == list(range(60 - len(numbers), 60))
    assert 5 < len(numbers) < 20
    assert MOST - 2000 < len(orjson.dumps(found)) <= MOST


def test_a_text_is_cut_between_characters() -> None:
    assert clip("abc", 3) == "abc"
    assert clip("abcdefgh", 6) == "abc…"
    assert clip("\U0001f987" * 3, 7) == "\U0001f987…"
    assert clip("\U0001f987" * 3, 6) == "…"
    assert clip(None, 5) == ""


@pytest.mark.asyncio
async def test_the_moment_alone_is_no_news() -> None:
    state = await played(0)
    one = mirror_of(state, {}, AS_OF)
    assert same(one, mirror_of(state, {}, "2027-01-01T00:00:00.000Z"))
    assert not same(one, mirror_of(state, {"ana": None}, AS_OF))
    assert not same(None, one)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> _Tags:
    found = _Tags()
    found.feed(html)
    found.close()
    return found


@pytest.mark.asyncio
async def test_nothing_that_somebody_wrote_is_markup() -> None:
    state = await played(1)
    node = str(state["turn"]["parent"])
    state["session"]["title"] = state["scene"]["mood"] = state["chronicle"][node]["narrative"] = EVIL
    state["participants"]["ana"]["name"] = state["seats"]["mara"]["name"] = EVIL
    state["locations"][state["scene"]["location"]]["name"] = EVIL
    shown = read(as_html(mirror_of(state, {}, AS_OF), URL))
    assert shown.tags == {"section", "h3", "h4", "p", "em", "a", "ul", "li", "b"}
    assert shown.attributes == {"class", "href", "rel"}
    assert shown.text.count(EVIL) == 7
    assert f"Read-only copy, as of {AS_OF}; open {URL} to take part" in shown.text


@pytest.mark.asyncio
@pytest.mark.parametrize("url", ["javascript:alert(1)//", 'http://x/"><script>alert(1)</script>'])
async def test_an_address_is_a_link_only_where_it_is_one(url: str) -> None:
    found: Mirror = mirror_of(await played(0), {}, AS_OF)
    shown = read(as_html(found, url))
    assert "script" not in shown.tags
    assert ("a" in shown.tags) == url.startswith("http")
