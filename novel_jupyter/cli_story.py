"""The commands about story files: `validate`, `new`, `schema`, `eval`.

Law: as `cli`, of which this is a part: thin, and a mistake of the caller ends with one clear line and exit 2.
Parts: `add_story_commands`, and one function for each command.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .story.schema import Story


def _validate(options: argparse.Namespace) -> int:
    from .story.loader import StoryError, load_story

    code = 0
    for path in options.files:
        try:
            story = load_story(path.read_bytes(), path.name)
        except (StoryError, OSError) as error:
            print(error, file=sys.stderr)
            code = 1
            continue
        print(f"{path.name}: {story.title}, {len(story.characters)} characters, {len(story.endings)} endings")
    return code


def _new(options: argparse.Namespace) -> int:
    from .story.writing import SCHEMA_FILE, schema_text, template

    name = str(options.name)
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", name):
        hint = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_0123456789")[:32] or "my_story"
        print(f"{name!r}: expected small letters, digits and '_', such as {hint!r}", file=sys.stderr)
        return 2
    path = options.folder / f"{name}.yaml"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(template(name))
        beside = options.folder / SCHEMA_FILE
        if not beside.exists():
            beside.write_text(schema_text(), "utf-8")
    except FileExistsError:
        print(f"{path} is there already, and stays as it is; choose another name", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{path}: {error.strerror}", file=sys.stderr)
        return 2
    print(f"{path}: a story to begin from, and {SCHEMA_FILE} beside it for editors")
    print(f"novel-jupyter eval {path} --seeds 50   plays it; docs/stories.md explains the format")
    return 0


def _schema(options: argparse.Namespace) -> int:
    from .story.writing import schema_text

    print(schema_text(), end="")
    return 0


def _eval(options: argparse.Namespace) -> int:
    from .eval import run_eval
    from .story.loader import bundled

    try:
        stories = [_story(str(name)) for name in options.stories or bundled()]
        codes = [
            run_eval(
                story,
                seeds=options.seeds,
                first=options.first,
                director=options.director,
                as_json=options.json,
                swap=not options.no_swap,
            )
            for story in stories
        ]
    except (ValueError, OSError) as error:  # a StoryError is a ValueError
        print(error, file=sys.stderr)
        return 2
    return max(codes)


def _story(name: str) -> Story:
    """A bundled story or a file. Raises StoryError and OSError."""
    from .story.loader import bundled, load_bundled, load_story

    if name in bundled() or not Path(name).exists():
        return load_bundled(name)
    return load_story(Path(name).read_bytes(), Path(name).name)


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("a whole number from 1")
    return number


def add_story_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Tell a parser of the commands about story files."""
    validate = commands.add_parser("validate", help="say where story files are wrong")
    validate.add_argument("files", type=Path, nargs="+")
    validate.set_defaults(run=_validate)

    new = commands.add_parser("new", help="write a commented story file to begin from; never overwrites")
    new.add_argument("name", metavar="NAME", help="the story's id; the file is NAME.yaml")
    new.add_argument("--folder", type=Path, default=Path(), help="where to (default: here)")
    new.set_defaults(run=_new)

    schema = commands.add_parser("schema", help="print the JSON Schema of story files, for editors")
    schema.set_defaults(run=_schema)

    measured = commands.add_parser(
        "eval",
        help="play a story many times with agents alone, and print how consistent and how various it is",
        description="The measures are defined in `novel_jupyter.eval_measures`: consistency and variety, not "
        "literary quality. Exit code 1 if a target is missed.",
    )
    measured.add_argument(
        "stories",
        nargs="*",
        metavar="STORY",
        help="a bundled story's name, or a story file; default: all bundled",
    )
    measured.add_argument("--seeds", type=_at_least_one, default=100, help="how many plays (default 100)")
    measured.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    measured.add_argument("--director", help="package.module:Class of the agents to measure")
    measured.add_argument("--json", action="store_true", help="print the figures as JSON")
    measured.add_argument("--no-swap", action="store_true", help="leave out the plays with swapped traits")
    measured.set_defaults(run=_eval)
