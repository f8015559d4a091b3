"""Story files: what is wrong with one is told with file, line and what was expected."""

from __future__ import annotations

import pytest
from story.playing import SMALL

from novel_jupyter.core.merge import MergeRules
from novel_jupyter.story.loader import MAX_BYTES, StoryError, bundled, load_bundled, load_story
from novel_jupyter.story.world import strategies


def _error(text: str | bytes) -> StoryError:
    with pytest.raises(StoryError) as caught:
        load_story(text, "tale.yaml")
    assert str(caught.value).startswith("tale.yaml, line ")
    return caught.value


def _line(text: str, needle: str) -> int:
    return text[: text.index(needle)].count("\n") + 1


def test_every_bundled_story_loads() -> None:
    assert "lighthouse" in bundled()
    for name in bundled():
        story = load_bundled(name)
        assert story.id == name
        assert len(story.endings) >= 3
        MergeRules.for_story(dict(strategies(story)))


def test_the_lighthouse_has_what_players_are_promised() -> None:
    story = load_bundled("lighthouse")
    assert "mara" in story.characters
    assert "cellar" in story.locations
    assert all(character.playable for character in story.characters.values())


def test_an_unknown_bundled_story_says_which_there_are() -> None:
    with pytest.raises(StoryError, match="did you mean 'lighthouse'"):
        load_bundled("lighthose")
    with pytest.raises(StoryError):
        load_bundled("../secrets")


BROKEN = [
    ("bold: 1", "bold: very", "bold: very", "expected a whole number, found 'very'"),
    ("bold: 1", "bold: 3", "bold: 3", "expected a whole number of at most 2, found 3"),
    ("bold: 1", "brave: 1", "brave: 1", "expected 'bold', 'warm', 'sharp', 'sly' or 'steady'"),
    ("pronouns: she", "pronouns: her", "pronouns: her", "expected 'she', 'he', 'they' or 'it'"),
    ("role: thief", "rol: thief", "rol: thief", "did you mean 'role'?"),
    ("    start: hall\n  bo:", "    start: hal\n  bo:", "start: hal\n", "there is no location 'hal'"),
    ("yard: null", "yrad: null", "yrad: null", "did you mean 'yard'?"),
    ("locked_by: key}, yard", "locked_by: kay}, yard", "locked_by: kay", "there is no item 'kay'"),
    ("target: coin, text: have", "target: con, text: have", "target: con,", "did you mean 'coin'?"),
    (
        "kind: hold, target: coin, text: keep",
        "kind: hoard, target: coin, text: keep",
        "hoard",
        "did you mean 'hold'?",
    ),
    ("relations: {bo: 1}", "relations: {bob: 1}", "{bob: 1}", "there is no character 'bob'"),
    ("known_by: [ann]", "known_by: [anna]", "[anna]", "there is no character 'anna'"),
    ("known_by: [ann]", "known_by: [bo]", "secrets: [debt]", "Ann does not know 'debt'"),
    (
        "belongings: [coin]",
        "belongings: [key]",
        "belongings: [key]\n    start: hall\nitems",
        "already belongs to ann",
    ),
    ("how: melt}", "how: eat}", "how: eat}", "has no use 'eat'"),
    ("kind: clock, clock: night", "kind: clok, clock: night", "kind: clok", "did you mean 'clock'?"),
    ("{A} [melt] the coin.", "{X} [melt] the coin.", "{X}", "{X} means nothing here"),
    ("{A} [melt] the coin.", "{A} [melt the coin.", "[melt the", "a verb is [take]"),
    ("id: small", "id: Small One", "id: Small One", "small letters"),
    ("title: Small", "title: 7", "title: 7", "expected text, found 7"),
    ("location: hall, mood", "location: house, mood", "location: house", "there is no location 'house'"),
    ("facts:\n  debt:", "facts:\n  coin:", "coin: {text", "already one of the items"),
    (
        "  late: {title: Late, when: {kind: clock, clock: night}, text: It was morning.}\n",
        "",
        "endings:",
        "for ever",
    ),
    ("premise: Two people and a coin.", "premise: ''", "premise: ''", "at least 1 character"),
    ("mood: calm", "mod: calm", "opening:", "'mood' is missing"),
]


DEATHS = """endings:
  all_dead: {title: Dead, when: {kind: dead}, text: Over.}
  bo_dead: {title: Dead, when: {kind: dead, character: bo}, text: Over.}
"""
NEVER = [
    ("melt the coin, at: yard", "melt the coin, needs: bell", "cannot be carried; expected a portable item"),
    ("belongings: [key]", "belongings: []", "the door never opens: 'key' lies behind it"),
    ("kind: clock, clock: night}", "kind: clock, clock: night, at_least: 9}", "has 6 segments"),
    (
        "endings:\n",
        DEATHS,
        "never reached: 'all_dead' stands before it",
    ),
    (
        "endings:\n",
        "forbids: [attack]\nendings:\n  bo_dead: {title: Dead, when: {kind: dead}, text: Over.}\n",
        "nobody can be struck in this story",
    ),
    (
        "endings:\n",
        "endings:\n  told: {title: Told, when: {kind: known, fact: unheard}, text: Over.}\n",
        "nobody knows 'unheard'",
    ),
    (
        "endings:\n",
        "endings:\n  rung: {title: Rung, when: {kind: holds, item: bell}, text: Over.}\n",
        "'bell' cannot be carried",
    ),
    ("destroys: true", "consumes: true", "consumes what it needs, and needs nothing"),
]


@pytest.mark.parametrize("old, new, expected", NEVER, ids=[case[2][:24] for case in NEVER])
def test_what_can_never_happen_is_told(old: str, new: str, expected: str) -> None:
    text = SMALL.replace(old, new, 1).replace("facts:\n", "facts:\n  unheard: {text: A thing.}\n", 1)
    if "[key]" in old:
        text = text.replace(
            "  key: {name: key, description: A key.}",
            "  key: {name: key, description: A key., location: attic}",
        )
    assert expected in str(_error(text))


def test_columns_point_at_the_word() -> None:
    text = SMALL.replace("how: eat}", "how: eat}").replace(
        "{kind: clock, clock: night}", "{kind: clock, clock: noon}"
    )
    (problem,) = [each for each in _error(text).problems if "noon" in each.message]
    line = text.splitlines()[problem.line - 1]
    assert line[problem.column - 1 :].startswith("clock: noon")
    assert f"line {problem.line}, column {problem.column}: " in str(_error(text))


@pytest.mark.parametrize("old, new, needle, expected", BROKEN, ids=[case[1][:24] for case in BROKEN])
def test_a_mistake_is_told_with_its_line_and_what_was_expected(
    old: str, new: str, needle: str, expected: str
) -> None:
    text = SMALL.replace(old, new, 1)
    assert text != SMALL
    error = _error(text)
    assert expected in str(error)
    lines = [problem.line for problem in error.problems if expected in problem.message]
    assert _line(text, needle) in lines


def test_yaml_itself_may_be_wrong() -> None:
    assert _error("id: a\ntitle: 'open\n").problems[0].line >= 2
    assert "tale.yaml, line 3" in str(_error("id: a\ntitle: b\n\tx: c\n"))
    assert "empty" in str(_error(""))
    assert "keys with values" in str(_error("- a\n- b\n"))
    assert "a character that YAML does not allow" in str(_error("id: a\x00"))
    assert "UTF-8" in str(_error(b"id: \xff"))


def test_a_key_stands_once() -> None:
    error = _error("id: a\ntitle: b\nid: c\n")
    assert [problem.line for problem in error.problems if "stands twice" in problem.message] == [3]
    assert "first in line 1" in str(error)
    # And everything else that is wrong is told with it.
    assert "'premise' is missing" in str(error)


def test_what_could_explode_is_refused_before_it_does() -> None:
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"
    assert "alias" in str(_error(bomb))
    assert "nested too deep" in str(_error("a: " + "[" * 5000))
    assert "bytes; expected at most" in str(_error("#" + "x" * MAX_BYTES))
    assert "a tag" in str(_error("a: !!python/object/apply:os.system [ls]\n"))


def test_words_that_yaml_takes_for_something_else_stay_words() -> None:
    text = SMALL.replace("mood: calm", "mood: no").replace("title: Small", "title: 12:30")
    story = load_story(text, "tale.yaml")
    assert story.opening.mood == "no"
    assert story.title == "12:30"


def test_many_problems_are_told_together_but_not_all() -> None:
    text = SMALL.replace("start: hall", "start: nowhere").replace(
        "target: coin, text", "target: nothing, text"
    )
    error = _error(text)
    assert len(error.problems) >= 4
    assert [problem.line for problem in error.problems] == sorted(problem.line for problem in error.problems)
