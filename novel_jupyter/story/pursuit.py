"""How a goal becomes leanings: worked backwards to the steps that are possible now.

Law: reads a `PersonaView` and nothing else; a step adds its weight and its reason to an option.
Parts: `Pursuit`, the half of a decision that is about goals; `policy` has the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Final

from . import actions as act
from .actions import Action
from .brain import PersonaView
from .schema import ACTS
from .shapes import GoalState

DEPTH: Final = 4
"""How far a goal is worked backwards."""
_ROUGH: Final[Mapping[str, tuple[int, int, int, int]]] = {
    # By act: what is unthinkable in the afternoon is tried at four in the morning.
    "attack": (-12, -8, -4, -1),
    "threaten": (-3, 0, 1, 1),
    "betray": (-5, -1, 1, 2),
    "wrest": (-4, -1, 1, 2),
    "idle": (0, -1, -3, -6),
    "talk": (2, 1, 0, -1),
}


class Pursuit:
    """One decision being made: the options, what each weighs and why."""

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
        if ready and place == self.view.location:
            self._bide(item, weight, why)
        elif ready and place:
            # With the thing in hand and the hour late nobody stands about.
            self._go(place, weight + max(0, self.stage - 1), why, DEPTH)

    def _bide(self, item: str, weight: int, why: str) -> None:
        """Everything is ready and the hour is not: keep what one has until then."""
        view = self.view
        rivals = [other for other in view.present if self.trust(other) <= 0]
        if rivals:
            self.want(act.Hide(), 6 + weight + 2 * self.trait("sly"), why)
            self.want(act.Defend(), 5 + weight + self.trait("steady"), why)
        for other in view.present:
            if other in rivals:
                self.want(act.Persuade(target=other), 3 + weight + self.trait("warm"), why)
                self.want(act.Threaten(target=other), 3 + weight + self.trait("bold"), why)
            else:
                self.want(act.Help(target=other), 4 + weight + self.trait("warm"), why)

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
            (act.Betray(target=holder, about=item), 10 + 2 * self.trait("sly") + self.rough("betray")),
            (act.Attack(target=holder), self.trait("bold") - 2),
        ]
        for action, appeal in ways:
            self.want(action, 2 * weight + appeal, why)

    def _look_for(self, item: str, weight: int, why: str) -> None:
        view = self.view

        def fresh(place: str, told: bool = False) -> bool:
            sighting = view.seen.get(place)
            return sighting is None or view.turn - sighting["turn"] > 5 or (told and not sighting["turn"])

        hints = [
            place
            for _, belief in sorted(view.beliefs.items())
            if item in belief["about"]
            for place in belief["about"]
            if place in view.map and fresh(place, told=True)
        ]
        if hints:
            if view.location in hints:
                self.want(act.Search(target=view.location), 9 + 3 * weight, why)
            else:
                self._go(hints[0], weight, why, 1)
            return
        lost = view.seen.get(item)
        if lost and lost["turn"] and view.turn - lost["turn"] <= 2:
            # It was here a moment ago, in somebody's hands.
            self.want(act.Observe(), 6 + 2 * weight + self.trait("sharp"), why)
        if fresh(view.location):
            self.want(act.Search(target=view.location), 3 + weight, why)
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
            for other in self.view.beliefs[fact]["about"]:
                appeal = 2 * weight + 2 * crowd + 3 * self.trait("sly") + self.rough("betray")
                self.want(act.Betray(target=other, about=fact), appeal, why)
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
        self.want(act.Attack(target=foe), weight + self.trait("bold"), why)
        self.want(act.Threaten(target=foe), 2 + weight, why)
        for fact, belief in sorted(self.view.beliefs.items()):
            # Words hurt as well as blows, and a word in one ear goes further than a shout.
            if belief["damning"] and foe in belief["about"] and self.view.id not in belief["about"]:
                self.want(act.Tell(fact=fact), 3 + 2 * weight, why)
                self.want(act.Betray(target=foe, about=fact), 4 + 2 * weight + self.trait("sly"), why)
                for other in self.view.present:
                    if other != foe:
                        quiet = act.Tell(target=other, fact=fact, quietly=True)
                        self.want(quiet, 4 + 2 * weight + self.trait("sly") - self.trait("bold"), why)
        person = self.view.present.get(foe)
        for item in person.items if person else ():
            self.want(act.Take(item=item), 3 + weight + self.trait("sly"), why)
        for other in self.view.present:
            if other != foe and self.trust(other) >= 1:
                self.want(act.Help(target=other), 2 + weight + self.trait("warm"), why)
        last = self.view.seen.get(foe)
        if self.stage >= 2 and foe not in self.view.present and last and last["location"]:
            self._go(last["location"], weight - 1, why, 1)

    def _seek_company(self, weight: int, why: str) -> None:
        for other in self.view.relations:
            last = self.view.seen.get(other)
            if last and last["location"] and last["location"] != self.view.location:
                self._go(last["location"], weight, why, 1)
