"""What tests with a real server, a real kernel and a provider of models share.

Law: what waits, waits for an event; what a kernel says comes by way of a file.
Parts: `brain_at`, `value`, `joined`, `turn`, `reached`, `listen`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kernel.modelling import PRICE
from kernel.provider import Provider

from novel_jupyter.kernel.client import Client
from novel_jupyter.kernel.handle import SessionHandle
from novel_jupyter.kernel_cell import Cell

SECONDS = 60.0
KEY = "sk-sentinel-4f9a1c77e2b84d10"
PEOPLE = ["ana", "ben"]


def brain_at(provider: Provider, **options: Any) -> str:
    """What a cell says to have this provider's model."""
    given = "".join(f", {name}={value!r}" for name, value in options.items())
    return (
        f"os.environ.update(OPENAI_BASE_URL={provider.url!r}, OPENAI_API_KEY={KEY!r})\n"
        f"brain = nj.ModelBrain('openai-chat:scripted', price={PRICE!r}{given})\n"
    )


async def value(cell: Cell, expression: str, folder: Path) -> Any:
    """The value of an expression in the kernel, by way of a file."""
    path = folder / "value.json"
    await cell.run(f"_said = {expression}\nimport json; open({str(path)!r}, 'w').write(json.dumps(_said))")
    return json.loads(path.read_text())


async def joined(
    cell: Cell, people: Mapping[str, Client], folder: Path
) -> tuple[SessionHandle, SessionHandle]:
    """Ana, who owns the cell's session and plays Mara, and Ben, who looks on."""
    session = str(await value(cell, "story.session_id", folder))
    ana = await people["ana"].join(session)
    await ana.claim_session()
    await ana.claim("mara")
    return ana, await people["ben"].join(session)


def turn(handle: SessionHandle) -> dict[str, Any]:
    found: Any = handle.state["turn"]
    return dict(found)


async def reached(handle: SessionHandle, number: int) -> None:
    await handle.wait_for(
        lambda s: turn(handle)["number"] == number and turn(handle)["phase"] == "collect", SECONDS
    )


def listen(handle: SessionHandle) -> dict[str, dict[str, Any]]:
    """Kind of event → the latest of that kind, as it comes."""
    heard: dict[str, dict[str, Any]] = {}
    handle.on("event", lambda frame: heard.__setitem__(frame["data"]["kind"], frame["data"]))
    return heard
