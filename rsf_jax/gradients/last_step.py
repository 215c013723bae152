"""Derivatives at the last state alone: what implicit estimators have in common."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from rsf_jax.gradients.base import Keep, Reached
from rsf_jax.gradients.floats import floats, with_floats
from rsf_jax.ops.linear import linear, refused, without_derivative
from rsf_jax.typing import Carry, Step


class AtLastStep:
    """Differentiates the last step alone, with another vector instead of its cotangent v.

    Which one, `cotangent` says, of v and of products with the transposed Jacobian J^T of that
    step. No other step is differentiated, so that memory does not grow with their number; and
    nothing flows to the state the recurrence started from, which a converged state does not depend
    on. It is a derivative in reverse mode, and the first alone: others raise InputError.

    Attributes:
        title: what messages call it.
    """

    title: ClassVar[str]

    def cotangent(self, transpose: Callable[[Carry], Carry], vector: Carry) -> Carry:
        """Returns what the last step is differentiated with.

        Args:
            transpose: v -> J^T v, linear.
            vector: v, a pytree of float32 arrays [B, ...].
        """
        raise NotImplementedError

    def unroll(self, step: Step, carry: Carry, length: int) -> Reached:
        """Applies `step` `length` times; see `Estimator.unroll`."""
        return self.observe(step, carry, length, (), lambda store, _: store)[0]

    def observe(
        self, step: Step, carry: Carry, length: int, store: Any, keep: Keep
    ) -> tuple[Reached, Any]:
        """As `unroll`, and keeps something of every state; see `ObservableEstimator.observe`.

        Of what is kept, the last state alone has a derivative.
        """

        def advance(loop: tuple[Carry, Any], _: None) -> tuple[tuple[Carry, Any], None]:
            after = explicit(loop[0], *fixed)
            return (after, lax.stop_gradient(keep(loop[1], after))), None

        # What the step closes over becomes an argument: `custom_jvp` sees arguments alone.
        explicit, constants = jax.closure_convert(step, carry)
        fixed = lax.stop_gradient(constants)
        start = (lax.stop_gradient(carry), store)
        (before, store), _ = lax.scan(advance, start, length=length - 1)
        after = _last_step(explicit, self, before, constants)
        return Reached(before, after), keep(store, after)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _last_step(step: Callable, estimator: AtLastStep, before: Carry, constants: list[Any]) -> Carry:
    return step(before, *constants)


@_last_step.defjvp
def _last_step_jvp(
    step: Callable, estimator: AtLastStep, primals: tuple[Carry, Any], tangents: tuple[Any, Any]
) -> tuple[Carry, Any]:
    before, constants = primals

    def moving(values: list[Any], constants: list[Any]) -> tuple[list[Any], Carry]:
        after = step(with_floats(before, values), *constants)
        return floats(after), after

    out, pull_back, after = jax.vjp(moving, floats(before), constants, has_aux=True)

    def transpose(pull_back: Any, cotangent: list[Any]) -> list[Any]:
        changed = estimator.cotangent(lambda v: pull_back(v)[0], cotangent)
        return without_derivative(pull_back(changed)[1], _once(estimator))

    def forward(pull_back: Any, moved: list[Any]) -> list[Any]:
        # Of the constants' types the result has none: zeros depend on them all the same.
        nothing = jnp.asarray(sum(jnp.sum(x) for x in jax.tree.leaves(moved)) * 0)
        zeros = [jnp.zeros_like(x) + nothing.astype(x.dtype) for x in out]
        return [refused(zero, _reverse(estimator)) for zero in zeros]

    moved = linear(forward, transpose, pull_back, tangents[1], like=out)
    no_tangent = jax.tree.map(lambda x: np.zeros(jnp.shape(x), jax.dtypes.float0), after)
    parts = iter(moved)
    tangent = jax.tree.map(
        lambda x, none: next(parts) if jnp.issubdtype(x.dtype, jnp.floating) else none,
        after,
        no_tangent,
    )
    return after, tangent


def _once(estimator: AtLastStep) -> str:
    return (
        f"{estimator.title} has no second derivative: differentiate once, or give the schedule "
        "gradient=BPTT()"
    )


def _reverse(estimator: AtLastStep) -> str:
    return (
        f"{estimator.title} has no forward-mode derivative: use jax.grad or jax.vjp, or give the "
        "schedule gradient=BPTT()"
    )
