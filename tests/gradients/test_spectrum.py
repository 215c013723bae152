"""The spectral radius, against eigenvalues from linear algebra."""

import jax.numpy as jnp
import numpy as np
import pytest

from rsf_jax.gradients.spectrum import norms, spectral_radius


@pytest.mark.parametrize("kind", ["real", "complex", "zero"])
def test_it_is_the_largest_modulus_of_an_eigenvalue(kind):
    rng = np.random.default_rng(0)
    diagonal = np.diag([0.9, 0.5, -0.3, 0.1])
    if kind == "complex":
        diagonal[:2, :2] = 0.8 * np.array([[0.6, -0.8], [0.8, 0.6]])
    if kind == "zero":
        diagonal[:] = 0
    basis = rng.normal(size=(4, 4))
    matrix = basis @ diagonal @ np.linalg.inv(basis)
    expected = np.abs(np.linalg.eigvals(matrix)).max() if kind != "zero" else 0.0
    transpose = jnp.asarray(matrix, jnp.float32)
    found = spectral_radius(lambda v: v @ transpose, jnp.zeros((2, 4)))
    np.testing.assert_allclose(found, expected, rtol=0.03, atol=1e-6)
    assert found[0] == found[1]


def test_norms_are_over_all_arrays_of_a_state():
    carry = {"a": jnp.asarray([[3.0], [0.0]]), "b": jnp.asarray([[0.0, 4.0], [0.0, 1.0]])}
    np.testing.assert_allclose(norms(carry), [5.0, 1.0])
