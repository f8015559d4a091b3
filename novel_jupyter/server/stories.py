"""The stories that this server offers, and what it lets pass as an action.

Law: the server reads stories as data; it never runs the engine. A story that cannot be read is refused with
file, line and what was expected. Reading one takes a twentieth of a second and more: it is kept, and callers
read in a thread.
Parts: `Stories`. Its methods import `engine`, which loads with the first story.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue, ValidationError

from novel_jupyter.core.errors import Refused
from novel_jupyter.core.model import State
from novel_jupyter.core.opening import Opening

if TYPE_CHECKING:
    from .engine import Story


def _read_file(path: Path) -> Story:
    from . import engine

    return engine.load_story(path.read_bytes(), path.name)


class Stories:
    """Bundled stories and those in `folders` (`<name>.yaml`)."""

    def __init__(self, folders: list[Path]) -> None:
        self._folders = folders
        self._kept: dict[str, tuple[str, Story]] = {}
        """By name: what the story was read from (a file as it was at a moment), and the story."""

    def names(self) -> list[str]:
        from . import engine

        found = set(engine.bundled())
        for folder in self._folders:
            if folder.is_dir():
                found.update(path.stem for path in folder.glob("*.yaml"))
        return sorted(found)

    def listing(self) -> list[dict[str, JsonValue]]:
        """What a person needs to choose; stories that cannot be read say why."""
        from . import engine

        entries: list[dict[str, JsonValue]] = []
        for name in self.names():
            try:
                story = self._read(name)
            except engine.StoryError as error:
                entries.append({"name": name, "error": str(error)})
                continue
            people: list[JsonValue] = [
                {"id": id, "name": c.name, "playable": c.playable} for id, c in story.characters.items()
            ]
            entries.append(
                {"name": name, "title": story.title, "premise": story.premise, "characters": people}
            )
        return entries

    def _read(self, name: str) -> Story:
        from . import engine

        for folder in self._folders:
            path = folder / f"{name}.yaml"
            # The name came from a client: only a file of the folder itself will do.
            if path.parent == folder and path.name == Path(path.name).name and path.is_file():
                stamp = path.stat()
                source = f"{path} {stamp.st_mtime_ns} {stamp.st_size}"
                return self._keep(name, source, partial(_read_file, path))
        return self._keep(name, "bundled", partial(engine.load_bundled, name))

    def _keep(self, name: str, source: str, read: Callable[[], Story]) -> Story:
        kept = self._kept.get(name)
        if kept is None or kept[0] != source:
            kept = self._kept[name] = (source, read())
        return kept[1]

    def opening(self, name: str | None, text: str | None) -> Opening:
        """What a session of the story begins with. Raises StoryError."""
        from . import engine

        story = self._read(name or "") if text is None else engine.load_story(text, "story.yaml")
        people = {id: (character.name, character.playable) for id, character in story.characters.items()}
        partitions = engine.initial_state(story)
        return Opening(story.id, story.title, partitions, people, dict(engine.strategies(story)))

    def check_action(self, action: Mapping[str, JsonValue]) -> None:
        """Raises Refused `bad_action` for what is no action of the engine, naming the field."""
        from . import engine

        try:
            engine.parse_action(dict(action))
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])[:100]
            raise Refused(
                "bad_action", f"action{'.' + where if where else ''}: {first['msg'][:200]}"
            ) from None

    def check_story(self, before: State, after: State, partitions: frozenset[str]) -> None:
        """Raises Refused `bad_value` for an edit after which no agent could play on."""
        from . import engine

        for partition in sorted(partitions):
            problem = engine.misfit(before, after, partition)
            if problem:
                raise Refused("bad_value", problem[:300])
