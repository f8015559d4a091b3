"""The characters of a story as a notebook holds them: dicts that show themselves.

Law: copies, so that nobody writes into the replica by mistake; what comes from a story or from people is
escaped before a browser sees it.
Parts: `Character`, `Characters`.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, Protocol

from novel_jupyter.story.world import MAX_HEALTH


class Character(dict[str, Any]):
    """What everybody may know of somebody: `name`, `role`, `pronouns`, `description`, `traits`, `location`,
    `status`, `health`.
    """

    def __init__(self, entry: Mapping[str, Any], id: str = "", place: str | None = None) -> None:
        super().__init__(entry)
        self._id = id
        self._place = place or str(entry.get("location") or "")

    def _standing(self) -> str:
        """Where they are, and how they do."""
        status, health = self.get("status"), self.get("health")
        words = [self._place] if self._place and status == "present" else []
        words += [str(status)] if status and status != "present" else []
        words += (
            [f"health {health} of {MAX_HEALTH}"] if isinstance(health, int) and health < MAX_HEALTH else []
        )
        return ", ".join(words)

    def _title(self) -> str:
        name = str(self.get("name", self._id))
        return f"{name}, {self['role']}" if self.get("role") else name

    def _traits(self) -> str:
        traits = self.get("traits")
        if not isinstance(traits, Mapping):
            return ""
        return ", ".join(
            f"{name} {value:+d}" for name, value in traits.items() if isinstance(value, int) and value
        )

    def _lines(self) -> tuple[str, str]:
        standing = " · ".join(filter(None, (self._standing(), self._traits())))
        return str(self.get("description") or ""), standing

    def _repr_pretty_(self, printer: _Printer, cycle: bool) -> None:
        printer.text("\n".join(filter(None, (self._title(), *self._lines()))))

    def _repr_html_(self) -> str:
        name, id = escape(str(self.get("name", self._id))), escape(self._id)
        known = f" <code>{id}</code>" if id else ""
        lines = "".join(f"<p>{escape(str(line))}</p>" for line in (self.get("role"), *self._lines()) if line)
        return f"<section><h4>{name}{known}</h4>{lines}</section>"


class Characters(dict[str, Character]):
    """By id: `story.characters["mara"]`."""

    def __init__(self, entries: Mapping[str, Any], places: Mapping[str, Any]) -> None:
        super().__init__()
        for id, entry in entries.items():
            place = places.get(entry.get("location"))
            self[id] = Character(entry, id, place["name"] if isinstance(place, Mapping) else None)

    def _repr_pretty_(self, printer: _Printer, cycle: bool) -> None:
        printer.text("\n".join(f"{id}: {_line(who)}" for id, who in sorted(self.items())))

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td><code>{escape(id)}</code></td><td>{escape(who._title())}</td>"
            f"<td>{escape(who._standing())}</td></tr>"
            for id, who in sorted(self.items())
        )
        head = "<tr><th>id</th><th>who</th><th>where</th></tr>"
        return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"


class _Printer(Protocol):
    def text(self, text: str) -> None: ...


def _line(who: Character) -> str:
    return " · ".join(filter(None, (who._title(), who._standing())))
