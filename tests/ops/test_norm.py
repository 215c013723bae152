from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsf_jax.ops.norm import GroupNorm, normalize


def _inputs():
    rng = np.random.default_rng(0)
    x = rng.normal(3.0, 2.0, size=(3, 4, 5, 6)).astype(np.float32)
    scale, bias = rng.normal(size=(2, 4)).astype(np.float32)
    return x, scale, bias


@pytest.mark.parametrize(("statistics", "axes"), [("sample", (2, 3)), ("batch", (0, 2, 3))])
def test_it_removes_mean_and_variance(statistics, axes):
    x, scale, bias = _inputs()
    centerd = x - x.mean(axes, keepdims=True)
    scaled = centerd / np.sqrt(x.var(axes, keepdims=True) + 1e-3)
    expected = scaled * scale[None, :, None, None] + bias[None, :, None, None]
    ours = normalize(jnp.asarray(x), jnp.asarray(scale), jnp.asarray(bias), statistics)
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_sample_statistics_do_not_depend_on_batch_mates():
    x, scale, bias = map(jnp.asarray, _inputs())
    together = normalize(x, scale, bias, "sample")
    np.testing.assert_allclose(together[1:2], normalize(x[1:2], scale, bias, "sample"), atol=1e-6)
    batch = normalize(x, scale, bias, "batch")
    assert np.abs(batch[1:2] - normalize(x[1:2], scale, bias, "batch")).max() > 0.01


def test_one_image_makes_both_statistics_the_same():
    x, scale, bias = map(jnp.asarray, _inputs())
    sample, batch = (normalize(x[:1], scale, bias, s) for s in ("sample", "batch"))
    np.testing.assert_allclose(sample, batch, atol=1e-6)


def _corner(x):
    x[:, :, 0, 0] = 100


def _stamp(x):
    x[:, :, :8, :60] = 50


def _rows(x):
    x[:, :, ::8] = 100  # what the origin is taken of


def _offset(x):
    x += 1000


@pytest.mark.parametrize("statistics", ["sample", "batch"])
@pytest.mark.parametrize("spoil", [_corner, _stamp, _rows, _offset], ids=lambda f: f.__name__)
@pytest.mark.parametrize("size", [(128, 128), (1080, 1920)], ids=str)
def test_it_is_that_of_float64_whatever_the_frame(spoil, size, statistics):
    x = np.random.default_rng(0).normal(0, 0.1, (2, 1, *size)).astype(np.float32)
    spoil(x)
    axes = (2, 3) if statistics == "sample" else (0, 2, 3)
    exact = x.astype(np.float64)
    expected = exact - exact.mean(axes, keepdims=True)
    expected /= np.sqrt(exact.var(axes, keepdims=True) + 1e-3)
    ours = normalize(jnp.asarray(x), jnp.ones(1), jnp.zeros(1), statistics)
    # Outliers are hundreds: there float32 itself has no more than seven digits.
    assert np.abs((ours - expected) / np.maximum(1, np.abs(expected))).max() < 1e-5


@pytest.mark.parametrize(("groups", "channels"), [(8, 8), (4, 12), (1, 6)])
def test_groups_are_normalized_as_by_flax_and_their_derivatives_too(groups, channels):
    rng = np.random.default_rng(0)
    x, moved = rng.normal(2, 3, (2, 2, 5, 7, channels)).astype(np.float32)
    scale, bias, d_scale, d_bias = rng.normal(size=(4, channels)).astype(np.float32)

    @partial(jax.jit, static_argnums=0)
    def by(module, x, scale, bias):
        return module.apply({"params": {"scale": scale, "bias": bias}}, x)

    ours, theirs = partial(by, GroupNorm(groups)), partial(by, nn.GroupNorm(groups, epsilon=1e-5))
    args, tangents = (x, scale, bias), (moved, d_scale, d_bias)
    np.testing.assert_allclose(ours(*args), theirs(*args), atol=1e-5)
    for a, b in zip(jax.jvp(ours, args, tangents), jax.jvp(theirs, args, tangents)):
        np.testing.assert_allclose(a, b, atol=2e-5)

    @partial(jax.jit, static_argnums=0)
    def transposed(f, *args):
        return jax.vjp(f, *args)[1](moved)

    for a, b in zip(transposed(ours, *args), transposed(theirs, *args)):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    first = jax.jit(GroupNorm(groups).init)(jax.random.key(0), x)["params"]
    assert {name: value.shape for name, value in first.items()} == {
        "scale": (channels,),
        "bias": (channels,),
    }
