"""Whether one way is better than another on the same videos, and how sure a mean is."""

from typing import Any

import numpy as np

from rsf_jax.arguments import check_inside
from rsf_jax.errors import InputError
from rsf_jax.shown import short

_SAMPLES = 9999
_TOGETHER = 2**22  # numbers that are drawn at once; of many videos all would take gigabytes


def paired_difference(
    a: np.ndarray, b: np.ndarray, *, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Returns a confidence interval of mean(a - b), by the percentile bootstrap over pairs.

    Args:
        a: [N], one score for each video, N at least 2.
        b: [N], those of the same videos in the other way.
        confidence: share of the bootstrap samples within the interval, between 0 and 1.
        seed: of the samples.

    Raises:
        InputError: if a value is none of these.

    Source: `scipy.stats.bootstrap`.
    """
    from scipy.stats import bootstrap  # takes its time to load

    check_inside("confidence", confidence)
    difference = _differences(_numbers(a), _numbers(b))
    if np.ptp(difference) == 0:
        return float(difference[0]), float(difference[0])
    interval = bootstrap(
        (difference,),
        np.mean,
        n_resamples=_SAMPLES,
        batch=max(1, _TOGETHER // len(difference)),
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def standard_error(values: np.ndarray) -> float:
    """Returns the standard error of the mean, that of a sample: `s / sqrt(N)`.

    Args:
        values: [N].

    Returns:
        NaN of fewer than two values, which tell nothing of how much they vary.
    """
    if len(values) < 2:
        return float("nan")
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def _numbers(scores: Any) -> np.ndarray:
    """Scores as float64: differences of bytes would wrap around, those of booleans are none."""
    try:
        return np.asarray(scores).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"scores are {short(scores)}: numbers [N] are needed") from error


def _differences(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.ndim != 1 or a.shape != b.shape or len(a) < 2:
        raise InputError(
            f"scores have shapes {list(a.shape)} and {list(b.shape)}: those of the same videos are "
            "needed, [N] each, of two at least"
        )
    difference = a - b
    if not np.isfinite(difference).all():
        raise InputError(
            f"{(~np.isfinite(difference)).sum()} of {len(a)} differences are not finite: leave out "
            "videos without a score"
        )
    return difference
