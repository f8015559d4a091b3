"""What it costs to have people around, and to have the extension at all.

Law: memory is what the system says that the process has resident, before and after. Start-up is measured in
fresh processes.
Parts: `memory`, `start`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from .crew import Crew
from .loop import Member
from .machine import usage
from .orders import Stream
from .plan import Result, Row, Run, stands
from .targets import Ours, Target

IMPORT: Final = """
import time
began = time.perf_counter()
import jupyter_server.serverapp
between = time.perf_counter()
import novel_jupyter
novel_jupyter._jupyter_server_extension_points()
print(between - began, time.perf_counter() - between)
"""
KB: Final = 1000.0


def memory(run: Run) -> Result:
    """Idle connections, and sessions of ten with their state."""
    options = run.options
    count = options.sessions * options.people
    rows: list[Row] = []
    targets: list[Target] = [run.ours(), *run.references(["tornado", "seed", "socketio", "yjs"])]
    for target in targets:
        values: list[float] = []
        for _ in range(options.rounds):
            try:
                target.start()
                with Crew(run.split) as crew:
                    if isinstance(target, Ours):
                        names = [f"p{n}" for n in range(count)]
                        groups = [
                            [Member("", name, "", {"Authorization": f"token {target.token(name)}"})]
                            for name in names
                        ]
                    else:
                        groups = target.groups(options.sessions, options.people, False)
                    # What a server loads late, or keeps for a crowd of any size, is nobody's of the crowd.
                    first = max(1, len(groups) // 10)
                    crew.come(target.place, groups[:first])
                    time.sleep(options.warm)
                    before = usage(target.pid).memory
                    crew.come(target.place, groups[first:])
                    values.append((usage(target.pid).memory - before) / KB / sum(map(len, groups[first:])))
            finally:
                target.stop()
        rows.append(Row(target.name, "idle, connected", "KB a connection", values))
        run.say(f"  {target.name}: {rows[-1].value:.1f} KB a connection")
    rows.append(_sessions(run))
    return Result("memory", f"{count} connections, {options.sessions} sessions", rows)


def _sessions(run: Run) -> Row:
    """Each session with ten people in it who have all said something."""
    options, values = run.options, list[float]()
    for _ in range(options.rounds):
        with stands(run, [run.ours()], 1, host=False) as found:
            target, crew = found[0].target, found[0].crew
            before = usage(target.pid).memory
            crew.come(target.place, target.groups(options.sessions, options.people, False))
            streams = [Stream("e", "people", options.sessions * options.people / 2.0, options.size)]
            crew.measure(target.pid, streams, warm=0.0, seconds=2.0, drain=10.0)
            values.append((usage(target.pid).memory - before) / KB / options.sessions)
    row = Row(f"novel_jupyter, a session of {options.people}", "with its people", "KB a session", values)
    run.say(f"  a session of {options.people}: {row.value:.0f} KB")
    return row


def start(run: Run) -> Result:
    """What importing the extension adds to a Jupyter server that has imported itself.

    With bytecode, which `pip install` makes: a first run that does not count writes it.
    """
    base, added = list[float](), list[float]()
    with TemporaryDirectory() as cache:
        env = {**os.environ, "PYTHONPYCACHEPREFIX": cache, "PYTHONDONTWRITEBYTECODE": ""}
        runs = [_import(env) for _ in range(1 + max(5, run.options.rounds))]
    for done in runs[1:]:
        first, second = map(float, done.split())
        base.append(1e3 * first)
        added.append(1e3 * second)
    rows = [
        Row("novel_jupyter", "imported after the server", "ms", added),
        Row("jupyter_server itself", "imported", "ms", base),
    ]
    run.say(f"  the import adds {median(added):.0f} ms to {median(base):.0f}")
    return Result("start", "what importing the extension adds to a Jupyter server's start", rows)


def _import(env: Mapping[str, str]) -> str:
    command = [sys.executable, "-c", IMPORT]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout
