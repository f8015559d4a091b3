"""Records that are never changed: told by their fields, with slots and a hash."""

from __future__ import annotations

from dataclasses import replace

import pytest

from novel_jupyter.core.frozen import frozen


@frozen
class Point:
    x: int
    y: int = 0


def test_records_are_equal_by_their_fields() -> None:
    one = Point(1, 2)
    assert one == Point(1, 2) != Point(2, 1)
    assert len({one, Point(1, 2), replace(one, y=3)}) == 2
    assert repr(one) == "Point(x=1, y=2)"


def test_records_have_their_fields_alone() -> None:
    with pytest.raises(AttributeError):
        object.__setattr__(Point(1), "z", 3)
