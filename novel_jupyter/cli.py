"""The command line: `novel-jupyter demo`, `validate`.

Law: thin. What a command does stands in a module of its own; a mistake of the caller ends with one clear
line and exit 2.
Parts: `main`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import __version__


def _demo(options: argparse.Namespace) -> int:
    from .demo import run_demo
    from .story.loader import StoryError, load_story

    if options.story is not None:
        try:
            load_story(options.story.read_bytes(), options.story.name)
        except (StoryError, OSError) as error:
            print(error, file=sys.stderr)
            return 2
    return run_demo(
        seed=options.seed,
        turns=options.turns,
        story_file=options.story,
        as_json=options.json,
        keep=options.keep,
    )


def _validate(options: argparse.Namespace) -> int:
    from .story.loader import StoryError, load_story

    for path in options.files:
        try:
            story = load_story(path.read_bytes(), path.name)
        except (StoryError, OSError) as error:
            print(error, file=sys.stderr)
            return 1
        print(f"{path.name}: {story.title}, {len(story.characters)} characters, {len(story.endings)} endings")
    return 0


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("a whole number from 1")
    return number


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="novel-jupyter", description="Multiplayer story sessions for Jupyter."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)

    demo = commands.add_parser("demo", help="play a story to its end on a real server and a real kernel")
    demo.add_argument(
        "--turns", type=_at_least_one, default=40, help="stop after this many turns (default 40)"
    )
    demo.add_argument("--seed", type=int, default=7, help="the same seed plays the same story (default 7)")
    demo.add_argument("--story", type=Path, help="a story file (YAML) instead of the bundled one")
    demo.add_argument("--json", action="store_true", help="print only the summary, as JSON")
    demo.add_argument("--keep", action="store_true", help="leave the server up and print its URL")
    demo.set_defaults(run=_demo)

    validate = commands.add_parser("validate", help="say where story files are wrong")
    validate.add_argument("files", type=Path, nargs="+")
    validate.set_defaults(run=_validate)

    options = parser.parse_args(arguments)
    code: int = options.run(options)
    return code


if __name__ == "__main__":
    sys.exit(main())
