"""Chance that can be repeated: every throw is a function of who throws it, when and what for.

Law: counter-based. No throw depends on how many were made before it, so asking one agent again never shifts
another, and the same seed gives the same throws in every process.
Parts: `Dice` (one attempt at one turn), `Luck` (the same, bound to one actor).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Dice:
    """The throws of one attempt at one turn on one branch."""

    seed: str
    branch: str
    turn: int
    attempt: int

    def number(self, actor: str, purpose: str) -> int:
        """64 bits for this actor and purpose."""
        key = blake2b(digest_size=8)
        for part in (self.seed, self.branch, str(self.turn), str(self.attempt), actor, purpose):
            raw = part.encode("utf-8", "surrogatepass")
            key.update(len(raw).to_bytes(4, "big"))  # lengths keep ("ab", "c") apart from ("a", "bc")
            key.update(raw)
        return int.from_bytes(key.digest(), "big")

    def below(self, bound: int, actor: str, purpose: str) -> int:
        """0 … bound-1, even enough: the bias is below bound / 2**64. Raises ValueError if bound < 1."""
        if bound < 1:
            raise ValueError("there is nothing to choose from")
        return self.number(actor, purpose) % bound

    def two(self, actor: str, purpose: str) -> tuple[int, int]:
        """Two six-sided dice."""
        throw = self.below(36, actor, purpose)
        return throw // 6 + 1, throw % 6 + 1

    def pick(self, options: Sequence[T], actor: str, purpose: str) -> T:
        """One of `options`, each as likely. Raises ValueError if there is none."""
        return options[self.below(len(options), actor, purpose)]

    def weighted(self, options: Sequence[T], weights: Sequence[int], actor: str, purpose: str) -> T:
        """One of `options` by integer weights; those of weight 0 or less never. Raises ValueError if none
        is left.
        """
        total = sum(max(weight, 0) for weight in weights)
        point = self.below(total, actor, purpose)
        for option, weight in zip(options, weights, strict=True):
            point -= max(weight, 0)
            if point < 0:
                return option
        raise AssertionError("the point lies below the total")

    def order(self, options: Sequence[T], actor: str, purpose: str) -> list[T]:
        """`options` shuffled."""
        rest = list(options)
        shuffled: list[T] = []
        while rest:
            shuffled.append(rest.pop(self.below(len(rest), actor, f"{purpose}/{len(shuffled)}")))
        return shuffled

    def luck(self, actor: str) -> Luck:
        return Luck(self, actor)


@dataclass(frozen=True, slots=True)
class Luck:
    """One actor's dice: what an agent is given, so that it cannot throw another's."""

    dice: Dice
    actor: str

    def below(self, bound: int, purpose: str) -> int:
        return self.dice.below(bound, self.actor, purpose)

    def pick(self, options: Sequence[T], purpose: str) -> T:
        return self.dice.pick(options, self.actor, purpose)

    def weighted(self, options: Sequence[T], weights: Sequence[int], purpose: str) -> T:
        return self.dice.weighted(options, weights, self.actor, purpose)
