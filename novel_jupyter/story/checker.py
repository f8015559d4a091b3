"""Refuses sentences that say more than what happened.

Law: a sentence may name only whom and what its events are about, may tell of a death, a wound, a fire or a
departure only where an event has one, and may say no fact that no event of it says.
Parts: `Checker`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from .turn import Sentence, StoryEvent, TurnRecord

_CLAIMS: Final[Mapping[str, tuple[str, ...]]] = {
    # Words that claim an outcome → tags of which one must be there.
    r"\b(dies|died|dead|dying|killed|kills|slain|slays|slew|corpse|murdered|murders|perish(es|ed)?|lifeless"
    r"|breathed? (his|her|their) last)\b": ("died:", "ended:"),
    r"\b(bleeds|bled|bleeding|wounded|wounds|stabbed|stabs|bloody)\b": (
        "hurt:",
        "died:",
        "healed:",
        "ended:",
    ),
    r"\b(burned|burns|burnt|ashes|destroyed|destroys|shattered)\b": ("destroyed:", "did:", "ended:"),
    r"\b(drowned|drowns|sank|shipwrecked)\b": ("departed:", "ended:"),
    r"\b(unlocked|unlocks)\b": ("opened:",),
    r"\b(confessed|confesses|confided|confides)\b": ("spoken:", "learned:"),
}
_FLAGS: Final = {"character": re.RegexFlag(0), "item": re.IGNORECASE, "location": re.IGNORECASE}
_WORD: Final = re.compile(r"[a-z’']{4,}")
_ENOUGH: Final = 70
"""Percent of a withheld fact's words that make a sentence tell it."""


class Checker:
    """Checks the sentences of one turn."""

    def __init__(self, record: TurnRecord) -> None:
        self._events = {event.id: event for event in record.events}
        # Longest first, and what is allowed is blanked out: the lamp room is no mention of the lamp.
        by_length = sorted(record.names.items(), key=lambda named: (-len(named[1].name), named[0]))
        self._names = [
            (id, name.name.lower(), re.compile(rf"(?<!\w){re.escape(name.name)}(?!\w)", _FLAGS[name.kind]))
            for id, name in by_length
        ]
        self._withheld = [frozenset(_WORD.findall(text.lower())) for text in record.withheld]
        self._claims = [(re.compile(pattern, re.IGNORECASE), tags) for pattern, tags in _CLAIMS.items()]
        self._any_claim = re.compile("|".join(f"(?:{pattern})" for pattern in _CLAIMS), re.IGNORECASE)

    def problem(self, sentence: Sentence) -> str | None:
        """What is wrong with a sentence, in words, or None."""
        cited = [self._events[id] for id in sentence.events if id in self._events]
        if not cited or len(cited) != len(sentence.events):
            return "cites no event of this turn"
        given = " ".join(text for event in cited for text in _given(event))
        own = _own(sentence.text, cited)
        allowed = {id for event in cited for id in (event.character, *event.mentions, event.location)}
        rest = sentence.text
        low = rest.lower()
        for id, plain, name in self._names:
            if plain not in low:
                continue
            if id in allowed:
                rest = name.sub(" ", rest)
            elif name.search(rest) and (name.search(own) or not name.search(given)):
                return f"names {id!r}, which is not in its events"
        tags = [tag for event in cited for tag in event.tags]
        for claim, needed in self._claims if self._any_claim.search(own) else ():
            found = claim.search(own)
            if found and not any(tag.startswith(needed) for tag in tags):
                return f"tells of {found.group()!r}, which did not happen"
        said = frozenset(_WORD.findall(sentence.text.lower()))
        for fact in self._withheld:
            if fact and 100 * len(fact & said) >= _ENOUGH * len(fact):
                return "tells what nobody has said"
        return None


def _given(event: StoryEvent) -> list[str]:
    """Text that an event itself brings: what players and story files say may be repeated."""
    return [
        text
        for beat in event.beats
        for slot, text in beat.slots.items()
        if slot in ("line", "text", "phrase")
    ]


def _own(text: str, cited: Iterable[StoryEvent]) -> str:
    """What the teller says, without what people say and without a fact that is told in its own words.

    What a player typed are the character's words: the teller may quote them, and not make them true.
    """
    for event in cited:
        for said in () if event.action.get("kind") == "free" else _given(event):
            text = re.sub(re.escape(said.rstrip(".!?…")), " ", text, flags=re.IGNORECASE)
    return re.sub(r"“[^”]*”", " ", text)
