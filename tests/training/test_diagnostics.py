"""What is measured of a recurrence, against its Jacobian."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from configs import tiny_config

import rsf_jax as rsf
from rsf_jax.data.batch import Batch
from rsf_jax.training.diagnostics import diagnose
from rsf_jax.unroll import begin_frame

SCHEDULE = rsf.FixedSchedule(3, 2)


@pytest.fixture(scope="module", params=["hgru", "clstm"])
def case(request):
    config = tiny_config(channels=2, model=request.param)
    model = rsf.build_model(config)
    frames = np.random.default_rng(0).random((2, 2, 5, 4, 1)).astype(np.float32)
    variables = jax.jit(model.init)(jax.random.key(0), frames)
    masks = (frames[..., 0] > 0.8).astype(np.uint8)
    return model, variables, Batch(frames, masks, np.ones(2, np.float32))


@partial(jax.jit, static_argnums=0)
def _jacobian(model, variables, frame, carry):
    """The matrix [size, size] of the last step of one image's frame, and the state after it."""
    prepared = rsf.prepare(model, variables, frame.shape[1:3])
    state = model.initial_state(1, frame.shape[1:3]).replace(carry=carry)
    recurrence = begin_frame(prepared, state, frame)
    for _ in range(SCHEDULE.slow - 1):
        carry = recurrence.step(carry)
    flat, unflatten = jax.flatten_util.ravel_pytree(carry)
    matrix = jax.jacobian(lambda x: jax.flatten_util.ravel_pytree(recurrence.step(unflatten(x)))[0])
    after = recurrence.step(carry)
    change = recurrence.hidden(after) - recurrence.hidden(carry)
    return matrix(flat), jnp.linalg.norm(change) / jnp.linalg.norm(recurrence.hidden(after))


def test_it_is_that_of_the_last_steps_jacobian(case):
    model, variables, batch = case
    found = diagnose(model, variables, batch, SCHEDULE, bound=0.1)
    assert found.spectral_radius.shape == (2, 2)
    for b in range(2):
        start = model.initial_carry(1, 5, 4)
        jacobian, residual = _jacobian(model, variables, batch.frames[b : b + 1, 0], start)
        radius = np.abs(np.linalg.eigvals(np.asarray(jacobian, np.float64))).max()
        np.testing.assert_allclose(found.spectral_radius[b, 0], radius, rtol=0.02)
        np.testing.assert_allclose(found.residual[b, 0], residual, rtol=1e-4)
        excess = np.maximum(jacobian.sum(0) - 0.1, 0)
        np.testing.assert_allclose(found.penalty[b, 0], np.square(excess).mean(), rtol=1e-4)


def test_frames_start_where_the_last_one_ended_unless_stateless(case):
    model, variables, batch = case
    schedule = rsf.FixedSchedule(2, 2)
    later = jax.tree.map(lambda x: x[:, 1:] if x.ndim > 1 else x, batch)
    stateless = diagnose(model, variables, batch, schedule, stateful=False)
    alone = diagnose(model, variables, later, schedule)
    np.testing.assert_allclose(stateless.residual[:, 1:], alone.residual, rtol=1e-4)
    stateful = diagnose(model, variables, batch, schedule)
    assert not np.allclose(stateful.residual[:, 1:], alone.residual, rtol=1e-2)
