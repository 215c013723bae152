import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.conv import convolve, kernel_spectrum, padded_size

# batch, C_in, C_out, height, width, kernel height, kernel width
SHAPES = [
    (2, 3, 4, 16, 16, 5, 5),
    (1, 1, 1, 7, 19, 3, 3),
    (3, 2, 5, 33, 12, 9, 5),
    (1, 4, 2, 8, 8, 15, 15),  # a kernel larger than the frame
    (1, 2, 2, 5, 6, 1, 1),
    (1, 25, 25, 40, 31, 15, 15),
]


def _random(shape):
    batch, c_in, c_out, height, width, kernel_height, kernel_width = shape
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, c_in, height, width)).astype(np.float32)
    kernel = rng.normal(size=(kernel_height, kernel_width, c_in, c_out)).astype(np.float32)
    return jnp.asarray(x), jnp.asarray(kernel)


def _oracle(x, kernel):
    """Cross-correlation, one kernel position at a time, in float64."""
    x, kernel = np.asarray(x, np.float64), np.asarray(kernel, np.float64)
    height, width = x.shape[2:]
    up, left = kernel.shape[0] // 2, kernel.shape[1] // 2
    padded = np.pad(x, ((0, 0), (0, 0), (up, up), (left, left)))
    total = 0
    for i, j in np.ndindex(kernel.shape[:2]):
        shifted = padded[:, :, i : i + height, j : j + width]
        total = total + np.einsum("bchw,co->bohw", shifted, kernel[i, j])
    return total


def _fft(x, kernel):
    return convolve(x, kernel, kernel_spectrum(kernel, *x.shape[2:]))


@pytest.mark.parametrize("method", [convolve, _fft], ids=["direct", "fft"])
@pytest.mark.parametrize("shape", SHAPES)
def test_both_methods_are_the_cross_correlation(shape, method):
    x, kernel = _random(shape)
    expected = _oracle(x, kernel)
    error = np.abs(method(x, kernel) - expected).max() / np.abs(expected).max()
    assert error < 1e-5


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_of_both_methods_agree(shape):
    x, kernel = _random(shape)

    def loss(method, x, kernel):
        return jnp.sum(jnp.sin(method(x, kernel)))

    ours = jax.grad(functools.partial(loss, _fft), argnums=(0, 1))(x, kernel)
    theirs = jax.grad(functools.partial(loss, convolve), argnums=(0, 1))(x, kernel)
    for a, b in zip(ours, theirs):
        assert np.linalg.norm(a - b) < 1e-4 * np.linalg.norm(b)


def test_transforms_have_fast_lengths_that_hold_frame_and_half_a_kernel():
    assert [padded_size(n, 15) for n in (1, 32, 121, 128)] == [8, 40, 128, 135]


def test_even_kernels_are_refused():
    with pytest.raises(rsf.InputError, match="4x5 is even"):
        kernel_spectrum(jnp.ones((4, 5, 1, 1)), 8, 8)
