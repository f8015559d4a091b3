"""The offline chronicle: events to sentences, by one hand.

Law: reads a `TurnRecord` only. A shelf's ways are shuffled once for a story and then used in turn, so what
was said comes back only after everything else on the shelf was said. A retelling begins elsewhere on the
shelf.
Parts: `tell`, `plain` (the last resort: what happened, in the words of the event), `words_for`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from .dice import Dice
from .english import Tense, Word, capitalise, render
from .phrases import BANK
from .turn import DIRECTOR, Beat, Cast, Sentence, StoryEvent, TurnRecord

_OWNED: Final = re.compile(r"\{([A-C])\}’s")
_LITERAL: Final = frozenset({"line", "text", "said", "phrase", "title"})


def tell(record: TurnRecord) -> Iterator[Sentence]:
    """The sentences of a turn, place by place, each with the events it tells."""
    teller = _Teller(record)
    for event, lead, paragraph in _arranged(record):
        yield from teller.event(event, lead, paragraph)


def plain(event: StoryEvent) -> Sentence:
    """What happened, as flatly as it can be said."""
    return Sentence(capitalise(event.reason), (event.id,))


def words_for(record: TurnRecord, event: StoryEvent, slots: Mapping[str, str]) -> dict[str, Word]:
    """The words that a phrase about an event may use."""
    words = {"A": _word(record.names.get(event.character)), "at": Word(""), "source": Word("")}
    for slot, value in slots.items():
        if slot in _LITERAL:
            words[slot] = Word(value)
        else:
            words[slot] = _word(record.names.get(value))
    if "line" in slots:
        words["said"] = Word(_before_said(slots["line"]))
    place = record.names.get(slots.get("place", ""))
    if place:
        words["at"] = Word(f"{place.prep} {place.article} {place.name}")
    return words


def _word(name: Cast | None) -> Word:
    if name is None:
        return Word("somebody", "they")
    return Word(f"{name.article} {name.name}".strip(), name.pronouns)


def _before_said(line: str) -> str:
    """A line as it stands before “said”: its full stop becomes a comma."""
    return line[:-1] + "," if line.endswith(".") and not line.endswith("..") else line


def _arranged(record: TurnRecord) -> Iterator[tuple[StoryEvent, str | None, bool]]:
    """Events in the order of telling: the scene, then place by place, then the hour, then the end.

    With each event: the place to name first (if the story moves elsewhere), and whether a paragraph begins.
    """
    first = [event for event in record.events if event.action.get("kind") == "scene"]
    last = [event for event in record.events if event.character == DIRECTOR and event not in first]
    acted = [event for event in record.events if event.character != DIRECTOR and event.beats]
    places = list(dict.fromkeys(event.location for event in acted))
    stage = first[0].location if first else None
    moved = any(tag.startswith("scene:") for event in first for tag in event.tags)
    # Where the scene was set is told first.
    places.sort(key=lambda place: place != stage)
    for event in first:
        yield event, None, True
    for place in places:
        here = [event for event in acted if event.location == place]
        for index, event in enumerate(here):
            lead = place if index == 0 and (moved or place != stage) else None
            yield event, lead, index == 0
    for event in last:
        yield event, None, event.action.get("kind") in ("ending", "clock")


class _Teller:
    def __init__(self, record: TurnRecord) -> None:
        self.record = record
        self.tense: Tense = "present" if record.tense == "present" else "past"
        # One shuffle for the whole play: it must not depend on the turn, nor on its seed.
        self.dice = Dice(str(record.hand), "", 0, 0)
        self.before: tuple[str, frozenset[str]] | None = None

    def event(self, event: StoryEvent, lead: str | None, paragraph: bool) -> Iterator[Sentence]:
        if paragraph:
            self.before = None
        for beat in event.beats:
            phrase = self._phrase(beat)
            if phrase is None:
                continue
            # What people and story files wrote is no markup.
            literal = beat.key == "literal"
            text = beat.slots["text"] if literal else self._render(event, beat, phrase, lead)
            yield Sentence(text, (event.id,), paragraph)
            lead, paragraph = None, False

    def _phrase(self, beat: Beat) -> str | None:
        if beat.key == "literal":
            return ""
        if beat.key in ("own", "ending"):
            return beat.slots["phrase"]
        key = f"{beat.key}.topic" if "topic" in beat.slots and f"{beat.key}.topic" in BANK else beat.key
        shelf = BANK.get(key)
        if not shelf:
            return None
        order = self.dice.order(range(len(shelf)), "chronicler", key)
        step = self.record.telling * (len(shelf) // 2 or 1)
        return shelf[order[(beat.n + step) % len(shelf)]]

    def _render(self, event: StoryEvent, beat: Beat, phrase: str, lead: str | None) -> str:
        words = words_for(self.record, event, beat.slots)
        people = {slot: word for slot, word in words.items() if slot in ("A", "B", "C")}
        if event.character != DIRECTOR and self._clear(event.character, people):
            words["A"] = Word(words["A"].text, words["A"].pronouns, short=phrase.startswith("{A"))
        phrase = _OWNED.sub(r"{\1's}", phrase)
        place = self.record.names.get(lead or "")
        if place and phrase.startswith("{A}") and "{at}" not in phrase and "{place}" not in phrase:
            phrase = f"{place.prep} {place.article} {place.name} {phrase}"
        try:
            text = render(phrase, words, self.tense)
        except KeyError:
            # Somebody wrote braces into the director's script.
            text = capitalise(phrase.translate({ord(sign): None for sign in "{}[]"}))
        named = frozenset(slot for slot in people if "{" + slot in phrase)
        leads = phrase.startswith("{A}") or phrase.endswith("{A} [say].")
        others = frozenset(people[slot].pronouns for slot in named if slot != "A")
        self.before = (event.character, others) if leads and "A" in named else None
        return text

    def _clear(self, who: str, people: Mapping[str, Word]) -> bool:
        """Whether a pronoun is enough: the sentence before was about the same one, and no other fits."""
        if self.before is None or self.before[0] != who:
            return False
        mine = people["A"].pronouns
        return mine not in self.before[1] and all(
            word.pronouns != mine for slot, word in people.items() if slot != "A"
        )
