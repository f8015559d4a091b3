"""The log of a story as a notebook reads it: a table, `pd.DataFrame(story.log)`.

Law: it shows the events that this client may see; the server decided that. It begins where this client came
in until it is loaded, and is bounded: the oldest rows go first, and it says so.
Parts: `Log`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final, overload

from .errors import CommandRefused
from .listeners import Frame
from .rows import COLUMNS, Row, rows_of, standing

KEPT: Final = 20_000
"""Events."""
PAGE: Final = 500
SHOWN: Final = 30
"""Rows that a notebook shows."""
SHOWN_COLUMNS: Final = (
    "turn",
    "kind",
    "character",
    "action",
    "target",
    "item",
    "outcome",
    "text",
    "by",
    "audience",
)


class Log(Sequence[Row]):
    """Rows with the columns of `kernel.rows`, the oldest first.

    `names` gives character → name; `state` is that before the first event that is added.
    """

    def __init__(
        self, names: Callable[[], Mapping[str, str]] = dict, state: Mapping[str, Any] | None = None
    ) -> None:
        self._names = names
        self._start = standing(state or {})
        self._events: dict[int, Frame] = {}
        self._rows: list[Row] | None = None
        self._read_to = 0
        """Up to where everything was read from the server."""
        self._view: str | None = None
        self.begins_at = 0
        """The sequence_id before which nothing is here; 0 once all of it was loaded."""

    def add(self, event: Frame) -> None:
        """An event that this client saw happen."""
        if not self._events and not self._read_to:
            self.begins_at = event["sequence_id"] - 1
        self._take(event)

    def _take(self, event: Frame) -> None:
        self._events[event["sequence_id"]] = event
        self._rows = None
        if len(self._events) > KEPT + PAGE:
            for oldest in sorted(self._events)[:PAGE]:
                del self._events[oldest]
                self.begins_at = oldest

    async def load(self, history: Callable[[int, int], Awaitable[list[dict[str, Any]]]], view: str) -> None:
        """Read what is missing, back to the session's beginning or as far as the server keeps it.
        `history(after, limit)` reads a page of the log.

        In another `view` than before, all of it is read again.
        """
        if view != self._view:
            self._view, self._read_to = view, 0
            self._events.clear()
        if self._read_to == 0:
            self.begins_at = 0
        while True:
            try:
                page = await history(self._read_to, PAGE)
            except CommandRefused as refused:
                floor = refused.extra.get("floor")
                if refused.code != "trimmed" or not isinstance(floor, int) or floor <= self._read_to:
                    raise
                self._read_to = self.begins_at = floor
                continue
            for event in page:
                if event["data"]["kind"] != "hidden":
                    self._take(event)
            if not page:
                break
            self._read_to = page[-1]["sequence_id"]
        self._events = dict(sorted(self._events.items()))

    @property
    def events(self) -> list[Frame]:
        """The events themselves, as `core.outgoing` describes them."""
        return [event for _, event in sorted(self._events.items())]

    @property
    def columns(self) -> tuple[str, ...]:
        return COLUMNS

    @property
    def rows(self) -> list[Row]:
        if self._rows is None:
            self._rows = rows_of(self.events, self._names(), self._start if self.begins_at else None)
        return self._rows

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...

    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        return self.rows[index]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __repr__(self) -> str:
        return f"<log: {self._extent()}; pd.DataFrame(story.log) makes a table of it>"

    def _extent(self) -> str:
        since = f" since event {self.begins_at + 1}" if self.begins_at else ""
        return f"{len(self)} rows{since}"

    def _repr_html_(self) -> str:
        shown = self.rows[-SHOWN:]
        head = "".join(f'<th scope="col">{name}</th>' for name in SHOWN_COLUMNS)
        body = "".join(
            "<tr>" + "".join(f"<td>{_cell(row[name])}</td>" for name in SHOWN_COLUMNS) + "</tr>"
            for row in shown
        )
        earlier = (
            " (<code>await story.load()</code> reads what was before)"
            if self.begins_at and self._view is None
            else ""
        )
        last = f", the last {len(shown)}" if len(shown) < len(self) else ""
        return (
            f"<table><caption>{self._extent()}{last}{earlier}; all columns: "
            f"<code>pd.DataFrame(story.log)</code></caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return escape(text if len(text) <= 120 else text[:119] + "…")
