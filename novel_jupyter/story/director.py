"""The director: frames the scene, asks the personas, adjudicates, moves clocks and acts, and ends the story.

Law: the director owns no state. `run_turn` reads a frozen input and returns an outcome; everything that
changes goes through `reduce`.
Parts: `DirectorAgent`, made to be subclassed: override `frame`, `persona_for` or `adjudicate`.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from .brain import Brain
from .turn import ActionResult, Progress, Session, TurnInput, TurnOutcome


def _silent(agent: str, text: str) -> None:
    """Progress that nobody watches."""


class DirectorAgent:
    """Runs turns. One object may run many sessions; it keeps nothing between calls."""

    name = "Director"

    def __init__(self, brain: Brain | None = None) -> None:
        self.brain = brain

    async def process_user_action(
        self, session: Session, user: str, action: Mapping[str, JsonValue]
    ) -> ActionResult:
        """Adjudicate one person's action now; the agents' characters answer it.

        `action` is a wire object. A refusal is an outcome, not an error. Raises LookupError if the user
        plays nobody here.
        """
        raise NotImplementedError

    async def run_turn(self, turn: TurnInput, progress: Progress = _silent) -> TurnOutcome:
        """Resolve a whole turn together. Cancel the task to stop it: nothing is left behind."""
        raise NotImplementedError
