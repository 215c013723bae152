"""A fresh state every so many frames."""

from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp

from rsf_jax.policies.base import Begun, Memory, Recurrence
from rsf_jax.policies.values import check_samples, checked_whole
from rsf_jax.policies.wrapper import Wrapper, equals, text
from rsf_jax.shown import in_a_line
from rsf_jax.typing import Array


class RefreshMemory(NamedTuple):
    """What is carried from frame to frame.

    Attributes:
        age: int32 [B], frames since the state was fresh, with the one that began with it.
        inner: what the policy inside carries.
    """

    age: Any
    inner: Any


@flax.struct.dataclass
class Refresh(Wrapper):
    """Begins anew after a number of frames: from a fresh state, as if they were a video's first.

    Every frame counts, those without a step too. It counts from the last frame that began anew, at
    a cut too that a gate inside has seen: `Refresh(64, ChangeGate(...))`. Inside of a gate,
    `ChangeGate(..., Refresh(64, ...))`, only the frames count that the gate does not leave out.

    Attributes:
        every: frames from one fresh state to the next, at least 1; traced, and may be an array [B].
        inner: a policy that decides after every step.

    Raises:
        InputError: if a value is none of these.
    """

    __repr__ = in_a_line

    every: int | Any
    inner: Any

    def __post_init__(self) -> None:
        """Checks everything that is known; traced values are not."""
        super().__post_init__()
        object.__setattr__(self, "every", checked_whole("every", self.every))

    def __eq__(self, other: object) -> bool:
        """Whether two policies are the same, whichever arrays their numbers are in."""
        return equals(self, other)

    def __hash__(self) -> int:
        """Of what compiles to one program."""
        return hash(jax.tree.structure(self))

    def __str__(self) -> str:
        """Returns it as `parse_policy` reads it."""
        return text("refresh", self)

    @property
    def singles_out_first_frame(self) -> bool:
        """The first frame is the first to begin anew."""
        return True

    def init_memory(self, frame: Array) -> Memory:
        """Returns the age of no frame; see `StepPolicy`."""
        return RefreshMemory(jnp.zeros(frame.shape[0], jnp.int32), self.inner.init_memory(frame))

    def begin(self, recurrence: Recurrence, first: bool | Array, memory: Memory) -> Begun:
        """Begins anew where it is time; see `StepwisePolicy`.

        Raises:
            InputError: if there are numbers of other samples.
        """
        check_samples(self, ("every",), recurrence.frame.shape[0])
        due = first | (memory.age >= self.every)
        begun = self.begin_inner(recurrence, due, memory.inner)
        age = jnp.where(begun.first, 1, memory.age + 1)
        return Begun(begun.start, begun.first, begun.active, RefreshMemory(age, begun.memory))
