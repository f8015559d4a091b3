"""Commands that were made in a history which a store lost, and are decided in another one.

Law: event numbers beyond what both histories have mean other events by now: nobody's words are taken for
words about those.
Parts: `check_known`.
"""

from __future__ import annotations

from .draft import Context
from .errors import Refused
from .messages import Branch, Direct, RestoreEdit, Retell, Settle, Undo
from .views import rules_of


def check_known(ctx: Context, data: object) -> None:
    """Raises Refused `lost` when a command is about an event that its author cannot have known."""
    known = ctx.facts.known
    if known is not None and (about := _about(ctx, data)) > known:
        raise Refused("lost", f"what this was about, at {about}, is of a history that is no more")


def _about(ctx: Context, data: object) -> int:
    """The event that a command names, or the end of the turn that it means; 0 where it is about none."""
    match data:
        case RestoreEdit(sequence_id=named):
            return named
        case Settle(record=record):
            number = record.rpartition("/")[2].partition("-")[0]
            return int(number) if number.isdecimal() and len(number) < 16 else 0
        case Undo(to=int(named)) | Retell(node=int(named)) | Branch(at=int(named)):
            return named
        case Undo() | Retell() | Direct(kind="accept" | "reroll"):
            rules = rules_of(ctx.draft.state)
            parent = rules["turn"]["parent"]
            entry = rules["turns"].get(str(parent))
            return max(parent, entry["end"] or 0) if entry else parent
        case _:
            return 0
