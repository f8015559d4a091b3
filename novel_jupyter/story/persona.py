"""A persona: decides for one character from what that character witnessed.

Law: `PersonaView` is all it gets; there is no way from it to the state. An answer that was not offered is
not taken.
Parts: `PersonaAgent`.
"""

from __future__ import annotations

from dataclasses import replace

from . import policy
from .brain import Brain, BrainError, Decision, PersonaView
from .offline import OfflineBrain


class PersonaAgent:
    """Decides for one character. Override `decide` to play it differently."""

    def __init__(self, character: str, brain: Brain | None = None) -> None:
        self.character = character
        self.brain: Brain = brain or OfflineBrain()

    async def decide(self, view: PersonaView) -> Decision:
        """What the character does now: one of `view.options`."""
        return await self.brain.decide(view)

    async def settle(self, view: PersonaView) -> Decision:
        """`decide`, checked: where the brain fails or answers what was not offered, the offline rules
        decide.
        """
        try:
            decision = await self.decide(view)
        except BrainError as error:
            return replace(policy.choose(view), usage=error.usage, fallback=True)
        if decision.action in view.options:
            return decision
        return replace(policy.choose(view), usage=decision.usage, fallback=True)
