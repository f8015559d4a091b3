"""From an attempt to a ruling: laws first, then the judge of its kind.

Law: every kind of action has exactly one judge. What breaks a law is refused; what was possible when the
turn began and is not any more, because somebody was quicker, is a failure.
Parts: `JUDGES`, `judge`, `too_late`, `refuse`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from . import effects as fx
from . import physical, social
from .actions import Use
from .laws import Refusal, use_of
from .ruling import Attempt, Ruling

JUDGES: Final[Mapping[str, Callable[[Attempt], Ruling]]] = MappingProxyType(
    {
        "move": physical.move,
        "observe": physical.observe,
        "search": physical.search,
        "ask": social.ask,
        "tell": social.tell,
        "persuade": social.persuade,
        "threaten": social.threaten,
        "give": physical.give,
        "take": physical.take,
        "use": physical.use,
        "attack": physical.attack,
        "defend": physical.defend,
        "hide": physical.hide,
        "help": social.help_,
        "betray": social.betray,
        "wait": physical.wait,
        "free": physical.free,
    }
)

_STAYS_HIDDEN: Final = frozenset({"wait", "observe", "hide", "free"})
_FIRST: Final = frozenset({"defend", "hide"})
_LAST: Final = frozenset({"move"})


def rank(kind: str) -> int:
    """When in a turn a kind of action happens: guards stand before blows fall, and people speak before they
    go.
    """
    return 0 if kind in _FIRST else 2 if kind in _LAST else 1


def judge(attempt: Attempt) -> Ruling:
    """What comes of a legal attempt."""
    ruling = JUDGES[attempt.action.kind](attempt)
    if attempt.look.hidden(attempt.me):
        if attempt.action.kind in _STAYS_HIDDEN:
            ruling.open = False
        else:
            ruling.effects.insert(0, fx.Appeared(attempt.me))
    return ruling


def too_late(attempt: Attempt, broken: Refusal) -> Ruling:
    """Somebody was quicker."""
    ruling = Ruling("failure", f"{attempt.name} came too late. {broken.reason}")
    target = str(getattr(attempt.action, "target", ""))
    item = str(getattr(attempt.action, "item", ""))
    if isinstance(attempt.action, Use) and broken.law == "resources.needs":
        meant = use_of(attempt.look, item, attempt.action.how)
        item = (meant[1]["needs"] if meant else None) or item
    if target in attempt.look.with_(attempt.me):
        # The other is still there: it was about what they had.
        item = item or str(getattr(attempt.action, "about", ""))
    if attempt.look.item(item):
        ruling.mentions.append(item)
        ruling.tell("late.item", item=item)
    elif target in attempt.look.people:
        ruling.mentions.append(target)
        ruling.tell("late.person", B=target)
    else:
        ruling.tell("late")
    ruling.open = not attempt.look.hidden(attempt.me)
    return ruling


def refuse(broken: Refusal) -> Ruling:
    """Against a law. Only the one who tried it hears why: a reason could say too much to others."""
    return Ruling("refused", str(broken), tags=[f"law:{broken.law}"], open=False)
