"""The replica: whatever happens to its frames, a resync ends at the server's state.

Law: the server here is the real rules (`core.room`) and the real answers to a sync, without a socket between.
Parts: a model server, the property, single steps, streamed prose.
"""

from __future__ import annotations

from typing import Any, cast

import orjson
from hypothesis import given
from hypothesis import strategies as st
from kernel.scripted import Json, event, put, synced

from novel_jupyter.core.draft import Draft, Facts
from novel_jupyter.core.events import Event
from novel_jupyter.core.incoming import parse
from novel_jupyter.core.messages import HeadEcho
from novel_jupyter.core.model import DEFAULT_SETTINGS
from novel_jupyter.core.opening import Opening, open_session
from novel_jupyter.core.outgoing import SERVER, SyncData, WireEvent
from novel_jupyter.core.policy import Principal
from novel_jupyter.core.room import Command, decide
from novel_jupyter.core.views import project_state, view_hash, view_of, wire_bytes
from novel_jupyter.kernel.replica import Replica, utf16_units
from novel_jupyter.server.sync import Ring, answer

ANA, BEN = Principal("ana", "Ana"), Principal("ben", "Ben")
NOW = "2026-01-01T00:00:00.000Z"


class Model:
    """A session under the real rules, and what its server would send to Ana."""

    def __init__(self) -> None:
        story = Opening(
            "tale",
            "A tale",
            {
                "scene": {"mood": "calm", "text": "It rains."},
                "notes": {"scene": ""},
                "seat:mara": {"secret": "the key"},
                "seat:jonas": {"secret": "the letter"},
                "director": {"plan": "dark"},
            },
            {"mara": ("Mara", True), "jonas": ("Jonas", True)},
        )
        facts = Facts(NOW, frozenset({"ana", "ben"}))
        draft = open_session("s1", "e1", b"salt", "seed", story, BEN, DEFAULT_SETTINGS, facts)
        self.facts, self.ring, self.sent = facts, Ring(1000, 10**7), [0]
        self.room = draft.committed()
        self.ring.extend(draft.events)
        self.frames: list[Json] = []
        self._numbers = {"ana": 0, "ben": 0}
        self.say(ANA, "join_session", {})

    @property
    def view(self) -> str:
        return view_of(self.room.state, "ana")

    def say(self, author: Principal, type: str, data: Json) -> None:
        """Decide one command, and queue for Ana what the server broadcasts."""
        self._numbers[author.user_id] += 1
        id = f"{author.user_id}:{self._numbers[author.user_id]}"
        frame = orjson.dumps({"type": type, "session_id": "s1", "id": id, "data": data})
        draft, before = Draft(self.room), self.view
        decide(draft, Command(author, parse(frame)), self.facts)
        self.room = draft.committed()
        self.ring.extend(draft.events)
        self.frames += [self.wire(event, before) for event in draft.events]
        if self.view != before:
            self.frames.append(self.sync(HeadEcho()))

    def wire(self, event: Event, view: str) -> Json:
        return cast(Json, orjson.loads(wire_bytes("s1", event, view)))

    def sync(self, echo: HeadEcho) -> Json:
        data = answer(self.room, self.ring, ANA, echo, None, [], None)
        number = self.room.head.sequence_id
        frame = {"type": "state_sync", "session_id": "s1", "sequence_id": number, "data": data}
        return cast(Json, orjson.loads(orjson.dumps(frame)))


def feed(replica: Replica, frame: Json) -> str:
    SERVER.validate_python(frame)
    if "hash" in frame:
        return replica.event(cast(WireEvent, frame)).step
    return replica.sync(cast(SyncData, frame["data"]), frame["sequence_id"]).step


def resync(replica: Replica, model: Model) -> None:
    """Ask as often as the replica wants; twice must do."""
    for _ in range(3):
        if feed(replica, model.sync(HeadEcho.model_validate(replica.echo()))) != "gap":
            return
    raise AssertionError("the replica still wants a resync")


COMMANDS: st.SearchStrategy[tuple[Principal, str, Json]] = st.one_of(
    st.tuples(
        st.sampled_from([ANA, BEN]),
        st.just("story_update"),
        st.builds(
            lambda base, mood: {"base": base, "patch": [put("/scene/mood", mood)]},
            st.integers(0, 8),
            st.sampled_from(["calm", "tense", "grim"]),
        ),
    ),
    st.tuples(
        st.sampled_from([ANA, BEN]),
        st.just("agent_action"),
        st.builds(
            lambda kind, who: {"kind": kind, "character": who},
            st.sampled_from(["claim", "release"]),
            st.sampled_from(["mara", "jonas"]),
        ),
    ),
    st.tuples(
        st.sampled_from([ANA, BEN]),
        st.just("story_update"),
        st.just({"base": 8, "patch": [put("/seat:mara/secret", "another")]}),
    ),
    st.just((BEN, "story_update", {"kind": "chat", "text": "hello"})),
    st.just((BEN, "system_message", {"kind": "set_role", "target": "ana", "role": "director"})),
    st.just((BEN, "system_message", {"kind": "set_role", "target": "ana", "role": "player"})),
    st.just((BEN, "system_message", {"kind": "grant_view", "target": "ana", "sees_all": True})),
)


@given(
    st.lists(COMMANDS, max_size=15),
    st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from(["drop", "repeat", "late", "resync"])), max_size=12
    ),
)
def test_whatever_happens_to_the_frames_a_resync_ends_at_the_servers_state(
    commands: list[tuple[Principal, str, Json]], mangling: list[tuple[int, str]]
) -> None:
    model, replica = Model(), Replica("s1")
    feed(replica, model.sync(HeadEcho()))
    model.frames.clear()
    for author, type, data in commands:
        model.say(author, type, data)
    frames: list[Json | None] = list(model.frames)
    for at, how in mangling:
        if not frames:
            break
        at %= len(frames)
        if how == "drop":
            del frames[at]
        elif how == "repeat":
            frames.insert((at * 7) % len(frames), frames[at])
        elif how == "late":
            frames.append(frames.pop(at))
        else:
            frames.insert(at, None)
    for frame in frames:
        if frame is None:
            resync(replica, model)
        else:
            feed(replica, frame)
    resync(replica, model)
    assert replica.head == model.room.head
    assert replica.view == model.view
    assert replica.state == project_state(model.room.state, model.view)
    assert replica.state_hash() == view_hash(model.room.state, model.view)
    again = model.sync(HeadEcho.model_validate(replica.echo()))
    assert again["data"]["kind"] in ("up_to_date", "full_sync")
    assert feed(replica, again) == "applied"
    assert replica.state == project_state(model.room.state, model.view)


@given(st.lists(COMMANDS, max_size=15))
def test_without_any_fault_no_resync_is_wanted(commands: list[tuple[Principal, str, Json]]) -> None:
    model, replica = Model(), Replica("s1")
    feed(replica, model.sync(HeadEcho()))
    model.frames.clear()
    for author, type, data in commands:
        model.say(author, type, data)
    assert "gap" not in [feed(replica, frame) for frame in model.frames]
    assert replica.state == project_state(model.room.state, model.view)


# --- single steps


def replica(number: int = 5, state: Json | None = None) -> Replica:
    found = Replica("s1")
    found.sync(cast(SyncData, synced("full_sync", number, state=state or {"scene": {}})), number)
    return found


def test_nothing_is_known_before_the_first_sync() -> None:
    new = Replica("s1")
    assert (new.sequence_id, new.echo()) == (-1, {})
    assert new.event(cast(WireEvent, event(1, []))).step == "gap"
    assert new.sync(cast(SyncData, synced("up_to_date", 3)), 3).step == "gap"


def test_a_patch_that_does_not_fit_changes_nothing_and_wants_the_whole_state() -> None:
    mine = replica()
    bad = event(6, [put("/scene/mood", "x"), {"op": "remove", "path": "/scene/nothing"}])
    assert mine.event(cast(WireEvent, bad)).step == "gap"
    assert (mine.sequence_id, mine.state, mine.echo()) == (5, {"scene": {}}, {})
    assert mine.event(cast(WireEvent, event(6, []))).step == "gap"
    mine.sync(cast(SyncData, synced("full_sync", 6, state={"scene": {"mood": "y"}})), 6)
    assert mine.event(cast(WireEvent, event(7, []))).step == "applied"


def test_an_overtaken_answer_is_passed_over() -> None:
    mine = replica(9)
    for kind, more in (("full_sync", {"state": {}}), ("up_to_date", {}), ("delta", {"events": []})):
        assert mine.sync(cast(SyncData, synced(kind, 7, **more)), 7).step == "duplicate"
    assert (mine.sequence_id, mine.state) == (9, {"scene": {}})


def test_another_history_is_believed_to_the_server() -> None:
    mine = replica(9)
    took = mine.sync(
        cast(SyncData, synced("conflict", 2, epoch="e2", state={"scene": {"a": 1}}, reason="epoch")), 2
    )
    assert (took.step, took.replaced, mine.sequence_id) == ("applied", True, 2)
    assert mine.echo() == {"epoch": "e2", "sequence_id": 2, "hash": "h2", "view": "public"}


def test_a_delta_of_another_view_is_not_mixed_in() -> None:
    mine = replica(5)
    data = {**synced("delta", 6, events=[event(6, [])]), "view": "seats:mara"}
    assert mine.sync(cast(SyncData, data), 6).step == "gap"
    assert mine.echo() == {}


def test_a_delta_with_a_hole_goes_as_far_as_it_can() -> None:
    mine = replica(5)
    took = mine.sync(cast(SyncData, synced("delta", 8, events=[event(6, []), event(8, [])])), 8)
    assert (took.step, [e["sequence_id"] for e in took.events], mine.sequence_id) == ("gap", [6], 6)


# --- streamed prose


def chunk(offset: int, text: str, turn: int = 1, attempt: int = 1) -> Any:
    return {"kind": "narration", "turn": turn, "attempt": attempt, "offset": offset, "text": text}


def prose(mine: Replica) -> str:
    return mine.provisional["text"] if mine.provisional else ""


def test_chunks_are_joined_by_utf16_offsets() -> None:
    mine = replica()
    assert mine.narration(chunk(0, "A 🗝 "))
    assert mine.narration(chunk(utf16_units("A 🗝 "), "turns."))
    assert prose(mine) == "A 🗝 turns."
    assert not mine.narration(chunk(0, "A 🗝 "))
    assert not mine.narration(chunk(40, "lost"))
    assert prose(mine) == "A 🗝 turns."
    assert mine.narration(chunk(0, "Again."))
    assert prose(mine) == "Again."
    assert mine.narration(chunk(0, "Next", turn=2))
    assert prose(mine) == "Next"


def test_the_commit_takes_the_place_of_what_was_streamed() -> None:
    mine = replica()
    mine.narration(chunk(0, "A key"))
    mine.doing({"kind": "progress", "agent": "Mara", "text": "decides", "turn": 1, "attempt": 1})
    mine.event(cast(WireEvent, event(6, [], "chat")))
    assert prose(mine) == "A key"
    mine.event(cast(WireEvent, event(7, [], "turn")))
    assert (mine.provisional, mine.progress) == (None, {})


def test_who_joins_in_mid_stream_gets_the_text_so_far() -> None:
    mine = Replica("s1")
    told = {"turn": 1, "attempt": 1, "text": "A key"}
    mine.sync(cast(SyncData, {**synced("full_sync", 5, state={}), "provisional": told}), 5)
    assert mine.narration(chunk(5, " turns."))
    assert prose(mine) == "A key turns."


@given(st.text(max_size=30))
def test_units_are_those_of_javascript(text: str) -> None:
    assert utf16_units(text) == len(text.encode("utf-16-le", "surrogatepass")) // 2
