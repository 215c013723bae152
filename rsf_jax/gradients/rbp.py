"""Recurrent back-propagation: the derivative at the last state alone, in constant memory."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from rsf_jax.arguments import check_choice, whole
from rsf_jax.gradients.base import Keep, Reached
from rsf_jax.gradients.floats import floats, with_floats
from rsf_jax.gradients.neumann import GUARDS, neumann_series
from rsf_jax.ops.linear import linear, refused, without_derivative
from rsf_jax.typing import Carry, Step

_ONCE = (
    "recurrent back-propagation (RBP) has no second derivative: differentiate once, or give the "
    "schedule gradient=BPTT()"
)
_REVERSE = (
    "recurrent back-propagation (RBP) has no forward-mode derivative: use jax.grad or jax.vjp, or "
    "give the schedule gradient=BPTT()"
)


@dataclasses.dataclass(frozen=True)
class RBP:
    """Recurrent back-propagation, by the implicit function theorem at the last state.

    Where the state has converged, h = f(h, theta), its derivative is that of the last step with
    `(1 - J^T)^-1 v` instead of the cotangent v, J the Jacobian of the last step. The inverse is a
    truncated Neumann series. No other step is differentiated, so that memory does not grow with
    their number; and nothing flows to the state the recurrence started from, which a converged
    state does not depend on.

    Attributes:
        terms: K, most powers of J^T in the series; with 0 the last step alone is differentiated
            (one-step differentiation, Bolte et al. 2023).
        guard: "sample" or "batch", see `neumann_series`.

    It is a derivative in reverse mode, and the first alone: others raise InputError.

    Source: Linsley et al. 2020; Almeida 1987; Pineda 1987.
    """

    terms: int = 15
    guard: str = "sample"

    def __post_init__(self) -> None:
        """Checks both."""
        object.__setattr__(self, "terms", whole("terms", self.terms, 0))
        check_choice("guard", self.guard, GUARDS)

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
def _last_step(step: Callable, estimator: RBP, before: Carry, constants: list[Any]) -> Carry:
    return step(before, *constants)


@_last_step.defjvp
def _last_step_jvp(
    step: Callable, estimator: RBP, primals: tuple[Carry, Any], tangents: tuple[Any, Any]
) -> tuple[Carry, Any]:
    before, constants = primals

    def moving(values: list[Any], constants: list[Any]) -> tuple[list[Any], Carry]:
        after = step(with_floats(before, values), *constants)
        return floats(after), after

    out, pull_back, after = jax.vjp(moving, floats(before), constants, has_aux=True)

    def transpose(pull_back: Any, cotangent: list[Any]) -> list[Any]:
        series = neumann_series(
            lambda v: pull_back(v)[0], cotangent, estimator.terms, estimator.guard
        )
        return without_derivative(pull_back(series.total)[1], _ONCE)

    def forward(pull_back: Any, moved: list[Any]) -> list[Any]:
        # Of the constants' types the result has none: zeros depend on them all the same.
        nothing = sum(jnp.sum(x) for x in jax.tree.leaves(moved)) * 0
        return [refused(jnp.zeros_like(x) + nothing, _REVERSE) for x in out]

    moved = linear(forward, transpose, pull_back, tangents[1], like=out)
    no_tangent = jax.tree.map(lambda x: np.zeros(jnp.shape(x), jax.dtypes.float0), after)
    parts = iter(moved)
    tangent = jax.tree.map(
        lambda x, none: next(parts) if jnp.issubdtype(x.dtype, jnp.floating) else none,
        after,
        no_tangent,
    )
    return after, tangent
