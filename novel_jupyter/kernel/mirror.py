"""A session in a few kilobytes: what a saved notebook shows of it where no server is in reach.

Law: pure, bounded, and made from the public view, whatever else this kernel may see: a notebook is handed on,
and with it goes nothing that an onlooker has not seen. Names of people are in it, their ids are not, and of
what is proposed nothing. Every text is escaped.
Parts: `Mirror` (its shape), `mirror_of`, `same`, `as_html`, `paragraphs`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final, TypeAlias, TypedDict

import orjson

from novel_jupyter.core.model import State
from novel_jupyter.core.views import PUBLIC, project_state

MOST: Final = 16_384
"""Bytes of a mirror as JSON."""
PEOPLE: Final = 24
SEATS: Final = 24
TURNS: Final = 20
NAME, TITLE, SCENE, WORD = 64, 200, 3000, 40
"""Bytes of a text as JSON."""
CUT: Final = "…"


class SceneMirror(TypedDict):
    text: str
    place: str
    mood: str
    act: str


class PersonMirror(TypedDict):
    name: str
    role: str
    here: bool


class SeatMirror(TypedDict):
    """`owner` is a name, None where the storyteller plays; `understudy`: it does so in the owner's stead."""

    character: str
    name: str
    owner: str | None
    understudy: bool


class TurnMirror(TypedDict):
    """`narration`: pending, told, failed or cancelled."""

    number: int
    narration: str
    prose: str


class Mirror(TypedDict):
    """`as_of` is RFC 3339 in UTC. `turns`: the latest of this branch, the oldest first, as many as fit;
    `people_more` and `seats_more` count those who did not fit.
    """

    as_of: str
    title: str
    phase: str
    turn: int
    branch: str
    scene: SceneMirror
    people: list[PersonMirror]
    people_more: int
    seats: list[SeatMirror]
    seats_more: int
    turns: list[TurnMirror]


Here: TypeAlias = Mapping[str, object]
"""Who is here: anything by user id."""


def mirror_of(state: State, here: Here, as_of: str) -> Mirror:
    """The public part of a state. `here`: by user id, those who are connected; `as_of`: the moment."""
    seen: dict[str, Any] = project_state(state, PUBLIC)
    turn, scene = seen["turn"], seen.get("scene", {})
    places = seen.get("locations", {})
    place = scene.get("location")
    people = _people(seen["participants"], here)
    seats = _seats(seen["seats"], seen["participants"])
    found = Mirror(
        as_of=as_of,
        title=clip(seen["session"]["title"], TITLE),
        phase=str(turn["phase"]),
        turn=turn["number"],
        branch=clip(turn["branch"], NAME),
        scene=SceneMirror(
            text=clip(scene.get("text"), SCENE),
            place=clip(places.get(place, {}).get("name", place), NAME),
            mood=clip(scene.get("mood"), NAME),
            act=clip(scene.get("act"), NAME),
        ),
        people=people[:PEOPLE],
        people_more=max(0, len(people) - PEOPLE),
        seats=seats[:SEATS],
        seats_more=max(0, len(seats) - SEATS),
        turns=[],
    )
    _fill(found, seen)
    return found


def same(one: Mirror | None, other: Mirror) -> bool:
    """Whether they show the same, at whatever moments."""
    return one is not None and {**one, "as_of": ""} == {**other, "as_of": ""}


def clip(text: object, most: int) -> str:
    """`text` in at most `most` bytes of JSON (quotes not counted), with a sign where it was cut."""
    said = "" if text is None else str(text)
    if len(said) <= most and _size(said) <= most:
        return said
    low, high = 0, min(len(said), most)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _size(said[:middle] + CUT) <= most else (low, middle - 1)
    return said[:low] + CUT


def _size(text: str) -> int:
    return len(orjson.dumps(text)) - 2


def _people(participants: Mapping[str, Any], here: Here) -> list[PersonMirror]:
    """Those who are here first."""
    found = [
        PersonMirror(name=clip(entry["name"], NAME), role=clip(entry["role"], WORD), here=id in here)
        for id, entry in participants.items()
    ]
    return sorted(found, key=lambda person: (not person["here"], person["name"].casefold()))


def _seats(seats: Mapping[str, Any], participants: Mapping[str, Any]) -> list[SeatMirror]:
    def owner(id: str | None) -> str | None:
        # Somebody who left the session has no name here, and an id is nobody's business.
        return None if id is None else clip(participants.get(id, {}).get("name", "somebody"), NAME)

    return [
        SeatMirror(
            character=clip(id, NAME),
            name=clip(seat["name"], NAME),
            owner=owner(seat["owner"]),
            understudy=bool(seat["understudy"]),
        )
        for id, seat in sorted(seats.items())
    ]


def _path(seen: Mapping[str, Any]) -> Iterator[str]:
    """The turns that led here, the latest first."""
    turn, turns = seen["turn"], seen["turns"]
    node = turn["node"] if str(turn["node"]) in turns else turn["parent"]
    done: set[int] = set()
    while str(node) in turns and node not in done:
        done.add(node)
        yield str(node)
        node = turns[str(node)]["parent"]


def _fill(found: Mirror, seen: Mapping[str, Any]) -> None:
    """Put in as many of the latest turns as there is room for; the first of them that does not fit is cut."""
    room = MOST - len(orjson.dumps(found))
    chronicle = seen.get("chronicle", {})
    kept: list[TurnMirror] = []
    for node in _path(seen):
        entry = seen["turns"][node]
        told = TurnMirror(number=entry["number"], narration=str(entry["narration"]), prose="")
        room -= len(orjson.dumps(told)) + 1
        prose = str(chronicle.get(node, {}).get("narrative", ""))
        if len(kept) == TURNS or room < (len(CUT.encode()) if prose else 0):
            break
        told["prose"] = clip(prose, room)
        room -= _size(told["prose"])
        kept.append(told)
        if told["prose"] != prose:
            break
    found["turns"] = kept[::-1]


# --- as HTML


def as_html(mirror: Mirror, url: str) -> str:
    """A copy to read, for pages that run no code: it says what it is, and where the session goes on."""
    scene = mirror["scene"]
    where = " · ".join(escape(word) for word in (scene["place"], scene["mood"]) if word)
    told = "".join(
        f"<h4>Turn {turn['number']}</h4>{paragraphs(turn['prose']) or _untold(turn['narration'])}"
        for turn in mirror["turns"]
    )
    link, more = escape(url), mirror["people_more"]
    opened = f'<a href="{link}" rel="noopener noreferrer">{link}</a>' if url.startswith("http") else link
    return (
        f'<section class="jp-Novel-mirror"><h3>{escape(mirror["title"])}</h3>'
        f"<p><em>Read-only copy, as of {escape(mirror['as_of'])}; open {opened} to take part</em></p>"
        f"<p>Turn {mirror['turn']}, {escape(mirror['phase'])}{' · ' if where else ''}{where}</p>"
        f"{told or paragraphs(scene['text'])}"
        f"<ul>{''.join(map(_seat, mirror['seats']))}{_more(mirror['seats_more'])}</ul>"
        f"<p>People: {', '.join(map(_person, mirror['people'])) or 'nobody yet'}"
        f"{f' and {more} more' if more else ''}</p></section>"
    )


def paragraphs(prose: str) -> str:
    """Prose as escaped paragraphs."""
    return "".join(f"<p>{escape(part)}</p>" for part in prose.split("\n\n") if part.strip())


def _untold(narration: str) -> str:
    return f"<p><em>(not told: {escape(narration)})</em></p>"


def _more(count: int) -> str:
    return f"<li>and {count} more</li>" if count else ""


def _seat(seat: SeatMirror) -> str:
    player = escape(seat["owner"] or "the storyteller")
    stand_in = ", the storyteller stands in" if seat["understudy"] and seat["owner"] else ""
    return f"<li><b>{escape(seat['name'])}</b> ({escape(seat['character'])}): {player}{stand_in}</li>"


def _person(person: PersonMirror) -> str:
    return f"{escape(person['name'])} ({escape(person['role'])}{', here' if person['here'] else ''})"
