"""The phantom gradient against the implicit function theorem and against unrolled, damped steps."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.gradients import BPTT, RBP, Phantom

SIZE, BATCH = 6, 3


def _weights(scale=0.7, seed=0):
    w = np.random.default_rng(seed).normal(size=(SIZE, SIZE))
    return jnp.asarray(scale * w / np.linalg.norm(w, 2), jnp.float32)


DRIVE = jnp.asarray(np.random.default_rng(1).normal(size=(BATCH, SIZE)), jnp.float32)


def _step(w, drive, carry):
    """A state that counts, too."""
    h, count = carry
    return jnp.tanh(h @ w.T + drive), count + 1


def _start():
    return jnp.zeros((BATCH, SIZE)), jnp.zeros(BATCH, jnp.int32)


def _loss(estimator, steps, w, drive):
    after = estimator.unroll(lambda carry: _step(w, drive, carry), _start(), steps).after
    return jnp.square(after[0] - 0.3).sum()


def _gradients(estimator, steps, w, drive=DRIVE):
    grad = jax.jit(jax.grad(_loss, argnums=(2, 3)), static_argnums=(0, 1))
    return [np.asarray(x, np.float64) for x in grad(estimator, steps, w, drive)]


def _exact(w, drive, series):
    """With `series(J^T)` instead of the inverse, by dense matrices in float64."""
    w, drive = np.asarray(w, np.float64), np.asarray(drive, np.float64)
    h = np.zeros_like(drive)
    for _ in range(2000):
        h = np.tanh(h @ w.T + drive)
    to_w, to_drive = np.zeros_like(w), np.zeros_like(drive)
    for b, state in enumerate(h):
        slope = np.diag(1 - state**2)
        g = series((slope @ w).T) @ (2 * (state - 0.3))
        to_w += np.outer(slope @ g, state)
        to_drive[b] = slope @ g
    return to_w, to_drive


def _error(ours, exact):
    return max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(ours, exact))


@pytest.mark.parametrize(("terms", "damping"), [(0, 1.0), (0, 0.5), (3, 1.0), (4, 0.5), (7, 0.8)])
def test_it_is_its_formula(terms, damping):
    def series(transposed):
        base = (1 - damping) * np.eye(SIZE) + damping * transposed
        return damping * sum(np.linalg.matrix_power(base, k) for k in range(terms + 1))

    w = _weights()
    assert _error(_gradients(Phantom(terms, damping), 80, w), _exact(w, DRIVE, series)) < 1e-5


@pytest.mark.parametrize("damping", [1.0, 0.5])
def test_as_terms_grow_it_becomes_the_implicit_gradient(damping):
    w = _weights()
    exact = _exact(w, DRIVE, lambda transposed: np.linalg.inv(np.eye(SIZE) - transposed))
    terms = (0, 2, 6, 16, 60)
    errors = [_error(_gradients(Phantom(k, damping), 80, w), exact) for k in terms]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0.05
    assert errors[-1] < 1e-5


def test_undamped_it_is_the_series_of_rbp_where_that_shrinks():
    w = _weights(0.5)
    for ours, theirs in zip(_gradients(Phantom(5, 1.0), 60, w), _gradients(RBP(5), 60, w)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-7)


def test_a_step_that_overshoots_is_solved_for_with_damping_alone():
    """J = -1.2 does not contract; (1 - d) + d J does."""
    w, drive = jnp.full((1, 1), -1.2), jnp.full((1, 1), 0.6)
    fixed = jnp.full((1, 1), 0.6 / 2.2)

    def loss(estimator, w):
        step = lambda h: h @ w.T + drive  # noqa: E731
        return estimator.unroll(step, fixed, 1).after.sum()

    exact = 1 / 2.2 * 0.6 / 2.2
    damped, undamped = (jax.grad(loss, 1)(Phantom(30, d), w)[0, 0] for d in (0.5, 1.0))
    np.testing.assert_allclose(damped, exact, rtol=1e-4)
    assert abs(undamped) > 10 * exact


def test_unrolled_damped_steps_behind_the_last_state_have_the_same_derivative():
    w, terms, damping = _weights(), 4, 0.6
    fixed = jax.lax.stop_gradient(
        BPTT().unroll(lambda c: _step(w, DRIVE, c), _start(), 80).after[0]
    )

    def loss(w):
        h = fixed
        for _ in range(terms + 1):
            h = (1 - damping) * h + damping * _step(w, DRIVE, (h, 0))[0]
        return jnp.square(h - 0.3).sum()

    ours = _gradients(Phantom(terms, damping), 80, w)[0]
    np.testing.assert_allclose(ours, jax.jit(jax.grad(loss))(w), rtol=1e-4, atol=1e-6)


def test_steps_and_values_are_those_of_any_estimator():
    w = _weights(0.9)
    for steps in (1, 4):
        ours, theirs = (
            e.unroll(lambda c: _step(w, DRIVE, c), _start(), steps) for e in (Phantom(), BPTT())
        )
        close = partial(np.testing.assert_allclose, rtol=1e-6)
        jax.tree.map(close, ours, theirs)
        assert (ours.after[1] == steps).all()


def test_other_derivatives_and_values_are_refused():
    w = _weights()
    with pytest.raises(rsf.InputError, match="the phantom gradient has no second derivative"):
        jax.hessian(lambda w: _loss(Phantom(1), 2, w, DRIVE))(w)
    with pytest.raises(rsf.InputError, match="the phantom gradient has no forward-mode"):
        jax.jvp(lambda w: _loss(Phantom(1), 2, w, DRIVE), (w,), (w,))
    for values in ({"terms": -1}, {"damping": 0.0}, {"damping": 1.1}, {"damping": float("nan")}):
        with pytest.raises(rsf.InputError, match=next(iter(values))):
            Phantom(**values)
