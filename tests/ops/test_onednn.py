"""oneDNN's convolutions against XLA's, and what is said where they cannot be had."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from convolutions import by_xla, random_of
from jax import lax

from rsf_jax.ops import onednn
from rsf_jax.ops.direct import convolve_direct
from rsf_jax.ops.onednn import building

INSTALLED = pytest.mark.skipif(not building.is_installed(), reason="the extra onednn is missing")
USED = pytest.mark.skipif(
    not building.is_installed() or not onednn.is_used(),
    reason="oneDNN needs the extra onednn and a C++ compiler",
)
SHAPES = [  # batch, height, width, channels of input and output, kernel
    (2, 7, 9, 3, 5, (3, 3)),
    (1, 1, 1, 2, 2, (3, 3)),
    (3, 5, 5, 1, 3, (5, 3)),
    (2, 3, 2, 2, 4, (5, 5)),  # a kernel larger than the map
    (2, 4, 5, 3, 2, (1, 1)),
    (2, 61, 90, 16, 32, (3, 3)),  # bands, the last of which has more rows
    (1, 48, 300, 11, 8, (3, 3)),
    (1, 40, 64, 64, 64, (5, 5)),
]


def _program(function, *args):
    # Anew: what was traced once stays as it was.
    return jax.jit(lambda *args: function(*args)).lower(*args).compile().as_text()


@USED
@pytest.mark.parametrize("shape", SHAPES)
def test_results_and_gradients_are_those_of_xla(shape):
    x, kernel, y = random_of(shape)

    def all_three(convolve):
        def results(x, kernel, y):
            output, transposed = jax.vjp(convolve, x, kernel)
            return output, *transposed(y)

        return jax.jit(results)(x, kernel, y)

    for a, b in zip(all_three(convolve_direct), all_three(by_xla)):
        np.testing.assert_allclose(a, b, atol=2e-6 * float(jnp.abs(b).max()) * np.sqrt(x.size))


@USED
def test_an_image_has_the_same_bits_in_a_batch_and_every_time():
    x, kernel, y = random_of((6, 61, 90, 8, 24, (3, 3)))
    run, gradient = jax.jit(onednn.convolve), jax.jit(onednn.kernel_gradient, static_argnums=2)
    together = run(x, kernel)
    first = gradient(x, y, (3, 3))
    for _ in range(20):  # threads take bands in another order
        assert np.array_equal(run(x, kernel), together)
        assert np.array_equal(gradient(x, y, (3, 3)), first)
    for i in range(6):
        assert np.array_equal(run(x[i : i + 1], kernel), together[i : i + 1])


@USED
def test_it_computes_all_of_a_loop_and_its_gradients():
    x, kernel, _ = random_of((2, 8, 8, 4, 4, (3, 3)))

    def loss(kernel):
        return lax.scan(lambda x, _: (convolve_direct(x, kernel), None), x, length=3)[0].sum()

    text = _program(jax.grad(loss), kernel)
    assert text.count('custom_call_target="rsf_convolve"') == 2  # forward, and to the input
    assert text.count('custom_call_target="rsf_kernel_gradient"') == 1
    assert " convolution(" not in text
    assert " dot(" not in text


@USED
def test_what_leaves_the_machine_and_other_precisions_are_xlas():
    x, kernel, _ = random_of(SHAPES[0])
    assert "rsf_convolve" in _program(convolve_direct, x, kernel)
    with onednn.left_out():
        assert "rsf_convolve" not in _program(convolve_direct, x, kernel)
    halves = (x.astype(jnp.bfloat16), kernel.astype(jnp.bfloat16))
    assert "rsf_convolve" not in _program(convolve_direct, *halves)


@USED
def test_what_was_traced_with_it_is_traced_anew_without_it():
    x, kernel, _ = random_of(SHAPES[0])
    traced = jax.jit(convolve_direct)  # as `run_frame` is, which an export traces after streams
    assert "rsf_convolve" in str(jax.make_jaxpr(traced)(x, kernel))
    with onednn.left_out():
        assert "rsf_convolve" not in str(jax.make_jaxpr(traced)(x, kernel))
    assert "rsf_convolve" in str(jax.make_jaxpr(traced)(x, kernel))


@USED
def test_videos_of_a_map_over_videos_are_as_one_by_one():
    x, kernel, _ = random_of((3, 9, 8, 2, 4, (3, 3)))
    kernels = jnp.stack([kernel, 2 * kernel, -kernel])
    mapped = jax.vmap(convolve_direct)(x[:, None], kernels)
    for i in range(3):
        assert np.array_equal(mapped[i], convolve_direct(x[i : i + 1], kernels[i]))


def _used(tmp_path, **environment):
    """What a new process says, whose cache is empty."""
    program = "from rsf_jax.ops import onednn; print(onednn.is_used())"
    environment = {"XDG_CACHE_HOME": str(tmp_path), **environment}
    return subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_switch_is_on_or_off(tmp_path):
    done = _used(tmp_path, RSF_ONEDNN="off")
    assert (done.stdout, done.stderr) == ("False\n", "")
    done = _used(tmp_path, RSF_ONEDNN="no")
    assert done.stderr.endswith(
        "InputError: RSF_ONEDNN is 'no': set it to on or off, or leave it out\n"
    )


@INSTALLED
def test_without_a_compiler_it_is_done_without_and_said(tmp_path):
    environment = {"PATH": str(tmp_path), "CXX": ""}
    done = _used(tmp_path, **environment)
    assert done.stdout == "False\n"
    assert (
        "convolutions run without oneDNN: no C++ compiler is found: install g++, or set CXX "
        "(RSF_ONEDNN=off says that this is meant)" in done.stderr
    )
    done = _used(tmp_path, RSF_ONEDNN="on", **environment)
    assert done.stderr.endswith(
        "InputError: RSF_ONEDNN is on, but no C++ compiler is found: install g++, or set CXX\n"
    )
    assert "is on, but false fails: no word" in _used(tmp_path, RSF_ONEDNN="on", CXX="false").stderr
