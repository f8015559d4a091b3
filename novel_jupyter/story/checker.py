"""Refuses sentences that say more than what happened.

Law: a sentence may name only whom and what its events are about and nobody who is not in the story, may claim
only what an event bears out (see `claims`), and may say no fact that no event of it says.
Parts: `Checker`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from .claims import Claims, strangers
from .turn import Sentence, StoryEvent, TurnRecord

_FLAGS: Final = {"character": re.RegexFlag(0), "item": re.IGNORECASE, "location": re.IGNORECASE}
_CAPITALS: Final = re.compile(r"[A-Z][a-zé]+(?:-[A-Z][a-z]+)*")
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
        self._claims = Claims.of(record.names)
        self._known = {word for name in record.names.values() for word in _CAPITALS.findall(name.name)}

    def problem(self, sentence: Sentence) -> str | None:
        """What is wrong with a sentence, in words, or None."""
        cited = [self._events[id] for id in sentence.events if id in self._events]
        if not cited or len(cited) != len(sentence.events):
            return "cites no event of this turn"
        given = " ".join(text for event in cited for text in _given(event))
        own = _own(sentence.text, cited)
        allowed = {id for event in cited for id in (event.character, *event.mentions, event.location)}
        # A story's own way to tell a deed may name others, and its markup is not what is read in the end.
        written = " ".join(b.slots["phrase"] for event in cited for b in event.beats if "phrase" in b.slots)
        rest = sentence.text
        low = rest.lower()
        for id, plain, name in self._names:
            if plain not in low:
                continue
            if id in allowed:
                rest = name.sub(" ", rest)
            elif (
                name.search(rest)
                and not name.search(written)
                and (name.search(own) or not name.search(given))
            ):
                return f"names {id!r}, which is not in its events"
        known = self._known | set(_CAPITALS.findall(given))
        if unknown := next(strangers(sentence.text, known), None):
            return f"names {unknown!r}, whom nobody knows"
        if claimed := self._claims.wrong(own, cited):
            return f"tells of {claimed!r}, which did not happen"
        said = frozenset(_WORD.findall(sentence.text.lower()))
        # What is for one seat alone may bring the very fact that others are not told.
        asides = [event for event in cited if event.audience != "everyone"]
        brought = " ".join(text for event in asides for text in _given(event))
        said -= frozenset(_WORD.findall(brought.lower()))
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
