"""What all messages of clients are made of: bounded names and texts, strict models, the fence of a host.

Law: unknown fields are refused, and every text and number has a bound.
Parts: `Text`, `Name`, `CharacterId`, `Sequence`, `Offset`; `Strict`, `Fenced`.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

Text: TypeAlias = Annotated[str, Field(max_length=4000)]
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=120)]
CharacterId: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Sequence: TypeAlias = Annotated[int, Field(ge=0, le=2**53 - 1)]
Offset: TypeAlias = Annotated[int, Field(ge=0, le=2**31)]
"""A position in a text, in UTF-16 units."""


class Strict(BaseModel):
    # Built when the first message is read: a server's start does not wait for it.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class Fenced(Strict):
    """What every message of a host about a turn carries: the fencing token it was given."""

    turn: Sequence
    attempt: Sequence
    token: Sequence
