"""Recurrent back-propagation against the implicit function theorem, solved exactly."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.gradients import BPTT, RBP, LipschitzPenalty, Reached, neumann_series

SIZE = 6


class Pair(NamedTuple):
    """A state of two arrays, as an LSTM's."""

    hidden: jax.Array
    memory: jax.Array


def _weights(scale=0.5):
    w = np.random.default_rng(0).normal(size=(2 * SIZE, 2 * SIZE))
    return jnp.asarray(scale * w / np.linalg.norm(w, 2), jnp.float32)


DRIVE = jnp.asarray(np.random.default_rng(1).normal(size=(3, 2 * SIZE)), jnp.float32)


def _step(w, drive, carry):
    h = jnp.tanh(jnp.concatenate(carry, 1) @ w.T + drive)
    return Pair(h[:, :SIZE], h[:, SIZE:])


def _start(batch=3):
    return Pair(jnp.zeros((batch, SIZE)), jnp.zeros((batch, SIZE)))


def _loss(estimator, steps, w, drive, start):
    after = estimator.unroll(lambda carry: _step(w, drive, carry), start, steps).after
    return jnp.sum(jnp.square(jnp.concatenate(after, 1) - 0.3))


def _implicit_gradients(w, drive):
    """By solving `(1 - J^T) g = v` for each sample, in float64."""
    w, drive = np.asarray(w, np.float64), np.asarray(drive, np.float64)
    h = np.zeros_like(drive)
    for _ in range(500):
        h = np.tanh(h @ w.T + drive)
    to_w, to_drive = np.zeros_like(w), np.zeros_like(drive)
    for b, state in enumerate(h):
        slope = np.diag(1 - state**2)
        jacobian = slope @ w
        g = np.linalg.solve(np.eye(2 * SIZE) - jacobian.T, 2 * (state - 0.3))
        to_w += np.outer(slope @ g, state)
        to_drive[b] = slope @ g
    return to_w, to_drive


def test_with_many_terms_it_is_the_implicit_gradient():
    w = _weights()
    exact = _implicit_gradients(w, DRIVE)
    errors = []
    for terms in (0, 1, 2, 4, 8, 40):
        ours = jax.grad(_loss, argnums=(2, 3))(RBP(terms), 60, w, DRIVE, _start())
        errors.append(max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(ours, exact)))
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0.05  # the last step alone is not enough
    assert errors[-1] < 1e-5


def test_the_states_are_those_of_any_estimator_and_the_start_gets_no_gradient():
    w = _weights(0.9)
    for steps in (1, 2, 5):
        ours, theirs = (
            e.unroll(lambda c: _step(w, DRIVE, c), _start(), steps) for e in (RBP(), BPTT())
        )
        # Bitwise before JAX 0.12, which compiles the two loops otherwise.
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-7), ours, theirs)
    gradient = jax.grad(_loss, argnums=4)(RBP(), 5, w, DRIVE, _start())
    assert not any(leaf.any() for leaf in jax.tree.leaves(gradient))
    gradient = jax.grad(_loss, argnums=4)(BPTT(), 5, w, DRIVE, _start())
    assert all(leaf.any() for leaf in jax.tree.leaves(gradient))


def test_no_term_is_the_gradient_of_the_last_step():
    w = _weights(0.9)
    before = jax.tree.map(
        jax.lax.stop_gradient, BPTT().unroll(lambda c: _step(w, DRIVE, c), _start(), 4).after
    )
    expected = jax.grad(_loss, argnums=2)(BPTT(), 1, w, DRIVE, before)
    ours = jax.grad(_loss, argnums=2)(RBP(terms=0), 5, w, DRIVE, _start())
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-6)


def test_what_a_sample_gets_does_not_depend_on_its_mates_unless_asked():
    w = _weights(0.95)

    def gradient(guard, drive, weight):
        def loss(drive):
            start = _start(len(drive))
            carry = RBP(8, guard).unroll(lambda c: _step(w, drive, c), start, 3).after
            return jnp.sum(weight[:, None] * jnp.square(jnp.concatenate(carry, 1)))

        return jax.grad(loss)(drive)

    # A mate whose sum of terms is far above 1.
    weight = jnp.asarray([1e3, 1e-3, 1e-3])
    for guard, same in (("sample", True), ("batch", False)):
        together = gradient(guard, DRIVE, weight)[1:2]
        alone = gradient(guard, DRIVE[1:2], weight[1:2])
        assert np.allclose(together, alone, rtol=1e-4, atol=0) == same


def _diagonal(*values):
    return jnp.asarray(values, jnp.float32)[:, None]


@pytest.mark.parametrize(
    ("factor", "vector", "guard", "terms", "total"),
    [
        (0.5, 1e-2, "sample", 4, 1.9375e-2),
        (0.5, 1e-2, "batch", 4, 1.9375e-2),
        (1.5, 1e-2, "sample", 0, 1e-2),  # grows: the first power is left out
        (1.5, 1e-2, "batch", 0, 1e-2),
        (0.5, 0.7, "batch", 0, 0.7),  # 0.7 + 0.35 is above 1
        (0.5, 0.7, "sample", 4, 1.35625),
        (1e-10, 1.0, "sample", 0, 1.0),  # vanishes
        (0.5, 0.0, "sample", 0, 0.0),
    ],
)
def test_the_guard(factor, vector, guard, terms, total):
    found = neumann_series(lambda v: factor * v, _diagonal(vector), 4, guard)
    assert int(found.terms[0]) == terms
    np.testing.assert_allclose(found.total[0, 0], total, rtol=1e-6)


def test_the_guard_ends_each_sample_by_itself_and_survives_nan():
    factors = _diagonal(0.5, 2.0, jnp.nan)
    found = neumann_series(lambda v: factors * v, _diagonal(1.0, 1.0, 1.0), 3)
    np.testing.assert_array_equal(found.terms, [3, 0, 0])
    np.testing.assert_allclose(found.total[:, 0], [1.875, 1.0, 1.0])


def test_the_penalty_counts_column_sums_above_its_bound():
    jacobian = jnp.asarray([[0.5, 0.1], [0.2, 0.1]])  # column sums 0.7 and 0.2
    penalty = LipschitzPenalty(bound=0.5)(lambda h: h @ jacobian.T, jnp.ones((3, 2)))
    np.testing.assert_allclose(penalty, 0.2**2 / 2, rtol=1e-5)

    def of(scale):
        return LipschitzPenalty(bound=0.5)(lambda h: scale * h @ jacobian.T, jnp.ones((1, 2)))[0]

    np.testing.assert_allclose(jax.grad(of)(1.0), 0.2 * 0.7, rtol=1e-5)


def test_the_penalty_of_a_state_of_two_arrays_is_its_mean_over_both():
    def step(carry):
        return Pair(2 * carry.hidden, 0.5 * carry.memory)

    penalty = LipschitzPenalty(bound=0.9)(step, _start(2))
    np.testing.assert_allclose(penalty, 1.1**2 / 2, rtol=1e-5)


def test_mistakes_are_named():
    with pytest.raises(rsf.InputError, match="terms is -1: a whole number of at least 0"):
        RBP(-1)
    with pytest.raises(rsf.InputError, match="guard is 'all': choose one of sample, batch"):
        RBP(guard="all")
    with pytest.raises(rsf.InputError, match="remat is 'all': choose one of none, step, sqrt"):
        BPTT("all")
    with pytest.raises(rsf.InputError, match=r"penalty weight is -1\.0"):
        LipschitzPenalty(-1.0)
    with pytest.raises(rsf.InputError, match="gradient is 'bptt': an estimator is needed"):
        rsf.FixedSchedule(2, 1, "bptt")


@pytest.mark.parametrize("estimator", [BPTT(), BPTT("step"), BPTT("sqrt"), RBP()])
def test_every_estimator_tells_the_state_in_front_of_the_last_step(estimator):
    for steps in (1, 3, 4, 6):
        found = estimator.unroll(lambda n: n + 1, jnp.zeros((1,)), steps)
        assert found == Reached(steps - 1, steps)
