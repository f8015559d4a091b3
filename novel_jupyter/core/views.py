"""What one may see: views, and the projection of state and log into one.

Law: an unseen event is a `hidden` placeholder with its number, so every view is gapless, and nothing of it
leaks: not its author, time, kind or size (SPEC R5). Views are few and named by a string, so that bytes can
be shared per view.
Parts: `View` names, `person_of`, `view_of` (who sees what), `sees`, `project_state`, `cut` and `wire_bytes`.
"""

from __future__ import annotations

from typing import Final, TypeAlias, cast

from pydantic import JsonValue
from pydantic_core import to_json

from .canonical import state_hash
from .events import Event, EventData, audience_of_partition, audience_of_patch, encode
from .model import DIRECTOR, EVERYONE, ONLOOKERS, SEALED, Audience, RuleState, State

View: TypeAlias = str
"""`public`, `all`, or `seats:<a>,<b>` (sorted; the director's seat is called `director`)."""

PUBLIC: Final[View] = "public"
ALL: Final[View] = "all"
SEATED: Final[View] = "seats:"
"""What a kernel sees whose person plays: neither that seat's secrets nor what is for onlookers."""
_WITH_PROSE: Final = frozenset({"created", "turn", "undone", "branched"})
"""Kinds whose patch may write the chronicle, which is for onlookers."""


def rules_of(state: State) -> RuleState:
    """The same state, typed for reading the rules' partitions. Nobody writes into what it returns."""
    return cast(RuleState, state)


def person_of(user_id: str) -> str | None:
    """The user id of the person whose kernel this is; None for people, and for kernels of nobody known."""
    if not user_id.startswith("kernel:"):
        return None
    return user_id.removeprefix("kernel:").rpartition(":")[0] or None


def view_of(state: State, user_id: str, is_kernel: bool = False) -> View:
    """The view of a person (by grant, seats and role) or of a kernel (all when it is admitted as a host).

    A player's own kernel reads nothing that the player may not: it would be a way round the cut.
    """
    rules = rules_of(state)
    if is_kernel:
        if user_id in rules["host"]["admitted"]:
            return ALL
        person = person_of(user_id)
        is_cut = person is not None and not sees(view_of(state, person), ONLOOKERS)
        return SEATED if is_cut else PUBLIC
    participant = rules["participants"].get(user_id)
    if participant is None:
        return PUBLIC
    if participant.get("sees_all"):
        return ALL
    seats = [name for name, seat in rules["seats"].items() if seat["owner"] == user_id]
    if participant["role"] == "director":
        seats.append(DIRECTOR)
    return f"seats:{','.join(sorted(seats))}" if seats else PUBLIC


def view_since(state: State, user_id: str, is_kernel: bool = False) -> int:
    """The sequence_id at which this reader's view last changed; a replica that is older needs a
    `full_sync`."""
    rules = rules_of(state)
    admitted = rules["host"]["admitted"].get(user_id, 0) if is_kernel else 0
    participant = rules["participants"].get((person_of(user_id) or "") if is_kernel else user_id)
    return max(admitted, participant["view_since"] if participant else 0)


def seats_of(view: View) -> frozenset[str]:
    """The seats whose secrets a view shows (not those of `all`, which shows every one)."""
    return frozenset(filter(None, view[6:].split(","))) if view.startswith(SEATED) else frozenset()


def sees(view: View, audience: Audience) -> bool:
    """Whether `audience` includes the readers of `view`."""
    if audience == EVERYONE:
        return True
    if audience == SEALED:
        return False
    if view == ALL:
        return True
    if audience == ONLOOKERS:
        return view == PUBLIC or DIRECTOR in seats_of(view)
    if audience == DIRECTOR:
        return DIRECTOR in seats_of(view)
    return not seats_of(view).isdisjoint(audience)


def project_state(state: State, view: View) -> dict[str, JsonValue]:
    """The partitions of `state` that `view` shows."""
    return {name: part for name, part in state.items() if sees(view, audience_of_partition(name))}


def view_hash(state: State, view: View) -> str:
    """sha256 (hex) over the RFC 8785 form of the state as seen in `view`."""
    return state_hash(project_state(state, view))


def _is_cut(event: Event, view: View) -> bool:
    data = event.data
    if view == ALL:
        return False
    if data["kind"] == "resolved":
        return any("witnesses" in outcome for outcome in data["outcomes"])
    return data["kind"] in _WITH_PROSE and not sees(view, ONLOOKERS)


def cut(event: Event, view: View) -> EventData:
    """What `view` shows of an event for everybody that has parts for onlookers, or outcomes that not every
    character saw (SPEC R5).
    """
    data = event.data
    if data["kind"] == "resolved":
        mine = seats_of(view)
        looks_on = sees(view, ONLOOKERS)
        shown = [
            {key: value for key, value in outcome.items() if key != "witnesses"}
            for outcome in data["outcomes"]
            if looks_on or "witnesses" not in outcome or not mine.isdisjoint(outcome["witnesses"])
        ]
        return cast(EventData, {**data, "outcomes": shown})
    patch = [op for op in event.patch if sees(view, audience_of_patch([op])[0])]
    prose = {"narrative": "", "sentences": []} if data["kind"] == "turn" else {}
    return cast(EventData, {**data, **prose, "patch": patch})


def wire_bytes(session_id: str, event: Event, view: View) -> bytes:
    """The event as a frame's text for readers of `view`: its stored body, or a placeholder, and the chain's
    hash.
    """
    if sees(view, event.audience):
        body = event.body
        if event.audience == EVERYONE and _is_cut(event, view):
            data = cut(event, view)
            # One event in many: the stored body stays as it is, and so does the chain.
            body = encode(
                session_id, event.sequence_id, event.user_id, event.timestamp, event.id, EVERYONE, data
            )
        return body[:-1] + b',"hash":"' + event.hash.encode() + b'"}'
    return to_json(
        {
            "type": "system_message",
            "session_id": session_id,
            "user_id": None,
            "timestamp": None,
            "sequence_id": event.sequence_id,
            "id": None,
            "audience": "hidden",
            "data": {"kind": "hidden"},
            "hash": event.hash,
        }
    )
