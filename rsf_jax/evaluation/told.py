"""A policy that is told what happens in a stream: what a gate that never errs would do."""

from typing import Any, NamedTuple

import flax.struct
import jax.numpy as jnp

from rsf_jax.data.streams import CUT, PAUSE, START
from rsf_jax.policies import Begun, Recurrence, Wrapper
from rsf_jax.shown import in_a_line
from rsf_jax.typing import Array, Leaf


class _Memory(NamedTuple):
    """The number of the frame, int32 [B], and what the policy inside carries."""

    number: Any
    inner: Any


@flax.struct.dataclass
class Told(Wrapper):
    """No step in a pause, a fresh state at a cut, the inner policy otherwise.

    Attributes:
        events: uint8 [B, T], of each frame, see `data.streams.EVENTS`.
        inner: what decides the steps of frames that are not passed over.
    """

    __repr__ = in_a_line

    events: Leaf
    inner: Any

    @property
    def singles_out_first_frame(self) -> bool:
        """Frames after a cut are first ones."""
        return True

    @property
    def leaves_out_frames(self) -> bool:
        """Pauses get no step."""
        return True

    def init_memory(self, frame: Array) -> Any:
        """Returns that no frame was seen."""
        return _Memory(jnp.zeros(len(frame), jnp.int32), self.inner.init_memory(frame))

    def begin(self, recurrence: Recurrence, first: bool | Array, memory: Any) -> Begun:
        """Looks the frame up; see `StepwisePolicy`."""
        event = jnp.take_along_axis(jnp.asarray(self.events), memory.number[:, None], 1)[:, 0]
        anew = (event == CUT) | (event == START) | jnp.asarray(first)
        begun = self.begin_inner(recurrence, anew, memory.inner)
        active = begun.active & (event != PAUSE)
        return Begun(begun.start, begun.first, active, _Memory(memory.number + 1, begun.memory))
