"""Random numbers for loops in Python, where one call of NumPy for each would take most time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

_AT_ONCE = 1024
_Item = TypeVar("_Item")


class Chance:
    """Random numbers, one after the other, drawn from a generator many at once.

    Args:
        rng: of one video; nobody else may draw from it.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._left: list[float] = []

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """From `low` to `high`, which is never reached."""
        if not self._left:
            self._left = self._rng.random(_AT_ONCE).tolist()
        return low + (high - low) * self._left.pop()

    def below(self, count: int) -> int:
        """A whole number from 0 to `count - 1`."""
        return int(self.uniform() * count)

    def within(self, bounds: tuple[int, int]) -> int:
        """A whole number from the first to the second one, both included."""
        return bounds[0] + self.below(bounds[1] - bounds[0] + 1)

    def happens(self, probability: float) -> bool:
        """True with a probability."""
        return self.uniform() < probability

    def one_of(self, items: Sequence[_Item]) -> _Item:
        """One of several, each as likely as the others."""
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[_Item]) -> list[_Item]:
        """All of them, in a random order."""
        mixed = list(items)
        for last in range(len(mixed) - 1, 0, -1):
            other = self.below(last + 1)
            mixed[last], mixed[other] = mixed[other], mixed[last]
        return mixed
