"""Whether one quantity follows another: the correlation of their ranks."""

import numpy as np


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Returns Spearman's correlation of two quantities, from -1 to 1.

    Args:
        a: [N], numbers; equal ones share the mean of their ranks.
        b: likewise.

    Returns:
        NaN of fewer than two numbers, or where one of the quantities is always the same.
    """
    from scipy.stats import spearmanr  # takes its time to load

    if min(len(np.unique(a)), len(np.unique(b))) < 2:
        return float("nan")
    return float(spearmanr(a, b).statistic)
