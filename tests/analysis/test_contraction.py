"""The spectral radius of a recurrent step."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.analysis.contraction import spectral_radius


def test_it_is_that_of_the_whole_jacobian():
    model = rsf.get_config("quickstart").replace(channels=2, kernel_size=5)
    model = rsf.build_model(model)
    frames = np.random.default_rng(0).random((2, 7, 6, 1), np.float32)
    variables = model.init(jax.random.key(0), frames[:, None])
    found = spectral_radius(model, variables, frames, steps=5)
    assert found.shape == (2,)
    for frame, radius in zip(frames, found, strict=True):
        state = model.initial_state(1, frame.shape[:2])
        prepared = rsf.prepare(model, variables, frame.shape[:2])
        drive, carry = prepared.drive(frame[None]), state.carry
        for _ in range(5):
            carry = prepared.step(carry, drive)
        flat, unravel = jax.flatten_util.ravel_pytree(carry)

        def step(x, drive=drive, unravel=unravel, prepared=prepared):
            return jax.flatten_util.ravel_pytree(prepared.step(unravel(x), drive))[0]

        whole = np.linalg.eigvals(np.asarray(jax.jacobian(step)(flat), np.float64))
        assert radius == pytest.approx(np.abs(whole).max(), rel=3e-3)


class Turning(rsf.cells.RecurrentCell):
    """Turns pairs of numbers of two types by a quarter and shrinks them, and counts its steps."""

    def initial_carry(self, batch_size, height, width):
        shape = batch_size, self.channels, height, width
        counted = jnp.zeros(batch_size, jnp.int32)
        return jnp.zeros(shape, jnp.bfloat16), jnp.zeros(shape, jnp.float32), counted

    @nn.compact
    def __call__(self, carry, x):
        a, b, n = carry
        return (0 * x - 0.5 * b).astype(jnp.bfloat16), 0.5 * a.astype(jnp.float32), n + 1

    def hidden(self, carry):
        return carry[1]


@pytest.mark.parametrize("size", [1, 2, 4])
def test_states_of_several_types_and_of_few_numbers_have_one(size):
    """Those that count are left out."""
    model = rsf.RecurrentModel(Turning(channels=1))
    frames = np.random.default_rng(0).random((1, size, size, 1)).astype(np.float32)
    variables = model.init(jax.random.key(0), frames[:, None])
    assert spectral_radius(model, variables, frames, steps=3) == pytest.approx(0.5, rel=1e-2)


class Forgetful(rsf.cells.RecurrentCell):
    """Each step leaves what enters it, whatever was there."""

    @nn.compact
    def __call__(self, carry, x):
        return 0 * carry + x


def test_a_step_that_forgets_its_state_has_radius_zero():
    model = rsf.RecurrentModel(Forgetful(channels=2, kernel_size=3), 2)
    frames = np.random.default_rng(0).random((2, 7, 6, 1), np.float32)
    variables = model.init(jax.random.key(0), frames[:, None])
    assert spectral_radius(model, variables, frames, steps=3).tolist() == [0, 0]


def test_what_has_no_steps_is_refused():
    model = rsf.build_model(rsf.get_config("quickstart_ff6"))
    frames = jnp.zeros((1, 36, 36, 1))
    with pytest.raises(rsf.InputError, match="no recurrent steps"):
        spectral_radius(model, {}, frames, 3)
