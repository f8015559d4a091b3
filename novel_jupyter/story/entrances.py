"""Who comes on when a scene is set.

Law: the director brings characters together that agents play; nobody's own character is moved for them, and
nobody is brought through a locked door or away from what they came to do.
Parts: `entrances`.
"""

from __future__ import annotations

from collections.abc import Collection

from .actions import Use
from .brain import Frame
from .laws import refusal
from .look import Look


def entrances(look: Look, frame: Frame, free: Collection[str], turn: int) -> list[str]:
    """Those of `free` who come in `turn` to a scene that is about them."""
    return [
        who
        for who in frame.focus
        if who in free
        and look.acts(who)
        and not look.hidden(who)
        and look.place(who) != frame.location
        and _open_way(look, who, frame.location)
        and not _about_to_act(look, who)
        and not _just_arrived(look, who, turn)
    ]


def _open_way(look: Look, who: str, to: str) -> bool:
    """Whether one can simply walk there, at most twice as far as in a turn of one's own."""
    start = look.place(who)
    reached, edge = {start}, {start}
    for _ in range(4):
        edge = {
            other
            for here in edge
            if here
            for other, key in look.exits(here, []).items()
            if key is None and other not in reached
        }
        reached |= edge
    return to in reached


def _just_arrived(look: Look, who: str, turn: int) -> bool:
    """Whether somebody has only now come where they are, for a purpose of their own."""
    return any(
        entry["kind"] == "move" and entry["who"] == who and entry["turn"] == turn - 1
        for entry in look.seat(who)["memory"].values()
    )


def _about_to_act(look: Look, who: str) -> bool:
    """Whether somebody could do here and now what they most want to do."""
    return any(
        goal["kind"] == "use"
        and goal["status"] == "open"
        and refusal(look, who, Use(item=goal["target"], how=goal["how"])) is None
        for goal in look.seat(who)["goals"].values()
    )
