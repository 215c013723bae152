"""Small systems against LAPACK, and those that have no single solution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsf_jax.ops.solve import solve_scaled

_SOLVE = jax.jit(solve_scaled)


def _systems(size, scales=1.0, rows=40):
    rng = np.random.default_rng(size)
    factors = rng.normal(size=(4, size, rows)) * np.broadcast_to(scales, size)[None, :, None]
    targets = rng.normal(size=(4, rows))
    return (
        factors,
        targets,
        factors @ np.swapaxes(factors, 1, 2),
        (factors @ targets[..., None])[..., 0],
    )


@pytest.mark.parametrize("size", [1, 2, 5, 8])
@pytest.mark.parametrize("ridge", [0.0, 1e-2])
def test_it_solves_what_lapack_solves(size, ridge):
    *_, matrix, right = _systems(size)
    ours = _SOLVE(np.float32(matrix), np.float32(right), ridge)
    shifted = matrix + ridge * np.eye(size) * np.diagonal(matrix, 0, 1, 2)[:, None]
    expected = np.linalg.solve(shifted, right[..., None])[..., 0]
    np.testing.assert_allclose(ours, expected, rtol=2e-3, atol=1e-4)


def test_rows_of_any_size_are_solved_alike():
    """Their sizes differ by ten orders of magnitude; scaled they do not."""
    scales = np.array([1e5, 1.0, 1e-3, 1e-5])
    *_, matrix, right = _systems(4, scales)
    ours = _SOLVE(np.float32(matrix), np.float32(right), np.zeros(4, np.float32))
    expected = np.linalg.solve(matrix, right[..., None])[..., 0]
    np.testing.assert_allclose(ours * scales[None], expected * scales, rtol=1e-3, atol=1e-4)


def test_what_depends_on_columns_in_front_or_vanishes_is_left_out():
    factors, targets, _, _ = _systems(4)
    factors[:, 2] = 2 * factors[:, 0] - factors[:, 1]
    factors[1:3, 3] = 0
    matrix, right = factors @ np.swapaxes(factors, 1, 2), (factors @ targets[..., None])[..., 0]
    found = np.asarray(_SOLVE(np.float32(matrix), np.float32(right), 0.0))
    assert (found[:, 2] == 0).all()
    assert (found[1:3, 3] == 0).all()
    for b in range(4):  # the projection is that of least squares
        fitted = np.linalg.lstsq(factors[b].T, targets[b], rcond=None)[0] @ factors[b]
        np.testing.assert_allclose(found[b] @ factors[b], fitted, atol=1e-3)
    assert (np.asarray(_SOLVE(jnp.zeros((2, 3, 3)), jnp.ones((2, 3)), 0.1)) == 0).all()


def test_what_is_not_finite_stays_with_its_sample():
    *_, matrix, right = _systems(3)
    matrix, right = np.float32(matrix), np.float32(right)
    expected = _SOLVE(matrix, right, 1e-3)
    matrix[0, 0, 0], matrix[1, 1, 1], right[2, 0] = np.nan, np.inf, np.inf
    found = _SOLVE(matrix, right, 1e-3)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[3], expected[3])
    assert found[0, 0] == found[1, 1] == 0


def test_it_calls_no_library():
    text = _SOLVE.lower(jnp.ones((2, 5, 5)), jnp.ones((2, 5)), 0.0).as_text()
    assert "custom_call" not in text
