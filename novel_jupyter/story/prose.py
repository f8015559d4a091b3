"""The offline chronicle: events to sentences, by one hand.

Law: reads a `TurnRecord` only. A shelf's ways are shuffled once for a story and then used in turn, so what
was said comes back only after everything else on the shelf was said; what stands in the turns just before is
not said again while there is another way. A retelling begins elsewhere on the shelf.
Parts: `tell`, `plain` (the last resort: what happened, in the words of the event), `words_for`. What is told
when is `arrange`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Final

from .arrange import Step, arranged
from .dice import Dice
from .english import Tense, Word, capitalise, render
from .phrases import Way, ways
from .turn import DIRECTOR, Beat, Cast, Sentence, StoryEvent, TurnRecord

_OWNED: Final = re.compile(r"\{([A-C])\}’s")
_OPENS: Final = re.compile(r"\{([A-C])(?:'s)?\}")
_QUOTED: Final = re.compile(r"“[^”]*”")
_PRONOUN: Final = re.compile(r"\{[A-C]\.")
_LITERAL: Final = frozenset({"line", "text", "said", "phrase", "title", "wish"})
_PEOPLE: Final = ("A", "B", "C")


def tell(record: TurnRecord) -> Iterator[Sentence]:
    """The sentences of a turn, each with the events it tells."""
    teller = _Teller(record)
    for step in arranged(record):
        yield from teller.step(step)


def plain(event: StoryEvent, teller: Cast | None = None) -> Sentence:
    """What happened, as flatly as it can be said."""
    text = event.reason
    if teller and text.startswith(f"{teller.name} "):
        text = "I" + text[len(teller.name) :]
    return Sentence(capitalise(text), (event.id,))


def words_for(record: TurnRecord, event: StoryEvent, slots: Mapping[str, str]) -> dict[str, Word]:
    """The words that a phrase about an event may use."""
    words = {"A": _word(record, event.character), "at": Word(""), "source": Word("")}
    for slot, value in slots.items():
        words[slot] = Word(value) if slot in _LITERAL else _word(record, value)
    if "line" in slots:
        words["said"] = Word(_before_said(slots["line"]))
    place = record.names.get(slots.get("place", ""))
    if place:
        words["at"] = Word(f"{place.prep} {place.article} {place.name}")
    return words


def _word(record: TurnRecord, id: str) -> Word:
    name = record.names.get(id)
    if name is None:
        return Word("somebody", "they")
    return Word(f"{name.article} {name.name}".strip(), "I" if id == record.teller else name.pronouns)


def _before_said(line: str) -> str:
    """A line as it stands before “said”: its full stop becomes a comma."""
    return line[:-1] + "," if line.endswith(".") and not line.endswith("..") else line


@lru_cache(maxsize=4096)
def _order(hand: int, shelf: str, size: int) -> tuple[int, ...]:
    """The order in which a shelf is used up: one shuffle for the whole play, so it depends neither on the
    turn nor on its seed.
    """
    return tuple(Dice(str(hand), "", 0, 0).order(range(size), "chronicler", shelf))


class _Teller:
    def __init__(self, record: TurnRecord) -> None:
        self.record = record
        self.tense: Tense = "present" if record.tense == "present" and not record.teller else "past"
        self.said = "\n".join(record.recent)
        self.quoted = False
        self.place: str | None = None
        """Where the paragraph has said that it is."""
        self.last: dict[str, bool] = {}
        """Whom the sentence before spoke of → whether by name."""
        self.names = [
            (id, re.compile(rf"(?<!\w){re.escape(name.name)}(?!\w)"))
            for id, name in sorted(record.names.items())
            if name.kind == "character"
        ]

    def step(self, step: Step) -> Iterator[Sentence]:
        event, lead, paragraph = step.event, step.lead, step.paragraph
        if paragraph:
            self.last, self.place = {}, None
        told = False
        for beat in event.beats:
            sentence = self._beat(event, beat, lead)
            if sentence is None:
                continue
            text, short = sentence
            # Two speakers do not share a line.
            paragraph = paragraph or (self.quoted and text.startswith("“"))
            self._note(text, short)
            yield Sentence(text, (event.id,), paragraph)
            told, lead, paragraph = True, None, False
        if not told and event.reason and (event.beats or event.audience != "everyone"):
            # A kind of thing that the bank has no words for.
            sentence_ = plain(event, self.record.names.get(self.record.teller or ""))
            self._note(sentence_.text, None)
            yield replace(sentence_, paragraph=paragraph)

    def _note(self, text: str, short: str | None) -> None:
        self.said += "\n" + text
        self.quoted = "”" in text
        # Whom somebody speaks of is not whom the teller speaks of.
        own = _QUOTED.sub(" ", text)
        self.last = {id: True for id, name in self.names if name.search(own)}
        if short is not None:
            self.last[short] = False

    def _beat(self, event: StoryEvent, beat: Beat, lead: str | None) -> tuple[str, str | None] | None:
        """A beat's text, and who is only a pronoun in it."""
        # What people and story files wrote is no markup.
        if beat.key == "literal":
            return beat.slots["text"], None
        words = words_for(self.record, event, beat.slots)
        if beat.key in ("own", "ending"):
            told = self._render(event, beat, words, beat.slots["phrase"], lead)
            # A story has one way to say it; done again, it is only said to have been.
            if beat.key == "ending" or told[0] not in self.said:
                return told
            beat = replace(beat, key="own.again")
        first: tuple[str, str | None] | None = None
        for way in self._ways(beat, words):
            told = self._render(event, beat, words, way.phrase, lead)
            first = first or told
            if told[0] not in self.said:
                first = told
                break
        self.place = beat.slots.get("place", lead or self.place)
        return first

    def _ways(self, beat: Beat, words: Mapping[str, Word]) -> Iterator[Way]:
        """The ways to tell a beat, the one whose turn it is first."""
        tone, key = self.record.tone, beat.key
        mine = {slot for slot in _PEOPLE if slot in words and words[slot].pronouns == "I"}
        keys = [f"{key}.topic", key] if "topic" in beat.slots else [key]
        shelves = [ways(each, name) for each in dict.fromkeys((tone, "terse")) for name in keys]
        fitting = ([way for way in shelf if mine.isdisjoint(way.not_by)] for shelf in shelves)
        fit = next(filter(None, fitting), [])
        if not fit:
            return
        order = _order(self.record.hand, f"{tone}/{key}", len(fit))
        retold = self.record.telling * (len(fit) // 2) + self.record.telling // 2
        for index in range(len(fit)):
            yield fit[order[(beat.n + retold + index) % len(fit)]]

    def _render(
        self, event: StoryEvent, beat: Beat, words: Mapping[str, Word], phrase: str, lead: str | None
    ) -> tuple[str, str | None]:
        phrase = _OWNED.sub(r"{\1's}", phrase)
        ids = {"A": event.character, **{slot: beat.slots[slot] for slot in _PEOPLE if slot in beat.slots}}
        if beat.slots.get("place", "") == self.place and "there" not in phrase.lower():
            words = {**words, "at": Word("there")}
        opens = _OPENS.match(phrase)
        short = None
        if opens and opens[1] in words and self._clear(opens[1], ids, words, phrase):
            short = ids[opens[1]]
            words = {**words, opens[1]: replace(words[opens[1]], short=True)}
        place = self.record.names.get(lead or "")
        if place and phrase.startswith("{A}") and "{at}" not in phrase and "{place}" not in phrase:
            phrase = f"{place.prep} {place.article} {place.name} {phrase}"
            short = None
        try:
            text = render(phrase, words, self.tense)
        except KeyError:
            # Somebody wrote braces into the director's script.
            text = capitalise(phrase.translate({ord(sign): None for sign in "{}[]"}))
        return text, short

    def _clear(self, slot: str, ids: Mapping[str, str], words: Mapping[str, Word], phrase: str) -> bool:
        """Whether a pronoun is enough to open with: the sentence before spoke of the same one, and nobody in
        either could be meant instead.
        """
        me, word = ids[slot], words[slot]
        # For singular they, and twice in a row, the name reads better.
        if not self.last.get(me) or word.pronouns in ("they", "I") or me == DIRECTOR:
            return False
        others = {id for id in self.last if id != me}
        # A name further on is no rival to the pronoun that opens; another pronoun is.
        if _PRONOUN.search(phrase):
            others |= {id for other, id in ids.items() if other != slot and "{" + other in phrase}
        names = self.record.names
        return all(names[id].pronouns != word.pronouns for id in others if id in names and id != me)
