"""Marked-up phrases, and the little English they need: tense, agreement, pronouns, articles, capitals.

Law: a phrase is data. Rendering knows names and pronouns and nothing of the story; the same phrase and
slots give the same sentence.
Parts: the markup (`check_phrase`, `render`), `Word` (somebody or something that a slot stands for), verbs. A
person whose pronouns are `I` tells it: `{A}` is then `I` before a verb and `me` elsewhere (past tense only).

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
    "I": {"he": "I", "him": "me", "his": "my", "himself": "myself"},
}
FORMS: Final = ("he", "him", "his", "himself")

_PAST: Final[Mapping[str, str]] = dict(
    pair.split(":")
    for pair in (
        "admit:admitted answer:answered batter:battered be:was bear:bore beat:beat beckon:beckoned "
        "become:became begin:began bend:bent bethink:bethought better:bettered bid:bade bind:bound "
        "bite:bit bleed:bled blow:blew break:broke bring:brought build:built burn:burned buy:bought "
        "cast:cast catch:caught choose:chose cling:clung come:came consider:considered cost:cost "
        "cover:covered creep:crept cut:cut deal:dealt dig:dug discover:discovered do:did draw:drew "
        "drink:drank drive:drove eat:ate enter:entered fall:fell falter:faltered fasten:fastened "
        "feed:fed feel:felt fight:fought find:found flee:fled flicker:flickered fling:flung fly:flew "
        "forget:forgot forsake:forsook freeze:froze gather:gathered get:got give:gave go:went "
        "grind:ground grow:grew hang:hung happen:happened harden:hardened have:had hear:heard "
        "hide:hid hit:hit hold:held hurt:hurt keep:kept kneel:knelt know:knew lay:laid lead:led "
        "lean:leaned leave:left lend:lent let:let lie:lay light:lit linger:lingered listen:listened "
        "loosen:loosened lose:lost lower:lowered make:made mean:meant meet:met murmur:murmured "
        "mutter:muttered offer:offered open:opened pay:paid put:put quit:quit read:read "
        "reckon:reckoned refer:referred remember:remembered ride:rode ring:rang rise:rose run:ran "
        "say:said see:saw seek:sought sell:sold send:sent set:set shake:shook shatter:shattered "
        "shine:shone shoot:shot show:showed shrink:shrank shut:shut sing:sang sink:sank sit:sat "
        "sleep:slept slide:slid slip:slipped soften:softened speak:spoke spend:spent spill:spilled "
        "spin:spun spit:spat split:split spread:spread spring:sprang stagger:staggered stand:stood "
        "steal:stole stick:stuck sting:stung strike:struck strive:strove swear:swore sweep:swept "
        "swim:swam swing:swung take:took teach:taught tear:tore tell:told think:thought "
        "threaten:threatened throw:threw thrust:thrust tighten:tightened turn:turned "
        "understand:understood utter:uttered visit:visited wake:woke wander:wandered weaken:weakened "
        "wear:wore weep:wept whisper:whispered win:won wind:wound withdraw:withdrew wrest:wrested "
        "wring:wrung write:wrote"
    ).split()
)
_THIRD: Final[Mapping[str, str]] = {"be": "is", "have": "has", "do": "does", "go": "goes"}
_PLURAL_PAST: Final[Mapping[str, str]] = {"be": "were"}
_PLURAL: Final[Mapping[str, str]] = {"be": "are"}
_DOUBLING = re.compile(r"^[^aeiou]*[aeiou][bdgklmnprt]$")

_SLOT = re.compile(r"\{([A-Za-z_]+)(?:(\.)([a-z]+)|('s))?\}")
_VERB = re.compile(r"\[([a-z]+)(?:~([AB])|(\+))?\]")
_SUBJECT = re.compile(
    r" (?:already |once |only |simply |soon |almost |nearly |never |still )?"
    r"(?:\[|would\b|could\b|had\b|might\b|should\b)"
)
"""What follows a name that does something."""
_OPENS = re.compile(r"[.!?…]”?\s+$")
_TOKEN = re.compile(r"\{[^{}]*\}|\[[^\[\]]*\]")
_STRAY = re.compile(r"[{}\[\]]")
_SENTENCE_START = re.compile(r"(^|[.!?…]”?\s+|^“|[.!?…]\s+“)([a-z])")


@dataclass(frozen=True, slots=True)
class Word:
    """What a slot stands for. `short` says that it was just named, so that a pronoun will do where it opens
    the sentence; the pronouns of `I` are whose story it is.
    """

    text: str
    pronouns: str = "it"
    short: bool = False

    def possessive(self) -> str:
        return self.text + "’s"


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
            options = ", ".join("{" + slot + "}" for slot in sorted(slots)) or "no braces"
            return f"{{{name}}} means nothing here; expected {options}"
        if form is not None and form not in FORMS:
            return f"{match.group()} has no such form; expected one of {', '.join(FORMS)}"
    rest = _VERB.sub("", _SLOT.sub("", phrase))
    if stray := _STRAY.search(rest):
        return f"{stray.group()!r} opens or closes nothing; a slot is {{A}}, a verb is [take]"
    return None


def render(phrase: str, words: Mapping[str, Word], tense: Tense) -> str:
    """The sentence or sentences of a phrase. Raises KeyError for a slot without a word."""

    def slot(match: re.Match[str], opens: bool, acts: bool) -> str:
        word = words[match[1]]
        if word.pronouns == "I":
            return pronoun("I", match[3] or ("his" if match[4] else "he" if acts else "him"))
        # Only the subject that opens a sentence shrinks to its pronoun; anywhere else it would need a case.
        if match[3]:
            return pronoun(word.pronouns, match[3])
        # "They takes": for singular they the name stays, unless the phrase itself asks for the pronoun.
        short = word.short and word.pronouns != "they" and opens
        if match[4]:
            return pronoun(word.pronouns, "his") if short else word.possessive()
        return pronoun(word.pronouns, "he") if short else word.text

    def verb(match: re.Match[str]) -> str:
        plural = bool(match[3]) or (match[2] is not None and words[match[2]].pronouns == "they")
        return conjugate(match[1], tense, plural)

    def token(match: re.Match[str]) -> str:
        if found := _SLOT.fullmatch(match[0]):
            # A name that opens a sentence is its subject, whatever verb an author wrote after it.
            begins = bool(_OPENS.search(match.string, 0, match.start())) or match.start() == 0
            acts = begins or bool(_SUBJECT.match(match.string, match.end()))
            return slot(found, opens=match.start() == 0, acts=acts)
        found = _VERB.fullmatch(match[0])
        return verb(found) if found else match[0]

    # In one pass: what a slot brings in is no markup, whatever it looks like.
    return capitalise(_TOKEN.sub(token, phrase))


def capitalise(text: str) -> str:
    """Every sentence begins with a capital, within quotes too."""
    return _SENTENCE_START.sub(lambda match: match[1] + match[2].upper(), text)


def listed(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
