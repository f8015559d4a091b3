"""Whether the story is over.

Law: a condition is data of a closed set of kinds, read against the true state.
Parts: `is_met`, `doer`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from pydantic import JsonValue

from .look import Look


def is_met(look: Look, when: Mapping[str, JsonValue]) -> bool:
    """Whether a condition (see `schema.Condition`) holds."""
    match when["kind"]:
        case "holds":
            item = look.item(str(when["item"]))
            holder = item["holder"] if item else None
            if holder is None or when["character"] not in (None, holder):
                return False
            return when["at"] is None or look.place(holder) == when["at"]
        case "known":
            to = cast(list[str], when["to"])
            fact = str(when["fact"])
            return all(look.knows(who, fact) for who in to) if to else fact in look.stage["facts"]
        case "deed":
            by = look.stage["scene"]["deeds"].get(f"{when['item']}.{when['how']}")
            return by is not None and when["by"] in (None, by)
        case "dead":
            dead = [id for id, who in look.people.items() if who["status"] == "dead"]
            return bool(dead) if when["character"] is None else when["character"] in dead
        case "clock":
            clock = look.stage["clocks"][str(when["clock"])]
            return clock["value"] >= cast(int, when["at_least"] or clock["segments"])
        case _:
            return all(is_met(look, part) for part in cast(list[dict[str, JsonValue]], when["of"]))


def doer(look: Look, when: Mapping[str, JsonValue]) -> str | None:
    """Who brought it about, if the condition is a deed."""
    if when["kind"] != "deed":
        return None
    return look.stage["scene"]["deeds"].get(f"{when['item']}.{when['how']}")
