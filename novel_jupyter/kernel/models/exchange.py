"""One question to a model and what came of it: what the log keeps, sealed, so that nobody pays twice.

Law: the same question has the same key on every host. What is kept says everything that replay needs (the
answer, or in one word why there is none) and nothing that a provider's library knows besides.
Parts: `Question`, `Exchange`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, cast

from pydantic import JsonValue

from novel_jupyter.story.turn import Usage


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `options` are the only answers; none of them: prose is wanted."""

    agent: str
    task: str
    model: str
    system: str
    prompt: str
    options: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Equal for equal questions."""
        asked = [self.agent, self.task, self.model, self.system, self.prompt, *self.options]
        return blake2b(json.dumps(asked).encode(), digest_size=16).hexdigest()

    @property
    def size(self) -> int:
        """Tokens of it, estimated from above: few scripts need more than a token for two bytes."""
        return len((self.system + self.prompt).encode()) // 2 + 16 * len(self.options) + 64


@dataclass(slots=True)
class Exchange:
    """`replies`: what the model said, attempt by attempt; `answer`: what was taken from it, None if nothing.

    `problem`: why the offline rules stand in, in one word.
    """

    question: Question
    replies: list[str] = field(default_factory=list)
    answer: JsonValue = None
    problem: str | None = None
    usage: Usage = field(default_factory=Usage)

    def to_json(self) -> dict[str, JsonValue]:
        asked = self.question
        return {
            "agent": asked.agent,
            "task": asked.task,
            "model": asked.model,
            "request": {"system": asked.system, "prompt": asked.prompt, "options": list(asked.options)},
            "replies": list(self.replies),
            "answer": self.answer,
            "problem": self.problem,
            "usage": self.usage.to_json(),
        }

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> Exchange:
        """The exchange that `to_json` made. Raises KeyError or TypeError for anything else."""
        asked = raw["request"]
        return Exchange(
            Question(
                raw["agent"],
                raw["task"],
                raw["model"],
                asked["system"],
                asked["prompt"],
                tuple(asked["options"]),
            ),
            list(raw["replies"]),
            cast(JsonValue, raw["answer"]),
            raw["problem"],
            Usage(**raw["usage"]),
        )
