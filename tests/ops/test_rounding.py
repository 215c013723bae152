"""Mixed precision: what enters and leaves a convolution has the digits of bfloat16."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import rsf_jax as rsf
from rsf_jax.cells import HGRUCell
from rsf_jax.ops import rule
from rsf_jax.ops.conv import choose_method, convolve, kernel_spectrum

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 12, 13)).astype(np.float32)
KERNEL = RNG.normal(size=(5, 5, 3, 4)).astype(np.float32)
COTANGENT = RNG.normal(size=(2, 4, 12, 13)).astype(np.float32)


def _bfloat16(x):
    return np.asarray(jnp.asarray(x, jnp.bfloat16), np.float64)


def _exact(x, kernel):
    """In float64, one shift after the other."""
    height, width = x.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)))
    return sum(
        np.einsum("bchw,co->bohw", padded[:, :, i : i + height, j : j + width], kernel[i, j])
        for i in range(5)
        for j in range(5)
    )


def _all(method, x, kernel, cotangent):
    def run(x, kernel):
        return convolve(x, kernel, method=method, compute_dtype="bfloat16")

    output, transposed = jax.vjp(run, x, kernel)
    return output, *transposed(cotangent)


def _expected():
    """Output and gradients of rounded factors, each rounded."""
    x, kernel, y = map(_bfloat16, (X, KERNEL, COTANGENT))
    to_x = _exact(y, kernel[::-1, ::-1].swapaxes(2, 3))
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)))
    to_kernel = np.stack(
        [
            [np.einsum("bchw,bohw->co", padded[:, :, i : i + 12, j : j + 13], y) for j in range(5)]
            for i in range(5)
        ]
    )
    return _exact(x, kernel), to_x, to_kernel


def _assert_rounded(found, exact):
    """A digit of bfloat16 at most beside the exact one: sums in float32 may round to either."""
    np.testing.assert_array_equal(found, _bfloat16(found))
    np.testing.assert_allclose(found, exact, rtol=2**-8, atol=1e-4)


@pytest.mark.parametrize("method", ["fft", "direct"])
def test_factors_and_results_are_rounded_and_so_are_cotangents(method):
    found = jax.jit(_all, static_argnums=0)(method, X, KERNEL, COTANGENT)
    for ours, exact in zip(found, _expected(), strict=True):
        assert ours.dtype == jnp.float32
        _assert_rounded(ours, exact)
    # The digits that are lost are not those of float32.
    plain = _exact(X.astype(np.float64), KERNEL.astype(np.float64))
    assert np.abs(np.asarray(found[0]) - plain).max() > 1e-3


def test_accelerators_multiply_in_bfloat16_and_sum_in_float32():
    def lowered(platform, compute_dtype):
        def run(x, kernel):
            return convolve(x, kernel, method="direct", compute_dtype=compute_dtype).sum()

        program = export.export(jax.jit(jax.grad(run, (0, 1))), platforms=(platform,))(X, KERNEL)
        lines = program.mlir_module().splitlines()
        return [line for line in lines if "stablehlo.convolution" in line]

    for platform in ("cuda", "tpu"):
        found = lowered(platform, "bfloat16")
        assert len(found) == 2  # the output is not needed
        for line in found:
            types = line.rsplit(":", 1)[1]
            assert types.count("xbf16>") == 2, types
            assert types.rsplit("->", 1)[1].count("xf32>") == 1, types
        assert all("bf16" not in line for line in lowered(platform, "float32"))


def test_spectra_are_of_the_rounded_kernel():
    spectrum = kernel_spectrum(KERNEL, 12, 13, "bfloat16")
    given = convolve(X, KERNEL, method="fft", spectrum=spectrum, compute_dtype="bfloat16")
    np.testing.assert_array_equal(
        given, convolve(X, KERNEL, method="fft", compute_dtype="bfloat16")
    )


@pytest.mark.parametrize(
    "name", ["quickstart", "quickstart_clstm", "camvid_s2f1_dru", "quickstart_ff6"]
)
def test_every_network_can_and_its_weights_and_states_stay_float32(name):
    config = rsf.get_config(name).replace(channels=4, kernel_size=5, classes=2)
    frames = RNG.random((1, 2, 16, 17, config.input_channels or 3), np.float32)
    config = config.replace(input_channels=frames.shape[-1])
    outputs = {}
    policy = rsf.FixedSchedule(1 if name.endswith("ff6") else 2, 1)
    for dtype in ("float32", "bfloat16"):
        model = rsf.build_model(config.replace(compute_dtype=dtype))
        variables = jax.jit(model.init)(jax.random.key(0), frames)
        state = model.initial_state(1, (16, 17))
        for frame in np.moveaxis(frames, 1, 0):
            state, out = rsf.run_frame(model, variables, state, frame, policy)
        for leaf in jax.tree.leaves((variables, state, out.logits)):
            assert leaf.dtype in (jnp.float32, jnp.int32)
        outputs[dtype] = np.asarray(out.logits)
    gap = np.abs(outputs["float32"] - outputs["bfloat16"]).max()
    assert 0 < gap < 0.05 * np.abs(outputs["float32"]).max()


def test_another_type_is_refused():
    with pytest.raises(rsf.InputError, match=r"compute_dtype.*float16.*float32, bfloat16"):
        rsf.get_config("quickstart").replace(compute_dtype="float16")
    with pytest.raises(rsf.InputError, match="compute_dtype"):
        HGRUCell(compute_dtype="half")


def test_the_rule_knows_platforms_and_types():
    assert [choose_method(k, k, compute_dtype="bfloat16") for k in (3, 5)] == ["direct", "fft"]
    assert rule.frequency_is_faster(225, "float32", "gpu")
    assert not rule.frequency_is_faster(25, "float32", "gpu")
    assert not rule.frequency_is_faster(225, "bfloat16", "tpu")
    assert rule.frequency_is_faster(49, "float32", "another")
