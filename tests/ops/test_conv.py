import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

import rsf_jax as rsf
from rsf_jax.ops import spectral
from rsf_jax.ops.conv import choose_method, convolve, kernel_spectrum

# batch, C_in, C_out, height, width, kernel height, kernel width
SHAPES = [
    (2, 3, 4, 16, 16, 5, 5),
    (1, 1, 1, 7, 19, 3, 3),
    (3, 2, 5, 33, 12, 9, 5),
    (1, 4, 2, 8, 8, 15, 15),  # a kernel larger than the frame
    (1, 2, 2, 5, 6, 1, 1),
    (1, 25, 25, 40, 31, 15, 15),
    (50, 2, 3, 12, 13, 5, 5),  # a batch whose products are summed as a matrix product
    (1, 50, 51, 14, 17, 5, 3),  # as many channels
]


def _random(shape):
    batch, c_in, c_out, height, width, kernel_height, kernel_width = shape
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, c_in, height, width)).astype(np.float32)
    kernel = rng.normal(size=(kernel_height, kernel_width, c_in, c_out)).astype(np.float32)
    return jnp.asarray(x), jnp.asarray(kernel)


def _oracle(x, kernel):
    return oracle.correlate(np.asarray(x, np.float64), np.asarray(kernel, np.float64))


# The longest transform: frames in one piece, in some or in many.
TILED = [
    *((shape, None) for shape in SHAPES),
    *((shape, 20) for shape in SHAPES[2:3] + SHAPES[5:]),
    *((shape, 7) for shape in SHAPES[:4]),
]


@pytest.fixture
def longest(request, monkeypatch):
    if request.param:
        monkeypatch.setattr(spectral, "LONGEST_ROWS", request.param)
        monkeypatch.setattr(spectral, "LONGEST_COLUMNS", request.param + 3)


def _direct(x, kernel):
    return convolve(x, kernel, method="direct")


def _fft(x, kernel):
    return convolve(x, kernel, method="fft", spectrum=kernel_spectrum(kernel, *x.shape[2:]))


@pytest.mark.parametrize("shape", SHAPES)
def test_direct_is_the_cross_correlation(shape):
    x, kernel = _random(shape)
    # Sums of up to 5,625 products.
    np.testing.assert_allclose(_direct(x, kernel), _oracle(x, kernel), rtol=1e-4, atol=5e-4)


@pytest.mark.parametrize(("shape", "longest"), TILED, indirect=["longest"])
def test_the_frequency_domain_is_exact(shape, longest):
    x, kernel = _random(shape)
    expected = _oracle(x, kernel)
    assert np.abs(_fft(x, kernel) - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize(("shape", "longest"), TILED, indirect=["longest"])
def test_gradients_of_both_methods_agree(shape, longest):
    x, kernel = _random(shape)

    def loss(method, x, kernel):
        return jnp.sum(jnp.sin(method(x, kernel)))

    # As one program: compiled piece by piece it takes longer.
    differentiate = jax.jit(jax.grad(loss, argnums=(1, 2)), static_argnums=0)
    ours, theirs = (differentiate(method, x, kernel) for method in (_fft, _direct))
    for a, b in zip(ours, theirs):
        assert np.linalg.norm(a - b) < 1e-4 * np.linalg.norm(b)


def test_a_spectrum_at_hand_changes_nothing():
    x, kernel = _random(SHAPES[0])
    np.testing.assert_array_equal(convolve(x, kernel, method="fft"), _fft(x, kernel))


def test_auto_takes_large_kernels_to_the_frequency_domain():
    assert [choose_method(k, k) for k in (1, 3, 5, 15)] == ["direct", "direct", "fft", "fft"]
    for size in (3, 5):
        x, kernel = _random((1, 2, 2, 9, 9, size, size))
        expected = convolve(x, kernel, method=choose_method(size, size))
        np.testing.assert_array_equal(convolve(x, kernel), expected)


def test_bad_arguments_are_named():
    even = jnp.ones((4, 5, 1, 1))
    with pytest.raises(rsf.InputError, match="4x5 is even"):
        kernel_spectrum(even, 8, 8)
    odd = jnp.zeros((5, 5, 1, 1))
    with pytest.raises(rsf.InputError, match=r"call kernel_spectrum\(kernel, 8, 9\)"):
        convolve(jnp.zeros((1, 1, 8, 9)), odd, method="fft", spectrum=kernel_spectrum(odd, 8, 8))
    with pytest.raises(rsf.InputError, match="4x5 is even"):
        convolve(jnp.ones((1, 1, 8, 8)), even)
    with pytest.raises(rsf.InputError, match="'winograd': choose one of auto, fft"):
        convolve(jnp.ones((1, 1, 8, 8)), jnp.ones((3, 3, 1, 1)), method="winograd")
    with pytest.raises(rsf.InputError, match="height is 0: a whole number of at least 1"):
        kernel_spectrum(odd, 0, 8)


@pytest.mark.parametrize("method", ["auto", "fft", "direct"])
@pytest.mark.parametrize(
    ("x", "kernel", "wrong"),
    [
        ((1, 5, 9, 9), (5, 5, 4, 3), "x .* has 5 channels, kernel .* takes 4"),
        ((1, 3, 9, 9), (5, 5, 4, 3), "x .* has 3 channels, kernel .* takes 4"),
        ((1, 70, 9, 9), (5, 5, 60, 3), "x .* has 70 channels, kernel .* takes 60"),
        ((0, 4, 9, 9), (5, 5, 4, 3), r"x has shape \[0, 4, 9, 9\]: \[B, C_in, H, W\] is needed"),
        ((4, 9, 9), (5, 5, 4, 3), r"x has shape \[4, 9, 9\]"),
        ((1, 4, 9, 9), (5, 4, 3), r"kernel has shape \[5, 4, 3\]: \[KH, KW, C_in, C_out\] is"),
    ],
)
def test_what_does_not_fit_together_is_refused(x, kernel, wrong, method):
    with pytest.raises(rsf.InputError, match=wrong):
        convolve(jnp.ones(x), jnp.ones(kernel), method=method)


@pytest.mark.parametrize("channels", [(4, 2), (2, 3)])
def test_a_spectrum_of_other_channels_is_refused(channels):
    spectrum = kernel_spectrum(jnp.ones((5, 5, *channels)), 9, 9)
    wrong = rf"number of channels \({channels[0]} to {channels[1]}\) .* kernel \[5, 5, 4, 3\]"
    with pytest.raises(rsf.InputError, match=wrong):
        convolve(jnp.ones((1, 4, 9, 9)), jnp.ones((5, 5, 4, 3)), method="fft", spectrum=spectrum)


@pytest.mark.parametrize("method", ["auto", "fft", "direct"])
def test_an_unknown_type_is_refused(method):
    x, kernel = jnp.ones((1, 1, 9, 9)), jnp.ones((5, 5, 1, 1))
    with pytest.raises(rsf.InputError, match="compute_dtype is 'float16': choose one of float32"):
        convolve(x, kernel, method=method, compute_dtype="float16")


@pytest.mark.parametrize(
    ("shape", "longest"), [(SHAPES[0], None), (SHAPES[2], 7)], indirect=["longest"]
)
def test_second_derivatives_of_both_methods_agree(shape, longest):
    """Those of a penalty on a vector-Jacobian product, in everything that it depends on."""
    x, kernel = _random(shape)
    cotangent = jnp.cos(jnp.arange(x.shape[0] * kernel.shape[3] * x[0, 0].size, dtype=x.dtype))
    cotangent = cotangent.reshape(x.shape[0], kernel.shape[3], *x.shape[2:])

    def penalty(method, x, kernel, cotangent):
        _, pull_back = jax.vjp(lambda x, k: jnp.tanh(convolve(x, k, method=method)), x, kernel)
        return sum(jnp.sum(jnp.sin(part)) for part in pull_back(cotangent))

    differentiate = jax.jit(jax.grad(penalty, argnums=(1, 2, 3)), static_argnums=0)
    ours, theirs = (differentiate(m, x, kernel, cotangent) for m in ("fft", "direct"))
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a, b, atol=1e-4 * np.abs(b).max())
