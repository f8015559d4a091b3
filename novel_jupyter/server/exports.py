"""A session as a file: markdown and HTML to read, JSON to keep.

Law: an export shows its reader's view and no more. Story text is data: HTML escapes all of it and carries no
script.
Parts: `EXPORTS` (form → content type and renderer).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from html import escape
from types import MappingProxyType
from typing import Final

from orjson import Fragment, dumps

from novel_jupyter.core.events import Event, decode
from novel_jupyter.core.model import ONLOOKERS
from novel_jupyter.core.views import rules_of, sees, wire_bytes

from .ports import LogTrimmed, Store
from .session import Session

PAGE = 500
Render = Callable[[Store, Session, str], Awaitable[bytes]]


async def _events(store: Store, session: Session, view: str) -> AsyncIterator[Event]:
    """What is kept of the log."""
    after = 0
    while True:
        try:
            entries = await store.read(session.id, after, PAGE)
        except LogTrimmed as trimmed:
            after = trimmed.floor
            continue
        if not entries:
            return
        for entry in entries:
            yield decode(entry.body, entry.hash)
        after = entries[-1].sequence_id


async def _turns(store: Store, session: Session, view: str) -> list[tuple[int, str]]:
    """(turn, prose) along the current branch, as it was last told."""
    told: dict[int, tuple[int, str]] = {}
    parents: dict[int, int] = {}
    mine: dict[str, str] = {}
    parent = 0
    async for event in _events(store, session, view):
        data = event.data
        if data["kind"] == "resolved" and data["turn_complete"]:
            parents[event.sequence_id] = parent
            parent = event.sequence_id
        elif data["kind"] in ("undone", "branched"):
            parent = data["to"]
        elif data["kind"] == "turn":
            node, retold = data["node"], [text for _, text in sorted(mine.items())]
            prose = data["narrative"] if sees(view, ONLOOKERS) else "\n\n".join(retold)
            told[node], mine = (data["turn"], prose), {}
        elif data["kind"] == "dealt" and data["why"] == "telling" and sees(view, event.audience):
            # Just before the turn of which it is a part.
            mine[str(event.audience)] = data["narrative"]
    path: list[tuple[int, str]] = []
    while parent:
        if parent in told and told[parent][1]:
            path.append(told[parent])
        parent = parents.get(parent, 0)
    return path[::-1]


async def markdown(store: Store, session: Session, view: str) -> bytes:
    title = rules_of(session.live.room.state)["session"]["title"]
    turns = await _turns(store, session, view)
    return "\n\n".join([f"# {title}", *(f"## {turn}\n\n{prose}" for turn, prose in turns), ""]).encode()


async def html(store: Store, session: Session, view: str) -> bytes:
    title = escape(rules_of(session.live.room.state)["session"]["title"])
    parts = [
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{title}</title>",
        "<style>body{max-width:40em;margin:3em auto;font:1.1em/1.6 Georgia,serif;padding:0 1em}</style>",
        f"<h1>{title}</h1>",
    ]
    for turn, prose in await _turns(store, session, view):
        parts.append(f"<h2>{turn}</h2>")
        parts += [f"<p>{escape(paragraph)}</p>" for paragraph in prose.split("\n") if paragraph.strip()]
    return "\n".join([*parts, "</html>", ""]).encode()


async def json(store: Store, session: Session, view: str) -> bytes:
    head = session.live.head
    events = [Fragment(wire_bytes(session.id, event, view)) async for event in _events(store, session, view)]
    return dumps({"session_id": session.id, "epoch": head.epoch, "view": view, "events": events})


EXPORTS: Final[Mapping[str, tuple[str, Render]]] = MappingProxyType(
    {
        "md": ("text/markdown; charset=utf-8", markdown),
        "html": ("text/html; charset=utf-8", html),
        "json": ("application/json", json),
    }
)
