"""What `import novel_jupyter as nj` offers a notebook or script: open, join, connect, run.

Law: in a kernel there is one `Studio`, kept by its shell, so that a cell that is run again finds its story
instead of hosting it twice; a script keeps what it gets.
Parts: `Studio`, `open`, `join`, `connect`, `run`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import JsonValue

from novel_jupyter.story.chronicler import ChroniclerAgent
from novel_jupyter.story.director import DirectorAgent

from .client import Client
from .discovery import Where, find
from .host import AgentHost
from .models.account import Caps
from .models.chosen import brain_of
from .story import Story

T = TypeVar("T")
SHELL_SLOT: Final = "_novel_jupyter_studio"


class Studio:
    """A client and the stories that are open on it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._stories: dict[str, Story] = {}

    async def story(self, session_id: str, *, model: object = None, **agents: Any) -> Story:
        """The open story of this session, else a new one: joined, and hosting where this is a kernel.

        Raises NoModel.
        """
        known = self._stories.get(session_id)
        if known is not None and known.handle.failed is None:
            if model is not None and known.host is not None:
                known.model = model
            _change(known, **agents)
            return known
        brain = brain_of(model)
        handle = await self.client.join(session_id)
        host: AgentHost | None = None
        user = self.client.user
        if user["kind"] == "kernel":
            host = AgentHost(handle, user["user_id"], brain=brain, **agents).start()
        story = self._stories[session_id] = Story(self.client, handle, host)
        return story

    async def close(self) -> None:
        """Close every story, and the connection."""
        for story in self._stories.values():
            if story.handle.failed is None:
                await story.close()
        self._stories.clear()
        await self.client.close()


def _change(story: Story, **agents: Any) -> None:
    """A cell that was run again may bring other agents."""
    for name, value in agents.items():
        if value is not None and story.host is not None:
            setattr(story.host if name == "pace" else story, name, value)


def _shell() -> Any:
    """IPython's shell, or None outside of it."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    return get_ipython()


async def _studio(url: Where, token: str | None, headers: Mapping[str, str] | None) -> Studio:
    """The shell's studio, if it is for the same server and person; else a new one."""
    login = find(url, token, headers)
    shell = _shell()
    where = login.base_url if url is None or isinstance(url, str) else tuple(url)
    asked = (type(login), where, token, tuple(sorted((headers or {}).items())))
    kept: tuple[object, Studio] | None = getattr(shell, SHELL_SLOT, None)
    if kept is not None and kept[0] == asked and not kept[1].client.is_over:
        return kept[1]
    studio = Studio(await Client(login).connect())
    if shell is not None:
        setattr(shell, SHELL_SLOT, (asked, studio))
    return studio


async def open(
    story: str | Path,
    *,
    settings: Mapping[str, JsonValue] | None = None,
    seed: str | None = None,
    director: DirectorAgent | type[DirectorAgent] | None = None,
    chronicler: ChroniclerAgent | type[ChroniclerAgent] | None = None,
    model: Any = None,
    caps: Caps | None = None,
    pace: float | None = None,
    url: Where = None,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Story:
    """Begin a new session of a story and host its agents: `story = await nj.open("lighthouse")`.

    `story` is a bundled story's name or a story file (a path that ends in .yaml or .yml). `settings`:
    `turn_policy` (immediate, round, vote), `review`, `collect_timeout` and so on. `pace`: characters a
    second of streamed prose. In a kernel the server is found by itself; a script passes `url` and `token`.
    `model`: `provider:model` (any that pydantic-ai knows), for the agents that are not given; without it what
    NOVEL_JUPYTER_MODEL says, else the offline storyteller. `caps`: what it may spend, `nj.Caps(…)`.
    Several servers with one store may be named, `url=[…]`: when one is lost, the next goes on.
    Raises NoServer, Unreachable, LoginRefused, NoModel, CommandRefused (with the line of a mistake in a story
    file).
    """
    text = _text_of(story)
    brain = brain_of(model)
    studio = await _studio(url, token, headers)
    made = await studio.client.create_session(
        None if text is not None else str(story), text=text, settings=settings, seed=seed
    )
    agents: dict[str, Any] = {"director": director, "chronicler": chronicler, "caps": caps, "pace": pace}
    return await studio.story(str(made["session_id"]), model=brain, **agents)


async def join(
    session_id: str,
    *,
    director: DirectorAgent | type[DirectorAgent] | None = None,
    chronicler: ChroniclerAgent | type[ChroniclerAgent] | None = None,
    model: Any = None,
    caps: Caps | None = None,
    pace: float | None = None,
    url: Where = None,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Story:
    """Take part in a session that exists; an admitted kernel hosts it, or stands by.

    Arguments as for `open`.
    """
    studio = await _studio(url, token, headers)
    agents: dict[str, Any] = {"director": director, "chronicler": chronicler, "caps": caps, "pace": pace}
    return await studio.story(session_id, model=model, **agents)


async def connect(
    url: Where = None,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 30.0,
) -> Client:
    """A connected client: `async with await nj.connect(url, token) as client: …`.

    `url` may be a list: servers of one store, of which the next is tried when one is lost.
    """
    return await Client(find(url, token, headers)).connect(timeout)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run the whole of a synchronous script's story: `nj.run(main())`.

    Raises RuntimeError where an event loop runs already, as in a notebook: there, `await` does it.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(main)
    main.close()
    raise RuntimeError("an event loop runs here already (a notebook?): write `await …` instead of `run(…)`")


def _text_of(story: str | Path) -> str | None:
    """The text of a story file; None for a bundled story's name. Raises OSError."""
    path = Path(story)
    return path.read_text("utf8") if path.suffix in (".yaml", ".yml") else None
