"""Convolutions differentiated in either mode and any order, against JAX's own derivatives."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from rsf_jax.ops.conv import convolve


def _plain(x, kernel):
    numbers = ("NCHW", "HWIO", "NCHW")
    return lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=numbers, precision="highest"
    )


def _loss(convolution, x, kernel):
    """Convolved in a loop, as recurrent steps are."""

    def step(h, _):
        return jnp.tanh(x + convolution(h, kernel)), None

    return jnp.sum(jnp.sin(lax.scan(step, x, length=2)[0]))


def _penalty(loss, x, kernel):
    return sum(jnp.square(g).sum() for g in jax.grad(loss, (0, 1))(x, kernel))


def _directions(x, kernel):
    return jnp.cos(x), jnp.sin(3 * kernel)


TRANSFORMS = {
    "reverse": lambda f: jax.grad(f, (0, 1)),
    "forward": lambda f: lambda *a: jax.jvp(f, a, _directions(*a)),
    "one argument": lambda f: (
        lambda x, k: (
            jax.grad(f)(x, k),
            jax.jvp(lambda k: f(x, k), (k,), (jnp.cos(k),)),
        )
    ),
    "reverse twice": lambda f: jax.grad(partial(_penalty, f), (0, 1)),
    "forward over reverse": lambda f: lambda *a: jax.jvp(jax.grad(f, (0, 1)), a, _directions(*a)),
    "reverse over forward": lambda f: jax.grad(
        lambda *a: jax.jvp(f, a, _directions(*a))[1], (0, 1)
    ),
    "reverse three times": lambda f: jax.grad(partial(_penalty, partial(_penalty, f)), (0, 1)),
    "each image": lambda f: lambda x, k: jax.vmap(lambda x: jax.grad(f, (0, 1))(x[None], k))(x),
    "each kernel": lambda f: (
        lambda x, k: jax.vmap(jax.grad(f, (0, 1)), (None, 0))(x, jnp.stack([k, 2 * k]))
    ),
    "through each": lambda f: jax.grad(
        lambda x, k: jax.vmap(lambda x: f(x[None], k))(x).sum(), (0, 1)
    ),
    "rematerialized": lambda f: jax.grad(jax.checkpoint(f), (0, 1)),
}


@pytest.mark.parametrize("method", ["fft", "direct"])
@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS.keys())
def test_derivatives_are_those_of_a_plain_convolution(transform, method):
    x = jax.random.normal(jax.random.key(0), (2, 2, 5, 6))
    kernel = 0.3 * jax.random.normal(jax.random.key(1), (3, 3, 2, 2))
    ours = jax.jit(transform(partial(_loss, partial(convolve, method=method))))(x, kernel)
    theirs = jax.jit(transform(partial(_loss, _plain)))(x, kernel)

    def compare(a, b):
        np.testing.assert_allclose(a, b, atol=2e-5 * max(1, np.abs(b).max()))

    jax.tree.map(compare, ours, theirs)
