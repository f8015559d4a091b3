"""A turn as a notebook holds it.

Law: a value; what comes from a story or from people is shown as text, whatever it looks like.
Parts: `Turn`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Protocol

from .mirror import paragraphs


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

    def _repr_pretty_(self, printer: _Printer, cycle: bool) -> None:
        printer.text(f"Turn {self.number}\n\n{self.narrative or f'(not told: {self.narration})'}")

    def _repr_html_(self) -> str:
        untold = f"<p><em>(not told: {escape(self.narration)})</em></p>"
        told = paragraphs(self.narrative) or untold
        return f"<section><h4>Turn {self.number}</h4>{told}{self._deeds()}</section>"

    def _deeds(self) -> str:
        """What was tried and what came of it, folded away."""
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(str(word))}</td>' for word in _deed(outcome))}</tr>"
            for outcome in self.outcomes
        )
        return f"<details><summary>What came of it</summary><table>{rows}</table></details>" if rows else ""

    def _repr_markdown_(self) -> str:
        prose = _plain_markdown(self.narrative) or f"*(not told: {self.narration})*"
        return f"**Turn {self.number}**\n\n{prose}"


class _Printer(Protocol):
    def text(self, text: str) -> None: ...


def _deed(outcome: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        outcome.get("character", ""),
        outcome.get("action", {}).get("kind", ""),
        outcome.get("outcome", ""),
        outcome.get("reason", ""),
    )


def _plain_markdown(text: str) -> str:
    """`text` as Markdown that shows just the text: no markup, links or HTML of its own."""
    special = "\\`*_{}[]()#+-!|<>~$&"
    return "".join(f"&#{ord(char)};" if char in special else char for char in text)
