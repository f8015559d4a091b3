"""The log of a session as a flat table: one row for each deed, sentence and step.

Law: pure; rows follow from the events that this client may see and from nothing else, and all have the same
columns. What an event does not say is None.
Parts: `COLUMNS`, `Row`, `rows_of`, `standing`, `is_dramatic`.

The columns:

- `sequence_id`, `time` (RFC 3339, UTC), `author` (a user id, `kernel:<id>`, or None for the server),
  `audience` (`everyone`, `director`, `onlookers`, or seats with commas between): of the row's event.
- `kind`: of the event. `resolved` (and `dealt`, for what only some may know) rows are deeds, `turn` rows (and
  `dealt` ones with a `text`) are sentences.
- `turn`, `attempt`, `branch`: where it happened.
- `character`: who did it, `director` for what nobody did. `action`, `target`, `item`: the kind of the action
  and what it was about. `outcome`, `reason`: what came of it. `by`: `player`, `agent`, `understudy` or
  `director`.
- `text`: of a sentence, a chat message or free words. `event`: the id of the deed, or those that a sentence
  tells, with commas between.
- `dramatic`: of a deed, see `is_dramatic`. `act`, `tension` (0 … 100): after what the row tells.
- `engine`, `model`, `agent` (the class, where it is a notebook's own), `tokens` (in and out), `cost` (US
  dollars): what made it. Each bill stands on one row only, so that sums are right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from novel_jupyter.core.patch import parse_pointer

from .listeners import Frame

Row: TypeAlias = dict[str, Any]

COLUMNS: Final = (
    "sequence_id",
    "time",
    "turn",
    "attempt",
    "branch",
    "kind",
    "character",
    "action",
    "target",
    "item",
    "outcome",
    "reason",
    "text",
    "event",
    "dramatic",
    "act",
    "tension",
    "by",
    "engine",
    "model",
    "agent",
    "tokens",
    "cost",
    "author",
    "audience",
)
FIERCE: Final = frozenset({"attack", "threaten", "betray"})
LASTING: Final = ("hurt:", "died:", "found:", "destroyed:", "departed:", "spotted:", "learned:")
DIRECTOR: Final = "director"

_FOLLOWED: Final = {
    "turn": ("turn", "number"),
    "attempt": ("turn", "attempt"),
    "branch": ("turn", "branch"),
    "act": ("scene", "act"),
    "tension": ("director", "tension"),
}
"""Column → where the state has it."""
PLACE: Final = ("turn", "attempt", "branch")
"""Those of them that an event may say itself: its patch may be of the next turn already."""


def is_dramatic(outcome: Mapping[str, Any]) -> bool:
    """An attack, a threat or a betrayal, or a deed of which something came that does not undo itself:
    somebody was hurt, died, left, was caught or learned something; something was found or destroyed.

    This is what can be told from the log; `novel_jupyter.eval` also weighs what everybody wanted.
    """
    if outcome["outcome"] == "refused" or outcome["character"] == DIRECTOR:
        return False
    tags = (outcome.get("facts") or {}).get("tags", ())
    return outcome["action"].get("kind") in FIERCE or any(tag.startswith(LASTING) for tag in tags)


def standing(state: Mapping[str, Any]) -> Row:
    """Where a state stands: the turn, attempt, branch, act and tension, as far as it shows them."""
    return {column: _at(state, place) for column, place in _FOLLOWED.items()}


def rows_of(
    events: Iterable[Frame], names: Mapping[str, str] | None = None, start: Mapping[str, Any] | None = None
) -> list[Row]:
    """The rows of `events`, in their order.

    `names`: character → name, under which agents are billed; `start`: the `standing` before the first.
    """
    now: Row = dict.fromkeys(_FOLLOWED) | dict(start or {})
    rows: list[Row] = []
    command: tuple[object, int] = (None, 0)
    for event in events:
        moved = dict(_moved(event["data"].get("patch", ())))
        now |= {name: event["data"][name] for name in PLACE if name in event["data"]}
        if event["id"] is None or event["id"] != command[0]:
            command = (event["id"], len(rows))
        # A turn is several events of one command, each for its own readers: they tell of one moment.
        for row in rows[command[1] :]:
            row |= {name: value for name, value in moved.items() if name not in PLACE}
        told = {name: value for name, value in moved.items() if name not in PLACE}
        rows += _of_event(event, now | told, names or {})
        now |= moved
    return rows


def _moved(patch: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """What a patch says of the places that are followed."""
    for op in patch:
        if op["op"] not in ("add", "replace"):
            continue
        path = parse_pointer(op["path"])
        for column, place in _FOLLOWED.items():
            if place[: len(path)] != tuple(path):
                continue
            found = _at(op["value"], place[len(path) :])
            if found is not None:
                yield column, found


def _at(value: Any, place: tuple[str, ...]) -> Any:
    for token in place:
        value = value.get(token) if isinstance(value, Mapping) else None
    return value


def _of_event(event: Frame, now: Row, names: Mapping[str, str]) -> list[Row]:
    data, audience = event["data"], event["audience"]
    base: Row = dict.fromkeys(COLUMNS) | now
    base |= {
        "sequence_id": event["sequence_id"],
        "time": event["timestamp"],
        "kind": data["kind"],
        "author": event["user_id"],
        "audience": ",".join(audience) if isinstance(audience, list) else audience,
    }
    made_by = data.get("made_by") or {}
    base |= {name: made_by.get(name) for name in ("engine", "model")}
    if data.get("outcomes"):
        rows = [base | _deed(outcome) for outcome in data["outcomes"]]
    elif data.get("sentences"):
        rows = [base | _sentence(sentence) for sentence in data["sentences"]]
    else:
        rows = [base | _step(data)]
    _bill(rows, base, made_by.get("agents", {}), names)
    return rows


def _deed(outcome: Mapping[str, Any]) -> Row:
    return {
        "character": outcome["character"],
        **_action(outcome["action"]),
        "outcome": outcome["outcome"],
        "reason": outcome["reason"],
        "event": outcome["id"],
        "dramatic": is_dramatic(outcome),
        "by": outcome["by"],
    }


def _sentence(sentence: Mapping[str, Any]) -> Row:
    return {"text": sentence["text"], "event": ",".join(sentence["events"])}


def _step(data: Mapping[str, Any]) -> Row:
    row: Row = {"character": data.get("character"), "text": data.get("text")}
    if isinstance(data.get("action"), Mapping):
        row |= _action(data["action"])
    outcome = data.get("outcome")
    row["outcome"] = outcome if isinstance(outcome, str) else None
    row["reason"] = data.get("code") or data.get("why")
    return row


def _action(action: Mapping[str, Any]) -> Row:
    about = action.get("item") or action.get("fact") or action.get("about")
    found: Row = {"action": action.get("kind"), "target": action.get("target"), "item": about}
    return found | ({"text": action["text"]} if action.get("text") else {})


def _bill(
    rows: list[Row], base: Row, agents: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]
) -> None:
    """Put what each agent cost on the first row of its character, and the rest on the first row of all."""
    first = {row["character"]: row for row in reversed(rows)}
    ids = {name: id for id, name in names.items()}
    for name, cost in agents.items():
        row = first.get(ids.get(name, DIRECTOR), rows[0])
        row["tokens"] = (row["tokens"] or 0) + cost["tokens_in"] + cost["tokens_out"]
        row["cost"] = (row["cost"] or 0.0) + cost["cost"]
        for column in ("model", "agent"):
            if cost.get(column):
                row[column] = cost[column]
