"""One request of the server, as the agents are given it: the input of a turn, the record of one.

Law: what the agents see is the state that the replica has reached when they begin, and the answer says which
it was; what a request asks for is current or it is not, told from the state alone.
Parts: `Request` (typed reading of a `turn_request`), `is_current`, `HostSession`, `CHRONICLE` (what a result
keeps for whoever tells the turn), `result_of`; `joined` and `named_apart` for turns of several parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from pydantic import JsonValue

from novel_jupyter.core.model import State
from novel_jupyter.core.views import rules_of
from novel_jupyter.story.turn import Proposal, StoryEvent, TurnInput, TurnOutcome, TurnRecord

CHRONICLE: Final = "chronicle"
"""The kind of the record, beside a result, that its chronicler reads."""
RECENT: Final = 8
"""Turns whose prose is not repeated."""


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
        """What the chronicler needs, as the results kept it: all parts of a turn that was not complete at
        once. Raises LookupError if none was kept.
        """
        kept = [raw["record"] for raw in self.data.get("records", []) if raw.get("kind") == CHRONICLE]
        if not kept:
            raise LookupError("no record of this turn was kept")
        return joined(TurnRecord.from_json(raw) for raw in kept)

    def record_in(self, state: State) -> TurnRecord:
        """`record`, with what a session knows beside it: how often it was told, what was told just before,
        and what happened so far. From the state alone, so a successor tells the same.
        """
        node, told = str(self.data["node"]), _entries(state.get("chronicle"))
        entry = told.get(node, {})
        before = _line(state, node)
        so_far = next((str(told[parent].get("so_far", "")) for parent in before if parent in told), "")
        return replace(
            self.record(),
            telling=int(entry.get("tellings", 1 if entry else 0)),
            recent=_prose(told, [node, *before[:RECENT]]),
            so_far=so_far,
        )

    def seat_recent(self, state: State, character: str) -> tuple[str, ...]:
        """What the player of a seat read last."""
        seat, node = state.get(f"seat:{character}"), str(self.data["node"])
        told = _entries(seat.get("chronicle")) if isinstance(seat, dict) else {}
        return _prose(told, [node, *_line(state, node)[:RECENT]])


class HostSession:
    """What agents need of a session (`story.session.Session`), for one request on one state."""

    def __init__(self, request: Request, state: State) -> None:
        self._request = request
        self._state = state
        self.proposals: dict[str, Proposal] = {
            character: Proposal(raw["action"], raw["user_id"], raw.get("overruled", False))
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


def _entries(chronicle: object) -> dict[str, dict[str, Any]]:
    return cast("dict[str, dict[str, Any]]", chronicle) if isinstance(chronicle, dict) else {}


def _prose(told: Mapping[str, Mapping[str, Any]], nodes: Sequence[str]) -> tuple[str, ...]:
    """The prose of some turns, the oldest first."""
    return tuple(str(told[node].get("narrative", "")) for node in reversed(nodes) if node in told)


def _line(state: State, node: str) -> list[str]:
    """The turns before a turn, the nearest first."""
    turns, line = rules_of(state)["turns"], list[str]()
    while node in turns and str(turns[node]["parent"]) not in line:
        node = str(turns[node]["parent"])
        line.append(node)
    return line


def joined(parts: Iterable[TurnRecord]) -> TurnRecord:
    """One record of a turn that was resolved in parts, in the order of time: the last part, with what
    happened in those before it.
    """
    *earlier, last = parts
    return replace(
        last,
        events=tuple(event for part in (*earlier, last) for event in part.events),
        asides=tuple(event for part in (*earlier, last) for event in part.asides),
        names={id: name for part in (*earlier, last) for id, name in part.names.items()},
        witnesses={id: who for part in (*earlier, last) for id, who in part.witnesses.items()},
    )


def named_apart(outcome: TurnOutcome, base: int) -> TurnOutcome:
    """A part of a turn that goes on, its events named for the state they happened on: the next part begins
    again at `e1`, and ids are unique in a turn.
    """

    def renamed(events: Iterable[StoryEvent]) -> tuple[StoryEvent, ...]:
        return tuple(replace(event, id=f"p{base}.{event.id}") for event in events)

    record = replace(
        outcome.record,
        events=renamed(outcome.record.events),
        asides=renamed(outcome.record.asides),
        witnesses={f"p{base}.{id}": who for id, who in outcome.record.witnesses.items()},
    )
    return replace(outcome, events=renamed(outcome.events), record=record)


def result_of(outcome: TurnOutcome, request: Request, base: int) -> dict[str, JsonValue]:
    """The `turn_result` of an outcome that was made on the state at `base`."""
    if not outcome.turn_complete:
        outcome = named_apart(outcome, base)
    kept: JsonValue = {"kind": CHRONICLE, "record": outcome.record.to_json()}
    wire = outcome.to_wire(token=request.data["token"], base=base)
    return {"kind": "turn_result", **wire, **request.fence, "records": [kept]}
