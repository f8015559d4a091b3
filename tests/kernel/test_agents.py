"""Agents of a notebook's own: swapped while a turn runs, named in what they made, and kept from doing harm.

Law: the rules and the story are the real ones; a turn that must not end yet waits on an event of the test.
Parts: swapping, names, faults.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from kernel.hosting import SECONDS, HeldDirector, hosting, reached
from kernel.local import LocalServer, kernel

from novel_jupyter.kernel.agents import Agents
from novel_jupyter.story.actions import Wait
from novel_jupyter.story.brain import Decision, Frame, PersonaView, StageView
from novel_jupyter.story.chronicler import ChroniclerAgent
from novel_jupyter.story.director import DirectorAgent
from novel_jupyter.story.offline import OfflineBrain
from novel_jupyter.story.persona import PersonaAgent
from novel_jupyter.story.turn import TurnInput, TurnOutcome, Usage

pytestmark = pytest.mark.asyncio


class Idle(PersonaAgent):
    async def decide(self, view: PersonaView) -> Decision:
        return Decision(Wait(), ("for no reason",))


class Slow(OfflineBrain):
    """Frames a scene when the test says so: the personas are asked after it."""

    engine = "slow"

    def __init__(self) -> None:
        self.began, self.go = asyncio.Event(), asyncio.Event()

    async def frame(self, view: StageView) -> tuple[Frame, Usage]:
        self.began.set()
        await self.go.wait()
        return await super().frame(view)


def made_by(server: LocalServer, kind: str) -> list[dict[str, Any]]:
    return [cast(Any, event.data)["made_by"] for event in server.events if event.data["kind"] == kind]


def deeds_of(server: LocalServer, character: str) -> list[str]:
    """What a character did, turn by turn, as their first deed of each."""
    found = []
    for event in server.events:
        if event.data["kind"] == "resolved":
            mine = [o for o in event.data["outcomes"] if o["character"] == character]
            found.append(str(mine[0]["action"]["kind"]))
    return found


# --- swapping


async def test_what_is_swapped_in_mid_turn_plays_from_the_next_turn_on() -> None:
    server = LocalServer(kernel())
    slow = Slow()
    host = await hosting(server, server.line(kernel()), director=DirectorAgent(slow))
    await host.handle.direct("lock")
    await asyncio.wait_for(slow.began.wait(), SECONDS)
    # The scene is not set yet: none of the personas was asked.
    host.agents.personas["mara"] = Idle("mara")
    host.agents.think_with(OfflineBrain())
    slow.go.set()
    await reached(host.handle, "collect", 2)
    await host.handle.direct("lock")
    await reached(host.handle, "collect", 3)
    first, second = made_by(server, "resolved")
    assert (first["engine"], second["engine"]) == ("slow", "offline")
    assert "agent" not in first["agents"]["Mara"]
    assert second["agents"]["Mara"]["agent"] == "Idle"
    assert deeds_of(server, "mara")[1] == "wait"


async def test_a_chronicler_signs_with_the_brain_that_it_began_with() -> None:
    class Teller(OfflineBrain):
        engine = "teller"

    class Swapped(ChroniclerAgent):
        async def stream(self, record: Any) -> Any:
            async for sentence in super().stream(record):
                host.agents.think_with(OfflineBrain())
                yield sentence

    server = LocalServer(kernel())
    host = await hosting(server, server.line(kernel()), chronicler=Swapped(Teller()))
    for number in (2, 3):
        await host.handle.direct("lock")
        await reached(host.handle, "collect", number)
    assert [told["engine"] for told in made_by(server, "turn")] == ["teller", "offline"]
    assert [told["agents"]["Chronicler"]["agent"] for told in made_by(server, "turn")] == ["Swapped"] * 2


async def test_a_class_that_is_defined_anew_replaces_the_old_one() -> None:
    server = LocalServer(kernel())
    host = await hosting(server, server.line(kernel()))

    def define(kind: str) -> type[PersonaAgent]:
        class Mine(PersonaAgent):
            async def decide(self, view: PersonaView) -> Decision:
                return Decision(next(option for option in view.options if option.kind == kind))

        return Mine

    for number, kind in ((2, "wait"), (3, "observe")):
        host.agents.personas["mara"] = define(kind)
        await host.handle.direct("lock")
        await reached(host.handle, "collect", number)
    assert deeds_of(server, "mara") == ["wait", "observe"]


async def test_personas_stay_when_the_director_changes_and_go_when_they_are_deleted() -> None:
    brain = OfflineBrain()
    agents = Agents(lambda: {"mara", "ines"}, brain=brain)
    mara, ines = Idle("mara"), Idle("ines")
    agents.personas["mara"] = mara
    agents.director = DirectorAgent(personas={"ines": ines})
    assert dict(agents.personas) == {"mara": mara, "ines": ines}
    del agents.personas["mara"]
    assert "mara" not in agents.personas
    assert type(agents.director.persona_for("mara")) is PersonaAgent
    assert repr(agents.personas) == "<personas: ines: Idle>"


async def test_a_class_is_made_into_an_agent_that_thinks_with_the_storys_brain() -> None:
    class Mine(DirectorAgent):
        pass

    brain = OfflineBrain()
    agents = Agents(lambda: {"mara"}, brain=brain)
    agents.director = Mine
    agents.personas["mara"] = Idle
    assert type(agents.director) is Mine
    assert agents.director.brain is agents.personas["mara"].brain is brain
    assert agents.personas["mara"].character == "mara"


async def test_what_is_no_agent_is_refused_in_the_cell_that_brings_it() -> None:
    agents = Agents(lambda: {"mara"})
    before = agents.director
    wrong: Any = PersonaAgent("mara")
    with pytest.raises(TypeError, match=r"expected a DirectorAgent .*, not a PersonaAgent"):
        agents.director = wrong
    wrong = int
    with pytest.raises(TypeError, match=r"expected a ChroniclerAgent .*, not the class int"):
        agents.chronicler = wrong
    with pytest.raises(KeyError, match="no character is called 'maria'; there are mara"):
        agents.personas["maria"] = Idle("maria")
    with pytest.raises(TypeError, match="a persona is a PersonaAgent, not a str"):
        agents.personas["mara"] = cast(Any, "Idle")
    assert agents.director is before
    assert not agents.personas


# --- names


async def test_a_turn_says_whose_class_made_it_and_people_see_it_at_work() -> None:
    class Fate(DirectorAgent):
        pass

    class Bard(ChroniclerAgent):
        name = "The bard"

    server = LocalServer(kernel())
    line = server.line(kernel())
    host = await hosting(server, line, director=Fate(), chronicler=Bard())
    await host.handle.direct("lock")
    await reached(host.handle, "collect", 2)
    (resolved,), (told,) = made_by(server, "resolved"), made_by(server, "turn")
    assert resolved["agents"]["Director"]["agent"] == "Fate"
    assert told["agents"]["Chronicler"]["agent"] == "The bard"
    assert "agent" not in resolved["agents"]["Ines"]
    assert {"Fate", "The bard"} <= {frame["data"]["agent"] for frame in line.commits("progress")}


# --- faults


async def test_a_persona_that_fails_leaves_nobody_deciding() -> None:
    waiting, stopped = asyncio.Event(), asyncio.Event()

    class Broken(PersonaAgent):
        async def decide(self, view: PersonaView) -> Decision:
            await waiting.wait()
            raise RuntimeError("broken")

    class Thinking(PersonaAgent):
        async def decide(self, view: PersonaView) -> Decision:
            waiting.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                stopped.set()
            raise AssertionError

    server = LocalServer(kernel())
    personas = {"ines": Broken("ines"), "mara": Thinking("mara")}
    host = await hosting(server, server.line(kernel()), personas=personas)
    await host.handle.direct("lock")
    await reached(host.handle, "failed")
    await asyncio.wait_for(stopped.wait(), SECONDS)
    assert isinstance(host.last_error, RuntimeError)
    host.agents.personas.clear()
    await host.handle.direct("reroll")
    await reached(host.handle, "collect", 2)


@pytest.mark.parametrize("where", ["director", "persona"])
async def test_an_agent_that_exits_fails_its_turn_and_not_the_kernel(where: str) -> None:
    class Leaving(DirectorAgent):
        async def run_turn(self, turn: TurnInput, *args: Any, **kwargs: Any) -> TurnOutcome:
            raise SystemExit("bye")

    class Gone(PersonaAgent):
        async def decide(self, view: PersonaView) -> Decision:
            raise SystemExit("bye")

    server = LocalServer(kernel())
    line = server.line(kernel())
    agents: Any = {"director": Leaving()} if where == "director" else {"personas": {"mara": Gone("mara")}}
    host = await hosting(server, line, **agents)
    await host.handle.direct("lock")
    await reached(host.handle, "failed")
    assert [frame["data"]["code"] for frame in line.commits("turn_failed")] == ["agent"]
    host.director = DirectorAgent(personas={"mara": PersonaAgent("mara")})
    await host.handle.direct("reroll")
    await reached(host.handle, "collect", 2)


@pytest.mark.parametrize("made", [None, "a turn", object()])
async def test_a_result_of_no_use_fails_the_turn_and_the_next_one_is_played(made: Any) -> None:
    class Odd(DirectorAgent):
        async def run_turn(self, turn: TurnInput, *args: Any, **kwargs: Any) -> TurnOutcome:
            if not isinstance(made, str):
                return cast(TurnOutcome, made)
            outcome = await super().run_turn(turn, *args, **kwargs)
            # Nothing that JSON knows: it must not stay behind in the queue of commands.
            object.__setattr__(outcome.events[0], "reason", {1, 2})
            return outcome

    server = LocalServer(kernel())
    host = await hosting(server, server.line(kernel()), director=Odd())
    await host.handle.direct("lock")
    await reached(host.handle, "failed")
    host.director = DirectorAgent
    await host.handle.direct("reroll")
    await reached(host.handle, "collect", 2)
    assert host.handle.waiting == 0


async def test_another_director_can_end_what_a_first_one_holds_up() -> None:
    server = LocalServer(kernel())
    held = HeldDirector()
    host = await hosting(server, server.line(kernel()), director=held)
    await host.handle.direct("lock")
    await asyncio.wait_for(held.began.wait(), SECONDS)
    host.director = DirectorAgent()
    await host.handle.direct("cancel")
    await asyncio.wait_for(held.cancelled.wait(), SECONDS)
    await host.handle.direct("lock")
    await reached(host.handle, "collect", 2)
    assert "agent" not in made_by(server, "resolved")[0]["agents"]["Director"]
