"""The Tab key in a real shell of IPython: characters, what they can do now, and the words of the magics.

Parts: calls, keys, magics; each action that is offered is read back as itself; loading and unloading.
"""

from __future__ import annotations

import atexit
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from kernel.hosting import story_of
from kernel.local import LocalServer, kernel, person
from traitlets.config import Config

import novel_jupyter as nj
from novel_jupyter.core.views import project_state
from novel_jupyter.kernel.completing import StoryCompleter
from novel_jupyter.kernel.magics import HELP, WORDS
from novel_jupyter.kernel.phrasing import action_of, phrase_of
from novel_jupyter.kernel.story import Story
from novel_jupyter.story.actions import dump_action
from novel_jupyter.story.offers import offers

CAST = ["corwin", "ines", "mara", "tomas"]


@pytest_asyncio.fixture
async def story() -> AsyncIterator[Story]:
    found = await story_of(LocalServer(kernel()))
    yield found
    await found.close()


@pytest.fixture
def shell(story: Story) -> Iterator[Any]:
    config = Config()
    config.HistoryManager.enabled = False
    make: Any = InteractiveShell
    found = make(config=config)
    nj.load_ipython_extension(found)
    found.user_ns["story"] = story
    yield found
    nj.unload_ipython_extension(found)
    found.atexit_operations()
    atexit.unregister(found.atexit_operations)


def offered(shell: Any, text: str, ours: bool = True) -> list[str]:
    """What stands at the end of `text` after each choice, as both of a kernel's ways to complete have it."""
    line = text.split("\n")[-1]
    with provisionalcompleter():
        whole = [text[: found.start] + found.text for found in shell.Completer.completions(text, len(text))]
    if line == text:  # the older way knows one line only
        with pytest.warns(PendingDeprecationWarning):
            token, matches = shell.complete("", text, len(text))
        older = {text[: len(text) - len(token)] + match for match in matches}
        assert older <= set(whole)
        assert not ours or older == set(whole)
    return [found.removeprefix(text[: -len(line)] if line != text else "") for found in whole]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "call",
    [
        'await story.act("',
        "await story.act('",
        "x = await story.act( character='",
        'await story.suggest("',
        'await story.handle.propose("',
        'await story.handle.claim("',
        'story.characters["',
        "story.personas['",
    ],
)
async def test_a_character_is_offered(shell: Any, call: str) -> None:
    assert offered(shell, call) == [call + who for who in CAST]
    assert offered(shell, call + "to") == [f"{call}tomas"]
    assert offered(shell, call + "TO") == [f"{call}tomas"]


@pytest.mark.asyncio
async def test_the_mappings_offer_their_keys_under_any_name(shell: Any, story: Story) -> None:
    shell.user_ns |= {"people": story.characters, "own": story.personas, "one": story.handle}
    assert offered(shell, 'people["to') == ['people["tomas']
    assert offered(shell, 'own["to') == ['own["tomas']
    assert offered(shell, 'one.propose("to') == ['one.propose("tomas']


@pytest.mark.asyncio
async def test_what_can_be_done_now_is_offered(shell: Any, story: Story) -> None:
    call = 'await story.act("mara", "'
    here = story.characters["mara"]["location"]
    all_of_it = offered(shell, call)
    assert f"{call}search {here}" in all_of_it
    assert offered(shell, call + "sea") == [f"{call}search {here}"]
    assert offered(shell, f"{call}search ") == [f"{call}search {here}"]
    assert offered(shell, f"{call}search {here[:2]}") == [f"{call}search {here}"]
    asked = offered(shell, call + "ask ")
    assert asked
    assert all(found.startswith(call + "ask ") for found in asked)
    moves = {found.removeprefix(f"{call}move ") for found in offered(shell, call + "move ")}
    places: Any = story.state["locations"]
    assert moves
    assert moves <= set(places[here]["exits"])
    # Nobody acts for one who does not exist; the verbs stand in where nothing is known.
    assert offered(shell, 'await story.act("nobody", "def') == ['await story.act("nobody", "defend']


@pytest.mark.asyncio
@pytest.mark.parametrize("character", CAST)
async def test_what_is_offered_is_read_back_as_that_action(story: Story, character: str) -> None:
    await story.turn()
    found = StoryCompleter(lambda: {"story": story}, WORDS).found(f'story.act("{character}", "')
    assert found is not None
    mine = project_state(story.state, f"seats:{character}")
    legal = [dump_action(offer.action) for offer in offers(mine, character)]
    assert len(found.choices) > 10
    assert [action_of(words, story.state) for words in found.choices] == [
        action for action in legal if phrase_of(action) in found.choices
    ]
    left_out = [action for action in legal if phrase_of(action) not in found.choices]
    # Which of several uses, and a private fact told to everybody, take an object.
    assert {action["kind"] for action in left_out} <= {"use", "tell"}
    assert len(left_out) < len(legal) / 5


@pytest.mark.asyncio
async def test_who_does_not_see_a_seat_is_offered_verbs(shell: Any) -> None:
    server = LocalServer(kernel())
    handle = await server.join(person("ana"))
    shell.user_ns["ana"] = handle
    assert "seat:mara" not in handle.state
    found = StoryCompleter(lambda: {"ana": handle}, WORDS).found('ana.act("mara", "')
    assert found is not None
    assert "search" in found.choices
    assert not any(" " in words for words in found.choices)


@pytest.mark.asyncio
async def test_the_magics_words_are_offered(shell: Any) -> None:
    assert offered(shell, "%story ") == [f"%story {word}" for word in sorted(WORDS)]
    assert offered(shell, "%story un") == ["%story undo"]
    assert offered(shell, "turn = %story tu") == ["turn = %story turn"]
    assert offered(shell, "%story suggest ") == [f"%story suggest {who}" for who in CAST]
    assert offered(shell, "%story open li") == ["%story open lighthouse"]
    assert offered(shell, "%story plot ten") == ["%story plot tension"]
    assert offered(shell, "%%act ") == [f"%%act {who}" for who in CAST]
    assert offered(shell, "%%act to") == ["%%act tomas"]
    assert offered(shell, "%%act mara\nsear")[0].startswith("search ")
    assert all(word in HELP for word in WORDS if word != "help")


@pytest.mark.asyncio
async def test_elsewhere_ipython_completes_as_ever(shell: Any, story: Story) -> None:
    shell.user_ns["storytellers"] = 1
    assert "storytellers" in offered(shell, "storyte", ours=False)
    for nothing in ('other.act("', 'story.say("', 'print("mara", "', "story.act(", "%storyteller "):
        found = StoryCompleter(lambda: shell.user_ns, WORDS).found(nothing)
        assert found is None or found.choices == [], nothing
    await story.close()
    assert offered(shell, 'story.act("mar') == ['story.act("mara']


@pytest.mark.asyncio
async def test_it_comes_and_goes_with_the_extension(shell: Any) -> None:
    assert len(shell.Completer.custom_matchers) == 1
    nj.load_ipython_extension(shell)
    assert len(shell.Completer.custom_matchers) == 1
    nj.unload_ipython_extension(shell)
    assert shell.Completer.custom_matchers == []
    assert "story.act('tomas" not in offered(shell, "story.act('to", ours=False)
    nj.unload_ipython_extension(shell)
    nj.load_ipython_extension(shell)
    assert offered(shell, "story.act('to") == ["story.act('tomas"]
