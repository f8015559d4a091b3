"""Dice: the same for the same question, in every process; fair enough."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novel_jupyter.story.dice import Dice

DICE = Dice("seed", "main", 3, 1)


def test_known_throws_stay_what_they_are() -> None:
    # Stories that were played must replay: these values may never change.
    assert DICE.number("mara", "roll") == 4533154353706294012
    assert DICE.two("mara", "roll") == (1, 5)


def test_every_part_of_the_question_counts() -> None:
    throws = {
        DICE.number("a", "b"),
        DICE.number("ab", ""),
        DICE.number("", "ab"),
        DICE.number("b", "a"),
        Dice("seed", "main", 3, 2).number("a", "b"),
        Dice("seed", "main", 4, 1).number("a", "b"),
        Dice("seed", "other", 3, 1).number("a", "b"),
        Dice("seeds", "main", 3, 1).number("a", "b"),
    }
    assert len(throws) == 8


def test_two_dice_are_two_dice() -> None:
    counts = Counter(sum(DICE.two("x", str(n))) for n in range(7200))
    assert set(counts) == set(range(2, 13))
    assert 1000 < counts[7] < 1400
    assert 130 < counts[2] < 280


@given(st.lists(st.integers(-2, 5), min_size=1, max_size=8), st.text(max_size=5))
def test_weights_are_kept(weights: list[int], purpose: str) -> None:
    options = list(range(len(weights)))
    if not any(weight > 0 for weight in weights):
        with pytest.raises(ValueError):
            DICE.weighted(options, weights, "x", purpose)
    else:
        assert weights[DICE.weighted(options, weights, "x", purpose)] > 0


@given(st.lists(st.integers(), max_size=12))
def test_a_shuffle_keeps_everything(options: list[int]) -> None:
    assert sorted(DICE.order(options, "x", "y")) == sorted(options)


def test_nothing_to_choose_from() -> None:
    with pytest.raises(ValueError):
        DICE.pick([], "x", "y")
