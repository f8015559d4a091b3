"""What the Tab key offers in a notebook: characters, what they can do now, and the words of the magics.

Law: it looks names up and evaluates nothing; it offers what the character's own player could try, in words
that `act` reads back as that very action. Where it knows nothing, IPython's own completions stand.
Parts: `StoryCompleter` (what is offered after a text), `matcher_of` (as IPython wants it).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from IPython.core.completer import (
    CompletionContext,
    SimpleCompletion,
    SimpleMatcherResult,
    context_matcher,
)

from novel_jupyter.core.model import State
from novel_jupyter.core.views import project_state
from novel_jupyter.story.actions import KINDS, dump_action
from novel_jupyter.story.loader import bundled
from novel_jupyter.story.offers import offers

from .handle import SessionHandle
from .phrasing import action_of, phrase_of
from .plot import PANELS
from .story import Story

MOST: Final = 200
"""What is offered at once."""
FIRST: Final = 100.0
"""Asked before those who would search files and types for what stands in quotes."""
NAME: Final = r"([^\W\d]\w*)"
OF_CHARACTER: Final = "act|suggest|propose|withdraw|ready|advise|vote|claim|release|delegate"
"""Methods whose first argument is a character."""
CALL: Final = re.compile(
    rf"\b{NAME}(?:\.handle)?\.(?:{OF_CHARACTER})\(\s*(?:character\s*=\s*)?[\"']([\w-]*)$"
)
KEY: Final = re.compile(rf"\b{NAME}\.(?:characters|personas)\[\s*[\"']([\w-]*)$")
ACT: Final = re.compile(rf"\b{NAME}\.act\(\s*([\"'])([\w-]+)\2\s*,\s*(?:action\s*=\s*)?[\"']([^\"']*)$")
STORY: Final = re.compile(r"(?:^|=)\s*(?:await\s+)?%story\s+(?:(\w+)\s+)?([\w-]*)$")
WHO: Final = re.compile(r"^\s*%%act\s+([\w-]*)$")
BODY: Final = re.compile(r"^\s*%%act\s+([\w-]+)\s*$")


class Found(NamedTuple):
    """What stands before the cursor, what may stand there instead, and what kind of thing that is."""

    typed: str
    choices: Sequence[str]
    kind: str = "character"


class StoryCompleter:
    """`names` are the notebook's variables; `words` what `%story` knows."""

    def __init__(self, names: Callable[[], Mapping[str, Any]], words: Collection[str]) -> None:
        self._names = names
        self._words = sorted(words)

    def found(self, before: str, first_line: str | None = None) -> Found | None:
        """What may stand at the end of `before`, a line up to the cursor. `first_line`: of the cell, where
        that is another.
        """
        if match := CALL.search(before) or KEY.search(before):
            return Found(match[2], self._characters(self._handle(match[1])))
        if match := ACT.search(before):
            return Found(match[4], self._deeds(self._handle(match[1]), match[3]), "action")
        if first_line is not None and (match := BODY.match(first_line)):
            return Found(before, self._deeds(self._handle("story"), match[1]), "action")
        if match := WHO.match(before):
            return Found(match[1], self._characters(self._handle("story")))
        if match := STORY.search(before):
            return Found(match[2], self._after(match[1]), "character" if match[1] == "suggest" else "word")
        return None

    def _handle(self, name: str) -> SessionHandle | None:
        found = self._names().get(name)
        handle = found.handle if isinstance(found, Story) else found
        return handle if isinstance(handle, SessionHandle) else None

    def _characters(self, handle: SessionHandle | None) -> list[str]:
        seats: Any = handle.state.get("seats", {}) if handle is not None else {}
        return sorted(seats)

    def _deeds(self, handle: SessionHandle | None, character: str) -> list[str]:
        """What the character can do now; where its seat is not seen, the verbs."""
        if handle is None:
            return []
        legal = list(_phrases(handle.state, character))
        return legal or list(KINDS)

    def _after(self, word: str | None) -> list[str]:
        """What may follow `%story`, or a word of it."""
        choices: dict[str | None, Callable[[], list[str]]] = {
            None: lambda: self._words,
            "open": bundled,
            "plot": lambda: list(PANELS),
            "suggest": lambda: self._characters(self._handle("story")),
        }
        return choices.get(word, list)()


def _phrases(state: State, character: str) -> Iterator[str]:
    """What a screen offers, as far as words can say it, as the words that say it."""
    if f"seat:{character}" not in state:
        return
    mine = project_state(state, f"seats:{character}")
    for offer in offers(mine, character):
        raw = dump_action(offer.action)
        words = phrase_of(raw)
        try:
            if action_of(words, mine) == raw:
                yield words
        except ValueError:
            continue  # which of several uses, for one, is said by an object


def matcher_of(completer: StoryCompleter) -> Any:
    """A matcher of IPython's, for `shell.Completer.custom_matchers`."""

    def offer(context: CompletionContext) -> SimpleMatcherResult:
        lines = context.full_text.split("\n")
        first = lines[0] if context.cursor_line == 1 else None
        found = completer.found(context.text_until_cursor, first)
        if found is None:
            return SimpleMatcherResult(completions=[], suppress=False)
        typed, choices, kind = found
        # IPython replaces what it takes for the last word: of "search ki" only "ki".
        kept = typed[: len(typed) - len(context.token)] if typed.endswith(context.token) else typed
        fragment = typed[len(kept) :]
        fitting = [choice for choice in choices if choice.lower().startswith(typed.lower())]
        return SimpleMatcherResult(
            completions=[SimpleCompletion(choice[len(kept) :], type=kind) for choice in fitting[:MOST]],
            suppress=bool(fitting),
            ordered=True,
            matched_fragment=fragment,
        )

    return context_matcher(identifier="novel_jupyter", priority=FIRST)(offer)
