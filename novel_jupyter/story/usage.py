"""What made a turn or its prose, and what that cost.

Law: values only; nobody is charged here.
Parts: `Usage`, `MadeBy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class Usage:
    """What an agent cost: tokens, and US dollars. The offline storyteller costs nothing."""

    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.tokens_in + other.tokens_in, self.tokens_out + other.tokens_out, self.cost + other.cost
        )

    def __sub__(self, other: Usage) -> Usage:
        return Usage(
            self.tokens_in - other.tokens_in,
            self.tokens_out - other.tokens_out,
            max(0.0, round(self.cost - other.cost, 9)),
        )

    def to_json(self) -> dict[str, JsonValue]:
        return {"tokens_in": self.tokens_in, "tokens_out": self.tokens_out, "cost": self.cost}


@dataclass(frozen=True, slots=True)
class MadeBy:
    """What made a turn or its prose. `fallback`: the offline rules stood in for something else."""

    engine: str
    model: str | None = None
    fallback: bool = False
    agents: Mapping[str, Usage] = field(default_factory=dict)
    classes: Mapping[str, str] = field(default_factory=dict)
    """Those of `agents` that are a notebook's own: the names of their classes."""

    def to_json(self) -> dict[str, JsonValue]:
        agents: dict[str, JsonValue] = {}
        for name, usage in sorted(self.agents.items()):
            own: dict[str, JsonValue] = {"agent": self.classes[name][:120]} if name in self.classes else {}
            agents[name] = usage.to_json() | own
        return {
            "engine": self.engine,
            "model": self.model,
            "fallback": self.fallback,
            "agents": agents,
        }
