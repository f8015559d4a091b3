"""The words for deeds that `interpret` knows.

Law: data only. A phrase may mean several kinds of action; a longer one counts for more.
Parts: `VERBS`, and small sets of words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_KINDS: Final[Mapping[str, str]] = {
    "move": (
        "go|go to|walk|run|head|enter|leave for|sneak|creep|climb|follow|return|go back|"
        "hurry|step|move|flee|go down|go up|sneak down|sneak up|make my way|visit|"
        "slip into|slip off to"
    ),
    "observe": (
        "watch|observe|look at|study|eye|stare at|keep an eye on|spy on|listen|look around|look about"
    ),
    "search": (
        "search|look for|rummage|examine|inspect|investigate|look through|look under|"
        "look behind|comb|explore|hunt for|turn over"
    ),
    "ask": "ask|question|ask about|interview|inquire|enquire|find out from|quiz",
    "tell": (
        "tell|say|announce|reveal|confess|admit|shout|declare|inform|accuse|expose|"
        "speak up|blurt out|let everyone know|whisper|confide|mention|own up"
    ),
    "persuade": (
        "persuade|convince|plead|beg|talk into|win over|charm|coax|reassure|reason with|"
        "appeal to|talk to|comfort|flatter|bargain|make peace"
    ),
    "threaten": "threaten|scare|frighten|intimidate|menace|bully|warn|force|blackmail|corner",
    "give": "give|hand|hand over|pass|offer|return|give back|lend",
    "take": (
        "take|grab|steal|snatch|pick up|seize|pocket|get|wrest|lift|collect|swipe|nick|"
        "fetch|pull|tear away|take back|wrestle"
    ),
    "use": "use|read|open|light|burn|drink|put on|operate|apply",
    "attack": (
        "attack|hit|strike|punch|stab|fight|kill|kick|shove|slap|hurt|knock down|shoot|beat|go for|tackle"
    ),
    "defend": (
        "defend|guard|protect|shield|brace|stand guard|be on guard|stand in front of|"
        "watch over|stand between|look out"
    ),
    "hide": ("hide|conceal myself|duck|slip away|get out of sight|lie low|crouch|hide behind|hide under"),
    "help": (
        "help|aid|assist|stand by|support|bandage|tend|heal|back up|patch up|treat|take care of|look after"
    ),
    "betray": "betray|double-cross|double cross|sell out|stab in the back|turn on|give away|backstab",
    "wait": "wait|rest|do nothing|stay|pause|stand still|bide my time|sit down|sit tight",
}


def _endings(phrase: str) -> tuple[str, ...]:
    """The forms of a verb that people write of themselves and their characters: I take, she takes, taking."""
    verb, _, rest = phrase.partition(" ")
    tail = f" {rest}" if rest else ""
    if verb.endswith(("s", "sh", "ch", "x")):
        forms = [verb, f"{verb}es", f"{verb}ing"]
    elif verb.endswith("e"):
        forms = [verb, f"{verb}s", f"{verb[:-1]}ing"]
    elif verb.endswith("y") and verb[-2:-1] not in "aeiou":
        forms = [verb, f"{verb[:-1]}ies", f"{verb}ing"]
    else:
        forms = [verb, f"{verb}s", f"{verb}ing", f"{verb}{verb[-1]}ing"]
    if verb == "go":
        forms += ["goes"]
    return tuple(f"{form}{tail}" for form in forms)


def _verbs() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for kind, phrases in _KINDS.items():
        for phrase in phrases.split("|"):
            for form in _endings(phrase):
                found[form] = tuple(dict.fromkeys((*found.get(form, ()), kind)))
    return found


VERBS: Final[Mapping[str, tuple[str, ...]]] = _verbs()
"""Every form of every phrase → the kinds of action that it may mean."""

EVERYONE: Final = frozenset("everyone everybody all aloud loudly them".split())
QUIETLY: Final = frozenset(
    "quietly whisper whispers whispering secretly privately softly confide alone".split()
)
DEEDS: Final = frozenset(
    "did done truth secret secrets happened guilty guilt lied lie crime fault it".split()
)
"""Words for what somebody did, without saying what."""
DOUBTS: Final = frozenset(
    "not no never don't won't can't cannot if unless or and then maybe perhaps instead without almost".split()
)
"""Where one of these stands, more or less may be meant than one deed: it is asked."""
IDLE_WORDS: Final = frozenset(
    (
        "a an the to at in on for from about with of by towards into off up down out over my your his her "
        "their its i me we you he she they it him them and then that this what who did does has have had is "
        "was were will would some any please now just try want room "
    ).split()
)
"""Words that name nothing by themselves."""
