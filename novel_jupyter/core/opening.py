"""How a session begins: the first events of its log (SPEC R8).

Law: everybody gets the public opening in one event, and each seat, the director and the sealed partition
theirs in events of their own, so that views hold from the first event on.
Parts: `Opening` (what the story gives), `open_session`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from .draft import Context, Draft, Facts, Room, put
from .events import audience_of_partition
from .merge import MergeRules, WriteIndex
from .model import (
    CHARACTER_ID,
    DEFAULT_SETTINGS,
    DIRECTOR,
    EVERYONE,
    RULE_PARTITIONS,
    Audience,
    Head,
    Settings,
)
from .patch import Op
from .policy import Principal, person_of
from .turn import json_of


@dataclass(frozen=True, slots=True)
class Opening:
    """What a story gives to a session: its partitions, its characters (id → name, playable), its merge
    strategies.
    """

    story: str
    title: str
    partitions: Mapping[str, JsonValue]
    characters: Mapping[str, tuple[str, bool]]
    strategies: Mapping[str, str] = field(default_factory=dict)


def open_session(
    session_id: str,
    epoch: str,
    salt: bytes,
    seed: str,
    opening: Opening,
    creator: Principal,
    settings: Settings,
    facts: Facts,
) -> Draft:
    """The draft of a new session's first events. Raises ValueError for an opening that no session can
    have."""
    wrong = [name for name in opening.partitions if name in RULE_PARTITIONS]
    wrong += [c for c in opening.characters if not CHARACTER_ID.fullmatch(c) or c == DIRECTOR]
    seats = {f"seat:{c}" for c in opening.characters}
    wrong += [name for name in opening.partitions if name.startswith("seat:") and name not in seats]
    if wrong:
        raise ValueError(f"a story cannot have a partition or character named {wrong[0]!r}")
    MergeRules.for_story(opening.strategies)
    draft = Draft(Room(session_id, salt, Head(epoch, 0, ""), {}, WriteIndex(), {}))
    ctx = Context(draft, creator, None, facts)
    public: dict[str, JsonValue] = {**_rules(opening, creator, settings, facts), "chronicle": {}}
    private: dict[str, tuple[Audience, dict[str, JsonValue]]] = {}
    for name, part in opening.partitions.items():
        audience = audience_of_partition(name)
        if audience == EVERYONE:
            public[name] = part
        else:
            private.setdefault(repr(audience), (audience, {}))[1][name] = part
    sealed: dict[str, JsonValue] = {"seed": seed, "outcomes": [], "records": [], "unfinished": False}
    private["sealed"] = ("sealed", {"sealed": sealed})
    session = public["session"]
    assert isinstance(session, dict)
    session["opening"] = 1 + len(private)
    if reserved_for := person_of(creator.user_id):
        session["reserved_for"] = reserved_for
    ctx.emit({"kind": "created", "story": opening.story, "title": opening.title, "patch": _all(public)})
    for audience, parts in private.values():
        ctx.emit({"kind": "dealt", "why": "opening", "patch": _all(parts)}, audience)
    return draft


def _all(parts: Mapping[str, JsonValue]) -> list[Op]:
    return [put(f"/{name}", parts[name]) for name in sorted(parts)]


def _rules(opening: Opening, creator: Principal, settings: Settings, facts: Facts) -> dict[str, JsonValue]:
    """The rules' partitions of a session that nobody has acted in."""
    person = creator.kind == "person"
    owner = {"name": creator.name[:120], "role": "owner", "joined_at": facts.now, "view_since": 1}
    return {
        "session": {
            "story": opening.story,
            "title": opening.title,
            "owner": creator.user_id if person else None,
            "created_at": facts.now,
            "status": "open",
            "settings": json_of({**DEFAULT_SETTINGS, **settings}),
            "strategies": json_of(dict(opening.strategies)),
            "opening": 1,
            "removed": {},
        },
        "participants": {creator.user_id: json_of(owner)} if person else {},
        "seats": {
            c: {"name": name, "playable": playable, "owner": None, "understudy": False}
            for c, (name, playable) in opening.characters.items()
        },
        "turn": {
            "number": 1,
            "attempt": 0,
            "phase": "lobby",
            "resume": None,
            "parent": 0,
            "branch": "main",
            "attempts": {},
            "proposals": {},
            "votes": {},
            "locked": None,
            "node": 0,
            "retelling": False,
            "pause_next": False,
            "deadline": None,
            "error": None,
        },
        "host": {"holder": None, "token": 0, "admitted": {} if person else {creator.user_id: 1}},
        "turns": {},
        "branches": {"main": 0},
        "conflicts": {},
        "suggestions": {},
        "chat": {},
    }
