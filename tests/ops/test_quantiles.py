"""Quantiles by counting, against NumPy's by sorting."""

import jax
import numpy as np
import pytest

from rsf_jax.ops.quantiles import quantile

NEAR = 2 / 16**3  # of a range from -1 to 1


@pytest.mark.parametrize("count", [1, 2, 3, 1000])
@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
def test_it_is_the_quantile_to_within_a_part_of_the_range(count, share):
    values = np.random.default_rng(count).normal(size=(2, 3, count)).astype(np.float32) / 10
    found = jax.jit(quantile, static_argnums=(1, 2, 3))(values, share, -1.0, 1.0)
    expected = np.quantile(values, share, -1, method="inverted_cdf")
    assert found.shape == (2, 3)
    assert found.dtype == np.float32
    assert (found <= expected).all()
    assert (expected - found <= NEAR).all()


def test_a_value_counts_by_its_weight():
    values = np.float32([[0.1, 0.2, 0.3]])
    for weights, expected in (([1, 1, 1], 0.2), ([1, 1, 5], 0.3), ([3, 0, 1], 0.1), ([0, 0, 0], 0)):
        found = quantile(values, 0.5, 0.0, 1.0, np.float32([weights]))
        np.testing.assert_allclose(found, [expected], atol=NEAR)


def test_ends_of_the_range_are_exact_and_nothing_lies_beyond():
    def median(value):
        return quantile(np.full((1, 5), value, np.float32), 0.5, 0.0, 2.0).item()

    assert median(0) == median(-7) == 0
    assert median(1) == 1
    assert median(7) == pytest.approx(2, abs=NEAR)
    assert median(np.nan) == pytest.approx(2, abs=NEAR)
