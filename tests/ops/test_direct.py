"""Direct convolution against XLA's, and the form of its gradients."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from convolutions import by_xla, random_of
from jax import export, lax

from rsf_jax.ops import onednn
from rsf_jax.ops.direct import convolve_direct

SHAPES = [  # batch, height, width, channels of input and output, kernel
    (2, 7, 9, 3, 5, (3, 3)),
    (1, 6, 4, 2, 2, (1, 5)),
    (3, 5, 5, 1, 3, (5, 3)),
    (2, 3, 2, 2, 4, (5, 5)),  # a kernel larger than the map
    (2, 4, 5, 3, 2, (1, 1)),
    (2, 6, 8, 3, 4, (3, 3)),  # rows of whole blocks
    (2, 7, 9, 3, 33, (3, 5)),  # many channels
]


@pytest.fixture(autouse=True)
def without_onednn():
    """XLA's form is what is tested here; `test_onednn.py` compares both."""
    with onednn.left_out():
        yield


@partial(jax.jit, static_argnums=0)
def _gradients(f, x, kernel, y):
    return jax.vjp(f, x, kernel)[1](y)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_are_those_of_the_convolution(shape):
    x, kernel, y = random_of(shape)
    theirs = _gradients(by_xla, x, kernel, y)
    form_of_accelerators = export.export(
        jax.jit(partial(_gradients, convolve_direct)),
        platforms=("cuda",),
        disabled_checks=[export.DisabledSafetyCheck.platform()],
    )(x, kernel, y)
    for ours in (
        _gradients(convolve_direct, x, kernel, y),
        form_of_accelerators.call(x, kernel, y),
    ):
        for a, b in zip(ours, theirs):
            np.testing.assert_allclose(a, b, atol=1e-4)


def test_second_derivatives_are_those_of_the_convolution():
    x, kernel, y = random_of(SHAPES[0])

    def squared_gradients(f):
        def size(x, kernel, y):
            return sum((g**2).sum() for g in jax.vjp(f, x, kernel)[1](y))

        return jax.jit(jax.grad(size, argnums=(0, 1, 2)))(x, kernel, y)

    for a, b in zip(squared_gradients(convolve_direct), squared_gradients(by_xla)):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-2)


def test_all_convolutions_of_a_loop_are_in_the_fast_form():
    x, kernel, _ = random_of((2, 8, 8, 4, 4, (3, 3)))

    def forms(f):
        def loss(kernel):
            return lax.scan(lambda x, _: (f(x, kernel), None), x, length=3)[0].sum()

        program = jax.jit(jax.grad(loss)).lower(kernel).compile().as_text()
        lines = [line for line in program.splitlines() if " convolution(" in line]
        return {line.split("dim_labels=")[1].split(",")[0] for line in lines}

    assert forms(convolve_direct) == {"b01f_01io->b01f"}
    assert len(forms(by_xla)) > 1, "XLA has learned it: `direct.py` may go"


def test_the_form_is_chosen_by_platform():
    x, kernel, _ = random_of(SHAPES[0])

    def gradient(platform):
        f = jax.jit(jax.grad(lambda k: jnp.sum(convolve_direct(x, k) ** 2)))
        return f.trace(kernel).lower(lowering_platforms=(platform,)).as_text()

    assert gradient("cpu").count("dot_general") == 3
    assert gradient("cuda").count("dot_general") == 0
