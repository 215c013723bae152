"""The confidence interval of a difference between pairs."""

import numpy as np
import pytest

import rsf_jax as rsf
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


@pytest.mark.parametrize(
    ("a", "b", "options", "message"),
    [
        ([1, 2], [1, 3], {"confidence": 95.0}, "confidence is 95.0: it must be between 0 and 1"),
        ([1, 2], [1, 3], {"confidence": np.nan}, "confidence is nan"),
        ([1], [2], {}, r"shapes \[1\] and \[1\]: .* of two at least"),
        ([], [], {}, r"shapes \[0\] and \[0\]"),
        ([1, 2, 3], [1], {}, r"shapes \[3\] and \[1\]"),
        ([[1, 2], [3, 4]], [[1, 2], [3, 5]], {}, r"shapes \[2, 2\] and \[2, 2\]"),
        ([1, np.nan], [1, 2], {}, "1 of 2 differences are not finite"),
    ],
)
def test_what_tells_no_interval_is_refused(a, b, options, message):
    with pytest.raises(rsf.InputError, match=message):
        paired_difference(np.float64(a), np.float64(b), **options)
