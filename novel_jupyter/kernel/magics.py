"""`%story` and `%%act`, for those who would rather not write Python.

Law: a magic awaits like a cell does, so the kernel stays free: the lines that IPython makes of our magics
get an `await` in front. Everything is done by `api` and `Story`; here are only words.
Parts: `awaiting` (the transformer), `StoryMagics`, `WORDS`, loading and unloading.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class

from . import api
from .completing import StoryCompleter, matcher_of
from .models.account import told
from .story import Story, Turn

OURS: Final = re.compile(r"(?<!await )get_ipython\(\)\.run_(line|cell)_magic\('(story|act)',")
HELP: Final = """\
%story open NAME|FILE   begin a story (lighthouse, or a .yaml file)
%story join ID          take part in a session
%story                  what it is now
%story turn [N]         play a turn, or N of them
%story people           who is in it, and who plays them
%story state [PATH]     the state, or a part of it: /scene/mood
%story log              what happened, as a table
%story plot [NAME]      pictures: tension, relations, acts
%story suggest ID       what this character would do
%story undo             back by one turn
%story retell           the last turn in other words
%story model [NAME]     what plays: offline, or provider:model; and what it cost
%story start | lock | pause | resume | cancel | accept | reroll
%story close            stop hosting and leave
%%act CHARACTER         the body is what they do: words (search cellar) or lines (kind: search)"""

DIRECTING: Final = ("start", "lock", "cancel", "pause", "resume", "accept", "reroll")
WORDS: Final = (
    *"open join turn people state log plot suggest undo retell model close help".split(),
    *DIRECTING,
)
"""What `%story` knows."""


def awaiting(lines: list[str]) -> list[str]:
    """An input transformer: our magics are awaited."""
    return [OURS.sub(r"await get_ipython().run_\1_magic('\2',", line) for line in lines]


@magics_class
class StoryMagics(Magics):
    """The story that is open is `story` in the notebook, whoever put it there."""

    @line_magic
    async def story(self, line: str) -> object:
        """`%story` alone says what there is; `%story help` what can be said."""
        word, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        if word in ("open", "join"):
            if not rest:
                raise ValueError(f"%story {word} what?\n\n{HELP}")
            found = await (api.open(rest) if word == "open" else api.join(rest))
            self._names()["story"] = found
            return found
        if word == "help":
            return _Text(HELP)
        story = self._story()
        if word == "":
            return story
        if word == "turn":
            return await self._turns(story, rest)
        if word == "people":
            return _Text(_people(story))
        if word == "model":
            if rest:
                story.model = rest
            return _Text(f"{story.model}, {told(story.spent)} in this session")
        if word == "state":
            return _part(story, rest)
        if word == "log":
            return await story.load()
        if word == "plot":
            return story.plot(rest or None)
        if word == "suggest":
            if not rest:
                raise ValueError(f"%story suggest whom?\n\n{HELP}")
            return _Text(str(await story.suggest(rest)))
        deeds: dict[str, Callable[[], Awaitable[object]]] = {
            "undo": story.undo,
            "retell": story.retell,
            "close": story.close,
        }
        if word in deeds:
            await deeds[word]()
        elif word in DIRECTING:
            await story.direct(word)
        else:
            raise ValueError(f"%story does not know {word!r}\n\n{HELP}")
        return None

    @cell_magic
    async def act(self, line: str, cell: str) -> object:
        """`%%act mara`, and below it what she does."""
        character = line.strip()
        if not character:
            raise ValueError(f"%%act whom?\n\n{HELP}")
        ack = await self._story().act(character, cell.strip())
        return _Text(f"{character}: {ack.outcome}")

    def _names(self) -> dict[str, Any]:
        """The notebook's variables."""
        shell: Any = self.shell
        names: dict[str, Any] = shell.user_ns
        return names

    def _show(self, turn: Turn) -> None:
        """Show a turn before the cell is done."""
        shell: Any = self.shell
        shell.display_pub.publish(*shell.display_formatter.format(turn))

    def _story(self) -> Story:
        found = self._names().get("story")
        if not isinstance(found, Story):
            raise ValueError(f"no story is open yet\n\n{HELP}")
        return found

    async def _turns(self, story: Story, count: str) -> Turn | None:
        turn: Turn | None = None
        for left in range(int(count or 1), 0, -1):
            turn = await story.turn()
            if story.phase == "ended":
                break
            if left > 1:
                self._show(turn)
        return turn


class _Text:
    """Text that shows as it is, not as a quoted string."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _people(story: Story) -> str:
    seats: Any = story.state["seats"]
    lines = []
    for id, seat in sorted(seats.items()):
        who = seat["owner"] or "the storyteller"
        lines.append(f"{id}: {seat['name']}, played by {who}{' (understudy)' if seat['understudy'] else ''}")
    here = ", ".join(sorted(user["name"] for user in story.handle.replica.presence.values()))
    return "\n".join([*lines, f"here now: {here or 'nobody'}"])


def _part(story: Story, path: str) -> Any:
    found: Any = story.state
    for token in [token for token in path.strip("/").split("/") if token]:
        if not isinstance(found, dict) or token not in found:
            raise ValueError(f"there is nothing at {path!r}")
        found = found[token]
    return found


MATCHER_SLOT: Final = "_novel_jupyter_matcher"


def load(shell: InteractiveShell) -> None:
    """`%load_ext novel_jupyter`: the magics, and what the Tab key offers."""
    shell.register_magics(StoryMagics(shell))
    if awaiting not in shell.input_transformers_post:
        shell.input_transformers_post.append(awaiting)
    held: Any = shell
    if getattr(held, MATCHER_SLOT, None) is None:
        matcher = matcher_of(StoryCompleter(lambda: held.user_ns, WORDS))
        setattr(held, MATCHER_SLOT, matcher)
        held.Completer.custom_matchers.append(matcher)


def unload(shell: InteractiveShell) -> None:
    """`%unload_ext novel_jupyter`."""
    if awaiting in shell.input_transformers_post:
        shell.input_transformers_post.remove(awaiting)
    held: Any = shell
    matcher = getattr(held, MATCHER_SLOT, None)
    if matcher in held.Completer.custom_matchers:
        held.Completer.custom_matchers.remove(matcher)
    setattr(held, MATCHER_SLOT, None)
