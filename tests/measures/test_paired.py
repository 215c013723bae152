"""The confidence interval of a difference between pairs."""

import tracemalloc

import numpy as np
import pytest
from scipy import stats

import rsf_jax as rsf
from rsf_jax.measures.paired import paired_difference, standard_error


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
        (["a", "b"], [1, 2], {}, r"scores are <U1\[2\]: numbers"),
        ([None, 1], [1, 2], {}, "1 of 2 differences are not finite"),
    ],
)
def test_what_tells_no_interval_is_refused(a, b, options, message):
    with pytest.raises(rsf.InputError, match=message):
        paired_difference(np.array(a), np.array(b), **options)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.float16, np.float32])
def test_differences_are_those_of_numbers_whatever_their_type(kind):
    a, b = np.array([1, 2, 3, 90], kind), np.array([2, 3, 5, 100], kind)
    assert paired_difference(a, b) == paired_difference(a.astype(float), b.astype(float))
    assert paired_difference(a, b)[1] < 0


def test_what_is_right_or_wrong_may_be_compared():
    a, b = np.array([True, False, True, True]), np.array([False, False, True, False])
    assert paired_difference(a, b) == paired_difference(1.0 * a, 1.0 * b)


def test_many_videos_take_no_more_memory():
    difference = np.random.default_rng(0).normal(size=3000)
    tracemalloc.start()
    low, high = paired_difference(difference, np.zeros(3000))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2e8  # all samples at once would take 5e8
    middle, width = difference.mean(), 1.96 * standard_error(difference)
    assert (low, high) == pytest.approx((middle - width, middle + width), abs=0.003)


def test_the_error_of_a_mean_is_that_of_a_sample():
    values = np.array([0.1, 0.3, 0.2, 0.7])
    assert standard_error(values) == pytest.approx(stats.sem(values))
    assert np.isnan(standard_error(values[:1]))
