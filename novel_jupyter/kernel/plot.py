"""Pictures of a story for a notebook: the tension curve, how people stand to each other, who acted when.

Law: pure; a picture shows what it was given, rows and a state as one may see them, and says the same in
words.
Parts: `tension`, `relations`, `acts`, `PANELS`, `draw`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

from .rows import Row
from .svg import COLD, FAINT, FILLED, INK, PAPER, PLAIN, WARM, Panel, Picture, rule, short, words

WIDTH: Final = 720
LEFT: Final = 96
"""Where the drawing begins, beside its labels."""
CELL, LINE = 64, 26

# --- the three pictures


def tension(rows: Sequence[Row], state: Mapping[str, Any]) -> Panel:
    """The tension after each turn, 0 … 100, and where its acts begin."""
    points = [row for row in _last_of_turns(rows, state) if row["tension"] is not None]
    if not points:
        return _nothing("Tension", "No resolved turn whose tension this view shows.")
    height, most = 170, max(row["turn"] for row in points)
    step = (WIDTH - LEFT - 40) / max(1, most - 1)

    def at(row: Row) -> tuple[float, float]:
        return LEFT + (row["turn"] - 1) * step, 10 + (100 - row["tension"]) * 1.2

    body: list[str] = []
    for level in (0, 50, 100):
        y = 130 - level * 1.2
        body += [rule(LEFT, y, WIDTH - 40, y), words(LEFT - 8, y + 4, level, anchor="end")]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(at, points))
    body.append(f'<polyline points="{path}" fill="none" stroke="{WARM}" stroke-width="2.5"/>')
    every = max(1, math.ceil(22 / step))
    act, taken = None, 0.0
    for row in points:
        x, y = at(row)
        told = f"turn {row['turn']}: tension {row['tension']}, {row['act']}"
        body.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{WARM}"><title>{escape(told)}</title></circle>'
        )
        if (row["turn"] - 1) % every == 0:
            body.append(words(x, 148, row["turn"], anchor="middle"))
        if row["act"] != act:
            act = row["act"]
            body.append(rule(x, 10, x, 130, dashed=True))
            # Above the curve where it is low, below where it is high, and not on the name before it.
            at_x, at_y = min(x + 4, WIDTH - 76), 22 if y > 60 else 124
            if at_x < taken:
                at_y += 14 if y > 60 else -14
            taken = at_x + 7 * len(str(act))
            body.append(words(at_x, at_y, act, colour=FAINT))
    body.append(words(LEFT - 8, 164, "turn", anchor="end", colour=FAINT))
    told = ", ".join(f"turn {row['turn']}: {row['tension']} ({row['act']})" for row in points)
    return Panel("Tension", told, WIDTH, height, "".join(body))


def relations(rows: Sequence[Row], state: Mapping[str, Any]) -> Panel:
    """How the characters stand to each other: an arrow from each to those they trust or mistrust."""
    people = _people(state)
    ties = [
        (one, other, trust)
        for one in people
        for other, trust in sorted(state.get(f"seat:{one}", {}).get("relations", {}).items())
        if other in people and trust
    ]
    if not ties:
        return _nothing("Relations", "Nobody’s feelings that this view shows.")
    radius = max(130.0, 28.0 * len(people))
    middle = WIDTH / 2, radius + 45
    spots = {
        who: (
            middle[0] + 1.7 * radius * math.sin(2 * math.pi * n / len(people)),
            middle[1] - radius * math.cos(2 * math.pi * n / len(people)),
        )
        for n, who in enumerate(people)
    }
    arrows = [_arrow(spots[one], spots[other], _half(people[other]), trust) for one, other, trust in ties]
    # Numbers over all lines, names over all numbers.
    body = [line for line, _ in arrows] + [number for _, number in arrows]
    for who, (x, y) in spots.items():
        name, wide = people[who], 2 * _half(people[who])
        body.append(
            f'<rect x="{x - wide / 2:.1f}" y="{y - 14:.1f}" width="{wide:.1f}" height="28" rx="14" '
            f'style="fill:{PAPER};stroke:{INK}" stroke-width="1.2"/>'
        )
        body.append(words(x, y + 4.5, name, anchor="middle", size=13))
    key = "blue, whole: trust · red, dashed: mistrust · a number: how much"
    body.append(words(12, 2 * radius + 102, key, colour=FAINT))
    told = ", ".join(f"{people[one]} to {people[other]} {trust:+d}" for one, other, trust in ties)
    return Panel("Relations", told, WIDTH, 2 * radius + 112, "".join(body))


def acts(rows: Sequence[Row], state: Mapping[str, Any]) -> Panel:
    """What each character did in each turn, and which deeds were dramatic."""
    people, line = _people(state), _line_of(state)
    deeds: dict[tuple[str, int], Row] = {}
    for row in rows:
        # One acts once: what else is theirs in a turn is the secret half of it. A later attempt counts.
        key = (row["character"], row["turn"])
        first = deeds.get(key)
        if _is_deed(row) and row["character"] in people and row["turn"] <= line:
            if first is not None and row["attempt"] == first["attempt"]:
                continue
            deeds[key] = row
    if not deeds:
        return _nothing("Who acted when", "Nobody has done anything that this view shows.")
    turns = range(1, max(turn for _, turn in deeds) + 1)
    body = [words(LEFT + (turn - 0.5) * CELL, 12, turn, anchor="middle", colour=FAINT) for turn in turns]
    body.append(words(LEFT - 8, 12, "turn", anchor="end", colour=FAINT))
    told: list[str] = []
    for number, (who, name) in enumerate(people.items()):
        y = 20 + number * LINE
        body.append(words(LEFT - 8, y + 17, short(name, 11), anchor="end", size=12))
        for turn in turns:
            if (who, turn) in deeds:
                body.append(_deed(LEFT + (turn - 1) * CELL, y, deeds[who, turn], name))
        kinds = ", ".join(f"{turn} {deeds[who, turn]['action']}" for turn in turns if (who, turn) in deeds)
        told.append(f"{name}: {kinds}.")
    bottom = 20 + len(people) * LINE
    legend = "filled: dramatic · thick frame: a player’s · dashed: the understudy’s · struck out: refused"
    body.append(words(12, bottom + 18, legend, colour=FAINT))
    width = max(WIDTH, LEFT + len(turns) * CELL + 12)
    return Panel("Who acted when", " ".join(told), width, bottom + 28, "".join(body))


PANELS: Final[Mapping[str, Callable[[Sequence[Row], Mapping[str, Any]], Panel]]] = {
    "tension": tension,
    "relations": relations,
    "acts": acts,
}


def draw(rows: Sequence[Row], state: Mapping[str, Any], which: str | None = None) -> Picture:
    """One of `PANELS`, or all of them. Raises ValueError for another name."""
    if which is not None and which not in PANELS:
        raise ValueError(f"there is no plot {which!r}; expected one of {', '.join(PANELS)}")
    return Picture([PANELS[name](rows, state) for name in ([which] if which else PANELS)])


# --- what they are made of


def _people(state: Mapping[str, Any]) -> dict[str, str]:
    return {who: str(entry["name"]) for who, entry in sorted(state.get("characters", {}).items())}


def _line_of(state: Mapping[str, Any]) -> int:
    """The number of the last turn that counts: what was undone beyond it does not."""
    node = state.get("turns", {}).get(str(state["turn"]["parent"]))
    pending = state.get("turns", {}).get(str(state["turn"]["node"]))
    return max((int(entry["number"]) for entry in (node, pending) if entry), default=0)


def _last_of_turns(rows: Iterable[Row], state: Mapping[str, Any]) -> list[Row]:
    """The last deed of each turn that counts."""
    line = _line_of(state)
    last = {row["turn"]: row for row in rows if _is_deed(row) and row["turn"] <= line}
    return [row for _, row in sorted(last.items())]


def _is_deed(row: Row) -> bool:
    return row["by"] is not None and row["turn"] is not None


def _nothing(title: str, why: str) -> Panel:
    return Panel(title, why, WIDTH, 30, words(12, 16, why, colour=FAINT))


def _deed(x: float, y: float, row: Row, name: str) -> str:
    fill, ink = (FILLED, "#ffffff") if row["dramatic"] else ("none", INK)
    frame = {
        "player": f'stroke="{COLD}" stroke-width="2.5"',
        "understudy": f'stroke="{COLD}" stroke-dasharray="4 3"',
    }
    stroke = frame.get(row["by"], f'stroke="{PLAIN}"')
    told = f"{name}, turn {row['turn']}: {row['action']}, {row['outcome']}. {row['reason']}"
    struck = ' text-decoration="line-through"' if row["outcome"] == "refused" else ""
    kind = short(str(row["action"]), 8)
    return (
        f'<g><title>{escape(told)}</title><rect x="{x + 2:g}" y="{y + 2:g}" width="{CELL - 4}" '
        f'height="{LINE - 4}" rx="4" fill="{fill}" {stroke}/>'
        f"{words(x + CELL / 2, y + 17, kind, anchor='middle', size=11, colour=ink, more=struck)}</g>"
    )


def _half(name: str) -> float:
    """Half the width of a name's frame."""
    return 9 + 3.7 * len(name)


def _arrow(start: tuple[float, float], end: tuple[float, float], half: float, trust: int) -> tuple[str, str]:
    """A bent arrow, so that the two of a pair do not lie on each other, and its number, near whose it is."""
    (x1, y1), (x2, y2) = start, end
    dx, dy = x2 - x1, y2 - y1
    bend = (x1 + x2) / 2 - dy * 0.14, (y1 + y2) / 2 + dx * 0.14
    # Names are wide: the arrow ends where it meets the name's frame.
    tx, ty = x2 - bend[0], y2 - bend[1]
    far = math.hypot(tx, ty) or 1.0
    off = min((half + 3) / max(abs(tx / far), 0.01), 17 / max(abs(ty / far), 0.01))
    tip = x2 - tx / far * off, y2 - ty / far * off
    side = (-ty / far * 4, tx / far * 4)
    back = tip[0] - tx / far * 9, tip[1] - ty / far * 9
    colour, dash = (COLD, "") if trust > 0 else (WARM, ' stroke-dasharray="6 4"')
    # A point of the curve, a third of its way.
    label = 0.45 * x1 + 0.44 * bend[0] + 0.11 * x2, 0.45 * y1 + 0.44 * bend[1] + 0.11 * y2
    line = (
        f'<path d="M{x1:.1f},{y1:.1f} Q{bend[0]:.1f},{bend[1]:.1f} {back[0]:.1f},{back[1]:.1f}" fill="none" '
        f'stroke="{colour}" stroke-width="{min(1 + abs(trust), 4)}"{dash}/>'
        f'<path d="M{tip[0]:.1f},{tip[1]:.1f} L{back[0] + side[0]:.1f},{back[1] + side[1]:.1f} '
        f'L{back[0] - side[0]:.1f},{back[1] - side[1]:.1f} Z" fill="{colour}"/>'
    )
    number = (
        f'<circle cx="{label[0]:.1f}" cy="{label[1]:.1f}" r="9" style="fill:{PAPER}"/>'
        f"{words(label[0], label[1] + 4, f'{trust:+d}', anchor='middle', size=11, colour=colour)}"
    )
    return line, number
