"""The offline persona: weighs every option against goals, nature, feelings and what just happened.

Law: reads a `PersonaView` and nothing else. A goal is worked backwards to the steps that are possible now;
each step adds its weight and its reason to an option. The choice is among the best, by the character's own
dice.
Parts: `choose`, and `_Mind` (one decision being made).
"""

from __future__ import annotations

from . import actions as act
from .actions import Action
from .brain import Decision, PersonaView
from .pursuit import Pursuit


def choose(view: PersonaView) -> Decision:
    """One of `view.options` and the reasons for it. Raises ValueError if there are none."""
    mind = _Mind(view)
    mind.nature()
    for _, goal in sorted(view.goals.items()):
        if goal["status"] == "open":
            mind.pursue(goal)
    mind.company()
    mind.habits()
    scores = [mind.scores[option] for option in view.options]
    most = max(scores)
    ranked = sorted(
        (
            # A whim is worth 2 at most and the best choose within 2: nobody else can come in.
            (score + view.luck.below(3, f"whim/{index}"), -index)
            for index, score in enumerate(scores)
            if score >= most - 4
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


class _Mind(Pursuit):
    def nature(self) -> None:
        """How each option suits their nature, their feelings and the hour, goals aside."""
        self.scores = {option: self._leaning(option) for option in self.view.options}

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
                return -4 - 2 * min(2, len(self.view.present))
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
                # The blow that may kill is another matter.
                last = 6 if self.view.present[option.target].health == 1 else 0
                return 2 * self.trait("bold") - 2 * self.trust(option.target) + self.rough("attack") - last
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
                if not self.view.present:
                    return -6
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
                    act.Attack(target=other), 2 + 2 * self.trait("bold"), f"{view.names[other]} struck first"
                )
                self.want(act.Defend(), 4 - self.trait("bold"), f"{view.names[other]} struck first")
                for option in view.options:
                    if isinstance(option, act.Move) and view.health == 1:
                        self.want(option, 6, "get away")
            elif kind == "threaten":
                why = f"what {view.names[other]} said"
                self.want(act.Threaten(target=other), 1 + self.trait("bold"), why)
                self.want(act.Defend(), 2 + 2 * self.trait("steady"), why)
                self.want(act.Hide(), 3 + 2 * self.trait("sly") - self.trait("bold"), why)
                self.want(act.Persuade(target=other), 1 + 2 * self.trait("warm"), why)
            elif kind == "help":
                self.want(act.Help(target=other), self.trait("warm"), "one good turn")
        for other, person in view.present.items():
            if person.health < 3 and self.trust(other) >= 1:
                self.want(act.Help(target=other), 5 + self.trait("warm"), f"{person.name} is hurt")
        self._stand_by()
        if view.health == 1 and any(self.trust(other) < 0 for other in view.present):
            self.want(act.Hide(), 6 + self.trait("sly") - self.trait("bold"), "not to be struck again")
            self.want(act.Defend(), 5 + self.trait("steady"), "not to be struck again")
        if view.call and view.call != view.location:
            self._go(view.call, 2, "it is being settled there", 1)
        elif not view.present:
            self._seek_company(1, "not to be alone with it")

    def _stand_by(self) -> None:
        """Friends are not left alone with what was done to them."""
        view = self.view
        for entry in view.memory:
            if view.turn - entry["turn"] > 1 or entry["kind"] not in ("attack", "threaten", "betray"):
                continue
            for friend in entry["about"]:
                if friend in view.present and self.trust(friend) >= 1 and entry["who"] != view.id:
                    why = f"{view.names[friend]} should not stand alone"
                    warmth = 2 * self.trust(friend) + self.trait("warm")
                    self.want(act.Help(target=friend), 2 + warmth, why)
                    self.want(act.Defend(target=friend), 1 + warmth + self.trait("steady"), why)

    def habits(self) -> None:
        """Nobody does the same thing over and over, and what was said in anger is said once."""
        for entry in self.view.memory:
            age = self.view.turn - entry["turn"]
            if entry["who"] != self.view.id or age > (6 if entry["kind"] in ("ask", "threaten") else 3):
                continue
            for option in self.view.options:
                if option.kind == entry["kind"]:
                    target = getattr(option, "target", None) or getattr(option, "item", None)
                    same = target is not None and target in entry["about"]
                    again = 8 if same and option.kind in ("ask", "threaten") else 5 if same else 3
                    if isinstance(option, act.Ask) and option.about in entry["about"]:
                        again += 4
                    self.scores[option] -= again - min(age, 3) // 2
