"""The correlation of ranks, by hand."""

import numpy as np
import pytest

from rsf_jax.measures.ranks import rank_correlation


def test_it_is_that_of_ranks_alone():
    a = np.array([1, 2, 3, 10])
    assert rank_correlation(a, a**3) == pytest.approx(1)
    assert rank_correlation(a, -np.exp(a)) == pytest.approx(-1)
    # Ranks 1, 2, 3, 4 and 2, 1, 4, 3: 1 - 6 * 4 / (4 * 15).
    assert rank_correlation(a, np.array([5, 4, 9, 8])) == pytest.approx(0.6)


def test_equal_values_share_a_rank():
    # Ranks 1.5, 1.5, 3 and 1, 2, 3: a covariance of 0.5, variances of 0.5 and 2 / 3.
    found = rank_correlation(np.array([7, 7, 9]), np.array([1, 2, 3]))
    assert found == pytest.approx(0.5 / (0.5 * 2 / 3) ** 0.5)


@pytest.mark.parametrize("a", [[], [3], [3, 3, 3]])
def test_there_is_none_of_what_does_not_vary(a):
    assert np.isnan(rank_correlation(np.array(a), np.arange(len(a))))
