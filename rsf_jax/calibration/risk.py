"""Guarantees from a finite number of videos: tests of a mean, and of many choices at once.

Losses are independent over videos and have an upper end; nothing else is assumed of them. A test is
a game against the claim that the mean loss is a limit or more: a capital of 1 is bet, video by
video, on losses below the limit. If the claim were true no way of betting could be expected to
gain, and the capital would ever reach 1 / level with a probability of `level` at most, however many
videos there are.

Source: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS-B
2024 (the test); Angelopoulos et al., "Learn then test", 2021 (choosing by tests); Laufer-Goldshtein
et al., "Efficiently controlling multiple risks with Pareto testing", ICLR 2023 (the order).
"""

from collections.abc import Iterable

import numpy as np

from rsf_jax.errors import InputError

# Of the largest bet that cannot lose everything.
_SHARE = 0.9
# Standard deviation of the one imagined video that the estimates start from, as a share of `most`.
_PRIOR_DEVIATION = 0.5
# Of losses in float32, relative: the bets leave room for it.
_ROUNDING = 1e-6


def p_value(losses: np.ndarray, limit: float, most: float = 1.0) -> float:
    """Tests the claim that the mean loss is `limit` or more.

    Args:
        losses: [V], one loss a video in random order.
        limit: of the mean loss.
        most: the largest loss there can be.

    Returns:
        The level up to which the claim is kept, in 0..1: if it is true, a result of `level` or less
        has a probability of at most `level`.

    Raises:
        InputError: if there are no losses, or one is not finite or above `most`.
    """
    if len(losses) == 0:
        raise InputError("there are no losses: a test needs those of one video at least")
    if not (np.isfinite(losses) & (losses <= most * (1 + _ROUNDING))).all():
        raise InputError(
            f"losses lie between {losses.min():g} and {losses.max():g}: finite ones of at most "
            f"{most:g} are needed"
        )
    if limit >= most:
        return 0.0
    # The estimates before each video: a bet must not know what it is made on.
    count = np.arange(1, len(losses) + 1)
    mean_after = np.cumsum(losses) / (count + 1)
    mean = np.concatenate([[0.0], mean_after[:-1]])
    deviations = np.concatenate([[0.0], np.cumsum(np.square(losses - mean_after))[:-1]])
    variance = (np.square(_PRIOR_DEVIATION * most) + deviations) / count
    edge = limit - mean
    bets = np.clip(edge / (variance + np.square(edge)), 0, _SHARE / (most - limit))
    log_capital = np.cumsum(np.log1p(bets * (limit - losses)))
    return float(np.exp(-max(log_capital.max(), 0.0)))


def upper_bound(losses: np.ndarray, level: float, most: float = 1.0) -> float:
    """Returns a bound that the mean loss exceeds with a probability of at most `level`."""
    low, high = float(losses.min(initial=most)), most
    for _ in range(40):
        middle = (low + high) / 2
        guaranteed = p_value(losses, middle, most) <= level
        low, high = (low, middle) if guaranteed else (middle, high)
    return high


def values_until_failure(
    losses: Iterable[np.ndarray], limit: float, level: float, most: float = 1.0
) -> list[float]:
    """Tests choices one after the other until one fails.

    The order must not depend on the losses. With a probability of at least 1 - level, all that pass
    have a mean loss below the limit, however many there are: the first false one has to be passed
    for there to be any.

    Args:
        losses: for each choice [V]; taken one by one, so that no more are computed than needed.
        limit: of the mean loss.
        level: of each test, and of the whole.
        most: the largest loss there can be.

    Returns:
        The p-values, the last of which may exceed `level`, or be NaN: that choice did not pass.
    """
    values: list[float] = []
    for choice in losses:
        values.append(p_value(choice, limit, most))
        if not values[-1] <= level:  # NaN passes no test
            break
    return values
