"""The reducer: the only thing that changes the state of a story.

Law: `reduce(state, event)` returns a new state and never touches the old one; what did not change is the
same object. An effect that makes no sense any more (a dead character moves) changes nothing.
Parts: `reduce`, `carry_out`, and a writer that copies along the paths it writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, cast

from pydantic import JsonValue

from . import effects as fx
from .shapes import MemoryState
from .turn import StoryEvent
from .world import MAX_HEALTH, MAX_MEMORY, MAX_TRUST, State, seat_of, stage_of

MAX_GOALS: Final = 8
MAX_REASONS: Final = 3


def reduce(state: State, event: StoryEvent) -> State:
    """The state after an event."""
    return carry_out(state, event.effects)


def carry_out(state: State, effects: Iterable[fx.Effect]) -> State:
    """The state after some effects, in order."""
    draft = _Draft(state)
    for effect in effects:
        _HANDLERS[type(effect)](draft, effect)
    return draft.root


class _Draft:
    """A state being written: every dict on the way to a written value is copied once."""

    def __init__(self, state: State) -> None:
        self.root: dict[str, JsonValue] = dict(state)
        self._own: dict[int, dict[str, JsonValue]] = {id(self.root): self.root}

    def put(self, *path: str, value: object) -> None:
        self._parent(path)[path[-1]] = cast(JsonValue, value)

    def drop(self, *path: str) -> None:
        self._parent(path).pop(path[-1], None)

    def _parent(self, path: tuple[str, ...]) -> dict[str, JsonValue]:
        parent = self.root
        for token in path[:-1]:
            child = cast(dict[str, JsonValue], parent[token])
            if id(child) not in self._own:
                child = dict(child)
                self._own[id(child)] = child
                parent[token] = child
            parent = child
        return parent


def _present(draft: _Draft, character: str) -> bool:
    return stage_of(draft.root)["characters"][character]["status"] == "present"


def _place(draft: _Draft, character: str) -> str | None:
    return seat_of(draft.root, character)["location"]


def _moved(draft: _Draft, effect: fx.Moved) -> None:
    if not _present(draft, effect.character):
        return
    draft.put("characters", effect.character, "location", value=effect.to)
    draft.put(f"seat:{effect.character}", "location", value=effect.to)
    draft.drop("director", "hidden", effect.character)


def _hid(draft: _Draft, effect: fx.Hid) -> None:
    if not _present(draft, effect.character):
        return
    draft.put("characters", effect.character, "location", value=None)
    draft.put("director", "hidden", effect.character, value=_place(draft, effect.character))


def _appeared(draft: _Draft, effect: fx.Appeared) -> None:
    if effect.character in stage_of(draft.root)["director"]["hidden"]:
        draft.drop("director", "hidden", effect.character)
        draft.put("characters", effect.character, "location", value=_place(draft, effect.character))


def _departed(draft: _Draft, effect: fx.Departed) -> None:
    draft.put("characters", effect.character, "status", value="gone")
    draft.put("characters", effect.character, "location", value=None)
    draft.put(f"seat:{effect.character}", "location", value=None)
    draft.drop("director", "hidden", effect.character)


def _hurt(draft: _Draft, effect: fx.Hurt) -> None:
    if not _present(draft, effect.character):
        return
    health = stage_of(draft.root)["characters"][effect.character]["health"]
    left = max(0, min(MAX_HEALTH, health - effect.by))
    draft.put("characters", effect.character, "health", value=left)
    if left == 0:
        _appeared(draft, fx.Appeared(effect.character))
        draft.put("characters", effect.character, "status", value="dead")
        place = _place(draft, effect.character)
        for item, what in stage_of(draft.root)["items"].items():
            if what["holder"] == effect.character and place is not None:
                _lay(draft, fx.Lay(item, place))


def _held(draft: _Draft, effect: fx.Held) -> None:
    stage = stage_of(draft.root)
    if effect.item in stage["director"]["items"]:
        draft.put("items", effect.item, value=stage["director"]["items"][effect.item])
        draft.drop("director", "items", effect.item)
    draft.put("items", effect.item, "holder", value=effect.holder)
    draft.put("items", effect.item, "location", value=None)


def _lay(draft: _Draft, effect: fx.Lay) -> None:
    draft.put("items", effect.item, "holder", value=None)
    draft.put("items", effect.item, "location", value=effect.location)


def _destroyed(draft: _Draft, effect: fx.Destroyed) -> None:
    draft.put("items", effect.item, "holder", value=None)
    draft.put("items", effect.item, "location", value=None)
    draft.put("items", effect.item, "destroyed", value=True)


def _opened(draft: _Draft, effect: fx.Opened) -> None:
    places = stage_of(draft.root)["locations"]
    for here, there in ((effect.one, effect.other), (effect.other, effect.one)):
        if there in places[here]["exits"]:
            draft.put("locations", here, "exits", there, "open", value=True)


def _learned(draft: _Draft, effect: fx.Learned) -> None:
    fact = stage_of(draft.root)["director"]["facts"][effect.fact]
    if effect.fact not in seat_of(draft.root, effect.character)["beliefs"]:
        belief = {
            "text": fact["text"],
            "about": fact["about"],
            "damning": fact["damning"],
            "source": effect.source,
            "turn": effect.turn,
        }
        draft.put(f"seat:{effect.character}", "beliefs", effect.fact, value=belief)


def _published(draft: _Draft, effect: fx.Published) -> None:
    fact = stage_of(draft.root)["director"]["facts"][effect.fact]
    if not fact["public"]:
        public = {"text": fact["text"], "about": fact["about"], "damning": fact["damning"]}
        draft.put("facts", effect.fact, value=public)
        draft.put("director", "facts", effect.fact, "public", value=True)


def _trusted(draft: _Draft, effect: fx.Trusted) -> None:
    relations = seat_of(draft.root, effect.of)["relations"]
    if effect.to in relations:
        trust = max(-MAX_TRUST, min(MAX_TRUST, relations[effect.to] + effect.by))
        draft.put(f"seat:{effect.of}", "relations", effect.to, value=trust)


def _edged(draft: _Draft, effect: fx.Edged) -> None:
    draft.put(f"seat:{effect.character}", "edge", value=max(-2, min(2, effect.to)))


def _sighted(draft: _Draft, effect: fx.Sighted) -> None:
    sighting = {"location": effect.location, "holder": effect.holder, "turn": effect.turn}
    draft.put(f"seat:{effect.witness}", "seen", effect.thing, value=sighting)


def _remembered(draft: _Draft, effect: fx.Remembered) -> None:
    seat = f"seat:{effect.character}"
    draft.put(seat, "memory", effect.key, value=effect.entry)
    memory = seat_of(draft.root, effect.character)["memory"]
    if len(memory) > MAX_MEMORY:

        def rank(key: str) -> tuple[int, int, str]:
            # What mattered stays two turns longer for each point of weight.
            entry: MemoryState = memory[key]
            return entry["turn"] + 2 * entry["weight"], entry["turn"], key

        draft.drop(seat, "memory", min(memory, key=rank))


def _reasoned(draft: _Draft, effect: fx.Reasoned) -> None:
    why = {"turn": effect.turn, "reasons": [reason[:200] for reason in effect.reasons[:MAX_REASONS]]}
    draft.put(f"seat:{effect.character}", "why", value=why)


def _goal_turned(draft: _Draft, effect: fx.GoalTurned) -> None:
    if effect.goal in seat_of(draft.root, effect.character)["goals"]:
        draft.put(f"seat:{effect.character}", "goals", effect.goal, "status", value=effect.status)


def _goal_gained(draft: _Draft, effect: fx.GoalGained) -> None:
    goals = seat_of(draft.root, effect.character)["goals"]
    if effect.goal in goals or len(goals) < MAX_GOALS:
        draft.put(f"seat:{effect.character}", "goals", effect.goal, value=effect.what)


def _ticked(draft: _Draft, effect: fx.Ticked) -> None:
    clock = stage_of(draft.root)["clocks"][effect.clock]
    value = max(0, min(clock["segments"], clock["value"] + effect.by))
    draft.put("clocks", effect.clock, "value", value=value)


def _framed(draft: _Draft, effect: fx.Framed) -> None:
    draft.put("scene", "location", value=effect.location)
    draft.put("scene", "mood", value=effect.mood)
    draft.put("scene", "act", value=effect.act)
    draft.put("scene", "focus", value=list(effect.focus))
    draft.put("director", "tension", value=effect.tension)


def _done(draft: _Draft, effect: fx.Done) -> None:
    key = f"{effect.item}.{effect.how}"
    if key not in stage_of(draft.root)["scene"]["deeds"]:
        draft.put("scene", "deeds", key, value=effect.by)


def _begun(draft: _Draft, effect: fx.Begun) -> None:
    draft.put("director", "hand", value=effect.hand)


def _told(draft: _Draft, effect: fx.Told) -> None:
    count = stage_of(draft.root)["director"]["phrases"].get(effect.key, 0)
    draft.put("director", "phrases", effect.key, value=count + 1)


_HANDLERS: Final = cast(
    Mapping[type, Callable[[_Draft, fx.Effect], None]],
    {
        fx.Moved: _moved,
        fx.Hid: _hid,
        fx.Appeared: _appeared,
        fx.Departed: _departed,
        fx.Hurt: _hurt,
        fx.Held: _held,
        fx.Lay: _lay,
        fx.Destroyed: _destroyed,
        fx.Opened: _opened,
        fx.Learned: _learned,
        fx.Published: _published,
        fx.Trusted: _trusted,
        fx.Edged: _edged,
        fx.Sighted: _sighted,
        fx.Remembered: _remembered,
        fx.Reasoned: _reasoned,
        fx.GoalTurned: _goal_turned,
        fx.GoalGained: _goal_gained,
        fx.Ticked: _ticked,
        fx.Framed: _framed,
        fx.Done: _done,
        fx.Begun: _begun,
        fx.Told: _told,
    },
)
