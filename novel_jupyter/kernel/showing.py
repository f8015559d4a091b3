"""How a story shows itself in a notebook: live where it can be, as a copy to read where it cannot.

Law: one widget for each story, made when the story is first shown in a kernel and not before; the copy is
renewed at most once a second, and only when there is something else to see. What a notebook saves holds no
credential.
Parts: `MIME` (ours), `Showing`, `Follower` (renews the copy).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from novel_jupyter.core.times import format_time

from .handle import SessionHandle
from .mirror import Mirror, as_html, mirror_of, same

if TYPE_CHECKING:
    from .widget import StoryWidget

MIME: Final = "application/vnd.novel-jupyter.session+json"
"""`{"session_id", "url", "home", "mirror"}`: what JupyterLab's extension shows live, also in a notebook that
nobody trusts and when the kernel is gone. `home`: it is kept by the notebook's own server.
"""
SECONDS: Final = 1.0
"""The least time between two copies."""


class Timer(Protocol):
    def cancel(self) -> None: ...


Later = Callable[[float, Callable[[], None]], Timer]


class Follower:
    """Calls `show(mirror)` when a session looks different, at most once in `seconds`."""

    def __init__(
        self,
        handle: SessionHandle,
        first: Mirror,
        show: Callable[[Mirror], None],
        *,
        later: Later | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self._handle = handle
        self._last = first
        self._show = show
        self._later: Later = later or asyncio.get_running_loop().call_later
        self._seconds = seconds
        self._waiting: Timer | None = None
        self._offs = [handle.on(kind, lambda _: self._look()) for kind in ("changed", "presence")]

    def stop(self) -> None:
        """Renew it once more, and no longer."""
        for off in self._offs:
            off()
        if self._offs and self._waiting is not None:
            self._waiting.cancel()
            self._due()
        self._offs = []

    def _look(self) -> None:
        if self._waiting is None:
            self._waiting = self._later(self._seconds, self._due)

    def _due(self) -> None:
        self._waiting = None
        found = now(self._handle)
        if not same(self._last, found):
            self._last = found
            self._show(found)


class Showing:
    """Of one story. `url`: the page on which people play; `home`: whether the session is kept by the server
    of this very kernel.
    """

    def __init__(self, handle: SessionHandle, url: Callable[[], str], home: bool) -> None:
        self._handle = handle
        self._url = url
        self._home = home
        self._widget: StoryWidget | None = None
        self._follower: Follower | None = None

    def html(self) -> str:
        return as_html(now(self._handle), self._url())

    def bundle(
        self, plain: str, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, Any]:
        """What IPython displays: MIME type → data."""
        mirror, url = now(self._handle), self._url()
        data: dict[str, Any] = {
            "text/plain": plain,
            "text/html": as_html(mirror, url),
            MIME: {
                "session_id": self._handle.session_id,
                "url": url,
                "home": self._home,
                "mirror": mirror,
            },
        }
        if _in_a_kernel():
            data |= self._shown(mirror, url)
        wanted = set(data) if include is None else set(data) & set(include)
        return {mime: data[mime] for mime in data if mime in wanted - set(exclude or ())}

    def stop(self) -> None:
        """The copy stays as it is now."""
        if self._follower is not None:
            self._follower.stop()

    def _shown(self, mirror: Mirror, url: str) -> dict[str, Any]:
        # Whoever never shows a story does not pay for widgets.
        from .widget import VIEW_MIME, StoryWidget

        if self._widget is None:
            self._widget = widget = StoryWidget(
                session_id=self._handle.session_id, url=url, home=self._home, mirror=mirror
            )
            if self._handle.failed is None:
                self._follower = Follower(self._handle, mirror, widget.show)
        shown = self._widget._repr_mimebundle_()
        return {VIEW_MIME: shown[0][VIEW_MIME]} if shown else {}


def now(handle: SessionHandle) -> Mirror:
    """The copy as of this moment."""
    here = {id for id, user in handle.replica.presence.items() if user["connections"]}
    return mirror_of(handle.state, dict.fromkeys(here), format_time(datetime.now(UTC)))


def _in_a_kernel() -> bool:
    """Whether there is a frontend that widgets could talk to."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None
