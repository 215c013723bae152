"""The cell against its equations, written out in NumPy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import oracle

from rsf_jax.cells import HGRUCell


def _softplus(x):
    return np.logaddexp(x, 0)


def _norm(x, scale, bias):
    mean, variance = x.mean((2, 3), keepdims=True), x.var((2, 3), keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-3) * _c(scale) + _c(bias)


def _c(v):
    return v[None, :, None, None]


def _step(p, h, x):
    g1 = oracle.sigmoid(np.einsum("bchw,co->bohw", h, p["gate1"]) + _c(p["gate1_bias"]))
    c1 = _norm(oracle.correlate(h * g1, p["inhibition"]), p["norm_scale"][1], p["norm_bias"][1])
    s1 = _softplus(x - _softplus(c1 * (_c(p["alpha"]) * h + _c(p["mu"]))))
    g2 = oracle.sigmoid(np.einsum("bchw,co->bohw", s1, p["gate2"]) + _c(p["gate2_bias"]))
    c2 = _norm(oracle.correlate(s1, p["excitation"]), p["norm_scale"][3], p["norm_bias"][3])
    e = _softplus(_c(p["kappa"]) * s1 + _c(p["gamma"]) * c2 + _c(p["w"]) * s1 * c2)
    return _softplus((1 - g2) * h + g2 * e)


def _cell_and_params():
    cell = HGRUCell(channels=3, kernel_size=5)
    h = cell.initial_carry(2, 6, 7)
    params = jax.jit(cell.init)(jax.random.key(0), h, h)["params"]
    keys = iter(jax.random.split(jax.random.key(1), len(params)))
    noisy = {k: v + 0.3 * jax.random.normal(next(keys), v.shape) for k, v in params.items()}
    return cell, params, noisy


def test_steps_follow_the_equations():
    cell, _, params = _cell_and_params()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3, 6, 7))
    ours, theirs = cell.initial_carry(2, 6, 7), np.zeros((2, 3, 6, 7))
    wide = {k: np.asarray(v, np.float64) for k, v in params.items()}
    step = jax.jit(cell.apply)
    for _ in range(3):
        ours = step({"params": params}, ours, jnp.asarray(x, jnp.float32))
        theirs = _step(wide, theirs, x)
    np.testing.assert_allclose(cell.hidden(ours), theirs, atol=2e-5)


def test_it_starts_as_published():
    _, params, _ = _cell_and_params()
    starts = {"alpha": 0.1, "gamma": 1, "kappa": 0.5, "w": 0.5, "mu": 1, "norm_scale": 0.1}
    for name, value in starts.items():
        np.testing.assert_allclose(params[name], value)
    assert ((params["gate1_bias"] >= 1) & (params["gate1_bias"] <= 7)).all()
    np.testing.assert_array_equal(params["gate2_bias"], -params["gate1_bias"])
    for name in ("inhibition", "excitation", "gate1", "gate2"):
        flat = params[name].reshape(-1, 3)
        np.testing.assert_allclose(flat.T @ flat, np.eye(3), atol=1e-5)
