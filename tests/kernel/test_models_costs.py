"""What models cost, and the keys that pay for it: in a real kernel at a real server, with people at it.

Law: processes of their own, ended by the test that started them; whatever waits, waits for an event.
Parts: costs and caps, keys.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from kernel.live import KEY, SECONDS, brain_at, joined, listen, reached, value
from kernel.modelling import PRICE, Asked, Held, Script
from kernel.provider import COUNTED, Provider, Status
from pydantic_ai.messages import ModelResponse
from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from novel_jupyter.kernel.client import Client
from novel_jupyter.kernel_cell import Cell, CellFailed
from novel_jupyter.testing import ServerProcess

pytestmark = [pytest.mark.process, pytest.mark.timeout(180), pytest.mark.asyncio]


async def test_everybody_sees_what_it_costs_while_it_is_played(
    people: dict[str, Client], cell: Cell, tmp_path: Path
) -> None:
    """Somebody else's socket hears the sum grow; who comes in the middle of a turn has it too."""
    script = Held()
    async with Provider.of(script) as provider:
        await cell.run(f"{brain_at(provider)}story = await nj.open('lighthouse', seed='7', model=brain)")
        session = str(await value(cell, "story.session_id", tmp_path))
        ana = await people["ana"].join(session)
        seen: list[dict[str, Any]] = []
        ana.on(
            "progress",
            lambda frame: seen.append(frame["data"]["spent"]) if "spent" in frame["data"] else None,
        )
        await ana.claim_session()
        await ana.direct("lock")
        await asyncio.wait_for(script.streaming.wait(), SECONDS)
        decisions = len(script.asked) - 1
        each = (COUNTED["prompt_tokens"] * PRICE[0] + COUNTED["completion_tokens"] * PRICE[1]) / 1e6
        so_far = {
            "tokens_in": decisions * COUNTED["prompt_tokens"],
            "tokens_out": decisions * COUNTED["completion_tokens"],
            "cost": pytest.approx(decisions * each),
        }
        ben, late = await people["ben"].join(session), asyncio.Event()
        ben.on("progress", lambda frame: late.set())
        state: Any = ben.state
        assert state["session"]["spent"] == so_far
        if not ben.replica.progress:
            await asyncio.wait_for(late.wait(), SECONDS)
        (spent, *_) = [line["spent"] for line in ben.replica.progress.values()]
        assert spent == {"turn": so_far, "session": so_far}
        script.go.set()
        await reached(ben, 2)
        await reached(ana, 2)
        totals = [spent["session"]["cost"] for spent in seen]
        assert totals == sorted(totals)
        assert len(set(totals)) > 2
        end: Any = ben.state
        assert end["session"]["spent"]["cost"] == pytest.approx((decisions + 1) * each)
        assert await value(cell, "story.spent.cost", tmp_path) == pytest.approx((decisions + 1) * each)


async def test_a_cap_is_never_passed_and_everybody_is_told(
    people: dict[str, Client], cell: Cell, tmp_path: Path
) -> None:
    cap = 0.03
    async with Provider.of(Script()) as provider:
        await cell.run(
            f"{brain_at(provider, max_tokens=200)}"
            f"story = await nj.open('lighthouse', seed='7', model=brain, caps=nj.Caps(session_cost={cap}))"
        )
        ana, ben = await joined(cell, people, tmp_path)
        heard, said = listen(ben), set[str]()
        ben.on("progress", lambda frame: said.add(frame["data"]["text"]))
        words, made_by = set[str](), dict[str, Any]()
        for number in range(1, 8):
            await ana.direct("lock")
            await reached(ben, number + 1)
            await reached(ana, number + 1)
            made_by = heard["resolved"]["made_by"]
            words = {line["fallback"] for line in made_by["agents"].values() if "fallback" in line}
            if words:
                break
            assert number < 7
        assert words == {"budget"}
        assert number > 1
        assert made_by["fallback"]
    state: Any = ben.state
    assert 0 < state["session"]["spent"]["cost"] <= cap
    assert any("the limit for tokens or cost is reached" in text for text in said)


# --- keys


class Stranger(Script):
    """Refuses, and says which key it was."""

    async def choose(self, asked: Asked) -> ModelResponse:
        if asked.who == "Director":
            return await super().choose(asked)
        raise Status(401, "the key {key} is not known here")

    async def tell(self, asked: Asked) -> AsyncIterator[str]:
        for event in asked.data["events"]:
            yield f"[{event['id']}] {event['what']} {KEY}.\n"


async def test_a_key_is_nowhere_but_in_the_kernels_memory(
    jupyter: ServerProcess, people: dict[str, Client], cell: Cell, tmp_path: Path
) -> None:
    """Given in a cell, refused by a provider that says it back: in no state, log, export, database, frame,
    output or representation.
    """
    async with Provider.of(Stranger()) as provider:
        await cell.run(
            "import io, logging, sys\n"
            "from pydantic_ai.models.openai import OpenAIChatModel\n"
            "from pydantic_ai.providers.openai import OpenAIProvider\n"
            "stream = io.StringIO(); logging.basicConfig(stream=stream, level=logging.DEBUG, force=True)\n"
            "story = await nj.open('lighthouse', seed='7')\n"
            f"provider = OpenAIProvider(base_url={provider.url!r}, api_key={KEY!r})\n"
            "story.model = OpenAIChatModel('scripted', provider=provider)"
        )
        ana, ben = await joined(cell, people, tmp_path)
        frames: list[str] = []
        ben.on("event", lambda frame: frames.append(json.dumps(frame)))
        ben.on("progress", lambda frame: frames.append(json.dumps(frame)))
        ben.on("narration", lambda frame: frames.append(json.dumps(frame)))
        printed = await cell.run("turn = await story.turn()\nprint(turn, story, story.model, story.log)")
        assert set(provider.keys) == {KEY}
    with pytest.raises(CellFailed) as failed:
        await cell.run(f"story.model = {KEY!r}")
    shown = await value(
        cell,
        "[stream.getvalue(), repr(vars(story)), repr(vars(story.host)), repr(vars(story.brain)), "
        "repr(story.host.last_error), story._repr_html_(), repr(dict(story.state))]",
        tmp_path,
    )
    session = ana.session_id
    exports = [
        await export(jupyter, f"novel/api/sessions/{session}/export.{kind}")
        for kind in ("md", "json", "html")
    ]
    files = [path for path in jupyter.data.rglob("*") if path.is_file()]
    kept = [path.read_bytes().decode("utf8", "replace") for path in files]
    everything = [*frames, printed, str(failed.value), *shown, *exports, *kept, jupyter.log]
    assert [text[:200] for text in everything if KEY in text] == []
    # The search looked where things are: the sealed record of the refusal, and prose that was told.
    assert any('"problem":"denied"' in text for text in kept)
    assert any("…" in text for text in exports)
    assert any("denied" in text or "refused the request" in text for text in frames)


async def export(jupyter: ServerProcess, path: str) -> str:
    request = HTTPRequest(
        f"{jupyter.url}{path}", headers={"Authorization": f"token {jupyter.token_of('ben')}"}
    )
    response = await AsyncHTTPClient().fetch(request)
    assert response.code == 200
    return response.body.decode()
