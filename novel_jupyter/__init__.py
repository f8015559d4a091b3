"""novel_jupyter: people and agents drive one story together, live, inside Jupyter.

Law: importing this package is cheap and touches nothing. Every folder below it is one process or a part of
one: `core` (the rules, pure), `story` (the storyteller, pure), `server` (the Jupyter server), `kernel` (the
notebook).
Parts: the version, the entry point by which Jupyter finds the server extension, and the names that a notebook
uses, each loaded when it is first asked for.
"""

from __future__ import annotations

import gc
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from novel_jupyter.kernel.advising import Suggestion
    from novel_jupyter.kernel.api import connect, join, open, run
    from novel_jupyter.kernel.asking import suggest
    from novel_jupyter.kernel.client import Client
    from novel_jupyter.kernel.errors import CommandRefused, NovelError, TurnEnded
    from novel_jupyter.kernel.hooks import DecisionMade, EventMade, SentenceMade
    from novel_jupyter.kernel.host import AgentHost
    from novel_jupyter.kernel.models.account import Caps
    from novel_jupyter.kernel.models.brain import ModelBrain
    from novel_jupyter.kernel.models.chosen import NoModel
    from novel_jupyter.kernel.story import Story
    from novel_jupyter.kernel.told import Turn
    from novel_jupyter.story.brain import Decision, PersonaView
    from novel_jupyter.story.chronicler import ChroniclerAgent
    from novel_jupyter.story.director import DirectorAgent
    from novel_jupyter.story.persona import PersonaAgent
    from novel_jupyter.study import Study, measure

__version__ = "0.1.0"

_LAZY = {
    "AgentHost": "kernel.host",
    "Caps": "kernel.models.account",
    "ChroniclerAgent": "story.chronicler",
    "Client": "kernel.client",
    "CommandRefused": "kernel.errors",
    "Decision": "story.brain",
    "DecisionMade": "kernel.hooks",
    "DirectorAgent": "story.director",
    "EventMade": "kernel.hooks",
    "ModelBrain": "kernel.models.brain",
    "NoModel": "kernel.models.chosen",
    "NovelError": "kernel.errors",
    "PersonaAgent": "story.persona",
    "PersonaView": "story.brain",
    "SentenceMade": "kernel.hooks",
    "Story": "kernel.story",
    "Study": "study",
    "Suggestion": "kernel.advising",
    "Turn": "kernel.told",
    "TurnEnded": "kernel.errors",
    "connect": "kernel.api",
    "join": "kernel.api",
    "measure": "study",
    "open": "kernel.api",
    "run": "kernel.api",
    "suggest": "kernel.asking",
}

__all__ = [
    "AgentHost",
    "Caps",
    "ChroniclerAgent",
    "Client",
    "CommandRefused",
    "Decision",
    "DecisionMade",
    "DirectorAgent",
    "EventMade",
    "ModelBrain",
    "NoModel",
    "NovelError",
    "PersonaAgent",
    "PersonaView",
    "SentenceMade",
    "Story",
    "Study",
    "Suggestion",
    "Turn",
    "TurnEnded",
    "__version__",
    "connect",
    "join",
    "measure",
    "open",
    "run",
    "suggest",
]


def __getattr__(name: str) -> Any:
    """A notebook's names. The server process never asks for one, so it never loads the kernel's half."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext novel_jupyter`: the magics `%story` and `%%act`."""
    from novel_jupyter.kernel.magics import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    from novel_jupyter.kernel.magics import unload

    unload(shell)


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    """Where Jupyter finds the extension. Imported late: kernels never load the server's half."""
    # What an import makes stays; to look again and again whether it does took a tenth of the time.
    enabled = gc.isenabled()
    gc.disable()
    try:
        from novel_jupyter.server.app import NovelApp
    finally:
        if enabled:
            gc.enable()
    return [{"module": "novel_jupyter", "app": NovelApp}]
