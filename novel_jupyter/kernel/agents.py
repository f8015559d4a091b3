"""Who plays in this kernel: the director, the chronicler and the personas, each replaceable at any time.

Law: what is put in place plays from the next turn on; a turn that runs goes on with those that it began with.
What is no agent is refused here, in the cell that brings it, not in the middle of a turn.
Parts: `Agents`, `Personas`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from typing import TypeVar

from novel_jupyter.story.brain import Brain
from novel_jupyter.story.chronicler import ChroniclerAgent
from novel_jupyter.story.director import DirectorAgent
from novel_jupyter.story.persona import PersonaAgent

A = TypeVar("A", DirectorAgent, ChroniclerAgent)


class Agents:
    """`brain`: of the agents that are not given. `characters` says whom the story has.

    A class stands for an agent of it with the story's brain: `agents.director = MyDirector`.
    """

    def __init__(
        self,
        characters: Callable[[], Collection[str]],
        *,
        director: DirectorAgent | type[DirectorAgent] | None = None,
        chronicler: ChroniclerAgent | type[ChroniclerAgent] | None = None,
        personas: Mapping[str, PersonaAgent] | None = None,
        brain: Brain | None = None,
    ) -> None:
        self._director = _made(director, DirectorAgent, brain)
        self._chronicler = _made(chronicler, ChroniclerAgent, brain)
        self.personas = Personas(self, characters)
        self._director.personas.update(personas or {})

    @property
    def director(self) -> DirectorAgent:
        return self._director

    @director.setter
    def director(self, director: DirectorAgent | type[DirectorAgent]) -> None:
        """Personas that were put in place stay; those that the new director brings win. Raises TypeError."""
        made = _made(director, DirectorAgent, self._director.brain)
        made.personas = {**self._director.personas, **made.personas}
        self._director = made

    @property
    def chronicler(self) -> ChroniclerAgent:
        return self._chronicler

    @chronicler.setter
    def chronicler(self, chronicler: ChroniclerAgent | type[ChroniclerAgent]) -> None:
        self._chronicler = _made(chronicler, ChroniclerAgent, self._chronicler.brain)

    def think_with(self, brain: Brain) -> None:
        """Give the director and the chronicler another brain; personas of one's own keep theirs."""
        self._director.brain = self._chronicler.brain = brain


class Personas(MutableMapping[str, PersonaAgent]):
    """Character → the agent that plays it, where it is not the built-in one."""

    def __init__(self, agents: Agents, characters: Callable[[], Collection[str]]) -> None:
        self._agents = agents
        self._characters = characters

    def __getitem__(self, character: str) -> PersonaAgent:
        """Raises KeyError for whom the built-in agent plays."""
        return self._agents.director.personas[character]

    def __setitem__(self, character: str, persona: PersonaAgent | type[PersonaAgent]) -> None:
        """Raises KeyError for a character that the story has not, TypeError for what is no persona."""
        known = self._characters()
        if character not in known:
            raise KeyError(f"no character is called {character!r}; there are {', '.join(sorted(known))}")
        if isinstance(persona, type) and issubclass(persona, PersonaAgent):
            persona = persona(character, self._agents.director.brain)
        if not isinstance(persona, PersonaAgent):
            raise TypeError(f"a persona is a PersonaAgent, not {_kind(persona)}")
        self._agents.director.personas[character] = persona

    def __delitem__(self, character: str) -> None:
        """The built-in agent plays again."""
        del self._agents.director.personas[character]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._agents.director.personas))

    def __len__(self) -> int:
        return len(self._agents.director.personas)

    def _ipython_key_completions_(self) -> list[str]:
        """Whom an agent may be put in place for."""
        return sorted(self._characters())

    def __repr__(self) -> str:
        own = ", ".join(f"{who}: {type(agent).__name__}" for who, agent in sorted(self.items()))
        return f"<personas: {own or 'the built-in ones'}>"


def _made(agent: A | type[A] | None, of: type[A], brain: Brain | None) -> A:
    """Raises TypeError for what is no agent of this kind."""
    if agent is None:
        return of(brain)
    if isinstance(agent, type) and issubclass(agent, of):
        return agent(brain)
    if not isinstance(agent, of):
        raise TypeError(f"expected a {of.__name__} (or a class of them), not {_kind(agent)}")
    return agent


def _kind(thing: object) -> str:
    return f"the class {thing.__name__}" if isinstance(thing, type) else f"a {type(thing).__name__}"
