"""Marked-up phrases, and the little English they need: tense, agreement, pronouns, articles, capitals.

Law: a phrase is data. Rendering knows names and pronouns and nothing of the story; the same phrase and
slots give the same sentence.
Parts: the markup (`check_phrase`, `render`), `Word` (somebody or something that a slot stands for), verbs.

Markup: `{A}` who acts (by name, or by pronoun where the teller already named them), `{B}` whom it is done
to, `{A.he}` `{A.him}` `{A.his}` `{A.himself}` pronouns of either, `{A's}` the possessive of the name, other
slots by name (`{item}`, `{place}`, `{at}`); `[take]` a verb in the story's tense after a singular subject,
`[take~A]` after the pronoun of A, `[take+]` after a plural.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

Tense = Literal["past", "present"]

_PRONOUNS: Final[Mapping[str, Mapping[str, str]]] = {
    "she": {"he": "she", "him": "her", "his": "her", "himself": "herself"},
    "he": {"he": "he", "him": "him", "his": "his", "himself": "himself"},
    "they": {"he": "they", "him": "them", "his": "their", "himself": "themself"},
    "it": {"he": "it", "him": "it", "his": "its", "himself": "itself"},
}
FORMS: Final = ("he", "him", "his", "himself")

_PAST: Final[Mapping[str, str]] = dict(
    pair.split(":")
    for pair in (
        "be:was have:had do:did go:went say:said tell:told take:took give:gave get:got make:made find:found come:came "
        "see:saw hear:heard hold:held keep:kept leave:left let:let lose:lost put:put read:read run:ran set:set "
        "shut:shut sit:sat speak:spoke stand:stood throw:threw turn:turned bring:brought buy:bought catch:caught "
        "choose:chose cut:cut draw:drew drive:drove fall:fell feel:felt fight:fought fly:flew forget:forgot "
        "break:broke begin:began bend:bent bite:bit bleed:bled blow:blew burn:burned cast:cast cling:clung creep:crept "
        "drink:drank eat:ate feed:fed flee:fled fling:flung freeze:froze grind:ground grow:grew hang:hung hide:hid "
        "hit:hit hurt:hurt kneel:knelt know:knew lay:laid lead:led lean:leaned lend:lent lie:lay light:lit mean:meant "
        "meet:met pay:paid ride:rode ring:rang rise:rose seek:sought send:sent shake:shook shine:shone shoot:shot "
        "shrink:shrank sing:sang sink:sank slide:slid spend:spent spill:spilled spin:spun split:split spread:spread "
        "spring:sprang steal:stole stick:stuck sting:stung strike:struck strive:strove swear:swore sweep:swept "
        "swing:swung teach:taught tear:tore think:thought thrust:thrust understand:understood wake:woke wear:wore "
        "weep:wept win:won wind:wound withdraw:withdrew wring:wrung write:wrote sell:sold build:built bind:bound "
        "cost:cost quit:quit sleep:slept swim:swam show:showed offer:offered listen:listened answer:answered "
        "open:opened enter:entered gather:gathered linger:lingered murmur:murmured mutter:muttered whisper:whispered "
        "wander:wandered stagger:staggered flicker:flickered shatter:shattered linger:lingered utter:uttered "
        "admit:admitted refer:referred deal:dealt dig:dug slip:slipped wrest:wrested reckon:reckoned "
        "falter:faltered better:bettered batter:battered lower:lowered cover:covered discover:discovered "
        "remember:remembered consider:considered visit:visited happen:happened threaten:threatened beckon:beckoned "
        "loosen:loosened tighten:tightened fasten:fastened soften:softened harden:hardened weaken:weakened"
    ).split()
)
_THIRD: Final[Mapping[str, str]] = {"be": "is", "have": "has", "do": "does", "go": "goes"}
_PLURAL_PAST: Final[Mapping[str, str]] = {"be": "were"}
_PLURAL: Final[Mapping[str, str]] = {"be": "are"}
_DOUBLING = re.compile(r"^[^aeiou]*[aeiou][bdgklmnprt]$")

_SLOT = re.compile(r"\{([A-Za-z_]+)(?:(\.)([a-z]+)|('s))?\}")
_VERB = re.compile(r"\[([a-z]+)(?:~([AB])|(\+))?\]")
_STRAY = re.compile(r"[{}\[\]]")
_SENTENCE_START = re.compile(r"(^|[.!?…]”?\s+|^“|[.!?…]\s+“)([a-z])")


@dataclass(frozen=True, slots=True)
class Word:
    """What a slot stands for. `short` says that it was just named, so that a pronoun will do for `{A}`."""

    text: str
    pronouns: str = "it"
    short: bool = False

    def possessive(self) -> str:
        return self.text + ("’" if self.text.endswith("s") else "’s")


def third(verb: str) -> str:
    """`take` → `takes`."""
    if verb in _THIRD:
        return _THIRD[verb]
    if verb.endswith(("s", "x", "z", "ch", "sh")):
        return verb + "es"
    if verb.endswith("y") and verb[-2:-1] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + "s"


def past(verb: str) -> str:
    """`take` → `took`; a verb that is in no list is regular."""
    if verb in _PAST:
        return _PAST[verb]
    if verb.endswith("e"):
        return verb + "d"
    if verb.endswith("y") and verb[-2:-1] not in "aeiou":
        return verb[:-1] + "ied"
    if _DOUBLING.match(verb):
        return verb + verb[-1] + "ed"
    return verb + "ed"


def conjugate(verb: str, tense: Tense, plural: bool = False) -> str:
    """One verb after a third-person subject."""
    if tense == "past":
        return _PLURAL_PAST.get(verb, past(verb)) if plural else past(verb)
    return _PLURAL.get(verb, verb) if plural else third(verb)


def pronoun(of: str, form: str) -> str:
    """`pronoun("they", "him")` → `them`. Raises KeyError for what is no pronoun or form."""
    return _PRONOUNS[of][form]


def check_phrase(phrase: str, slots: Collection[str]) -> str | None:
    """What is wrong with a phrase, in words, or None. `slots`: the names that may stand in braces."""
    for match in _SLOT.finditer(phrase):
        name, _, form, _ = match.groups()
        if name not in slots:
            return f"{{{name}}} means nothing here; expected {', '.join('{' + slot + '}' for slot in sorted(slots))}"
        if form is not None and form not in FORMS:
            return f"{match.group()} has no such form; expected one of {', '.join(FORMS)}"
    rest = _VERB.sub("", _SLOT.sub("", phrase))
    if stray := _STRAY.search(rest):
        return f"{stray.group()!r} opens or closes nothing; a slot is {{A}}, a verb is [take]"
    return None


def render(phrase: str, words: Mapping[str, Word], tense: Tense) -> str:
    """The sentence or sentences of a phrase. Raises KeyError for a slot without a word."""

    def slot(match: re.Match[str]) -> str:
        word = words[match[1]]
        # Only the subject that opens a sentence shrinks to its pronoun; anywhere else it would need a case.
        if match[3]:
            return pronoun(word.pronouns, match[3])
        # "They takes": for singular they the name stays, unless the phrase itself asks for the pronoun.
        short = word.short and word.pronouns != "they" and match.start() == 0
        if match[4]:
            return pronoun(word.pronouns, "his") if short else word.possessive()
        return pronoun(word.pronouns, "he") if short else word.text

    def verb(match: re.Match[str]) -> str:
        plural = bool(match[3]) or (match[2] is not None and words[match[2]].pronouns == "they")
        return conjugate(match[1], tense, plural)

    return capitalise(_VERB.sub(verb, _SLOT.sub(slot, phrase)))


def capitalise(text: str) -> str:
    """Every sentence begins with a capital, within quotes too."""
    return _SENTENCE_START.sub(lambda match: match[1] + match[2].upper(), text)


def listed(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
