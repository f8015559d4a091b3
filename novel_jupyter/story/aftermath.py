"""What people want next because of what just happened to them.

Law: only who witnessed it draws consequences, and only from what the event itself changed. Goals go to one
seat each; nothing here is told.
Parts: `aftermath`, and one small rule for each kind of change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from . import effects as fx
from .look import Look
from .shapes import GoalState
from .turn import StoryEvent


def aftermath(
    before: Look, after: Look, event: StoryEvent, witnesses: Sequence[str]
) -> Iterator[fx.GoalGained]:
    """The goals that an event leaves people with. `before` and `after` are the true states around it."""
    living = [who for who in witnesses if after.acts(who)]
    for effect in event.effects:
        match effect:
            case fx.Learned():
                yield from _news(after, effect)
            case fx.Held():
                yield from _loss(before, after, effect, living)
            case fx.Destroyed():
                yield from _waste(after, event.character, effect, living)
            case fx.Hurt():
                yield from _wound(before, after, event.character, effect, living)
            case _:
                pass


def _goal(text: str, kind: str, target: str, weight: int) -> GoalState:
    return {
        "text": text,
        "kind": kind,
        "target": target,
        "how": None,
        "by": None,
        "weight": weight,
        "status": "open",
    }


def _news(look: Look, learned: fx.Learned) -> Iterator[fx.GoalGained]:
    """Who hears something damning keeps it quiet for a friend, and has it out with anybody else."""
    me, fact = learned.character, look.stage["director"]["facts"][learned.fact]
    shamed = [who for who in fact["about"] if who in look.people and who != me]
    mine = [goal["target"] for goal in look.seat(me)["goals"].values()]
    if not fact["damning"] or fact["public"] or not shamed or learned.fact in mine:
        return
    who = shamed[0]
    trust = look.trust(me, who)
    if trust >= 1:
        yield fx.GoalGained(
            me, f"keep_{learned.fact}"[:32], _goal(f"cover for {look.name(who)}", "conceal", learned.fact, 1)
        )
    else:
        text = f"have it out with {look.name(who)} before the others"
        yield fx.GoalGained(
            me, f"tell_{learned.fact}"[:32], _goal(text, "reveal", learned.fact, 2 if trust < 0 else 1)
        )


def _loss(before: Look, after: Look, held: fx.Held, witnesses: Sequence[str]) -> Iterator[fx.GoalGained]:
    """Who had something taken wants it back."""
    old = before.item(held.item)
    loser = old["holder"] if old else None
    if loser is None or loser == held.holder or loser not in witnesses:
        return
    goals = after.seat(loser)["goals"].values()
    if any(goal["target"] == held.item and goal["status"] != "lost" for goal in goals):
        return
    text = f"get {after.name(held.item)} back"
    yield fx.GoalGained(loser, f"back_{held.item}"[:32], _goal(text, "hold", held.item, 2))


def _waste(look: Look, doer: str, gone: fx.Destroyed, witnesses: Sequence[str]) -> Iterator[fx.GoalGained]:
    """Who needed what is destroyed makes the one pay who did it."""
    for who in witnesses:
        if who != doer and any(
            goal["kind"] in ("hold", "use")
            and goal["status"] == "open"
            and gone.item in (goal["target"], _needed(look, goal))
            for goal in look.seat(who)["goals"].values()
        ):
            text = f"make {look.name(doer)} pay for {look.name(gone.item)}"
            yield fx.GoalGained(who, f"grudge_{doer}"[:32], _goal(text, "harm", doer, 2))


def _needed(look: Look, goal: GoalState) -> str | None:
    """The other item that a goal takes."""
    way = look.ways_to_use(goal["target"]).get(goal["how"] or "") if goal["kind"] == "use" else None
    return way["needs"] if way else None


def _wound(
    before: Look, after: Look, doer: str, hurt: fx.Hurt, witnesses: Sequence[str]
) -> Iterator[fx.GoalGained]:
    """Friends of the wounded turn on whoever struck."""
    if hurt.by <= 0 or hurt.character == doer or doer not in after.people:
        return
    for who in witnesses:
        if who not in (doer, hurt.character) and before.trust(who, hurt.character) >= 2:
            text = f"see that {after.name(doer)} answers for {after.name(hurt.character)}"
            yield fx.GoalGained(who, f"grudge_{doer}"[:32], _goal(text, "harm", doer, 2))
