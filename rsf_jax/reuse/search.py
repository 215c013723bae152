"""Searches thresholds for the least time at an allowed error, by trying them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

# Thresholds that are tried: of the frame in units of its noise, of maps in units of their sizes.
FRAME_LEVELS = (0.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0)
MAP_LEVELS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
# Shares of the dense network's time: less is no gain.
_GAIN = 0.002
_FLAT = 4  # levels without a gain, after which higher ones of the frame are not tried
_ROUNDS = 3
_NO_COST = 1e-9
_HALF = 0.5**0.5  # errors add by their squares


class Trial(NamedTuple):
    """What thresholds come to.

    Attributes:
        thresholds: float [maps].
        error: root of the mean square, in units of what outputs of different scenes deviate by.
        worst: that of the worst frame.
        work: share of the multiply-adds that is done.
        time: share of the dense network's, by the model of costs.
    """

    thresholds: np.ndarray
    error: float
    worst: float
    work: float
    time: float


class Search:
    """Tries thresholds, and remembers what they came to.

    The frame's threshold is raised alone first, then those of all maps by the same level, beside
    the best for the frame and beside the best that leaves half of the error. From the best on, and
    from the best that leaves half of the error, every map's is tried one level higher, by itself;
    those steps that save the most time for the error they add are taken together, as many as the
    error allows, and so again. In the end thresholds that save nothing are taken back.

    Args:
        measure: tries thresholds.
        levels: those of every map, ascending from 0; the first map is the frame.
    """

    def __init__(
        self,
        measure: Callable[[np.ndarray], Trial],
        levels: Sequence[np.ndarray],
    ) -> None:
        self._measure, self._levels, self._max_error = measure, levels, 0.0
        self._trials: dict[tuple[int, ...], Trial] = {}

    def run(self, max_error: float) -> Trial:
        """Returns the choice for an error that a trial may have."""
        self._max_error = max_error
        nothing = (0,) * len(self._levels)
        self._try(nothing)
        self._raise_frame(nothing)
        less = _HALF * max_error
        for start in dict.fromkeys([self._best(), self._best(less)]):
            self._raise_all(start)
        for start in dict.fromkeys([self._best(), self._best(less)]):
            self._climb(start)
        return self._trials[self._take_back(self._best())]

    def less(self, max_error: float) -> Trial:
        """Returns the choice for less error than was searched for, of what was tried."""
        self._max_error = max_error
        return self._trials[self._take_back(self._best())]

    @property
    def trials(self) -> list[Trial]:
        """All that was tried, in that order."""
        return list(self._trials.values())

    def _try(self, at: tuple[int, ...]) -> Trial:
        if at not in self._trials:
            values = np.array([levels[n] for levels, n in zip(self._levels, at)], np.float32)
            self._trials[at] = self._measure(values)
        return self._trials[at]

    def _time(self, at: tuple[int, ...]) -> float:
        return self._trials[at].time

    def _allows(self, trial: Trial) -> bool:
        return trial.error <= self._max_error

    def _best(self, max_error: float | None = None) -> tuple[int, ...]:
        """The quickest of an error that is allowed; of those alike the one with the least.

        Thresholds of 0 always are, whatever rounding has made of them.
        """
        most = self._max_error if max_error is None else max_error
        allowed = {at: x for at, x in self._trials.items() if x.error <= most or not any(at)}
        return min(allowed, key=lambda at: (round(allowed[at].time, 3), allowed[at].error))

    def _raise_frame(self, at: tuple[int, ...]) -> None:
        least, flat = self._time(at), 0
        for level in range(1, len(self._levels[0])):
            trial = self._try((level, *at[1:]))
            flat = 0 if trial.time < least - _GAIN or trial.time > 1 - _GAIN else flat + 1
            least = min(least, trial.time)
            if flat == _FLAT or not self._allows(trial):
                return

    def _raise_all(self, at: tuple[int, ...]) -> None:
        for level in range(1, max(map(len, self._levels[1:]), default=0)):
            trial = self._try((at[0], *(min(level, len(x) - 1) for x in self._levels[1:])))
            if not self._allows(trial):
                return

    def _climb(self, at: tuple[int, ...]) -> None:
        for _ in range(_ROUNDS):
            higher = self._raise_some(at)
            if self._time(higher) > self._time(at) - _GAIN:
                return
            at = higher

    def _raise_some(self, at: tuple[int, ...]) -> tuple[int, ...]:
        here, steps = self._trials[at], []
        for i, levels in enumerate(self._levels):
            if at[i] + 1 < len(levels):
                trial = self._try(_raised(at, [i]))
                saved, cost = here.time - trial.time, trial.error**2 - here.error**2
                if saved > _GAIN:
                    steps.append((saved / max(cost, _NO_COST), i))
        order = [i for _, i in sorted(steps, reverse=True)]
        # The error grows with the number of steps: the most that it allows, by halving.
        low, high = 0, len(order) + 1
        while high - low > 1:
            middle = (low + high) // 2
            if self._allows(self._try(_raised(at, order[:middle]))):
                low = middle
            else:
                high = middle
        return _raised(at, order[:low])

    def _take_back(self, at: tuple[int, ...]) -> tuple[int, ...]:
        most = self._time(at) + _GAIN
        for i in range(1, len(at)):
            if at[i]:
                without = (*at[:i], 0, *at[i + 1 :])
                trial = self._try(without)
                at = without if trial.time <= most and self._allows(trial) else at
        return at


def _raised(at: tuple[int, ...], steps: Sequence[int]) -> tuple[int, ...]:
    return tuple(n + (i in steps) for i, n in enumerate(at))
