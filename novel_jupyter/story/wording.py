"""Actions in words that a player chooses by: "take the logbook from Tomas", "ask Ines about the oil".

Law: reads what one player may see, names nothing else, and gives every action one phrase.
Parts: `in_words`.
"""

from __future__ import annotations

from . import actions as act
from .actions import Action
from .look import Look


def in_words(look: Look, me: str, action: Action) -> str:
    """What `me` would do, as an order to them. `look` may be of a player's own view."""
    name = look.name
    match action:
        case act.Move():
            return f"go to {name(action.target)}"
        case act.Observe():
            return f"watch {name(action.target)}" if action.target else "watch what goes on here"
        case act.Search():
            return f"search {name(action.target or look.place(me) or 'this place')}"
        case act.Ask():
            topic = f" about {_topic(look, me, action.about)}" if action.about else ""
            return f"ask {name(action.target)}{topic}" + _said(action.text)
        case act.Tell():
            return _telling(look, me, action)
        case act.Persuade():
            return f"win {name(action.target)} over{_to(look, me, action.about)}" + _said(action.text)
        case act.Threaten():
            return f"threaten {name(action.target)}{_to(look, me, action.about)}" + _said(action.text)
        case act.Give():
            return f"give {name(action.item)} to {name(action.target)}"
        case act.Take():
            item = look.item(action.item)
            holder = item["holder"] if item else None
            return f"take {name(action.item)}" + (f" from {name(holder)}" if holder else "")
        case act.Use():
            way = look.ways_to_use(action.item).get(action.how or "")
            return way["label"] if way else f"use {name(action.item)}"
        case act.Attack():
            return f"attack {name(action.target)}"
        case act.Defend():
            return f"stand guard over {name(action.target)}" if action.target else "be on guard"
        case act.Hide():
            return "hide"
        case act.Help():
            return f"help {name(action.target)}"
        case act.Betray():
            about = action.about
            how = f" over {_topic(look, me, about)}" if about else ""
            return f"betray {name(action.target)}{how}"
        case act.Wait():
            return "wait"
        case act.Free():
            return f"say as it stands, which changes nothing: {action.text}"


def _telling(look: Look, me: str, action: act.Tell) -> str:
    whom = name if (name := action.target and look.name(action.target)) else "everyone here"
    what = _fact(look, me, action.fact) if action.fact else ""
    how = "quietly tell" if action.quietly else "tell"
    return f"{how} {whom}: {what}" if what else f"{how} {whom}, “{action.text}”"


def _fact(look: Look, me: str, fact: str) -> str:
    belief = look.seat(me)["beliefs"].get(fact)
    return belief["text"] if belief else "what there is to know"


def _topic(look: Look, me: str, about: str) -> str:
    known = about in look.people or about in look.stage["items"] or about in look.stage["locations"]
    if known:
        return look.name(about)
    goals = look.seat(me)["goals"].values()
    wanted = next((goal["text"] for goal in goals if goal["target"] == about), None)
    return _fact(look, me, about).rstrip(".") if about in look.seat(me)["beliefs"] else f"this: {wanted}"


def _to(look: Look, me: str, about: str | None) -> str:
    if about is None:
        return ""
    if about in look.stage["items"]:
        return f" to hand over {look.name(about)}"
    return " to own up"


def _said(text: str | None) -> str:
    return f", saying “{text}”" if text else ""
