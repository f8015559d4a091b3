"""Phrases: tense, agreement, pronouns; and every phrase of the bank can be rendered."""

from __future__ import annotations

import re

import pytest

from novel_jupyter.story.english import Tense, Word, check_phrase, listed, past, render, third
from novel_jupyter.story.phrases import BANK

ANN, BO, KIM = Word("Ann", "she"), Word("Bo", "he"), Word("Kim", "they")
SLOTS = {"A", "B", "C", "item", "place", "source", "at", "line", "said", "text", "topic", "wish"}


@pytest.mark.parametrize(
    "verb, he, did",
    [
        ("take", "takes", "took"),
        ("be", "is", "was"),
        ("have", "has", "had"),
        ("go", "goes", "went"),
        ("carry", "carries", "carried"),
        ("stay", "stays", "stayed"),
        ("slip", "slips", "slipped"),
        ("watch", "watches", "watched"),
        ("hide", "hides", "hid"),
        ("open", "opens", "opened"),
        ("look", "looks", "looked"),
        ("pass", "passes", "passed"),
        ("nod", "nods", "nodded"),
        ("wait", "waits", "waited"),
        ("argue", "argues", "argued"),
    ],
)
def test_verbs(verb: str, he: str, did: str) -> None:
    assert third(verb) == he
    assert past(verb) == did


def test_a_phrase_in_both_tenses() -> None:
    phrase = "{A} [take] {item} from {B}, and {B.he} [let~B] {A.him}."
    words = {"A": ANN, "B": KIM, "item": Word("the key")}
    assert render(phrase, words, "past") == "Ann took the key from Kim, and they let her."
    assert render(phrase, words, "present") == "Ann takes the key from Kim, and they let her."


def test_singular_they_agrees() -> None:
    assert render("{A.he} [be~A] here.", {"A": KIM}, "past") == "They were here."
    assert render("{A.he} [be~A] here.", {"A": KIM}, "present") == "They are here."
    assert render("{A.he} [be~A] here.", {"A": BO}, "present") == "He is here."


def test_only_the_opening_subject_becomes_a_pronoun() -> None:
    short = Word("Ann", "she", short=True)
    assert render("{A} [go].", {"A": short}, "past") == "She went."
    assert render("{A's} hand [close].", {"A": short}, "past") == "Her hand closed."
    assert render("It [hurt] {A}.", {"A": short}, "past") == "It hurt Ann."
    assert render("{A} [go].", {"A": Word("Kim", "they", short=True)}, "present") == "Kim goes."


def test_the_first_person_is_a_subject_where_it_opens_a_sentence() -> None:
    words = {"A": Word("Mara", "I"), "B": Word("Tomas", "he")}
    assert render("{A} was seen that spring. {A} went by rail.", words, "past") == (
        "I was seen that spring. I went by rail."
    )
    assert render("{B} [look] at {A}.", words, "past") == "Tomas looked at me."


def test_possessives_and_lists() -> None:
    assert render("{A's} and {B's}.", {"A": ANN, "B": Word("Ines", "she")}, "past") == "Ann’s and Ines’s."
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"


def test_sentences_begin_with_capitals() -> None:
    assert render("{item} [fall]. {item} [be] lost.", {"item": Word("the key")}, "past") == (
        "The key fell. The key was lost."
    )
    assert (
        render("“{at},” {A} [say].", {"A": ANN, "at": Word("in the hall")}, "past")
        == "“In the hall,” Ann said."
    )


@pytest.mark.parametrize("phrase", ["{A", "[take", "A} x", "{A.hers} x", "{who} x", "[Take] x"])
def test_bad_phrases_are_found(phrase: str) -> None:
    assert check_phrase(phrase, {"A", "B"}) is not None


def test_the_bank_is_well_formed_and_wide() -> None:
    for shelf, ways in BANK.items():
        assert len(set(ways)) == len(ways), shelf
        for way in ways:
            assert check_phrase(way, SLOTS) is None, (shelf, way)
    wide = [shelf for shelf, ways in BANK.items() if len(ways) >= 6]
    assert len(wide) >= 45
    assert sum(len(ways) for ways in BANK.values()) >= 400


@pytest.mark.parametrize("tense", ["past", "present"])
def test_every_phrase_reads_as_a_sentence(tense: Tense) -> None:
    words = {
        "A": ANN,
        "B": BO,
        "C": Word("Cy", "he"),
        "item": Word("the key"),
        "topic": Word("the key"),
        "place": Word("the hall"),
        "source": Word("the yard"),
        "at": Word("in the hall"),
        "line": Word("I know."),
        "said": Word("I know,"),
        "text": Word("Sing."),
        "wish": Word("leave"),
    }
    for shelf, ways in BANK.items():
        for way in ways:
            text = render(way, words, tense)
            assert re.match(r"^[A-Z“]", text), (shelf, text)
            assert re.search(r"[.!?]”?$", text), (shelf, text)
            assert not re.search(r"[\[\]{}]|  | ,|\.\.|\bbeed\b", text), (shelf, text)
