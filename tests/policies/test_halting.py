"""The halting rule by itself, on cells whose distances are known, against the rule in Python."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from recurrences import recurrence

import rsf_jax as rsf
from rsf_jax.policies.halting import l1, l2, pattern


def _unroll(policy, step, start, recording=None):
    return policy.unroll(recurrence(step, start), False, (), recording)


def _shrinking(rates):
    """A cell whose sample b moves `rates[b]` times as far with every step: 1, r, r^2, ..."""
    rates = jnp.asarray(rates).reshape(-1, 1, 1, 1)

    def step(carry):
        # h_n = 1 + r + ... + r^(n-1) satisfies h_n = 1 + r h_{n-1}.
        return 1 + rates * carry

    return step, jnp.zeros((len(rates), 1, 1, 1))


def _by_hand(rate, threshold, max_steps, min_steps=1):
    h, last = np.float32(0), np.float32(0)
    for n in range(1, max_steps + 1):
        new = np.float32(1) + np.float32(rate) * h
        d = abs(new - h)
        if d / (last + np.float32(1e-8)) < threshold and n >= min_steps:
            return n, new
        h, last = new, d
    return max_steps, h


RATES = [0.3, 0.9, 1.2, 0.0]


@pytest.mark.parametrize("metric", ["l1", "l2"])
@pytest.mark.parametrize(("threshold", "min_steps"), [(0.5, 1), (1.0, 1), (1.0, 4), (1e-6, 1)])
def test_each_sample_halts_by_the_rule(metric, threshold, min_steps):
    step, start = _shrinking(RATES)
    policy = rsf.DistanceHalting(metric, threshold, max_steps=7, min_steps=min_steps)
    out = _unroll(policy, step, start)
    expected = [_by_hand(rate, threshold, 7, min_steps) for rate in RATES]
    np.testing.assert_array_equal(out.steps, [n for n, _ in expected])
    np.testing.assert_allclose(out.carry.ravel(), [h for _, h in expected], rtol=1e-6)


def test_the_first_step_halts_only_a_sample_that_does_not_move():
    out = _unroll(
        rsf.DistanceHalting(threshold=1e6, max_steps=5), lambda h: h * 1.0, jnp.ones((1, 1, 1, 1))
    )
    assert out.steps[0] == 1
    step, start = _shrinking([0.5])
    assert _unroll(rsf.DistanceHalting(threshold=1e6, max_steps=5), step, start).steps[0] == 2


@pytest.mark.parametrize("first", [True, False, jnp.array([True, False])], ids=str)
def test_the_first_frame_may_have_a_minimum_of_its_own(first):
    step, start = _shrinking([0.3, 0.3])
    policy = rsf.DistanceHalting(threshold=1.0, max_steps=7, min_first_steps=4)
    assert policy.singles_out_first_frame
    out = policy.unroll(recurrence(step, start), first, ())
    expected = np.where(np.broadcast_to(first, 2), 4, 2)
    np.testing.assert_array_equal(out.steps, expected)


@pytest.mark.parametrize("max_steps", [1, 5])
def test_the_cap_is_never_exceeded(max_steps):
    step, start = _shrinking([2.0])
    out = _unroll(rsf.DistanceHalting(threshold=1.0, max_steps=max_steps), step, start)
    np.testing.assert_array_equal(out.steps, [max_steps])


def test_a_halted_state_is_frozen_to_the_bit_while_others_go_on():
    step, start = _shrinking([0.3, 2.0])
    out = _unroll(rsf.DistanceHalting(threshold=1.0, max_steps=9), step, start, rsf.Recording())
    first = np.asarray(out.states[0]).ravel()
    assert out.steps.tolist() == [2, 9]
    assert (first[1:] == first[1]).all()
    assert first[1] == np.asarray(out.carry).ravel()[0]


def test_rtol_ends_a_state_that_moves_by_rounding_alone():
    # Every other step moves by one unit in the last place: ratios of noise, never below 0.9.
    def step(h):
        return jnp.where(h == 1, jnp.float32(1 + 2**-23), 1)

    start = jnp.ones((2, 1, 2, 2))
    paper = rsf.DistanceHalting(threshold=0.9, max_steps=20)
    assert _unroll(paper, step, start).steps.tolist() == [20, 20]
    floored = rsf.DistanceHalting(threshold=0.9, max_steps=20, rtol=1e-6)
    assert _unroll(floored, step, start).steps.tolist() == [1, 1]


def test_a_state_that_is_not_a_number_runs_to_the_cap_and_leaves_others_alone():
    step, start = _shrinking([0.3, np.nan])
    out = _unroll(rsf.DistanceHalting(threshold=1.0, max_steps=6), step, start)
    assert out.steps.tolist() == [2, 6]
    assert np.isfinite(out.carry[0]).all()


def _sum_of_moves(a, b):
    return jnp.abs(a - b).sum((1, 2, 3))


@pytest.mark.parametrize("metric", ["l1", "l2", "pattern", _sum_of_moves])
def test_distances_of_half_precision_are_taken_in_float32(metric):
    # Each step moves it by 30 % of its size, whose square float16 does not hold.
    start = jnp.asarray(np.linspace(-30, 30, 512).reshape(1, 2, 16, 16), jnp.float16)
    policy = rsf.DistanceHalting(metric, threshold=1e-9, max_steps=6, rtol=0.1)
    assert _unroll(policy, lambda h: h * jnp.float16(1.3), start).steps.tolist() == [6]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize(
    ("metric", "expected"), [(l1, 1800), (l2, 600 * 3**0.5), (pattern, 300 * 3**0.5)]
)
def test_metrics_are_in_float32_at_least(metric, expected, dtype):
    a, b = (jnp.full((1, 1, 2, 2), x, dtype).at[0, 0, 0, 0].set(0) for x in (300, -300))
    found = metric(a, b)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, [expected], rtol=1e-6)


@pytest.mark.parametrize("metric", ["l1", "l2", "pattern", _sum_of_moves])
@pytest.mark.parametrize("rule", [{"threshold": 1e-9, "rtol": 0.1}, {"threshold": 0.5}])
def test_a_distance_that_is_not_finite_runs_to_the_cap(metric, rule):
    # Its size overflows from the third step on, and both movement and size are infinite.
    pixels = jnp.asarray(np.linspace(-1, 1, 8).reshape(1, 1, 2, 4), jnp.float32)
    policy = rsf.DistanceHalting(metric, max_steps=9, **rule)
    assert _unroll(policy, lambda h: h * 1e16, pixels).steps.tolist() == [9]


@pytest.mark.parametrize(("before", "after"), [(np.inf, 1.0), (1.0, np.inf)])
def test_nothing_is_small_beside_what_has_overflowed(before, after):
    # A step of length 1, after one whose distance was infinite, of a state whose size is.
    policy = rsf.DistanceHalting(lambda a, b: jnp.where(b == 0, after, 1.0)[:, 0, 0, 0], rtol=0.1)
    h = jnp.ones((1, 1, 1, 1))
    goes_on, _ = policy.should_continue(jnp.int32(3), h, h, jnp.full(1, before), False)
    assert goes_on.tolist() == [True]


def test_metrics():
    a, b = jnp.zeros((2, 1, 2, 2)), jnp.array([3.0, 4.0, 0, 0, 1, 1, 1, -1]).reshape(2, 1, 2, 2)
    np.testing.assert_allclose(l1(a, b), [7, 4])
    np.testing.assert_allclose(l2(a, b), [5, 2])
    # Less the mean over the pixels, 1.75 and 0.5.
    np.testing.assert_allclose(pattern(a, b), [np.sqrt(25 - 4 * 1.75**2), np.sqrt(4 - 4 * 0.5**2)])
    np.testing.assert_allclose(pattern(a, b + 7), pattern(a, b), rtol=1e-5)


def test_a_metric_of_ones_own():
    def largest(a, b):
        return jnp.abs(a - b).max((1, 2, 3))

    step, start = _shrinking(RATES)
    ours = _unroll(rsf.DistanceHalting(largest, 0.95, 7), step, start)
    theirs = _unroll(rsf.DistanceHalting("l1", 0.95, 7), step, start)
    np.testing.assert_array_equal(ours.steps, theirs.steps)
    assert str(rsf.DistanceHalting(largest, 0.95, 7)) == "largest:0.95:7"


@pytest.mark.parametrize("name", ["l1", "l2", "pattern"])
def test_a_function_of_the_library_is_known_by_its_name(name):
    rule = rsf.DistanceHalting(rsf.policies.METRICS[name], 0.9, 5)
    assert rule == rsf.DistanceHalting(name, 0.9, 5) == rsf.parse_policy(str(rule))


def test_a_metric_may_count():
    def moved(a, b):
        return (jnp.abs(a - b) > 1e-3).sum((1, 2, 3))

    def moved_as_real_numbers(a, b):
        return moved(a, b).astype(jnp.float32)

    step, start = _shrinking(RATES)
    counts, numbers = (
        _unroll(rsf.DistanceHalting(metric, 0.95, 9), step, start).steps.tolist()
        for metric in (moved, moved_as_real_numbers)
    )
    assert counts == numbers


def test_thresholds_are_traced():
    step, start = _shrinking(RATES)
    chex.clear_trace_counter()

    @jax.jit
    @chex.assert_max_traces(n=1)
    def steps(policy):
        return _unroll(policy, step, start).steps

    seen = {
        tuple(steps(rsf.DistanceHalting(threshold=t, max_steps=7, rtol=r)).tolist())
        for t in (1, 0.5, 1e-6, np.float64(0.95))
        for r in (0, 1e-3)
    }
    assert len(seen) > 2


def test_each_sample_may_have_a_threshold_of_its_own():
    step, start = _shrinking([0.5, 0.5])
    policy = rsf.DistanceHalting(threshold=np.array([0.6, 0.4], np.float32), max_steps=5)
    np.testing.assert_array_equal(_unroll(policy, step, start).steps, [2, 5])


BAD = [
    ({"metric": "l3"}, "metric is 'l3': choose one of l1, l2, pattern"),
    ({"threshold": 0}, "threshold is 0: a finite number above 0"),
    ({"threshold": -0.5}, "threshold is -0.5"),
    ({"threshold": float("inf")}, "threshold is inf"),
    ({"threshold": np.array([1.0, np.nan])}, "threshold is"),
    ({"threshold": "1"}, "threshold is '1': a number is needed"),
    ({"threshold": True}, "a number is needed"),
    ({"epsilon": 0}, "epsilon is 0"),
    ({"rtol": -1e-9}, "rtol is -1e-09: a finite number at least 0"),
    ({"max_steps": 0}, "max_steps is 0: a whole number"),
    ({"max_steps": 2.0}, "max_steps is 2.0"),
    ({"min_steps": True}, "min_steps is True"),
    ({"max_steps": 2, "min_steps": 3}, "max_steps is 2, below min_steps 3: raise it"),
    ({"max_steps": 2, "min_first_steps": 3}, "max_steps is 2, below min_first_steps 3"),
]


@pytest.mark.parametrize(("settings", "message"), BAD)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(rsf.InputError) as error:
        rsf.DistanceHalting(**settings)
    assert message in str(error.value)


def test_rules_of_arrays_are_compared_and_hashed():
    one, same, other = (
        rsf.DistanceHalting(threshold=np.array([1.0, t], np.float32)) for t in (2, 2, 3)
    )
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != "l2:1.0:12"
    assert rsf.DistanceHalting() == rsf.parse_policy(str(rsf.DistanceHalting()))


def test_a_rule_is_named_after_the_function_that_is_part_of_it():
    def near(a, b, power):
        return a

    assert str(rsf.DistanceHalting(functools.partial(near, power=2))).startswith("near:1.0:12")
