"""Back-propagation through time."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
from jax import lax

from rsf_jax.arguments import check_choice
from rsf_jax.gradients.base import Keep, Reached
from rsf_jax.ops.direct import CONVOLVED
from rsf_jax.typing import Carry, Step

REMAT = ("none", "step", "sqrt")

Loop = tuple[Reached, Any]  # with what is kept of the states so far
Advance = Callable[[Loop], Loop]


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
        check_choice("remat", self.remat, REMAT)

    def unroll(self, step: Step, carry: Carry, length: int) -> Reached:
        """Applies `step` `length` times; see `Estimator.unroll`."""
        return self.observe(step, carry, length, (), lambda store, _: store)[0]

    def observe(
        self, step: Step, carry: Carry, length: int, store: Any, keep: Keep
    ) -> tuple[Reached, Any]:
        """As `unroll`, and keeps something of every state; see `ObservableEstimator.observe`."""

        def observed(carry: Carry, store: Any) -> tuple[Carry, Any]:
            after = step(carry)
            return after, keep(store, after)

        start = (Reached(carry, carry), store)
        if self.remat == "none":  # see docs/decisions/0006-memory-of-gradients.md
            kept = jax.checkpoint_policies.save_only_these_names(CONVOLVED)
            advance = _advancing(jax.checkpoint(observed, policy=kept, prevent_cse=False))
            return _repeat(advance, start, length)
        advance = _advancing(jax.checkpoint(observed, prevent_cse=False))
        if self.remat == "step":
            return _repeat(advance, start, length)
        segment = math.isqrt(length)

        def run(length: int) -> Advance:
            return jax.checkpoint(lambda loop: _repeat(advance, loop, length), prevent_cse=False)

        return run(length % segment)(_repeat(run(segment), start, length // segment))


def _advancing(observed: Callable[[Carry, Any], tuple[Carry, Any]]) -> Advance:
    def advance(loop: Loop) -> Loop:
        last, store = loop
        after, store = observed(last.after, store)
        return Reached(last.after, after), store

    return advance


def _repeat(advance: Advance, start: Loop, length: int) -> Loop:
    return lax.scan(lambda loop, _: (advance(loop), None), start, length=length)[0]
