import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsf_jax.ops.activations import sigmoid, softplus

ORACLES = {
    softplus: lambda x: np.logaddexp(x, 0),
    sigmoid: lambda x: 1 / (1 + np.exp(-x)),
}


@pytest.mark.parametrize("function", ORACLES)
def test_values_are_exact_to_rounding(function):
    x = np.concatenate([np.linspace(-86, 86, 400_001), np.linspace(-1, 1, 100_001)])
    x = x.astype(np.float32)
    ours = np.asarray(jax.jit(function)(x), np.float64)
    assert np.abs(ours / ORACLES[function](x.astype(np.float64)) - 1).max() < 4e-7


@pytest.mark.parametrize(("function", "limits"), [(softplus, (0, np.inf)), (sigmoid, (0, 1))])
def test_nothing_overflows(function, limits):
    x = jnp.array([-np.inf, -1e30, -100.0, 100.0, 1e30, np.inf])
    y = np.asarray(function(x))
    np.testing.assert_allclose(y[:3], limits[0], atol=1e-37)
    expected = [100.0, 1e30, np.inf] if function is softplus else [1.0] * 3
    np.testing.assert_allclose(y[3:], expected, rtol=1e-6)
    assert np.isnan(function(jnp.array(jnp.nan)))


@pytest.mark.parametrize(
    ("function", "theirs"), [(softplus, jax.nn.softplus), (sigmoid, jax.nn.sigmoid)]
)
def test_gradients_are_those_of_jax(function, theirs):
    x = jnp.linspace(-40.0, 40.0, 1001)
    ours, expected = (jax.vmap(jax.grad(f))(x) for f in (function, theirs))
    np.testing.assert_allclose(ours, expected, rtol=2e-6, atol=1e-6)
    ours, expected = (jax.vmap(jax.grad(jax.grad(f)))(x) for f in (function, theirs))
    np.testing.assert_allclose(ours, expected, atol=1e-6)
