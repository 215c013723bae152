"""An alarm: whether what is lost has come to be more than was guaranteed, told while it happens.

A game against the claim that no loss is expected to be above a limit, given those before it. At
every loss a capital is bet on it being above the limit. If the claim is true no way of betting can
be expected to gain, and the capital ever reaches 1 / level with a probability of `level` at most,
however long it is looked at.

What one wins on a change that comes late is small if one has lost before. So the capital is split
in shares that enter the game one at each loss, the later the smaller, and each of them in parts
that bet differently much: those that enter with a change win, whatever the others have lost.

Source: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS-B
2024 (the game); Shin, Ramdas and Rinaldo, "E-detectors", 2022, and Podkopaev and Ramdas, "Tracking
the risk of a deployed model", ICLR 2022 (bets that begin at every time). The shares are such that
the probability is bounded for all time, where e-detectors bound the mean time to a false alarm.
"""

import math

import numpy as np

from rsf_jax.arguments import check_inside, check_number, whole
from rsf_jax.typing import Array

# What is bet, as shares of what can be lost at most: each finds changes of another size.
_STAKES = 0.9 * 0.5 ** np.arange(10)
_ENOUGH = 1e100


class Alarm:
    """Watches losses, and tells when they are more than was guaranteed.

    Args:
        limit: what is guaranteed of the mean loss, between 0 and 1.
        level: probability of a false alarm over all time, between 0 and 1.
        together: so many losses that follow each other count as one, their mean. Losses of
            neighboring frames are alike: a scene that is hard for a while is no broken guarantee.
            Choose more than such a while.

    Raises:
        InputError: if a value is none of these.

    Attributes:
        limit, level, together: as given.
        count: losses seen.
        total: their sum.
        alarm: whether it has been raised; it stays so until `reset`.
        raised_at: number of losses seen when it was raised; None if it was not.
    """

    def __init__(self, limit: float, level: float = 0.01, together: int = 1) -> None:
        for name, value in (("limit", limit), ("level", level)):
            check_inside(name, value)
        self.limit, self.level = float(limit), float(level)
        self.together = whole("together", together)
        self.reset()

    def __repr__(self) -> str:
        """Returns what it watches and what it has seen."""
        raised = f"raised after {self.raised_at}" if self.alarm else "not raised"
        return (
            f"<Alarm limit {self.limit:g}, level {self.level:g}, {self.count} losses with a mean "
            f"of {self.mean:.4g}, {raised}>"
        )

    def reset(self) -> None:
        """Begins anew, as after the policy was calibrated again; the level counts from here on."""
        self.count, self.total = 0, 0.0
        self.alarm = False
        self.raised_at: int | None = None
        self._bets = 0
        self._pending = 0.0
        # Capital that is in the game, a part for each stake.
        self._playing = np.zeros(len(_STAKES))

    @property
    def mean(self) -> float:
        """Mean of all losses seen; NaN before the first."""
        return self.total / self.count if self.count else math.nan

    @property
    def wealth(self) -> float:
        """The capital: 1 at first; 1 / level raises the alarm."""
        return _waiting(self._bets) + float(self._playing.sum())

    def update(self, loss: float) -> bool:
        """Takes the next loss.

        Args:
            loss: in 0..1.

        Returns:
            Whether the alarm is raised, by this loss or before.

        Raises:
            InputError: if it is no number in 0..1.
        """
        value = loss.item() if isinstance(loss, Array | np.ndarray) and loss.size == 1 else loss
        needed = "a number from 0 to 1 is needed"
        loss = check_number("the loss", value, needed, lambda x: 0 <= x <= 1)
        self.count += 1
        self.total += loss
        self._pending += loss
        if self.count % self.together == 0:
            self._bet(self._pending / self.together)
            self._pending = 0.0
        return self.alarm

    def _bet(self, loss: float) -> None:
        self._playing = _after(self._playing, self._bets, np.array([loss]), self.limit)
        self._bets += 1
        if not self.alarm and self.wealth >= 1 / self.level:
            self.alarm, self.raised_at = True, self.count


def wealth(losses: np.ndarray, limit: float) -> np.ndarray:
    """Returns the capital of an alarm after each loss of many sequences.

    Args:
        losses: [..., T], in 0..1.
        limit: what is guaranteed of the mean loss.

    Returns:
        float64 [..., T].
    """
    playing, found = np.zeros((*losses.shape[:-1], len(_STAKES))), np.empty(losses.shape)
    for n in range(losses.shape[-1]):
        playing = _after(playing, n, losses[..., n, None], limit)
        found[..., n] = _waiting(n + 1) + playing.sum(-1)
    return found


def _after(playing: np.ndarray, bets: int, loss: np.ndarray, limit: float) -> np.ndarray:
    """What is in the game, [..., stakes], after another bet on a loss [..., 1]."""
    entering = (_waiting(bets) - _waiting(bets + 1)) / len(_STAKES)
    won = (playing + entering) * (1 + _STAKES * (loss / limit - 1))
    return np.minimum(won, _ENOUGH)  # which may be lost again, and overflows nowhere


def _waiting(bets: int) -> float:
    """The share of the capital that has not entered after so many bets.

    It falls as slowly as can be: a change after n losses meets a share of about 1 / (n log(n)^2).
    """
    return 1 / math.log2(bets + 2)
