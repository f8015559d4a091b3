"""novel_jupyter: people and agents drive one story together, live, inside Jupyter.

Law: importing this package is cheap and touches nothing. Every folder below it is one process or a part of
one: `core` (the rules, pure), `story` (the storyteller, pure), `server` (the Jupyter server), `kernel` (the
notebook).
Parts: the version, and the entry point by which Jupyter finds the server extension.
"""

from __future__ import annotations

__version__ = "0.1.0"


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    """Where Jupyter finds the extension. Imported late: kernels never load the server's half."""
    from novel_jupyter.server.app import NovelApp

    return [{"module": "novel_jupyter", "app": NovelApp}]
