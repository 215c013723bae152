"""States of half and of mixed precision keep their types, whatever runs or differentiates them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from recurrences import TinyHalting

import rsf_jax as rsf
from rsf_jax.gradients import BPTT, RBP, Phantom

SIZE = 6
FRAMES = np.random.default_rng(0).uniform(size=(2, 3, SIZE, SIZE, 1)).astype(np.float32)
TYPES = {
    "half": (jnp.bfloat16, jnp.bfloat16),
    "mixed": (jnp.float32, jnp.bfloat16),
    "float16": (jnp.float16, jnp.float32),
}
POLICIES = (
    "s3f2",
    "l2:rtol=0.1:4",
    "readout:flips:0.01:4",
    "anderson:2+s4f3",
    "gate:0.01:0.5+s3f2",
    "act:0.1:4",
    "ponder:0.5:4",
    "gate:0.01:0.5+act:0.1:4",
)


class Halves(TinyHalting):
    """Two maps of its channels, each of a type of its own."""

    types: tuple = (jnp.float32, jnp.float32)
    halting_head: str = "act"

    def initial_carry(self, batch_size, height, width):
        carry = super().initial_carry(batch_size, height, width)
        return tuple(carry.astype(kind) for kind in self.types)

    def step(self, carry, drive):
        first, second = (x.astype(jnp.float32) for x in carry)
        moved = super().step(first, drive), super().step(second, 0.5 * first)
        return tuple(x.astype(kind) for x, kind in zip(moved, self.types))

    def hidden(self, carry):
        return carry[0].astype(jnp.float32)

    def readout(self, carry):
        return super().readout(carry[0].astype(jnp.float32) + carry[1].astype(jnp.float32))


def _model(types, policy=""):
    model = Halves(types=TYPES[types], halting_head="ponder" if "ponder" in policy else "act")
    return model, model.init(jax.random.key(0), FRAMES)


@pytest.mark.parametrize("types", TYPES)
@pytest.mark.parametrize("policy", POLICIES)
def test_policies_leave_states_of_the_types_that_they_had(policy, types):
    model, variables = _model(types, policy)
    policy = rsf.parse_policy(policy)
    state, first = rsf.run_frame(
        model, variables, model.initial_state(2, (SIZE, SIZE)), FRAMES[:, 0], policy
    )
    assert tuple(x.dtype for x in state.carry) == TYPES[types]
    out = rsf.run_video(model, variables, FRAMES, policy)
    np.testing.assert_allclose(first.logits, out.logits[:, 0], atol=1e-6)
    wide = model.clone(types=Halves.types)
    expected = rsf.run_video(wide, variables, FRAMES, policy)
    np.testing.assert_allclose(out.logits, expected.logits, atol=0.05)
    assert float(jnp.abs(out.logits - expected.logits).max()) > 0


@pytest.mark.parametrize("types", TYPES)
@pytest.mark.parametrize("estimator", [RBP(terms=4), Phantom(terms=3, damping=0.5)])
def test_estimators_differentiate_states_of_the_types_that_they_have(estimator, types):
    def gradient(model, variables, estimator):
        schedule = rsf.FixedSchedule(3, 2, gradient=estimator)

        def loss(variables):
            return jnp.square(rsf.run_video(model, variables, FRAMES, schedule).logits).sum()

        return jax.grad(loss)(variables)["params"]["weight"]

    model, variables = _model(types)
    found = gradient(model, variables, estimator)
    expected = gradient(Halves(), variables, estimator)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, expected, atol=0.05 * float(jnp.abs(expected).max()))
    assert float(jnp.abs(expected - gradient(Halves(), variables, BPTT())).max()) > 0
