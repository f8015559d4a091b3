"""Everything random here comes from one seed, which the report shows.

Law: a run is repeated by its seed: `make chaos SEED=… MINUTES=…`. Without `NOVEL_CHAOS_MINUTES` the short
form runs, which is part of every test run and always has the same seed.
Parts: `Chaos` (what a test may ask), its fixture.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

SHORT_SEED = "20260101"


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
