"""Recurrent back-propagation: the derivative at the last state alone, in constant memory."""

import dataclasses
from collections.abc import Callable
from typing import ClassVar

from rsf_jax.arguments import check_choice, whole
from rsf_jax.gradients.last_step import AtLastStep
from rsf_jax.gradients.neumann import GUARDS, neumann_series
from rsf_jax.typing import Carry


@dataclasses.dataclass(frozen=True)
class RBP(AtLastStep):
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

    title: ClassVar[str] = "recurrent back-propagation (RBP)"

    terms: int = 15
    guard: str = "sample"

    def __post_init__(self) -> None:
        """Checks both."""
        object.__setattr__(self, "terms", whole("terms", self.terms, 0))
        check_choice("guard", self.guard, GUARDS)

    def cotangent(self, transpose: Callable[[Carry], Carry], vector: Carry) -> Carry:
        """Returns the guarded series; see `AtLastStep`."""
        return neumann_series(transpose, vector, self.terms, self.guard).total
