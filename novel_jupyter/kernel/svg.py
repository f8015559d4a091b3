"""What pictures are made of: panels put together to one SVG, lines and words.

Law: every text is escaped; a picture takes the colours of JupyterLab's theme where it is part of a page, and
is a light card of its own elsewhere; it has a title and a description for those who do not see it.
Parts: `Panel`, `Picture`, `words`, `rule`, `short`, the colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from html import escape
from pathlib import Path
from typing import Final

PAPER: Final = "var(--jp-layout-color0, #ffffff)"
INK: Final = "var(--jp-content-font-color1, #24292f)"
FAINT: Final = "var(--jp-content-font-color2, #57606a)"
GRID: Final = "var(--jp-border-color2, #d0d7de)"
# Of about equal contrast on white and on near black.
WARM, COLD, PLAIN = "#c9533c", "#2f7fc4", "#7d8590"
FILLED: Final = "#b5452f"
"""Behind white letters."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One drawing. `told` says in words what it shows."""

    title: str
    told: str
    width: float
    height: float
    body: str


class Picture:
    """What `story.plot` returns: shows itself in a notebook; `save` writes an SVG file."""

    def __init__(self, panels: Sequence[Panel]) -> None:
        self._panels = tuple(panels)

    @property
    def svg(self) -> str:
        """The picture as a document of its own."""
        width = max(panel.width for panel in self._panels)
        height = sum(panel.height + 36 for panel in self._panels)
        body, top = [], 0.0
        for panel in self._panels:
            heading = words(12, 22, panel.title, size=14, weight="600")
            body.append(f'<g transform="translate(0 {top:g})">{heading}')
            body.append(f'<g transform="translate(0 32)">{panel.body}</g></g>')
            top += panel.height + 36
        title = escape("; ".join(panel.title for panel in self._panels))
        told = escape(" ".join(f"{panel.title}. {panel.told}" for panel in self._panels))
        drawn = "".join(body)
        id = f"nj-{blake2b(drawn.encode(), digest_size=5).hexdigest()}"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
            f'viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="{id}-t {id}-d" '
            f'font-family="var(--jp-ui-font-family, system-ui, sans-serif)">'
            f'<title id="{id}-t">{title}</title><desc id="{id}-d">{told}</desc>'
            f'<rect width="100%" height="100%" rx="6" style="fill:{PAPER}"/>{drawn}</svg>'
        )

    def save(self, path: str | Path) -> None:
        """Write it as an SVG file. Raises OSError."""
        Path(path).write_text(self.svg, "utf-8")

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_html_(self) -> str:
        return f'<div style="overflow-x:auto">{self.svg}</div>'

    def __repr__(self) -> str:
        return f"<picture: {', '.join(panel.title.lower() for panel in self._panels)}>"


def words(
    x: float,
    y: float,
    text: object,
    *,
    anchor: str = "start",
    size: int = 12,
    colour: str = INK,
    weight: str = "normal",
    more: str = "",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
        f'style="fill:{colour}"{more}>{escape(str(text))}</text>'
    )


def rule(x1: float, y1: float, x2: float, y2: float, dashed: bool = False) -> str:
    dash = ' stroke-dasharray="3 4"' if dashed else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" style="stroke:{GRID}"{dash}/>'


def short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
