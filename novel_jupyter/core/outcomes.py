"""What came of a turn, as it stands in the log: outcomes, what made them and what that cost, sentences.

Law: as in `events`, of which these are a part.
Parts: `Outcome`, `AgentCost`, `MadeBy`, `Sentence`.
"""

from __future__ import annotations

from typing import Literal, NotRequired

from pydantic import JsonValue
from typing_extensions import TypedDict

from .model import AgentCost as AgentCost
from .model import Audience


class Outcome(TypedDict):
    """What came of one action. `id` is unique in its turn and is what a narrative's sentences cite."""

    id: str
    character: str
    action: dict[str, JsonValue]
    outcome: Literal["success", "cost", "complication", "failure", "refused"]
    reason: str
    by: Literal["player", "agent", "understudy", "director"]
    audience: Audience
    roll: NotRequired[dict[str, JsonValue]]
    facts: NotRequired[dict[str, JsonValue]]
    witnesses: NotRequired[list[str]]
    """Of an outcome for everyone: the seats whose characters saw it. Of seats, it is shown to these alone.
    Itself it is in no view but `all`: some of them may be hidden.
    """


class Spent(TypedDict):
    """What models have cost so far, calls under way not counted."""

    turn: AgentCost
    session: AgentCost


class MadeBy(TypedDict):
    """What made a turn or its prose. `cost` is in US dollars; 0 for the offline storyteller."""

    engine: str
    model: str | None
    fallback: bool
    agents: dict[str, AgentCost]


class Sentence(TypedDict):
    text: str
    events: list[str]
