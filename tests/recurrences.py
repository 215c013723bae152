"""Recurrences without a model, with a tiny one, and a policy that steers them."""

from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp

import rsf_jax as rsf
from rsf_jax.models.halting_head import HaltingHead
from rsf_jax.policies import Steered, Wrapper
from rsf_jax.policies.base import Recurrence


def recurrence(step, start, *, frame=None, fresh=None, readout=None, halting=None):
    """A frame's recurrence whose state is its own hidden state and, unless told, its own logits."""
    frame = jnp.zeros((start.shape[0], 1, 1, 1)) if frame is None else frame
    fresh = jnp.zeros_like(start) if fresh is None else fresh

    def seen(carry):
        return carry

    return Recurrence(frame, start, fresh, step, seen, readout or seen, halting=halting)


class TinyModel(rsf.VideoModel):
    """A model that is compiled in moments: h' = tanh(W h + x / (1 + c)), c the channel."""

    channels: int = 3

    def setup(self):
        self.weight = self.param("weight", nn.initializers.orthogonal(0.6), 2 * (self.channels,))

    def initial_carry(self, batch_size, height, width):
        return jnp.zeros((batch_size, self.channels, height, width), jnp.float32)

    def prepare(self, frame_shape):
        pass

    def drive(self, frame):
        return jnp.moveaxis(frame, -1, 1) / jnp.arange(1.0, 1 + self.channels)[None, :, None, None]

    def step(self, carry, drive):
        return jnp.tanh(
            jnp.einsum("ij,bjhw->bihw", self.weight, carry, precision="highest") + drive
        )

    def hidden(self, carry):
        return carry

    def readout(self, carry):
        return jnp.moveaxis(carry[:, :2], 1, -1)


@flax.struct.dataclass
class Heavy(Wrapper):
    """Steps start beyond where the one before has ended, with momentum; frames leave an average.

    What a frame leaves is no state that a step has reached or started from.
    """

    inner: Any
    beyond: Any = 0.25

    def init_history(self, carry):
        return jax.tree.map(jnp.zeros_like, carry)

    def steer(self, n, before, after, history):
        speed = jax.tree.map(lambda v, a, b: 0.5 * v + a - b, history, after, before)
        start = jax.tree.map(lambda b, v: b + self.beyond * v, after, speed)
        left = jax.tree.map(lambda a, b: (a + b) / 2, after, before)
        return Steered(start, left, speed)


class TinyHalting(TinyModel):
    """The same with a halting head, by default for "ponder"."""

    halting_head: str = "ponder"

    def setup(self):
        super().setup()
        self.halting = HaltingHead(0.2)
