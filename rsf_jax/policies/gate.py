"""A gate: frames that repeat what was seen get no step, cuts a fresh state."""

from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.arguments import whole
from rsf_jax.errors import InputError
from rsf_jax.ops.select import select
from rsf_jax.policies.base import Begun, Memory, Recurrence
from rsf_jax.policies.changed import Difference, compare, noise_alone, pooled
from rsf_jax.policies.values import check_samples, checked, is_known
from rsf_jax.policies.wrapper import Wrapper, equals, text
from rsf_jax.shown import in_a_line
from rsf_jax.typing import Array

_NUMBERS = ("skip", "cut", "contrast", "deviations")


class GateMemory(NamedTuple):
    """What a gate carries from frame to frame.

    Attributes:
        frame: float32 [B, H', W', I], the frame of the last step, pooled.
        noise: float32 [B, I], standard deviation of the noise; infinite as long as no frame was
            seen.
        inner: what the policy inside carries.
    """

    frame: Any
    noise: Any
    inner: Any


@flax.struct.dataclass
class ChangeGate(Wrapper):
    """Looks at what has changed in a frame before `inner` decides on its steps.

    For each sample by itself, with the share of pixels that have changed since the frame of its
    last step:

    - share <= skip: the frame gets no step. State and logits stay, `steps` is 0;
    - share > cut, or a video's first frame: it starts from a fresh state, and `inner` treats it as
      a first frame, with a fresh memory;
    - otherwise `inner` decides, as on a later frame.

    Since frames are compared with that of the last step, what changes too little to be seen from
    one frame to the next adds up and is seen.

    A pixel has changed if one of its channels differs by more than `contrast`, and by more than
    `deviations` standard deviations of what noise makes of the difference. The noise is estimated
    from the video itself. A gain and an offset of the whole frame are taken off before: light that
    flickers or fades changes nothing.

    All numbers are traced: trying others compiles nothing. They may be arrays [B], one for each
    sample.

    Attributes:
        skip: share of the pixels, in 0..1.
        cut: share of the pixels, from `skip` to 1; with 1 there are no cuts.
        inner: a policy that decides after every step: a schedule, halting, one of one's own.
        contrast: gray levels, in 0..1.
        deviations: at least 0.
        pool: the means of squares of so many pixels' side are compared instead of pixels: less
            noise, and no edges that tremble. 1 where lines of one pixel matter.

    Raises:
        InputError: if a value is none of these.
    """

    __repr__ = in_a_line

    # See docs/decisions/0022-gates.md, which says how to choose them.
    skip: Any
    cut: Any
    inner: Any
    contrast: Any = 0.1
    deviations: Any = 5.0
    pool: int = flax.struct.field(pytree_node=False, default=1)

    def __post_init__(self) -> None:
        """Checks everything that is known; traced values are not."""
        super().__post_init__()
        for name in _NUMBERS:
            most = None if name == "deviations" else 1.0
            object.__setattr__(self, name, checked(name, getattr(self, name), most=most))
        known = is_known(self.skip) and is_known(self.cut)
        if known and np.greater(self.skip, self.cut).any():
            raise InputError(f"skip is {self.skip}, above cut {self.cut}: lower it")
        object.__setattr__(self, "pool", whole("pool", self.pool))

    def __eq__(self, other: object) -> bool:
        """Whether two gates are the same, whichever arrays their numbers are in."""
        return equals(self, other)

    def __hash__(self) -> int:
        """Of what compiles to one program."""
        return hash(jax.tree.structure(self))

    def __str__(self) -> str:
        """Returns the gate as `parse_policy` reads it."""
        return text("gate", self)

    @property
    def singles_out_first_frame(self) -> bool:
        """The first frame has none to be compared with."""
        return True

    @property
    def leaves_out_frames(self) -> bool:
        """What has not changed gets no step."""
        return True

    def init_memory(self, frame: Array) -> Memory:
        """Returns that no frame was seen; see `StepPolicy`."""
        nothing = jnp.zeros_like(pooled(frame, self.pool))
        unknown = jnp.full((frame.shape[0], frame.shape[-1]), jnp.inf, frame.dtype)
        return GateMemory(nothing, unknown, self.inner.init_memory(frame))

    def look(self, frame: Array, memory: GateMemory) -> Difference:
        """Returns how a frame differs from that of the last step, light and noise taken off.

        Args:
            frame: float32 [B, H, W, I], values in 0..1.
            memory: what was carried to it.
        """
        now = pooled(frame, self.pool)
        return compare(now, memory.frame, memory.noise, self.contrast, self.deviations)

    def begin(self, recurrence: Recurrence, first: bool | Array, memory: Memory) -> Begun:
        """Compares the frame with that of the last step; see `StepwisePolicy`.

        Raises:
            InputError: if there are numbers of other samples.
        """
        check_samples(self, _NUMBERS, recurrence.frame.shape[0])
        frame, found = pooled(recurrence.frame, self.pool), self.look(recurrence.frame, memory)
        # A state that another policy has left has no frame to be compared with.
        seen = jnp.isfinite(memory.noise).all(-1)
        anew = jnp.asarray(first) | (seen & (found.share > self.cut))
        known = seen & ~anew
        active = ~known | (found.share > self.skip)
        noise = jnp.where(known[:, None], found.noise, noise_alone(frame, memory.noise))

        begun = self.begin_inner(recurrence, anew, memory.inner)
        stepped = active & begun.active
        kept = GateMemory(
            frame=select(stepped, frame.astype(memory.frame.dtype), memory.frame),
            noise=noise.astype(memory.noise.dtype),
            inner=select(active, begun.memory, memory.inner),
        )
        return Begun(begun.start, begun.first, stepped, kept)
