"""What is kept of a hidden-state trajectory."""

import dataclasses
from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.arguments import check_function
from rsf_jax.errors import InputError
from rsf_jax.shown import in_a_line
from rsf_jax.typing import Array

_DTYPES = ("float32", "float16", "bfloat16")


@dataclasses.dataclass(frozen=True)
class Recording:
    """Which hidden states to keep, and what of them.

    All states of a video are T N H W C numbers: with 25 channels at 128x128 pixels, 1.6 MB a step,
    and so 79 MB a second for 25 frames per second of two steps. What is left out here is never
    stored.

    Attributes:
        frames: positions in the video, counted from 0; None for all. For `run_video` alone.
        steps: recurrent steps, counted from 1 (the state after the first step); None for all.
        dtype: "float32", "float16" or "bfloat16".
        projection: traceable function of the hidden states h [B, H, W, C] of a batch, whose result
            [B, ...] is kept instead of h; None keeps h.
    """

    __repr__ = in_a_line

    frames: tuple[int, ...] | None = None
    steps: tuple[int, ...] | None = None
    dtype: str = "float32"
    projection: Callable[[Array], Array] | None = None

    def __post_init__(self) -> None:
        """Checks what can be checked without a video."""
        for name, least in (("frames", 0), ("steps", 1)):
            chosen = getattr(self, name)
            if chosen is not None:
                object.__setattr__(self, name, _positions(name, chosen, least))
        if self.projection is not None:
            check_function("projection", self.projection)
        if self.dtype not in _DTYPES:
            raise InputError(f"dtype is {self.dtype!r}: choose one of {', '.join(_DTYPES)}")

    def frame_slots(self, length: int) -> list[int]:
        """Returns where each of `length` frames is stored; past the end for those left out."""
        return _slots("frames", self.frames or (), 0, length)

    def begin(self, hidden: Array, max_steps: int) -> jax.Array:
        """Returns an empty store for a frame of at most `max_steps` steps, [N, B, ...]."""
        _slots("steps", self.steps or (), 1, max_steps)
        kept = jax.eval_shape(self._keep, hidden)
        count = max_steps if self.steps is None else len(self.steps)
        return jnp.zeros((count, *kept.shape), kept.dtype)

    def write(self, store: jax.Array, n: int | Array, hidden: Array) -> jax.Array:
        """Stores h [B, C, H, W] after step n, counted from 0, unless that is left out."""
        if self.steps is None:
            return store.at[n].set(self._keep(hidden))
        matches = jnp.asarray(self.steps) == n + 1
        slot = jnp.where(matches.any(), matches.argmax(), len(self.steps))
        return store.at[slot].set(self._keep(hidden), mode="drop")

    def finish(self, store: jax.Array, done: int | Array, hidden: Array) -> jax.Array:
        """Repeats the last h past the `done` steps that were made; returns [B, N, ...]."""
        steps = jnp.arange(len(store)) + 1 if self.steps is None else jnp.asarray(self.steps)
        beyond = (steps > done).reshape((-1,) + (1,) * (store.ndim - 1))
        store = jnp.where(beyond, self._keep(hidden)[None], store)
        return jnp.einsum("nbchw->bnhwc", store) if self._keeps_h else jnp.moveaxis(store, 0, 1)

    @property
    def _keeps_h(self) -> bool:
        return self.projection is None

    def _keep(self, hidden: Array) -> Array:
        # h itself is turned to the public layout once a frame, in `finish`.
        kept = hidden if self.projection is None else self.projection(jnp.moveaxis(hidden, 1, -1))
        if not hasattr(kept, "dtype") or jnp.shape(kept)[:1] != hidden.shape[:1]:
            given = jnp.shape(kept) if hasattr(kept, "dtype") else type(kept).__name__
            raise InputError(
                f"the projection returns {given}: an array with the batch, {hidden.shape[0]}, in "
                "front is needed"
            )
        return kept.astype(self.dtype)


def as_recording(record_states: "bool | Recording") -> Recording | None:
    """Returns what `record_states` stands for; None to record nothing.

    Raises:
        InputError: if it is neither a bool nor a `Recording`.
    """
    if isinstance(record_states, bool | np.bool_):
        return Recording() if record_states else None
    if not isinstance(record_states, Recording):
        raise InputError(f"record_states is {record_states!r}: give True, False or a Recording")
    return record_states


def _positions(name: str, chosen: Iterable[int], least: int) -> tuple[int, ...]:
    if not isinstance(chosen, Iterable):
        raise InputError(f"{name} to record are {chosen!r}: write {name}=({chosen!r},)")
    positions = tuple(p.item() if isinstance(p, np.integer) else p for p in chosen)
    integers = all(isinstance(p, int) and not isinstance(p, bool) for p in positions)
    if (
        not integers
        or list(positions) != sorted(set(positions))
        or min(positions, default=-1) < least
    ):
        raise InputError(
            f"{name} to record are {positions}: ascending whole numbers from {least} on are needed"
        )
    return positions


def _slots(name: str, chosen: tuple[int, ...], first: int, length: int) -> list[int]:
    """Where each of the positions from `first` on is stored, `len(chosen)` for nowhere."""
    end = first + length - 1
    if chosen and chosen[-1] > end:
        raise InputError(f"{name} to record reach {chosen[-1]}: there are {first} to {end} here")
    where = {position: slot for slot, position in enumerate(chosen)}
    return [where.get(position, len(chosen)) for position in range(first, end + 1)]
