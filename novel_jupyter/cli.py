"""The command line: `novel-jupyter demo`, `validate`, `migrate`, `doctor`, `bench`.

Law: thin. What a command does stands in a module of its own; a mistake of the caller ends with one clear
line and exit 2.
Parts: `main`.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from . import __version__
from .bench.options import add_bench_commands
from .cli_story import add_story_commands


def _demo(options: argparse.Namespace) -> int:
    from .demo import run_demo
    from .story.loader import StoryError, bundled, load_story

    name: str = options.story
    file = None if name in bundled() else Path(name)
    if file is not None:
        try:
            load_story(file.read_bytes(), file.name)
        except (StoryError, OSError) as error:
            print(f"{error}; bundled stories are {', '.join(bundled())}", file=sys.stderr)
            return 2
    return run_demo(
        seed=options.seed,
        turns=options.turns,
        story=name,
        story_file=file,
        as_json=options.json,
        keep=options.keep,
    )


def _warn(text: str) -> None:
    print(text, file=sys.stderr)


def _migrate(options: argparse.Namespace) -> int:
    from .migrate import run_migrate

    return run_migrate(
        options.source,
        options.target,
        only=options.only,
        dry_run=options.dry_run,
        as_json=options.json,
        say=print,
        warn=_warn,
    )


def _doctor(options: argparse.Namespace) -> int:
    from .doctor import run_doctor

    return run_doctor(options.store, options.sessions, as_json=options.json, say=print, warn=_warn)


def _bench_servers(options: argparse.Namespace) -> int:
    from .bench.servers_command import run_bench_servers

    return run_bench_servers(
        options.store, quick=options.quick, rate=options.rate, as_json=options.json, say=print, warn=_warn
    )


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
    demo.add_argument(
        "--story",
        default="lighthouse",
        metavar="NAME|FILE",
        help="a bundled story, or a story file (YAML) (default lighthouse)",
    )
    demo.add_argument("--json", action="store_true", help="print only the summary, as JSON")
    demo.add_argument("--keep", action="store_true", help="leave the server up and print its URL")
    demo.set_defaults(run=_demo)

    add_story_commands(commands)

    migrate = commands.add_parser(
        "migrate",
        help="copy every session to another store, intact, and prove it",
        description="A store is a URL, or `env` for the one in NOVEL_JUPYTER_STORE, or `env:NAME`. Run "
        "again, it goes on where it was; what differs in the other store is left alone.",
    )
    migrate.add_argument("source", metavar="FROM", help="sqlite:///…, redis://…, redis+cluster://…, env")
    migrate.add_argument("target", metavar="TO", help="likewise")
    migrate.add_argument("--only", metavar="ID", action="append", default=[], help="this session; repeatable")
    migrate.add_argument("--dry-run", action="store_true", help="only say what would be copied")
    migrate.add_argument("--json", action="store_true", help="print one JSON object")
    migrate.set_defaults(run=_migrate)

    doctor = commands.add_parser(
        "doctor", help="show a store's servers, sessions, lag and leases, and what is wrong with it"
    )
    doctor.add_argument(
        "--store",
        metavar="URL",
        help="also `env:NAME`; default: NOVEL_JUPYTER_STORE, else Jupyter's data folder",
    )
    doctor.add_argument(
        "--sessions", type=_at_least_one, default=20, help="the latest so many (default 20)", metavar="N"
    )
    doctor.add_argument("--json", action="store_true", help="print one JSON object")
    doctor.set_defaults(run=_doctor)

    bench = commands.add_parser("bench", help="measure, beside a reference in the same run")
    benches = bench.add_subparsers(dest="bench", required=True)
    servers = benches.add_parser(
        "servers", help="one server and two: latency, appends a second, a crowd (some minutes)"
    )
    servers.add_argument(
        "--store",
        metavar="URL",
        action="append",
        default=[],
        help="also `env:NAME`; repeatable; gets new sessions. Default: a Redis and a Cluster that it starts",
    )
    servers.add_argument("--rate", type=float, help="commands a second of the crowd (default 100)")
    servers.add_argument(
        "--quick", action="store_true", help="seconds instead of minutes; the figures mean little"
    )
    servers.add_argument("--json", action="store_true", help="print one JSON object")
    servers.set_defaults(run=_bench_servers)
    add_bench_commands(benches)

    options = parser.parse_args(arguments)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has read enough (`| head`); Python would complain once more at its own end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


if __name__ == "__main__":
    sys.exit(main())
