"""The parts of a scan are found whatever JAX calls them."""

import jax
import jax.numpy as jnp
import pytest

from rsf_jax.ops.scans import scan_parts


@pytest.mark.parametrize(("length", "outputs"), [(4, True), (4, False), (1, True)])
def test_constants_and_carry_are_counted(length, outputs):
    weights, arrays = jnp.ones(3), jnp.arange(float(length))

    def body(carry, x):
        state, count = carry
        return (state * weights + x, count + 1), (state if outputs else None)

    traced = jax.make_jaxpr(lambda s: jax.lax.scan(body, (s, 0), arrays))(jnp.ones(3))
    (equation,) = (e for e in traced.jaxpr.eqns if e.primitive.name == "scan")
    assert scan_parts(equation) == (1, 2)
    if "num_consts" in equation.params:  # before JAX 0.12
        assert (equation.params["num_consts"], equation.params["num_carry"]) == (1, 2)
