"""Everything random here comes from one seed, which the report shows.

Law: a run is repeated by its seed: `make chaos SEED=… MINUTES=…`. Without `NOVEL_CHAOS_MINUTES` the short
form runs, which is part of every test run and always has the same seed.
Parts: `Chaos` (what a test may ask), its fixture; `lasting`, a server that is hurt but never killed.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from chaos.server import BrokenServer

SHORT_SEED = "20260101"
PEOPLE = ("ada", "ben", "cleo", "dan")


@dataclass(frozen=True, slots=True)
class Chaos:
    """`minutes` is 0 in the short form."""

    seed: str
    minutes: float
    name: str

    @property
    def rng(self) -> random.Random:
        return random.Random(f"{self.seed}/{self.name}")

    @property
    def is_long(self) -> bool:
        return self.minutes > 0


@pytest.fixture
def chaos(request: pytest.FixtureRequest, figure: Callable[[str], None]) -> Chaos:
    seed = os.environ.get("NOVEL_CHAOS_SEED") or SHORT_SEED
    figure(f"seed {seed}")
    return Chaos(seed, float(os.environ.get("NOVEL_CHAOS_MINUTES") or 0), request.node.name)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    """On SQLite. It gives up soon: on a lock that another holds, on who is silent or does not read."""
    folder = tmp_path_factory.mktemp("lasting")
    traits = {
        "NovelApp.ping_interval": 0.3,
        "NovelApp.pong_timeout": 1.5,
        "NovelApp.stall_timeout": 0.7,
        "NovelApp.presence_grace": 0.3,
    }
    people = (*PEOPLE, "stalled", "fuzzer")
    with BrokenServer(folder, people, traits, clock=str(folder / "clock"), busy_timeout=0.2) as server:
        yield server
