"""One turn being played out: the state as it goes, and the events so far.

Law: synchronous and without a brain; the director asks brains and hands their choices in. Everything that
changes goes through `reduce`; the input state is never touched.
Parts: `Table`: seat an attempt (`attempt`), let time pass (`close`), end the story (`check_endings`),
`outcome`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast

from pydantic import JsonValue, ValidationError

from novel_jupyter.core.patch import diff

from . import effects as fx
from .actions import Action, dump_action, parse_action
from .adjudicate import judge, refuse, too_late
from .aftermath import aftermath
from .brain import Frame
from .dice import Dice
from .endings import doer, is_met
from .entrances import entrances
from .laws import Refusal, refusal
from .look import Look, named
from .perceive import goal_turns, memories, sightings
from .pressure import act_at, tension_after
from .reduce import carry_out, reduce
from .ruling import Aside, Attempt, Ruling
from .schema import Act
from .shapes import ClockState
from .turn import (
    DIRECTOR,
    Audience,
    Beat,
    By,
    Change,
    Ended,
    Json,
    MadeBy,
    StoryEvent,
    TurnInput,
    TurnOutcome,
    TurnRecord,
)
from .world import STORY_PARTITIONS, State

_MOODS: Final[Mapping[Act, tuple[str, ...]]] = {
    "setup": ("uneasy", "watchful"),
    "complication": ("strained", "wary", "restless"),
    "crisis": ("tense", "bitter"),
    "climax": ("desperate", "raw"),
}
_DRAMA: Final = {"attack": 12, "betray": 12, "threaten": 7, "take": 4, "tell": 5, "use": 5, "persuade": 3}


class Table:
    """The pieces of one turn. Made for one `TurnInput`, used once."""

    def __init__(self, turn: TurnInput) -> None:
        self.turn = turn
        self.state: State = turn.state
        self.dice = Dice(turn.seed, turn.branch, turn.turn, turn.attempt)
        self.events: list[StoryEvent] = []
        self.guarded: dict[str, str] = {}
        self.ended: Ended | None = None
        self.witnesses: dict[str, list[str]] = {}
        """Event → who was there. Hidden ones too, so it is nobody's to read but the chronicler's."""
        self._heat = 0

    @property
    def look(self) -> Look:
        return Look(self.state)

    def act(self) -> Act:
        """The act that the story is in."""
        stage = self.look.stage
        if not stage["director"]["hand"]:
            return stage["scene"]["act"]
        return act_at(stage["scene"]["act"], stage["director"]["tension"], self._lead())

    def _lead(self) -> ClockState:
        stage = self.look.stage
        return stage["clocks"][stage["director"]["script"]["lead_clock"]]

    # The scene.

    def open(self, frame: Frame) -> None:
        """Begin the turn with a scene: where it plays, between whom, and what the hour is."""
        stage = self.look.stage
        act, first = self.act(), not stage["director"]["hand"]
        ruling = Ruling("success", f"The scene was set {self.look.at_place(frame.location)}.")
        ruling.mentions = [frame.location, *frame.focus]
        if first:
            ruling.tell("literal", text=stage["scene"]["text"])
            ruling.mentions += [*stage["characters"], *stage["items"], *stage["locations"]]
        elif act != stage["scene"]["act"]:
            lines = stage["director"]["script"]["beats"].get(act)
            if lines:
                ruling.tell("literal", text=self.dice.pick(lines, DIRECTOR, "beat"))
            ruling.tags = [f"act:{act}"]
        if frame.location != stage["scene"]["location"]:
            ruling.tags.append(f"scene:{frame.location}")
        coming = entrances(self.look, frame, self.turn.agents - set(self.turn.proposals), self.turn.turn)
        for index, who in enumerate(coming):
            ruling.effects.append(fx.Moved(who, frame.location))
            ruling.tags.append(f"entered:{who}")
            if index == 0:
                ruling.tell("enter", B=who, place=frame.location)
        if first:
            ruling.effects.append(fx.Begun(1 + self.dice.below(2**31, DIRECTOR, "hand")))
        ruling.effects.append(
            fx.Framed(frame.location, frame.mood, act, frame.focus, stage["director"]["tension"])
        )
        self._record(DIRECTOR, {"kind": "scene", "act": act}, ruling, "director", frame.location)

    def moods(self) -> Sequence[str]:
        return _MOODS[self.act()]

    # What people do.

    def parse(self, raw: Mapping[str, JsonValue]) -> Action | Refusal:
        """The action of a proposal, or why it is none."""
        try:
            return parse_action(dict(raw))
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors()[0]["loc"]) or "kind"
            return Refusal("form.action", "That is not an action of this story.", f"Look at {where!r}.")

    def attempt(self, character: str, action: Action | Refusal, raw: Mapping[str, JsonValue], by: By) -> None:
        """Judge one action against the state as it is by now."""
        if isinstance(action, Refusal):
            self._record(character, dict(raw), refuse(action), by, None)
            return
        look = self.look
        place = look.place(character) if character in look.people else None
        if self.ended:
            ruling = Ruling("failure", f"It was over before {look.name(character)} could act.", open=False)
            self._record(character, dump_action(action), ruling, by, place)
            return
        seat = Attempt(
            look,
            character,
            action,
            self.dice,
            self.turn.turn,
            self.guarded,
            1 if self.act() == "climax" else 0,
        )
        if (broken := refusal(look, character, action)) is not None:
            before = Look(self.turn.state)
            was_legal = character in before.people and refusal(before, character, action) is None
            late = was_legal and look.acts(character)
            self._record(
                character, dump_action(action), too_late(seat, broken) if late else refuse(broken), by, place
            )
            return
        ruling = judge(seat)
        if action.kind == "defend":
            self.guarded[action.target or character] = character
        if ruling.open:
            self._heat += _DRAMA.get(action.kind, 0)
        self._record(character, dump_action(action), ruling, by, place)
        self.check_endings()

    def _record(self, who: str, action: Json, ruling: Ruling, by: By, place: str | None) -> None:
        """Turn a ruling into events, one for each audience, and carry them out."""
        audience: Audience = "everyone" if ruling.open else [who]
        # What is refused is answered by its reason; it is no part of any telling.
        beats, told = self._beats(who, ruling.beats) if ruling.outcome != "refused" else ((), ())
        event = StoryEvent(
            id=f"e{len(self.events) + 1}",
            character=who,
            action=self._as_seen(action, ruling) if ruling.open else action,
            outcome=ruling.outcome,
            reason=ruling.reason,
            by=by,
            audience=audience,
            roll=ruling.roll,
            location=place,
            tags=tuple(ruling.tags),
            mentions=tuple(dict.fromkeys(ruling.mentions)),
            beats=beats,
            effects=(*ruling.effects, *told),
        )
        before = self.look
        self.state = reduce(self.state, event)
        self.events.append(event)
        if who != DIRECTOR and ruling.outcome != "refused":
            there = before.witnesses(place) if ruling.open else [who]
            # Who comes in is seen by those who are there already.
            arrived = before.witnesses(self.look.place(who)) if ruling.open else []
            witnesses = self.witnesses[event.id] = sorted({*there, *arrived})
            self._remember(event, witnesses)
            self.state = carry_out(self.state, aftermath(before, self.look, event, witnesses))
        for aside in ruling.asides:
            self._whisper(who, action, ruling, by, place, aside)

    def _as_seen(self, action: Json, ruling: Ruling) -> Json:
        """An action as the others see it: not what is whispered, nor the name of a fact that nobody said."""
        public = self.look.stage["facts"]
        hidden = {fact for fact in self.look.stage["director"]["facts"] if fact not in public}
        secret = {key for key in ("about", "fact") if action.get(key) in hidden}
        if action.get("quietly"):
            secret |= {"fact", "text"}
        spoken = {tag.removeprefix("spoken:") for tag in ruling.tags if tag.startswith("spoken:")}
        return {key: value for key, value in action.items() if key not in secret or value in spoken}

    def _whisper(
        self, who: str, action: Json, ruling: Ruling, by: By, place: str | None, aside: Aside
    ) -> None:
        beats, told = self._beats(who, aside.beats)
        event = StoryEvent(
            id=f"e{len(self.events) + 1}",
            character=who,
            action=action,
            outcome=ruling.outcome,
            reason=aside.reason,
            by=by,
            audience=aside.audience,
            location=place,
            tags=tuple(aside.tags),
            mentions=tuple(dict.fromkeys(aside.mentions)),
            beats=beats,
            effects=told,
        )
        self.state = reduce(self.state, event)
        self.events.append(event)
        self._remember(event, aside.audience)

    def _remember(self, event: StoryEvent, witnesses: list[str]) -> None:
        living = [who for who in witnesses if self.look.acts(who)]
        self.state = carry_out(self.state, memories(self.look, event, self.turn.turn, living))

    def _hand(self) -> Dice:
        """Dice that fall the same in every turn of a play: a shuffle by them is used up before it repeats."""
        return Dice(str(self.look.stage["director"]["hand"]), "", 0, 0)

    def _beats(
        self, who: str, given: Iterable[tuple[str, Mapping[str, str]]]
    ) -> tuple[tuple[Beat, ...], tuple[fx.Told, ...]]:
        """Number the beats of a ruling by how often their shelves were used, and give people their lines."""
        counts = self.look.stage["director"]["phrases"]
        beats: list[Beat] = []
        told: list[fx.Told] = []

        def use(key: str) -> int:
            n = counts.get(key, 0) + sum(1 for other in told if other.key == key)
            told.append(fx.Told(key))
            return n

        for key, fixed in given:
            slots, shelf = dict(fixed), key
            if key.startswith("act:"):
                kind = key.removeprefix("act:")
                if "line" not in slots:
                    voice = self.look.stage["director"]["script"]["voice"].get(who, {}).get(kind, [])
                    n = use(f"voice.{who}.{kind}")
                    if n < len(voice):
                        order = self._hand().order(voice, who, f"voice/{kind}")
                        target = self.look.name(slots["B"]) if "B" in slots else ""
                        slots["line"] = order[n].replace("{B}", target)
                shelf = f"say.{kind}" if "line" in slots else f"do.{kind}"
            beats.append(Beat(shelf, use(shelf), slots))
        return tuple(beats), tuple(told)

    def explain(self, reasons: Mapping[str, tuple[str, ...]]) -> None:
        """Keep why agents chose what they chose, each in its own seat."""
        kept = [fx.Reasoned(who, self.turn.turn, why) for who, why in sorted(reasons.items())]
        self.state = carry_out(self.state, kept)

    # Time.

    def close(self) -> None:
        """Let the clocks run, goals turn and impressions settle; then see whether the story is over."""
        if not self.ended:
            self._tick()
        self.state = carry_out(self.state, goal_turns(self.state))
        self.state = carry_out(self.state, sightings(self.state, self.turn.turn))
        self.check_endings()

    def _tick(self) -> None:
        stage = self.look.stage
        rough = any(event.outcome == "complication" for event in self.events)
        ruling = Ruling("success", "Time passed.")
        for id, clock in sorted(stage["clocks"].items()):
            pace = cast(dict[str, JsonValue], stage["director"]["script"]["pace"][id])
            by = cast(int, pace["per_turn"]) + (cast(int, pace["on_complication"]) if rough else 0)
            marks = cast(dict[str, str], pace["marks"])
            reached = range(clock["value"] + 1, min(clock["value"] + by, clock["segments"]) + 1)
            if not reached:
                continue
            ruling.effects.append(fx.Ticked(id, by))
            ruling.tags.append(f"clock:{id}:{reached[-1]}")
            for segment in reached:
                if line := marks.get(str(segment)):
                    ruling.tell("literal", text=line)
                    ruling.reason = line
        scene, before = stage["scene"], self._lead()
        later = Look(carry_out(self.state, ruling.effects)).stage
        lead = later["clocks"][later["director"]["script"]["lead_clock"]]
        tension = tension_after(stage["director"]["tension"], before, lead, self._heat)
        ruling.effects.append(
            fx.Framed(scene["location"], scene["mood"], scene["act"], tuple(scene["focus"]), tension)
        )
        self._record(DIRECTOR, {"kind": "clock"}, ruling, "director", None)

    def check_endings(self) -> None:
        """End the story at the first ending whose condition is met."""
        if self.ended:
            return
        look = self.look
        for id, ending in look.stage["director"]["endings"].items():
            if is_met(look, ending["when"]):
                last = self.events[-1] if self.events else None
                deed = last is not None and last.character != DIRECTOR
                reason = last.reason if last and deed else f"It had come to this: {ending['title']}."
                self.ended = Ended(id, ending["title"], reason)
                break
        else:
            return
        who = doer(look, ending["when"])
        slots = {"A": who} if who else {}
        ruling = Ruling("success", f"The story ended: {ending['title']}.", tags=[f"ended:{id}"])
        ruling.mentions = [*look.people, *look.stage["items"], *look.stage["locations"]]
        ruling.tell("ending", phrase=ending["text"], title=ending["title"], **slots)
        self._record(DIRECTOR, {"kind": "ending", "ending": id}, ruling, "director", None)

    # What came of it.

    def outcome(
        self, made_by: MadeBy, reasons: Mapping[str, tuple[str, ...]], *, complete: bool = True
    ) -> TurnOutcome:
        """The turn as it stands now."""
        turn = self.turn
        return TurnOutcome(
            turn=turn.turn,
            attempt=turn.attempt,
            events=tuple(self.events),
            changes=tuple(changes(turn.state, self.state)),
            state=self.state,
            turn_complete=complete,
            ended=self.ended,
            made_by=made_by,
            record=self.record(),
            reasons=reasons,
        )

    def record(self) -> TurnRecord:
        """What happened, for whom, and the names in it."""
        look, turn = self.look, self.turn
        events = tuple(event for event in self.events if event.audience == "everyone")
        names = {
            id: named(look, id)
            for id in sorted({*look.people, *look.stage["items"], *look.stage["locations"]})
        }
        names |= {
            id: named(look, id)
            for event in self.events
            for id in event.mentions
            if id in look.stage["director"]["items"]
        }
        hidden = [
            fact["text"] for _, fact in sorted(look.stage["director"]["facts"].items()) if not fact["public"]
        ]
        return TurnRecord(
            turn.turn,
            turn.attempt,
            turn.branch,
            turn.seed,
            look.stage["scene"]["tense"],
            events,
            names,
            tuple(hidden),
            look.stage["director"]["hand"],
            tone=look.stage["scene"].get("tone", "terse"),
            teller=look.stage["scene"].get("teller"),
            asides=tuple(event for event in self.events if isinstance(event.audience, list)),
            witnesses={id: tuple(who) for id, who in self.witnesses.items()},
        )


def changes(old: State, new: State) -> Iterable[Change]:
    """What a turn changes, one patch for each audience: everyone, the director, then each seat."""
    shared = [name for name in STORY_PARTITIONS if name in new]
    seats = sorted(name for name in new if name.startswith("seat:"))
    groups: list[tuple[Audience, list[str]]] = [("everyone", shared), ("director", [DIRECTOR])]
    groups += [([name.removeprefix("seat:")], [name]) for name in seats]
    for audience, parts in groups:
        patch = diff({name: old[name] for name in parts if name in old}, {name: new[name] for name in parts})
        if patch:
            yield Change(audience, cast(list[Json], patch))
