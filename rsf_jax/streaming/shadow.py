"""Shadow frames: now and then a frame is also run as a reference would run it, and compared."""

import dataclasses
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.arguments import check_function, check_number, whole
from rsf_jax.checks import check_policy
from rsf_jax.errors import InputError
from rsf_jax.models.base import Prepared, State
from rsf_jax.ops.select import select
from rsf_jax.policies import StepPolicy
from rsf_jax.policies.base import StepwisePolicy
from rsf_jax.shadow import advance_with_shadow
from rsf_jax.shown import in_a_line
from rsf_jax.streaming.slots import Stored
from rsf_jax.typing import Array

# (logits of the policy, logits of the reference) [B, H, W, K] -> [B] in 0..1
Loss = Callable[[Array, Array], Array]


def other_class(policy: Array, reference: Array) -> Array:
    """Share of the pixels [B, H, W, K] that are given different classes, [B]."""
    return (policy.argmax(-1) != reference.argmax(-1)).mean((1, 2))


@dataclasses.dataclass(frozen=True)
class Shadow:
    """Which frames get a shadow, and what becomes of it.

    What is compared: the logits after the steps of the engine's policy, and after those of the
    reference, both from the state that the stream has; see `shadow.advance_with_shadow`. It is seen
    what steps that were saved on this frame have cost, and not whether the states that frames
    before have left are as good as the reference's would be. Nor is it seen that a frame was cut at
    its deadline, or dropped.

    A shadow costs the steps of the reference, and those of the policy once more: with a share of
    .01 and a reference of ten times the steps, a tenth more work. It is computed in front of the
    tick in which the frame begins, which is later by that.

    Attributes:
        reference: recurrent steps of the shadow.
        share: probability with which a frame gets one, from a generator: of every k-th frame one
            could miss what comes at its pace.
        on_loss: called with each loss, by a thread that computes. It may call the engine; what it
            raises, that thread's call raises.
        loss: what is made of both logits; traceable.
        seed: of the generator.
    """

    __repr__ = in_a_line

    reference: StepPolicy
    share: float = 0.01
    on_loss: Callable[[float], Any] = lambda loss: None
    loss: Loss = other_class
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks all of them."""
        check_policy(self.reference)
        needed = "a probability above 0 is needed, at most 1"
        share = check_number("share", self.share, needed, lambda x: 0 < x <= 1)
        object.__setattr__(self, "share", share)
        check_function("on_loss", self.on_loss)
        check_function("loss", self.loss)
        whole("seed", self.seed, least=0)


def check_shadow(shadow: Any) -> None:
    """Raises InputError unless it is a shadow, or None."""
    if not (shadow is None or isinstance(shadow, Shadow)):
        raise InputError(f"shadow is {shadow!r}: a Shadow is needed, as Shadow(policy), or None")


class Shadows:
    """Draws the frames of an engine that get a shadow, and computes it.

    Args:
        shadow: which, and how.
        prepared: the model.
        policy: of the engine.
        stateful: start a frame from the state its predecessor left.
    """

    def __init__(
        self, shadow: Shadow, prepared: Prepared, policy: StepwisePolicy, *, stateful: bool
    ) -> None:
        self._shadow, self._prepared, self._policy = shadow, prepared, policy
        self._reference = jax.tree.map(np.float32, shadow.reference)
        self._rng = np.random.default_rng(shadow.seed)
        self._losses: deque[Array] = deque()
        self._compute = jax.jit(partial(_loss, loss=shadow.loss, stateful=stateful))

    def drawn(self) -> bool:
        """Whether the next frame gets a shadow."""
        return bool(self._rng.random() < self._shadow.share)

    def cast(self, store: Stored, frames: Array, place: int, row: int, first: bool) -> None:
        """Begins to compute a shadow; of the store it reads what is there now.

        Args:
            store: states of all streams, before the frame.
            frames: float32 [S, H, W, I].
            place: which of them.
            row: of its stream.
            first: whether it is its stream's first.
        """
        where = (np.int32(place), np.int32(row), np.array([first]))
        found = self._compute(self._prepared, self._policy, self._reference, store, frames, *where)
        self._losses.append(found)

    def forget(self) -> None:
        """Waits for what is computed, and leaves it."""
        jax.block_until_ready(list(self._losses))
        self._losses.clear()

    def losses(self) -> list[float]:
        """Waits for what is computed, and returns it, each once."""
        losses, self._losses = self._losses, deque()
        return [float(loss) for loss in jax.device_get(list(losses))]

    def on_loss(self, loss: float) -> None:
        """Tells the user."""
        self._shadow.on_loss(loss)


def _loss(
    prepared: Prepared,
    policy: StepwisePolicy,
    reference: StepPolicy,
    store: Stored,
    frames: Array,
    place: Array,
    row: Array,
    first: Array,
    *,
    loss: Loss,
    stateful: bool,
) -> Array:
    frame = jax.lax.dynamic_slice_in_dim(frames, place, 1)
    kept = jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, row, 1), store)
    fresh = Stored(prepared.initial_carry(1), policy.init_memory(frame))
    start = select(first, fresh, kept)
    state = State(start.carry, jnp.zeros(1, jnp.int32), start.memory)
    _, out, shadow = advance_with_shadow(
        prepared, state, frame, policy, reference, first=first, stateful=stateful
    )
    return loss(out.logits, shadow.logits)[0]
