"""What the words of a sentence claim to have happened, held against what did.

Law: a claim is read from few, plain words and needs an event that bears it out: who ended up with a thing,
who was struck, who came where, whether somebody gave way. What a story file or a player wrote may be said
again.
Words that could mean something else are no claim: a checker that refuses what is true is of no use.
Parts: `Claims`, `strangers` (names that nobody in the story has).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

from .phrases import BANKS
from .turn import Cast, StoryEvent

_DEED: Final[Mapping[str, tuple[str, ...]]] = {
    # Words that claim a deed → tags of which one must be there.
    r"\b(dies|died|dead|dying|killed|kills|slain|slays|slew|corpse|murdered|murders|perish(?:es|ed)?|lifeless"
    r"|breathed? (?:his|her|their) last)\b": ("died:", "ended:"),
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
    r"\b(bandaged|bandages|healed|heals)\b": ("healed:", "ended:"),
    r"\b(betrayed|betrays)\b": ("betrayed:", "spoken:", "learned:", "ended:"),
}
_DEEDS: Final = [(re.compile(pattern, re.IGNORECASE), tags) for pattern, tags in _DEED.items()]
_ANY_DEED: Final = re.compile("|".join(_DEED), re.IGNORECASE)
_TAKES: Final = (
    r"(?:takes|took|seizes|seized|steals|stole|grabs|grabbed|pockets|pocketed|wrests|wrested|tears|tore"
    r"|gets|got|wins|won|finds|found|discovers|discovered)"
)
_STRIKES: Final = r"(?:strikes|struck|hits|hit|punches|punched|stabs|stabbed|beats|kicks|kicked)"
_GOES: Final = (
    r"(?:goes|went|comes|came|walks|walked|runs|ran|returns|returned|climbs|climbed|moves|moved|crosses|crossed"
    r"|crept|creeps|hurries|hurried)(?: \w+ly| back| off| over| out| on| up| down| away)? (?:in)?to"
)
_GIVES: Final = r"(?:gives|gave|hands|handed)(?: over| back)?"
_DET: Final = r"(?:the |a |an |his |her |their |my |its )?"
_YIELDS: Final = re.compile(
    r"\b(agreed|agrees|consented|consents|relented|relents|yielded|yields|gave in|gives in|obeyed)\b"
)
_REFUSES: Final = re.compile(
    r"\b(refused|refuses|declined|declines|would not hear of it|shook (?:his|her|their) head|said no)\b"
)
_FAILS: Final = re.compile(
    r"\b(failed|fails|came away empty|empty-handed|in vain|to no avail|found nothing)\b"
)
_ASKED: Final = frozenset({"persuade", "threaten"})
_DONE: Final = frozenset({"success", "cost"})
_LANDS: Final = ("hurt:", "died:", "did:")
_ARRIVES: Final = ("moved:", "entered:", "scene:", "departed:", "opened:")
_UNREAL: Final = re.compile(r"\b(?:(?:would|could|might|should) (?:not )?(?:have )?|nearly |almost |if )$")
"""Before a claim: it did not happen, and the sentence says so."""
_ENDS: Final = (".", "!", "?", "…", ".”", "!”", "?”", "…”", "“")
"""After one of these a sentence opens."""
_CAPITAL: Final = re.compile(r"(?<![\w’])[A-Z][a-zé]+(?:-[A-Z][a-z]+)*")
_ACTS: Final = re.compile(
    rf"(?:’s\b| (?:then |also |only )?(?:{_TAKES}|{_STRIKES}|was|is|said|says|asked|asks|gave|gives|went|came"
    r"|told|tells|held|looked|turned|stood|left|watched|smiled|agreed|refused|died|wept|laughed)\b)"
)
_NO_NAME: Final = frozenset(
    "I Me He She It They We You This That These Those There Here What Who Whoever Which Nobody Somebody "
    "Everybody Anybody Nothing Something Everything One Two Three Both Each Neither None All Some Others "
    "Another Rain Wind Snow Night Day Dawn Dusk Morning Evening Silence Time Light Dark Darkness Blood Fear "
    "Hope Death Outside Inside Below Above Then Now God Heaven Christmas Sunday Monday Tuesday Wednesday "
    "Thursday Friday Saturday January February March April May June July August September October November "
    "December".split()
) | {
    word
    for shelves in BANKS.values()
    for ways in shelves.values()
    for way in ways
    for word in _CAPITAL.findall(way.phrase)
}
"""Words with a capital that are nobody: those that open sentences, the bank’s own among them."""


def _outcome(events: Sequence[StoryEvent], kinds: Collection[str]) -> set[bool]:
    """Whether events of these kinds came off."""
    return {event.outcome in _DONE for event in events if event.action.get("kind") in kinds}


class Claims:
    """What sentences may claim that have these names. `of` keeps the latest: a play asks for the same."""

    def __init__(self, names: Mapping[str, Cast]) -> None:
        people = [re.escape(name.name) for name in names.values() if name.kind == "character"]
        who = "|".join(sorted(people, key=len, reverse=True)) or r"(?!)"
        self._lower = {id: name.name.lower() for id, name in names.items()}
        self._ids = {name.name: id for id, name in names.items() if name.kind == "character"}
        self._died = re.compile(rf"\b({who}) (?:dies|died|is dead|was dead|lay dead|lies dead)\b")
        self._struck = re.compile(rf"\b{_STRIKES} ({who}|him|her|them|me)\b(?!’|(?: \w+)? (?:hand|arm|eye))")
        self._things = {
            id: re.compile(
                rf"(?:\b({who}) (?:then |only |simply )?)?\b{_TAKES} (?:up |back |hold of )?{_DET}(?:\w+’s )?"
                rf"{re.escape(name.name)}\b",
                re.IGNORECASE,
            )
            for id, name in names.items()
            if name.kind == "item"
        }
        self._gifts = {
            id: re.compile(
                rf"\b(?:{_GIVES} (?:{who}|him|her|them|me)|hand(?:s|ed) over) {_DET}{re.escape(name.name)}\b",
                re.IGNORECASE,
            )
            for id, name in names.items()
            if name.kind == "item"
        }
        self._places = {
            id: re.compile(rf"\b{_GOES} {_DET}{re.escape(name.name)}\b", re.IGNORECASE)
            for id, name in names.items()
            if name.kind == "location"
        }

    @classmethod
    def of(cls, names: Mapping[str, Cast]) -> Claims:
        """The claims about these names."""
        return _claims_of(tuple(sorted(names.items(), key=_id)))

    def wrong(self, own: str, events: Sequence[StoryEvent]) -> str | None:
        """The first claim in the teller’s own words that none of its events bears out, or None."""
        tags = [tag for event in events for tag in event.tags]
        for found in self._unborne(own, events, tags):
            if not _UNREAL.search(own[: found.start()]):
                return found.group()
        return None

    def _unborne(
        self, own: str, events: Sequence[StoryEvent], tags: Sequence[str]
    ) -> Iterator[re.Match[str]]:
        for deed, needed in _DEEDS if _ANY_DEED.search(own) else ():
            if not any(tag.startswith(needed) for tag in tags):
                yield from deed.finditer(own)
        if any(tag.startswith("ended:") for tag in tags):
            return
        said = own.lower()
        named = {id for id, name in self._lower.items() if name in said}
        for found in self._died.finditer(own):
            if f"died:{self._ids[found[1]]}" not in tags:
                yield found
        for found in self._struck.finditer(own):
            id = self._ids.get(found[1])
            landed = [tag for tag in tags if tag.startswith(_LANDS)]
            if not landed or (id and not {f"hurt:{id}", f"died:{id}"} & set(tags)):
                yield found
        for id in named & self._things.keys():
            yield from self._unborne_holding(own, id, tags)
        for id in named & self._places.keys():
            if not _came(id, events, tags):
                yield from self._places[id].finditer(own)
        yield from _unborne_answers(own, events)

    def _unborne_holding(self, own: str, id: str, tags: Sequence[str]) -> Iterator[re.Match[str]]:
        for found in self._things[id].finditer(own):
            who = self._ids.get(found[1] or "")
            held = f"held:{id}:{who}" if who else f"held:{id}:"
            if not any(tag.startswith((held, f"found:{id}", f"did:{id}.", "opened:")) for tag in tags):
                yield found
        if not any(tag.startswith(f"held:{id}:") for tag in tags):
            yield from self._gifts[id].finditer(own)


def _id(named: tuple[str, Cast]) -> str:
    return named[0]


@lru_cache(maxsize=64)
def _claims_of(names: tuple[tuple[str, Cast], ...]) -> Claims:
    return Claims(dict(names))


def _came(place: str, events: Sequence[StoryEvent], tags: Sequence[str]) -> bool:
    moved = any(tag.startswith(_ARRIVES) for tag in tags)
    return moved and any(place == event.location or place in event.mentions for event in events)


def _unborne_answers(own: str, events: Sequence[StoryEvent]) -> Iterator[re.Match[str]]:
    asked = _outcome(events, _ASKED)
    if (found := _YIELDS.search(own)) and True not in asked:
        yield found
    if (found := _REFUSES.search(own)) and asked == {True}:
        yield found
    acted = {event.outcome in _DONE for event in events if event.character != "director"}
    if (found := _FAILS.search(own)) and acted == {True} and not any(_nothing(event) for event in events):
        yield found


def _nothing(event: StoryEvent) -> bool:
    """Whether an event came off and still brought nothing: a search, or a question to who does not know."""
    if event.action.get("kind") in ("ask", "wait"):
        return True
    return event.action.get("kind") == "search" and not any(tag.startswith("found:") for tag in event.tags)


def strangers(text: str, known: Collection[str]) -> Iterator[str]:
    """Names in a text that are none of the `known` words: capitals within a sentence, and whoever opens one
    and then does something.
    """
    for found in _CAPITAL.finditer(text):
        word = found.group()
        if word in known or word in _NO_NAME:
            continue
        before = text[: found.start()].rstrip()
        if (before and not before.endswith(_ENDS)) or _ACTS.match(text, found.end()):
            yield word
