"""The widget that shows a story in a notebook: for the browser it is where to find the session, and a copy.

Law: it carries the session's id, its page and its public mirror, and nothing else; it never takes anything
from a browser. People act over their own connection, under their own name, which a comm has not.
Parts: `StoryWidget`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import anywidget
import traitlets

from .mirror import Mirror

VIEW_MIME: Final = "application/vnd.jupyter.widget-view+json"


class StoryWidget(anywidget.AnyWidget):
    """`mirror` as `Mirror` has it. Made by a `Story` when it is shown."""

    _esm = (Path(__file__).parent / "widget.js").read_text("utf8")

    session_id: traitlets.Unicode[str, str | bytes] = traitlets.Unicode().tag(sync=True)
    url: traitlets.Unicode[str, str | bytes] = traitlets.Unicode().tag(sync=True)
    """The page on which people play."""
    home: traitlets.Bool[bool, bool | int] = traitlets.Bool(True).tag(sync=True)
    """Whether the notebook's own server keeps the session."""
    mirror: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)

    def show(self, mirror: Mirror) -> None:
        """Renew the copy."""
        self.mirror = dict(mirror)

    def set_state(self, sync_data: Mapping[str, object]) -> None:
        """What a browser would change here is left alone."""
