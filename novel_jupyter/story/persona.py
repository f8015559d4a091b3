"""A persona: decides for one character from what that character witnessed.

Law: `PersonaView` is all it gets; there is no way from it to the state.
Parts: `PersonaAgent`.
"""

from __future__ import annotations

from .brain import Brain, Decision, PersonaView


class PersonaAgent:
    """Decides for one character. Override `decide`, or `inclination` to weigh options differently."""

    def __init__(self, character: str, brain: Brain | None = None) -> None:
        self.character = character
        self.brain = brain

    async def decide(self, view: PersonaView) -> Decision:
        """One of `view.options`. What was not offered is refused and the offline rules decide instead."""
        raise NotImplementedError
