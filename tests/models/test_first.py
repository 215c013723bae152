"""The first weights of a network: quickly compiled, the same numbers."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.models.first import first_variables

FRAMES = jnp.zeros((1, 6, 6, 3))


class Network(nn.Module):
    """A kernel of every distribution that the library's networks begin with."""

    @nn.compact
    def __call__(self, x):
        for kind in ("kaiming_normal", "uniform", "orthogonal"):
            self.param(kind, getattr(nn.initializers, kind)(), (3, 5, 8))
        return x


def _count(monkeypatch):
    """The options that functions are compiled with from now on."""
    given, compile = [], jax.jit

    def noted(function, **options):
        given.append(options.get("compiler_options"))
        return compile(function, **options)

    monkeypatch.setattr(jax, "jit", noted)
    return given


def test_weights_are_those_of_the_best_code_bitwise(monkeypatch):
    best = jax.jit(Network().init, compiler_options={"xla_backend_optimization_level": 3})
    expected = best(jax.random.key(3), FRAMES)
    monkeypatch.setenv("XLA_FLAGS", "")
    given = _count(monkeypatch)
    found = first_variables(Network(), jax.random.key(3), FRAMES)
    assert {"xla_backend_optimization_level": 1} in given
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    assert np.ptp(found["params"]["kaiming_normal"]) > 1


def test_a_level_that_the_user_has_chosen_is_kept(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")
    given = _count(monkeypatch)
    first_variables(nn.Dense(2), jax.random.key(0), jnp.zeros((1, 2)))
    assert {"xla_backend_optimization_level": 1} not in given


def test_shapes_are_found_without_compiling(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "")

    def make():  # as checkpoints ask for the shapes of what they hold
        return first_variables(Network(), jax.random.key(0), FRAMES)

    shapes = jax.tree.map(jnp.shape, jax.eval_shape(make))
    assert shapes["params"]["uniform"] == (3, 5, 8)
    assert jax.tree.map(jnp.shape, jax.jit(make)()) == shapes
