"""`novel-jupyter bench <workload>`: what runs, and how it ends.

Law: whatever happens, also Ctrl-C, every process that was started is ended.
Parts: `RUNS`, `run_bench`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from . import sizes, storms, workloads
from .interrupts import heard
from .machine import Split, described
from .options import WORKLOADS, Options
from .person import BenchError
from .plan import Result, Run
from .report import as_json, picture, table

RUNS: Final[Mapping[str, Callable[[Run], Result | list[Result]]]] = {
    "relay": workloads.relay,
    "edits": workloads.edits,
    "cursors": workloads.cursors,
    "mixed": workloads.mixed,
    "join": storms.join,
    "reconnect": storms.reconnect,
    "huge": workloads.huge,
    "many": workloads.many,
    "slow": workloads.slow,
    "history": storms.history,
    "memory": sizes.memory,
    "start": sizes.start,
}


def run_bench(
    names: list[str],
    options: Options,
    *,
    json_file: Path | None,
    svg_file: Path | None,
    say: Callable[[str], None],
    tell: Callable[[str], None],
) -> int:
    """Run workloads and report; the exit code. `tell` hears of progress."""
    split = Split.of_this_machine()
    machine = described(split)
    results: list[Result] = []
    code = 0
    with heard(), TemporaryDirectory(prefix="novel-bench-", ignore_cleanup_errors=True) as folder:
        run = Run(options, split, Path(folder), tell)
        for name in names:
            tell(f"{name}: {WORKLOADS[name]}")
            try:
                found = RUNS[name](run)
            except (BenchError, RuntimeError, OSError) as error:
                tell(f"{name}: the run is no good: {error}")
                code = 1
                continue
            except KeyboardInterrupt:
                tell("interrupted; everything that was started is ended")
                code = 130
                break
            results += found if isinstance(found, list) else [found]
    if json_file is not None:
        json_file.write_text(json.dumps(as_json(results, machine, options, run.skipped), indent=1))
    if svg_file is not None:
        svg_file.write_text(picture(results, machine), encoding="utf8")
    if results:
        say(table(results, machine, run.skipped))
    return code
