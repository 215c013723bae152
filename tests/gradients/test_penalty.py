"""Jacobian regularization against dense Jacobians, and what its random vectors depend on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.gradients import JacobianPenalty, LipschitzPenalty, Penalty
from rsf_jax.training.randomness import keys_of_frames, keys_of_videos

BATCH, SIZE = 3, 5
_RNG = np.random.default_rng(0)
WEIGHTS = jnp.asarray(_RNG.normal(size=(2 * SIZE, 2 * SIZE)) / 4, jnp.float32)
START = (
    jnp.asarray(_RNG.normal(size=(BATCH, SIZE)), jnp.float32),
    jnp.arange(BATCH),  # counts
    jnp.asarray(_RNG.normal(size=(BATCH, 1, SIZE)), jnp.float32),
)


def _step(weights, carry):
    a, count, b = carry
    h = jnp.tanh(jnp.concatenate([a, b[:, 0]], 1) @ weights.T)
    return h[:, :SIZE], count + 1, h[:, None, SIZE:]


def _jacobians(weights):
    """Of each sample, [B, D, D], in float64."""
    a, _, b = (np.asarray(x, np.float64) for x in START)
    w = np.asarray(weights, np.float64)
    h = np.tanh(np.concatenate([a, b[:, 0]], 1) @ w.T)
    return (1 - h**2)[:, :, None] * w


def _keys(update):
    return keys_of_videos(0, jnp.int32(update), BATCH, None)


@pytest.mark.parametrize("noise", ["rademacher", "gaussian"])
def test_its_mean_is_the_mean_square_of_the_singular_values(noise):
    penalty = JacobianPenalty(noise=noise)

    @jax.jit
    @jax.vmap
    def of_updates(update):
        return penalty(lambda c: _step(WEIGHTS, c), START, _keys(update))

    found = np.asarray(of_updates(jnp.arange(4000)))
    exact = np.square(_jacobians(WEIGHTS)).sum((1, 2)) / (2 * SIZE)
    error = found.std(0) / len(found) ** 0.5
    assert (np.abs(found.mean(0) - exact) < 4 * error).all()
    assert (error < 0.02 * exact).all()


def test_signs_vary_less_than_normal_numbers():
    """Of a diagonal Jacobian they do not vary at all."""
    factors = jnp.linspace(0.1, 0.9, 2 * SIZE)[None]
    state = jnp.ones((BATCH, 2 * SIZE))

    def found(noise):
        of = JacobianPenalty(noise=noise)
        return np.stack([of(lambda h: factors * h, state, _keys(n)) for n in range(4)])

    exact = np.square(np.asarray(factors)).mean()
    np.testing.assert_allclose(found("rademacher"), exact, rtol=1e-5)
    assert found("gaussian").std() > 0.01


def test_its_gradient_is_that_of_finite_differences():
    penalty, keys = JacobianPenalty(), _keys(3)
    direction = jnp.asarray(np.random.default_rng(4).normal(size=WEIGHTS.shape), jnp.float32)

    @jax.jit
    def total(scale):
        return penalty(lambda c: _step(WEIGHTS + scale * direction, c), START, keys).sum()

    slope = jax.grad(total)(0.0)
    np.testing.assert_allclose(slope, (total(1e-2) - total(-1e-2)) / 2e-2, rtol=1e-2)
    assert abs(slope) > 0.01


def test_keys_are_of_seed_update_place_and_frame():
    def data(keys):
        return np.asarray(jax.random.key_data(keys))

    keys = data(keys_of_videos(0, jnp.int32(5), 4, None))
    np.testing.assert_array_equal(keys, data(keys_of_videos(0, jnp.int32(5), 4, None)))
    others = [keys_of_videos(1, jnp.int32(5), 4, None), keys_of_videos(0, jnp.int32(6), 4, None)]
    frames = [keys_of_frames(keys_of_videos(0, jnp.int32(5), 4, None), jnp.full(4, n))
              for n in range(2)]  # fmt: skip
    every = np.concatenate([keys, *map(data, others), *map(data, frames)])
    assert len(np.unique(every, axis=0)) == len(every)
    assert keys_of_frames(None, jnp.zeros(4, jnp.int32)) is None


def test_devices_that_share_a_batch_have_its_keys():
    whole = jax.random.key_data(keys_of_videos(7, jnp.int32(2), 4, None))
    mapped = jax.pmap(
        lambda update: jax.random.key_data(keys_of_videos(7, update, 2, "devices")),
        axis_name="devices",
        devices=jax.devices()[:2],
    )
    shares = mapped(jnp.full(2, 2, jnp.int32))
    np.testing.assert_array_equal(np.asarray(shares).reshape(4, -1), whole)


def test_without_keys_it_goes_by_its_seed_and_mistakes_are_named():
    of = [JacobianPenalty(seed=seed)(lambda c: _step(WEIGHTS, c), START) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(of[0], of[1])
    assert (np.asarray(of[0]) != np.asarray(of[2])).all()
    assert isinstance(JacobianPenalty(), Penalty)
    assert (LipschitzPenalty().seed, JacobianPenalty(seed=3).seed) == (None, 3)
    with pytest.raises(rsf.InputError, match=r"penalty weight is -1\.0"):
        JacobianPenalty(-1.0)
    with pytest.raises(rsf.InputError, match="noise is 'normal': choose one of rademacher, gauss"):
        JacobianPenalty(noise="normal")
