"""Norms of states and the spectral radius of a step's Jacobian."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from rsf_jax.gradients.floats import floats
from rsf_jax.typing import Array, Carry, Float

_ITERATIONS = 40
_COUNTED = 20  # of them, the last


def norms(carry: Carry) -> Float[Array, " B"]:
    """Returns the Euclidean norm of each sample's state, over all its arrays [B, ...]."""
    squares = [jnp.square(x).reshape(len(x), -1).sum(1) for x in floats(carry)]
    return jnp.sqrt(sum(squares[1:], squares[0]))


def spectral_radius(transpose: Callable[[Carry], Carry], like: Carry) -> Float[Array, " B"]:
    """Returns the largest modulus of an eigenvalue of each sample's Jacobian, estimated.

    Power iteration from a fixed random vector. The growth is averaged, as a geometric mean, over
    several iterations: with a complex pair of eigenvalues it goes up and down.

    Args:
        transpose: v -> J^T v, linear, which mixes no samples; J^T has the eigenvalues of J.
        like: arrays of the shapes of v, float32 [B, ...].
    """
    leaves, structure = jax.tree.flatten(like)
    keys = jax.random.split(jax.random.key(0), len(leaves))
    # The same start for every sample: what one gets does not depend on its place in the batch.
    start = [
        jnp.broadcast_to(jax.random.normal(key, x.shape[1:]), x.shape)
        for key, x in zip(keys, leaves)
    ]

    def iterate(vector: Carry, _: None) -> tuple[Carry, Array]:
        image = transpose(_normalize(vector))
        return image, norms(image)

    _, growth = lax.scan(iterate, jax.tree.unflatten(structure, start), length=_ITERATIONS)
    return jnp.exp(jnp.log(growth[-_COUNTED:]).mean(0))


def _normalize(vector: Carry) -> Carry:
    size = norms(vector)
    # A vector that J^T sends to zero stays there.
    inverse = jnp.where(size > 0, 1 / jnp.where(size > 0, size, 1), 0)
    return jax.tree.map(lambda x: x * inverse.reshape((-1,) + (1,) * (x.ndim - 1)), vector)
