"""A table to play at: one session whose commands go through the rules as a server lets them.

Law: nothing here decides. A command is parsed as a frame, decided on a draft, committed, and its events are
kept; `Table` only remembers the log, the state after each event, the time and who is present.
Parts: the people, `OPENING`, `Table`, and the ways to get it into each phase.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

from pydantic import JsonValue

from novel_jupyter.core.draft import Draft, Facts, Past, Room
from novel_jupyter.core.events import Event, audience_of_patch, fold
from novel_jupyter.core.history import need
from novel_jupyter.core.incoming import parse
from novel_jupyter.core.limits import Bounds
from novel_jupyter.core.messages import ClientMessage
from novel_jupyter.core.model import DEFAULT_SETTINGS, RuleState, Settings, State
from novel_jupyter.core.opening import Opening, open_session
from novel_jupyter.core.patch import lookup, parse_pointer
from novel_jupyter.core.policy import Principal
from novel_jupyter.core.room import Command, Reply, decide, tick
from novel_jupyter.core.times import later
from novel_jupyter.core.views import rules_of

ALICE = Principal("alice", "Alice")
BOB = Principal("bob", "Bob")
CAROL = Principal("carol", "Carol")
DAN = Principal("dan", "Dan")
EVE = Principal("eve", "Eve")
MALLORY = Principal("mallory", "Mallory")
K1 = Principal("kernel:k1", "kernel 1", "kernel")
K2 = Principal("kernel:k2", "kernel 2", "kernel")

SESSION, EPOCH, SALT = "s1", "e1", b"a secret of the session"
NOON = "2026-01-31T12:00:00.000Z"
SEARCH: dict[str, JsonValue] = {"kind": "search", "target": "cellar"}

PARTITIONS: dict[str, JsonValue] = {
    "scene": {"mood": "calm", "text": "one two three four five", "tags": ["fog"], "guarded": "dusk"},
    "characters": {"mara": {"name": "Mara", "hp": 5}, "tom": {"name": "Tom", "hp": 4}},
    "clocks": {"storm": {"value": 1}},
    "notes": {},
    "seat:mara": {"secret": "the key", "beliefs": {}},
    "seat:tom": {"secret": "the debt", "beliefs": {}},
    "director": {"plan": "a storm"},
}
OPENING = Opening(
    story="lighthouse",
    title="The Lighthouse",
    partitions=PARTITIONS,
    characters={"mara": ("Mara", True), "tom": ("Tom", True), "keeper": ("The Keeper", False)},
    strategies={
        "/scene/text": "merge_text",
        "/scene/tags": "union",
        "/scene/guarded": "reject_stale",
        "/clocks/*/value": "add",
    },
)

TYPES: Mapping[str, str] = {
    **dict.fromkeys(("edit", "chat", "settle", "restore_edit", "narration"), "story_update"),
    **dict.fromkeys(
        (
            *(
                "claim_session",
                "set_role",
                "grant_view",
                "admit_host",
                "set_settings",
                "archive",
                "unarchive",
            ),
            *("invite", "revoke_invite", "admit_guest", "rename"),
        ),
        "system_message",
    ),
    "join_session": "join_session",
}
MADE_BY: dict[str, JsonValue] = {"engine": "offline", "model": None, "fallback": False, "agents": {}}


def message(kind: str, id: str | None = None, epoch: str | None = None, **data: JsonValue) -> ClientMessage:
    """The message of a frame as a client would send it."""
    named = {} if kind == "join_session" else {"kind": kind}
    frame = {
        "type": TYPES.get(kind, "agent_action"),
        "session_id": SESSION,
        "id": id,
        "epoch": epoch,
        "data": {**named, **data},
    }
    return parse(json.dumps(frame))


def put(path: str, value: JsonValue) -> dict[str, JsonValue]:
    return {"op": "add", "path": path, "value": value}


def drop(path: str) -> dict[str, JsonValue]:
    return {"op": "remove", "path": path}


def outcome(id: str, character: str, audience: JsonValue = "everyone") -> dict[str, JsonValue]:
    return {
        "id": id,
        "character": character,
        "action": SEARCH,
        "outcome": "success",
        "reason": "nothing hinders it",
        "by": "player",
        "audience": audience,
    }


def change(*ops: dict[str, JsonValue], audience: JsonValue = "everyone") -> dict[str, JsonValue]:
    return {"audience": audience, "patch": list(ops)}


@dataclass
class Table:
    """One session, opened by `creator`; `states[n]` is the state after event n."""

    creator: Principal = ALICE
    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    bounds: Bounds = field(default_factory=Bounds)
    opening: Opening = OPENING
    check_action: Callable[[Mapping[str, JsonValue]], None] = lambda _: None
    now: str = NOON
    present: set[str] = field(default_factory=set)
    log: list[Event] = field(default_factory=list)
    states: list[State] = field(default_factory=lambda: [{}])
    room: Room = field(init=False)
    last: Reply = field(init=False)
    spent: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.creator.kind == "person":
            self.present.add(self.creator.user_id)
        settings = cast(Settings, {**DEFAULT_SETTINGS, **self.settings})
        draft = open_session(SESSION, EPOCH, SALT, "seed", self.opening, self.creator, settings, self.facts())
        self.commit(draft)

    # --- what a server does -------------------

    def facts(self, past: Past | None = None) -> Facts:
        return Facts(self.now, frozenset(self.present), self.bounds, self.check_action, past)

    def past(self, message: ClientMessage) -> Past | None:
        wanted = need(self.state, message)
        if wanted is None:
            return None
        if wanted.event is not None:
            at = wanted.event
            return Past(event=self.log[at - 1] if 0 < at <= len(self.log) else None)
        assert wanted.state_at is not None
        at = wanted.state_at
        edits = [e.sequence_id for e in self.log[at:] if e.data["kind"] == "edit"]
        return Past(state=self.states[at], edits=tuple(edits))

    def commit(self, draft: Draft) -> list[Event]:
        """Append, and hold what every append must hold."""
        for event in draft.events:
            assert event.sequence_id == len(self.log) + 1, "gapless (R1)"
            fits = {"everyone", "onlookers"} if event.audience == "everyone" else {str(event.audience)}
            assert {str(found) for found in audience_of_patch(event.patch)} <= fits, "one audience (R4)"
            self.log.append(event)
            self.states.append(fold(self.states[-1], [event]))
        self.room = draft.committed()
        assert self.room.state == self.states[-1], "state is the fold of patches (R1)"
        assert self.room.head.sequence_id == len(self.log)
        return draft.events

    def send(
        self,
        who: Principal,
        kind: str,
        id: str | None = None,
        epoch: str | None = None,
        **data: JsonValue,
    ) -> Reply:
        return self.post(who, kind, data, id, epoch)

    def post(
        self,
        who: Principal,
        kind: str,
        data: Mapping[str, JsonValue],
        id: str | None = None,
        epoch: str | None = None,
    ) -> Reply:
        """Decide and commit one command; without an `id` it gets the next of its sender's client."""
        if id is None and kind != "join_session":
            n = self.spent[who.user_id] = self.spent.get(who.user_id, 0) + 1
            id = f"c-{who.user_id.replace(':', '-')}:{n}"
        sent = message(kind, id, epoch, **data)
        draft = Draft(self.room)
        self.last = decide(draft, Command(who, sent), self.facts(self.past(sent)))
        if self.last.data["kind"] == "error":
            assert not draft.events, "a refusal appends nothing (R70)"
        self.commit(draft)
        return self.last

    def tick(self, lost_host: int | None = None) -> list[Event]:
        draft = Draft(self.room)
        tick(draft, self.facts(), lost_host)
        return self.commit(draft)

    # --- reading --------------------------------

    @property
    def state(self) -> State:
        return self.room.state

    @property
    def rules(self) -> RuleState:
        return rules_of(self.room.state)

    @property
    def phase(self) -> str:
        return self.rules["turn"]["phase"]

    @property
    def head(self) -> int:
        return len(self.log)

    @property
    def token(self) -> int:
        return self.rules["host"]["token"]

    def at(self, path: str) -> object:
        return lookup(self.room.state, parse_pointer(path))

    def kinds(self, after: int = 0) -> list[str]:
        return [event.data["kind"] for event in self.log[after:]]

    def newest(self, kind: str) -> Event:
        return next(event for event in reversed(self.log) if event.data["kind"] == kind)

    # --- playing --------------------------------

    def ok(self, who: Principal, kind: str, **data: JsonValue) -> list[Event]:
        """A command that must be acknowledged; returns its events."""
        before = self.head
        reply = self.send(who, kind, **data)  # type: ignore[arg-type]
        assert reply.data["kind"] == "ack", reply.data
        return self.log[before:]

    def no(self, code: str, who: Principal, kind: str, /, **data: JsonValue) -> Reply:
        """A command that must be refused with `code`."""
        reply = self.send(who, kind, **data)  # type: ignore[arg-type]
        assert reply.data.get("code") == code, (code, reply.data)
        return reply

    def wait(self, seconds: float) -> list[Event]:
        self.now = later(self.now, seconds)
        return self.tick()

    def join(self, *people: Principal) -> Table:
        for who in people:
            self.present.add(who.user_id)
            self.send(who, "join_session")
        return self

    def gone(self, who: Principal) -> list[Event]:
        self.present.discard(who.user_id)
        return self.tick()

    def comes(self, who: Principal) -> list[Event]:
        self.present.add(who.user_id)
        return self.tick()

    def edit(self, who: Principal, *ops: dict[str, JsonValue], base: int | None = None) -> Reply:
        return self.send(who, "edit", base=self.head if base is None else base, patch=list(ops))

    def host(self, kernel: Principal = K1) -> int:
        """Admit `kernel` and give it the lease; returns the token."""
        self.ok(ALICE, "admit_host", kernel=kernel.user_id)
        self.ok(kernel, "request_lease")
        return self.token

    def result(self, **other: JsonValue) -> dict[str, JsonValue]:
        """The data of a `turn_result` for what is locked; `other` replaces fields."""
        turn = self.rules["turn"]
        locked = turn["locked"]
        return {
            "turn": turn["number"],
            "attempt": turn["attempt"],
            "token": self.token,
            "base": locked["base"] if locked else self.head,
            "outcomes": [outcome("e1", "mara")],
            "changes": [],
            "turn_complete": True,
            "made_by": MADE_BY,
            **other,
        }

    def narrative(self, text: str = "It was so.", **other: JsonValue) -> dict[str, JsonValue]:
        """The data of a `narrative` for what is being told."""
        entry = self.rules["turns"][str(self.rules["turn"]["node"])]
        return {
            "turn": entry["number"],
            "attempt": entry["attempt"],
            "token": self.token,
            "text": text,
            "sentences": [{"text": text, "events": ["e1"]}],
            "made_by": MADE_BY,
            **other,
        }

    def lock(self, action: dict[str, JsonValue] | None = None) -> Table:
        """Bob's proposal for mara, and the director's word: locked, or resolving where there is a host."""
        self.ok(BOB, "propose", character="mara", action=action or SEARCH)
        self.ok(ALICE, "lock")
        return self

    def resolve(self, kernel: Principal = K1, **other: JsonValue) -> int:
        """A result for what is locked, under the id of hosts; returns the node."""
        self.ok(kernel, "turn_result", id=self.step(1), **self.result(**other))
        return self.newest("resolved").sequence_id

    def tell(self, text: str = "It was so.", kernel: Principal = K1, **other: JsonValue) -> int:
        self.ok(kernel, "narrative", id=self.step(2), **self.narrative(text, **other))
        return self.head

    def step(self, n: int) -> str:
        """The id of a host's n-th step in the turn that is under way."""
        turn = self.rules["turn"]
        if turn["retelling"]:
            entry = self.rules["turns"][str(turn["node"])]
            return f"host:{entry['number']}.{entry['attempt']}.r{self.newest('retelling').sequence_id}:{n}"
        return f"host:{turn['number']}.{turn['attempt']}:{n}"

    def turn(self, text: str = "It was so.", *ops: dict[str, JsonValue]) -> int:
        """One whole turn; returns its node."""
        self.lock()
        node = self.resolve(changes=[change(*ops)] if ops else [])
        self.tell(text)
        return node


def playing(**settings: JsonValue) -> Table:
    """Alice owns, Bob and Carol play, a kernel hosts."""
    table = Table(settings=settings).join(BOB, CAROL)
    table.host()
    return table


def seated(**settings: JsonValue) -> Table:
    """As `playing`, with Bob as mara and Carol as tom."""
    table = playing(**settings)
    table.ok(BOB, "claim", character="mara")
    table.ok(CAROL, "claim", character="tom")
    return table


def everybody() -> Table:
    """One of each standing: owner, player, director, spectator, kernel, host."""
    table = Table().join(BOB, DAN, EVE)
    table.ok(ALICE, "set_role", target="dan", role="director")
    table.ok(ALICE, "set_role", target="eve", role="spectator")
    table.ok(ALICE, "admit_host", kernel=K1.user_id)
    return table
