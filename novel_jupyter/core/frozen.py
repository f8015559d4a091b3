"""Records that are made by the thousand and never changed.

Law: frozen for whoever writes code (the type checker refuses an assignment), plain when it runs: a frozen
dataclass sets each field through a call, and is three times as dear to make.
Parts: `frozen`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def frozen(cls: type[T]) -> type[T]:
    """A dataclass with slots, equality and a hash, for a class whose objects are never changed."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
