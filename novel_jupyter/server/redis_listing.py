"""The lists of sessions in a Redis: of all, and of each member's, across all slots.

Law: a row says (last activity, session), and whether it is true is read from the session. Rows are written
before what makes them true and taken away after what makes them untrue, so there may be too many, never too
few; who meets an untrue one takes it away, unless it is so young that what makes it true may be on its way.
(Two servers that give one session the very same time at the very same moment can take each other's row away;
the session's next activity writes another.)
Parts: `Listing`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from .ports import SessionInfo, SessionPage, StoreError, StoreUnavailable, cursor_after
from .redis_link import RedisLink
from .redis_queries import MARK, TIDY, UNMARK

log = logging.getLogger(__name__)

LOT: Final = 200
"""The most rows that are looked at together."""

Listed: TypeAlias = tuple[str, list[str]]
"""When a session was last active, and whose it is."""

Place: TypeAlias = tuple[str, str]
"""Last activity and session id."""


def _keys(member: str | None) -> list[str]:
    # The name stands in the tag as hex, whatever braces it has.
    tag = "index" if member is None else f"index:{member.encode().hex()}"
    return [f"novel:{{{tag}}}:rows", f"novel:{{{tag}}}:pending"]


def _row(last_activity: str, session_id: str) -> bytes:
    return f"{last_activity}\0{session_id}".encode()


class Listing:
    """`look` gives the listing data of sessions, None for those that are not there."""

    def __init__(
        self, link: RedisLink, look: Callable[[Sequence[str]], Awaitable[list[SessionInfo | None]]]
    ) -> None:
        self._link, self._look = link, look

    async def mark(self, info: SessionInfo) -> None:
        """Write the rows of what is about to be true. Raises StoreUnavailable: then do not make it true."""
        row = _row(info.last_activity, info.session_id)
        lists = [None, *(user_id for user_id, _ in info.members)]
        asked = [
            self._link.script(MARK, _keys(member), [row], durable=True, idempotent=True) for member in lists
        ]
        for outcome in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(outcome, StoreUnavailable):
                raise StoreUnavailable(str(outcome), unknown=False) from outcome
            if isinstance(outcome, BaseException):
                raise outcome

    async def unmark(self, info: SessionInfo) -> None:
        """Take back the rows of what did not become true: somebody else was faster. Best effort."""
        row = _row(info.last_activity, info.session_id)
        (now,) = await self._look([info.session_id])
        true = {None, *(user for user, _ in now.members)} if now is not None else set[str | None]()
        same = now is not None and now.last_activity == info.last_activity
        lists = (None, *(user_id for user_id, _ in info.members))
        # At once: whoever lost a race has others waiting, however many people are in the session.
        await asyncio.gather(
            *(self._take_back(member, row) for member in lists if not same or member not in true)
        )

    async def _take_back(self, member: str | None, row: bytes) -> None:
        try:
            await self._link.script(UNMARK, _keys(member), [row], idempotent=True)
        except StoreError as error:
            log.debug("rows of a listing stay: %s", error)

    async def moved(self, session_id: str, before: Listed | None, after: Listed | None) -> None:
        """What is true has changed: confirm the new rows, take the old ones away. Best effort."""
        new = {(member, after[0]) for member in (None, *after[1])} if after else set()
        old = {(member, before[0]) for member in (None, *before[1])} if before else set()
        asked = [self._tidy(member, [(at, session_id)], []) for member, at in new]
        asked += [self._tidy(member, [], [(at, session_id)]) for member, at in old - new]
        await asyncio.gather(*asked)

    async def _tidy(self, member: str | None, true: Sequence[Place], untrue: Sequence[Place]) -> None:
        rows = [_row(*place) for place in (*true, *untrue)]
        try:
            await self._link.script(TIDY, _keys(member), [len(true), *rows], idempotent=True)
        except StoreError as error:
            log.debug("rows of a listing stay: %s", error)

    async def page(self, member: str | None, limit: int, after: Place | None) -> SessionPage:
        """Raises StoreUnavailable."""
        found: list[SessionInfo] = []
        untrue: list[Place] = []
        while len(found) <= limit:
            lot = min(LOT, limit + 1 - len(found) + 8)
            places = await self._places(member, lot, after)
            for place, info in zip(places, await self._look([place[1] for place in places]), strict=True):
                if (
                    info is not None
                    and info.last_activity == place[0]
                    and (member is None or any(user_id == member for user_id, _ in info.members))
                ):
                    found.append(info)
                else:
                    untrue.append(place)
            if len(places) < lot:
                break
            after = places[-1]
        if untrue:
            await self._tidy(member, [], untrue)
        page = tuple(found[:limit])
        return SessionPage(page, cursor_after(page[-1]) if len(found) > limit else None)

    async def _places(self, member: str | None, count: int, after: Place | None) -> list[Place]:
        upper = b"(" + _row(*after) if after else b"+"
        rows = await self._link.command(
            "ZREVRANGEBYLEX", _keys(member)[0], upper, "-", "LIMIT", 0, count, idempotent=True
        )
        places = [row.decode().split("\0") for row in rows]
        return [(last_activity, session_id) for last_activity, session_id in places]
