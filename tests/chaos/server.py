"""A real server with something to break in it.

Law: it is `testing.ServerProcess`, and a configuration file beside its own that calls `inside.install`.
Parts: `BrokenServer`, `figures` (what it says of itself).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import psutil

from novel_jupyter.testing import ServerProcess

TESTS = Path(__file__).parents[1]
FAST: Mapping[str, object] = {
    "NovelApp.commands_per_second": 5000,
    "NovelApp.commands_burst": 5000,
    "NovelApp.frames_per_second": 20000,
    "NovelApp.frames_burst": 20000,
    "NovelApp.presence_grace": 2.0,
    "NovelApp.snapshot_every": 20,
    "NovelApp.head_check": 0.5,
    "NovelApp.node_beat": 0.3,
}
"""Nobody is slowed down, and what is rare happens often."""


class BrokenServer(ServerProcess):
    """`start(step=…, at=…)`: it ends itself there, and `ended` waits for it."""

    def __init__(
        self, root: Path, people: Iterable[str], traits: Mapping[str, object] | None = None, **plan: Any
    ) -> None:
        super().__init__(root, people, {**FAST, **(traits or {})})
        self.plan = plan

        self.clock = Path(plan["clock"]) if "clock" in plan else root / "clock"
        self.clock.write_text("0")

    def environment(self) -> dict[str, str]:
        here = super().environment()
        return {**here, "PYTHONPATH": os.pathsep.join(filter(None, [here.get("PYTHONPATH"), str(TESTS)]))}

    def start(self, timeout: float = 60.0, **plan: Any) -> Self:
        """`plan` is for `inside.install`, for this start alone."""
        told = {**self.plan, **plan}
        path = self.root / "config" / "jupyter_server_config.py"
        path.write_text(f"from chaos import inside\n\ninside.install(**{told!r})\n")
        return super().start(timeout)

    def ended(self, timeout: float = 60.0) -> int:
        """Return when the process has ended: its exit status. Raises subprocess.TimeoutExpired."""
        assert self._process is not None
        return self._process.wait(timeout)

    def jump(self, seconds: float) -> None:
        """From now on the wall clock is wrong by so much. It needs `clock` in the plan."""
        self.clock.write_text(str(seconds))

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.database}"

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.pid)
