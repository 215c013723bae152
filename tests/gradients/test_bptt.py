"""Back-propagation through time: what it keeps changes no gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsf_jax.gradients import BPTT, REMAT


@pytest.mark.parametrize("steps", [1, 2, 5, 9])
@pytest.mark.parametrize("remat", REMAT)
def test_rematerialization_changes_no_gradient(remat, steps):
    def last(start):
        return BPTT(remat).unroll(lambda h: jnp.sin(h) + h, start, steps).after.sum()

    def by_hand(h):
        for _ in range(steps):
            h = jnp.sin(h) + h
        return h.sum()

    start = jnp.linspace(-1.0, 1.0, 6).reshape(3, 2)
    value, gradient = jax.value_and_grad(last)(start)
    expected, expected_gradient = jax.value_and_grad(by_hand)(start)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-5)
