"""Time in a log goes forwards (SPEC R36, R92)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from novel_jupyter.core.times import format_time
from novel_jupyter.server.clock import Clock


def test_a_clock_never_goes_backwards_and_never_stands_still() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    moments = iter([at, at, at - timedelta(hours=1), at - timedelta(hours=1), at + timedelta(hours=1)])
    passed = iter([0.0, 0.0, 2.0, 5.0, 6.0])
    clock = Clock(lambda: next(moments), lambda: next(passed))
    assert [clock.now() for _ in range(4)] == [
        "2026-01-01T00:00:00.000Z",
        "2026-01-01T00:00:02.000Z",
        "2026-01-01T00:00:05.000Z",
        "2026-01-01T01:00:00.000Z",
    ]


def test_who_follows_a_log_of_the_future_goes_on_from_there_at_the_pace_of_time() -> None:
    at, passed = datetime(2026, 1, 1, tzinfo=UTC), iter([0.0, 0.0, 2.0, 3.0, 4.0])
    moments = iter([at, at + timedelta(seconds=2), at + timedelta(seconds=3), at + timedelta(hours=7)])
    clock = Clock(lambda: next(moments), lambda: next(passed))
    clock.reach(format_time(at + timedelta(hours=6)))
    assert [clock.now() for _ in range(3)] == [
        "2026-01-01T06:00:02.000Z",
        "2026-01-01T06:00:03.000Z",
        "2026-01-01T07:00:00.000Z",
    ]
    clock.reach(format_time(at))
    assert clock._last == at + timedelta(hours=7), "what lies behind moves nothing"
