"""What a character can try to do: one discriminated union by `kind`.

Law: an action says what somebody wants to do, never what comes of it. Shapes and lengths are checked here;
whether it is possible is a matter of `rules`, so an unknown target is a refusal in the story and not a
malformed message.
Parts: the kinds, `Action`, `ActionAdapter`, `parse_action`, `dump_action`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, TypeAdapter

Ref: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=64)]
"""The id of a character, location, item or fact."""
Words: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]
"""What a player says, in their own words."""


class _Act(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    # Options are weighed by the hundred in every turn, and pydantic compares them in a general, slow way.
    def __eq__(self, other: object) -> bool:
        return other is self or (type(other) is type(self) and other.__dict__ == self.__dict__)

    def __hash__(self) -> int:
        return hash(tuple(self.__dict__.values()))


class Move(_Act):
    kind: Literal["move"] = "move"
    target: Ref


class Observe(_Act):
    """Watch a character, or the place one is at."""

    kind: Literal["observe"] = "observe"
    target: Ref | None = None


class Search(_Act):
    kind: Literal["search"] = "search"
    target: Ref | None = None
    """The location that one is at; left out, it means the same."""


class Ask(_Act):
    kind: Literal["ask"] = "ask"
    target: Ref
    about: Ref | None = None
    text: Words | None = None


class Tell(_Act):
    """Say a fact or a few words, to one or to all who are there; `quietly` only works to one."""

    kind: Literal["tell"] = "tell"
    target: Ref | None = None
    fact: Ref | None = None
    text: Words | None = None
    quietly: bool = False


class Persuade(_Act):
    """Win somebody over: to hand over an item, to own up to a fact, or (no `about`) to trust."""

    kind: Literal["persuade"] = "persuade"
    target: Ref
    about: Ref | None = None
    text: Words | None = None


class Threaten(_Act):
    """Force an item or a fact out of somebody, or (no `about`) cow them."""

    kind: Literal["threaten"] = "threaten"
    target: Ref
    about: Ref | None = None
    text: Words | None = None


class Give(_Act):
    kind: Literal["give"] = "give"
    target: Ref
    item: Ref


class Take(_Act):
    """Pick up what lies here, or wrest it from whoever holds it."""

    kind: Literal["take"] = "take"
    item: Ref


class Use(_Act):
    kind: Literal["use"] = "use"
    item: Ref
    how: Ref | None = None
    """Which use; may be left out where there is only one."""


class Attack(_Act):
    kind: Literal["attack"] = "attack"
    target: Ref


class Defend(_Act):
    """Guard oneself (no target) or somebody else until the turn is over."""

    kind: Literal["defend"] = "defend"
    target: Ref | None = None


class Hide(_Act):
    kind: Literal["hide"] = "hide"


class Help(_Act):
    """Stand by somebody: their next attempt is easier; a wound is dressed."""

    kind: Literal["help"] = "help"
    target: Ref


class Betray(_Act):
    """Use somebody's trust against them: to get an item, or to speak out a fact."""

    kind: Literal["betray"] = "betray"
    target: Ref
    about: Ref | None = None


class Wait(_Act):
    kind: Literal["wait"] = "wait"


class Free(_Act):
    """Something in words. It is told as it was said, and changes nothing that the rules know."""

    kind: Literal["free"] = "free"
    text: Words


Action: TypeAlias = (
    Move
    | Observe
    | Search
    | Ask
    | Tell
    | Persuade
    | Threaten
    | Give
    | Take
    | Use
    | Attack
    | Defend
    | Hide
    | Help
    | Betray
    | Wait
    | Free
)

ActionAdapter: Final[TypeAdapter[Action]] = TypeAdapter(Annotated[Action, Field(discriminator="kind")])

KINDS: Final[tuple[str, ...]] = tuple(cls.model_fields["kind"].default for cls in get_args(Action))
"""Every kind, in the order of the union."""


def parse_action(raw: object) -> Action:
    """The action of a wire object `{"kind": …}`. Raises pydantic.ValidationError."""
    return ActionAdapter.validate_python(raw)


def dump_action(action: Action) -> dict[str, JsonValue]:
    """The wire object of an action: JSON, without what was left out."""
    return cast(
        dict[str, JsonValue], action.model_dump(mode="json", exclude_none=True, exclude_defaults=False)
    )
