"""A batch that is being decided: tentative state on top of a known head.

Law: a decision is made against a known head and takes effect only when its append succeeded. Until then it
lives in a `Draft`, which can be dropped whole (another server was faster) or back to a mark (one command was
refused). A `Room` is a value: the committed state and what deciding needs besides.
Parts: `Facts` (what the caller knows of the world), `Past`, `Room`, `Results`, `Draft`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

from pydantic import JsonValue
from pydantic_core import from_json, to_json

from .canonical import chain
from .events import Event, EventData, apply, audience_of_patch, encode
from .frozen import frozen
from .limits import Bounds
from .merge import Author, MergeRules, WriteIndex
from .model import EVERYONE, ONLOOKERS, Audience, Head, RuleState, State
from .patch import Op
from .policy import SERVER, Principal
from .views import rules_of

KEPT_RESULTS = 1024
"""Results that are kept for each client of a session."""


@dataclass(frozen=True, slots=True)
class Past:
    """What a command needs of history: `state` as of an earlier event, one `event`, and the edits made
    since."""

    state: State | None = None
    event: Event | None = None
    edits: tuple[int, ...] = ()


def _any_action(_: Mapping[str, JsonValue]) -> None:
    """Without a story to ask, every action with a kind is one."""


def _any_story(before: State, after: State, partitions: frozenset[str]) -> None:
    """Without a story to ask, people may write anything into it."""


@frozen
class Facts:
    """What the caller knows when it asks for a decision.

    `now` is the moment as `times.format_time` writes it; `present` the users with a connection, or within
    the grace
    period of a lost one; `check_action` raises Refused `bad_action` for what the story's actions do not
    allow.
    """

    now: str
    present: frozenset[str] = frozenset()
    bounds: Bounds = field(default_factory=Bounds)
    check_action: Callable[[Mapping[str, JsonValue]], None] = _any_action
    past: Past | None = None
    check_story: Callable[[State, State, frozenset[str]], None] = _any_story
    """Raises Refused `bad_value` when what a person wrote into these partitions cannot be played on."""
    known: int | None = None
    """The last event that the author can have known, where the command was made in a history that a store
    lost: numbers beyond it are other events by now.
    """


@frozen
class Result:
    """The first answer to a command, kept beside the log so that a repeat gets the same."""

    principal: str
    client_id: str
    n: int
    digest: str
    sequence_id: int
    reply: dict[str, JsonValue]


_Kept: TypeAlias = tuple[str, str, int, str, int, bytes]
"""The fields of a result, the reply as JSON. Plain tuples of texts and numbers are nothing that Python's
collector would look at, and there are a thousand of each client.
"""


@dataclass(slots=True)
class Results:
    """The kept results of one client. `forgotten` is the highest n whose result is gone."""

    kept: dict[int, _Kept] = field(default_factory=dict)
    """By n, which nearly always comes in order."""
    forgotten: int = 0

    @classmethod
    def of(cls, results: Iterable[Result]) -> Results:
        return cls({result.n: _pack(result) for result in sorted(results, key=lambda result: result.n)})

    def get(self, n: int) -> Result | None:
        kept = self.kept.get(n)
        return _unpack(kept) if kept else None

    def since(self, n: int) -> list[Result]:
        """Those from `n` on, in order."""
        return [_unpack(kept) for at, kept in self.kept.items() if at >= n]

    @property
    def high_water(self) -> int:
        return next(reversed(self.kept), self.forgotten)

    def add(self, result: Result) -> None:
        kept = self.kept
        is_in_order = not kept or result.n > next(reversed(kept)) or result.n in kept
        kept[result.n] = _pack(result)
        if not is_in_order:
            self.kept = kept = dict(sorted(kept.items()))
        if len(kept) > KEPT_RESULTS:
            del kept[next(iter(kept))]
        if len(kept) == KEPT_RESULTS:
            # Also what was skipped below: whether it was ever used can no longer be told.
            self.forgotten = max(self.forgotten, next(iter(kept)) - 1)


def _pack(r: Result) -> _Kept:
    return r.principal, r.client_id, r.n, r.digest, r.sequence_id, to_json(r.reply)


def _unpack(kept: _Kept) -> Result:
    principal, client_id, n, digest, sequence_id, reply = kept
    return Result(principal, client_id, n, digest, sequence_id, from_json(reply))


ClientKey = tuple[str, str]
"""(principal, client_id)"""


@frozen
class Room:
    """A session as it stands in the log: what is committed, and what deciding needs besides.

    `size` is the state's JSON in bytes, never less than it is: it grows with each patch and is measured anew
    when it
    would pass the limit.
    """

    session_id: str
    salt: bytes
    head: Head
    state: State
    index: WriteIndex
    results: dict[ClientKey, Results]
    """Results of the clients that were looked up; the owner of the room fills it from the store and bounds
    it.
    """
    size: int = 0

    def after(self, events: Iterable[Event]) -> Room:
        """The room with more of the log (from another server, or on loading)."""
        state, index, head, size = self.state, self.index, self.head, self.size
        for event in events:
            before, state = state, apply(state, event)
            index = _recorded(index, event, before)
            head = Head(head.epoch, event.sequence_id, event.hash)
            size += growth(event)
        return Room(self.session_id, self.salt, head, state, index, self.results, size)


def measured_size(state: State) -> int:
    """A state's JSON, in bytes, as it really is."""
    return len(to_json(state))


def growth(event: Event) -> int:
    """Bytes by which an event can have made the state grow, at most."""
    return len(event.body) if event.patch else 0


def is_agent(user_id: str | None) -> bool:
    """Whether an author is no person: a kernel, or the server."""
    return user_id is None or user_id.startswith("kernel:")


def _recorded(index: WriteIndex, event: Event, before: State) -> WriteIndex:
    patch = event.patch
    if not patch:
        return index
    return index.record(event.sequence_id, patch, before, author_of(event.user_id, event.id))


def author_of(user_id: str | None, id: str | None) -> Author:
    """An author as merging wants to know it: a person or not, and which of its clients."""
    return _author(user_id, id.rpartition(":")[0] if id else None)


@lru_cache(maxsize=4096)  # one object for all that a client writes
def _author(user_id: str | None, client: str | None) -> Author:
    return Author(user_id or "server", is_agent(user_id), client)


@lru_cache(maxsize=64)
def _merge_rules(strategies: tuple[tuple[str, str], ...]) -> MergeRules:
    return MergeRules.for_story(dict(strategies))


@frozen
class Mark:
    state: State
    index: WriteIndex
    head: Head
    size: int
    events: int


class Draft:
    """Decisions on top of `room`, not yet in the log."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.state: State = room.state
        self.index = room.index
        self.head = room.head
        self.size = room.size
        self.events: list[Event] = []
        self.results: list[Result] = []
        self._decided: dict[tuple[ClientKey, int], Result] = {}

    @property
    def next_id(self) -> int:
        """The sequence_id that the next event will get."""
        return self.head.sequence_id + 1

    def rules(self) -> MergeRules:
        """The merge strategies that hold for this session: the story's, before the defaults."""
        return _merge_rules(tuple(rules_of(self.state)["session"]["strategies"].items()))

    def emit(
        self, author: Principal | None, id: str | None, now: str, audience: Audience, data: EventData
    ) -> Event:
        """Append one event tentatively. Raises PatchError if its patch does not fit the state."""
        patch = data.get("patch", [])
        # What onlookers read may stand in an event for everybody: views cut it out.
        fits = (EVERYONE, ONLOOKERS) if audience == EVERYONE else (audience,)
        wrong = [found for found in audience_of_patch(patch) if found not in fits]
        if wrong:
            raise AssertionError(f"an event for {audience!r} writes for {wrong[0]!r}")
        user_id = author.user_id if author and author.kind != "server" else None
        sequence_id = self.next_id
        body = encode(self.room.session_id, sequence_id, user_id, now, id, audience, data)
        event = Event(
            sequence_id, user_id, now, id, audience, data, body, chain(self.head.hash, body, self.room.salt)
        )
        before, self.state = self.state, apply(self.state, event)
        self.index = _recorded(self.index, event, before)
        self.head = Head(self.head.epoch, sequence_id, event.hash)
        self.size += growth(event)
        self.events.append(event)
        return event

    def mark(self) -> Mark:
        return Mark(self.state, self.index, self.head, self.size, len(self.events))

    def back_to(self, mark: Mark) -> None:
        """Forget what was emitted since `mark`."""
        self.state, self.index, self.head, self.size = mark.state, mark.index, mark.head, mark.size
        del self.events[mark.events :]

    def known_result(self, client: ClientKey, n: int) -> Result | None:
        found = self._decided.get((client, n))
        if found:
            return found
        results = self.room.results.get(client)
        return results.get(n) if results else None

    def is_forgotten(self, client: ClientKey, n: int) -> bool:
        results = self.room.results.get(client)
        return results is not None and n <= results.forgotten

    def keep(self, result: Result) -> None:
        self.results.append(result)
        self._decided[(result.principal, result.client_id), result.n] = result

    def committed(self) -> Room:
        """The room after the append of this draft succeeded."""
        for result in self.results:
            self.room.results.setdefault((result.principal, result.client_id), Results()).add(result)
        room = self.room
        return Room(room.session_id, room.salt, self.head, self.state, self.index, room.results, self.size)


@frozen
class Context:
    """One command on its way through the rules: the draft it goes into, its author, its id, and the facts."""

    draft: Draft
    author: Principal
    id: str | None
    facts: Facts

    @property
    def rules(self) -> RuleState:
        return rules_of(self.draft.state)

    def emit(self, data: EventData, audience: Audience = EVERYONE) -> Event:
        """Append one event by this author. Raises PatchError if its patch does not fit the state."""
        return self.draft.emit(self.author, self.id, self.facts.now, audience, data)

    def by_server(self) -> Context:
        """The same moment, with the server as the author of what follows by rule."""
        return Context(self.draft, SERVER, None, self.facts)


def put(path: str, value: JsonValue) -> Op:
    """Set `path`, whether or not it is there (RFC 6902 `add` replaces)."""
    return {"op": "add", "path": path, "value": value}


def drop(path: str) -> Op:
    return {"op": "remove", "path": path}


def trimmed(at: str, window: Mapping[str, object], keep: int, coming: int = 1) -> list[Op]:
    """The removals that leave room for `coming` more in a window that keeps `keep`: the oldest go.

    Keys are sequence_ids, or `<sequence_id>-<index>`.
    """
    surplus = max(0, len(window) + coming - keep)
    oldest = sorted(window, key=lambda key: [int(part) for part in key.split("-")])[:surplus]
    return [drop(f"{at}/{key}") for key in oldest]
