"""A turn as a notebook holds it.

Law: a value; what comes from a story or from people is shown as text, whatever it looks like.
Parts: `Turn`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Turn:
    """One resolved turn. `narration` is pending, told, failed or cancelled; without a narrator, `narrative`
    is ''.
    """

    number: int
    attempt: int
    branch: str
    node: int
    narration: str
    narrative: str
    outcomes: Sequence[Mapping[str, Any]] = ()
    """What came of each action, as far as this kernel saw it happen."""

    def __str__(self) -> str:
        return self.narrative

    def _repr_markdown_(self) -> str:
        prose = _plain_markdown(self.narrative) or f"*(not told: {self.narration})*"
        return f"**Turn {self.number}**\n\n{prose}"


def _plain_markdown(text: str) -> str:
    """`text` as Markdown that shows just the text: no markup, links or HTML of its own."""
    special = "\\`*_{}[]()#+-!|<>~$&"
    return "".join(f"&#{ord(char)};" if char in special else char for char in text)
