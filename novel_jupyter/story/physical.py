"""What comes of moving, searching, taking, using, fighting and hiding.

Law: each function judges one legal attempt and returns a `Ruling`; none changes anything.
Parts: one function for each kind of action that is done with hands and feet.
"""

from __future__ import annotations

from itertools import pairwise

from . import effects as fx
from .actions import Attack, Defend, Free, Give, Move, Observe, Search, Take, Use
from .costs import grudge, price, wound
from .english import Word, render
from .laws import use_of
from .ruling import Aside, Attempt, Ruling
from .world import MAX_HEALTH


def move(it: Attempt) -> Ruling:
    assert isinstance(it.action, Move)
    to, here = it.action.target, it.here
    path = [here, *it.look.ways(it.me)[to]]
    ruling = Ruling("success", f"{it.name} went from {it.look.name(here)} to {it.look.name(to)}.")
    ruling.mentions = [to, here]
    ruling.effects = [fx.Moved(it.me, to)]
    ruling.tags = [f"moved:{to}"]
    for one, other in pairwise(path):
        exit = it.look.location(one)["exits"][other]
        if not exit["open"] and exit["locked_by"]:
            ruling.effects.insert(0, fx.Opened(one, other))
            ruling.tags.append(f"opened:{other}")
            ruling.mentions.append(exit["locked_by"])
            ruling.reason = f"{it.name} unlocked the way and went to {it.look.name(to)}."
            ruling.tell("move.unlock", place=to, item=exit["locked_by"])
    if not ruling.beats:
        met = it.look.at(to)
        if met:
            ruling.tell("move.join", place=to, B=it.dice.pick(met, it.me, "met"))
            ruling.mentions += met
        else:
            ruling.tell("move", place=to, source=here)
    return ruling


def observe(it: Attempt) -> Ruling:
    assert isinstance(it.action, Observe)
    target = it.action.target
    if target is not None and target in it.look.people:
        return _watch(it, target)
    lurking = [who for who in it.look.witnesses(it.here) if it.look.hidden(who) and who != it.me]
    if not lurking:
        ruling = Ruling("success", f"{it.name} watched {it.look.name(it.here)}.", mentions=[it.here])
        ruling.effects = [fx.Edged(it.me, 1)]
        ruling.tell("observe.place", place=it.here)
        return ruling
    roll, outcome = it.throw("sharp", max(it.look.trait(who, "sly") for who in lurking))
    if outcome == "complication":
        ruling = Ruling(outcome, f"{it.name} watched {it.look.name(it.here)} and saw nothing new.", roll)
        ruling.tell("observe.place", place=it.here)
        ruling.mentions = [it.here]
        ruling.effects = it.spent()
        return ruling
    who = it.dice.pick(lurking, it.me, "spotted")
    ruling = Ruling(
        outcome, f"{it.name} discovered {it.look.name(who)} hiding {it.look.at_place(it.here)}.", roll
    )
    ruling.mentions = [who, it.here]
    ruling.tags = [f"spotted:{who}"]
    ruling.effects = [*it.spent(), fx.Appeared(who)]
    ruling.tell("observe.spot", B=who)
    return ruling


def _watch(it: Attempt, target: str) -> Ruling:
    roll, outcome = it.throw("sharp", it.look.trait(target, "sly"))
    ruling = Ruling(outcome, f"{it.name} watched {it.look.name(target)}.", roll, mentions=[target])
    ruling.effects = it.spent()
    if outcome == "complication":
        ruling.reason = f"{it.name} watched {it.look.name(target)}, who noticed."
        ruling.effects.append(fx.Trusted(target, it.me, -1))
        ruling.tell("observe.caught", B=target)
        return ruling
    ruling.tell("observe.person", B=target)
    ruling.effects.append(fx.Edged(it.me, 1))
    goals = [goal for _, goal in sorted(it.look.seat(target)["goals"].items()) if goal["status"] == "open"]
    if goals:
        wish = max(goals, key=lambda goal: goal["weight"])
        ruling.asides.append(
            Aside(
                [it.me],
                f"{it.name} saw what {it.look.name(target)} wants: to {wish['text']}.",
                mentions=[target],
                beats=[("aside.wish", {"B": target, "wish": wish["text"]})],
            )
        )
    return ruling


def search(it: Attempt) -> Ruling:
    assert isinstance(it.action, Search)
    look, here = it.look, it.here
    items = look.buried(here)
    # Who was told where to look looks there first.
    told = any(
        here in belief["about"] and any(item in belief["about"] for item in items)
        for belief in look.seat(it.me)["beliefs"].values()
    )
    roll, outcome = it.throw("sharp", -2 if told else 0)
    ruling = Ruling(
        outcome, f"{it.name} searched {look.name(here)} and found nothing.", roll, mentions=[here]
    )
    ruling.effects = it.spent()
    ruling.tags = [f"searched:{here}"]
    facts = [
        fact
        for fact, what in sorted(look.stage["director"]["facts"].items())
        if what["found_at"] == here and not look.knows(it.me, fact)
    ]
    rivals = look.with_(it.me)
    if outcome == "complication" and items and rivals:
        # What was there comes to light, for somebody else.
        item, who = it.dice.pick(items, it.me, "found"), it.dice.pick(rivals, it.me, "rival")
        ruling.reason = (
            f"{it.name} searched {look.name(here)}, and {look.name(who)} came by {look.name(item)}."
        )
        ruling.effects.append(fx.Held(item, who))
        ruling.mentions += [item, who]
        ruling.tags.append(f"found:{item}")
        ruling.tell("search.lost", place=here, item=item, B=who)
        return ruling
    if outcome == "complication":
        ruling.tell("search.trouble", place=here)
        # Half looked through: worth another try, but not at once.
        ruling.effects.append(fx.Sighted(it.me, here, here, None, it.turn - 3))
        price(it, ruling)
    elif items:
        item = it.dice.pick(items, it.me, "found")
        ruling.reason = f"{it.name} searched {look.name(here)} and found {look.name(item)}."
        ruling.effects.append(fx.Held(item, it.me))
        ruling.mentions.append(item)
        ruling.tags.append(f"found:{item}")
        ruling.tell("search.item", place=here, item=item)
    elif facts:
        fact = it.dice.pick(facts, it.me, "found")
        what = look.stage["director"]["facts"][fact]
        clue = f"{what['found']} {what['text']}" if what["found"] else what["text"]
        ruling.reason = f"{it.name} searched {look.name(here)} and said nothing of what was there."
        ruling.effects.append(fx.Learned(it.me, fact, here, it.turn))
        ruling.tell("search.secret", place=here)
        beat = ("aside.clue", {"text": clue})
        ruling.asides.append(Aside([it.me], clue, [f"learned:{fact}"], [fact, *what["about"]], [beat]))
    else:
        ruling.outcome = "failure" if outcome == "cost" else outcome
        # Looked through: nobody who did it looks there again soon.
        ruling.effects.append(fx.Sighted(it.me, here, here, None, it.turn))
        ruling.tell("search.nothing", place=here)
        return ruling
    if outcome == "cost":
        price(it, ruling)
    return ruling


def give(it: Attempt) -> Ruling:
    assert isinstance(it.action, Give)
    to, item = it.action.target, it.action.item
    ruling = Ruling("success", f"{it.name} gave {it.look.name(item)} to {it.look.name(to)}.")
    ruling.mentions = [to, item]
    ruling.tags = [f"held:{item}:{to}"]
    ruling.effects = [fx.Held(item, to), fx.Trusted(to, it.me, 1)]
    ruling.tell("give", B=to, item=item)
    return ruling


def take(it: Attempt) -> Ruling:
    assert isinstance(it.action, Take)
    item, look = it.action.item, it.look
    found = look.item(item)
    holder = found["holder"] if found else None
    if holder is None:
        ruling = Ruling("success", f"{it.name} took {look.name(item)}.", mentions=[item])
        ruling.effects, ruling.tags = [fx.Held(item, it.me)], [f"held:{item}:{it.me}"]
        ruling.tell("take.free", item=item)
        return ruling
    trait = "bold" if look.trait(it.me, "bold") >= look.trait(it.me, "sly") else "sly"
    guard = 2 if holder in it.guarded else 0
    roll, outcome = it.throw(trait, max(look.trait(holder, "steady"), look.trait(holder, "bold")) + guard)
    ruling = Ruling(outcome, f"{it.name} took {look.name(item)} from {look.name(holder)}.", roll)
    ruling.mentions = [item, holder]
    ruling.effects = [*it.spent(), fx.Trusted(holder, it.me, -2)]
    ruling.tell("act:take", B=holder, item=item)
    if outcome == "complication":
        ruling.reason = f"{it.name} tried to take {look.name(item)} from {look.name(holder)} and failed."
        ruling.tell("take.fail", B=holder, item=item)
        ruling.effects.append(grudge(it, holder, 1))
        price(it, ruling, holder, violent=True)
        return ruling
    ruling.effects.append(fx.Held(item, it.me))
    ruling.tags = [f"held:{item}:{it.me}"]
    ruling.tell("take.wrest", B=holder, item=item)
    if outcome == "cost":
        price(it, ruling, violent=True)
        ruling.effects.append(grudge(it, holder, 1))
    return ruling


def use(it: Attempt) -> Ruling:
    assert isinstance(it.action, Use)
    item, look = it.action.item, it.look
    meant = use_of(look, item, it.action.how)
    assert meant is not None, "checked by laws.usable"
    how, way = meant
    what = look.use(item, how)
    phrase = it.dice.pick(what["tells"], it.me, "tells")
    me = Word(it.name, look.people[it.me]["pronouns"])
    ruling = Ruling("success", render(phrase, {"A": me}, "past"), mentions=[item])
    if way["needs"]:
        ruling.mentions.append(way["needs"])
    if what["roll"]:
        ruling.roll, ruling.outcome = it.throw(what["roll"])
        ruling.effects = it.spent()
        if ruling.outcome == "complication":
            ruling.reason = f"{it.name} tried to {way['label']} and did not manage."
            ruling.tell("use.fail", item=item)
            price(it, ruling)
            return ruling
    ruling.tell("own", phrase=phrase, item=item)
    ruling.tags = [f"did:{item}.{how}"]
    ruling.effects.append(fx.Done(item, how, it.me))
    if what["consumes"] and way["needs"]:
        ruling.effects.append(fx.Destroyed(way["needs"]))
        ruling.tags.append(f"destroyed:{way['needs']}")
    if what["destroys"]:
        ruling.effects.append(fx.Destroyed(item))
        ruling.tags.append(f"destroyed:{item}")
    if what["heals"] and look.people[it.me]["health"] < MAX_HEALTH:
        ruling.effects.append(fx.Hurt(it.me, -1))
    for fact in what["reveals"]:
        if not look.knows(it.me, fact):
            known = look.stage["director"]["facts"][fact]
            ruling.effects.append(fx.Learned(it.me, fact, item, it.turn))
            told = ("aside.clue", {"text": known["text"]})
            about = [fact, *known["about"]]
            ruling.asides.append(Aside([it.me], known["text"], [f"learned:{fact}"], about, [told]))
    if what["departs"]:
        ruling.effects.append(fx.Departed(it.me))
        ruling.tags.append(f"departed:{it.me}")
    if ruling.outcome == "cost":
        price(it, ruling)
    return ruling


def attack(it: Attempt) -> Ruling:
    assert isinstance(it.action, Attack)
    look, target = it.look, it.action.target
    guard = it.guarded.get(target)
    armed = look.armed(it.me)
    against = max(look.trait(target, "bold"), 0) + (2 if guard else 0) - (1 if armed else 0)
    roll, outcome = it.throw("bold", against)
    ruling = Ruling(outcome, f"{it.name} attacked {look.name(target)}.", roll, mentions=[target])
    ruling.effects = [*it.spent(), fx.Trusted(target, it.me, -2), grudge(it, target, 2)]
    ruling.tell("act:attack", B=target)
    for other in look.with_(it.me):
        if other != target and look.trust(other, target) > 0:
            ruling.effects.append(fx.Trusted(other, it.me, -1))
    if outcome == "complication":
        ruling.reason = f"{it.name} attacked {look.name(target)} and was thrown back."
        ruling.tell("attack.fail", B=target)
        price(it, ruling, violent=True)
        return ruling
    struck = guard if guard and guard != it.me and outcome == "cost" else target
    depth = 2 if armed and it.push and roll.total >= 11 else 1
    ruling.effects.append(fx.Hurt(struck, depth))
    if struck != target:
        ruling.reason = f"{it.name} attacked {look.name(target)}, and {look.name(struck)} stood between."
        ruling.tell("attack.blocked", B=target, C=struck)
    else:
        ruling.tell("attack.hit", B=target)
    wound(it, ruling, struck, it.me, depth)
    if outcome == "cost" and struck == target:
        price(it, ruling, violent=True)
    return ruling


def defend(it: Attempt) -> Ruling:
    assert isinstance(it.action, Defend)
    whom = it.action.target
    if whom is None or whom == it.me:
        ruling = Ruling("success", f"{it.name} was on guard.")
        ruling.tell("defend.self")
        return ruling
    ruling = Ruling("success", f"{it.name} stood guard over {it.look.name(whom)}.", mentions=[whom])
    ruling.effects = [fx.Trusted(whom, it.me, 1)]
    ruling.tell("act:defend", B=whom)
    ruling.tell("defend.other", B=whom)
    return ruling


def hide(it: Attempt) -> Ruling:
    eyes = it.look.with_(it.me)
    if not eyes:
        ruling = Ruling("success", f"{it.name} hid {it.look.at_place(it.here)}.", open=False)
        ruling.effects, ruling.mentions = [fx.Hid(it.me)], [it.here]
        return ruling
    roll, outcome = it.throw("sly", max(it.look.trait(who, "sharp") for who in eyes))
    ruling = Ruling(outcome, f"{it.name} slipped out of sight.", roll)
    ruling.effects = it.spent()
    if outcome == "complication":
        ruling.reason = f"{it.name} tried to slip away and was seen."
        ruling.tell("hide.fail", B=it.dice.pick(eyes, it.me, "seen"))
        ruling.mentions = list(eyes)
        return ruling
    ruling.effects.append(fx.Hid(it.me))
    ruling.tags = [f"hid:{it.me}"]
    ruling.tell("hide")
    ruling.asides.append(
        Aside(
            [it.me],
            f"{it.name} is hidden {it.look.at_place(it.here)}.",
            mentions=[it.here],
            beats=[("aside.hidden", {"place": it.here})],
        )
    )
    return ruling


def wait(it: Attempt) -> Ruling:
    ruling = Ruling("success", f"{it.name} waited.")
    ruling.tell("act:wait")
    ruling.tell("wait", place=it.here)
    ruling.mentions = [it.here]
    return ruling


def free(it: Attempt) -> Ruling:
    assert isinstance(it.action, Free)
    ruling = Ruling(
        "success", f"{it.name}: “{it.action.text}” It is told as it was said and changes nothing else."
    )
    ruling.tell("free", text=it.action.text)
    return ruling
