"""The offline storyteller: rules, utilities and a phrase bank. No network, no key, and it says so.

Law: answers at once and always, from what it is given; it is also what stands in when another brain fails.
Parts: `OfflineBrain`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from . import policy, prose
from .brain import Decision, Frame, PersonaView, StageView
from .turn import Sentence, TurnRecord, Usage


class OfflineBrain:
    """The default brain."""

    engine = "offline"
    model: str | None = None

    async def decide(self, view: PersonaView) -> Decision:
        """The best of `view.options` by goals, nature and feelings."""
        return policy.choose(view)

    async def frame(self, view: StageView) -> tuple[Frame, Usage]:
        """Mostly where most is at stake."""
        weights = [max(1, frame.stakes) ** 2 for frame in view.frames]
        return view.luck.weighted(view.frames, weights, "frame"), Usage()

    async def narrate(self, record: TurnRecord) -> AsyncIterator[Sentence]:
        """The turn in the words of the phrase bank."""
        for sentence in prose.tell(record):
            yield sentence
