"""A sentence claims what did not happen: in plain words, over all that happens in the bundled stories."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest
from story.playing import play

from novel_jupyter.story import audiences, prose
from novel_jupyter.story.checker import Checker
from novel_jupyter.story.claims import strangers
from novel_jupyter.story.loader import bundled, load_bundled
from novel_jupyter.story.phrases import TONES
from novel_jupyter.story.turn import DIRECTOR, Sentence, StoryEvent, TurnRecord

SEEDS = ("a", "b", "c", "d")
DONE = ("success", "cost")


@cache
def _records() -> tuple[TurnRecord, ...]:
    return tuple(
        outcome.record
        for name in bundled()
        for seed in SEEDS
        for outcome in play(seed, story=load_bundled(name), tell=False).outcomes
    )


def _events(kind: str, *outcomes: str) -> Iterator[tuple[TurnRecord, StoryEvent]]:
    for record in _records():
        for event in record.events:
            if event.action.get("kind") == kind and event.outcome in outcomes:
                yield audiences.public(record), event


def _named(record: TurnRecord, event: StoryEvent) -> dict[str, str]:
    """The words of a claim about an event: A, and what else it is about."""
    found = {"A": record.names[event.character].name}
    for id in event.mentions:
        name = record.names.get(id)
        if name and id != event.character:
            found.setdefault({"character": "B", "item": "item", "location": "place"}[name.kind], name.name)
    if event.location and event.location in record.names:
        found.setdefault("here", record.names[event.location].name)
    return found


def _problems(kind: str, outcomes: tuple[str, ...], claim: str, *, but: str = "") -> list[str | None]:
    """What the checker says to a claim about each event of a kind that has none of the tags `but`."""
    found: list[str | None] = []
    for record, event in _events(kind, *outcomes):
        words = _named(record, event)
        needed = set(re.findall(r"\{(\w+)\}", claim))
        if needed <= words.keys() and not (but and any(re.match(but, tag) for tag in event.tags)):
            found.append(Checker(record).problem(Sentence(claim.format(**words), (event.id,))))
    return found


MISSED = ("complication", "failure")
LIES = [
    ("take", MISSED, "{A} took the {item}.", "held"),
    ("take", MISSED, "{A} tore the {item} from {B}’s hands.", "held"),
    ("take", MISSED, "At last {A} seized the {item}.", "held"),
    ("take", DONE, "{B} took the {item}.", ""),
    ("take", DONE, "{A} failed.", ""),
    ("take", DONE, "{A} came away empty-handed.", ""),
    ("attack", MISSED, "{A} struck {B}.", "hurt"),
    ("attack", MISSED, "{A} hit {B}.", "hurt"),
    ("attack", DONE, "{A} killed {B}.", "died"),
    ("attack", DONE, "{B} died.", "died"),
    ("persuade", MISSED, "{B} agreed.", ""),
    ("take", MISSED, "{B} gave {A} the {item}.", "held"),
    ("persuade", DONE, "{B} refused.", ""),
    ("threaten", MISSED, "{B} yielded.", ""),
    ("threaten", MISSED, "{B} handed over the {item}.", "held"),
    ("threaten", DONE, "{B} refused.", ""),
    ("ask", MISSED, "{B} confessed.", "spoken|learned"),
    ("ask", MISSED, "{A} struck {B}.", "hurt"),
    ("help", DONE, "{A} bandaged {B}.", "healed"),
    ("help", DONE, "{A} failed.", ""),
    ("defend", DONE, "{A} went to the {here}.", "moved"),
    ("defend", DONE, "{A} betrayed {B}.", "betrayed|spoken"),
    ("move", DONE, "{A} failed.", ""),
    ("move", DONE, "{A} unlocked the {place}.", "opened"),
    ("take", MISSED, "{A} found the {item}.", "found|held"),
]


@pytest.mark.parametrize("kind, outcomes, claim, but", LIES)
def test_what_did_not_happen_is_refused(kind: str, outcomes: tuple[str, ...], claim: str, but: str) -> None:
    problems = _problems(kind, outcomes, claim, but=but)
    assert problems, "no play has such an event"
    assert None not in problems


TRUTHS = [
    ("take", DONE, "{A} took the {item}."),
    ("take", MISSED, "{A} snatched at the {item} in vain."),
    ("take", MISSED, "{A} would have taken the {item}, but {B} held on."),
    ("attack", DONE, "{A} struck {B}."),
    ("attack", MISSED, "{A} swung at {B} and failed."),
    ("persuade", DONE, "{B} agreed."),
    ("persuade", MISSED, "{B} refused."),
    ("threaten", DONE, "{B} yielded to {A}."),
    ("threaten", MISSED, "{B} shook her head."),
    ("move", DONE, "{A} went to the {place}."),
    ("give", DONE, "{A} gave {B} the {item}."),
]


@pytest.mark.parametrize("kind, outcomes, claim", TRUTHS)
def test_what_did_happen_may_be_said(kind: str, outcomes: tuple[str, ...], claim: str) -> None:
    problems = _problems(kind, outcomes, claim)
    assert problems
    assert set(problems) == {None}


def test_somebody_whom_nobody_knows_is_refused() -> None:
    """In the place of each name, in each sentence of the bank that has one."""
    refused: Counter[str] = Counter()
    for record in _records():
        for tone in TONES:
            cut = audiences.public(replace(record, tone=tone))
            checker = Checker(cut)
            for sentence in prose.tell(cut):
                if "“" in sentence.text or any(
                    e.character == DIRECTOR for e in cut.events if e.id in sentence.events
                ):
                    continue
                for name in cut.names.values():
                    at = re.search(rf"(?<![.!?] )(?<!^)\b{re.escape(name.name)}\b", sentence.text)
                    if name.kind == "character" and at:
                        lie = f"{sentence.text[: at.start()]}Gregory{sentence.text[at.end() :]}"
                        assert checker.problem(replace(sentence, text=lie)) is not None, lie
                        refused[tone] += 1
    assert min(refused[tone] for tone in TONES) > 50


@pytest.mark.parametrize(
    "text, found",
    [
        ("Then Gregory came in.", ["Gregory"]),
        ("Gregory took it.", ["Gregory"]),
        ("Gregory’s hand shook.", ["Gregory"]),
        ("She wrote to Lady Ashdown.", ["Lady", "Ashdown"]),
        ("Mara waited. Nobody came. Rain fell.", []),
        ("“Well,” Mara said. “Rain.”", []),
        ("Slowly, Mara stood up.", []),
    ],
)
def test_strangers(text: str, found: list[str]) -> None:
    assert list(strangers(text, {"Mara"})) == found


def test_a_seat_may_read_the_secret_that_was_for_it() -> None:
    """And no public sentence may tell it."""
    checked = 0
    for record in _records():
        for event in record.asides:
            texts = [t for beat in event.beats for slot, t in beat.slots.items() if slot in ("line", "text")]
            for text in set(texts) & set(record.withheld):
                for who in event.audience if isinstance(event.audience, list) else []:
                    mine = audiences.witnessed(record, who)
                    assert mine is not None
                    assert Checker(mine).problem(Sentence(text, (event.id,))) is None
                others = [e for e in record.events if e.character != DIRECTOR]
                for other in others[:1]:
                    assert Checker(audiences.public(record)).problem(Sentence(text, (other.id,))) is not None
                    checked += 1
    assert checked
