"""What happened so far, in a few lines: for who comes late, and for models.

Law: made from public events alone, in their own words; bounded, however long the story. What changed most is
kept longest.
Parts: `extended`, `MAX_CHARS`.
"""

from __future__ import annotations

import re
from typing import Final

from .turn import DIRECTOR, StoryEvent, TurnRecord

MAX_CHARS: Final = 1600
PER_TURN: Final = 2
LINE_CHARS: Final = 220

_GRAVE: Final = ("died:", "ended:", "destroyed:", "spoken:", "betrayed:", "departed:", "did:")
_WEIGHTY: Final = ("held:", "found:", "hurt:", "opened:", "spotted:")
_KEPT: Final = re.compile(r"^\d+\* ")


def extended(so_far: str, record: TurnRecord) -> str:
    """The summary with a turn more. Of a turn the two weightiest events stand in it, each on a line that
    begins with the turn's number; a star marks what will not be forgotten while there is room.
    """
    # A retelling adds nothing: the turn stands there already.
    lines = [
        line for line in so_far.splitlines() if not line.startswith((f"{record.turn}. ", f"{record.turn}* "))
    ]
    weighed = [(_weight(event), -index, event) for index, event in enumerate(record.events)]
    best = sorted((each for each in weighed if each[0]), key=lambda each: (-each[0], -each[1]))[:PER_TURN]
    for weight, _, event in sorted(best, key=lambda each: -each[1]):
        lines.append(f"{record.turn}{'*' if weight > 2 else '.'} {_cut(event.reason)}")
    while sum(len(line) + 1 for line in lines) > MAX_CHARS:
        forgotten = next((line for line in lines if not _KEPT.match(line)), lines[0])
        lines.remove(forgotten)
    return "\n".join(lines)


def _weight(event: StoryEvent) -> int:
    if event.character == DIRECTOR:
        return 3 if any(tag.startswith("ended:") for tag in event.tags) else 0
    if any(tag.startswith(_GRAVE) for tag in event.tags):
        return 3
    if any(tag.startswith(_WEIGHTY) for tag in event.tags):
        return 2
    return 1 if event.action.get("kind") in ("attack", "threaten", "betray", "take") else 0


def _cut(text: str) -> str:
    text = " ".join(text.split())
    if len(text) <= LINE_CHARS:
        return text
    return text[:LINE_CHARS].rpartition(" ")[0] + " …"
