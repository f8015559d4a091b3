"""Which model plays: one string, from the notebook, from the environment, or from the server's trait.

Law: what was asked for is had or refused; the storyteller never goes offline in silence. No key goes this
way.
Parts: `VARIABLE`, `brain_of`, `NoModel`.
"""

from __future__ import annotations

import os
import re
from typing import Any, Final

from novel_jupyter.kernel.errors import NovelError
from novel_jupyter.story.brain import Brain
from novel_jupyter.story.offline import OfflineBrain

VARIABLE: Final = "NOVEL_JUPYTER_MODEL"
OFFLINE: Final = "offline"
_NAME: Final = re.compile(r"[\w./-]+:[\w.:/@-]{1,120}", re.ASCII)
_LIKE_A_KEY: Final = re.compile(r"\b(sk|pk|key|gsk|xai|AIza)[-_]?[A-Za-z0-9_-]{16,}")


class NoModel(NovelError):
    """The model that was asked for cannot be had."""


def brain_of(model: object = None) -> Brain:
    """The brain for `provider:model`, `offline`, a model object, or a brain; None: as the environment says.

    Raises NoModel.
    """
    if model is None:
        model = os.environ.get(VARIABLE, "").strip() or OFFLINE
    if model == OFFLINE:
        return OfflineBrain()
    if hasattr(model, "decide") and hasattr(model, "narrate"):
        return model  # type: ignore[return-value]  # a class of the notebook's own
    if isinstance(model, str):
        if _LIKE_A_KEY.search(model):
            raise NoModel("that looks like a key: a model is named here, and keys stay in the environment")
        if not _NAME.fullmatch(model):
            raise NoModel(f"a model is named 'provider:model' (or 'offline'), not {model[:60]!r}")
    return _made(model)


def _made(model: Any) -> Brain:
    from .brain import ModelBrain

    try:
        return ModelBrain(model)
    except ImportError as error:
        missing = f" ({error.name})" if error.name else ""
        raise NoModel(
            f"a library is missing{missing}: pip install 'novel_jupyter[llm]', and the provider's own extra, "
            "such as 'pydantic-ai-slim[openai]'"
        ) from None
    except ValueError as error:
        raise NoModel(str(error)) from None
