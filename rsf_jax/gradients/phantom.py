"""The phantom gradient: a damped, truncated series at the last state, in constant memory."""

import dataclasses
from collections.abc import Callable
from typing import ClassVar

import jax
from jax import lax

from rsf_jax.arguments import check_number, whole
from rsf_jax.gradients.last_step import AtLastStep
from rsf_jax.typing import Carry


@dataclasses.dataclass(frozen=True)
class Phantom(AtLastStep):
    """The phantom gradient, in its Neumann form.

    The derivative of the last step with

        g = d sum_{k=0..K} ((1 - d) + d J^T)^k v

    instead of the cotangent v: d is the damping and J the Jacobian of the last step. As K grows, g
    tends to `(1 - J^T)^-1 v`, that of the implicit function theorem, where all eigenvalues of
    (1 - d) + d J^T are inside the unit circle: with d below 1 also for some steps that overshoot
    and do not contract. With few terms it is shorter than that vector, as with a penalty on how
    far it reaches. With d = 1 it is the series of `RBP` without a guard.

    The form that unrolls K + 1 damped steps behind the last state has the same derivative at a
    fixed point, but another state is then read out, after more steps. Here the steps and all
    values are those of any other estimator.

    Attributes:
        terms: K, powers in the series, at least 0: one less than the steps k of the unrolled form.
        damping: d, above 0 and at most 1.

    It is a derivative in reverse mode, and the first alone: others raise InputError.

    Source: Geng et al. 2021, the phantom gradient based on the Neumann series.
    """

    title: ClassVar[str] = "the phantom gradient"

    terms: int = 4
    damping: float = 0.5

    def __post_init__(self) -> None:
        """Checks both."""
        object.__setattr__(self, "terms", whole("terms", self.terms, 0))
        needed = "above 0, at most 1, is needed"
        damping = check_number("damping", self.damping, needed, lambda x: 0 < x <= 1)
        object.__setattr__(self, "damping", float(damping))

    def cotangent(self, transpose: Callable[[Carry], Carry], vector: Carry) -> Carry:
        """Returns the series, by Horner's rule; see `AtLastStep`."""
        d = self.damping

        def add_term(total: Carry, _: None) -> tuple[Carry, None]:
            through = transpose(total)
            return jax.tree.map(
                lambda v, g, j: v + (1 - d) * g + d * j, vector, total, through
            ), None

        total, _ = lax.scan(add_term, vector, length=self.terms)
        return jax.tree.map(lambda g: d * g, total)
