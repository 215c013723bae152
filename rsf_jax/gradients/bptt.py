"""Back-propagation through time."""

import dataclasses
import math
from collections.abc import Callable

import jax
from jax import lax

from rsf_jax.errors import InputError
from rsf_jax.gradients.base import Reached
from rsf_jax.typing import Carry, Step

# The name under which a cell marks what is costly to compute again (`checkpoint_name`).
CONVOLVED = "convolved"
REMAT = ("none", "step", "sqrt")

Advance = Callable[[Reached], Reached]


@dataclasses.dataclass(frozen=True)
class BPTT:
    """Back-propagation through time: the exact derivative, in constant time to compile.

    Attributes:
        remat: how it trades memory for time.
            "none" keeps, of every step, its carry and what is named `CONVOLVED`, and computes the
            rest again: what is cheap at every pixel costs less time to repeat than to store.
            "step" keeps the N carries alone. "sqrt" keeps about 2 sqrt(N) of them, and computes
            every step twice more.
    """

    remat: str = "none"

    def __post_init__(self) -> None:
        """Checks the choice."""
        if self.remat not in REMAT:
            raise InputError(f"remat is {self.remat!r}: choose one of {', '.join(REMAT)}")

    def unroll(self, step: Step, carry: Carry, length: int) -> Reached:
        """Applies `step` `length` times; see `Estimator.unroll`."""
        start = Reached(carry, carry)
        if self.remat == "none":
            kept = jax.checkpoint_policies.save_only_these_names(CONVOLVED)
            advance = _advancing(jax.checkpoint(step, policy=kept, prevent_cse=False))
            return _repeat(advance, start, length)
        advance = _advancing(jax.checkpoint(step, prevent_cse=False))
        if self.remat == "step":
            return _repeat(advance, start, length)
        segment = math.isqrt(length)

        def run(length: int) -> Advance:
            return jax.checkpoint(lambda last: _repeat(advance, last, length), prevent_cse=False)

        return run(length % segment)(_repeat(run(segment), start, length // segment))


def _advancing(step: Step) -> Advance:
    return lambda last: Reached(last.after, step(last.after))


def _repeat(advance: Advance, start: Reached, length: int) -> Reached:
    return lax.scan(lambda last, _: (advance(last), None), start, length=length)[0]
