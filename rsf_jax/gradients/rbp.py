"""Recurrent back-propagation: the derivative at the last state alone, in constant memory."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from rsf_jax.arguments import check_choice, whole
from rsf_jax.gradients.base import Keep, Reached
from rsf_jax.gradients.neumann import GUARDS, neumann_series
from rsf_jax.typing import Carry, Step


@dataclasses.dataclass(frozen=True)
class RBP:
    """Recurrent back-propagation, by the implicit function theorem at the last state.

    Where the state has converged, h = f(h, theta), its derivative is that of the last step with
    `(1 - J^T)^-1 v` in place of the cotangent v, J the Jacobian of the last step. The inverse is a
    truncated Neumann series. No other step is differentiated, so that memory does not grow with
    their number; and nothing flows to the state the recurrence started from, which a converged
    state does not depend on.

    Attributes:
        terms: K, most powers of J^T in the series; with 0 the last step alone is differentiated
            (one-step differentiation, Bolte et al. 2023).
        guard: "sample" or "batch", see `neumann_series`.

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

        # What the step closes over becomes an argument: `custom_vjp` sees arguments alone.
        explicit, constants = jax.closure_convert(step, carry)
        fixed = lax.stop_gradient(constants)
        start = (lax.stop_gradient(carry), store)
        (before, store), _ = lax.scan(advance, start, length=length - 1)
        after = _last_step(explicit, self, before, constants)
        return Reached(before, after), keep(store, after)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _last_step(step: Callable, estimator: RBP, before: Carry, constants: list[Any]) -> Carry:
    return step(before, *constants)


def _forward(
    step: Callable, estimator: RBP, before: Carry, constants: list[Any]
) -> tuple[Carry, Any]:
    return jax.vjp(lambda carry, constants: step(carry, *constants), before, constants)


def _backward(
    step: Callable, estimator: RBP, pull_back: Any, cotangent: Carry
) -> tuple[Carry, list[Any]]:
    series = neumann_series(lambda v: pull_back(v)[0], cotangent, estimator.terms, estimator.guard)
    return jax.tree.map(jnp.zeros_like, series.total), pull_back(series.total)[1]


_last_step.defvjp(_forward, _backward)
