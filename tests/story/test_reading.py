"""The chronicle as people read it, and what holds for every seed (design section 7, prose)."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest
from story.playing import play
from story.reading import SIZE, read, sample

from novel_jupyter.story import audiences, prose, summary
from novel_jupyter.story.checker import Checker
from novel_jupyter.story.chronicler import FIRST_PERSON, STYLES, ChroniclerAgent
from novel_jupyter.story.english import check_phrase
from novel_jupyter.story.loader import bundled, load_bundled
from novel_jupyter.story.phrases import BANKS, TONES
from novel_jupyter.story.turn import Cast, Sentence, TurnRecord

SLOTS = {"A", "B", "C", "item", "place", "source", "at", "line", "said", "text", "topic", "wish"}
SEEDS = [f"seed{n}" for n in range(6)]
STYLED = [(name, style) for name in bundled() for style in STYLES]


def _teller(name: str, style: str) -> ChroniclerAgent:
    who = min(load_bundled(name).characters) if style == FIRST_PERSON else None
    return ChroniclerAgent(style=style, of=who)


# --- what people read


def test_the_sentences_that_were_read_are_those_that_are_told() -> None:
    """After a change in prose: `python tests/story/reading.py`, then read what is `unread` and say so."""
    today = [(each["where"], each["before"], each["text"]) for each in sample()]
    assert today == [(each["where"], each["before"], each["text"]) for each in read()]


def test_they_were_found_right() -> None:
    verdicts = Counter(each["verdict"] for each in read())
    assert verdicts.total() == SIZE
    assert verdicts["unread"] == 0
    assert verdicts["right"] >= 98


# --- every seed


@pytest.mark.parametrize("name, style", STYLED)
def test_nothing_is_said_twice_within_eight_turns(name: str, style: str) -> None:
    story = load_bundled(name)
    for seed in SEEDS:
        told: dict[str, int] = {}
        for turn, narrative in enumerate(play(seed, story=story, chronicler=_teller(name, style)).narratives):
            for sentence in narrative.sentences:
                assert turn - told.get(sentence.text, -8) >= 8, (seed, turn, sentence.text)
                told[sentence.text] = turn


@pytest.mark.parametrize("name, style", STYLED)
def test_every_citation_resolves_and_the_english_is_clean(name: str, style: str) -> None:
    story = load_bundled(name)
    for seed in SEEDS:
        done = play(seed, story=story, chronicler=_teller(name, style))
        for outcome, narrative in zip(done.outcomes, done.narratives, strict=True):
            ids = {event.id for event in outcome.events if event.audience == "everyone"}
            for sentence in narrative.sentences:
                assert sentence.events
                assert set(sentence.events) <= ids
                assert re.match(r"[A-Z“]", sentence.text), sentence.text
                assert re.search(r"[.!?…]”?$", sentence.text), sentence.text
            own = re.sub(r"“[^”]*”", "“…”", narrative.text)
            assert not re.search(r"[{}\[\]_]|  | [,.;]|\.\.", own)
            assert not re.search(
                r"\b(I|they) (is|was their|has)\b|\b(he|she) (have|are|were)\b(?<!as if)", own
            )
            assert not re.search(r"\bme (was|had|went|took|said)\b|\bof I\b|\bto I\b", own)
            assert not re.search(r"\ba [aeio]\w+\b(?<!a one)", own)


def test_the_summary_is_bounded_and_public() -> None:
    done = play("long", story=load_bundled("lighthouse"))
    so_far = ""
    for _ in range(6):
        for number, outcome in enumerate(done.outcomes):
            record = replace(audiences.public(outcome.record), turn=100 + number, so_far=so_far)
            so_far = summary.extended(so_far, record)
            assert len(so_far) <= summary.MAX_CHARS
    assert so_far
    assert "100" in done.narratives[-1].so_far or done.narratives[-1].so_far


# --- points of view


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seat_is_told_what_its_character_witnessed(seed: str) -> None:
    story = load_bundled("lighthouse")
    withheld = 0
    for outcome in play(seed, story=story, tell=False).outcomes:
        record = outcome.record
        for who in story.characters:
            told = ChroniclerAgent().tell_seat(record, who)
            cited = {id for sentence in told.sentences for id in sentence.events} if told else set()
            for event in (*record.events, *record.asides):
                if event.id not in cited:
                    withheld += event.audience == "everyone"
                elif event.audience == "everyone":
                    assert event.character == "director" or who in record.witnesses[event.id]
                else:
                    assert who in event.audience
    assert withheld > 0


def test_the_first_person_tells_what_that_person_saw() -> None:
    done = play("me", chronicler=ChroniclerAgent(style=FIRST_PERSON, of="mara"))
    for outcome, narrative in zip(done.outcomes, done.narratives, strict=True):
        seen = outcome.record.witnesses
        mine = {event.id for event in outcome.record.events if "mara" in seen.get(event.id, ())}
        cited = {id for sentence in narrative.sentences for id in sentence.events}
        people = {event.id for event in outcome.record.events if event.character != "director"}
        assert cited & people <= mine or not mine
    own = re.sub(r"“[^”]*”", "", done.text)
    assert re.search(r"\bI\b", own)


# --- the checker


def _lies(record: TurnRecord, sentence: Sentence) -> list[Sentence]:
    """The sentence with somebody, something or somewhere else in it."""
    events = {event.id: event for event in record.events}
    about = {id for cited in sentence.events for id in (events[cited].character, *events[cited].mentions)}
    about |= {str(events[cited].location) for cited in sentence.events}
    given = " ".join(
        text for cited in sentence.events for b in events[cited].beats for text in b.slots.values()
    )
    found: list[Sentence] = []
    for id in about & record.names.keys():
        name = record.names[id]
        for other, instead in record.names.items():
            if other not in about and instead.kind == name.kind and _apart(instead, given):
                text = re.sub(rf"(?<!\w){re.escape(name.name)}(?!\w)", instead.name, sentence.text)
                if text != sentence.text:
                    found.append(replace(sentence, text=text))
    return found


def _apart(name: Cast, given: str) -> bool:
    return not re.search(rf"(?<!\w){re.escape(name.name)}(?!\w)", given, re.IGNORECASE)


@pytest.mark.parametrize("tone", TONES)
def test_a_sentence_with_another_name_thing_or_place_is_refused(tone: str) -> None:
    kinds: Counter[str] = Counter()
    for seed in SEEDS:
        for outcome in play(seed, story=load_bundled("lighthouse"), tell=False).outcomes:
            record = audiences.public(replace(outcome.record, tone=tone))
            checker = Checker(record)
            for sentence in prose.tell(record):
                assert checker.problem(sentence) is None
                for lie in _lies(record, sentence):
                    problem = checker.problem(lie)
                    assert problem is not None, (sentence.text, lie.text)
                    kinds[record.names[re.findall(r"'(\w+)'", problem)[0]].kind] += 1
    assert min(kinds[kind] for kind in ("character", "item", "location")) >= 5, kinds


@pytest.mark.parametrize(
    "claim", ["{who} died.", "{who} was bleeding.", "It burned to ashes.", "{who} confessed.", "{who} sank."]
)
def test_a_sentence_with_another_outcome_is_refused(claim: str) -> None:
    refused = 0
    for outcome in play("calm", story=load_bundled("lighthouse"), tell=False).outcomes:
        record = audiences.public(outcome.record)
        for event in record.events:
            if event.character == "director" or any(":" in tag for tag in event.tags):
                continue
            text = claim.format(who=record.names[event.character].name)
            assert Checker(record).problem(Sentence(text, (event.id,))) is not None
            refused += 1
    assert refused


# --- the bank


@pytest.mark.parametrize("tone", TONES)
def test_every_tone_has_six_ways_for_each_kind(tone: str) -> None:
    assert BANKS[tone].keys() >= {name for name in BANKS["terse"] if not name.startswith("aside.")}
    for shelf, found in BANKS[tone].items():
        assert len(found) >= 6, (tone, shelf)
        assert len([way for way in found if not way.not_by]) >= 1 or shelf == "death", (tone, shelf)
        for way in found:
            assert check_phrase(way.phrase, SLOTS) is None, (tone, shelf, way.phrase)
