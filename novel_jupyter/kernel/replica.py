"""The client's view of one session, kept up with what the server sends.

Law: a replica moves only forward, one event at a time, by applying patches; whatever it cannot apply (a gap,
a patch that does not fit) changes nothing and asks for a resync. So however frames are dropped, repeated or
reordered, a resync ends at the server's state. Pure: no clock, no socket.
Parts: `Took` (what came of a frame), `Replica`, `utf16_units`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, cast

from pydantic import JsonValue

from novel_jupyter.core.canonical import state_hash
from novel_jupyter.core.events import EventData
from novel_jupyter.core.model import Head, State
from novel_jupyter.core.outgoing import (
    AgentProgress,
    NarrationChunk,
    Present,
    Provisional,
    ShownCursor,
    SyncData,
    WireEvent,
)
from novel_jupyter.core.patch import Op, PatchError, apply_patch

Step: TypeAlias = Literal["applied", "duplicate", "gap"]

ENDS_TELLING: Final = frozenset(
    "locked resolved turn narration_failed cancelled undone branched retelling".split()
)
"""Events after which streamed prose and the agents' progress are of the past."""


@dataclass(frozen=True, slots=True)
class Took:
    """What came of a frame. On `gap` the replica is unchanged and wants a resync.

    `events`: those that were new, in order. `replaced`: the state was replaced whole, events in between are
    unknown.
    """

    step: Step
    events: tuple[WireEvent, ...] = ()
    replaced: bool = False


@dataclass(slots=True)
class Replica:
    """`head` is None until the first sync. `state` holds just the partitions that `view` shows."""

    session_id: str
    head: Head | None = None
    state: State = field(default_factory=dict)
    view: str = ""
    presence: dict[str, Present] = field(default_factory=dict)
    cursors: dict[str, ShownCursor] = field(default_factory=dict)
    provisional: Provisional | None = None
    """What was streamed so far of the telling that is under way."""
    progress: dict[str, AgentProgress] = field(default_factory=dict)
    """What each agent is doing for the turn."""
    broken: bool = False
    """A patch did not fit: only a whole state helps."""

    @property
    def sequence_id(self) -> int:
        """Of the last event that was applied; -1 before the first sync."""
        return self.head.sequence_id if self.head else -1

    def echo(self) -> dict[str, JsonValue]:
        """Where this replica stands, as a `join_session` or `state_sync` says it."""
        if self.head is None or self.broken:
            return {}
        head = self.head
        return {"epoch": head.epoch, "sequence_id": head.sequence_id, "hash": head.hash, "view": self.view}

    def state_hash(self) -> str:
        """sha256 (hex) of the state, equal to the server's for the same view and head."""
        return state_hash(self.state)

    # --- truth

    def event(self, event: WireEvent) -> Took:
        """Apply one event of the log, or the placeholder of one."""
        number = event["sequence_id"]
        if self.head is None or self.broken or number > self.head.sequence_id + 1:
            return Took("gap")
        if number <= self.head.sequence_id:
            return Took("duplicate")
        data = cast(EventData, event["data"])
        patch: list[Op] = data.get("patch", [])
        try:
            state = apply_patch(self.state, patch) if patch else self.state
        except PatchError:
            self.broken = True
            return Took("gap")
        self.state = state
        self.head = Head(self.head.epoch, number, event["hash"])
        if data["kind"] in ENDS_TELLING:
            self.provisional = None
            self.progress = {}
        return Took("applied", (event,))

    def sync(self, data: SyncData, sequence_id: int) -> Took:
        """Take an answer of the server, or what it sends unasked. `sequence_id` is the head it tells of."""
        if self._is_old(data, sequence_id):
            return Took("duplicate")
        took = self._follow(data, sequence_id)
        if took.step == "applied":
            self.view = data["view"]
            self.provisional = data["provisional"]
            self.people(data["presence"])
        return took

    def _is_old(self, data: SyncData, sequence_id: int) -> bool:
        """Whether the replica is beyond it, in the same history and view: it was overtaken."""
        if self.head is None or self.broken or data["kind"] == "conflict":
            return False
        here = data["epoch"] == self.head.epoch and data["view"] == self.view
        return here and sequence_id < self.head.sequence_id

    def _follow(self, data: SyncData, sequence_id: int) -> Took:
        if data["kind"] == "full_sync" or data["kind"] == "conflict":
            known = self.head is not None and self.sequence_id == sequence_id and not self.broken
            self.head = Head(data["epoch"], sequence_id, data["hash"])
            self.state = data["state"]
            self.broken = False
            self.cursors = {}
            self.progress = self.progress if known else {}
            return Took("applied", replaced=True)
        if self.head is None or self.broken or data["epoch"] != self.head.epoch or data["view"] != self.view:
            self.broken = True  # events of one view do not continue the state of another
            return Took("gap")
        events: list[WireEvent] = []
        for event in data["events"] if data["kind"] == "delta" else ():
            took = self.event(event)
            if took.step == "gap":
                return Took("gap", tuple(events))
            events += took.events
        return Took("applied" if self.sequence_id == sequence_id else "gap", tuple(events))

    # --- presence and prose -----

    def people(self, users: list[Present]) -> None:
        """The whole list of who is here."""
        self.presence = {user["user_id"]: user for user in users}

    def moved(self, cursors: list[ShownCursor]) -> None:
        """Cursors that moved; one without a target is gone."""
        for cursor in cursors:
            if cursor["target"] is None:
                self.cursors.pop(cursor["connection_id"], None)
            else:
                self.cursors[cursor["connection_id"]] = cursor

    def doing(self, progress: AgentProgress) -> None:
        self.progress = {**self.progress, progress["agent"]: progress}

    def narration(self, chunk: NarrationChunk) -> bool:
        """Add streamed prose; False for a chunk that repeats what is known or that follows a lost one."""
        of, text = self.provisional, ""
        if of and (of["turn"], of["attempt"]) == (chunk["turn"], chunk["attempt"]):
            text = of["text"]
        units = text.encode("utf-16-le")
        start, added = chunk["offset"] * 2, chunk["text"].encode("utf-16-le")
        if start > len(units) or (added and units[start : start + len(added)] == added):
            return False
        whole = (units[:start] + added).decode("utf-16-le", "replace")
        self.provisional = {"turn": chunk["turn"], "attempt": chunk["attempt"], "text": whole}
        return True


def utf16_units(text: str) -> int:
    """The length of `text` as the wire counts it."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
