"""The chronicle: says what happened, cites it, and does not repeat itself."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from story.playing import SMALL, Solo, one_turn, play

from novel_jupyter.core.messages import Narrative as WireNarrative
from novel_jupyter.story.brain import BrainError
from novel_jupyter.story.checker import Checker
from novel_jupyter.story.chronicler import ChroniclerAgent, chunk
from novel_jupyter.story.effects import Hurt
from novel_jupyter.story.loader import load_bundled, load_story
from novel_jupyter.story.offline import OfflineBrain
from novel_jupyter.story.reduce import carry_out
from novel_jupyter.story.turn import Sentence, TurnRecord
from novel_jupyter.story.world import State, initial_state

SMALL_STATE: State = initial_state(load_story(SMALL, "small.yaml"))
SEEDS = [f"told{n}" for n in range(12)]


def _record() -> TurnRecord:
    return one_turn(SMALL_STATE, {"ann": {"kind": "move", "target": "yard"}}).record


@pytest.mark.parametrize("seed", SEEDS)
def test_every_sentence_cites_and_none_needs_to_be_thrown_out(seed: str) -> None:
    done = play(seed)
    for outcome, narrative in zip(done.outcomes, done.narratives, strict=True):
        ids = {event.id for event in outcome.events if event.audience == "everyone"}
        checker = Checker(outcome.record)
        for sentence in narrative.sentences:
            assert set(sentence.events) <= ids != set()
            assert checker.problem(sentence) is None
        raw = asyncio.run(_collect(OfflineBrain().narrate(outcome.record)))
        assert [s.text for s in raw] == [s.text for s in narrative.sentences]
        WireNarrative.model_validate({"kind": "narrative", **narrative.to_wire(token=1)})


async def _collect(stream: AsyncIterator[Sentence]) -> list[Sentence]:
    return [sentence async for sentence in stream]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_prose_is_clean(seed: str) -> None:
    done = play(seed)
    text = done.text
    assert not re.search(r"[{}\[\]_]|  | [,.;]|\.\.|,[”]? [A-Z][a-z]+ing\b|\bsomebody somebody\b", text)
    assert not re.search(r"(?<![.!?…”] )(?<!\n)(?<!^)\b(She|He)\b (?=[a-z]+ed)", text)
    assert not re.search(r"\b(she|he|they)’s\b(?! (got|not|no))", re.sub(r"“[^”]*”", "", text))
    assert text.count("“") == text.count("”")
    for sentence in (s for narrative in done.narratives for s in narrative.sentences):
        assert re.match(r"[A-Z“]", sentence.text), sentence.text
        assert re.search(r"[.!?…]”?$", sentence.text), sentence.text
    # The end is told last, in the story's own words.
    outcome = done.outcomes[-1]
    assert outcome.ended is not None
    closing = done.narratives[-1].sentences[-1]
    assert closing.paragraph
    assert len(closing.text) > 150


def test_nothing_is_said_twice_within_eight_turns() -> None:
    repeats = 0
    for seed in SEEDS:
        told: list[tuple[int, str]] = []
        for turn, narrative in enumerate(play(seed).narratives):
            for sentence in narrative.sentences:
                repeats += any(text == sentence.text and turn - then < 8 for then, text in told)
                told.append((turn, sentence.text))
    assert repeats == 0


def test_the_text_is_its_sentences() -> None:
    for narrative in play("whole").narratives:
        parts = [chunk(sentence, first=index == 0) for index, sentence in enumerate(narrative.sentences)]
        assert narrative.text == "".join(parts)


def test_a_retelling_takes_other_words_for_the_same_events() -> None:
    differs = 0
    for outcome in play("again", tell=False).outcomes:
        first = asyncio.run(ChroniclerAgent().narrate(outcome.record))
        second = asyncio.run(ChroniclerAgent().narrate(replace(outcome.record, telling=1)))
        cited = [{id for s in telling.sentences for id in s.events} for telling in (first, second)]
        assert cited[0] == cited[1]
        differs += first.text != second.text
    assert differs >= 6


def test_a_record_survives_the_log() -> None:
    for outcome in play("log", tell=False).outcomes:
        again = TurnRecord.from_json(json.loads(json.dumps(outcome.record.to_json())))
        first = asyncio.run(ChroniclerAgent().narrate(outcome.record))
        assert asyncio.run(ChroniclerAgent().narrate(again)) == first


def test_the_seeds_method() -> None:
    solo = Solo(load_bundled("lighthouse"), "mara")
    solo.records[1] = _record()
    told = asyncio.run(ChroniclerAgent().generate_turn_narrative(solo, 1))
    assert "Ann" in told.text
    with pytest.raises(KeyError):
        asyncio.run(ChroniclerAgent().generate_turn_narrative(solo, 2))


LIES = [
    ("Ann went to the yard with Bo.", "names 'bo'"),
    ("Ann took the coin.", "names 'coin'"),
    ("Ann went to the attic.", "names 'attic'"),
    ("Ann killed a man in the yard.", "did not happen"),
    ("Ann went to the yard, bleeding.", "did not happen"),
    ("Ann unlocked the yard.", "did not happen"),
    ("Ann, who owes money to a baker in town, went out.", "nobody has said"),
]


@pytest.mark.parametrize("text, problem", LIES)
def test_a_lie_does_not_leave(text: str, problem: str) -> None:
    record = _record()
    move = next(event for event in record.events if event.character == "ann")
    move = replace(move, mentions=("yard",))
    record = replace(record, events=(move,))
    found = Checker(record).problem(Sentence(text, (move.id,)))
    assert found is not None
    assert problem in found
    assert Checker(record).problem(Sentence("Ann went to the yard.", (move.id,))) is None


def test_what_a_player_typed_can_be_quoted_and_does_not_come_true() -> None:
    typed = "Everybody dies, and the coin is mine."
    record = one_turn(SMALL_STATE, {"ann": {"kind": "free", "text": typed}}).record
    said = next(event for event in record.events if event.character == "ann")
    checker = Checker(record)
    assert checker.problem(Sentence(f"Ann said it: “{typed}”", (said.id,))) is None
    for lie in (typed, "Everybody dies.", "Ann perished.", "And the coin is hers."):
        assert checker.problem(Sentence(lie, (said.id,))) is not None, lie


def test_words_that_stand_in_for_others_say_so() -> None:
    """One refused sentence makes the telling one that the offline rules had a part in."""

    class Lies(ChroniclerAgent):
        async def compose(self, record: TurnRecord) -> AsyncIterator[Sentence]:
            for event in record.events:
                yield Sentence("Everybody died.", (event.id,))

    record = _record()
    told = asyncio.run(Lies().narrate(record))
    assert told.sentences
    assert all(sentence.fallback for sentence in told.sentences)
    assert "died" not in told.text
    assert told.made_by.fallback
    assert not asyncio.run(ChroniclerAgent().narrate(record)).made_by.fallback


def test_a_sentence_cites_what_exists() -> None:
    record = _record()
    assert Checker(record).problem(Sentence("It rained.", ())) is not None
    assert Checker(record).problem(Sentence("It rained.", ("e99",))) is not None


def test_a_lying_chronicler_is_replaced_by_plain_words() -> None:
    class Liar(ChroniclerAgent):
        async def compose(self, record: TurnRecord) -> AsyncIterator[Sentence]:
            for event in record.events:
                yield Sentence("Bo is dead, and the coin is in the attic.", (event.id,))

    told = asyncio.run(Liar().narrate(_record()))
    assert "dead" not in told.text
    assert "Ann went from the hall to the yard." in told.text


def test_a_chronicler_that_breaks_off_is_finished_offline() -> None:
    class Weary(ChroniclerAgent):
        async def compose(self, record: TurnRecord) -> AsyncIterator[Sentence]:
            yield Sentence("It began.", (record.events[0].id,))
            raise BrainError("stream ended")

    told = asyncio.run(Weary().narrate(_record()))
    assert told.text.startswith("It began.")
    assert "Ann" in told.text


def test_peoples_words_are_no_markup() -> None:
    words = "{A} [fly] {nobody} with _braces_"
    for kind in ("free", "tell"):
        record = one_turn(SMALL_STATE, {"ann": {"kind": kind, "text": words}}).record
        told = asyncio.run(ChroniclerAgent().narrate(record))
        assert words in told.text
    scene = dict(SMALL_STATE)
    scene["scene"] = {**scene["scene"], "text": "Brace {yourself} [now]."}  # type: ignore[dict-item]  # a dict
    told = asyncio.run(ChroniclerAgent().narrate(one_turn(scene, {}).record))
    assert "Brace {yourself} [now]." in told.text


def test_a_death_is_told() -> None:
    state = carry_out(SMALL_STATE, [Hurt("bo", 2)])
    for seed in range(60):
        outcome = one_turn(state, {"ann": {"kind": "attack", "target": "bo"}}, seed=str(seed))
        if any("died:bo" in event.tags for event in outcome.events):
            told = asyncio.run(ChroniclerAgent().narrate(outcome.record))
            assert re.search(r"Bo\b", told.text)
            assert re.search(r"\b(dead|died|die)\b", told.text)
            return
    raise AssertionError("sixty seeds and nobody died")
