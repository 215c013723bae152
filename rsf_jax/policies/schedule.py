"""Fixed schedules: the number of steps is known beforehand."""

import math
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jax import lax

from rsf_jax.errors import InputError
from rsf_jax.policies.base import Carry, Hidden, Step, Unrolled, unroll_while
from rsf_jax.recording import Recording
from rsf_jax.typing import Array

# The name under which a cell marks what is costly to compute again (`checkpoint_name`).
CONVOLVED = "convolved"
REMAT = ("none", "step", "sqrt")


@flax.struct.dataclass
class FixedSchedule:
    """`slow` steps on the first frame of a video, `fast` on every other: "s{slow}f{fast}".

    Attributes:
        slow: recurrent steps on the first frame, at least 1.
        fast: recurrent steps on every later frame, at least 1.
        remat: what is kept of a step for its gradient, see `unroll_steps`; of no other effect.

    Source: Wang et al. 2023, section 4.2.
    """

    slow: int = flax.struct.field(pytree_node=False)
    fast: int = flax.struct.field(pytree_node=False)
    remat: str = flax.struct.field(pytree_node=False, default="none")

    def __post_init__(self) -> None:
        """Rejects schedules without steps."""
        for name, value in (("slow", self.slow), ("fast", self.fast)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InputError(
                    f"{name} steps must be a whole number of at least 1, not {value!r}: "
                    "a frame needs a recurrent step to be seen at all"
                )
        if self.remat not in REMAT:
            raise InputError(f"remat is {self.remat!r}: choose one of {', '.join(REMAT)}")

    def __str__(self) -> str:
        """Returns the schedule as presets write it."""
        return f"s{self.slow}f{self.fast}"

    @property
    def max_steps(self) -> int:
        """The most steps any frame can get."""
        return max(self.slow, self.fast)

    @property
    def singles_out_first_frame(self) -> bool:
        """Whether the first frame gets a number of its own."""
        return self.slow != self.fast

    def unroll(
        self,
        step: Step,
        hidden: Hidden,
        carry: Carry,
        first: bool | Array,
        recording: Recording | None = None,
    ) -> Unrolled:
        """Applies the scheduled number of steps; see `StepPolicy.unroll`.

        With `first` a bool the number is static, the loop a `lax.scan`, and the result
        differentiable. With one value per sample it is a `lax.while_loop`, which is not.
        """
        if isinstance(first, bool):
            return self._scan(step, hidden, carry, self.slow if first else self.fast, recording)
        limit = jnp.where(first, self.slow, self.fast)

        def decide(n: Array, before: Array, after: Array, memory: tuple) -> tuple[Array, tuple]:
            return n < limit, memory

        return unroll_while(step, hidden, carry, decide, (), self.max_steps, recording)

    def _scan(
        self, step: Step, hidden: Hidden, carry: Carry, length: int, recording: Recording | None
    ) -> Unrolled:
        steps = jnp.full((hidden(carry).shape[0],), length, jnp.int32)
        if recording is None:
            return Unrolled(unroll_steps(step, carry, length, self.remat), steps, None)

        def body(loop: tuple[Carry, Any], n: Array) -> tuple[tuple[Carry, Any], None]:
            carry = step(loop[0])
            return (carry, recording.write(loop[1], n, hidden(carry))), None

        start = (carry, recording.begin(hidden(carry), self.max_steps))
        (carry, store), _ = lax.scan(body, start, jnp.arange(length))
        return Unrolled(carry, steps, recording.finish(store, length, hidden(carry)))


def unroll_steps(step: Step, carry: Carry, length: int, remat: str = "none") -> Carry:
    """Applies a step a fixed number of times, in constant time to compile.

    Args:
        step: one recurrent step.
        carry: the state to start from.
        length: number of steps N.
        remat: how back-propagation trades memory for time.
            "none" keeps, of every step, its carry and what is named `CONVOLVED`, and computes the
            rest again: what is cheap at every pixel costs less time to repeat than to store.
            "step" keeps the N carries alone. "sqrt" keeps about 2 sqrt(N) of them, and computes
            every step twice more.
    """
    if remat == "none":
        kept = jax.checkpoint_policies.save_only_these_names(CONVOLVED)
        return _scan_steps(jax.checkpoint(step, policy=kept, prevent_cse=False), carry, length)
    step = jax.checkpoint(step, prevent_cse=False)
    if remat == "step":
        return _scan_steps(step, carry, length)
    segment = math.isqrt(length)

    def run(length: int) -> Step:
        return jax.checkpoint(lambda carry: _scan_steps(step, carry, length), prevent_cse=False)

    return run(length % segment)(_scan_steps(run(segment), carry, length // segment))


def _scan_steps(step: Step, carry: Carry, length: int) -> Carry:
    return lax.scan(lambda carry, _: (step(carry), None), carry, length=length)[0]
