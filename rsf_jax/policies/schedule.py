"""Step policies: how many recurrent steps a frame gets.

A policy knows nothing of cells. It is handed a function `step: carry -> carry` and decides how
often to apply it; `unroll.py` runs it over frames.
"""

import math
import re
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import flax.struct
import jax
import jax.numpy as jnp
from jax import lax

from rsf_jax.errors import InputError
from rsf_jax.typing import Array, FrameSteps, Leaf

# The name under which a cell marks what is costly to compute again (`checkpoint_name`).
CONVOLVED = "convolved"
REMAT = ("none", "step", "sqrt")

Carry = Any
Step = Callable[[Carry], Carry]
Hidden = Callable[[Carry], Array]  # carry -> h, batch first


@flax.struct.dataclass
class Unrolled:
    """What a frame's recurrence leaves.

    Attributes:
        carry: the state after the last step.
        steps: int32 [B], steps spent.
        hidden: h after every step, [max_steps, B, ...] with the last one repeated past `steps`;
            None unless recorded.
    """

    carry: Carry
    steps: Leaf
    hidden: Leaf


@runtime_checkable
class StepPolicy(Protocol):
    """Decides how often the recurrent step is applied to a frame."""

    @property
    def max_steps(self) -> int:
        """The most steps any frame can get."""

    @property
    def singles_out_first_frame(self) -> bool:
        """Whether the first frame of a video is treated unlike the others."""

    def unroll(
        self, step: Step, hidden: Hidden, carry: Carry, first: bool | Array, record: bool = False
    ) -> Unrolled:
        """Applies `step` to `carry` as often as the policy says.

        Args:
            step: one recurrent step.
            hidden: takes h [B, ...] out of a carry.
            carry: the state to start from.
            first: whether this is a video's first frame: for all samples alike (bool), or each for
                itself (bool [B]), as in live streams that began at different times.
            record: keep h after every step.
        """


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
        self, step: Step, hidden: Hidden, carry: Carry, first: bool | Array, record: bool = False
    ) -> Unrolled:
        """Applies the scheduled number of steps; see `StepPolicy.unroll`.

        With `first` a bool the number is static, the loop a `lax.scan`, and the result
        differentiable. With one value per sample it is a `lax.while_loop`, which is not.
        """
        if isinstance(first, bool):
            return self._scan(step, hidden, carry, self.slow if first else self.fast, record)
        limit = jnp.where(first, self.slow, self.fast)
        return self._while(step, hidden, carry, limit, record)

    def _scan(
        self, step: Step, hidden: Hidden, carry: Carry, length: int, record: bool
    ) -> Unrolled:
        if not record:
            carry, states = unroll_steps(step, carry, length, self.remat), None
        else:
            carry, states = lax.scan(_recorded(step, hidden), carry, length=length)
            padding = [(0, self.max_steps - length)] + [(0, 0)] * (states.ndim - 1)
            states = jnp.pad(states, padding, mode="edge")
        steps = jnp.full((hidden(carry).shape[0],), length, jnp.int32)
        return Unrolled(carry, steps, states)

    def _while(
        self, step: Step, hidden: Hidden, carry: Carry, limit: FrameSteps, record: bool
    ) -> Unrolled:
        states = _no_states(hidden(carry), self.max_steps) if record else None

        def body(loop: tuple[jax.Array, Carry, Any]) -> tuple[jax.Array, Carry, Any]:
            n, carry, states = loop
            carry = select(n < limit, step(carry), carry)
            if states is not None:
                states = states.at[n].set(hidden(carry))
            return n + 1, carry, states

        def unfinished(loop: tuple[jax.Array, Carry, Any]) -> Array:
            return loop[0] < limit.max()

        n, carry, states = lax.while_loop(unfinished, body, (jnp.int32(0), carry, states))
        if states is not None:
            states = states[jnp.minimum(jnp.arange(self.max_steps), n - 1)]
        return Unrolled(carry, limit.astype(jnp.int32), states)


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


def _recorded(step: Step, hidden: Hidden) -> Callable[[Carry, None], tuple[Carry, Array]]:
    def body(carry: Carry, _: None) -> tuple[Carry, Array]:
        carry = step(carry)
        return carry, hidden(carry)

    return body


def parse_policy(text: str) -> FixedSchedule:
    """Returns the policy that a launcher's `--policy` names, such as "s8f2".

    Raises:
        InputError: if it is none.
    """
    match = re.fullmatch(r"s(\d+)f(\d+)", text)
    if match is None:
        raise InputError(
            f"policy {text!r} is unknown: write a schedule as s{{S}}f{{F}}, S recurrent steps on "
            "the first frame and F on each later one, such as s8f2"
        )
    return FixedSchedule(int(match[1]), int(match[2]))


def select(mask: Array, new: Carry, old: Carry) -> Carry:
    """Takes `new` where `mask` [B] is true and `old`, to the bit, elsewhere."""

    def choose(new: Array, old: Array) -> Array:
        return jnp.where(mask.reshape(mask.shape + (1,) * (new.ndim - 1)), new, old)

    return jax.tree.map(choose, new, old)


def _no_states(hidden: Array, max_steps: int) -> Array:
    return jnp.zeros((max_steps, *hidden.shape), hidden.dtype)
