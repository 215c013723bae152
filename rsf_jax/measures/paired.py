"""Whether one way is better than another on the same videos."""

import numpy as np

_SAMPLES = 9999


def paired_difference(
    a: np.ndarray, b: np.ndarray, *, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Returns a confidence interval of mean(a - b), by the percentile bootstrap over pairs.

    Args:
        a: [N], one score for each video.
        b: [N], those of the same videos in the other way.
        confidence: share of the bootstrap samples within the interval.
        seed: of the samples.

    Source: `scipy.stats.bootstrap`.
    """
    from scipy.stats import bootstrap  # takes its time to load

    difference = np.asarray(a) - np.asarray(b)
    if np.ptp(difference) == 0:
        return float(difference[0]), float(difference[0])
    interval = bootstrap(
        (difference,),
        np.mean,
        n_resamples=_SAMPLES,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)
