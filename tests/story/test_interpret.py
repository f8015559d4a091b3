"""Words of a player's own: what they may have meant is offered, never done, and only from what they see."""

from __future__ import annotations

import pytest

from novel_jupyter.core.views import project_state
from novel_jupyter.story.actions import KINDS, Action, Ask, Move, Take, Tell, parse_action
from novel_jupyter.story.effects import Held, Hurt, Learned, Moved
from novel_jupyter.story.interpret import MAX_WORDS, MOST, Reading, interpret
from novel_jupyter.story.laws import refusal
from novel_jupyter.story.loader import bundled, load_bundled
from novel_jupyter.story.look import Look
from novel_jupyter.story.reduce import carry_out
from novel_jupyter.story.rules import legal_actions
from novel_jupyter.story.vocabulary import VERBS
from novel_jupyter.story.wording import in_words
from novel_jupyter.story.world import State, initial_state

START: State = initial_state(load_bundled("lighthouse"))
# Mara, Tomas, Ines and Corwin in the kitchen; Tomas has the book, and Mara knows a good deal.
KITCHEN = carry_out(
    START,
    [
        Moved("tomas", "kitchen"),
        Moved("corwin", "kitchen"),
        Held("logbook", "tomas"),
        Learned("mara", "corwin_hid", "watch_room", 1),
        Learned("mara", "tomas_doused", "logbook", 1),
    ],
)
SCREEN = project_state(KITCHEN, "seats:mara")


def _read(text: str) -> Reading:
    return interpret(SCREEN, "mara", text)


def _best(text: str) -> str | None:
    found = _read(text).candidates
    return found[0].phrase if found else None


MEANT = [
    ("I grab the logbook off Tomas", "take the logbook from Tomas", True),
    ("sneak down to the cellar", "go to the cellar", True),
    ("sneek down to the celler", "go to the cellar", False),
    (
        "tell everyone what Corwin did",
        "tell everyone here: Corwin hid the logbook to save his sister’s son.",
        True,
    ),
    (
        "whisper to Ines that Tomas put the lamp out",
        "quietly tell Ines: Tomas put the lamp out for money the night the Corrigan struck.",
        False,
    ),
    ("I read the letter again", "read the letter", True),
    ("Mara reads her letter", "read the letter", True),
    ("ask thomas about the oil", "ask Tomas about the can of oil", False),
    ("take the knife", "take the gutting knife from Ines", True),
    ("give ines my letter", "give the letter to Ines", True),
    ("hide behind the stove", "hide", True),
    ("persuade Tomas to give me the book", "win Tomas over to hand over the logbook", False),
    ("protect Corwin", "stand guard over Corwin", True),
    ("kill Tomas", "attack Tomas", True),
    ("look around", "watch what goes on here", True),
    ("rummage through the kitchen", "search the kitchen", True),
    ("bide my time", "wait", True),
    ("stand by corwin", "help Corwin", True),
    ("threaten her", "threaten Ines", True),
    ("Threaten Tomas “I know what you did.”", "threaten Tomas, saying “I know what you did.”", True),
    ("I tell Tomas “You will hang.”", "tell Tomas, “You will hang.”", False),
]


@pytest.mark.parametrize("text, phrase, sure", MEANT, ids=[case[0] for case in MEANT])
def test_what_was_meant_comes_first(text: str, phrase: str, sure: bool) -> None:
    assert _best(text) == phrase
    assert _read(text).sure == sure


def test_two_who_could_be_meant_are_both_offered() -> None:
    reading = _read("hit him")
    assert {candidate.phrase for candidate in reading.candidates} == {"attack Corwin", "attack Tomas"}
    assert not reading.sure


@pytest.mark.parametrize(
    "text",
    [
        "I will not attack Tomas",
        "attack Tomas or hide",
        "take the knife and hit Tomas",
        "maybe search the kitchen",
    ],
)
def test_where_more_or_less_may_be_meant_it_is_asked(text: str) -> None:
    assert not _read(text).sure


@pytest.mark.parametrize(
    "text", ["I wonder if the sea ever sleeps", "dance on the table", "…", "", "x" * 400]
)
def test_words_without_a_deed_stay_words(text: str) -> None:
    assert _read(text) == Reading(text)


def test_what_cannot_be_done_is_said_and_why() -> None:
    assert (
        _read("go to the lamp room").instead == "The way to the lamp room is locked. It takes the brass key."
    )
    assert _read("burn the log book").instead == "Mara does not have that in hand. Take it first."
    assert "not here" in str(_read("get the oil").instead)
    assert not _read("get the oil").candidates


def test_long_texts_are_not_pored_over() -> None:
    assert _read("take the knife " * MAX_WORDS) == Reading("take the knife " * MAX_WORDS)


def test_the_dead_and_strangers_mean_nothing() -> None:
    dead = carry_out(KITCHEN, [Hurt("mara", 3)])
    assert interpret(dead, "mara", "take the knife").candidates == ()
    with pytest.raises(KeyError):
        interpret(SCREEN, "nobody", "take the knife")


@pytest.mark.parametrize("name", bundled())
def test_what_is_offered_is_legal_and_every_phrase_finds_its_action(name: str) -> None:
    state: State = initial_state(load_bundled(name))
    for who in Look(state).people:
        mine = project_state(state, f"seats:{who}")
        look = Look(mine)
        options = legal_actions(mine, who)
        found = 0
        for option in options:
            phrase = in_words(look, who, option)
            reading = interpret(mine, who, phrase)
            assert len(reading.candidates) <= MOST
            for candidate in reading.candidates:
                assert refusal(look, who, candidate.action) is None
            found += any(candidate.phrase == phrase for candidate in reading.candidates)
        assert found >= 0.8 * len(options), (who, found, len(options))


def test_nothing_is_offered_that_the_player_does_not_know() -> None:
    hidden = carry_out(START, [Learned("ines", "corwin_hid", "watch_room", 1)])
    mine = project_state(hidden, "seats:mara")
    for text in ("tell everyone what Corwin did", "take the logbook", "ask Ines about the logbook"):
        told = str(interpret(mine, "mara", text).to_json())
        assert "sister" not in told
        assert interpret(mine, "mara", text) == interpret(hidden, "mara", text)


def test_a_reading_crosses_the_wire() -> None:
    raw = _read("I grab the logbook off Tomas").to_json()
    assert raw == {
        "text": "I grab the logbook off Tomas",
        "candidates": [
            {"action": {"kind": "take", "item": "logbook"}, "phrase": "take the logbook from Tomas"}
        ],
        "sure": True,
        "instead": None,
    }


def test_every_kind_has_words() -> None:
    assert {kind for kinds in VERBS.values() for kind in kinds} == set(KINDS) - {"free"}


def test_every_kind_can_be_put_into_words() -> None:
    look = Look(KITCHEN)
    said: list[Action] = [Move(target="cellar"), Take(item="logbook"), Tell(text="No."), Ask(target="ines")]
    said += [
        parse_action(raw) for raw in ({"kind": "free", "text": "Hm."}, {"kind": "betray", "target": "ines"})
    ]
    assert [in_words(look, "mara", action) for action in said] == [
        "go to the cellar",
        "take the logbook from Tomas",
        "tell everyone here, “No.”",
        "ask Ines",
        "say as it stands, which changes nothing: Hm.",
        "betray Ines",
    ]
