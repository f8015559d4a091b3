"""What a player may have meant by words of their own: "I grab the book off Tomas", "sneek to the cellar".

Law: pure, and made from what that player may see and nothing else. It offers and never acts: a reading has
the legal actions that fit, best first, each with a phrase to confirm, or says why what was meant cannot be
done. Words in which no deed is found have no candidates and stay what they are.
Parts: `interpret`, `Reading`, `Candidate`; below, what words say (`Heard`) and how well an action fits. The
words themselves stand in `vocabulary`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import partial
from itertools import pairwise
from typing import Final

from pydantic import JsonValue, ValidationError

from .actions import Action, Ask, Tell, Use, dump_action, parse_action
from .laws import refusal
from .look import Look
from .rules import legal_actions
from .vocabulary import DEEDS, DOUBTS, EVERYONE, IDLE_WORDS, QUIETLY, VERBS
from .wording import in_words
from .world import State

MOST: Final = 5
"""Candidates that are offered."""
MAX_WORDS: Final = 80
"""What is looked at of a text; more than that is prose."""
_ENOUGH: Final = 2.0
"""What a candidate must score: a verb that fits and not more said against it than for it."""
_CLOSE: Final = 0.78
_QUOTE: Final = re.compile(r"[\"“](.+?)[\"”]", re.DOTALL)
_WORD: Final = re.compile(r"[\w’'-]+")


@dataclass(frozen=True, slots=True)
class Candidate:
    """`action` is legal now; `phrase` is how it is shown."""

    action: Action
    phrase: str
    score: float

    def to_json(self) -> dict[str, JsonValue]:
        return {"action": dump_action(self.action), "phrase": self.phrase}


@dataclass(frozen=True, slots=True)
class Reading:
    """What words may have meant. `sure`: one candidate says all that was said and no other comes near.

    `instead` is why what was meant cannot be done, where nothing legal fits.
    """

    text: str
    candidates: tuple[Candidate, ...] = ()
    sure: bool = False
    instead: str | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """For a player's screen: `{"text", "candidates": [{"action", "phrase"}], "sure", "instead"}`."""
        return {
            "text": self.text,
            "candidates": [candidate.to_json() for candidate in self.candidates],
            "sure": self.sure,
            "instead": self.instead,
        }


@dataclass(slots=True)
class Heard:
    """What was found in a text. Values are how sure it is, up to 1."""

    words: list[str]
    kinds: dict[str, float] = field(default_factory=dict)
    things: dict[str, float] = field(default_factory=dict)
    """Ids of people, places and items."""
    facts: dict[str, float] = field(default_factory=dict)
    everyone: bool = False
    quietly: bool = False
    quoted: str | None = None
    typo: bool = False
    """Whether something was only nearly the word that it was taken for."""


def interpret(state: State, character: str, text: str) -> Reading:
    """What `character` may be meant to do. What the player of that character sees is enough as `state`.

    Raises KeyError if there is no such character.
    """
    look = Look(state)
    look.people[character]
    heard = _hear(look, character, text)
    if not heard.words or len(heard.words) > MAX_WORDS or not look.acts(character):
        return Reading(text)
    options = [*legal_actions(state, character), *_said_openly(look, character, heard)]
    scored = [
        Candidate(option, in_words(look, character, option), round(score, 3))
        for option in map(partial(_with_words, heard), dict.fromkeys(options))
        if (score := _fit(look, character, option, heard)) >= _ENOUGH
    ]
    # The order of the options is fixed, and so is a sort by score alone.
    scored.sort(key=lambda candidate: -candidate.score)
    best = _without_twins(scored)[:MOST]
    if not best:
        return Reading(text, instead=_why_not(look, character, heard))
    near = [candidate for candidate in best if candidate.score > best[0].score - 1]
    said = _arguments(best[0].action) | {_holder(look, best[0].action)}
    said |= set(_about(look, character, getattr(best[0].action, "fact", None)))
    plain = not heard.typo and not any(word in DOUBTS for word in heard.words)
    sure = plain and len(near) == 1 and not heard.things.keys() - said
    return Reading(text, tuple(best), sure)


# --- what words say


def _hear(look: Look, me: str, text: str) -> Heard:
    quoted = _QUOTE.search(text)
    plain = _QUOTE.sub(" ", text)
    words = [word.lower().replace("’", "'").removesuffix("'s") for word in _WORD.findall(plain)]
    heard = Heard(words[: MAX_WORDS + 1], quoted=quoted[1].strip()[:500] if quoted else None)
    spoken = " ".join(words)
    heard.everyone = any(word in EVERYONE for word in words)
    heard.quietly = any(word in QUIETLY for word in words)
    used = _things(look, me, words, heard)
    for phrase, kinds in VERBS.items():
        if re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", spoken):
            weight = 1 + 0.2 * phrase.count(" ")
            for kind in kinds:
                heard.kinds[kind] = max(heard.kinds.get(kind, 0), weight)
    if not heard.kinds:
        _nearly_verbs(words, used, heard)
    _facts(look, me, words, heard)
    return heard


def _names(look: Look, me: str) -> Iterator[tuple[str, str]]:
    """Everything that has a name and that this player has heard of, with its name."""
    for id, person in look.people.items():
        yield id, person["name"]
    for id, place in look.stage["locations"].items():
        yield id, place["name"]
    for id, item in look.stage["items"].items():
        if not item["destroyed"]:
            yield id, item["name"]


def _things(look: Look, me: str, words: Sequence[str], heard: Heard) -> set[str]:
    """Find what is named; returns the words that did."""
    used: set[str] = set()
    text = " ".join(words)
    for id, name in _names(look, me):
        whole = name.lower().replace("’", "'")
        parts = [part for part in _WORD.findall(whole) if part not in IDLE_WORDS and len(part) > 2]
        if re.search(rf"(?<!\w){re.escape(whole)}(?!\w)", text):
            heard.things[id] = 1.0
            used.update(_WORD.findall(whole))
            continue
        found = [(part, _nearest(part, words)) for part in parts]
        hits = [(word, close) for _, (word, close) in found if close >= _CLOSE]
        # The last word of a name is what it is: `the oil` may be the can of oil, `brass` is no key yet.
        if hits and (len(parts) == 1 or found[-1][1][1] >= _CLOSE or found[0][1][1] == 1):
            closeness = sum(close for _, close in hits) / len(hits)
            share = 0.6 + 0.4 * len(hits) / len(parts)
            heard.things[id] = round(closeness * share, 3)
            heard.typo = heard.typo or closeness < 1
            used.update(word for word, _ in hits)
    # "her" is sure where there is only one woman here.
    here = look.with_(me)
    for said, pronouns in (("him", "he"), ("her", "she"), ("them", "they")):
        meant = [id for id in here if look.people[id]["pronouns"] == pronouns]
        if said in words and not any(id in look.people for id in heard.things):
            heard.things |= dict.fromkeys(meant, 0.7 if len(meant) == 1 else 0.5)
    heard.things.pop(me, None)
    return used


def _nearest(part: str, words: Sequence[str]) -> tuple[str, float]:
    """The word that is most like a part of a name. Short words must be the same."""
    best = ("", 0.0)
    pairs = [one + other for one, other in pairwise(words)]  # "log book"
    for word in (*words, *pairs):
        if word == part:
            return word, 1.0
        if len(word) > 3 and word not in IDLE_WORDS and part.endswith(word):
            best = max(best, (word, 0.9), key=lambda pair: pair[1])
        if len(part) > 3 and len(word) > 3 and word not in IDLE_WORDS and word[0] == part[0]:
            close = SequenceMatcher(None, part, word).ratio()
            best = max(best, (word, close), key=lambda pair: pair[1])
    return best


def _nearly_verbs(words: Sequence[str], used: set[str], heard: Heard) -> None:
    """A verb with a slip of the finger in it."""
    for phrase, kinds in VERBS.items():
        if " " in phrase or len(phrase) < 4:
            continue
        free = [word for word in words if word not in used]
        _, close = _nearest(phrase, free)
        if close >= _CLOSE:
            heard.typo = True
            for kind in kinds:
                heard.kinds[kind] = max(heard.kinds.get(kind, 0), close)


def _facts(look: Look, me: str, words: Sequence[str], heard: Heard) -> None:
    """Facts that this character knows and that are spoken of: by their words, or by whom they are about."""
    named = {part for person in look.people.values() for part in _WORD.findall(person["name"].lower())}
    said = {word for word in words if len(word) > 3 and word not in IDLE_WORDS} - named
    told = any(word in DEEDS for word in words)
    for fact, belief in look.seat(me)["beliefs"].items():
        own = {word for word in _WORD.findall(belief["text"].lower()) if len(word) > 3}
        common = len(said & own)
        about = sum(1 for id in belief["about"] if id in heard.things and id in look.people)
        if common or (about and told):
            shame = 0.3 if belief["damning"] else 0
            heard.facts[fact] = min(1.0, round(0.25 * common + 0.3 * about + shame, 3))


# --- how well an action fits


def _arguments(action: Action) -> set[str]:
    raw = dump_action(action)
    return {str(raw[key]) for key in ("target", "item", "about") if key in raw}


def _fit(look: Look, me: str, action: Action, heard: Heard) -> float:
    """How much speaks for an action; at least `_ENOUGH` to be offered."""
    verb = heard.kinds.get(action.kind, 0.0)
    if isinstance(action, Use):
        verb = max(verb, _label(look, action, heard))
    if not verb:
        return 0.0
    arguments = _arguments(action)
    score = 3 * verb
    for id in arguments:
        if id in heard.things:
            score += 2 * heard.things[id]
        elif id not in (getattr(action, "about", None),) or id not in heard.facts:
            # Where one is goes without saying; whom or what one means does not.
            score -= 0 if action.kind == "search" else 1.5
    holder = _holder(look, action)
    for id, weight in heard.things.items():
        # "From Tomas" is said by taking what Tomas holds.
        if id not in arguments and id != holder:
            score -= (
                0.5 if isinstance(action, Tell) or id == look.stage["scene"]["location"] else 1.5
            ) * weight
    fact = getattr(action, "fact", None) or getattr(action, "about", None)
    if fact in heard.facts:
        score += 2 * heard.facts[fact]
    if isinstance(action, Tell):
        score += _hearers(action, heard)
        # One seldom tells people of what they did themselves.
        score -= 1.5 if action.target in _about(look, me, action.fact) else 0
    return score


def _about(look: Look, me: str, fact: str | None) -> list[str]:
    """Whom and what a fact is about that one knows."""
    belief = look.seat(me)["beliefs"].get(fact or "")
    return belief["about"] if belief else []


def _holder(look: Look, action: Action) -> str | None:
    """Who has what the action is about."""
    item = look.item(str(getattr(action, "item", "")))
    return item["holder"] if item else None


def _hearers(action: Tell, heard: Heard) -> float:
    """Whether what was meant is said, and to those for whom it was meant."""
    score = 0.0 if action.text or action.fact in heard.facts else -2.0
    if heard.quoted and not action.text:
        score -= 2.0
    if action.quietly and heard.everyone:
        return score - 2.0
    if action.quietly:
        return score + (1.0 if heard.quietly else -0.5 if action.target in heard.things else -1.5)
    return score + (-1.0 if heard.quietly else 1.0 if heard.everyone else 0.0)


def _label(look: Look, action: Use, heard: Heard) -> float:
    """How much of what a menu says of a use was said."""
    way = look.ways_to_use(action.item).get(action.how or "")
    if way is None:
        return 0.0
    words = [word for word in _WORD.findall(way["label"].lower()) if word not in IDLE_WORDS]
    if not words or _nearest(words[0], heard.words)[1] < _CLOSE:
        return 0.0
    return 0.8 + 0.4 * sum(word in heard.words for word in words) / len(words)


def _with_words(heard: Heard, action: Action) -> Action:
    """The action with what was said in quotes, where it can carry words."""
    if heard.quoted and not isinstance(action, Tell) and "text" in type(action).model_fields:
        return action.model_copy(update={"text": heard.quoted})
    return action


def _said_openly(look: Look, me: str, heard: Heard) -> Iterator[Action]:
    """What is possible and in no list: questions about anything that has a name, and words of one's own."""
    people = [id for id in heard.things if id in look.with_(me)]
    for other in people:
        yield from (Ask(target=other, about=id) for id in heard.things if id in look.stage["items"])
    if heard.quoted:
        told = [Tell(text=heard.quoted)] if not people else []
        told += [
            Tell(target=other, text=heard.quoted, quietly=quietly)
            for other in people
            for quietly in (False, True)
        ]
        yield from (action for action in told if refusal(look, me, action) is None)


def _without_twins(candidates: Sequence[Candidate]) -> list[Candidate]:
    seen: dict[str, Candidate] = {}
    for candidate in candidates:
        seen.setdefault(candidate.phrase, candidate)
    return list(seen.values())


def _why_not(look: Look, me: str, heard: Heard) -> str | None:
    """Why the most likely deed is impossible, in the words of the laws. None if no deed was found."""
    for kind in sorted(heard.kinds, key=lambda kind: -heard.kinds[kind]):
        for raw in _attempts(look, kind, heard):
            try:
                action = parse_action(raw)
            except ValidationError:
                continue
            if (broken := refusal(look, me, action)) is not None:
                return str(broken)
    return None


def _attempts(look: Look, kind: str, heard: Heard) -> Iterator[Mapping[str, object]]:
    """What was meant, as far as it was said."""
    ranked = sorted(heard.things, key=lambda id: -heard.things[id])
    items = [id for id in ranked if id in look.stage["items"]]
    people = [id for id in ranked if id in look.people]
    for item in items:
        yield {"kind": kind, "item": item}
        yield from ({"kind": kind, "item": item, "target": person} for person in people)
    yield from ({"kind": kind, "target": id} for id in ranked)
