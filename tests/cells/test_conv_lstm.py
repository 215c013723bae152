"""The cell against its equations, one gate at a time, in NumPy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import oracle

from rsf_jax.cells import ConvLSTMCell


def _step(p, h, c, x):
    def gate(i):
        part = slice(3 * i, 3 * (i + 1))
        from_input = oracle.correlate(x, p["input_kernel"][..., part])
        from_state = oracle.correlate(h, p["hidden_kernel"][..., part])
        return from_input + p["input_bias"][part][None, :, None, None] + from_state

    c = oracle.sigmoid(gate(1)) * c + oracle.sigmoid(gate(0)) * np.tanh(gate(2))
    return oracle.sigmoid(gate(3)) * np.tanh(c), c


def test_steps_follow_the_equations():
    cell = ConvLSTMCell(channels=3, kernel_size=5)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3, 6, 7))
    drive = jnp.zeros((2, 12, 6, 7))
    params = jax.jit(cell.init)(jax.random.key(0), cell.initial_carry(2, 6, 7), drive)["params"]
    drive = cell.apply({"params": params}, jnp.asarray(x, jnp.float32), method="drive")
    ours, h, c = cell.initial_carry(2, 6, 7), np.zeros(x.shape), np.zeros(x.shape)
    wide = {k: np.asarray(v, np.float64) for k, v in params.items()}
    step = jax.jit(cell.apply)
    for _ in range(3):
        ours = step({"params": params}, ours, drive)
        h, c = _step(wide, h, c, x)
    np.testing.assert_allclose(cell.hidden(ours), h, atol=1e-5)
    np.testing.assert_allclose(ours.memory, c, atol=1e-5)


def test_it_starts_as_pytorchs_convolutions_do():
    cell = ConvLSTMCell(channels=4, kernel_size=5)
    carry = cell.initial_carry(1, 6, 6)
    params = jax.jit(cell.init)(jax.random.key(0), carry, jnp.zeros((1, 16, 6, 6)))["params"]
    bound = 1 / np.sqrt(4 * 5 * 5)
    for name, values in params.items():
        assert 0.8 * bound < np.abs(values).max() <= bound, name
        assert abs(float(values.mean())) < 0.4 * bound, name
