"""The other way to batch live videos: all slots wait until the slowest frame has ended."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.models.base import Prepared, State, VideoModel
from rsf_jax.policies import StepPolicy
from rsf_jax.typing import Array
from rsf_jax.unroll import advance


class LockStep:
    """Runs one frame of up to S streams at a time, each from its stored state.

    Args:
        model: the model.
        prepared: its prepared variables.
        policy: when frames end.
        slots: frames of a batch, S.
        rows: streams.
    """

    def __init__(
        self, model: VideoModel, prepared: Prepared, policy: StepPolicy, slots: int, rows: int
    ) -> None:
        self._model, self._prepared, self._policy, self._slots = model, prepared, policy, slots
        self._rows = rows
        self._run = jax.jit(self._advance, donate_argnums=(2,))
        self.reset()
        self(np.zeros(1, np.int32), np.zeros((1, *self._frame), np.float32))  # compiles
        self.reset()

    def reset(self) -> None:
        """Starts all streams anew, and counting."""
        self.restart()
        self.useful_steps = self.slot_steps = 0

    def restart(self) -> None:
        """Starts all streams anew."""
        state = self._model.initial_state(self._rows, self._prepared.frame_shape)
        frames = jnp.zeros((self._rows, *self._frame), jnp.float32)
        self._store = dataclasses.replace(state, memory=self._policy.init_memory(frames))

    @property
    def _frame(self) -> tuple[int, int, int]:
        return (*self._prepared.frame_shape, self._model.input_channels)

    def __call__(self, rows: np.ndarray, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Computes a frame of each given stream.

        Args:
            rows: int32 [N], numbers of 1 <= N <= S streams, each once.
            frames: float32 or uint8 [N, H, W, I].

        Returns:
            Logits [N, H, W, K] and steps int32 [N].
        """
        count = len(rows)
        # A slot without a frame repeats the first one, so that nobody waits for it; what it
        # leaves is written to a row that does not exist: nowhere.
        filled = np.arange(self._slots)
        filled[count:] = 0
        targets = np.full(self._slots, self._rows, np.int32)
        targets[:count] = rows
        self._store, logits, steps = self._run(
            self._prepared, self._policy, self._store, rows[filled], targets, frames[filled]
        )
        logits, steps = jax.device_get((logits, steps))
        self.useful_steps += int(steps[:count].sum())
        self.slot_steps += self._slots * int(steps.max())
        return logits[:count], steps[:count]

    def _advance(
        self,
        prepared: Prepared,
        policy: StepPolicy,
        store: State,
        rows: Array,
        targets: Array,
        frames: Array,
    ) -> tuple[State, Array, Array]:
        state: State = jax.tree.map(lambda x: x[rows], store)
        first: Any = state.frame_index == 0 if policy.singles_out_first_frame else False
        state, out = advance(prepared, state, frames, policy, first=first)
        store = jax.tree.map(lambda x, new: x.at[targets].set(new, mode="drop"), store, state)
        return store, out.logits, out.steps
