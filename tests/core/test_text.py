"""Merging text: its laws, its decisions, and its bound."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from novel_jupyter.core.text import Change, Hunk, TextMerge, changes, merge_text, tokenize

texts = st.lists(st.sampled_from(["the ", "fox", " ", "runs", ".", "\n", "é", "😀"]), max_size=14).map(
    "".join
) | st.text(max_size=20)


@given(texts)
def test_tokens_are_the_text(text: str) -> None:
    assert "".join(tokenize(text)) == text


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
def test_changes_lead_from_one_to_the_other(old: list[str], new: list[str]) -> None:
    found = changes(old, new)
    rebuilt, at = [], 0
    for change in found:
        assert change.start > at or at == 0
        rebuilt += [*old[at : change.start], *change.tokens]
        at = change.end
    assert rebuilt + old[at:] == new
    assert all(change.end > change.start or change.tokens for change in found)


@given(texts, texts)
def test_one_side_alone_is_taken_whole(base: str, other: str) -> None:
    assert merge_text(base, base, other) == TextMerge(other, ())
    assert merge_text(base, other, base) == TextMerge(other, ())
    assert merge_text(base, other, other) == TextMerge(other, ())


@given(texts, texts, texts)
def test_a_merge_is_determined_and_only_order_depends_on_the_side(base: str, ours: str, theirs: str) -> None:
    merged = merge_text(base, ours, theirs)
    assert merged == merge_text(base, ours, theirs)
    swapped = merge_text(base, theirs, ours)
    assert len(swapped.conflicts) == len(merged.conflicts)
    assert [(h.base, h.theirs, h.ours) for h in swapped.conflicts] == [
        (h.base, h.ours, h.theirs) for h in merged.conflicts
    ]
    for hunk in merged.conflicts:
        units = merged.text.encode("utf-16-le", "surrogatepass")[2 * hunk.position :]
        assert units.startswith(hunk.ours.encode("utf-16-le", "surrogatepass"))


@st.composite
def disjoint_changes(draw: st.DrawFn) -> tuple[str, str, str, str]:
    """(base, ours, theirs, both): every word is unique and each has at most one side that changes it."""
    base, ours, theirs, both = [], [], [], []
    for index in range(draw(st.integers(1, 12))):
        word = f"w{index}"
        change = draw(st.sampled_from([[word], [], [f"n{index}"], [f"i{index}", word], [word, f"j{index}"]]))
        side = draw(st.sampled_from(["ours", "theirs", "both"]))
        base += [word, f"keep{index}"]
        ours += [*(change if side != "theirs" else [word]), f"keep{index}"]
        theirs += [*(change if side != "ours" else [word]), f"keep{index}"]
        both += [*change, f"keep{index}"]
    return "-".join(base), "-".join(ours), "-".join(theirs), "-".join(both)


@given(disjoint_changes())
def test_changes_that_do_not_overlap_all_survive(case: tuple[str, str, str, str]) -> None:
    base, ours, theirs, both = case
    assert merge_text(base, ours, theirs) == TextMerge(both, ())
    assert merge_text(base, theirs, ours) == TextMerge(both, ())


@given(texts, texts, texts)
def test_every_word_of_theirs_is_in_the_text_or_in_a_hunk(base: str, ours: str, theirs: str) -> None:
    merged = merge_text(base, ours, theirs)
    offered = tokenize(merged.text) + [t for hunk in merged.conflicts for t in tokenize(hunk.theirs)]
    everywhere = "".join(offered)
    for change in changes(tokenize(base), tokenize(theirs)):
        assert "".join(change.tokens) in everywhere or all(token in everywhere for token in change.tokens)


def test_overlapping_words_keep_ours_and_hand_back_theirs() -> None:
    merged = merge_text("The old fox sleeps.", "The 😀 red fox sleeps.", "The blind fox wakes.")
    assert merged.text == "The 😀 red fox wakes."
    assert merged.conflicts == (Hunk(4, "old", "😀 red", "blind"),)
    late = merge_text("😀 a b c", "😀 a X c", "😀 a Y c")
    assert late.conflicts == (Hunk(5, "b", "X", "Y"),)


def test_a_deletion_against_a_rewrite_is_a_conflict() -> None:
    assert merge_text("a,b.c", "a,.c", "a,B.c") == TextMerge("a,.c", (Hunk(2, "b", "", "B"),))
    assert merge_text("a,b.c", "a,B.c", "a,.c") == TextMerge("a,B.c", (Hunk(2, "b", "B", ""),))


def test_insertions_at_one_point_both_stay_in_order() -> None:
    assert merge_text("world", "hello world", "big world").text == "hello big world"
    assert merge_text("a", "a b", "a c").text == "a b c"
    assert merge_text("", "one", "two").text == "onetwo"


def test_typing_that_goes_on_counts_once() -> None:
    assert merge_text("Hi", "Hi th", "Hi there") == TextMerge("Hi there", ())
    assert merge_text("Hi", "Hi there", "Hi th") == TextMerge("Hi there", ())
    assert merge_text("Hi w", "Hi wo", "Hi world") == TextMerge("Hi world", ())


def test_changes_that_touch_do_not_overlap() -> None:
    assert merge_text("a-b", "X-b", "a-Y").text == "X-Y"
    assert merge_text("a b", "a  b", "a").conflicts == (Hunk(1, " b", "  b", ""),)
    assert merge_text("ab.cd", "ab!.cd", "ab.ef").text == "ab!.ef"


def test_scripts_without_spaces_go_by_character() -> None:
    assert merge_text("古い灯台が立つ", "新しい灯台が立つ", "古い灯台が倒れる") == TextMerge(
        "新しい灯台が倒れる", ()
    )


def test_texts_that_repeat_themselves_take_bounded_time() -> None:
    many = 4000
    base, ours, theirs = "a-" * many, "a" + "-" * many, "b-" * many
    began = time.process_time()
    merge_text(base, ours, theirs)
    merge_text("x y " * many, "y z " * many, "z x " * many)
    assert changes(["a", "b"] * many, ["b", "c"] * many) != []
    words = [f"w{n}" for n in range(many)]
    merged = merge_text(" ".join(words), "!".join(words), "? ".join(words))
    assert len(changes(tokenize(" ".join(words)), tokenize("!".join(words)))) == many - 1
    assert not merged.conflicts
    assert time.process_time() - began < 3


def test_beyond_the_bound_all_counts_as_one_change() -> None:
    old, new = [str(n) for n in range(2000)], [str(n) for n in range(4000, 2000, -1)]
    old[1000] = new[1000] = "shared"
    assert changes(["s", *old, "e"], ["s", *new, "e"]) == [Change(1, 2001, tuple(new))]
