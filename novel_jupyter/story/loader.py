"""Reads story files, and says where one is wrong.

Law: a file is data and cannot do anything: no tags, no aliases, bounded size and depth. Every problem names
the file, the line and what was expected; the first few are told together. `StoryError` is the only
exception.
Parts: `StoryError`, `load_story`, the bundled stories; below, a small YAML reader that keeps line numbers,
and the words for what pydantic found.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import resources
from typing import Final, Protocol, TypeAlias, get_args

import yaml
from pydantic import BaseModel, JsonValue, ValidationError
from pydantic_core import ErrorDetails

from .check import Finding, find_problems
from .schema import Story

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 16
MAX_PROBLEMS: Final = 20
Loc: TypeAlias = tuple[str | int, ...]

_STORIES = "stories"
_NAME = re.compile(r"^[a-z][a-z0-9_-]{0,63}$")
_INT = re.compile(r"^[-+]?[0-9]{1,15}$")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `line` and `column` count from 1; `where` is a dotted path into the file, or
    empty.
    """

    line: int
    where: str
    message: str
    column: int = 1

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        return f"line {self.line}, column {self.column}: {where}{self.message}"


class StoryError(ValueError):
    """A story file cannot be used. `str()` names the file, and for each problem its line and what was
    expected.
    """

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))
        shown = self.problems[:MAX_PROBLEMS]
        lines = [f"{source}, {problem}" for problem in shown]
        if len(self.problems) > len(shown):
            lines.append(f"… and {len(self.problems) - len(shown)} more")
        super().__init__("\n".join(lines))


def load_story(text: str | bytes, source_name: str) -> Story:
    """The story in `text` (YAML). `source_name` is what messages call the file. Raises StoryError."""
    size = len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise StoryError(
            source_name, [Problem(1, "", f"the file has {size} bytes; expected at most {MAX_BYTES}")]
        )
    try:
        content = text.decode("utf-8") if isinstance(text, bytes) else text
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1 if isinstance(text, bytes) else 1
        raise StoryError(source_name, [Problem(line, "", "expected UTF-8 text")]) from None
    document = _Document(source_name)
    data = document.read(content)
    try:
        story = Story.model_validate(data)
    except ValidationError as error:
        found = [_explain(detail) for detail in error.errors(include_url=False)]
        wrong = [document.problem(loc, message) for loc, message in found]
        raise StoryError(source_name, [*document.twice, *wrong]) from None
    findings: list[Finding] = find_problems(story)
    problems = [*document.twice, *(document.problem(loc, message) for loc, message in findings)]
    if problems:
        raise StoryError(source_name, problems)
    return story


def bundled() -> list[str]:
    """The names of the stories that come with the package, sorted."""
    folder = resources.files(__package__) / _STORIES
    return sorted(
        entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")
    )


def load_bundled(name: str) -> Story:
    """A story that comes with the package. Raises StoryError, also if there is none of that name."""
    file = f"{name[:64]}.yaml"
    if not _NAME.match(name) or name not in bundled():
        hint = _did_you_mean(name, bundled())
        raise StoryError(
            file, [Problem(1, "", f"there is no such story; expected one of {', '.join(bundled())}{hint}")]
        )
    return load_story((resources.files(__package__) / _STORIES / file).read_bytes(), file)


class _Document:
    """YAML as plain values, with the line and column of every value."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.places: dict[Loc, tuple[int, int]] = {(): (1, 1)}
        self.twice: list[Problem] = []
        """Keys that stand twice; the first one counts."""

    def read(self, text: str) -> JsonValue:
        try:
            self._scan(text)
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            what = " ".join(part for part in (error.context, error.problem) if part)
            raise self._error(_at(error.problem_mark or error.context_mark), f"not YAML: {what}") from None
        except yaml.reader.ReaderError as error:
            line = text[: error.position].count("\n") + 1
            place = line, error.position - text.rfind("\n", 0, error.position)
            raise self._error(place, "a character that YAML does not allow; expected plain text") from None
        except yaml.YAMLError:
            raise self._error((1, 1), "not YAML") from None
        if root is None:
            raise self._error((1, 1), "the file is empty; expected a story with id, title, premise, …")
        return self._value(root, ())

    def problem(self, loc: Loc, message: str) -> Problem:
        """`message` at the line of `loc`, or of the nearest part of it that stands in the file."""
        known = tuple(part for part in loc)
        # pydantic puts the tag of a union into the path; the file has no such level.
        path: Loc = ()
        for part in known:
            if (*path, part) in self.places:
                path = (*path, part)
        line, column = self.places[path]
        return Problem(line, ".".join(str(part) for part in loc if part != "[key]"), message, column)

    def _error(self, place: tuple[int, int], message: str) -> StoryError:
        return StoryError(self.source, [Problem(place[0], "", message, place[1])])

    def _scan(self, text: str) -> None:
        """Refuse, before anything is built, what could be large or deep when built."""
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            place = _at(event.start_mark)
            if isinstance(event, yaml.AliasEvent):
                raise self._error(place, f"an alias (*{event.anchor}); expected the text itself, repeated")
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    raise self._error(place, f"nested too deep; expected at most {MAX_DEPTH} levels")
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            tag = getattr(event, "tag", None)
            if tag is not None:
                raise self._error(place, f"a tag ({tag}); expected plain values")

    def _value(self, node: yaml.Node, loc: Loc) -> JsonValue:
        # setdefault: a key's own line was noted already, and is the better one for a value on the next lines.
        self.places.setdefault(loc, _at(node.start_mark))
        if isinstance(node, yaml.MappingNode):
            found: dict[JsonValue, JsonValue] = {}
            for key_node, value_node in node.value:
                place = _at(key_node.start_mark)
                if not isinstance(key_node, yaml.ScalarNode):
                    raise self._error(place, "a key that is not a word; expected a name")
                key = _scalar(key_node)
                name = key if isinstance(key, int) and not isinstance(key, bool) else str(key_node.value)
                if name in found:
                    first, where = self.places[(*loc, name)][0], ".".join(map(str, (*loc, name)))
                    message = f"stands twice (first in line {first}); expected it once"
                    self.twice.append(Problem(place[0], where, message, place[1]))
                    continue
                self.places[(*loc, name)] = place
                found[name] = self._value(value_node, (*loc, name))
            return found  # type: ignore[return-value]  # integer keys exist only where the schema has them
        if isinstance(node, yaml.SequenceNode):
            return [self._value(child, (*loc, index)) for index, child in enumerate(node.value)]
        return _scalar(node)


class _Mark(Protocol):
    line: int
    column: int


def _at(mark: _Mark | None) -> tuple[int, int]:
    """Line and column of a mark, from 1."""
    return (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)


def _scalar(node: yaml.Node) -> JsonValue:
    """Only what looks like it is an integer, a boolean or null: `no` and `12:30` are words."""
    text = str(node.value)
    if node.style is not None:  # type: ignore[attr-defined]  # PyYAML's stubs leave it out of Node
        return text
    if _INT.match(text):
        return int(text)
    return {"true": True, "false": False, "null": None, "~": None, "": None}.get(text, text)


def _did_you_mean(word: str, words: Sequence[str]) -> str:
    close = get_close_matches(word, words, n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _explain(detail: ErrorDetails) -> tuple[Loc, str]:
    """One of pydantic's findings in the words of a story file."""
    loc, kind, given = tuple(detail["loc"]), detail["type"], detail["input"]
    ctx = detail.get("ctx", {})
    shown = "nothing" if given is None else repr(given)[:60]
    if kind == "extra_forbidden":
        fields = _fields_at(loc[:-1])
        hint = _did_you_mean(str(loc[-1]), fields)
        return loc, f"an unknown key; expected one of {', '.join(fields)}{hint}"
    if kind == "missing":
        return loc[:-1], f"{loc[-1]!r} is missing; expected it here"
    if kind == "literal_error":
        options = str(ctx.get("expected", ""))
        hint = _did_you_mean(str(given), re.findall(r"'([^']+)'", options))
        return loc, f"expected {options}, found {shown}{hint}"
    if kind in ("int_type", "greater_than_equal", "less_than_equal"):
        bound = {
            "greater_than_equal": f" of at least {ctx.get('ge')}",
            "less_than_equal": f" of at most {ctx.get('le')}",
        }
        return loc, f"expected a whole number{bound.get(kind, '')}, found {shown}"
    if kind == "string_pattern_mismatch":
        return (
            loc,
            f"expected a name of small letters, digits and '_' that begins with a letter, found {shown}",
        )
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return loc, f"expected keys with values, found {shown}"
    if kind == "list_type":
        return loc, f"expected a list, found {shown}"
    if kind == "string_type":
        return loc, f"expected text, found {shown}"
    if kind == "bool_type":
        return loc, f"expected true or false, found {shown}"
    if kind == "union_tag_invalid":
        hint = _did_you_mean(
            str(ctx.get("tag", "")), re.findall(r"'([^']+)'", str(ctx.get("expected_tags", "")))
        )
        return loc, f"expected a kind of {ctx.get('expected_tags')}, found {ctx.get('tag')!r}{hint}"
    if kind == "union_tag_not_found":
        return loc, "'kind' is missing; expected it here"
    return loc, f"{detail['msg'].lower()}, found {shown}"


def _fields_at(loc: Loc) -> list[str]:
    """The keys that the schema has at a place in the file."""
    found: list[object] = [Story]
    for part in loc:
        step: list[object] = []
        for annotation in found:
            for model in _models(annotation):
                if part in model.model_fields:
                    step.append(model.model_fields[part].annotation)
        # A part that is no field is an element of a collection, or a union's tag: look through it.
        if step:
            found = step
    return sorted(
        {name for annotation in found for model in _models(annotation) for name in model.model_fields}
    )


def _models(annotation: object) -> list[type[BaseModel]]:
    """The models anywhere in a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models(argument)]
