"""A policy that is told what happens in a stream: what a gate that never errs would do."""

from typing import Any

import flax.struct
import jax.numpy as jnp

from rsf_jax.data.streams import CUT, PAUSE, START
from rsf_jax.ops.select import select
from rsf_jax.policies.base import Begun, Memory, Recurrence, Stepwise, StepwisePolicy
from rsf_jax.typing import Array, Leaf


@flax.struct.dataclass
class Told(Stepwise):
    """No step in a pause, a fresh state at a cut, the inner policy otherwise.

    Attributes:
        events: uint8 [B, T], of each frame, see `data.streams.EVENTS`.
        inner: what decides the steps of frames that are not passed over.
    """

    events: Leaf
    inner: StepwisePolicy

    @property
    def max_steps(self) -> int:
        """The most steps any frame can get."""
        return self.inner.max_steps

    @property
    def singles_out_first_frame(self) -> bool:
        """Whether frames after a cut are treated unlike the others."""
        return self.inner.singles_out_first_frame

    def init_memory(self, frame: Array) -> Memory:
        """Returns the number of the frame, and what the inner policy carries."""
        return jnp.zeros(len(frame), jnp.int32), self.inner.init_memory(frame)

    def begin(self, recurrence: Recurrence, first: bool | Array, memory: Memory) -> Begun:
        """Looks the frame up; see `StepwisePolicy`."""
        number, inner = memory
        event = jnp.take_along_axis(self.events, number[:, None], 1)[:, 0]
        cut = (event == CUT) | (event == START) | jnp.asarray(first)
        start = select(cut, recurrence.fresh, recurrence.start)
        begun = self.inner.begin(recurrence._replace(start=start), cut, inner)
        active = jnp.asarray(begun.active) & (event != PAUSE)
        return Begun(begun.start, begun.first, active, (number + 1, begun.memory))

    def observe(self, recurrence: Recurrence, carry: Any) -> Array:
        """As the inner policy."""
        return self.inner.observe(recurrence, carry)

    def init_state(self, seen: Array) -> Memory:
        """As the inner policy."""
        return self.inner.init_state(seen)

    def should_continue(
        self, n: Array, before: Array, after: Array, state: Memory, first: bool | Array
    ) -> tuple[Array, Memory]:
        """As the inner policy."""
        return self.inner.should_continue(n, before, after, state, first)
