"""Fixed schedules: the number of steps is known beforehand."""

from typing import Any

import flax.struct
import jax.numpy as jnp
from jax import lax

from rsf_jax.arguments import whole
from rsf_jax.errors import InputError
from rsf_jax.gradients import BPTT, Estimator, ObservableEstimator, Reached
from rsf_jax.gradients.base import Keep
from rsf_jax.ops.held import as_varying
from rsf_jax.policies.base import MOST_STEPS, Memory, Recurrence, Stepwise, Unrolled, unroll_while
from rsf_jax.policies.recording import Recording
from rsf_jax.typing import Array, Carry, Step


@flax.struct.dataclass
class FixedSchedule(Stepwise):
    """`slow` steps on the first frame of a video, `fast` on every other: "s{slow}f{fast}".

    Attributes:
        slow: recurrent steps on the first frame, at least 1.
        fast: recurrent steps on every later frame, at least 1.
        gradient: how the steps are differentiated, recorded or not; of no other effect.

    Source: Wang et al. 2023, section 4.2.
    """

    # The schedule carries the estimator: see docs/decisions/0007-gradient-estimators.md.
    slow: int = flax.struct.field(pytree_node=False)
    fast: int = flax.struct.field(pytree_node=False)
    gradient: Estimator = flax.struct.field(pytree_node=False, default=BPTT())

    def __post_init__(self) -> None:
        """Rejects schedules without steps."""
        for name, value in (("slow", self.slow), ("fast", self.fast)):
            try:
                object.__setattr__(self, name, whole(name, value))
            except InputError:
                raise InputError(
                    f"{name} steps must be a whole number of at least 1, not {value!r}: "
                    "a frame needs a recurrent step to be seen at all"
                ) from None
            if value > MOST_STEPS:
                raise InputError(f"{name} steps are {value}: {MOST_STEPS} is the most")
        if isinstance(self.gradient, type) or not isinstance(self.gradient, Estimator):
            raise InputError(f"gradient is {self.gradient!r}: an estimator is needed, as BPTT()")

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
        recurrence: Recurrence,
        first: bool | Array,
        memory: Memory,
        recording: Recording | None = None,
    ) -> Unrolled:
        """Applies the scheduled number of steps; see `StepPolicy.unroll`.

        With `first` a bool the number is static, the loop a `lax.scan`, and the result
        differentiable. With one value per sample it is a `lax.while_loop`, which is not.
        """
        if isinstance(first, bool) and not self.steers:
            return self._scan(recurrence, first, recording)
        return unroll_while(self, recurrence, first, memory, recording)

    def should_continue(
        self, n: Array, before: Array, after: Array, state: tuple, first: bool | Array
    ) -> tuple[Array, tuple]:
        """Counts; see `StepwisePolicy`."""
        limit = jnp.where(first, self.slow, self.fast)
        return jnp.broadcast_to(n < limit, (after.shape[0],)), state

    def reach(self, step: Step, carry: Carry, first: bool) -> Reached:
        """Returns the states in front of and after the last step of a frame."""
        return self.gradient.unroll(step, carry, self.length(first))

    def length(self, first: bool) -> int:
        """Returns the steps of a frame."""
        return self.slow if first else self.fast

    def _scan(self, recurrence: Recurrence, first: bool, recording: Recording | None) -> Unrolled:
        length, carry = self.length(first), recurrence.start
        step, hidden = recurrence.step, recurrence.hidden
        steps = jnp.full((hidden(carry).shape[0],), length, jnp.int32)
        if recording is None:
            return Unrolled(self.reach(step, carry, first).after, steps, None)

        def keep(store: Any, after: Carry) -> Any:
            n, states = store
            return n + 1, recording.write(states, n, hidden(after))

        empty = recording.begin(hidden(carry), self.max_steps)
        start = as_varying((jnp.int32(0), empty), carry)
        reached, (_, states) = self._observe(step, carry, length, start, keep)
        after = reached.after
        return Unrolled(after, steps, recording.finish(states, length, hidden(after)))

    def _observe(
        self, step: Step, carry: Carry, length: int, store: Any, keep: Keep
    ) -> tuple[Reached, Any]:
        """The estimator's own way, watched; without derivatives where it cannot be."""
        if isinstance(self.gradient, ObservableEstimator):
            return self.gradient.observe(step, carry, length, store, keep)
        reached = self.gradient.unroll(step, carry, length)
        _, store = BPTT().observe(step, carry, length, store, keep)
        return reached, lax.stop_gradient(store)
