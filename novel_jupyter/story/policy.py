"""The offline persona: weighs every option against goals, nature, feelings and what just happened.

Law: reads a `PersonaView` and nothing else. A goal is worked backwards to the steps that are possible now;
each step adds its weight and its reason to an option. The choice is among the best, by the character's own
dice.
Parts: `choose`, and `_Mind` (one decision being made).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Final

from . import actions as act
from .actions import Action
from .brain import Decision, PersonaView
from .schema import ACTS
from .shapes import GoalState

DEPTH: Final = 4
"""How far a goal is worked backwards."""
_ROUGH: Final[Mapping[str, tuple[int, int, int, int]]] = {
    # By act: what is unthinkable in the afternoon is tried at four in the morning.
    "attack": (-12, -8, -4, -1),
    "threaten": (-4, 0, 1, 1),
    "betray": (-5, -1, 1, 2),
    "wrest": (-4, -1, 1, 2),
    "idle": (0, -1, -3, -6),
    "talk": (2, 1, 0, -1),
}


def choose(view: PersonaView) -> Decision:
    """One of `view.options` and the reasons for it. Raises ValueError if there are none."""
    mind = _Mind(view)
    mind.nature()
    for _, goal in sorted(view.goals.items()):
        if goal["status"] == "open":
            mind.pursue(goal)
    mind.company()
    mind.habits()
    ranked = sorted(
        (
            (mind.scores[option] + view.luck.below(3, f"whim/{index}"), -index)
            for index, option in enumerate(view.options)
        ),
        reverse=True,
    )
    best = ranked[0][0]
    near = [(score, -index) for score, index in ranked[:4] if score >= best - 2]
    index = view.luck.weighted(
        [index for _, index in near], [(score - best + 3) ** 2 for score, _ in near], "choice"
    )
    option = view.options[index]
    reasons = sorted(mind.reasons.get(option, []), reverse=True)
    return Decision(option, tuple(dict.fromkeys(why for _, why in reasons))[:3])


class _Mind:
    def __init__(self, view: PersonaView) -> None:
        self.view = view
        self.stage = ACTS.index(view.act)
        self.scores: dict[Action, int] = dict.fromkeys(view.options, 0)
        self.reasons: dict[Action, list[tuple[int, str]]] = {}

    def want(self, action: Action, weight: int, why: str) -> bool:
        """Lean towards an option, if it is one."""
        if action not in self.scores:
            return False
        self.scores[action] += weight
        if weight > 0:
            self.reasons.setdefault(action, []).append((weight, why))
        return True

    def trait(self, name: str) -> int:
        return self.view.traits.get(name, 0)

    def trust(self, other: str) -> int:
        return self.view.relations.get(other, 0)

    def rough(self, what: str) -> int:
        return _ROUGH[what][self.stage]

    def nature(self) -> None:
        """How each option suits their nature, their feelings and the hour, goals aside."""
        for option in self.view.options:
            self.scores[option] += self._leaning(option)

    def _leaning(self, option: Action) -> int:
        match option:
            case act.Wait():
                return -2 + self.rough("idle")
            case act.Observe():
                return self.trait("sharp") - (0 if option.target else 2) + self.rough("idle")
            case act.Hide():
                return 2 * self.trait("sly") - 3 + self.rough("idle")
            case act.Search():
                return self.trait("sharp") - 2 - len(self.view.present) + self.rough("idle") // 2
            case act.Move():
                return -1 - 2 * min(2, len(self.view.present))
            case act.Ask():
                return self.trait("warm") + (0 if option.about else 1) + self.rough("talk")
            case act.Tell():
                return self._telling(option)
            case act.Persuade():
                return self.trait("warm") + self.rough("talk") - (4 if option.about else 0)
            case act.Threaten():
                return (
                    self.trait("bold")
                    - self.trust(option.target)
                    + self.rough("threaten")
                    - (4 if option.about else 1)
                )
            case act.Attack():
                return 2 * self.trait("bold") - 2 * self.trust(option.target) + self.rough("attack")
            case act.Give():
                return -6
            case act.Take():
                return -3 + (self.rough("wrest") if option.item not in self.view.here else 0)
            case act.Betray():
                return (
                    2 * self.trait("sly") - 3 * max(0, self.trust(option.target)) + self.rough("betray") - 3
                )
            case act.Help():
                return self.trait("warm") + self.trust(option.target) - 2
            case act.Defend():
                return (self.trust(option.target) if option.target else 0) - 3
            case _:
                return -1

    def _telling(self, option: act.Tell) -> int:
        belief = self.view.beliefs.get(option.fact or "")
        if belief is None:
            return -3
        if option.fact in self.view.secrets:
            return -12
        # One spares friends and tells on enemies.
        feelings = sum(self.trust(who) for who in belief["about"] if who in self.view.relations)
        dirt = 2 if belief["damning"] and self.stage else 0
        if option.quietly:
            return dirt - feelings + self.trust(option.target or "") - 3
        return dirt - 2 * feelings - 2

    def pursue(self, goal: GoalState) -> None:
        """Lean towards whatever brings a goal nearer."""
        weight = goal["weight"] + (1 if self.stage >= 2 else 0)
        pursuits: Mapping[str, Callable[[GoalState, int], None]] = {
            "hold": self._hold_goal,
            "destroy": lambda g, w: self._get(g["target"], w, g["text"], DEPTH),
            "use": self._use_goal,
            "learn": lambda g, w: self._find_out(g["target"], w, g["text"]),
            "reveal": self._reveal_goal,
            "conceal": self._conceal_goal,
            "protect": self._protect_goal,
            "harm": self._harm_goal,
            "reach": lambda g, w: self._go(g["target"], w, g["text"], DEPTH),
        }
        pursuits[goal["kind"]](goal, weight)

    def _hold_goal(self, goal: GoalState, weight: int) -> None:
        if goal["by"] and goal["target"] in self.view.holding:
            self.want(act.Give(target=goal["by"], item=goal["target"]), 6 + 4 * weight, goal["text"])
        else:
            self._get(goal["target"], weight, goal["text"], DEPTH)

    def _use_goal(self, goal: GoalState, weight: int) -> None:
        item, how, why = goal["target"], goal["how"] or "", goal["text"]
        use = self.view.uses.get(item, {}).get(how)
        if use is None:
            self._get(item, weight, why, DEPTH)
            return
        if self.want(act.Use(item=item, how=how), 8 + 6 * weight, why):
            return
        ready = use.needs is None or use.needs in self.view.holding
        if use.needs and not ready:
            self._get(use.needs, weight, why, DEPTH)
        if item in self.view.fixed:
            sighting = self.view.seen.get(item)
            place = sighting["location"] if sighting else None
        elif item in self.view.holding:
            place = use.at
        else:
            self._get(item, weight, why, DEPTH)
            return
        if ready and place:
            self._go(place, weight, why, DEPTH)

    def _get(self, item: str, weight: int, why: str, depth: int) -> None:
        """Come to hold an item."""
        view = self.view
        if item in view.holding or depth == 0:
            return
        if self.want(act.Take(item=item), 0, why) and item in view.here:
            self.want(act.Take(item=item), 5 + 3 * weight, why)
            return
        holder = next((who for who, person in view.present.items() if item in person.items), None)
        if holder:
            self._get_from(holder, item, weight, why)
            return
        sighting = view.seen.get(item)
        place = sighting["location"] if sighting else None
        if sighting and sighting["holder"]:
            last = view.seen.get(sighting["holder"])
            place = (last["location"] if last else None) or place
        if place and place != view.location:
            self._go(place, weight, why, depth - 1)
            return
        self._look_for(item, weight, why)

    def _get_from(self, holder: str, item: str, weight: int, why: str) -> None:
        trust = self.trust(holder)
        ways: list[tuple[Action, int]] = [
            (act.Persuade(target=holder, about=item), 7 + self.trait("warm") + trust + self.rough("talk")),
            (act.Threaten(target=holder, about=item), 7 + self.trait("bold") - trust),
            (act.Take(item=item), 7 + max(self.trait("bold"), self.trait("sly"))),
            (act.Betray(target=holder, about=item), 6 + 2 * self.trait("sly")),
            (act.Attack(target=holder), self.trait("bold") - 2),
        ]
        for action, appeal in ways:
            self.want(action, 2 * weight + appeal, why)

    def _look_for(self, item: str, weight: int, why: str) -> None:
        view = self.view

        def fresh(place: str) -> bool:
            sighting = view.seen.get(place)
            return sighting is None or view.turn - sighting["turn"] > 5

        hints = [
            place
            for _, belief in sorted(view.beliefs.items())
            if item in belief["about"]
            for place in belief["about"]
            if place in view.map and fresh(place)
        ]
        if hints:
            if view.location in hints:
                self.want(act.Search(target=view.location), 9 + 3 * weight, why)
            else:
                self._go(hints[0], weight, why, 1)
            return
        if fresh(view.location):
            self.want(act.Search(target=view.location), 2 + 2 * weight, why)
        for other in view.present:
            self.want(act.Ask(target=other, about=item), 3 + 2 * weight, why)
        for option in view.options:
            if isinstance(option, act.Move) and fresh(option.target):
                self.want(option, 1 + weight, why)

    def _go(self, place: str, weight: int, why: str, depth: int) -> None:
        """Get to a place, opening what is locked."""
        view = self.view
        if place == view.location or depth == 0 or self.want(act.Move(target=place), 4 + 3 * weight, why):
            return
        path = self._path(place)
        for here, there in pairwise(path):
            key = view.map[here][there]
            if key and key not in view.holding:
                self._get(key, weight, why, depth - 1)
                return
        for step in reversed(path):
            if self.want(act.Move(target=step), 3 + 2 * weight, why):
                return

    def _path(self, place: str) -> list[str]:
        """The shortest way, locked doors and all; empty if there is none."""
        paths: list[list[str]] = [[self.view.location]]
        done = {self.view.location}
        for path in paths:
            if path[-1] == place:
                return path
            for other in self.view.map[path[-1]]:
                if other not in done:
                    done.add(other)
                    paths.append([*path, other])
        return []

    def _find_out(self, fact: str, weight: int, why: str) -> None:
        view = self.view
        for item in view.holding:
            mine = view.seen.get(item)
            if mine and mine["turn"] == 0 and mine["holder"] == view.id:
                continue  # what one brought along one has read
            for how, use in view.uses.get(item, {}).items():
                read = any(
                    m["kind"] == "use" and m["who"] == view.id and item in m["about"] for m in view.memory
                )
                if use.informs and not read:
                    self.want(act.Use(item=item, how=how), 5 + 4 * weight, why)
        for other in view.present:
            self.want(act.Ask(target=other, about=fact), 3 + weight + self.trait("warm"), why)
            self.want(act.Persuade(target=other, about=fact), 5 + weight + self.trait("warm"), why)
            self.want(act.Threaten(target=other, about=fact), 4 + weight + self.trait("bold"), why)
        self.want(act.Search(target=view.location), weight - 1, why)

    def _reveal_goal(self, goal: GoalState, weight: int) -> None:
        fact, why = goal["target"], goal["text"]
        if fact not in self.view.beliefs:
            self._find_out(fact, weight - 1, why)
        elif self.view.present:
            crowd = len(self.view.present)
            self.want(act.Tell(fact=fact), 2 * weight + 3 * crowd + 3 * self.stage, why)
        else:
            self._seek_company(weight + 1, why)

    def _conceal_goal(self, goal: GoalState, weight: int) -> None:
        """Work on whoever has been asking, and on whoever knows."""
        for other in self.view.present:
            curious = any(
                m["who"] == other
                and m["kind"] in ("ask", "search", "observe", "threaten")
                and self.view.turn - m["turn"] <= 2
                for m in self.view.memory
            )
            if curious:
                self.want(act.Persuade(target=other), 2 + weight, goal["text"])
                self.want(act.Threaten(target=other), 2 + weight + self.trait("bold"), goal["text"])

    def _protect_goal(self, goal: GoalState, weight: int) -> None:
        ward, why = goal["target"], goal["text"]
        person = self.view.present.get(ward)
        if person is None:
            return
        if person.health < 3:
            self.want(act.Help(target=ward), 4 + 2 * weight, why)
        for entry in self.view.memory:
            foe = entry["who"]
            if (
                self.view.turn - entry["turn"] > 2
                or foe in (ward, self.view.id)
                or ward not in entry["about"]
            ):
                continue
            if entry["kind"] in ("attack", "threaten", "betray"):
                self.want(act.Defend(target=ward), 2 + 2 * weight, why)
                self.want(act.Threaten(target=foe), 3 + 2 * weight, why)
                self.want(act.Attack(target=foe), 2 + weight, why)

    def _harm_goal(self, goal: GoalState, weight: int) -> None:
        foe, why = goal["target"], goal["text"]
        self.want(act.Attack(target=foe), 2 * weight + self.trait("bold"), why)
        self.want(act.Threaten(target=foe), 2 + 2 * weight, why)
        last = self.view.seen.get(foe)
        if self.stage >= 2 and foe not in self.view.present and last and last["location"]:
            self._go(last["location"], weight - 1, why, 1)

    def company(self) -> None:
        """Answer what was done to them, and go where something is going on."""
        view = self.view
        for entry in view.memory:
            if (
                view.turn - entry["turn"] > 1
                or view.id not in entry["about"]
                or entry["who"] not in view.present
            ):
                continue
            other, kind = entry["who"], entry["kind"]
            if kind in ("attack", "betray"):
                self.want(
                    act.Attack(target=other), 4 + 2 * self.trait("bold"), f"{view.names[other]} struck first"
                )
                self.want(act.Defend(), 4 - self.trait("bold"), f"{view.names[other]} struck first")
                for option in view.options:
                    if isinstance(option, act.Move) and view.health == 1:
                        self.want(option, 6, "get away")
            elif kind == "threaten":
                self.want(act.Threaten(target=other), 2 + self.trait("bold"), "nobody says that twice")
                self.want(act.Hide(), 1 + self.trait("sly"), "keep out of sight")
            elif kind == "help":
                self.want(act.Help(target=other), 2, "one good turn")
        for other, person in view.present.items():
            if person.health < 3 and self.trust(other) >= 1:
                self.want(act.Help(target=other), 5 + self.trait("warm"), f"{person.name} is hurt")
        if view.call and view.call != view.location:
            self._go(view.call, 2, "it is being settled there", 1)
        elif not view.present:
            self._seek_company(1, "not to be alone with it")

    def _seek_company(self, weight: int, why: str) -> None:
        for other in self.view.relations:
            last = self.view.seen.get(other)
            if last and last["location"] and last["location"] != self.view.location:
                self._go(last["location"], weight, why, 1)

    def habits(self) -> None:
        """Nobody does the same thing over and over."""
        for entry in self.view.memory:
            age = self.view.turn - entry["turn"]
            if entry["who"] != self.view.id or age > 3:
                continue
            for option in self.view.options:
                if option.kind == entry["kind"]:
                    target = getattr(option, "target", None) or getattr(option, "item", None)
                    same = target is not None and target in entry["about"]
                    again = 8 if same and option.kind == "ask" else 4 if same else 2
                    self.scores[option] -= again - min(age, 3) // 2
