"""The confidence interval of a difference between pairs."""

import numpy as np
import pytest

from rsf_jax.measures.paired import paired_difference


def test_it_is_that_of_normal_numbers():
    rng = np.random.default_rng(1)
    b = rng.normal(size=400)
    a = b + rng.normal(0.2, 0.5, size=400)
    low, high = paired_difference(a, b)
    middle, width = np.mean(a - b), 1.96 * np.std(a - b) / 20
    assert low == pytest.approx(middle - width, abs=0.004)
    assert high == pytest.approx(middle + width, abs=0.004)
    assert paired_difference(a, b) == (low, high)


def test_what_is_always_the_same_has_no_width():
    assert paired_difference(np.full(3, 0.75), np.full(3, 0.5)) == (0.25, 0.25)
