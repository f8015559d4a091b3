"""What comes of asking, telling, persuading, threatening, helping and betraying.

Law: each function judges one legal attempt and returns a `Ruling`; none changes anything. What is said
aloud is heard by everybody there and becomes public; what is said quietly is an aside for those two.
Parts: one function for each kind of action that is done with words, and what speaking a fact does
(`speak`).
"""

from __future__ import annotations

from typing import Final

from . import effects as fx
from .actions import Ask, Betray, Help, Persuade, Tell, Threaten
from .costs import grudge, price
from .ruling import Aside, Attempt, Ruling
from .shapes import GoalState
from .world import MAX_HEALTH

SLIP: Final = 5
"""A question that falls so low says more than it asks."""


BOND: Final = 2
"""From this trust on, who was stood by stands by."""


def bond(it: Attempt, ruling: Ruling, friend: str, gain: int) -> None:
    """Whom one has won over that far wants to see one safe, from now on."""
    look = it.look
    goals = look.seat(friend)["goals"]
    known = any(goal["kind"] in ("protect", "harm") and goal["target"] == it.me for goal in goals.values())
    if known or look.trust(friend, it.me) + gain < BOND:
        return
    goal: GoalState = {
        "text": f"stand by {it.name}",
        "kind": "protect",
        "target": it.me,
        "how": None,
        "by": None,
        "weight": 1,
        "status": "open",
    }
    ruling.effects.append(fx.GoalGained(friend, f"friend_{it.me}"[:32], goal))


def speak(it: Attempt, ruling: Ruling, speaker: str, fact: str) -> None:
    """`speaker` says a fact aloud: all who are there learn it, and trust those less whom it shames."""
    what = it.look.stage["director"]["facts"][fact]
    name = it.look.name(speaker)
    ruling.mentions += [fact, *what["about"], speaker]
    ruling.tags += [f"spoken:{fact}"]
    ruling.effects.append(fx.Published(fact))
    for witness in it.look.witnesses(it.here):
        if witness == speaker or it.look.knows(witness, fact):
            continue
        ruling.effects.append(fx.Learned(witness, fact, speaker, it.turn))
        if what["damning"]:
            ruling.effects += [fx.Trusted(witness, who, -2) for who in what["about"] if who != witness]
    ruling.reason += f" {name} said it aloud: {what['text']}"
    ruling.tell(
        "say.fact" if speaker == it.me else "answer.fact",
        B=speaker,
        line=what["said"].get(speaker, what["text"]),
    )
    shamed = [who for who in what["about"] if who in it.look.at(it.here) and who != speaker]
    if what["damning"] and shamed and not what["public"]:
        who = it.dice.pick(shamed, it.me, "shamed")
        ruling.effects += [grudge(it, who, 1), fx.Trusted(who, speaker, -2)]
        ruling.tell("shamed", B=who)


def confide(it: Attempt, ruling: Ruling, speaker: str, hearer: str, fact: str) -> None:
    """`speaker` says a fact for one pair of ears only."""
    what = it.look.stage["director"]["facts"][fact]
    if not it.look.knows(hearer, fact):
        ruling.effects.append(fx.Learned(hearer, fact, speaker, it.turn))
        if what["damning"]:
            ruling.effects += [fx.Trusted(hearer, who, -2) for who in what["about"] if who != hearer]
    ruling.asides.append(
        Aside(
            sorted({speaker, hearer}),
            f"{it.look.name(speaker)} told {it.look.name(hearer)} quietly: {what['text']}",
            [f"learned:{fact}"],
            [fact, *what["about"], speaker, hearer],
            [
                (
                    "aside.confided",
                    {"A": speaker, "B": hearer, "line": what["said"].get(speaker, what["text"])},
                )
            ],
        )
    )


def ask(it: Attempt) -> Ruling:
    assert isinstance(it.action, Ask)
    look, target, about = it.look, it.action.target, it.action.about
    trust = look.trust(target, it.me)
    roll, outcome = it.throw("warm", -trust)
    ruling = Ruling(outcome, f"{it.name} asked {look.name(target)} a question.", roll, mentions=[target])
    ruling.effects = it.spent()
    if about and (about in look.stage["items"] or about in look.stage["director"]["items"]):
        ruling.reason = f"{it.name} asked {look.name(target)} about {look.name(about)}."
        ruling.mentions.append(about)
    _say(
        ruling, "act:ask", it.action.text, B=target, **({"topic": about} if about in ruling.mentions else {})
    )
    if outcome == "complication":
        slips = [fact for fact in sorted(look.seat(it.me)["secrets"]) if not look.knows(target, fact)]
        if slips and roll.total <= SLIP:
            _slip(it, ruling, target, it.dice.pick(slips, it.me, "slip"))
            return ruling
        ruling.effects.append(fx.Trusted(target, it.me, -1))
        ruling.tell("ask.wall", B=target)
        return ruling
    seat = look.seat(target)
    knows = [
        fact
        for fact, belief in sorted(seat["beliefs"].items())
        if not look.knows(it.me, fact) and (about is None or fact == about or about in belief["about"])
    ]
    # A secret comes out only for somebody trusted, or to a question that was very well put.
    willing = [fact for fact in knows if fact not in seat["secrets"] or trust >= 2 or roll.total >= 12]
    if willing:
        fact = it.dice.pick(willing, it.me, "answer")
        speak(it, ruling, target, fact)
        return ruling
    seen = seat["seen"].get(about) if about else None
    if about and seen and look.item(about) and (seen["location"] or seen["holder"]):
        where = look.name(seen["holder"]) if seen["holder"] else look.at_place(str(seen["location"]))
        ruling.reason += f" {look.name(target)} had seen it: {where}."
        ruling.effects.append(fx.Sighted(it.me, about, seen["location"], seen["holder"], seen["turn"]))
        if seen["holder"]:
            ruling.tell("ask.holder", B=target, C=seen["holder"], item=about)
            ruling.mentions.append(seen["holder"])
        else:
            ruling.tell("ask.place", B=target, place=str(seen["location"]), item=about)
            ruling.mentions.append(str(seen["location"]))
        return ruling
    if knows:
        ruling.reason += f" {look.name(target)} was hiding something."
        ruling.effects.append(fx.Edged(it.me, 1))
        ruling.tell("ask.evade", B=target)
    else:
        ruling.outcome = "failure" if outcome == "cost" else outcome
        ruling.reason += f" {look.name(target)} did not know."
        ruling.tell("ask.ignorant", B=target)
    return ruling


def _slip(it: Attempt, ruling: Ruling, target: str, fact: str) -> None:
    """Whoever asks badly gives something away: to the one who was asked, and to nobody else."""
    ruling.reason += f" {it.name} gave something away by it."
    ruling.tell("ask.slip", B=target)
    confide(it, ruling, it.me, target, fact)


def tell(it: Attempt) -> Ruling:
    assert isinstance(it.action, Tell)
    look, target, fact = it.look, it.action.target, it.action.fact
    if it.action.quietly and target:
        ruling = Ruling("success", f"{it.name} spoke quietly with {look.name(target)}.", mentions=[target])
        ruling.tell("tell.quiet", B=target)
        if fact:
            confide(it, ruling, it.me, target, fact)
        elif it.action.text:
            words = f"{it.name} said quietly to {look.name(target)}: “{it.action.text}”"
            said = ("aside.words", {"B": target, "line": it.action.text})
            ruling.asides.append(Aside(sorted({it.me, target}), words, mentions=[target], beats=[said]))
        return ruling
    ruling = Ruling("success", f"{it.name} spoke up.", mentions=[target] if target else [])
    if it.action.text:
        ruling.reason = f"{it.name} said: “{it.action.text}”"
        ruling.tell("say.words", line=it.action.text)
    if fact:
        ruling.reason = ruling.reason if it.action.text else ""
        speak(it, ruling, it.me, fact)
        ruling.reason = ruling.reason.strip()
    return ruling


def _say(ruling: Ruling, shelf: str, text: str | None, **slots: str) -> None:
    """The act itself: in the player's own words if there are any."""
    ruling.tell(shelf, **slots, **({"line": text} if text else {}))


def persuade(it: Attempt) -> Ruling:
    assert isinstance(it.action, Persuade)
    look, target = it.look, it.action.target
    secret = it.action.about in look.seat(target)["secrets"]
    against = look.trait(target, "steady") + (1 if secret else 0) - look.trust(target, it.me)
    roll, outcome = it.throw("warm", against)
    ruling = Ruling(outcome, f"{it.name} tried to win {look.name(target)} over.", roll, mentions=[target])
    ruling.effects = it.spent()
    _say(ruling, "act:persuade", it.action.text, B=target)
    if outcome == "complication":
        ruling.effects.append(fx.Trusted(target, it.me, -1))
        ruling.reason += f" {look.name(target)} would not hear of it."
        ruling.tell("persuade.no", B=target)
        return ruling
    _yield(it, ruling, target, it.action.about, "persuade")
    if it.action.about is None:
        gain = 2 if outcome == "success" else 1
        ruling.effects.append(fx.Trusted(target, it.me, gain))
        bond(it, ruling, target, gain)
    if outcome == "cost":
        price(it, ruling, target)
    return ruling


def threaten(it: Attempt) -> Ruling:
    assert isinstance(it.action, Threaten)
    look, target = it.look, it.action.target
    backed = 1 if target in it.guarded else 0
    against = (
        max(look.trait(target, "steady"), look.trait(target, "bold"))
        + backed
        - (1 if look.armed(it.me) else 0)
    )
    roll, outcome = it.throw("bold", against)
    ruling = Ruling(outcome, f"{it.name} threatened {look.name(target)}.", roll, mentions=[target])
    ruling.effects = [*it.spent(), fx.Trusted(target, it.me, -1)]
    _say(ruling, "act:threaten", it.action.text, B=target)
    if outcome == "complication":
        ruling.reason += f" {look.name(target)} stood firm."
        ruling.tell("threaten.no", B=target)
        price(it, ruling)
        return ruling
    _yield(it, ruling, target, it.action.about, "threaten")
    ruling.effects.append(fx.Edged(target, -1))
    if outcome == "cost":
        ruling.effects += [fx.Trusted(target, it.me, -1), grudge(it, target, 1)]
        ruling.tell("cost.trust", B=target)
    return ruling


def _yield(it: Attempt, ruling: Ruling, target: str, about: str | None, how: str) -> None:
    """What somebody gives way to who was persuaded or threatened: a thing, a fact, or in spirit."""
    look = it.look
    if about in look.held_by(target):
        ruling.effects.append(fx.Held(about, it.me))
        ruling.mentions.append(about)
        ruling.tags.append(f"held:{about}:{it.me}")
        ruling.reason += f" {look.name(target)} handed over {look.name(about)}."
        ruling.tell(f"{how}.item", B=target, item=about)
    elif about is not None and look.knows(target, about):
        if ruling.outcome == "success":
            speak(it, ruling, target, about)
        else:
            ruling.reason += f" {look.name(target)} answered, for {it.name} alone."
            ruling.tell(f"{how}.confides", B=target)
            confide(it, ruling, target, it.me, about)
    elif about is not None:
        ruling.outcome = "failure"
        ruling.reason += f" {look.name(target)} had nothing to give."
        ruling.tell(f"{how}.nothing", B=target)
    else:
        ruling.reason += f" {look.name(target)} gave way."
        ruling.tell(f"{how}.yes", B=target)


def help_(it: Attempt) -> Ruling:
    assert isinstance(it.action, Help)
    target, look = it.action.target, it.look
    ruling = Ruling("success", f"{it.name} stood by {look.name(target)}.", mentions=[target])
    ruling.effects = [fx.Trusted(target, it.me, 1)]
    bond(it, ruling, target, 1)
    ruling.tell("act:help", B=target)
    if look.people[target]["health"] < MAX_HEALTH:
        ruling.reason = f"{it.name} tended {look.name(target)}’s wound."
        ruling.effects.append(fx.Hurt(target, -1))
        ruling.tags.append(f"healed:{target}")
        ruling.tell("help.heal", B=target)
    else:
        ruling.effects.append(fx.Edged(target, 1))
        ruling.tell("help", B=target)
    return ruling


def betray(it: Attempt) -> Ruling:
    assert isinstance(it.action, Betray)
    look, target, about = it.look, it.action.target, it.action.about
    roll, outcome = it.throw("sly", -look.trust(target, it.me))
    ruling = Ruling(outcome, f"{it.name} betrayed {look.name(target)}.", roll, mentions=[target])
    ruling.effects = [*it.spent(), fx.Trusted(target, it.me, -3), grudge(it, target, 2)]
    ruling.tags = [f"betrayed:{target}"]
    ruling.tell("act:betray", B=target)
    if outcome == "complication":
        ruling.reason = f"{it.name} tried to betray {look.name(target)} and was seen through."
        ruling.tags = []
        ruling.tell("betray.fail", B=target)
        return ruling
    if about in look.held_by(target):
        ruling.effects.append(fx.Held(about, it.me))
        ruling.mentions.append(about)
        ruling.tags.append(f"held:{about}:{it.me}")
        ruling.reason += f" {it.name} took {look.name(about)}."
        ruling.tell("betray.item", B=target, item=about)
    elif about is not None:
        ruling.tell("betray.fact", B=target)
        speak(it, ruling, it.me, about)
    else:
        ruling.effects.append(fx.Edged(target, -2))
        ruling.tell("betray.plain", B=target)
    if outcome == "cost":
        price(it, ruling)
    return ruling
