"""Whatever the order of commands, and whatever the network does to them (SPEC R1-R5, R40, R76-R77, R84-R86).

A schedule is a seed and a number of steps, so that a failure is found again and shortened.
"""

from __future__ import annotations

from core.play import CHOOSING, Play, played
from core.rules import SALT
from core.simulation import Asked, Log, empty_room, one
from hypothesis import given, settings
from hypothesis import strategies as st

from novel_jupyter.core.canonical import chain
from novel_jupyter.core.draft import Draft
from novel_jupyter.core.events import Event, audience_of_patch, fold
from novel_jupyter.core.patch import lookup, overlaps, parse_pointer, touched
from novel_jupyter.core.policy import SERVER
from novel_jupyter.core.room import next_deadline
from novel_jupyter.core.views import project_state, rules_of, view_hash, view_of


def check_log(log: Log) -> None:
    """Gapless, chained, and each event writes for its audience only (R1, R4)."""
    hash_ = ""
    for number, event in enumerate(log.entries, 1):
        assert event.sequence_id == number
        hash_ = chain(hash_, event.body, SALT)
        assert event.hash == hash_
        fits = {"everyone", "onlookers"} if event.audience == "everyone" else {str(event.audience)}
        assert {str(found) for found in audience_of_patch(event.patch)} <= fits


def check_replicas(play: Play) -> None:
    """Everybody's state is the projection of the fold into their view (R5, R84)."""
    world = play.world
    state = world.log.states[-1]
    assert fold({}, world.log.entries) == state
    for node in world.nodes:
        assert (node.room.head, node.room.state) == (world.log.head, state)
    for player in world.players:
        if player.is_out:
            assert player.who.user_id not in rules_of(state)["participants"]
            continue
        view = view_of(state, player.who.user_id, player.who.is_kernel)
        assert (player.replica.view, player.replica.head) == (view, world.log.head)
        assert player.replica.state == project_state(state, view)
        assert player.replica.state_hash() == view_hash(state, view)


def check_answers(play: Play) -> None:
    """Acknowledged: in the log once. Refused: not at all (R3)."""
    groups: dict[tuple[str | None, str], list[int]] = {}
    for event in play.world.log.entries:
        if event.id is not None and not event.id.endswith(":join"):
            author = "host" if event.id.startswith("host:") else event.user_id
            groups.setdefault((author, event.id), []).append(event.sequence_id)
    for numbers in groups.values():
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "one append, once"
    for player in play.world.players:
        for id in player.sent:
            if player.is_out and id not in player.answers:
                continue
            sequence_id, data = player.answers[id]
            assert data.get("code") not in ("id_reused", "id_expired"), "nobody else spends it"
            numbers = groups.get((player.who.user_id, id), [])
            if data["kind"] == "error":
                assert numbers == []
            else:
                assert not numbers or sequence_id == numbers[-1]


def check_edits(play: Play) -> None:
    """An acknowledged edit is in the log; what gave way to another's stands in a record there (R11-R15)."""
    log = play.world.log
    by_id = {(e.user_id, e.id): e for e in log.entries if e.data["kind"] == "edit"}
    for player in play.world.players:
        for id, (_, data) in player.answers.items():
            token = play.edits.get((player.who.user_id, id))
            if token is not None and data["kind"] == "ack":
                assert token.encode() in by_id[player.who.user_id, id].body
    writers: dict[str, Event] = {}
    for event in log.entries:
        written = touched(event.patch)
        for path in CHOOSING:
            if not any(overlaps(parse_pointer(path), each) for each in written):
                continue
            before = writers.get(path)
            if event.data["kind"] == "edit" and before is not None and before.data["kind"] == "edit":
                check_replaced(log, path, before, event)
            writers[path] = event


def check_replaced(log: Log, path: str, before: Event, event: Event) -> None:
    assert event.data["kind"] == "edit"
    client = [(e.user_id, e.id.rpartition(":")[0]) for e in (before, event) if e.id]
    if event.data["base"] >= before.sequence_id or client[0] == client[1]:
        return
    lost = lookup(log.states[event.sequence_id - 1], parse_pointer(path))
    kept = lookup(log.states[event.sequence_id], parse_pointer(path))
    assert lost == kept or str(lost).encode() in event.body, f"{lost} was overwritten unseen"


def check_turns(log: Log) -> None:
    """An attempt is resolved at most once, and a turn is left for the next one once (R37, R40)."""
    locked: set[tuple[int, int]] = set()
    resolved: set[tuple[int, int]] = set()
    left: set[int] = set()
    for event in log.entries:
        before, after = (rules_of(log.states[event.sequence_id - n]) for n in (1, 0))
        if event.data["kind"] in ("locked", "resolved"):
            attempt = event.data["turn"], event.data["attempt"]
            seen = locked if event.data["kind"] == "locked" else resolved
            assert attempt not in seen
            seen.add(attempt)
            answers = event.id is None or not event.id.startswith("host:")
            assert answers or event.id == f"host:{attempt[0]}.{attempt[1]}:1", "a result of another attempt"
        if event.sequence_id <= after["session"]["opening"]:
            continue
        turn, now = before["turn"], after["turn"]
        if event.data["kind"] in ("undone", "branched"):
            left.discard(now["parent"])
        elif now["number"] != turn["number"]:
            assert now["number"] == turn["number"] + 1
            assert now["parent"] not in left, "a turn advanced twice"
            left.add(now["parent"])
        check_machine(after["turn"]["phase"], log, event)


def check_machine(phase: str, log: Log, event: Event) -> None:
    turn = rules_of(log.states[event.sequence_id])["turn"]
    assert (turn["locked"] is not None) or phase not in ("locked", "resolving", "failed")
    assert turn["deadline"] is None or (phase == "collect" and turn["proposals"])
    assert set(turn["votes"].values()) <= set(turn["proposals"])
    assert (turn["node"] != 0) == (phase == "narrating")
    participants = rules_of(log.states[event.sequence_id])["participants"]
    for seat in rules_of(log.states[event.sequence_id])["seats"].values():
        owner = participants.get(seat["owner"] or "")
        assert seat["owner"] is None or (owner and owner["role"] in ("owner", "player"))
        assert not (owner and (owner.get("has_peeked") or owner.get("sees_all"))), "nobody peeks and plays"


def check_overrulings(log: Log) -> None:
    """Only who directs changes what was overruled, nothing that was struck out is voted for, and no host
    decides for its character (R66-R68).
    """
    for event in log.entries[rules_of(log.states[-1])["session"]["opening"] :]:
        before, after = (rules_of(log.states[event.sequence_id - n]) for n in (1, 0))
        proposals = after["turn"]["proposals"]
        for character, proposal in before["turn"]["proposals"].items():
            if "overruled" not in proposal:
                continue
            kind, said = event.data["kind"], {**proposal, "ready": False}
            if kind in ("overruled", "withdrawn") and event.data["character"] == character:  # type: ignore[typeddict-item]
                role = before["participants"][event.user_id or ""]["role"]
                assert role in ("owner", "director")
            elif character in proposals:
                assert {**proposals[character], "ready": False} == said
            else:
                assert kind in ("locked", "cancelled", "undone", "branched"), f"{kind} took it away"
        struck = {character for character, proposal in proposals.items() if proposal["action"] is None}
        assert struck.isdisjoint(after["turn"]["votes"].values())
        locked = after["turn"]["locked"]
        if locked is not None:
            frozen = {c for c, proposal in locked["proposals"].items() if proposal["action"] is None}
            assert frozen.isdisjoint(locked["agents"])


def check_serial(log: Log) -> None:
    """What several servers decided is what one would have decided in the order of the log (R2, R77)."""
    opening = rules_of(log.states[-1])["session"]["opening"]
    room = empty_room().after(log.entries[:opening])
    for facts, batch in log.decided:
        draft = Draft(room)
        for asked in batch:
            one(draft, asked, facts)
        room = draft.committed()
        assert draft.events == log.entries[room.head.sequence_id - len(draft.events) : room.head.sequence_id]
    assert (room.head, room.state) == (log.head, log.states[-1])


def check_all(play: Play) -> None:
    check_log(play.world.log)
    check_replicas(play)
    check_answers(play)
    check_edits(play)
    check_turns(play.world.log)
    check_overrulings(play.world.log)
    check_serial(play.world.log)


seeds, lengths = st.integers(0, 2**32 - 1), st.integers(1, 250)


@settings(max_examples=100)
@given(seeds, lengths)
def test_any_schedule_over_a_bad_network_ends_well(seed: int, steps: int) -> None:
    """R1-R5, R11-R15, R37, R40, R84-R86, R66-R68"""
    check_all(played(seed, steps))


@settings(max_examples=100)
@given(seeds, lengths)
def test_servers_that_share_a_log_decide_as_one(seed: int, steps: int) -> None:
    """R2, R3, R76, R77: one winner for each head; who is behind, or does not know, decides again."""
    check_all(played(seed, steps, nodes=2))


@settings(max_examples=25)
@given(seeds, lengths, st.integers(1, 400))
def test_a_room_can_be_rebuilt_from_any_point(seed: int, steps: int, cut: int) -> None:
    """R1: a snapshot shortens the reading and changes nothing."""
    log = played(seed, steps, is_lossy=False).world.log
    at = min(cut, len(log.entries))
    early = empty_room().after(log.entries[:at])
    assert early.state == log.states[at]
    late = early.after(log.entries[at:])
    whole = empty_room().after(log.entries)
    assert (late.state, late.head, late.index) == (whole.state, whole.head, whole.index)
    assert late.state == log.states[-1]


@settings(max_examples=25)
@given(seeds, lengths)
def test_nobody_is_woken_for_nothing(seed: int, steps: int) -> None:
    """R36, R22: after a tick, whatever is due lies ahead."""
    play = played(seed, steps, is_lossy=False)
    node = play.world.nodes[0]
    for _ in range(8):
        node.queue.append(Asked(None, SERVER, None))
        node.prepare()
        node.append()
        due = next_deadline(node.room.state)
        if due is None:
            return
        assert due > play.world.now
        play.world.now = due
    raise AssertionError("there is always something due")
