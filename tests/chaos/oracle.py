"""What must be true of a log whatever was broken while it was written, and of everybody who read it.

Law: the log is read from the store itself, event by event, with the product's own fold and hash and nothing
else of the server. Whoever was acknowledged is known by what clients noted when they were told.
Parts: `Story` (a log and its states), `read_story`, `check_log` (gapless, chained, once, nobody's but ours,
no host without the lease), `check_answers`, `check_readers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chaos.crew import Crew

from novel_jupyter.core.canonical import chain
from novel_jupyter.core.events import Event, apply, decode
from novel_jupyter.core.model import Head, State
from novel_jupyter.core.views import rules_of, view_hash
from novel_jupyter.server.ports import Store
from novel_jupyter.server.stores import Settings, open_store

PAGE = 1000
BY_HOST = frozenset({"resolved", "turn", "record", "narration_failed", "failed", "dealt"})
"""Kinds that only the holder of the lease writes (`dealt` also opens a session and undoes)."""


@dataclass(slots=True)
class Story:
    """The whole log of a session. `stale`: events that a kernel wrote without holding the lease."""

    events: list[Event]
    state: State
    head: Head
    stale: list[Event]
    hosted: int


async def read_story(url: str, session_id: str) -> Story:
    """Raises AssertionError where the log has a gap, or its chain does not hold."""
    store, bus, _ = await open_store(Settings(url))
    try:
        return await _read(store, session_id)
    finally:
        await bus.close()
        await store.close()


async def _read(store: Store, session_id: str) -> Story:
    info = await store.info(session_id)
    head = await store.head(session_id)
    story = Story([], {}, Head(head.epoch, 0, ""), [], 0)
    while page := await store.read(session_id, story.head.sequence_id, PAGE):
        for entry in page:
            number = story.head.sequence_id + 1
            assert entry.sequence_id == number, f"{entry.sequence_id} stands where {number} was due"
            event = decode(entry.body, entry.hash)
            assert event.sequence_id == number
            assert chain(story.head.hash, entry.body, info.salt) == entry.hash, (
                f"the chain breaks at {number}"
            )
            _mind_the_lease(story, event)
            story.state = apply(story.state, event)
            story.events.append(event)
            story.head = Head(head.epoch, number, entry.hash)
    assert story.head.sequence_id >= head.sequence_id, "the head names an event that is not there"
    return story


def _mind_the_lease(story: Story, event: Event) -> None:
    if event.data["kind"] not in BY_HOST or not (event.user_id or "").startswith("kernel:"):
        return
    if event.id is None or not event.id.startswith("host:"):
        return
    story.hosted += 1
    if rules_of(story.state)["host"]["holder"] != event.user_id:
        story.stale.append(event)


def check_log(story: Story, ours: Iterable[str]) -> None:
    """Each command once, in one piece; none that nobody sent; no host that had lost its lease."""
    assert story.stale == [], f"written without the lease: {[event.id for event in story.stale]}"
    known, places = set(ours), dict[tuple[str | None, str], list[int]]()
    for event in story.events:
        if event.id is None or event.id.endswith(":join"):
            continue
        author = "host" if event.id.startswith("host:") else event.user_id
        places.setdefault((author, event.id), []).append(event.sequence_id)
    for (author, id), numbers in places.items():
        whole = list(range(numbers[0], numbers[0] + len(numbers)))
        assert numbers == whole, f"{id} of {author} stands more than once: {numbers}"
        assert author == "host" or id.rpartition(":")[0] in known, f"nobody sent {id} of {author}"


def check_answers(story: Story, crew: Crew) -> None:
    """Acknowledged: there, under its id, at its number, as it was said. Refused: not there at all."""
    events = {event.sequence_id: event for event in story.events}
    ids = {(event.user_id, event.id) for event in story.events if event.id is not None}
    for said in crew.said.values():
        if said.at is not None:
            event = events.get(said.at)
            assert event is not None, f"{said.mark} was acknowledged as {said.at} and is lost"
            assert (event.user_id, event.id) == (said.author, said.id), f"{said.at} is not {said.mark}"
            assert _says(event.data, said.mark), f"{said.at} does not say {said.mark}"
        elif said.refused is not None:
            assert (said.author, said.id) not in ids, f"{said.mark} was refused and is there"


def _says(data: Mapping[str, Any], mark: str) -> bool:
    """Whether an event carries the mark: as text, as a value, or in a conflict record."""
    return data.get("text") == mark or any(mark in str(op.get("value")) for op in data.get("patch", ()))


async def check_readers(url: str, session_id: str, crew: Crew) -> Story:
    """Everybody comes to stand where the log stands, with the state that it folds to in their view."""
    while True:
        story = await read_story(url, session_id)
        await crew.reach(story.head.sequence_id)
        if {handle.sequence_id for handle in crew.handles.values()} == {story.head.sequence_id}:
            break  # else something came meanwhile: somebody is back, or away
    for name, handle in crew.handles.items():
        head = handle.replica.head
        assert head is not None
        assert (head.epoch, head.hash) == (story.head.epoch, story.head.hash), name
        due = view_hash(story.state, handle.replica.view)
        assert handle.replica.state_hash() == due, f"{name} sees another state in {handle.replica.view}"
    return story
