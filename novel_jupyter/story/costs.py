"""What attempts cost: wounds, things dropped, trust, nerve, and the grudges that they leave.

Law: adds to a ruling that is being made, and changes nothing itself.
Parts: `price` (what a success at a cost or a complication costs), `wound`, `grudge`.
"""

from __future__ import annotations

from . import effects as fx
from .ruling import Attempt, Ruling
from .shapes import GoalState


def price(it: Attempt, ruling: Ruling, other: str | None = None, violent: bool = False) -> None:
    """Add what it costs: a wound, something dropped, trust, or nerve, by the dice among what applies."""
    # A scratch on the way is no death: somebody must strike that blow.
    frail = it.look.people[it.me]["health"] == 1 or "attack" in it.look.forbids
    options = ["shaken", "hurt" if violent and not frail else "shaken"]
    loose = [item for item in it.look.held_by(it.me) if item not in ruling.mentions]
    if loose:
        options.append("drop")
    if other:
        options.append("trust")
    kind = it.dice.pick(options, it.me, f"price/{it.action.kind}")
    if kind == "hurt":
        ruling.effects.append(fx.Hurt(it.me, 1))
        wound(it, ruling, it.me, other)
    elif kind == "drop":
        item = it.dice.pick(loose, it.me, "price/item")
        ruling.effects.append(fx.Lay(item, it.here))
        ruling.tags.append(f"dropped:{item}")
        ruling.mentions.append(item)
        ruling.tell("cost.drop", item=item)
        ruling.reason += f" {it.name} dropped {it.look.name(item)}."
    elif kind == "trust" and other:
        ruling.effects.append(fx.Trusted(other, it.me, -1))
        ruling.tell("cost.trust", B=other)
    else:
        ruling.effects.append(fx.Edged(it.me, -1))
        ruling.tell("cost.shaken")


def wound(it: Attempt, ruling: Ruling, who: str, by: str | None, depth: int = 1) -> None:
    """Tell a wound, and a death if it is one. The effect itself stands in the ruling already."""
    left = it.look.people[who]["health"] - depth
    name = it.look.name(who)
    ruling.mentions.append(who)
    ruling.tags.append(f"hurt:{who}")
    if left <= 0:
        ruling.tags.append(f"died:{who}")
        ruling.reason += f" {name} died of it."
        ruling.tell("death", B=who)
    else:
        ruling.reason += f" {name} was wounded."
        if who == it.me:
            ruling.tell("cost.hurt")
        else:
            ruling.tell("wound.light" if left == 2 else "wound.bad", B=who)


def grudge(it: Attempt, victim: str, weight: int) -> fx.GoalGained:
    """What somebody wants who was wronged."""
    goal: GoalState = {
        "text": f"get even with {it.name}",
        "kind": "harm",
        "target": it.me,
        "how": None,
        "by": None,
        "weight": weight,
        "status": "open",
    }
    return fx.GoalGained(victim, f"grudge_{it.me}"[:32], goal)
