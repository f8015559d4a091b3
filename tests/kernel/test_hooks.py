"""Hooks watch what counts, in order, and hold nothing up.

Law: waiting is on events of the test; a hook's time limit is made short where it is what is tested.
Parts: what they are told, faults and slowness, handles.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

import pytest
from kernel.hosting import SECONDS, HeldDirector, hosting, reached, story_of
from kernel.local import LocalServer, kernel

from novel_jupyter.kernel import hooks as hooks_module
from novel_jupyter.kernel.hooks import DecisionMade, EventMade, Hook, Hooks, Made, SentenceMade
from novel_jupyter.kernel.story import Story
from novel_jupyter.story.director import DirectorAgent
from novel_jupyter.story.turn import Sentence, TurnInput, TurnOutcome

pytestmark = pytest.mark.asyncio


def sentence(text: str) -> SentenceMade:
    return SentenceMade(1, 1, "main", Sentence(text, ()))


def told(hooks: Hooks, *made: Made) -> None:
    hooks.prepare("c:1", made)
    hooks.committed("c:1")


# --- what they are told


async def test_every_decision_event_and_sentence_of_a_turn_is_told_once() -> None:
    server = LocalServer(kernel())
    story = await story_of(server)
    seen: list[Any] = []

    @story.on("decision")
    def decisions(made: DecisionMade) -> None:
        seen.append(made)

    @story.on("event")
    async def events(made: EventMade) -> None:
        await asyncio.sleep(0)
        seen.append(made)

    story.on("sentence", seen.append)
    turn = await story.turn()
    decided = [made for made in seen if isinstance(made, DecisionMade)]
    assert {made.character for made in decided} == set(story.characters)
    for made in decided:
        assert (made.turn, made.attempt, made.branch) == (1, 1, "main")
        assert made.action in made.options
        assert made.view.id == made.character
        assert made.agent == "PersonaAgent"
        assert made.usage.cost == 0.0
    assert any(made.reasons for made in decided)
    logged: Any = [event.data for event in server.events if event.data["kind"] in ("resolved", "dealt")]
    outcomes = [o["id"] for data in logged for o in data.get("outcomes", [])]
    assert sorted(made.event.id for made in seen if isinstance(made, EventMade)) == sorted(outcomes)
    public = [m.sentence.text for m in seen if isinstance(m, SentenceMade) and m.seat is None]
    assert "".join(public).replace(" ", "") == turn.narrative.replace("\n\n", "").replace(" ", "")
    assert {m.seat for m in seen if isinstance(m, SentenceMade)} - {None} <= set(story.characters)
    kinds = [type(made) for made in seen]
    assert kinds == sorted(kinds, key=[DecisionMade, EventMade, SentenceMade].index)
    await story.close()


async def test_what_never_counted_is_not_told() -> None:
    server = LocalServer(kernel())
    story = await story_of(server)
    held = HeldDirector()
    story.director = held
    attempts: list[int] = []
    story.on("decision", lambda made: attempts.append(made.attempt))
    await story.direct("lock")
    await asyncio.wait_for(held.began.wait(), SECONDS)
    await story.direct("cancel")
    await asyncio.wait_for(held.cancelled.wait(), SECONDS)
    held.go.set()
    await story.turn()
    assert set(attempts) == {2}
    await story.close()


async def test_a_result_that_is_refused_is_not_told() -> None:
    class Cheat(DirectorAgent):
        async def run_turn(self, turn: TurnInput, *args: Any, **kwargs: Any) -> TurnOutcome:
            outcome = await super().run_turn(turn, *args, **kwargs)
            bad = [{"op": "add", "path": "/session/owner", "value": "me"}]
            object.__setattr__(outcome.changes[0], "patch", bad)
            return outcome

    server = LocalServer(kernel())
    host = await hosting(server, server.line(kernel()), director=Cheat())
    seen: list[Any] = []
    host.hooks.add("event", seen.append)
    await host.handle.direct("lock")
    await reached(host.handle, "failed")
    await host.hooks.settled()
    assert seen == []


# --- faults and slowness


async def test_a_hook_that_fails_is_reported_here_and_stops_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = LocalServer(kernel())
    line = server.line(kernel())
    host = await hosting(server, line)
    seen: list[Any] = []

    def bad(made: Made) -> None:
        raise ValueError("sk-secret")

    hook = host.hooks.add("event", bad)
    host.hooks.add("event", seen.append)
    with caplog.at_level(logging.WARNING, "novel_jupyter"):
        await host.handle.direct("lock")
        await reached(host.handle, "collect", 2)
        await host.hooks.settled()
    assert isinstance(hook.error, ValueError)
    assert hook.told == len(seen) > 4
    assert "ValueError at test_hooks.py" in caplog.text
    assert "sk-secret" not in caplog.text + str(line.sent)
    assert "bad" in repr(hook)
    assert "ValueError" in repr(hook)


async def test_a_slow_hook_is_given_up_and_the_turn_does_not_wait_for_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hooks_module, "SECONDS", 0.01)
    hooks = Hooks()
    seen: list[str] = []

    async def slow(made: SentenceMade) -> None:
        seen.append(made.sentence.text)
        await asyncio.Event().wait()

    hook = hooks.add("sentence", slow)
    with caplog.at_level(logging.WARNING, "novel_jupyter"):
        told(hooks, sentence("one"), sentence("two"))
        assert seen == []
        await hooks.settled(SECONDS)
    assert seen == ["one", "two"]
    assert isinstance(hook.error, TimeoutError)
    assert caplog.text.count("slow failed: TimeoutError") == 2


async def test_what_waits_for_hooks_is_bounded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hooks_module, "WAITING", 3)
    hooks = Hooks()
    seen: list[str] = []
    hooks.add("sentence", lambda made: seen.append(made.sentence.text))
    with caplog.at_level(logging.WARNING, "novel_jupyter"):
        told(hooks, *(sentence(str(n)) for n in range(5)))
        await hooks.settled()
    assert seen == ["0", "1", "2"]
    assert "2 things were not told" in caplog.text
    for n in range(20):
        hooks.prepare(f"c:{n}", [sentence("never committed")])
    assert len(cast(Any, hooks)._prepared) == hooks_module.UNCOMMITTED


# --- handles


async def test_a_hook_is_ended_by_its_handle_and_can_be_called_by_hand() -> None:
    hooks = Hooks()
    seen: list[str] = []

    def watch(made: SentenceMade) -> str:
        seen.append(made.sentence.text)
        return "seen"

    hook = hooks.add("sentence", watch)
    told(hooks, sentence("one"))
    await hooks.settled()
    assert hook(sentence("by hand")) == "seen"
    hook.off()
    hook.off()
    told(hooks, sentence("two"))
    await hooks.settled()
    assert seen == ["one", "by hand"]


async def test_a_cell_that_is_run_again_watches_once() -> None:
    hooks = Hooks()
    seen: list[str] = []

    def define(word: str) -> Hook:
        def watch(made: SentenceMade) -> None:
            seen.append(word)

        return hooks.add("sentence", watch)

    define("old")
    define("new")
    hooks.add("sentence", lambda made: seen.append("a"))
    hooks.add("sentence", lambda made: seen.append("b"))
    told(hooks, sentence("one"))
    await hooks.settled()
    assert seen == ["new", "a", "b"]


async def test_a_wrong_name_says_which_there_are() -> None:
    story: Story = await story_of(LocalServer(kernel()))
    with pytest.raises(ValueError, match="no hook 'descision'; expected one of decision, event, sentence"):
        story.on("descision")
    with pytest.raises(TypeError, match="a hook is a function of one argument, not a int"):
        story.on("event", cast(Any, 3))
    await story.close()
