"""What a network with reuse keeps: between frames, and of its weights."""

import dataclasses
import enum

import flax.struct
import jax
import jax.numpy as jnp

from rsf_jax.shown import in_a_line
from rsf_jax.typing import Array, Leaf


class Way(enum.IntEnum):
    """How a frame is processed."""

    ADVANCE = 0  # what has changed is computed and stored
    RESTART = 1  # everything is computed and stored
    PLAIN = 2  # everything is computed, nothing stored


@flax.struct.dataclass
class ReuseState:
    """What a sequence of frames leaves behind for its next one.

    Attributes:
        stored: what every stage keeps, of the last frame that was not processed plainly.
        before: for each stage the map that differences are taken to; None where none are.
        plain: float [B, H, W, C], the last frame that was.
        is_plain: bool, whether it came after what is stored.
        age: int32, frames since all was computed as a whole.
        computed: float32 [stages], the share of every map that the last frame had computed.
        owner: number of the network that it belongs to.
    """

    __repr__ = in_a_line

    stored: Leaf
    before: Leaf
    plain: Leaf
    is_plain: Leaf
    age: Leaf
    computed: Leaf
    owner: int = flax.struct.field(pytree_node=False)

    @property
    def is_used_up(self) -> bool:
        """Whether its memory has become that of a later state."""
        arrays = [a for a in jax.tree.leaves(self.stored) if isinstance(a, jax.Array)]
        return any(not isinstance(a, jax.core.Tracer) and a.is_deleted() for a in arrays)

    def passed_by(self, frame: Array) -> "ReuseState":
        """Returns the state after a frame of which nothing was stored."""
        # Without what is stored, which a program would copy.
        plain, is_plain, age, computed = _note(frame, self.age, self.computed)
        return dataclasses.replace(self, plain=plain, is_plain=is_plain, age=age, computed=computed)


@dataclasses.dataclass(frozen=True)
class Weights:
    """What depends on a network's weights alone.

    Attributes:
        constants: of the graph.
        spectra: of kernels, by the number of the stage.
    """

    constants: Leaf
    spectra: Leaf


jax.tree_util.register_dataclass(Weights, ["constants", "spectra"], [])


@jax.jit
def _note(frame: Array, age: Array, computed: Array) -> tuple[Array, Array, Array, Array]:
    """What changes in the state; of the frame a copy: a camera's buffer is written to again."""
    return jnp.asarray(frame), jnp.bool_(True), age + 1, jnp.ones_like(computed)
