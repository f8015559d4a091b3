"""The figures of a run, to read and to keep: a table, JSON, and a picture.

Law: spread, machine and versions stand beside the figures; what was left out is said. A ratio is of medians
of the same run.
Parts: `table`, `as_json`, `picture`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from typing import Final

from novel_jupyter import __version__

from .machine import Machine
from .options import Options
from .plan import OURS, Result, Row
from .targets import RAISED, REFERENCES

WIDTH, BAR, GAP, LEFT = 760, 18, 6, 250


def _value(row: Row) -> str:
    low, high = min(row.values, default=0.0), max(row.values, default=0.0)
    text = f"{row.value:,.0f}" if row.value >= 100 else f"{row.value:.3g}"
    if len(row.values) < 2:
        return text
    spread = f"{low:,.0f}–{high:,.0f}" if high >= 100 else f"{low:.3g}–{high:.3g}"
    return f"{text} ({spread})"


def _title(name: str) -> str:
    head, space, rest = name.partition(" ")
    return f"{REFERENCES[head].title}{space}{rest}" if head in REFERENCES else name


def table(results: Sequence[Result], machine: Machine, skipped: Sequence[str]) -> str:
    """For a terminal."""
    lines = [
        f"{machine.model}, {machine.cores} cores, {machine.memory_gb:g} GB, {machine.system}",
        f"Python {machine.python}; {machine.pinned}; load average before: {machine.load:g}",
    ]
    for result in results:
        lines += ["", f"{result.workload}: {result.title}"]
        head = (
            f"  {'server':<44} {'median (spread)':<30} {'p50 ms':>8} {'p99 ms':>8} {'CPU':>5} {'clients':>8}"
        )
        lines.append(f"{head} {'MB':>6} {'limit':>8} {'ratio':>6}")
        for row in result.rows:
            lines.append(_line(row, result.ratios))
            lines += [f"      {name}: {value}" for name, value in row.more.items()]
        units = dict.fromkeys(row.unit for row in result.rows)
        lines.append(f"  in {', '.join(units)}; ratio: {OURS} beside that server, of medians")
        kept = dict.fromkeys(f"{_title(row.server)}: {row.guarantee}" for row in result.rows)
        lines += [f"  · {text}" for text in (*kept, *result.notes)]
    return "\n".join([*lines, *(["", *skipped] if skipped else [])])


def _line(row: Row, ratios: Mapping[str, float]) -> str:
    window, ratio = row.window, ratios.get(row.server)
    shown = f"{ratio:.2f}" if ratio is not None else ""
    head = f"  {_title(row.server):<44} {_value(row):<30}"
    if window is None:
        return f"{head} {'':>8} {'':>8} {'':>5} {'':>8} {'':>6} {'':>8} {shown:>6}".rstrip()
    return (
        f"{head} {window.p50:>8.1f} {window.p99:>8.1f} {window.server_cpu:>5.2f} {window.client_cpu:>8.2f} "
        f"{window.memory_mb:>6.0f} {window.side:>8} {shown:>6}"
    ).rstrip()


def as_json(
    results: Sequence[Result], machine: Machine, options: Options, skipped: Sequence[str]
) -> dict[str, object]:
    """Everything, with every window."""
    return {
        "version": __version__,
        "machine": machine.as_json(),
        "options": asdict(options),
        "raised": dict(RAISED),
        "skipped": list(skipped),
        "results": [result.as_json() for result in results],
    }


COLORS: Final = {True: "#2f6f9f", False: "#b8b8b0"}


def picture(results: Sequence[Result], machine: Machine) -> str:
    """An SVG: bars of the medians with their spread, one panel for each workload and unit."""
    parts: list[str] = []
    y = 46
    for result in results:
        for unit in dict.fromkeys(row.unit for row in result.rows):
            rows = [row for row in result.rows if row.unit == unit]
            parts.append(_text(12, y, f"{result.workload}: {result.title} ({unit})", "bold"))
            y += 12
            most = max((max(row.values, default=0.0) for row in rows), default=0.0) or 1.0
            for row in rows:
                parts.append(_bar(y, row, most))
                y += BAR + GAP
            y += 26
    title = f"novel_jupyter {__version__} · {machine.model}, {machine.cores} cores · {machine.pinned}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}" '
        f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>'
        f"{_text(12, 20, title)}{''.join(parts)}</svg>\n"
    )


def _text(x: float, y: float, text: str, weight: str = "normal", anchor: str = "start") -> str:
    return f'<text x="{x:g}" y="{y:g}" font-weight="{weight}" text-anchor="{anchor}">{escape(text)}</text>'


def _bar(y: int, row: Row, most: float) -> str:
    room = WIDTH - LEFT - 150
    scale = room / most
    middle = y + BAR / 2
    low, high = (LEFT + scale * each for each in (min(row.values, default=0), max(row.values, default=0)))
    return (
        f"{_text(LEFT - 8, y + BAR - 5, _title(row.server)[:38], anchor='end')}"
        f'<rect x="{LEFT}" y="{y}" width="{max(1.0, scale * row.value):.1f}" height="{BAR}" '
        f'fill="{COLORS[row.server.startswith(OURS)]}"/>'
        f'<path d="M{low:.1f} {middle:g}H{high:.1f}" stroke="#000"/>'
        f"{_text(LEFT + scale * max(row.value, max(row.values, default=0)) + 8, y + BAR - 5, _value(row))}"
    )
