"""One request of the server, as the agents are given it: the input of a turn, the record of one.

Law: what the agents see is the state that the replica has reached when they begin, and the answer says which
it was; what a request asks for is current or it is not, told from the state alone.
Parts: `Request` (typed reading of a `turn_request`), `is_current`, `HostSession`, `CHRONICLE` (what a result
keeps for whoever tells the turn).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from pydantic import JsonValue

from novel_jupyter.core.model import State
from novel_jupyter.core.views import rules_of
from novel_jupyter.story.turn import Proposal, TurnInput, TurnOutcome, TurnRecord

CHRONICLE: Final = "chronicle"
"""The kind of the record, beside a result, that its chronicler reads."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the holder of the lease is asked to do. `data` is the `turn_request` as it came."""

    data: Mapping[str, Any]

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for two requests that ask for the same."""
        return tuple(self.data.get(name) for name in ("task", "turn", "attempt", "branch", "token", "node"))

    @property
    def task(self) -> str:
        """`resolve` or `narrate`."""
        return str(self.data["task"])

    @property
    def fence(self) -> dict[str, JsonValue]:
        """What every message about this turn carries."""
        return {name: self.data[name] for name in ("turn", "attempt", "token")}

    def is_current(self, state: State, me: str) -> bool:
        """Whether the state, as `me` sees it now, asks for this."""
        if "host" not in state or "turn" not in state:
            return False
        host, turn = rules_of(state)["host"], rules_of(state)["turn"]
        if host["holder"] != me or host["token"] != self.data["token"]:
            return False
        if self.task == "narrate":
            return turn["phase"] == "narrating" and turn["node"] == self.data["node"]
        here = (turn["number"], turn["attempt"], turn["branch"])
        asked = (self.data["turn"], self.data["attempt"], self.data["branch"])
        return turn["phase"] == "resolving" and here == asked

    def record(self) -> TurnRecord:
        """What the chronicler needs, as the result kept it. Raises LookupError if it kept none."""
        kept = [raw["record"] for raw in self.data.get("records", []) if raw.get("kind") == CHRONICLE]
        if not kept:
            raise LookupError("no record of this turn was kept")
        return TurnRecord.from_json(kept[-1])


class HostSession:
    """What agents need of a session (`story.turn.Session`), for one request on one state."""

    def __init__(self, request: Request, state: State) -> None:
        self._request = request
        self._state = state
        self.proposals: dict[str, Proposal] = {
            character: Proposal(raw["action"], raw["user_id"])
            for character, raw in request.data.get("proposals", {}).items()
        }

    def character_of(self, user: str, action: Mapping[str, JsonValue]) -> str | None:
        """For whom this user proposed this."""
        for character, proposal in self.proposals.items():
            if proposal.user_id == user and proposal.action == action:
                return character
        return None

    def turn_input(self, proposals: Mapping[str, Proposal], *, immediate: bool = False) -> TurnInput:
        data = self._request.data
        agents = frozenset(cast("list[str]", data.get("agents", [])))
        seats = rules_of(self._state)["seats"]
        return TurnInput(
            state=self._state,
            turn=data["turn"],
            attempt=data["attempt"],
            branch=data["branch"],
            seed=data["seed"],
            proposals=proposals,
            agents=agents,
            understudies=frozenset(c for c in agents if c in seats and seats[c]["owner"] is not None),
            immediate=immediate,
        )

    def turn_record(self, turn: int) -> TurnRecord:
        if turn != self._request.data["turn"]:
            raise KeyError(turn)
        return self._request.record()


def result_of(outcome: TurnOutcome, request: Request, base: int) -> dict[str, JsonValue]:
    """The `turn_result` of an outcome that was made on the state at `base`."""
    kept: JsonValue = {"kind": CHRONICLE, "record": outcome.record.to_json()}
    wire = outcome.to_wire(token=request.data["token"], base=base)
    return {"kind": "turn_result", **wire, **request.fence, "records": [kept]}
